package contract_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// A node is a JSON value as it is written: properties keep their order, and may come twice, which a
// Go map could not do.
type node struct {
	kind    byte     // '{', '[', '"', '0', 't' for true and false, 'n' for null
	text    string   // of a scalar, as JSON has it
	members []member // of an object
	items   []*node  // of an array
}

type member struct {
	name  string
	value *node
}

// mustParse reads JSON that is known to be right.
func mustParse(data []byte) *node {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	n, err := parseValue(dec)
	if err == nil {
		_, err = dec.Token()
	}
	if !errors.Is(err, io.EOF) {
		panic(fmt.Sprintf("%v: %s", err, data))
	}
	return n
}

func parseValue(dec *json.Decoder) (*node, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return scalar(tok), nil
	}
	n := &node{kind: byte(delim)}
	for dec.More() {
		var name string
		if n.kind == '{' {
			tok, err := dec.Token()
			if err != nil {
				return nil, err
			}
			name = tok.(string)
		}
		value, err := parseValue(dec)
		if err != nil {
			return nil, err
		}
		if n.kind == '{' {
			n.members = append(n.members, member{name, value})
		} else {
			n.items = append(n.items, value)
		}
	}
	_, err = dec.Token()
	return n, err
}

// scalar returns a string, a number, a boolean or null.
func scalar(value any) *node {
	switch value := value.(type) {
	case nil:
		return raw("null")
	case bool:
		return raw(strconv.FormatBool(value))
	case json.Number:
		return raw(value.String())
	case string:
		return &node{kind: '"', text: quote(value)}
	}
	panic(fmt.Sprintf("%T is no scalar", value))
}

// raw returns the value that a JSON text stands for, taken as it is.
func raw(text string) *node {
	kind := text[0]
	switch {
	case kind == '-' || kind >= '0' && kind <= '9':
		kind = '0'
	case kind == 'f':
		kind = 't'
	}
	return &node{kind: kind, text: text}
}

func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string, into memory
	return strings.TrimSuffix(b.String(), "\n")
}

// string returns the text of a string.
func (n *node) string() (string, bool) {
	if n.kind != '"' {
		return "", false
	}
	var s string
	err := json.Unmarshal([]byte(n.text), &s)
	return s, err == nil
}

func (n *node) member(name string) *node {
	for _, m := range n.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// with returns an object with one property replaced, or without it if value is nil.
func (n *node) with(name string, value *node) *node {
	object := &node{kind: '{'}
	for _, m := range n.members {
		if m.name == name {
			m.value = value
		}
		if m.value != nil {
			object.members = append(object.members, m)
		}
	}
	return object
}

func (n *node) json() []byte { return n.append(nil) }

func (n *node) append(b []byte) []byte {
	switch n.kind {
	case '{':
		b = append(b, '{')
		for i, m := range n.members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(b, quote(m.name)...), ':')
			b = m.value.append(b)
		}
		return append(b, '}')
	case '[':
		b = append(b, '[')
		for i, item := range n.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = item.append(b)
		}
		return append(b, ']')
	}
	return append(b, n.text...)
}

// A place is where a value stands in a tree.
type place struct {
	at     string // a JSON pointer
	node   *node
	parent *node // nil: the value is the whole
	index  int   // in the members or items of the parent
}

// escaped is how a JSON pointer writes a name.
var escaped = strings.NewReplacer("~", "~0", "/", "~1")

// places returns every place of a tree, the whole first.
func places(root *node) []place {
	var all []place
	var walk func(place)
	walk = func(p place) {
		all = append(all, p)
		for i, m := range p.node.members {
			walk(place{p.at + "/" + escaped.Replace(m.name), m.value, p.node, i})
		}
		for i, item := range p.node.items {
			walk(place{p.at + "/" + strconv.Itoa(i), item, p.node, i})
		}
	}
	walk(place{node: root})
	return all
}

// An edit is made, looked at, and taken back: a tree need not be copied for each mutation.
// replace lets emit see the tree with another value in a place.
func (p place) replace(value *node, emit func(at string)) {
	old := *p.node
	*p.node = *value
	emit(p.at)
	*p.node = old
}

// drop lets emit see the tree without a property.
func (p place) drop(emit func(at string)) {
	old := p.parent.members
	p.parent.members = slices.Delete(slices.Clone(old), p.index, p.index+1)
	emit(p.at)
	p.parent.members = old
}

// add lets emit see the tree with one property more, at the end of an object.
func (p place) add(name string, value *node, emit func(at string)) {
	old := p.node.members
	p.node.members = append(slices.Clip(old), member{name, value})
	emit(p.at + "/" + escaped.Replace(name))
	p.node.members = old
}
