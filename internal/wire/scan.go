package wire

import (
	"bytes"
	"fmt"
)

// This file navigates JSON that the decoder has already validated, in a fraction of the time that decoding
// takes and without allocating. Only the scanner at the end runs before the decoder: it rejects input that
// is expensive to decode.

// maxDepth is the maximum nesting depth of an item. The items of the document are three levels deep.
const maxDepth = 64

// members iterates over the members of an object.
type members struct{ rest []byte }

// newMembers returns the members of a valid JSON object.
func newMembers(object []byte) members { return members{object[1:]} }

// name advances to the next member and returns its name, with its quotes. At the end of the object ok is
// false. Otherwise rest starts with the value of the member, and the caller must consume it, for example
// with value, before it calls name again.
func (m *members) name() (name []byte, ok bool) {
	b := m.rest
	i := 0
	for ; b[i] != '"'; i++ { // skip white space and a comma
		if b[i] == '}' {
			m.rest = b[i+1:]
			return nil, false
		}
	}
	j := i + stringLength(b[i:])
	k := j
	for isSpace(b[k]) || b[k] == ':' {
		k++
	}
	m.rest = b[k:]
	return b[i:j], true
}

// value returns the value of the member whose name was returned.
func (m *members) value() []byte {
	n := valueLength(m.rest)
	value := m.rest[:n]
	m.rest = m.rest[n:]
	return value
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// stringLength returns the length of the string at the start of b, quotes included.
func stringLength(b []byte) int {
	for i := 1; ; {
		i += bytes.IndexByte(b[i:], '"') + 1
		escapes := 0
		for b[i-2-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
	}
}

// valueLength returns the length of the value at the start of b.
func valueLength(b []byte) int {
	switch b[0] {
	case '"':
		return stringLength(b)
	case '{', '[':
		n, _ := nested(b)
		return n
	}
	n := 1 // a number or a literal
	for n < len(b) && b[n] != ',' && b[n] != '}' && b[n] != ']' && !isSpace(b[n]) {
		n++
	}
	return n
}

// nested returns the length and the nesting depth of the object or array at the start of b.
func nested(b []byte) (length, depth int) {
	level := 0
	for i := 0; ; i++ {
		switch b[i] {
		case '"':
			i += stringLength(b[i:]) - 1
		case '{', '[':
			level++
			depth = max(depth, level)
		case '}', ']':
			if level--; level == 0 {
				return i + 1, depth
			}
		}
	}
}

// countOpening returns the number of opening brackets and braces in b, those within strings included. It is
// an upper bound for the nesting depth, and so much faster to compute that few values need an exact scan.
func countOpening(b []byte) int { return bytes.Count(b, []byte{'{'}) + bytes.Count(b, []byte{'['}) }

// tooDeep reports whether a valid JSON value is nested more than maxDepth levels deep.
func tooDeep(value []byte) bool {
	if value[0] != '{' && value[0] != '[' {
		return false
	}
	_, depth := nested(value)
	return depth > maxDepth
}

// maxName is the maximum length of a property name as it is written, escapes included. Real names have less
// than 32 bytes. The limit exists because an error of the decoder contains the path of names to the error,
// copied many times while it is built.
const maxName = 256

var errLongName = fmt.Errorf("the name of a property is longer than %d bytes", maxName)

// A scanner checks JSON chunk by chunk before the decoder reads it, and finds input that would cost the
// decoder many times its size in memory: the decoder recurses, so that 10,000 brackets take megabytes of
// stack. Unlike the functions above, a scanner accepts invalid JSON. Its results are exact up to the first
// syntax error.
type scanner struct {
	maxName           int
	level             int
	arrays            [maxDepth + 4]bool // arrays[n+1] tells whether level n is an array; the scan starts at level 0
	atName            bool               // the next string is a name
	length            int                // of the current string, its closing quote included
	inString, escaped bool
}

// newScanner returns a scanner that starts inside the object of a page, or inside its Items.
func newScanner(inItems bool, maxName int) scanner {
	s := scanner{maxName: maxName, atName: !inItems}
	s.arrays[1] = inItems
	return s
}

// scan checks the next chunk. It returns the offset of the first violation and its error, or the length of
// the chunk.
func (s *scanner) scan(chunk []byte, deepest int) (int, error) {
	for i, c := range chunk {
		switch {
		case s.inString:
			if s.length++; s.atName && s.length-1 > s.maxName {
				return i, errLongName
			}
			s.inString = s.escaped || c != '"'
			s.escaped = !s.escaped && c == '\\'
		case c == '"':
			s.inString, s.length = true, 0
		case c == ':':
			s.atName = false
		case c == ',':
			s.atName = s.level >= -1 && !s.arrays[s.level+1]
		case c == '{' || c == '[':
			if s.level++; s.level > deepest {
				return i, errTooDeep
			}
			s.atName = c == '{'
			s.arrays[max(s.level, 0)+1] = c == '['
		case c == '}' || c == ']':
			s.level--
		}
	}
	return len(chunk), nil
}

// CheckLimits checks that data is not nested too deep and has no name that is too long. It returns the
// offset of the first violation and its error, or the length of data. Data need not be valid JSON.
func CheckLimits(data []byte) (int, error) {
	s := scanner{maxName: maxName}
	return s.scan(data, maxDepth)
}

// checkDepth is CheckLimits without the limit on the length of names.
func checkDepth(data []byte) error {
	if countOpening(data) <= maxDepth {
		return nil
	}
	s := scanner{maxName: len(data)}
	_, err := s.scan(data, maxDepth)
	return err
}
