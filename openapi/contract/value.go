package contract

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"maps"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json/jsontext"
)

// json checks a JSON body against a schema. A body with a syntax error has no other violation. Of a partial body, only
// a complete value is checked.
func (c *check) json(s *schema, body []byte, partial bool) {
	dec := c.decoder(body)
	err := dec.SkipValue()
	switch end := dec.InputOffset(); {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		if !partial {
			c.add(RuleJSON, "expected valid JSON, found the end of the body after byte %d", len(body))
		}
		return
	case err != nil:
		if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
			end = max(end, syntax.ByteOffset)
		}
		c.add(RuleJSON, "expected valid JSON, found a syntax error after byte %d", end)
		return
	default:
		if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
			c.add(RuleTrailing, "expected the end of the body after byte %d, found more data", end)
		}
		c.free = append(c.free, dec)
		c.raw(s, body[:end])
	}
}

// raw checks a JSON value without syntax errors. All functions below read such values only, so that their decoders
// return no errors.
func (c *check) raw(s *schema, value []byte) {
	dec := c.decoder(value)
	c.value(s, dec)
	c.free = append(c.free, dec)
}

// decoder returns a decoder of a value, if possible one that was used before.
func (c *check) decoder(value []byte) *jsontext.Decoder {
	options := jsontext.AllowDuplicateNames(true)
	if n := len(c.free); n > 0 {
		dec := c.free[n-1]
		c.free = c.free[:n-1]
		dec.Reset(bytes.NewBuffer(value), options)
		return dec
	}
	return jsontext.NewDecoder(bytes.NewBuffer(value), options)
}

// value checks the next value of a decoder.
func (c *check) value(s *schema, dec *jsontext.Decoder) {
	switch kind := dec.PeekKind(); {
	case c.failed:
		return // the rest does not matter
	case kind == 'n':
		_ = dec.SkipValue()
		if !s.nullable {
			c.add(RuleNull, "expected a value, found null")
		}
	case !s.allows(kind):
		if c.matching {
			c.failed = true
			return
		}
		found := c.skip(dec)
		c.add(RuleType, "expected %s, found %s", typeName(s.source), c.describe(s.source, found))
	case s.union != nil:
		value, _ := dec.ReadValue()
		c.union(s.union, value)
	case kind == '{' && (len(s.ordered) > 0 || s.additional != nil || s.closed):
		c.object(s, dec)
	case kind == '[' && s.items != nil:
		c.array(s, dec)
	case kind == '{' || kind == '[':
		c.size(s, c.skip(dec))
	default:
		c.scalar(s, c.skip(dec))
	}
}

var typeNames = map[jsontext.Kind]string{
	'{': openapi3.TypeObject, '[': openapi3.TypeArray, '"': openapi3.TypeString, '0': openapi3.TypeNumber,
}

// allows reports whether the types of a schema allow a kind of value, which is not null.
func (s *schema) allows(kind jsontext.Kind) bool {
	return s.types.Permits(cmp.Or(typeNames[kind], openapi3.TypeBoolean)) || kind == '0' && s.types.Permits(openapi3.TypeInteger)
}

// array checks an array.
func (c *check) array(s *schema, dec *jsontext.Decoder) {
	_, _ = dec.ReadToken()
	n := uint64(0)
	for ; dec.PeekKind() != ']' && !c.failed; n++ {
		c.pushIndex(n)
		c.value(s.items, dec)
		c.pop()
	}
	_, _ = dec.ReadToken()
	c.size(s, found{kind: '[', n: n})
}

// object checks an object.
func (c *check) object(s *schema, dec *jsontext.Decoder) {
	_, _ = dec.ReadToken()
	seen := make([]bool, len(s.ordered))
	var others map[string]bool // the names that are not in the document
	n := uint64(0)
	for ; dec.PeekKind() == '"' && !c.failed; n++ {
		name := c.name(dec)
		if p := s.properties[string(name)]; p != nil {
			c.push(p.name, p.hash)
			c.once(seen[p.index])
			seen[p.index] = true
			c.count(p.seen)
			c.value(p.schema, dec)
			c.pop()
			continue
		}
		others = c.pushNew(name, others)
		switch {
		case s.additional != nil:
			c.value(s.additional, dec)
		case s.closed:
			c.undocumented(s, dec)
		default:
			c.skip(dec)
		}
		c.pop()
	}
	_, _ = dec.ReadToken()
	for i, p := range s.ordered {
		if seen[i] || !p.required && (!p.sent || !c.strict) {
			continue
		}
		c.push(p.name, p.hash)
		if p.required {
			c.add(RuleRequired, "expected the required property, found none")
		} else {
			c.add(RuleRequired, "expected the property, which every known server sends, found none")
		}
		c.pop()
	}
	c.size(s, found{kind: '{', n: n})
}

// undocumented checks the next value of a decoder, whose name, the last of the path, is not in the document.
func (c *check) undocumented(s *schema, dec *jsontext.Decoder) {
	value := c.skip(dec)
	if !c.violates(RuleProperty) {
		return
	}
	meant := ""
	if name := closest(c.path[len(c.path)-1].token, maps.Keys(s.properties)); name != "" {
		meant = "; did you mean " + name + "?"
	}
	// The value may be a secret under a misspelled name.
	c.report("expected no property with this name, found %s%s", c.summarize(value), meant)
}

// name reads the name of a property. It is valid until the next call.
func (c *check) name(dec *jsontext.Decoder) []byte {
	raw, _ := dec.ReadValue()
	c.scratch, _ = jsontext.AppendUnquote(c.scratch[:0], raw)
	return c.scratch
}

// pushNew appends the name of a property to the path and adds it to the names that the object had before.
func (c *check) pushNew(name []byte, before map[string]bool) map[string]bool {
	text := string(name)
	c.pushName(text)
	c.once(before[text])
	if before == nil {
		before = map[string]bool{}
	}
	before[text] = true
	return before
}

// once reports a property that appears twice.
func (c *check) once(again bool) {
	if again {
		c.add(RuleDuplicate, "expected the key once, found a duplicate")
	}
}

// A found is a JSON value in the form in which it is described.
type found struct {
	kind jsontext.Kind
	text []byte // of a string or number; valid until the next value is read
	n    uint64 // the number of items or of properties
}

// skip reads the next value of a decoder without a schema. It reports only duplicate keys.
func (c *check) skip(dec *jsontext.Decoder) found {
	f := found{kind: dec.PeekKind()}
	switch f.kind {
	case '{':
		_, _ = dec.ReadToken()
		var names map[string]bool
		for ; dec.PeekKind() == '"'; f.n++ {
			names = c.pushNew(c.name(dec), names)
			c.skip(dec)
			c.pop()
		}
		_, _ = dec.ReadToken()
	case '[':
		_, _ = dec.ReadToken()
		for ; dec.PeekKind() != ']'; f.n++ {
			c.pushIndex(f.n)
			c.skip(dec)
			c.pop()
		}
		_, _ = dec.ReadToken()
	case '"':
		f.text = c.name(dec)
	default:
		f.text, _ = dec.ReadValue()
	}
	return f
}

// size checks the number of items or of properties.
func (c *check) size(s *schema, f found) {
	least, most, noun := s.source.MinItems, s.source.MaxItems, "item"
	if f.kind == '{' {
		least, most, noun = s.source.MinProps, s.source.MaxProps, "property"
	}
	if f.n < least || most != nil && f.n > *most {
		c.add(RuleBounds, "expected %s, found %s", limits(least, most, noun), c.describe(s.source, f))
	}
}

// scalar checks a string, a number or a boolean of the right type.
func (c *check) scalar(s *schema, f found) {
	if f.kind != '"' {
		c.enum(s, f)
		if f.kind == '0' {
			c.number(s.source, f)
		}
		return
	}
	if expected, rule := invalidFormat(s.source.Format, f.text); rule != "" {
		c.add(rule, "expected %s, found %s", expected, c.describe(s.source, f))
		return // a string with an invalid format is one violation
	}
	c.enum(s, f)
	if s.pattern != nil && !s.pattern.Match(f.text) {
		c.add(RulePattern, "expected a string that matches %s, found %s", s.source.Pattern, c.describe(s.source, f))
	}
	length := uint64(utf8.RuneCount(f.text)) //nolint:gosec // it is not negative
	if length < s.source.MinLength || s.source.MaxLength != nil && length > *s.source.MaxLength {
		c.add(RuleBounds, "expected %s, found %s", limits(s.source.MinLength, s.source.MaxLength, "character"), c.describe(s.source, f))
	}
}

// enum checks a value of an enumeration, and of those of an allOf.
func (c *check) enum(s *schema, f found) {
	for _, e := range s.enums {
		if seen := e.values[string(f.text)]; seen != nil {
			c.count(seen)
			continue
		}
		c.add(RuleEnum, "expected one of %s, found %s", enumValues(e.source), c.describe(e.source, f))
	}
}

// integerText is the syntax of an integer in OpenAPI 3.0: no fraction and no exponent.
var integerText = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// number checks a number. A float64 does not distinguish the largest int64 from the next integer, so integers are
// checked by their text.
func (c *check) number(s *openapi3.Schema, f found) {
	if s.Type.Is(openapi3.TypeInteger) {
		bits := map[string]int{"int32": 32, "int64": 64}[s.Format]
		_, err := strconv.ParseInt(string(f.text), 10, bits)
		if !integerText.Match(f.text) || err != nil && bits > 0 {
			c.add(RuleInt64, "expected an %s, found %s", cmp.Or(s.Format, "integer"), c.describe(s, f))
			return
		}
	}
	if n, _ := strconv.ParseFloat(string(f.text), 64); !inBounds(s, n) { // ±Inf if it is out of range
		c.add(RuleBounds, "expected %s, found %s", bounds(s), c.describe(s, f))
	}
}

func inBounds(s *openapi3.Schema, n float64) bool {
	exclusive := func(b openapi3.ExclusiveBound) bool { return b.Bool != nil && *b.Bool }
	return (s.Min == nil || n > *s.Min || n == *s.Min && !exclusive(s.ExclusiveMin)) &&
		(s.Max == nil || n < *s.Max || n == *s.Max && !exclusive(s.ExclusiveMax))
}
