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

// An Object is a struct that is filled property by property, without reflection.
type Object interface {
	// Field returns a pointer to the field of a property, or nil if there is no such property. A
	// pointer to a string, a uuid.UUID or one of this package's types, an Object and an Optional are
	// filled fast, any other by package json.
	Field(name []byte) any
	// Names are the names of all properties. They are asked for often, so they should not be made anew.
	Names() []string
}

// An Optional is the field of an Object that is there only where it is not null.
type Optional interface {
	// New makes the object of the field, anew.
	New() Object
}

// ReadObject reads a JSON object of an answer into o, which is zero. What is null stays zero. An object
// that has properties, but none that o has, is an error: it is something else.
func ReadObject(data []byte, o Object) error {
	if _, err := Check(data); err != nil {
		return err
	}
	return ReadWritten(data, o)
}

// ReadWritten is ReadObject for what was kept as JSON. It takes names of any length: those of an unknown
// partition are written as they came, and longer where they are not UTF-8.
func ReadWritten(data []byte, o Object) error {
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
	if err := checkDepth(data); err != nil {
		return err
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(data), Tolerant)
	if _, err := dec.ReadValue(); err != nil {
		return unexpected(err)
	}
	if _, err := dec.ReadToken(); err == nil {
		return errors.New("something follows the value")
	} else if !errors.Is(err, io.EOF) {
		return err
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
			if field = fieldByOtherName(name, o, shared); field == nil {
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
			return known, nil, &propertyError{string(bytes.Trim(name, `"`)), err}
		}
	}
}

// fieldByOtherName finds a property whose name is written with escapes or in another case.
func fieldByOtherName(name []byte, o Object, shared *sharedStrings) any {
	plain := shared.text(name)
	for _, n := range o.Names() {
		if strings.EqualFold(n, plain) {
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
	case *string, *Symbol, *uuid.UUID, *Int64, *Time: // most are, and these are found faster than interfaces
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
		*f = shared.text(value)
	case *Symbol:
		switch jsontext.Value(value).Kind() {
		case '"':
			*f = Symbol(shared.text(value))
		case '0':
			*f = Symbol(shared.get(value))
		default:
			return unexpectedKind(value)
		}
	case *uuid.UUID:
		if value[0] != '"' {
			return unexpectedKind(value)
		}
		text := value[1 : len(value)-1]
		if len(text) != len("00000000-0000-0000-0000-000000000000") && len(text) <= maxScalar { // another form, or escapes
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

// The errors of properties have their text when they are asked for it: those of a partition may come to
// nothing, and there may be many partitions.

// A propertyError is what is wrong with a property.
type propertyError struct {
	name string
	err  error
}

func (e *propertyError) Error() string { return e.name + ": " + e.err.Error() }

func (e *propertyError) Unwrap() error { return e.err }

// A kindError is a value of the wrong kind.
type kindError jsontext.Kind

func (e kindError) Error() string { return fmt.Sprintf("unexpected JSON %v", jsontext.Kind(e)) }

func unexpectedKind(value []byte) error { return kindError(jsontext.Value(value).Kind()) }

// unquote returns the text of a valid JSON string: where it is written plainly the bytes themselves,
// otherwise a copy in buffer. Bytes that are not UTF-8 are replaced.
func unquote(quoted []byte, buffer *[]byte) []byte {
	text := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(text, '\\') < 0 && utf8.Valid(text) {
		return text
	}
	most := len(text)
	if !utf8.Valid(text) {
		most = repairedLength(text)
	}
	fits := slices.Grow((*buffer)[:0], most)
	*buffer, _ = jsontext.AppendUnquote(fits, quoted) // the error says that something was replaced
	return *buffer
}

// repaired returns the text of a valid JSON string that is not UTF-8, with all bytes replaced that are
// not. That can make it three times as long, so that there should be no second copy of it.
func repaired(quoted []byte) string {
	text := quoted[1 : len(quoted)-1]
	var b strings.Builder
	b.Grow(repairedLength(text))
	var escapes, plain []byte
	for i := 0; i < len(text); {
		if text[i] != '\\' {
			r, n := utf8.DecodeRune(text[i:])
			b.WriteRune(r)
			i += n
			continue
		}
		// All that follow each other, because two can be one character.
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

// repairedLength returns how long a text is at most when it is without escapes, and bytes that are not
// UTF-8 are replaced.
func repairedLength(text []byte) int {
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

// text returns the text of a valid JSON string.
func (s *sharedStrings) text(quoted []byte) string {
	if len(quoted) > maxShared && !utf8.Valid(quoted) {
		return repaired(quoted)
	}
	return s.get(s.unquote(quoted))
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
