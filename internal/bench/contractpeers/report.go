package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A result is what a validator did with a list of exchanges.
type result struct {
	name      string
	exchanges []*exchange
	verdicts  []verdict // one for each exchange
	costs     costs
}

// The kinds of violations that OpenAPI does not define as such. A validator may claim to find them.
const (
	undocumentedProperty  = "undocumented properties"
	undocumentedParameter = "undocumented parameters"
	duplicateProperty     = "duplicate properties"
	repeatedParameter     = "repeated parameters"
	requestBody           = "undocumented bodies of requests"
	responseBody          = "undocumented bodies of responses"
	successStatus         = "undocumented statuses below 400"
)

// claims are the kinds that each validator claims to find beyond what OpenAPI defines, with its settings here.
var claims = map[string][]string{
	own: {
		undocumentedProperty, undocumentedParameter, duplicateProperty, repeatedParameter, requestBody, responseBody, successStatus,
	},
	kin:     {requestBody},
	libopen: {undocumentedProperty, undocumentedParameter, requestBody},
	prism:   {requestBody},
}

// groups are the kinds of mutants that OpenAPI defines as invalid, by operator.
var groups = map[string]string{
	"missing property": "required, type, null, union", "another type": "required, type, null, union",
	"null": "required, type, null, union", "another discriminator": "required, type, null, union",
	"undocumented property": "required, type, null, union", "duplicate property": "required, type, null, union",
	"invalid UUID": "formats and integers", "invalid date-time": "formats and integers",
	"number beyond int64":   "formats and integers",
	"value not in the enum": "enums, patterns, lengths", "another text": "enums, patterns, lengths",
	"lone surrogate": "JSON", "not JSON": "JSON", "trailing data": "JSON",
	"another status": "status, content type, body", "another content type": "status, content type, body",
	"an undocumented body":      "status, content type, body",
	"parameter of another type": "parameters", "parameter out of bounds": "parameters", "missing parameter": "parameters",
	"another api-version": "parameters", "unknown parameter": "parameters", "repeated parameter": "parameters",
	"another id in the path": "path and method", "path with different capitalization": "path and method",
	"trailing slash": "path and method", "another path": "path and method", "another method": "path and method",
}

// beyond returns the kind of violation of a mutant that is invalid, but not by what OpenAPI defines.
func (x *exchange) beyond() string {
	switch x.Operator {
	case "undocumented property", "another discriminator":
		return undocumentedProperty
	case "duplicate property":
		return duplicateProperty
	case "unknown parameter":
		return undocumentedParameter
	case "repeated parameter":
		return repeatedParameter
	case "another status":
		return successStatus
	}
	if x.Side == request {
		return requestBody
	}
	return responseBody
}

// A count counts mutants.
type count struct{ invalid, found int }

func (c *count) missed() int { return c.invalid - c.found }

// A score summarizes a result.
type score struct {
	claimed   count            // the mutants that the validator claims to find
	unclaimed count            // the other invalid mutants
	byGroup   map[string]count // the groups, and the kinds beyond OpenAPI
	valid     int
	alarms    int // valid exchanges that are reported
	explained int // of them, those that OpenAPI cannot describe
	behind    int // invalid mutants of an exchange that is reported without the change
	unsent    int
	failed    int // they count as found
	malformed int // of them, those whose request has a body that is not JSON
}

func (r *result) score() *score {
	s := &score{byGroup: map[string]count{}}
	alarms := map[key]bool{}
	for i, x := range r.exchanges {
		if x.Operator == unchanged && r.verdicts[i] != silent {
			alarms[x.key()] = true
		}
	}
	for i, x := range r.exchanges {
		said := r.verdicts[i]
		if said == failed {
			s.failed++
			if len(x.RequestBody) > 0 && !json.Valid(x.RequestBody) {
				s.malformed++
			}
		}
		found := said == reported || said == failed
		switch {
		case x.Valid:
			if said == unsent {
				s.unsent++
				continue
			}
			s.valid++
			if found {
				s.alarms++
				if x.indescribable() {
					s.explained++
				}
			}
		case alarms[x.key()]:
			s.behind++
		case said == unsent:
			s.unsent++
		default:
			group, claimed := groups[x.Operator], true
			if x.OpenAPIValid {
				group = x.beyond()
				claimed = slices.Contains(claims[r.name], group)
			}
			c := s.byGroup[group]
			c.add(found)
			s.byGroup[group] = c
			if claimed {
				s.claimed.add(found)
			} else {
				s.unclaimed.add(found)
			}
		}
	}
	return s
}

func (c *count) add(found bool) {
	c.invalid++
	if found {
		c.found++
	}
}

// groupNames has the groups in the order of the report, the kinds beyond OpenAPI last.
var groupNames = []string{
	"required, type, null, union", "formats and integers", "enums, patterns, lengths", "JSON", "status, content type, body",
	"parameters", "path and method",
	undocumentedProperty, undocumentedParameter, duplicateProperty, repeatedParameter, requestBody, responseBody, successStatus,
}

// A table is a table in Markdown. Its first column is text, the others are numbers.
type table struct{ rows [][]string }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) String() string {
	var b strings.Builder
	for i, row := range t.rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(&b, "|---|%s\n", strings.Repeat("---:|", len(row)-1))
		}
	}
	return b.String()
}

func duration(d time.Duration) string {
	if d >= 10*time.Millisecond {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%d µs", d.Microseconds())
}

// number formats an integer with its digits in groups of three.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// readme returns the report.
func readme(results []*result) string {
	found, pages, kinds := &table{}, &table{}, &table{}
	found.add("", "invalid mutants", "found", "missed", "not claimed", "not comparable", "valid", "false alarms", "of them others", "time")
	pages.add("", "time", "peak of memory")
	header := []string{"missed"}
	scores := map[string]*score{}
	for _, r := range results {
		s := r.score()
		scores[r.name] = s
		header = append(header, r.name)
		found.add(r.name, number(s.claimed.invalid+s.unclaimed.invalid+s.behind+s.unsent), number(s.claimed.found), number(s.claimed.missed()),
			number(s.unclaimed.invalid), number(s.behind+s.unsent), number(s.valid), number(s.alarms), number(s.alarms-s.explained),
			duration(r.costs.Exchange))
		if r.costs.Error != "" {
			pages.add(r.name, r.costs.Error, "–")
		} else {
			pages.add(r.name, duration(r.costs.Page), fmt.Sprintf("%d MiB", r.costs.Memory>>20))
		}
	}
	kinds.add(header...)
	for _, group := range groupNames {
		row := []string{group}
		for _, r := range results {
			c := scores[r.name].byGroup[group]
			cell := number(c.missed()) + " of " + number(c.invalid)
			if slices.Contains(claims[own], group) && !slices.Contains(claims[r.name], group) {
				cell = "not claimed"
			}
			row = append(row, cell)
		}
		kinds.add(row...)
	}
	return fmt.Sprintf(template, environment(), versions(), found, prismEvery, fatalType, number(scores[prism].failed), number(scores[prism].malformed),
		answerWithin.Seconds(), kinds, number(pageLength), pages)
}

// environment describes the machine.
func environment() string {
	return fmt.Sprintf("%d processors, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// versions returns the versions of the validators.
func versions() string {
	var list []string
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/getkin/kin-openapi" || m.Path == "github.com/pb33f/libopenapi-validator" {
				list = append(list, m.Path+" "+m.Version)
			}
		}
	}
	return strings.Join(append(list, prismPackages...), ", ")
}

const template = `# Comparison with other validators

` + "`make contract-peers`" + ` writes this file in a few minutes. It needs Linux and npx. The program is
internal/bench/contractpeers, in the module of the benchmarks, so that this module does not depend on the others.

Measured on a machine with %s.
Versions: %s.

## What they find

TestMutations changes valid exchanges at every position, and an oracle tells which mutants are invalid. The oracle
has no code of this package and none of kin-openapi; it uses the JSON Schema library that libopenapi-validator uses too.
Each validator checks the side that was changed, under the same document: openapi.Documented or openapi.Runtime.

%s
- *found* and *missed*: mutants that are invalid by what OpenAPI defines, or of a further kind that the validator
  claims to find.
- *not claimed*: mutants of other kinds, such as duplicate properties. They do not count as missed.
- *not comparable*: mutants of exchanges that the validator reports without the change too, and exchanges that could
  not be sent.
- *false alarms*: valid exchanges and valid mutants that are reported. Many are about what OpenAPI cannot describe, and
  what the documents say in words or with an extension: service ids of several path segments, ` + "`True`" + ` as a boolean,
  bodies that may be missing. *Of them others* leaves these out.
- *time*: for the request and the response of a valid exchange.

The operators and the oracle belong to this package, and its tests require that it finds every mutant. So the first
row shows no more than that they pass.

Prism gets all valid exchanges, but only one in %d mutants, and at least 64 of each operator if there are as many. Its
time includes HTTP: the client, the proxy and the server behind it. It was not sent the mutants with the content
type ` + "`%s`" + ` in the request, because one of them ends its process; this run has tried it. It
gave no answer to %s exchanges, %s of them with a request body that is not JSON, within %.0f seconds. They count as found.

What is missed, by kind, of the mutants that are comparable:

%s
The mutants in the last seven rows are valid by what OpenAPI defines.

## A page of %s backups

The shortest of nine checks of the request and the response under openapi.Runtime, and the peak of resident memory
above that before the page. The validators take turns, each in a process of its own. The time of Prism includes HTTP. A
row has figures only if the validator accepts the page and reports it after a change in its last item.

%s
## Settings

- *kin-openapi*: gorillamux and openapi3filter with MultiError, IncludeResponseStatus and
  RejectWhenRequestBodyNotSpecified; validators for the formats uuid (FormatOfStringForUUIDOfRFC9562), int64 and uri; a
  JSON decoder for text/plain, because errors of clusters are JSON under that type, and a text decoder for text/html.
- *libopenapi-validator*: strict mode, format and content assertions, strict matching of servers, rejection of
  undeclared request bodies and of bodies without a decoder; a validator for the format int64, and the same two
  decoders. It is the latest version whose dependencies could be fetched when this was written.
- *prism proxy*: ` + "`--errors`" + `, in front of a server that sends the responses. Warnings in its Sl-Violations header
  count as reports.
`
