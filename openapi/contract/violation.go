package contract

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The two places of an exchange that a Violation can be in.
const (
	InRequest  = "request"
	InResponse = "response"
)

// A Violation is one way in which an exchange differs from the document.
type Violation struct {
	// Operation is the operationId of the document; empty if the request fits no operation.
	Operation string
	// Where is InRequest or InResponse.
	Where string
	// Pointer says where it is: a JSON pointer into the body ("/Items/0/BackupId"; "" is the body as
	// a whole), or a part of the message that is no body: "path", "path.partitionId",
	// "query.timeout", "header.Content-Type", "status".
	Pointer string
	// Rule is the rule that is broken.
	Rule Rule
	// Message says what was expected and what was found, in one line and without secrets.
	Message string
}

// Error returns the violation in one line.
func (v *Violation) Error() string {
	operation := v.Operation
	if operation == "" {
		operation = "no operation"
	}
	place := v.Where
	if v.Pointer != "" {
		place += " " + v.Pointer
	}
	return fmt.Sprintf("%s: %s: %s: %s", operation, place, v.Rule, v.Message)
}

// Violations returns the violations that an error of this package joins.
func Violations(err error) []*Violation {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*Violation
		for _, e := range joined.Unwrap() {
			all = append(all, Violations(e)...)
		}
		return all
	}
	if v, ok := errors.AsType[*Violation](err); ok {
		return []*Violation{v}
	}
	return nil
}

// A Rule names a kind of violation. The names are stable.
type Rule string

// What the document says, and every validator checks.
const (
	RuleType      Rule = "type"       // another JSON type
	RuleNull      Rule = "null"       // null where a value has to be
	RuleRequired  Rule = "required"   // a required property or parameter is missing
	RuleEnum      Rule = "enum"       // not one of the values
	RulePattern   Rule = "pattern"    // a text of another form
	RuleBounds    Rule = "bounds"     // too small, too great, too short, too long
	RuleOneOf     Rule = "one-of"     // none of the forms, or several at once
	RuleOperation Rule = "operation"  // no operation has this path
	RuleMethod    Rule = "method"     // the path is right and the method is not
	RuleJSON      Rule = "json"       // not JSON at all
	RuleBody      Rule = "empty-body" // no body where one has to be
	RuleSchema    Rule = "schema"     // any other keyword of a schema
)

// What validators commonly let pass.
const (
	RuleUUID          Rule = "uuid"                   // not a UUID in its canonical form
	RuleDateTime      Rule = "date-time"              // not a date and time with a zone
	RuleInt64         Rule = "int64"                  // not a whole number, or none that its type holds
	RuleURI           Rule = "uri"                    // not a URI with a scheme
	RuleProperty      Rule = "undocumented-property"  // a property that is not in the document
	RuleStatus        Rule = "undocumented-status"    // a success or redirect that is not in the document
	RuleParameter     Rule = "undocumented-parameter" // a query parameter that is not in the document
	RuleRepeated      Rule = "repeated-parameter"     // a query parameter that comes twice
	RuleDiscriminator Rule = "discriminator"          // a kind that is not in the document
	RuleTrailing      Rule = "trailing-bytes"         // something after the JSON value
	RuleDuplicate     Rule = "duplicate-key"          // a property that comes twice
	RuleContentType   Rule = "content-type"           // a content type that is missing or not in the document
	RuleEncoding      Rule = "content-encoding"       // a body that is compressed without being asked for
	RuleNoBody        Rule = "undocumented-body"      // a body where none is documented
	RuleAPIVersion    Rule = "api-version"            // another version, or none
	RulePathCase      Rule = "path-case"              // the path is right but for its case
	RuleTrailingSlash Rule = "trailing-slash"         // the path is right but for a slash at its end
)

// joined returns violations as an error.
func joined(list []*Violation) error {
	errs := make([]error, len(list))
	for i, v := range list {
		errs[i] = v
	}
	return errors.Join(errs...)
}

// pointer appends a step to a JSON pointer.
func pointer(at, step string) string {
	if strings.ContainsAny(step, "~/") {
		step = strings.NewReplacer("~", "~0", "/", "~1").Replace(step)
	}
	return at + "/" + step
}

// maxStep is how long a step of a pointer is at most.
const maxStep = 64

// printable returns a pointer that fits in a line: a name that came with the exchange can be anything.
func printable(at string) string {
	prefix := ""
	if name, ok := strings.CutPrefix(at, "query."); ok {
		prefix, at = "query.", name
	}
	steps := strings.Split(at, "/")
	for i, s := range steps {
		strange := func(r rune) bool { return !unicode.IsPrint(r) }
		if len(s) > maxStep || !utf8.ValidString(s) || strings.ContainsFunc(s, strange) {
			steps[i] = fmt.Sprintf("(a name of %d bytes)", len(s))
		}
	}
	return prefix + strings.Join(steps, "/")
}
