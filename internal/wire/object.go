package wire

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// An Object is a struct whose fields are set from the properties of a JSON object, without reflection.
type Object interface {
	// Field returns a pointer to the field for a property, or nil if there is no such property.
	// Pointers to a string, to a uuid.UUID and to the types of this package, an Object and an Optional
	// take the fast path. Package json decodes all other types.
	Field(name []byte) any
	// Names returns the names of all properties. It is called often and should not allocate.
	Names() []string
}

// An Optional is a pointer field of an Object. It stays nil if the property is null or absent.
type Optional interface {
	// New allocates the object, assigns it to the field and returns it.
	New() Object
}

// ReadObject decodes the JSON object of a response into o, which must be zero. Properties that are null
// leave their fields zero. An object with properties, none of which o has, is an error: it is some other
// object.
func ReadObject(data []byte, o Object) error {
	if _, err := CheckLimits(data); err != nil {
		return err
	}
	return ReadStored(data, o)
}

// ReadStored is ReadObject for JSON that this module wrote. It has no limit on the length of names: a
// partition of an unknown kind is written with the names it came with, and a name that is not UTF-8 gets
// longer when it is written.
func ReadStored(data []byte, o Object) error {
	value := jsontext.Value(data)
	if err := checkValue(value); err != nil {
		return err
	}
	if value.Kind() != '{' {
		return unexpectedKind(value)
	}
	return fillRecognized(bytes.TrimLeft(value, " \t\r\n"), o, nil)
}

// checkValue reports an error unless data is exactly one JSON value within the limit of nesting.
func checkValue(data jsontext.Value) error {
	if err := checkDepth(data); err != nil {
		return err
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(data), Tolerant)
	if _, err := dec.ReadValue(); err != nil {
		return unexpectedEOF(err)
	}
	if _, err := dec.ReadToken(); err == nil {
		return errors.New("unexpected data after the value")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

var (
	errTooDeep      = fmt.Errorf("a value is nested more than %d levels deep", maxDepth)
	errUnrecognized = errors.New("the object has none of the expected properties")
)

// fillRecognized is fill, but returns an error for an object that has properties and none that o has.
func fillRecognized(object []byte, o Object, in *interner) error {
	known, _, err := fill(object, o, in)
	if err == nil && known == 0 {
		m := newMembers(object)
		if _, ok := m.name(); ok {
			return errUnrecognized
		}
	}
	return err
}

// fill decodes the valid JSON object at the start of text into o. It returns how many of the properties
// are known to o, and the text after the object.
func fill(text []byte, o Object, in *interner) (known int, rest []byte, err error) {
	m := newMembers(text)
	for {
		name, ok := m.name()
		if !ok {
			return known, m.rest, nil
		}
		field := o.Field(name[1 : len(name)-1])
		if field == nil {
			if field = fieldByFoldedName(name, o, in); field == nil {
				m.value()
				continue
			}
		}
		known++
		if m.rest[0] == 'n' {
			m.value()
			continue
		}
		if err := fillField(&m, field, in); err != nil {
			return known, nil, &propertyError{string(bytes.Trim(name, `"`)), err}
		}
	}
}

// fieldByFoldedName finds the field for a name that has escapes or differs in case.
func fieldByFoldedName(name []byte, o Object, in *interner) any {
	plain := in.text(name)
	for _, n := range o.Names() {
		if strings.EqualFold(n, plain) {
			return o.Field([]byte(n))
		}
	}
	return nil
}

// fillField decodes the value of the current member of m.
func fillField(m *members, field any, in *interner) error {
	var err error
	switch f := field.(type) { // these scan their value themselves, so that it is scanned only once
	case *PartitionInformation:
		m.rest, err = f.read(m.rest, in)
		return err
	case *string, *Symbol, *uuid.UUID, *Int64, *Time: // the common types: a concrete type matches faster than an interface
	case Object:
		return fillObject(m, f, in)
	case Optional:
		return fillObject(m, f.New(), in)
	}
	value := m.value()
	switch f := field.(type) {
	case *string:
		if value[0] != '"' {
			return unexpectedKind(value)
		}
		*f = in.text(value)
	case *Symbol:
		switch jsontext.Value(value).Kind() {
		case '"':
			*f = Symbol(in.text(value))
		case '0':
			*f = Symbol(in.intern(value))
		default:
			return unexpectedKind(value)
		}
	case *uuid.UUID:
		if value[0] != '"' {
			return unexpectedKind(value)
		}
		text := value[1 : len(value)-1]
		if len(text) != len("00000000-0000-0000-0000-000000000000") && len(text) <= maxScalar { // another form of UUID, or escapes
			text = in.unquote(value)
		}
		var id uuid.UUID
		if id, err = uuid.ParseBytes(text); err == nil {
			*f = id // after an error, ParseBytes has filled only a part of id
		}
	case *Int64:
		err = f.parse(value)
	case *Time:
		err = f.parse(value)
	default:
		return json.Unmarshal(value, field, Tolerant)
	}
	return err
}

func fillObject(m *members, o Object, in *interner) (err error) {
	if m.rest[0] != '{' {
		return unexpectedKind(m.rest)
	}
	_, m.rest, err = fill(m.rest, o, in)
	return err
}

// scalar returns the text of a value that has one of the given kinds. The text may share the memory of
// the value.
func scalar(value []byte, kinds ...jsontext.Kind) ([]byte, error) {
	kind := jsontext.Value(value).Kind()
	for _, k := range kinds {
		if k != kind {
			continue
		}
		if k == '"' {
			return unquote(value, new([]byte)), nil
		}
		return value, nil
	}
	return nil, unexpectedKind(value)
}

// The two error types below build their text on demand: an error in a partition is dropped if its kind is
// unknown, and a page may have many partitions.

// A propertyError is an error in the value of a property.
type propertyError struct {
	name string
	err  error
}

func (e *propertyError) Error() string { return e.name + ": " + e.err.Error() }

func (e *propertyError) Unwrap() error { return e.err }

// A kindError reports a JSON value of the wrong kind.
type kindError jsontext.Kind

func (e kindError) Error() string { return fmt.Sprintf("unexpected JSON %v", jsontext.Kind(e)) }

func unexpectedKind(value []byte) error { return kindError(jsontext.Value(value).Kind()) }

// unquote returns the text of a valid JSON string. A string without escapes is returned in place, any
// other as a copy in buffer. Invalid UTF-8 is replaced by U+FFFD.
func unquote(quoted []byte, buffer *[]byte) []byte {
	text := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(text, '\\') < 0 && utf8.Valid(text) {
		return text
	}
	size := len(text)
	if !utf8.Valid(text) {
		size = maxUnquotedLength(text)
	}
	dst := slices.Grow((*buffer)[:0], size)
	*buffer, _ = jsontext.AppendUnquote(dst, quoted) // the error only reports the replacement
	return *buffer
}

// unquoteInvalidUTF8 returns the text of a valid JSON string that has invalid UTF-8, each invalid byte
// replaced by U+FFFD. The result can be three times as long as the input, so it is built in one buffer
// without a second copy.
func unquoteInvalidUTF8(quoted []byte) string {
	text := quoted[1 : len(quoted)-1]
	var b strings.Builder
	b.Grow(maxUnquotedLength(text))
	var escapes, plain []byte
	for i := 0; i < len(text); {
		if text[i] != '\\' {
			r, n := utf8.DecodeRune(text[i:])
			b.WriteRune(r)
			i += n
			continue
		}
		// Unquote consecutive escapes together: two of them can be a surrogate pair.
		escapes = append(escapes[:0], '"')
		for i < len(text) && text[i] == '\\' {
			n := len(`\n`)
			if text[i+1] == 'u' {
				n = len(`\u0000`)
			}
			escapes = append(escapes, text[i:i+n]...)
			i += n
		}
		plain, _ = jsontext.AppendUnquote(plain[:0], append(escapes, '"'))
		b.Write(plain)
	}
	return b.String()
}

// maxUnquotedLength returns an upper bound for the length of a text after its escapes are decoded and its
// invalid UTF-8 is replaced.
func maxUnquotedLength(text []byte) int {
	n := len(text)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			n += len("\uFFFD") - 1
		}
		text = text[size:]
	}
	return n
}

// An interner returns the same string for equal texts, so that the backups of a page share the memory for
// names such as that of their service. It is a small cache with eviction; a miss costs one copy. A nil
// interner copies every text.
type interner struct {
	slots  [32][2]string
	buffer []byte // for texts with escapes
}

// maxInterned is the length of the longest text that is interned. The locations of backups are longer, and
// each is different.
const maxInterned = 64

var seed = maphash.MakeSeed()

// unquote returns the text of a valid JSON string. The result is valid until the next call.
func (s *interner) unquote(quoted []byte) []byte {
	if s == nil {
		return unquote(quoted, new([]byte))
	}
	return unquote(quoted, &s.buffer)
}

// text returns the text of a valid JSON string.
func (s *interner) text(quoted []byte) string {
	if len(quoted) > maxInterned && !utf8.Valid(quoted) {
		return unquoteInvalidUTF8(quoted)
	}
	return s.intern(s.unquote(quoted))
}

func (s *interner) intern(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	if s == nil || len(text) > maxInterned {
		return string(text)
	}
	// Each slot holds two texts, so that two texts with the same hash do not evict each other in turn.
	slot := &s.slots[maphash.Bytes(seed, text)%uint64(len(s.slots))]
	switch {
	case slot[0] == string(text):
		return slot[0]
	case slot[1] == string(text):
		return slot[1]
	}
	slot[0], slot[1] = string(text), slot[0]
	return slot[0]
}
