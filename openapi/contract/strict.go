package contract

import (
	"cmp"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// strict checks what validators commonly let pass, and counts what it sees. It follows the schema
// along the value; where they part, kin-openapi has said so.
func (c *check) strict(ref *openapi3.SchemaRef, value any, at string) {
	if value == nil {
		return
	}
	schema := ref.Value
	switch {
	case schema.Discriminator != nil:
		c.strictUnion(ref, value, at)
		return
	case len(schema.OneOf) > 0:
		for _, member := range schema.OneOf {
			if member.Value.VisitJSON(value) == nil {
				c.strict(member, value, at)
				return
			}
		}
		if member := meant(schema, value); member != nil {
			c.strict(member, value, at)
		}
		return
	}
	switch value := value.(type) {
	case map[string]any:
		c.strictObject(schema, value, at)
	case []any:
		if schema.Items == nil {
			return
		}
		for i, item := range value {
			c.strict(schema.Items, item, at+"/"+strconv.Itoa(i))
		}
	case string:
		c.strictString(ref, value, at)
	case json.Number:
		c.strictNumber(schema, value, at)
	}
}

func (c *check) strictUnion(union *openapi3.SchemaRef, value any, at string) {
	if member := c.covered.member(union, value); member != nil {
		c.strict(member, value, at)
		return
	}
	object, ok := value.(map[string]any)
	if !ok {
		return
	}
	name := union.Value.Discriminator.PropertyName
	if kind, ok := object[name]; !ok {
		c.add(pointer(at, name), RuleRequired, "expected the property, found none")
	} else if kind == nil {
		c.add(pointer(at, name), RuleNull, "expected a value, found null")
	}
}

func (c *check) strictObject(schema *openapi3.Schema, object map[string]any, at string) {
	for name, value := range object {
		property := property(schema, name)
		switch {
		case property != nil:
			c.strict(property, value, pointer(at, name))
		case schema.Type.Is("object") && schema.AdditionalProperties.Has == nil && schema.AdditionalProperties.Schema == nil:
			// The value may be a secret under a name that was not spelt right.
			c.add(pointer(at, name), RuleProperty, "expected no property of this name, found %s", c.shape(value))
		}
	}
}

// property returns the schema of a property, which may stand in a part of the schema.
func property(schema *openapi3.Schema, name string) *openapi3.SchemaRef {
	if p := schema.Properties[name]; p != nil {
		return p
	}
	for _, part := range schema.AllOf {
		if p := property(part.Value, name); p != nil {
			return p
		}
	}
	return nil
}

var canonicalUUID = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

func (c *check) strictString(ref *openapi3.SchemaRef, text, at string) {
	schema := ref.Value
	c.covered.enum(ref, text)
	for _, part := range schema.AllOf {
		c.covered.enum(part, text)
	}
	if !schema.Type.Is("string") {
		return
	}
	switch schema.Format {
	case "uuid":
		if !canonicalUUID.MatchString(text) {
			c.add(at, RuleUUID, "expected a UUID, found %s", c.describe(schema, text))
		}
	case "date-time":
		if !isDateTime(text) {
			c.add(at, RuleDateTime, "expected a date and time with its zone, found %s", c.describe(schema, text))
		}
	case "int64":
		if _, err := strconv.ParseInt(text, 10, 64); err != nil || text[0] == '+' {
			c.add(at, RuleInt64, "expected an int64, found %s", c.describe(schema, text))
		}
	case "uri":
		if u, err := url.Parse(text); err != nil || !u.IsAbs() {
			c.add(at, RuleURI, "expected a URI, found %s", c.describe(schema, text))
		}
	}
}

// dateTime is the form of a date-time of RFC 3339. Package time takes other forms too, hours of one
// digit and fractions after a comma.
var dateTime = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

func isDateTime(text string) bool {
	if !dateTime.MatchString(text) {
		return false
	}
	// Package time knows no leap seconds; they are the last of a day in UTC.
	const second = len("2006-01-02T15:04:")
	text = strings.ToUpper(text)
	leap := text[second:second+2] == "60"
	if leap {
		text = text[:second] + "59" + text[second+2:]
	}
	t, err := time.Parse(time.RFC3339, text)
	hour, minute, _ := t.UTC().Clock()
	return err == nil && (!leap || hour == 23 && minute == 59)
}

// strictNumber checks integers by their text: kin-openapi compares doubles, for which the greatest
// int64 and one more are the same.
func (c *check) strictNumber(schema *openapi3.Schema, number json.Number, at string) {
	if !schema.Type.Is("integer") {
		return
	}
	if !isInteger(number.String(), schema.Format) {
		c.add(at, RuleInt64, "expected %s, found %s", integerName(schema.Format), c.describe(schema, number))
	}
}

// wholeNumber is how OpenAPI 3.0 wants integers written: without a fraction and without an exponent.
var wholeNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

func isInteger(text, format string) bool {
	if !wholeNumber.MatchString(text) {
		return false
	}
	var err error
	switch format {
	case "int32":
		_, err = strconv.ParseInt(text, 10, 32)
	case "int64":
		_, err = strconv.ParseInt(text, 10, 64)
	}
	return err == nil
}

func integerName(format string) string {
	switch format {
	case "int32", "int64":
		return "an " + format
	}
	return "a whole number"
}

// sorted returns the violations by place, one for each place and rule. A text that is none of its
// format has another pattern as well; the format says it better, or is not to say it at all.
func (c *check) sorted() []*Violation {
	slices.SortStableFunc(c.list, func(a, b *Violation) int {
		return cmp.Or(strings.Compare(a.Pointer, b.Pointer), strings.Compare(string(a.Rule), string(b.Rule)))
	})
	c.list = slices.CompactFunc(c.list, func(a, b *Violation) bool { return a.Pointer == b.Pointer && a.Rule == b.Rule })
	formats := map[string]bool{}
	for _, v := range c.list {
		if slices.Contains([]Rule{RuleUUID, RuleDateTime, RuleInt64, RuleURI, RuleDiscriminator}, v.Rule) {
			formats[v.Pointer] = true
		}
	}
	c.list = slices.DeleteFunc(c.list, func(v *Violation) bool {
		return c.off[v.Rule] ||
			formats[v.Pointer] && (v.Rule == RulePattern || v.Rule == RuleBounds || v.Rule == RuleType || v.Rule == RuleEnum)
	})
	for _, v := range c.list {
		v.Pointer = printable(v.Pointer)
	}
	return c.list
}
