package wire

import "bytes"

// This file finds its way through JSON that the decoder has already found to be valid. That takes a
// fraction of the time that decoding takes, and keeps nothing.

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

// tooDeep reports whether a valid JSON value is nested over maxDepth levels.
func tooDeep(value []byte) bool {
	// Counting is so much faster than looking that almost no value is looked at.
	if value[0] != '{' && value[0] != '[' || bytes.Count(value, []byte{'{'})+bytes.Count(value, []byte{'['}) <= maxDepth {
		return false
	}
	_, depth := nested(value)
	return depth > maxDepth
}
