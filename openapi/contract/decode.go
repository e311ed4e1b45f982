package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// decode reads a JSON value as kin-openapi wants it: maps, slices, strings, booleans and
// json.Number. A key that comes twice and bytes after the value are violations, and the value is
// there all the same; otherwise ok is false.
func (c *check) decode(body []byte) (value any, ok bool) {
	d := decoder{
		check: c,
		dec:   jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true)),
	}
	value, err := d.value()
	if err != nil {
		c.add("", RuleJSON, "expected JSON, found a mistake after %d bytes", d.dec.InputOffset())
		return nil, false
	}
	end := d.dec.InputOffset()
	if _, err := d.dec.ReadToken(); !errors.Is(err, io.EOF) {
		c.add("", RuleTrailing, "expected the end after %d bytes, found more", end)
	}
	return value, true
}

type decoder struct {
	check *check
	dec   *jsontext.Decoder
}

func (d *decoder) value() (any, error) {
	tok, err := d.dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch tok.Kind() {
	case '{':
		return d.object()
	case '[':
		return d.array()
	case '"':
		return tok.String(), nil
	case '0':
		return json.Number(tok.String()), nil
	case 't', 'f':
		return tok.Bool(), nil
	default:
		return nil, nil
	}
}

func (d *decoder) object() (any, error) {
	object := map[string]any{}
	for d.dec.PeekKind() == '"' {
		name, err := d.dec.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		if _, twice := object[key]; twice {
			d.check.add(string(d.dec.StackPointer()), RuleDuplicate, "expected the key once, found it again")
		}
		if object[key], err = d.value(); err != nil {
			return nil, err
		}
	}
	_, err := d.dec.ReadToken() // the end, or what is wrong
	return object, err
}

func (d *decoder) array() (any, error) {
	array := []any{}
	for d.dec.PeekKind() != ']' {
		value, err := d.value()
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	_, err := d.dec.ReadToken()
	return array, err
}
