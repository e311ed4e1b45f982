package wire

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// An Object is a struct that is filled property by property, without reflection.
type Object interface {
	// Field returns a pointer to the field of a property, or nil if there is no such property. A
	// pointer to a string, a uuid.UUID or one of this package's types, an Object and an Optional are
	// filled fast, any other by package json.
	Field(name []byte) any
	// Names are the names of all properties.
	Names() []string
}

// An Optional is the field of an Object that is there only where it is not null.
type Optional interface {
	// New makes the object of the field, anew.
	New() Object
}

// ReadObject reads a JSON object into o, which is zero. What is null stays zero. An object that has
// properties, but none that o has, is an error: it is something else.
func ReadObject(data []byte, o Object) error {
	value := jsontext.Value(data)
	if err := checkValue(value); err != nil {
		return err
	}
	if value.Kind() != '{' {
		return unexpectedKind(value)
	}
	return fillOwn(bytes.TrimLeft(value, " \t\r\n"), o, nil)
}

// checkValue finds out whether data is one JSON value, and not too deep.
func checkValue(data jsontext.Value) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(data), Tolerant)
	if _, err := dec.ReadValue(); err != nil {
		return unexpected(err)
	}
	if _, err := dec.ReadToken(); err == nil {
		return errors.New("something follows the value")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	if tooDeep(bytes.TrimLeft(data, " \t\r\n")) {
		return errTooDeep
	}
	return nil
}

var (
	errTooDeep = fmt.Errorf("a value is nested over %d levels", maxDepth)
	errForeign = errors.New("it has no property of its kind")
)

// fillOwn is fill for an object that has to have a property of its own, if it has any.
func fillOwn(object []byte, o Object, shared *sharedStrings) error {
	known, _, err := fill(object, o, shared)
	if err == nil && known == 0 {
		m := newMembers(object)
		if _, ok := m.name(); ok {
			return errForeign
		}
	}
	return err
}

// fill reads the valid JSON object that text begins with into o. It returns how many of its properties
// o has, and what follows the object.
func fill(text []byte, o Object, shared *sharedStrings) (known int, rest []byte, err error) {
	m := newMembers(text)
	for {
		name, ok := m.name()
		if !ok {
			return known, m.rest, nil
		}
		field := o.Field(name[1 : len(name)-1])
		if field == nil {
			if field = fieldByOtherName(name, o); field == nil {
				m.value()
				continue
			}
		}
		known++
		if m.rest[0] == 'n' {
			m.value()
			continue
		}
		if err := fillField(&m, field, shared); err != nil {
			return known, nil, fmt.Errorf("%s: %w", bytes.Trim(name, `"`), err)
		}
	}
}

// fieldByOtherName finds a property whose name is written with escapes or in another case.
func fieldByOtherName(name []byte, o Object) any {
	plain := unquote(name, new([]byte))
	for _, n := range o.Names() {
		if strings.EqualFold(n, string(plain)) {
			return o.Field([]byte(n))
		}
	}
	return nil
}

// fillField reads the value of the member that m is at.
func fillField(m *members, field any, shared *sharedStrings) error {
	var err error
	switch f := field.(type) { // what is nested is not looked through twice
	case *PartitionInformation:
		m.rest, err = f.read(m.rest, shared)
		return err
	case Object:
		return fillObject(m, f, shared)
	case Optional:
		return fillObject(m, f.New(), shared)
	}
	value := m.value()
	switch f := field.(type) {
	case *string:
		if value[0] != '"' {
			return unexpectedKind(value)
		}
		*f = shared.get(shared.unquote(value))
	case *Symbol:
		var text []byte
		text, err = scalar(value, '"', '0')
		*f = Symbol(shared.get(text))
	case *uuid.UUID:
		if value[0] != '"' {
			return unexpectedKind(value)
		}
		text := value[1 : len(value)-1]
		if len(text) != len("00000000-0000-0000-0000-000000000000") { // another form, or escapes
			text = shared.unquote(value)
		}
		var id uuid.UUID
		if id, err = uuid.ParseBytes(text); err == nil {
			*f = id // and not half of one
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

func fillObject(m *members, o Object, shared *sharedStrings) (err error) {
	if m.rest[0] != '{' {
		return unexpectedKind(m.rest)
	}
	_, m.rest, err = fill(m.rest, o, shared)
	return err
}

// scalar returns the text of a value that is of one of the given kinds. It is only valid as long as
// the value is.
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

func unexpectedKind(value []byte) error {
	return fmt.Errorf("unexpected JSON %v", jsontext.Value(value).Kind())
}

// unquote returns the text of a valid JSON string: where it is written plainly the bytes themselves,
// otherwise a copy in buffer. Bytes that are not UTF-8 are replaced.
func unquote(quoted []byte, buffer *[]byte) []byte {
	text := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(text, '\\') < 0 && utf8.Valid(text) {
		return text
	}
	*buffer, _ = jsontext.AppendUnquote((*buffer)[:0], quoted) // the error says that something was replaced
	return *buffer
}

// sharedStrings gives the same string for the same text, so that the backups of a page share the
// names of their service. It is small and forgets: a miss costs no more than a copy.
type sharedStrings struct {
	slots  [32][2]string
	buffer []byte // for texts with escapes
}

// maxShared is the length of the longest text that is worth to be looked for. Locations are longer,
// and each is another.
const maxShared = 64

var seed = maphash.MakeSeed()

// unquote returns the text of a valid JSON string. It is only valid until the next call.
func (s *sharedStrings) unquote(quoted []byte) []byte {
	if s == nil { // one object has nothing to share
		return unquote(quoted, new([]byte))
	}
	return unquote(quoted, &s.buffer)
}

func (s *sharedStrings) get(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	if s == nil || len(text) > maxShared {
		return string(text)
	}
	// Each text has two places, so that two texts that are used in turn do not oust each other.
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
