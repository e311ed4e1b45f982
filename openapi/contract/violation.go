package contract

import (
	"errors"
	"fmt"
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

// A Violation is one difference between an exchange and the document.
type Violation struct {
	// Operation is the operationId in the document. It is empty if no operation has the path.
	Operation string
	// Where says whether the violation is in the request or in the response.
	Where Side
	// Location is the place within the message. In a body it is a JSON pointer: "/Items/0/BackupId", or
	// "" for the body as a whole. Outside a body it is "path", "query", "status", or the name of a
	// parameter or header: "path.partitionId", "query.timeout", "header.Content-Type". A description
	// replaces a name that is long or not printable.
	Location string
	// Rule is the rule that is violated.
	Rule Rule
	// Message says what was expected and what was found, in one line and without secrets.
	Message string
}

// Error returns the violation in one line: operation, side and location, rule, message.
func (v *Violation) Error() string {
	operation := v.Operation
	if operation == "" {
		operation = "unknown operation"
	}
	place := string(v.Where)
	if v.Location != "" {
		place += " " + v.Location
	}
	return fmt.Sprintf("%s: %s: %s: %s", operation, place, v.Rule, v.Message)
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
	RuleSchema      Rule = "schema"     // any other keyword of a schema
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
	RuleEncoding         Rule = "content-encoding"       // an encoding that the request does not accept
	RuleUndocumentedBody Rule = "undocumented-body"      // a body where none is documented
	RuleAPIVersion       Rule = "api-version"            // another version, or none
	RulePathCase         Rule = "path-case"              // the path is right except for its capitalization
	RuleTrailingSlash    Rule = "trailing-slash"         // the path is right except for a slash at its end
)

// joinViolations returns violations as one error, nil if there are none.
func joinViolations(list []*Violation) error {
	errs := make([]error, len(list))
	for i, v := range list {
		errs[i] = v
	}
	return errors.Join(errs...)
}

// appendToken appends a reference token to a JSON pointer.
func appendToken(pointer, token string) string {
	if strings.ContainsAny(token, "~/") {
		token = strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
	}
	return pointer + "/" + token
}

// maxToken is the longest token of a location, in bytes, that is shown.
const maxToken = 64

// printable returns a location that fits in one line. Names that come from an exchange may be long, or
// hold line breaks and invalid UTF-8.
func printable(location string) string {
	prefix := ""
	if name, ok := strings.CutPrefix(location, "query."); ok {
		prefix, location = "query.", name
	}
	tokens := strings.Split(location, "/")
	for i, token := range tokens {
		unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
		if len(token) > maxToken || !utf8.ValidString(token) || strings.ContainsFunc(token, unprintable) {
			tokens[i] = fmt.Sprintf("(a name of %s)", count(len(token), "byte"))
		}
	}
	return prefix + strings.Join(tokens, "/")
}
