// Package wire holds the types that read what clusters really send, where the generated structs
// alone would refuse it, and the reader that streams a page of backups.
//
// The generated code refers to these types through the x-go-type extensions of
// openapi/runtime.overlay.yaml; the reason for each stands there. Everything here reads liberally
// and writes the documented form.
package wire

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Tolerant are the options with which every answer is read. Property names match in any case, as
// they do for the server's own readers; a name that comes twice and broken UTF-8 in a message must
// not cost a caller the answer.
var Tolerant = json.JoinOptions(
	json.MatchCaseInsensitiveNames(true),
	jsontext.AllowDuplicateNames(true),
	jsontext.AllowInvalidUTF8(true),
)

// maxScalar is the length of the longest number, time or identity, escapes included. Real ones have less
// than 40 bytes.
const maxScalar = 1 << 10

// Int64 is an int64 that travels as a decimal string, and is read from a string or a number. null
// and the empty string read as 0.
type Int64 int64

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (n *Int64) UnmarshalJSONFrom(dec *jsontext.Decoder) error { return decode(dec, n.parse) }

func (n *Int64) parse(value []byte) error {
	*n = 0
	if len(value) > maxScalar {
		return fmt.Errorf("%.40q is not an int64", value)
	}
	v, err := strconv.ParseInt(string(bytes.Trim(value, `"`)), 10, 64) // as it is nearly always written
	if err == nil {
		*n = Int64(v)
		return nil
	}
	text, err := scalar(value, '"', '0')
	if err != nil || len(text) == 0 {
		return err
	}
	v, err = strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return fmt.Errorf("%.40q is not an int64", text)
	}
	*n = Int64(v)
	return nil
}

// MarshalJSONTo implements [json.MarshalerTo].
func (n Int64) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteToken(jsontext.String(strconv.FormatInt(int64(n), 10)))
}

// Symbol is an enumeration value or an error code: a string, and read from a number too, because
// the server writes a value that it has no name for as its number. null reads as "".
type Symbol string

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (s *Symbol) UnmarshalJSONFrom(dec *jsontext.Decoder) error { return decode(dec, s.parse) }

func (s *Symbol) parse(value []byte) error {
	text, err := scalar(value, '"', '0')
	*s = Symbol(text)
	return err
}

// Time is a point in time in UTC. null, the empty string and any time of the year 1 read as the
// zero time: .NET writes an unset DateTime as the first of January of the year 1, and a server
// whose zone is west of UTC adds its offset to it.
type Time struct{ time.Time }

// UnmarshalJSONFrom implements [json.UnmarshalerFrom]. It takes RFC 3339 with or without a fraction
// of a second; a time without a zone is UTC.
func (t *Time) UnmarshalJSONFrom(dec *jsontext.Decoder) error { return decode(dec, t.parse) }

func (t *Time) parse(value []byte) error {
	*t = Time{}
	if len(value) > maxScalar {
		return fmt.Errorf("%.40q is not a date and time", value)
	}
	var v time.Time
	if err := v.UnmarshalText(bytes.Trim(value, `"`)); err != nil { // which is fast, and strict
		text, err := scalar(value, '"')
		if err != nil || len(text) == 0 {
			return err
		}
		if v, err = time.Parse(time.RFC3339, string(text)); err != nil {
			v, err = time.Parse("2006-01-02T15:04:05", string(text))
		}
		if err != nil {
			return fmt.Errorf("%.40q is not a date and time", text)
		}
	}
	if v.Year() == 1 {
		return nil
	}
	v = v.UTC()
	if v.Year() < 0 || v.Year() > 9999 {
		// Its offset takes it out of the years that can be written. DateTimeOffset of .NET does not read
		// it either.
		return fmt.Errorf("%.40q is not a date and time in UTC", value)
	}
	*t = Time{v}
	return nil
}

// MarshalJSONTo implements [json.MarshalerTo].
func (t Time) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteToken(jsontext.String(t.UTC().Format(time.RFC3339Nano)))
}

// decode reads the next value and parses it. null is what parse makes of nothing.
func decode(dec *jsontext.Decoder, parse func([]byte) error) error {
	value, err := dec.ReadValue()
	if err != nil {
		return err
	}
	if value.Kind() == 'n' {
		value = []byte(`""`)
	}
	return parse(value)
}
