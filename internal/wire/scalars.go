// Package wire decodes what clusters really send. It has the scalar types and the union that the generated
// structs use where clusters deviate from the document, and the decoder that streams a page of backups.
//
// The generated code refers to these types through the x-go-type extensions of
// openapi/runtime.overlay.yaml, which gives the reason for each. Everything here accepts all known
// deviations and writes the documented form.
package wire

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// Tolerant is the set of options for decoding every response. Property names match in any case, as they do
// in the server's own decoders. A duplicate name, or invalid UTF-8 in a message, must not fail the whole
// response.
var Tolerant = json.JoinOptions(
	json.MatchCaseInsensitiveNames(true),
	jsontext.AllowDuplicateNames(true),
	jsontext.AllowInvalidUTF8(true),
)

// maxScalar is the maximum length of a number, time or identity, escapes included. Real ones have less than
// 40 bytes.
const maxScalar = 1 << 10

// Int64 is an int64 that is written as a decimal string and read from a string or a number. null and the
// empty string are read as 0.
type Int64 int64

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (n *Int64) UnmarshalJSONFrom(dec *jsontext.Decoder) error { return decode(dec, n) }

// MarshalJSONTo implements [json.MarshalerTo].
func (n Int64) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteToken(jsontext.String(strconv.FormatInt(int64(n), 10)))
}

// Symbol is an enumeration value or an error code. It is a string, but it is read from a number too, because
// the server writes a value that it has no name for as a number. null is read as "".
type Symbol string

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (s *Symbol) UnmarshalJSONFrom(dec *jsontext.Decoder) error { return decode(dec, s) }

// Time is a point in time in UTC. null, the empty string and any time in the year 1 are read as the zero
// time: .NET writes an unset DateTime as January 1 of the year 1, and a server in a time zone west of UTC
// adds its offset to it.
type Time struct{ time.Time }

// UnmarshalJSONFrom implements [json.UnmarshalerFrom]. It accepts RFC 3339 with or without fractional
// seconds. A time without a zone is UTC.
func (t *Time) UnmarshalJSONFrom(dec *jsontext.Decoder) error { return decode(dec, t) }

func (t *Time) parse(text []byte) error {
	var v time.Time
	if err := v.UnmarshalText(text); err != nil && len(text) > 0 { // UnmarshalText is fast, but strict
		if v, err = time.Parse("2006-01-02T15:04:05", string(text)); err != nil {
			v, err = time.Parse(time.RFC3339, string(text))
		}
		if err != nil {
			return fmt.Errorf("%.40q is not a date and time", text)
		}
	}
	year := v.Year()
	if *t = (Time{v.UTC()}); year == 1 {
		*t = Time{}
	} else if (year < 1 || year > 9998) && (t.Year() < 0 || t.Year() > 9999) {
		// In UTC, its year cannot be written as four digits. DateTimeOffset of .NET rejects it as well.
		return fmt.Errorf("%.40q is not a date and time in UTC", text)
	}
	return nil
}

// MarshalJSONTo implements [json.MarshalerTo].
func (t Time) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteToken(jsontext.String(t.UTC().Format(time.RFC3339Nano)))
}

// decode reads the next value into a scalar of this package.
func decode(dec *jsontext.Decoder, scalar any) error {
	value, err := dec.ReadValue()
	if err != nil {
		return err
	}
	v := reflect.ValueOf(scalar).Elem()
	v.SetZero()
	kind := value.Kind()
	if kind != '"' && kind != '0' && kind != 'n' {
		return kindError(kind)
	}
	if kind == 'n' {
		return nil
	}
	return readScalar(value, kind, place{kind: fieldKinds[v.Type()], v: v}, new([]byte))
}

// A place is a field for a string or a number. It is zero if there is none.
type place struct {
	kind fieldKind
	v    reflect.Value
	time *Time // nil: not known yet
}

// readScalar decodes a string or a number.
func readScalar(value []byte, kind jsontext.Kind, field place, buffer *[]byte) error {
	if kind != '"' && field.kind != int64Field && field.kind != symbolField && field.kind != otherField {
		return kindError(kind)
	}
	text := value
	switch {
	case kind == '"' && (field.kind == textField || field.kind == symbolField):
		setText(field.v, value, buffer)
		return nil
	case len(value) > maxScalar && field.kind != symbolField:
		return fmt.Errorf("%.40q is too long", value)
	case kind == '"':
		if field.setPlain(value) {
			return nil
		}
		text = unquote(value, buffer)
	}
	return field.set(text)
}

func (p place) timePointer() *Time {
	if p.time != nil {
		return p.time
	}
	return p.v.Addr().Interface().(*Time)
}

// setPlain decodes a quoted number, identity or time in the usual form, which has only the characters of such a one.
// It reports whether the value has that form: then it is also valid JSON.
func (p place) setPlain(value []byte) bool {
	plain := p.kind == int64Field || p.kind == timeField || p.kind == idField && len(value) == len(`"00000000-0000-0000-0000-000000000000"`)
	return plain && p.set(value[1:len(value)-1]) == nil
}

// set decodes the text of a scalar.
func (p place) set(text []byte) error {
	switch p.kind {
	case symbolField:
		p.v.SetString(string(text))
	case int64Field:
		n, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil && len(text) > 0 {
			return fmt.Errorf("%.40q is not an int64", text)
		}
		p.v.SetInt(n)
	case idField:
		id, err := uuid.ParseBytes(text)
		if err != nil {
			return err
		}
		copy(p.v.Bytes(), id[:])
	case timeField:
		return p.timePointer().parse(text)
	default: // the property is unknown
	}
	return nil
}

// setText sets a text to that of a valid JSON string. If it is the same as before, it shares the memory.
func setText(text reflect.Value, quoted []byte, buffer *[]byte) {
	plain := bytes.IndexByte(quoted, '\\') < 0
	switch b := quoted[1 : len(quoted)-1]; {
	case plain && text.String() == string(b):
	case !utf8.Valid(b):
		text.SetString(unquoteInvalidUTF8(quoted))
	case plain:
		text.SetString(string(b))
	default:
		if b = unquote(quoted, buffer); text.String() != string(b) {
			text.SetString(string(b))
		}
	}
}

// unquote returns the text of a valid JSON string. A string without escapes is returned in place, any
// other as a copy in buffer. Invalid UTF-8 is replaced by U+FFFD.
func unquote(quoted []byte, buffer *[]byte) []byte {
	text := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(text, '\\') < 0 && utf8.Valid(text) {
		return text
	}
	*buffer, _ = jsontext.AppendUnquote((*buffer)[:0], quoted) // the error only reports the replacement
	return *buffer
}

// unquoteInvalidUTF8 returns the text of a valid JSON string that has invalid UTF-8, each invalid byte
// replaced by U+FFFD. The result can be three times as long as the input, so it is not copied.
func unquoteInvalidUTF8(quoted []byte) string {
	length := len(quoted)
	for rest := quoted; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if rest = rest[size:]; r == utf8.RuneError && size == 1 {
			length += len("\uFFFD") - 1
		}
	}
	b, _ := jsontext.AppendUnquote(make([]byte, 0, length), quoted)
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // nothing else refers to b
}
