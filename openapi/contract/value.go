package contract

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// value checks a value against a schema: by kin-openapi, and then by what kin-openapi lets pass.
func (c *check) value(schema *openapi3.SchemaRef, value any, at string) {
	if err := schema.Value.VisitJSON(value, openapi3.MultiErrors(), openapi3.DisableSchemaErrorDetails()); err != nil {
		c.schemaErrors(err, at)
	}
	c.strict(schema, value, at)
}

// schemaErrors turns the errors of kin-openapi into violations.
func (c *check) schemaErrors(err error, at string) {
	// Not errors.As: the errors are a tree, and this goes down step by step.
	var e *openapi3.SchemaError
	switch err := err.(type) { //nolint:errorlint // see above
	case openapi3.MultiError:
		for _, e := range err {
			c.schemaErrors(e, at)
		}
		return
	case *openapi3.SchemaError:
		e = err
	default:
		c.add(at, RuleSchema, "the value fits no schema")
		return
	}
	// A union with a discriminator has chosen its member, and what is wrong with it are the errors of
	// that member. Without a discriminator it is nobody's guess which member was meant.
	if e.SchemaField == "allOf" || e.SchemaField == "oneOf" && e.Schema.Discriminator != nil && e.Origin != nil {
		if members, ok := errors.AsType[openapi3.MultiError](e.Origin); ok {
			c.schemaErrors(members, at)
			return
		}
	}
	for _, step := range e.JSONPointer() {
		at = pointer(at, step)
	}
	switch e.SchemaField {
	case "type":
		c.add(at, RuleType, "expected %s, found %s", article(e.Schema.Type.Slice()), c.describe(e.Schema, e.Value))
	case "nullable":
		c.add(at, RuleNull, "expected a value, found null")
	case "required":
		c.add(at, RuleRequired, "expected the property, found none")
	case "enum":
		c.add(at, RuleEnum, "expected one of %s, found %s", oneOf(e.Schema.Enum), c.describe(e.Schema, e.Value))
	case "pattern":
		c.add(at, RulePattern, "expected %s, found %s", e.Schema.Pattern, c.describe(e.Schema, e.Value))
	case "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "exclusiveMinimum", "exclusiveMaximum":
		c.add(at, RuleBounds, "expected %s, found %s", bounds(e.Schema), c.describe(e.Schema, e.Value))
	case "discriminator":
		name := e.Schema.Discriminator.PropertyName
		if e.Value == nil {
			c.add(pointer(at, name), RuleRequired, "expected the property, found none")
			return
		}
		c.add(pointer(at, name), RuleDiscriminator, "expected one of %s, found %s", kinds(e.Schema), c.describe(e.Schema, e.Value))
	case "oneOf", "anyOf":
		c.add(at, RuleOneOf, "expected one of %d documented forms, found %s", len(e.Schema.OneOf)+len(e.Schema.AnyOf), c.describe(e.Schema, e.Value))
	case "format":
		// The strict check of the same value says more.
	default:
		c.add(at, RuleSchema, "expected what the schema says under %s, found %s", e.SchemaField, c.describe(e.Schema, e.Value))
	}
}

// strict checks what validators commonly let pass, and counts what it sees. It follows the schema
// along the value; where they part, kin-openapi has said so.
func (c *check) strict(ref *openapi3.SchemaRef, value any, at string) {
	if value == nil {
		return
	}
	schema := ref.Value
	switch {
	case schema.Discriminator != nil:
		if member := c.covered.member(ref, value); member != nil {
			c.strict(member, value, at)
		}
		return
	case len(schema.OneOf) > 0:
		for _, member := range schema.OneOf {
			if member.Value.VisitJSON(value) == nil {
				c.strict(member, value, at)
				return
			}
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

func (c *check) strictObject(schema *openapi3.Schema, object map[string]any, at string) {
	for name, value := range object {
		property := property(schema, name)
		switch {
		case property != nil:
			c.strict(property, value, pointer(at, name))
		case schema.Type.Is("object") && schema.AdditionalProperties.Has == nil && schema.AdditionalProperties.Schema == nil:
			// The value may be a secret under a name that was not spelt right.
			c.add(pointer(at, name), RuleProperty, "expected no property of this name, found %s", kindOf(value))
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
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			c.add(at, RuleDateTime, "expected a date and time with its zone, found %s", c.describe(schema, text))
		}
	case "int64":
		if _, err := strconv.ParseInt(text, 10, 64); err != nil || text[0] == '+' {
			c.add(at, RuleInt64, "expected an int64, found %s", c.describe(schema, text))
		}
	}
}

// strictNumber checks integers by their text: kin-openapi compares doubles, for which the greatest
// int64 and one more are the same.
func (c *check) strictNumber(schema *openapi3.Schema, number json.Number, at string) {
	if !schema.Type.Is("integer") {
		return
	}
	bits := 64
	if schema.Format == "int32" {
		bits = 32
	}
	if _, err := strconv.ParseInt(number.String(), 10, bits); err != nil {
		c.add(at, RuleInt64, "expected an int%d, found %s", bits, c.describe(schema, number))
	}
}

// sorted returns the violations by place, one for each place and rule. A text that is none of its
// format has another pattern as well; the format says it better.
func (c *check) sorted() []*Violation {
	slices.SortStableFunc(c.list, func(a, b *Violation) int {
		return cmp.Or(strings.Compare(a.Pointer, b.Pointer), strings.Compare(string(a.Rule), string(b.Rule)))
	})
	c.list = slices.CompactFunc(c.list, func(a, b *Violation) bool { return a.Pointer == b.Pointer && a.Rule == b.Rule })
	formats := map[string]bool{}
	for _, v := range c.list {
		if slices.Contains([]Rule{RuleUUID, RuleDateTime, RuleInt64, RuleDiscriminator}, v.Rule) {
			formats[v.Pointer] = true
		}
	}
	return slices.DeleteFunc(c.list, func(v *Violation) bool {
		return formats[v.Pointer] && (v.Rule == RulePattern || v.Rule == RuleBounds || v.Rule == RuleType || v.Rule == RuleEnum)
	})
}

// shortName is what a value of an enumeration may look like in a request. Anything else there could
// be a secret in the wrong place.
var shortName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,39}$`)

// describe describes a value that was found, without showing a secret.
func (c *check) describe(schema *openapi3.Schema, value any) string {
	text, ok := value.(string)
	switch {
	case !ok:
		return kindOf(value)
	case schema != nil && (schema.WriteOnly || schema.Format == "password"):
		return kindOf(value)
	case c.where == InResponse, schema != nil && (len(schema.Enum) > 0 || schema.Discriminator != nil) && shortName.MatchString(text):
		return show(text)
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
		return "the number " + strconv.FormatFloat(value, 'g', -1, 64)
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
