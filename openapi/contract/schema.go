package contract

import (
	"encoding/json"
	"errors"
	"slices"

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
	// that member.
	if e.SchemaField == "allOf" || e.SchemaField == "oneOf" && e.Schema.Discriminator != nil && e.Origin != nil {
		if members, ok := errors.AsType[openapi3.MultiError](e.Origin); ok {
			c.schemaErrors(members, at)
			return
		}
	}
	for _, step := range e.JSONPointer() {
		at = pointer(at, step)
	}
	c.schemaError(e, at)
}

// schemaError turns one error of kin-openapi into a violation.
func (c *check) schemaError(e *openapi3.SchemaError, at string) {
	switch e.SchemaField {
	case "type":
		if _, ok := e.Value.(json.Number); ok && e.Schema.Type.Is("integer") {
			// No double holds the number. Whether it is an integer, the strict check of its text says.
			if e.Schema.Min != nil || e.Schema.Max != nil {
				c.add(at, RuleBounds, "expected %s, found %s", bounds(e.Schema), c.describe(e.Schema, e.Value))
			}
			return
		}
		c.add(at, RuleType, "expected %s, found %s", article(e.Schema.Type.Slice()), c.describe(e.Schema, e.Value))
	case "nullable":
		c.add(at, RuleNull, "expected a value, found null")
	case "required":
		c.add(at, RuleRequired, "expected the property, found none")
	case "enum":
		// kin-openapi asks for the values before it asks for null and for the type.
		if e.Value == nil {
			c.add(at, RuleNull, "expected a value, found null")
			return
		}
		if _, ok := e.Value.(string); !ok && e.Schema.Type.Is("string") {
			c.add(at, RuleType, "expected %s, found %s", article(e.Schema.Type.Slice()), c.describe(e.Schema, e.Value))
			return
		}
		c.add(at, RuleEnum, "expected one of %s, found %s", oneOf(e.Schema.Enum), c.describe(e.Schema, e.Value))
	case "pattern":
		c.add(at, RulePattern, "expected %s, found %s", e.Schema.Pattern, c.describe(e.Schema, e.Value))
	case "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "exclusiveMinimum", "exclusiveMaximum":
		c.add(at, RuleBounds, "expected %s, found %s", bounds(e.Schema), c.describe(e.Schema, e.Value))
	case "discriminator":
		name := e.Schema.Discriminator.PropertyName
		if e.Value == nil {
			return // missing or null: the strict check knows which
		}
		c.add(pointer(at, name), RuleDiscriminator, "expected one of %s, found %s", kinds(e.Schema), c.describe(e.Schema, e.Value))
	case "oneOf", "anyOf":
		if member := meant(e.Schema, e.Value); member != nil {
			if err := member.Value.VisitJSON(e.Value, openapi3.MultiErrors(), openapi3.DisableSchemaErrorDetails()); err != nil {
				c.schemaErrors(err, at)
				return
			}
		}
		c.add(at, RuleOneOf, "expected one of %d documented forms, found %s", len(e.Schema.OneOf)+len(e.Schema.AnyOf), c.describe(e.Schema, e.Value))
	case "format":
		// The strict check of the same value says more.
	default:
		c.add(at, RuleSchema, "expected what the schema says under %s, found %s", e.SchemaField, c.describe(e.Schema, e.Value))
	}
}

// meant returns the member of a union without a discriminator that a value is most likely one of: the
// only one of its type and with the properties that it requires. Nil means that nobody can tell.
func meant(union *openapi3.Schema, value any) *openapi3.SchemaRef {
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
