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
	dec := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
	value, err := c.decodeNext(dec)
	if err != nil {
		c.add("", RuleJSON, "expected valid JSON, found a syntax error after byte %d", dec.InputOffset())
		return nil, false
	}
	end := dec.InputOffset()
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		c.add("", RuleTrailing, "expected the end of the body after byte %d, found more data", end)
	}
	return value, true
}

func (c *check) decodeNext(dec *jsontext.Decoder) (any, error) {
	tok, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch tok.Kind() {
	case '{':
		object := map[string]any{}
		for dec.PeekKind() == '"' {
			name, err := dec.ReadToken()
			if err != nil {
				return nil, err
			}
			key := name.String()
			if _, duplicate := object[key]; duplicate {
				c.add(string(dec.StackPointer()), RuleDuplicate, "expected the key once, found a duplicate")
			}
			if object[key], err = c.decodeNext(dec); err != nil {
				return nil, err
			}
		}
		_, err := dec.ReadToken() // the closing brace, or the syntax error
		return object, err
	case '[':
		array := []any{}
		for dec.PeekKind() != ']' {
			value, err := c.decodeNext(dec)
			if err != nil {
				return nil, err
			}
			array = append(array, value)
		}
		_, err := dec.ReadToken()
		return array, err
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
