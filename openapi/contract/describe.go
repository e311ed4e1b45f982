package contract

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// shortName is what a value of an enumeration looks like. Anything else that stands for one in a
// request could be a secret in the wrong place.
var shortName = regexp.MustCompile(`^[A-Za-z]{1,40}$`)

// describe describes a value that was found, without showing a secret.
func (c *check) describe(schema *openapi3.Schema, value any) string {
	text, ok := value.(string)
	switch {
	case schema != nil && (schema.WriteOnly || schema.Format == "password"):
		return c.shape(value)
	case !ok && schema != nil && (schema.Type.Is("integer") || schema.Type.Is("number")):
		return kindOf(value)
	case !ok:
		return c.shape(value)
	case c.where == InResponse, schema != nil && (len(schema.Enum) > 0 || schema.Discriminator != nil) && shortName.MatchString(text):
		return show(text)
	}
	return c.shape(value)
}

// shape is kindOf for a value that may be a secret, as everything may be that a request has in a place
// of its own choice: a number could be a password without its quotes.
func (c *check) shape(value any) string {
	if c.where == InResponse {
		return kindOf(value)
	}
	switch value.(type) {
	case json.Number, float64:
		return "a number"
	}
	return kindOf(value)
}

// kindOf says what kind of JSON a value is; numbers and booleans show themselves.
func kindOf(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(value)
	case json.Number:
		if len(value) > 40 {
			return fmt.Sprintf("a number of %d digits", len(value))
		}
		return "the number " + value.String()
	case float64: // as kin-openapi has it
		return "the number " + number(value)
	case string:
		return fmt.Sprintf("a string of %d bytes", len(value))
	case []any:
		return fmt.Sprintf("an array of %d", len(value))
	default:
		return "an object"
	}
}

// show quotes a text, or the beginning of a long one.
func show(text string) string {
	const most = 60
	if len(text) > most {
		return strconv.QuoteToASCII(text[:most]) + "…"
	}
	return strconv.QuoteToASCII(text)
}

func article(types []string) string {
	switch name := strings.Join(types, " or "); name {
	case "":
		return "a value"
	case "array", "integer", "object":
		return "an " + name
	default:
		return "a " + name
	}
}

func oneOf(values []any) string {
	var names []string
	for _, v := range values {
		names = append(names, fmt.Sprint(v))
	}
	return strings.Join(names, ", ")
}

func kinds(union *openapi3.Schema) string {
	var names []string
	for name := range union.Discriminator.Mapping {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// bounds says what a schema allows.
func bounds(s *openapi3.Schema) string {
	var parts []string
	if s.MinLength > 0 {
		parts = append(parts, fmt.Sprintf("at least %d characters", s.MinLength))
	}
	if s.MaxLength != nil {
		parts = append(parts, fmt.Sprintf("at most %d characters", *s.MaxLength))
	}
	if s.Min != nil {
		parts = append(parts, "at least "+number(*s.Min))
	}
	if s.Max != nil {
		parts = append(parts, "at most "+number(*s.Max))
	}
	return strings.Join(parts, " and ")
}

func number(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}
