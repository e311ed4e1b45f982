package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// decode reads a JSON value into the types that kin-openapi expects: maps, slices, strings, booleans and
// json.Number. Duplicate keys and trailing data are violations, but the value is still returned. If the
// body is not valid JSON, ok is false.
func (c *check) decode(body []byte) (value any, ok bool) {
	d := decoder{
		check: c,
		dec:   jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true)),
	}
	value, err := d.value()
	if err != nil {
		c.add("", RuleJSON, "expected valid JSON, found a syntax error after byte %d", d.dec.InputOffset())
		return nil, false
	}
	end := d.dec.InputOffset()
	if _, err := d.dec.ReadToken(); !errors.Is(err, io.EOF) {
		c.add("", RuleTrailing, "expected the end of the body after byte %d, found more data", end)
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
		if _, duplicate := object[key]; duplicate {
			d.check.add(string(d.dec.StackPointer()), RuleDuplicate, "expected the key once, found a duplicate")
		}
		if object[key], err = d.value(); err != nil {
			return nil, err
		}
	}
	_, err := d.dec.ReadToken() // the closing brace, or the syntax error
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
