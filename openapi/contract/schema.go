package contract

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// value checks a value against a schema: first with kin-openapi, then for what kin-openapi does not check.
func (c *check) value(schema *openapi3.SchemaRef, value any, location string) {
	if err := schema.Value.VisitJSON(value, openapi3.MultiErrors(), openapi3.DisableSchemaErrorDetails()); err != nil {
		c.schemaErrors(err, location)
	}
	c.strict(schema, value, location)
}

// schemaErrors turns the errors of kin-openapi into violations.
func (c *check) schemaErrors(err error, location string) {
	// errors.As would skip levels of the tree of errors.
	var e *openapi3.SchemaError
	switch err := err.(type) { //nolint:errorlint // see above
	case openapi3.MultiError:
		for _, e := range err {
			c.schemaErrors(e, location)
		}
		return
	case *openapi3.SchemaError:
		e = err
	default:
		c.add(location, RuleSchema, "expected a value that matches the schema, found one that does not")
		return
	}
	// The errors of an allOf are those of its parts. The errors of a union with a discriminator are those of
	// the schema that the discriminator selects.
	if e.SchemaField == "allOf" || e.SchemaField == "oneOf" && e.Schema.Discriminator != nil && e.Origin != nil {
		if members, ok := errors.AsType[openapi3.MultiError](e.Origin); ok {
			c.schemaErrors(members, location)
			return
		}
	}
	for _, token := range e.JSONPointer() {
		location = appendToken(location, token)
	}
	c.schemaError(e, location)
}

// schemaError turns one error of kin-openapi into a violation.
func (c *check) schemaError(e *openapi3.SchemaError, location string) {
	switch e.SchemaField {
	case "type":
		if _, ok := e.Value.(json.Number); ok && e.Schema.Type.Is("integer") {
			// The number does not fit a float64. The strict check decides by its text whether it is an integer.
			if e.Schema.Min != nil || e.Schema.Max != nil {
				c.add(location, RuleBounds, "expected %s, found %s", bounds(e.Schema), c.describe(e.Schema, e.Value))
			}
			return
		}
		c.add(location, RuleType, "expected %s, found %s", typeName(e.Schema), c.describe(e.Schema, e.Value))
	case "nullable":
		c.add(location, RuleNull, "expected a value, found null")
	case "required":
		c.add(location, RuleRequired, "expected the required property, found none")
	case "enum":
		// kin-openapi checks the enumeration before null and the type.
		if e.Value == nil {
			c.add(location, RuleNull, "expected a value, found null")
			return
		}
		if _, ok := e.Value.(string); !ok && e.Schema.Type.Is("string") {
			c.add(location, RuleType, "expected %s, found %s", typeName(e.Schema), c.describe(e.Schema, e.Value))
			return
		}
		c.add(location, RuleEnum, "expected one of %s, found %s", enumValues(e.Schema), c.describe(e.Schema, e.Value))
	case "pattern":
		c.add(location, RulePattern, "expected a string that matches %s, found %s", e.Schema.Pattern, c.describe(e.Schema, e.Value))
	case "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "exclusiveMinimum", "exclusiveMaximum":
		c.add(location, RuleBounds, "expected %s, found %s", bounds(e.Schema), c.describe(e.Schema, e.Value))
	case "discriminator":
		name := e.Schema.Discriminator.PropertyName
		if e.Value == nil {
			return // the strict check reports whether it is missing or null
		}
		c.add(appendToken(location, name), RuleDiscriminator, "expected one of %s, found %s", unionKinds(e.Schema), c.describe(e.Schema, e.Value))
	case "oneOf", "anyOf":
		if member := likelyMember(e.Schema, e.Value); member != nil {
			if err := member.Value.VisitJSON(e.Value, openapi3.MultiErrors(), openapi3.DisableSchemaErrorDetails()); err != nil {
				c.schemaErrors(err, location)
				return
			}
		}
		c.add(location, RuleOneOf, "expected a value that matches one of %s, found %s",
			count(len(e.Schema.OneOf)+len(e.Schema.AnyOf), "schema"), c.describe(e.Schema, e.Value))
	case "format":
		// The strict check reports it with more detail.
	default:
		c.add(location, RuleSchema, "expected a value that satisfies %s of the schema, found %s", e.SchemaField, c.describe(e.Schema, e.Value))
	}
}

// likelyMember returns the member of a union without a discriminator that a value is probably meant to
// match: the only one with its type and, for an object, with no required property that the value lacks.
// It returns nil if there is none or more than one.
func likelyMember(union *openapi3.Schema, value any) *openapi3.SchemaRef {
	var found *openapi3.SchemaRef
	for _, member := range union.OneOf {
		if !resembles(member.Value, value) {
			continue
		}
		if found != nil {
			return nil
		}
		found = member
	}
	return found
}

func resembles(schema *openapi3.Schema, value any) bool {
	switch value := value.(type) {
	case map[string]any:
		missing := func(name string) bool { _, ok := value[name]; return !ok }
		return schema.Type.Is("object") && !slices.ContainsFunc(schema.Required, missing)
	case []any:
		return schema.Type.Is("array")
	case string:
		return schema.Type.Is("string")
	case json.Number:
		return schema.Type.Is("integer") || schema.Type.Is("number")
	case bool:
		return schema.Type.Is("boolean")
	}
	return false
}
