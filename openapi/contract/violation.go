package contract

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Side is a side of an exchange, the request or the response. Its values are stable.
type Side string

// The sides of an exchange.
const (
	InRequest  Side = "request"
	InResponse Side = "response"
)

// A Violation is one difference between exchanges and the document. It marshals to JSON.
type Violation struct {
	// Exchange is the number of the exchange in a recording or in a test, from 1. It is 0 elsewhere.
	Exchange int `json:"exchange,omitempty"`
	// Operation is the operationId in the document. It is empty if no operation has the path.
	Operation string `json:"operation,omitempty"`
	// Where says whether the violation is in the request or in the response.
	Where Side `json:"where,omitempty"`
	// Location is the place within the message. In a body it is a JSON pointer: "/Items/0/BackupId", or
	// "" for the body as a whole. Outside a body it is "path", "query", "status", or the name of a
	// parameter or header: "path.partitionId", "query.timeout", "header.Content-Type". A description
	// replaces a name that is long or not printable, and "…" the middle of a long pointer.
	Location string `json:"location"`
	// Rule is the rule that is violated.
	Rule Rule `json:"rule"`
	// Message says what was expected and what was found, in one line and without secrets.
	Message string `json:"message"`
	// Count is the number of places that differ from Location only in array indices and violate the same rule,
	// Location included. Message is about the first one.
	Count int `json:"count"`
	// More has the locations of the next ones, at most two.
	More []string `json:"more,omitempty"`
}

// Error returns the violation in one line: exchange, operation, side and location, rule, message, and how many
// there are like it.
func (v *Violation) Error() string {
	var b strings.Builder
	if v.Exchange > 0 {
		fmt.Fprintf(&b, "exchange %d: ", v.Exchange)
	}
	b.WriteString(cmp.Or(v.Operation, "unknown operation"))
	if v.Where != "" {
		fmt.Fprintf(&b, ": %s %s", v.Where, cmp.Or(v.Location, "body"))
	}
	fmt.Fprintf(&b, ": %s: %s", v.Rule, v.Message)
	if v.Count > 1 {
		fmt.Fprintf(&b, " … and %s more like it", decimal(v.Count-1))
		if len(v.More) > 0 {
			b.WriteString(" (" + strings.Join(v.More, ", "))
			if v.Count-1 > len(v.More) {
				b.WriteString(", …")
			}
			b.WriteByte(')')
		}
	}
	return b.String()
}

// decimal returns a number with a comma before each group of three digits.
func decimal(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Violations returns the violations that an error joins or wraps, nil if there are none.
func Violations(err error) []*Violation {
	switch err := err.(type) { //nolint:errorlint // errors.As finds only the first violation
	case *Violation:
		return []*Violation{err}
	case interface{ Unwrap() error }:
		return Violations(err.Unwrap())
	case interface{ Unwrap() []error }:
		var all []*Violation
		for _, e := range err.Unwrap() {
			all = append(all, Violations(e)...)
		}
		return all
	}
	return nil
}

// A Rule names a kind of violation. Its values are stable.
type Rule string

// Rules that follow from the document, and that other validators check too.
const (
	RuleType        Rule = "type"       // another JSON type
	RuleNull        Rule = "null"       // null where a value is expected
	RuleRequired    Rule = "required"   // a required property or parameter is missing
	RuleEnum        Rule = "enum"       // not one of the enumerated values
	RulePattern     Rule = "pattern"    // a string that does not match the pattern
	RuleBounds      Rule = "bounds"     // too small, too large, too short or too long
	RuleOneOf       Rule = "one-of"     // matches none of the schemas, or several
	RuleOperation   Rule = "operation"  // no operation has this path
	RuleMethod      Rule = "method"     // the path is right, the method is not
	RuleJSON        Rule = "json"       // not valid JSON
	RuleMissingBody Rule = "empty-body" // no body where one is required
)

// Rules that other validators often do not check.
const (
	RuleUUID             Rule = "uuid"                   // not a UUID in canonical form
	RuleDateTime         Rule = "date-time"              // not an RFC 3339 date-time
	RuleInt64            Rule = "int64"                  // not an integer, or out of range for int32 or int64
	RuleURI              Rule = "uri"                    // not an absolute URI
	RuleProperty         Rule = "undocumented-property"  // a property that is not in the document
	RuleStatus           Rule = "undocumented-status"    // a status that is not in the document
	RuleParameter        Rule = "undocumented-parameter" // a query parameter that is not in the document
	RuleRepeated         Rule = "repeated-parameter"     // a query parameter with several values
	RuleDiscriminator    Rule = "discriminator"          // a kind that is not in the document
	RuleTrailing         Rule = "trailing-bytes"         // data after the JSON value
	RuleDuplicate        Rule = "duplicate-key"          // a property that appears twice
	RuleContentType      Rule = "content-type"           // a content type that is missing or not in the document
	RuleEncoding         Rule = "content-encoding"       // an encoding that the receiver does not accept, or that is corrupt
	RuleUndocumentedBody Rule = "undocumented-body"      // a body where none is documented
	RuleAPIVersion       Rule = "api-version"            // another version, or none
	RulePathCase         Rule = "path-case"              // the path is right except for its capitalization
	RuleTrailingSlash    Rule = "trailing-slash"         // the path is right except for a slash at its end
)

// RuleLimit is for what was not checked or not listed, because it exceeds a limit of this package.
const RuleLimit Rule = "limit"

// rules has all rules.
var rules = []Rule{
	RuleType, RuleNull, RuleRequired, RuleEnum, RulePattern, RuleBounds, RuleOneOf, RuleOperation, RuleMethod, RuleJSON,
	RuleMissingBody, RuleUUID, RuleDateTime, RuleInt64, RuleURI, RuleProperty, RuleStatus, RuleParameter,
	RuleRepeated, RuleDiscriminator, RuleTrailing, RuleDuplicate, RuleContentType, RuleEncoding, RuleUndocumentedBody,
	RuleAPIVersion, RulePathCase, RuleTrailingSlash, RuleLimit,
}

// Rules returns all rules.
func Rules() []Rule { return slices.Clone(rules) }

// The reference tokens of a JSON pointer are escaped.
var (
	escaped   = strings.NewReplacer("~", "~0", "/", "~1")
	unescaped = strings.NewReplacer("~0", "~", "~1", "/")
)

// printable returns a name that fits in one line. Names that come from an exchange may be long, or hold line
// breaks and invalid UTF-8, or be a secret at the wrong place, such as AccountKey=….
func printable(name string) string {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) || r == '=' }
	if len(name) > maxToken || !utf8.ValidString(name) || strings.ContainsFunc(name, unprintable) {
		return fmt.Sprintf("(a name of %s)", count(len(name), "byte"))
	}
	return name
}

// closest returns the name that another was probably meant to be, empty if there is none: the one with the fewest
// changes, ignoring case, and not more than one for three letters.
func closest(other string, names iter.Seq[string]) (name string) {
	best := 0
	for n := range names {
		if len(other) > 2*len(n) {
			continue // that many changes cost time
		}
		changes := distance(strings.ToLower(n), strings.ToLower(other))
		if changes*3 <= len(n) && (name == "" || changes < best || changes == best && n < name) {
			name, best = n, changes
		}
	}
	return name
}

// distance returns the number of bytes that have to be inserted, deleted or replaced to make a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1) // the distances of the beginning of a to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
