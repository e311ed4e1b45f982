package main

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"

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
	for _, line := range v.Unused() {
		r.Unused = append(r.Unused, "allowed, but did not occur: "+line)
	}
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
		Cases    []testCase `xml:"testcase"`
	}
	testCase struct {
		Class    string    `xml:"classname,attr"`
		Name     string    `xml:"name,attr"`
		Failures []problem `xml:"failure"`
		Errors   []problem `xml:"error"`
	}
	problem struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// junit writes one case for each operation and rule, and one for what could not be checked.
func (r *report) junit(w io.Writer) error {
	const unknown = "unknown operation"
	operations := []string{unknown}
	for _, item := range r.coverage.Items {
		if item.Kind == contract.CoverageOperation {
			operations = append(operations, item.Name)
		}
	}
	suite := testSuite{Name: r.Target}
	for _, operation := range operations {
		for _, rule := range contract.Rules() {
			c := testCase{Class: operation, Name: string(rule)}
			for _, v := range r.Violations {
				if cmp.Or(v.Operation, unknown) == operation && v.Rule == rule {
					c.Failures = append(c.Failures, problem{v.Message, v.Error()})
				}
			}
			if len(c.Failures) > 0 {
				suite.Failures++
			}
			suite.Cases = append(suite.Cases, c)
		}
	}
	rest := testCase{Class: "contracttest", Name: "everything was checked"}
	for _, text := range append(r.Errors, r.Unused...) {
		rest.Errors = append(rest.Errors, problem{text, text})
	}
	if len(rest.Errors) > 0 {
		suite.Errors = 1
	}
	suite.Cases = append(suite.Cases, rest)
	suite.Tests = len(suite.Cases)
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
