package sfbackuptest

import (
	"encoding/json"
	"fmt"
	"iter"
	"regexp"
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
	members []jsonMember // each name once
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

var (
	jsonBlank  = regexp.MustCompile(`^(?s:[\s\x{a0}]+|/\*.*?(\*/|$)|//[^\n]*)+`)
	jsonQuoted = regexp.MustCompile(`^(?s:"(\\.|[^"\\])*"|'(\\.|[^'\\])*')`)
	jsonName   = regexp.MustCompile(`^[\pL\pN_$]*`)
	jsonScalar = regexp.MustCompile(`^(null|undefined|true|false|NaN|-?Infinity|[-+.]*[0-9][-+.0-9a-fA-FxX]*)([\s,:}\]/]|$)`)
	jsonEscape = regexp.MustCompile(`\\.|["\x00-\x1f]`)
)

func (r *jsonReader) fail() { r.failed, r.text = true, "" }

// take reads what a pattern matches.
func (r *jsonReader) take(pattern *regexp.Regexp) string {
	s := pattern.FindString(r.text)
	r.text = r.text[len(s):]
	return s
}

// next returns the next character after blanks and comments, without reading it. It is zero at the end.
func (r *jsonReader) next() byte {
	r.take(jsonBlank)
	if r.text == "" {
		return 0
	}
	return r.text[0]
}

// value reads a value. It returns false if there is none.
func (r *jsonReader) value() (v jsonValue, ok bool) {
	if r.depth++; r.depth > maxDepth {
		r.fail()
	}
	defer func() { r.depth-- }()
	switch r.next() {
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
		for r.next() != ']' {
			if _, ok := r.value(); !ok || !r.separator(']') {
				return v, false
			}
		}
		r.text = r.text[1:]
	case '"', '\'':
		v.kind, v.text = jsonText, r.quoted()
	default:
		m := jsonScalar.FindStringSubmatch(r.text)
		if m == nil {
			r.fail()
			return v, false
		}
		r.text = r.text[len(m[1]):]
		if m[1] != "null" && m[1] != "undefined" {
			v.kind, v.text = jsonText, m[1]
		}
	}
	return v, !r.failed
}

// separator reads the comma after a value, or sees the end.
func (r *jsonReader) separator(end byte) bool {
	switch r.next() {
	case ',':
		r.text = r.text[1:]
	case end:
	default:
		r.fail()
	}
	return !r.failed
}

// members reads an object. The loop reads the value of each member.
func (r *jsonReader) members() iter.Seq[string] {
	return func(yield func(string) bool) {
		r.text = r.text[1:]
		depth := len(r.path)
		for r.next() != '}' {
			var name string
			if c := r.next(); c == '"' || c == '\'' {
				name = r.quoted()
			} else {
				name = r.take(jsonName)
			}
			if r.next() != ':' {
				r.fail()
				return
			}
			r.text = r.text[1:]
			r.path = append(r.path[:depth], name)
			if !yield(name) || r.failed || !r.separator('}') {
				return
			}
		}
		r.text, r.path = r.text[1:], r.path[:depth]
	}
}

// quoted reads a string.
func (r *jsonReader) quoted() (s string) {
	quoted := r.take(jsonQuoted)
	if quoted == "" {
		r.fail()
		return ""
	}
	strict := jsonEscape.ReplaceAllStringFunc(quoted[1:len(quoted)-1], func(c string) string {
		switch {
		case c == `\'`:
			return "'"
		case c[0] == '\\':
			return c
		default:
			return fmt.Sprintf(`\u%04x`, c[0])
		}
	})
	if json.Unmarshal([]byte(`"`+strict+`"`), &s) != nil {
		r.fail()
	}
	return s
}
