package contract

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/getkin/kin-openapi/openapi3"
)

// sentExtension is the extension of a schema that lists the properties which every known server sends,
// although they are not required. [Validator.Strict] requires them.
const sentExtension = "x-always-sent"

// A schema is a schema of the document in the form in which values are read.
type schema struct {
	source     *openapi3.Schema
	types      *openapi3.Types // nil: any
	nullable   bool
	pattern    *regexp.Regexp
	enums      []enum
	properties map[string]*property
	ordered    []*property // by name
	additional *schema     // of properties that have no schema of their own
	closed     bool        // objects may have no other properties
	items      *schema
	union      *union
}

// An enum is an enumeration.
type enum struct {
	source *openapi3.Schema
	values map[string]*atomic.Int64 // how often each was seen
}

// A property is a property of an object.
type property struct {
	name     string
	hash     uint64 // of the name
	index    int    // in schema.ordered
	schema   *schema
	required bool
	sent     bool // by every known server
	seen     *atomic.Int64
}

// A union is a oneOf or an anyOf.
type union struct {
	source  *openapi3.Schema
	members []*schema
	kinds   map[string]*kind // by the value of the discriminator; nil: there is none
}

// A kind is a member of a union with a discriminator.
type kind struct {
	schema *schema
	seen   *atomic.Int64
}

const schemaPrefix = "#/components/schemas/"

// A compiler turns the schemas of a document into the form in which values are read.
type compiler struct {
	schemas  map[*openapi3.Schema]*schema
	open     []*openapi3.Schema // those whose parts are compiled
	coverage *coverage
}

// schema returns the compiled form of a schema. The name is for a schema that has none of its own.
func (c *compiler) schema(ref *openapi3.SchemaRef, name string) (*schema, error) {
	source := ref.Value
	name = schemaName(ref, name)
	if s := c.schemas[source]; s != nil {
		if slices.Contains(c.open, source) {
			return nil, fmt.Errorf("%s: a schema that contains itself is not supported", name)
		}
		return s, nil
	}
	c.open = append(c.open, source)
	defer func() { c.open = c.open[:len(c.open)-1] }()
	s := &schema{source: source, types: source.Type, nullable: source.Nullable, properties: map[string]*property{}}
	c.schemas[source] = s
	err := supported(source)
	if err == nil && source.Pattern != "" {
		s.pattern, err = regexp.Compile(source.Pattern)
	}
	if err == nil && source.Items != nil {
		s.items, err = c.schema(source.Items, name+".items")
	}
	if additional := source.AdditionalProperties.Schema; err == nil && additional != nil {
		s.additional, err = c.schema(additional, name+".additionalProperties")
	}
	if err == nil {
		c.addEnums(s, ref, name)
		err = c.addProperties(s, source, name)
	}
	if err == nil && len(source.OneOf)+len(source.AnyOf) > 0 {
		err = c.addUnion(s, name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for _, part := range source.AllOf {
		s.types = cmp.Or(s.types, part.Value.Type)
	}
	open := source.AdditionalProperties.Has != nil && *source.AdditionalProperties.Has
	s.closed = s.types.Is("object") && s.additional == nil && !open
	return s, nil
}

// schemaName returns the name of a component, or the other name for a schema that is none.
func schemaName(ref *openapi3.SchemaRef, other string) string {
	if name, ok := strings.CutPrefix(ref.Ref, schemaPrefix); ok {
		return name
	}
	return other
}

// supported returns an error if a schema has something that is not checked.
func supported(s *openapi3.Schema) error {
	unchecked := ""
	for keyword, has := range map[string]bool{
		"uniqueItems": s.UniqueItems, "multipleOf": s.MultipleOf != nil, "not": s.Not != nil,
		"a oneOf or anyOf beside properties": len(s.OneOf)+len(s.AnyOf) > 0 && len(s.Properties)+len(s.AllOf)+len(s.Enum) > 0,
	} {
		if has {
			unchecked = keyword
		}
	}
	for _, ref := range s.AllOf {
		part := *ref.Value
		part.Extensions, part.Type, part.Enum, part.Properties, part.Required = nil, nil, nil, nil, nil
		if part.Description, part.Title = "", ""; !part.IsEmpty() {
			unchecked = "an allOf with more than types, enumerations and properties"
		}
	}
	if unchecked != "" {
		return fmt.Errorf("%s is not supported", unchecked)
	}
	return nil
}

// addEnums adds the enumerations of a schema and of its allOf.
func (c *compiler) addEnums(s *schema, ref *openapi3.SchemaRef, name string) {
	if len(ref.Value.Enum) > 0 {
		e := enum{ref.Value, map[string]*atomic.Int64{}}
		for _, value := range ref.Value.Enum {
			text := fmt.Sprint(value)
			e.values[text] = new(atomic.Int64)
			if ref.Ref != "" { // the others are not worth counting
				e.values[text] = c.coverage.counter(CoverageEnum, name, text)
			}
		}
		s.enums = append(s.enums, e)
	}
	for _, part := range ref.Value.AllOf {
		c.addEnums(s, part, schemaName(part, name))
	}
}

// addProperties adds the properties of a schema and of its allOf.
func (c *compiler) addProperties(s *schema, source *openapi3.Schema, name string) error {
	for _, part := range source.AllOf {
		if err := c.addProperties(s, part.Value, schemaName(part, name)); err != nil {
			return err
		}
	}
	sent, err := names(source.Extensions[sentExtension])
	if err != nil {
		return err
	}
	for propertyName, ref := range source.Properties {
		value, err := c.schema(ref, name+"."+propertyName)
		if err != nil {
			return err
		}
		s.properties[propertyName] = &property{
			name: propertyName, hash: maphash.String(hashSeed, propertyName), schema: value,
			seen: c.coverage.counter(CoverageProperty, name, propertyName), sent: slices.Contains(sent, propertyName),
		}
	}
	for _, required := range source.Required {
		if s.properties[required] == nil {
			return fmt.Errorf("%s is required, but not a property", required)
		}
		s.properties[required].required = true
	}
	s.ordered = nil
	for i, name := range slices.Sorted(maps.Keys(s.properties)) {
		s.properties[name].index = i
		s.ordered = append(s.ordered, s.properties[name])
	}
	return nil
}

// names returns the value of an extension that is a list of names.
func names(extension any) (list []string, err error) {
	values, ok := extension.([]any)
	for _, value := range values {
		name, isName := value.(string)
		ok = ok && isName
		list = append(list, name)
	}
	if extension != nil && !ok {
		return nil, errors.New(sentExtension + " is not a list of names")
	}
	return list, nil
}

func (c *compiler) addUnion(s *schema, name string) error {
	u := &union{source: s.source}
	s.union = u
	byRef := map[string]*schema{}
	for i, ref := range slices.Concat(s.source.OneOf, s.source.AnyOf) {
		if values := ref.Value.Enum; len(values) == 1 && values[0] == nil {
			s.nullable = true
			continue
		}
		member, err := c.schema(ref, fmt.Sprintf("%s.%d", name, i))
		if err != nil {
			return err
		}
		u.members = append(u.members, member)
		byRef[ref.Ref] = member
	}
	if s.source.Discriminator == nil {
		return nil
	}
	refs := map[string]string{} // by kind
	for value, target := range s.source.Discriminator.Mapping {
		refs[value] = target.Ref
	}
	if len(refs) == 0 { // then a kind is the name of its schema
		for ref := range byRef {
			refs[strings.TrimPrefix(ref, schemaPrefix)] = ref
		}
	}
	u.kinds = map[string]*kind{}
	for value, ref := range refs {
		if byRef[ref] == nil {
			return fmt.Errorf("the kind %s is not a member of the union", value)
		}
		u.kinds[value] = &kind{byRef[ref], c.coverage.counter(CoverageUnion, name, value)}
	}
	return nil
}
