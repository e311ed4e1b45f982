package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// enumName matches strings that look like a value of an enumeration. Any other string that a request has
// in place of one could be a misplaced secret.
var enumName = regexp.MustCompile(`^[A-Za-z]{1,40}$`)

// describe describes a value that was found, without showing a secret.
func (c *check) describe(schema *openapi3.Schema, value any) string {
	text, isString := value.(string)
	switch {
	case schema != nil && (schema.WriteOnly || schema.Format == "password"):
	case isString && (c.side == InResponse ||
		schema != nil && (len(schema.Enum) > 0 || schema.Discriminator != nil) && enumName.MatchString(text)):
		return quote(text)
	case !isString && schema != nil && (schema.Type.Is("integer") || schema.Type.Is("number")):
		return summarize(value, true)
	}
	return c.summarize(value)
}

// summarize describes a value that may be a secret. A number in a request may be one too: a password
// without its quotes.
func (c *check) summarize(value any) string { return summarize(value, c.side == InResponse) }

// summarize describes a JSON value by its type and size. It shows booleans, and numbers on request.
func summarize(value any, showNumber bool) string {
	if number, ok := value.(float64); ok { // kin-openapi converts some numbers
		value = json.Number(formatNumber(number))
	}
	switch value := value.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(value)
	case json.Number:
		switch {
		case !showNumber:
			return "a number"
		case len(value) > 40:
			return "a number of " + count(len(value), "character")
		}
		return "the number " + value.String()
	case string:
		return "a string of " + count(len(value), "byte")
	case []any:
		return "an array of " + count(len(value), "item")
	default:
		return "an object"
	}
}

// count returns a number with its noun: "1 byte", "2 bytes".
func count[N int | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// quote quotes a text, or the beginning of a long one.
func quote(text string) string {
	const limit = 60
	if len(text) > limit {
		return strconv.QuoteToASCII(text[:limit]) + "…"
	}
	return strconv.QuoteToASCII(text)
}

// typeName returns the types that a schema allows, with an article.
func typeName(schema *openapi3.Schema) string {
	switch name := strings.Join(schema.Type.Slice(), " or "); name {
	case "":
		return "a value"
	case "array", "integer", "object":
		return "an " + name
	default:
		return "a " + name
	}
}

// enumValues lists the values of an enumeration.
func enumValues(schema *openapi3.Schema) string {
	var names []string
	for _, v := range schema.Enum {
		names = append(names, fmt.Sprint(v))
	}
	return strings.Join(names, ", ")
}

// unionKinds lists the kinds of a union.
func unionKinds(union *openapi3.Schema) string {
	return strings.Join(slices.Sorted(maps.Keys(union.Discriminator.Mapping)), ", ")
}

// bounds describes the bounds of a schema.
func bounds(s *openapi3.Schema) string {
	var parts []string
	add := func(least uint64, most *uint64, noun string) {
		if least > 0 {
			parts = append(parts, "at least "+count(least, noun))
		}
		if most != nil {
			parts = append(parts, "at most "+count(*most, noun))
		}
	}
	add(s.MinLength, s.MaxLength, "character")
	add(s.MinItems, s.MaxItems, "item")
	if s.Min != nil {
		parts = append(parts, "at least "+formatNumber(*s.Min))
	}
	if s.Max != nil {
		parts = append(parts, "at most "+formatNumber(*s.Max))
	}
	return strings.Join(parts, " and ")
}

func formatNumber(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}
