package wire

import (
	"bytes"
	"fmt"
)

// This file finds its way through JSON that the decoder has already found to be valid. That takes a
// fraction of the time that decoding takes, and keeps nothing. Only what would make the decoder itself
// expensive is found before.

// maxDepth is how deep the values of an item can be nested. The document's are three levels deep.
const maxDepth = 64

// members goes through the members of an object.
type members struct{ rest []byte }

// newMembers returns the members of a valid JSON object.
func newMembers(object []byte) members { return members{object[1:]} }

// name goes to the next member and returns its name, with its quotes. At the end ok is false. The
// rest then begins with the value, which value or skip has to pass.
func (m *members) name() (name []byte, ok bool) {
	b := m.rest
	i := 0
	for ; b[i] != '"'; i++ { // white space and a comma
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

// stringLength returns how long the string is that b begins with, quotes included.
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

// valueLength returns how long the value is that b begins with.
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

// nested returns how long the object or array is that b begins with, and how deep.
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

// opens returns how many objects and arrays begin in b, which is at least as many as are nested. Some
// may stand in a string. Counting is so much faster than looking that almost nothing is looked at.
func opens(b []byte) int { return bytes.Count(b, []byte{'{'}) + bytes.Count(b, []byte{'['}) }

// tooDeep reports whether a valid JSON value is nested over maxDepth levels.
func tooDeep(value []byte) bool {
	if value[0] != '{' && value[0] != '[' {
		return false
	}
	_, depth := nested(value)
	return depth > maxDepth
}

// maxName is the length of the longest name of a property, as it is written. Real ones have less than 32
// bytes. The errors of the decoder repeat the names that they are behind, in many copies.
const maxName = 256

var errLongName = fmt.Errorf("the name of a property is longer than %d bytes", maxName)

// A scanner goes through JSON piece by piece before the decoder gets it, and finds what would cost that
// one many times the memory of the input: it recurses, so that 10,000 brackets are megabytes of stack.
// Unlike everything above it takes JSON that is not valid, and is right up to where that is so.
type scanner struct {
	maxName           int // the length of the longest name
	level             int
	arrays            [maxDepth + 4]bool // which levels are arrays, from the level that is around the first
	atName            bool               // the next string is a name
	length            int                // of the string that it is in, and its last quote
	inString, escaped bool
}

// newScanner returns a scanner that begins within the page, or within its items.
func newScanner(inItems bool) scanner {
	s := scanner{maxName: maxName, atName: !inItems}
	s.arrays[1] = inItems
	return s
}

// scan goes through the next piece. It returns where something is wrong, and what.
func (s *scanner) scan(piece []byte, deepest int) (int, error) {
	for i, c := range piece {
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
	return len(piece), nil
}

// Check finds out whether data, which need not be JSON, has what is never read of an answer: too many
// levels, or a name that is too long. It returns where that is.
func Check(data []byte) (int, error) {
	s := scanner{maxName: maxName}
	return s.scan(data, maxDepth)
}

// checkDepth is Check for data that may have names of any length.
func checkDepth(data []byte) error {
	if opens(data) <= maxDepth {
		return nil
	}
	s := scanner{maxName: len(data)}
	_, err := s.scan(data, maxDepth)
	return err
}
