package sfbackuptest

import (
	"iter"
	"strconv"
	"strings"
	"unicode"
)

// jsonReader reads JSON as tolerantly as the library of the backup service (Newtonsoft.Json): with comments,
// single quotes, names without quotes and commas at the end. It does not know constructors.
type jsonReader struct {
	text   string // what is left
	path   []string
	depth  int
	failed bool
}

// maxDepth is how deep objects and arrays may be nested.
const maxDepth = 256

type jsonKind int

const (
	jsonNull jsonKind = iota
	jsonText          // a string, or a number or boolean, which the service takes for one
	jsonArray
	jsonObject
)

type jsonValue struct {
	kind    jsonKind
	text    string
	members []jsonMember
}

type jsonMember struct {
	name  string
	value jsonValue
}

// member returns the last member whose name is the given one by a comparison of names, or else null.
func (v *jsonValue) member(name string, equal func(a, b string) bool) (found jsonValue) {
	for _, m := range v.members {
		if equal(m.name, name) {
			found = m.value
		}
	}
	return found
}

// exactly compares two names of members.
func exactly(a, b string) bool { return a == b }

func (r *jsonReader) fail() { r.failed, r.text = true, "" }

// next returns the next character after blanks and comments, without reading it.
func (r *jsonReader) next() (byte, bool) {
	for {
		r.text = strings.TrimLeftFunc(r.text, unicode.IsSpace)
		comment, end := "//", "\n"
		if strings.HasPrefix(r.text, "/*") {
			comment, end = "/*", "*/"
		}
		rest, isComment := strings.CutPrefix(r.text, comment)
		if !isComment {
			break
		}
		_, r.text, _ = strings.Cut(rest, end)
	}
	if r.text == "" {
		return 0, false
	}
	return r.text[0], true
}

// value reads a value. It returns false if there is none.
func (r *jsonReader) value() (v jsonValue, ok bool) {
	if r.depth++; r.depth > maxDepth {
		r.fail()
	}
	defer func() { r.depth-- }()
	switch c, _ := r.next(); c {
	case '{':
		v.kind = jsonObject
		index := make(map[string]int)
		for name := range r.members() {
			item, _ := r.value()
			if i, again := index[name]; again {
				v.members[i].value = item
				continue
			}
			index[name] = len(v.members)
			v.members = append(v.members, jsonMember{name, item})
		}
	case '[':
		v.kind = jsonArray
		r.text = r.text[1:]
		for {
			if c, ok := r.next(); ok && c == ']' {
				r.text = r.text[1:]
				break
			}
			if _, ok := r.value(); !ok || !r.separator(']') {
				break
			}
		}
	case '"', '\'':
		v.kind, v.text = jsonText, r.quoted(c)
	default:
		end := strings.IndexFunc(r.text, func(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune(",:}]/", c) })
		if end < 0 {
			end = len(r.text)
		}
		v.text, r.text = r.text[:end], r.text[end:]
		switch v.text {
		case "null", "undefined":
			v.text = ""
		default:
			v.kind = jsonText
			isNumber := v.text != "" && strings.Trim(v.text, "+-.0123456789abcdefABCDEFxX") == "" && strings.ContainsAny(v.text, "0123456789")
			if !isNumber && v.text != "true" && v.text != "false" && v.text != "NaN" && strings.TrimPrefix(v.text, "-") != "Infinity" {
				r.fail()
			}
		}
	}
	return v, !r.failed
}

// separator reads the comma after a value, or sees the end.
func (r *jsonReader) separator(end byte) bool {
	switch c, ok := r.next(); {
	case ok && c == ',':
		r.text = r.text[1:]
	case !ok || c != end:
		r.fail()
	}
	return !r.failed
}

// members reads an object. The loop reads the value of each member.
func (r *jsonReader) members() iter.Seq[string] {
	return func(yield func(string) bool) {
		r.text = r.text[1:]
		depth := len(r.path)
		for {
			c, ok := r.next()
			if ok && c == '}' {
				r.text, r.path = r.text[1:], r.path[:depth]
				return
			}
			name := ""
			if c == '"' || c == '\'' {
				name = r.quoted(c)
			} else {
				name = r.text[:len(r.text)-len(strings.TrimLeftFunc(r.text, func(c rune) bool {
					return unicode.IsLetter(c) || unicode.IsDigit(c) || c == '_' || c == '$'
				}))]
				r.text = r.text[len(name):]
			}
			if c, ok = r.next(); !ok || c != ':' {
				r.fail()
				return
			}
			r.text = r.text[1:]
			r.path = append(r.path[:depth], name)
			if !yield(name) || r.failed || !r.separator('}') {
				return
			}
		}
	}
}

// quoted reads a string.
func (r *jsonReader) quoted(quote byte) string {
	var s strings.Builder
	for i := 1; i < len(r.text); i++ {
		c := r.text[i]
		switch {
		case c == quote:
			r.text = r.text[i+1:]
			return s.String()
		case c != '\\':
			s.WriteByte(c)
			continue
		}
		if i++; i == len(r.text) {
			break
		}
		at := strings.IndexByte(`bfnrt\/'"u`, r.text[i])
		switch {
		case at < 0:
			r.fail()
			return ""
		case r.text[i] != 'u':
			s.WriteByte("\b\f\n\r\t\\/'\""[at])
		case i+5 > len(r.text):
			r.fail()
			return ""
		default:
			code, err := strconv.ParseUint(r.text[i+1:i+5], 16, 16)
			if err != nil {
				r.fail()
				return ""
			}
			s.WriteRune(rune(code)) //nolint:gosec // 16 bits
			i += 4
		}
	}
	r.fail()
	return ""
}
