package wire

import (
	"bytes"
	"reflect"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// setText sets a text to that of a valid JSON string. If it is the same as before, it shares the memory.
func setText(text reflect.Value, quoted []byte, buffer *[]byte) {
	if text.String() == string(quoted[1:len(quoted)-1]) && bytes.IndexByte(quoted, '\\') < 0 {
		return
	}
	if !utf8.Valid(quoted) {
		text.SetString(unquoteInvalidUTF8(quoted))
	} else if b := unquote(quoted, buffer); text.String() != string(b) {
		text.SetString(string(b))
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
