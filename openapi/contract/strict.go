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

// strict checks what validators often do not, and counts the coverage. It ignores the parts of a value that
// do not match the structure of the schema; kin-openapi reports them.
func (c *check) strict(ref *openapi3.SchemaRef, value any, location string) {
	if value == nil {
		return
	}
	schema := ref.Value
	switch {
	case schema.Discriminator != nil:
		c.strictUnion(ref, value, location)
		return
	case len(schema.OneOf) > 0:
		for _, member := range schema.OneOf {
			if member.Value.VisitJSON(value) == nil {
				c.strict(member, value, location)
				return
			}
		}
		if member := likelyMember(schema, value); member != nil {
			c.strict(member, value, location)
		}
		return
	}
	switch value := value.(type) {
	case map[string]any:
		c.strictObject(schema, value, location)
	case []any:
		if schema.Items == nil {
			return
		}
		for i, item := range value {
			c.strict(schema.Items, item, location+"/"+strconv.Itoa(i))
		}
	case string:
		c.strictString(ref, value, location)
	case json.Number:
		c.strictNumber(schema, value, location)
	}
}

func (c *check) strictUnion(union *openapi3.SchemaRef, value any, location string) {
	if member := c.coverage.unionMember(union, value); member != nil {
		c.strict(member, value, location)
		return
	}
	object, ok := value.(map[string]any)
	if !ok {
		return
	}
	name := union.Value.Discriminator.PropertyName
	if kind, ok := object[name]; !ok {
		c.add(appendToken(location, name), RuleRequired, "expected the required property, found none")
	} else if kind == nil {
		c.add(appendToken(location, name), RuleNull, "expected a value, found null")
	}
}

func (c *check) strictObject(schema *openapi3.Schema, object map[string]any, location string) {
	for name, value := range object {
		property := property(schema, name)
		switch {
		case property != nil:
			c.strict(property, value, appendToken(location, name))
		case schema.Type.Is("object") && schema.AdditionalProperties.Has == nil && schema.AdditionalProperties.Schema == nil:
			// The value may be a secret under a misspelled name.
			c.add(appendToken(location, name), RuleProperty, "expected no property with this name, found %s", c.summarize(value))
		}
	}
}

// property returns the schema of a property of an object, nil if there is none. It also looks in allOf.
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

func (c *check) strictString(ref *openapi3.SchemaRef, text, location string) {
	schema := ref.Value
	c.coverage.countEnum(ref, text)
	for _, part := range schema.AllOf {
		c.coverage.countEnum(part, text)
	}
	if !schema.Type.Is("string") {
		return
	}
	switch schema.Format {
	case "uuid":
		if !canonicalUUID.MatchString(text) {
			c.add(location, RuleUUID, "expected a UUID in canonical form, found %s", c.describe(schema, text))
		}
	case "date-time":
		if !isDateTime(text) {
			c.add(location, RuleDateTime, "expected an RFC 3339 date-time with a time zone, found %s", c.describe(schema, text))
		}
	case "int64":
		if _, err := strconv.ParseInt(text, 10, 64); err != nil || text[0] == '+' {
			c.add(location, RuleInt64, "expected an int64, found %s", c.describe(schema, text))
		}
	case "uri":
		if u, err := url.Parse(text); err != nil || !u.IsAbs() {
			c.add(location, RuleURI, "expected an absolute URI, found %s", c.describe(schema, text))
		}
	}
}

// dateTime is the syntax of an RFC 3339 date-time. Package time also accepts hours with one digit, and
// fractions after a comma.
var dateTime = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

func isDateTime(text string) bool {
	if !dateTime.MatchString(text) {
		return false
	}
	// Package time does not support leap seconds. A leap second is the last second of a day in UTC.
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

// strictNumber checks integers by their text. kin-openapi compares float64 values, which do not
// distinguish the largest int64 from the next integer.
func (c *check) strictNumber(schema *openapi3.Schema, number json.Number, location string) {
	if schema.Type.Is("integer") && !isInteger(number.String(), schema.Format) {
		c.add(location, RuleInt64, "expected an %s, found %s", cmp.Or(schema.Format, "integer"), c.describe(schema, number))
	}
}

// integerText is the syntax of an integer in OpenAPI 3.0: no fraction and no exponent.
var integerText = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

func isInteger(text, format string) bool {
	if !integerText.MatchString(text) {
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

// result returns the enabled violations, sorted by location, at most one for each location and rule. A
// string with an invalid format may also violate other rules; only the format is reported then, or nothing
// if the rule of the format is disabled.
func (c *check) result() []*Violation {
	list := c.violations
	slices.SortStableFunc(list, func(a, b *Violation) int {
		return cmp.Or(strings.Compare(a.Location, b.Location), strings.Compare(string(a.Rule), string(b.Rule)))
	})
	list = slices.CompactFunc(list, func(a, b *Violation) bool { return a.Location == b.Location && a.Rule == b.Rule })
	formats := map[string]bool{}
	for _, v := range list {
		if slices.Contains([]Rule{RuleUUID, RuleDateTime, RuleInt64, RuleURI, RuleDiscriminator}, v.Rule) {
			formats[v.Location] = true
		}
	}
	list = slices.DeleteFunc(list, func(v *Violation) bool {
		return c.disabled[v.Rule] ||
			formats[v.Location] && (v.Rule == RulePattern || v.Rule == RuleBounds || v.Rule == RuleType || v.Rule == RuleEnum)
	})
	for _, v := range list {
		v.Location = printable(v.Location)
	}
	return list
}
