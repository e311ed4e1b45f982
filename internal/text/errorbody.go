package text

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// ReadError reads the code and the message of an error from the body of a response, as far as the body is
// JSON: wrapped in "Error" as the document says, flat as in the progress of a backup, or with only a message
// as ASP.NET Web API writes it. Of a body that ends too early it returns what came before the end, of a body
// that is not JSON nothing.
//
// It does not use a decoder: for a hostile body, the errors of one cost many times its length.
func ReadError(body []byte) (code, message string) {
	s := scanner{body}
	if s.next() != '{' {
		return "", ""
	}
	s.rest = s.rest[1:]
	for {
		if s.next() == ',' {
			s.rest = s.rest[1:]
		}
		if s.next() != '"' {
			return code, message
		}
		name := s.value()
		if s.next() != ':' {
			return code, message
		}
		s.rest = s.rest[1:]
		first := s.next()
		if first == '{' && isName(name, "Error") {
			s.rest = s.rest[1:] // the object around it says nothing else
			continue
		}
		value := s.value()
		switch {
		case value == nil:
			return code, message
		case first == '"' && isName(name, "Message"):
			message = unquote(value)
		case first == '"' && isName(name, "Code"):
			code = unquote(value)
		case (first == '-' || '0' <= first && first <= '9') && isName(name, "Code"):
			code = string(value)
		}
	}
}

// isName reports whether a string is a name, in any case of letters.
func isName(quoted []byte, name string) bool {
	return len(quoted) <= 64 && EqualFold(unquote(quoted), name)
}

// unquote returns the text of a string. A run of invalid UTF-8 becomes one U+FFFD.
func unquote(quoted []byte) string {
	if !utf8.Valid(quoted) {
		quoted = bytes.ToValidUTF8(quoted, []byte("\ufffd"))
	}
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	text, _ := jsontext.AppendUnquote(make([]byte, 0, len(quoted)), quoted) // its error means that it has replaced an escape
	return string(text)
}

// A scanner goes through JSON. It recognizes strings and brackets, and checks nothing else.
type scanner struct{ rest []byte }

// next skips white space and returns the next byte without consuming it; 0 at the end.
func (s *scanner) next() byte {
	s.rest = bytes.TrimLeft(s.rest, " \t\r\n")
	if len(s.rest) == 0 {
		return 0
	}
	return s.rest[0]
}

// value reads a value of any kind; nil if there is only its beginning.
func (s *scanner) value() []byte {
	for i, depth := 0, 0; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '"':
			n := stringLength(s.rest[i:])
			if n < 0 {
				return nil
			}
			i += n - 1
			if depth > 0 {
				continue
			}
			i++
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth--; depth > 0 {
				continue
			}
			if depth == 0 {
				i++
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth > 0 {
				continue
			}
		default:
			continue
		}
		value := s.rest[:i]
		s.rest = s.rest[i:]
		return value
	}
	return nil
}

// stringLength returns the length of the string that b begins with, quotes included; -1 if it does not end.
func stringLength(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}
