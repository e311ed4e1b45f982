package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/servicefabric-go/backup/openapi/contract"
)

// A report is what the check of a target has found.
type report struct {
	Target     string                `json:"target"`
	Violations []*contract.Violation `json:"violations"`
	Errors     []string              `json:"errors"` // what could not be checked
	Unused     []string              `json:"unused"` // allowed deviations that did not occur
	coverage   contract.Coverage
}

func newReport(target string, v *contract.Validator, err error) *report {
	r := &report{Target: target, Violations: []*contract.Violation{}, Errors: []string{}, Unused: []string{}, coverage: v.Coverage()}
	r.add(err)
	r.Unused = append(r.Unused, v.Unused()...)
	return r
}

// add adds the errors that an error joins.
func (r *report) add(err error) {
	switch err := err.(type) { //nolint:errorlint // it looks at each of the joined errors
	case nil:
	case *contract.Violation:
		r.Violations = append(r.Violations, err)
	case interface{ Unwrap() []error }:
		for _, err := range err.Unwrap() {
			r.add(err)
		}
	default:
		r.Errors = append(r.Errors, err.Error())
	}
}

// writers write a report, by the name of the format.
var writers = map[string]func(*report, io.Writer) error{
	"text": (*report).text, "json": (*report).json, "junit": (*report).junit,
}

func (r *report) write(w io.Writer, format string) error { return writers[format](r, w) }

func (r *report) text(w io.Writer) error {
	fmt.Fprintf(w, "%s: %d violations\n", r.Target, len(r.Violations))
	for _, violation := range r.Violations {
		fmt.Fprintf(w, "  %s\n", violation)
	}
	all := len(r.coverage.Items)
	_, err := fmt.Fprintf(w, "\nused %d of %d parts of the document:\n\n%s\n", all-len(r.coverage.Missing()), all, r.coverage)
	return err
}

func (r *report) json(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// The elements of the JUnit format that CI systems read.
type (
	testSuite struct {
		XMLName  xml.Name   `xml:"testsuite"`
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Skipped  int        `xml:"skipped,attr"`
		Cases    []testCase `xml:"testcase"`
	}
	testCase struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Failure *problem `xml:"failure"`
		Error   *problem `xml:"error"`
		Skipped *problem `xml:"skipped"`
	}
	problem struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// add adds a case. Readers of the format expect at most one result in a case.
func (s *testSuite) add(class, name string, failures, errors []string, skipped string) {
	c := testCase{Class: class, Name: name}
	switch {
	case len(failures) > 0:
		c.Failure = newProblem(failures)
		s.Failures++
	case len(errors) > 0:
		c.Error = newProblem(errors)
		s.Errors++
	case skipped != "":
		c.Skipped = &problem{Message: skipped}
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
	s.Tests++
}

func newProblem(lines []string) *problem {
	message := lines[0]
	if len(lines) > 1 {
		message += fmt.Sprintf(" … and %d more", len(lines)-1)
	}
	return &problem{message, strings.Join(lines, "\n")}
}

// junit writes one case for each operation and rule, one for requests of no operation, and two for what could not be
// checked and for allowed deviations that did not occur. Cases of an operation that no exchange used are skipped.
func (r *report) junit(w io.Writer) error {
	failures := map[string][]string{} // by operation and rule
	for _, v := range r.Violations {
		failures[v.Operation+" "+string(v.Rule)] = append(failures[v.Operation+" "+string(v.Rule)], v.Error())
	}
	suite := testSuite{Name: r.Target}
	for _, item := range r.coverage.Items {
		if item.Kind != contract.CoverageOperation {
			continue
		}
		skipped := ""
		if item.Count == 0 {
			skipped = "no exchange of this operation"
		}
		for _, rule := range contract.Rules() {
			suite.add(item.Name, string(rule), failures[item.Name+" "+string(rule)], nil, skipped)
		}
	}
	suite.add("unknown operation", string(contract.RuleOperation), failures[" "+string(contract.RuleOperation)], nil, "")
	suite.add("contracttest", "everything was checked", failures[" "+string(contract.RuleLimit)], r.Errors, "")
	suite.add("contracttest", "all allowed deviations occur", nil, r.Unused, "")
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
