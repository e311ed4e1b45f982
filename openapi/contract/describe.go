package contract

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// enumName matches strings that look like a value of an enumeration. Any other string that a request has
// in place of one could be a misplaced secret.
var enumName = regexp.MustCompile(`^[A-Za-z]{1,40}$`)

// describe describes a value that was found, without showing a secret.
func (c *check) describe(schema *openapi3.Schema, f found) string {
	isString := f.kind == '"'
	switch {
	case schema.WriteOnly || schema.Format == "password":
	case isString && (c.side == InResponse || schema.Format == "date-time" || c.prefix == inPath ||
		(len(schema.Enum) > 0 || schema.Discriminator != nil) && enumName.Match(f.text)):
		return quote(string(f.text))
	case !isString && (schema.Type.Is("integer") || schema.Type.Is("number")):
		return summarize(f, true)
	}
	return c.summarize(f)
}

// summarize describes a value that may be a secret. A number in a request may be one too: a password
// without its quotes.
func (c *check) summarize(f found) string { return summarize(f, c.side == InResponse) }

// summarize describes a JSON value by its type and size. It shows booleans, and numbers on request.
func summarize(f found, showNumber bool) string {
	switch f.kind {
	case '0':
		switch {
		case !showNumber:
			return "a number"
		case len(f.text) > 40:
			return "a number of " + count(len(f.text), "character")
		}
		return "the number " + string(f.text)
	case '"':
		return "a string of " + count(len(f.text), "byte")
	case '[':
		return "an array of " + count(f.n, "item")
	case '{':
		return "an object"
	default:
		return string(f.text) // null, true, false
	}
}

var plurals = strings.NewReplacer("ys", "ies")

// count returns a number with its noun: "1 byte", "2 bytes".
func count[N int | int64 | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %s", n, plurals.Replace(noun+"s"))
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

// limits describes the bounds of a size.
func limits(least uint64, most *uint64, noun string) string {
	var parts []string
	if least > 0 {
		parts = append(parts, "at least "+count(least, noun))
	}
	if most != nil {
		parts = append(parts, "at most "+count(*most, noun))
	}
	return strings.Join(parts, " and ")
}

// bounds describes the bounds of a number.
func bounds(s *openapi3.Schema) string {
	var parts []string
	if s.Min != nil {
		parts = append(parts, "at least "+formatNumber(*s.Min))
	}
	if s.Max != nil {
		parts = append(parts, "at most "+formatNumber(*s.Max))
	}
	return strings.Join(parts, " and ")
}

func formatNumber(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
