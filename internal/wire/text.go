package wire

import (
	"bytes"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

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
		*buffer, _ = jsontext.AppendUnquote((*buffer)[:0], quoted) // the error only reports a replaced surrogate
		if text.String() != string(*buffer) {
			text.SetString(string(*buffer))
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
	return nil, kindError(kind)
}
