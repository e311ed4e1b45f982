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

// A node is a JSON value. Unlike a Go map, it keeps the order of properties and may have duplicates.
type node struct {
	kind    byte     // '{', '[', '"', '0', 't' for true and false, 'n' for null
	text    string   // of a scalar, as JSON
	members []member // of an object
	items   []*node  // of an array
}

type member struct {
	name  string
	value *node
}

// mustParse parses JSON that is known to be valid.
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

// scalar returns the node of a string, a number, a boolean or null.
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
	panic(fmt.Sprintf("%T is not a scalar", value))
}

// raw returns the node of a JSON text, without parsing it.
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
	_ = enc.Encode(s) // cannot fail
	return strings.TrimSuffix(b.String(), "\n")
}

// string returns the value of a string.
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

// with returns a copy of an object with one property replaced, or removed if value is nil.
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

// A position is the position of a value in a tree.
type position struct {
	location string // a JSON pointer
	node     *node
	parent   *node // nil: the value is the root
	index    int   // in the members or items of the parent
}

// pointerEscaper escapes a name for a JSON pointer.
var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")

// positions returns every position in a tree, the root first.
func positions(root *node) []position {
	var all []position
	var walk func(position)
	walk = func(p position) {
		all = append(all, p)
		for i, m := range p.node.members {
			walk(position{p.location + "/" + pointerEscaper.Replace(m.name), m.value, p.node, i})
		}
		for i, item := range p.node.items {
			walk(position{p.location + "/" + strconv.Itoa(i), item, p.node, i})
		}
	}
	walk(position{node: root})
	return all
}

// replace replaces the value at a position while it calls emit. Undoing each edit avoids a copy of the tree
// for each mutant.
func (p position) replace(value *node, emit func(location string)) {
	old := *p.node
	*p.node = *value
	emit(p.location)
	*p.node = old
}

// drop removes a property while it calls emit.
func (p position) drop(emit func(location string)) {
	old := p.parent.members
	p.parent.members = slices.Delete(slices.Clone(old), p.index, p.index+1)
	emit(p.location)
	p.parent.members = old
}

// add appends a property to an object while it calls emit.
func (p position) add(name string, value *node, emit func(location string)) {
	old := p.node.members
	p.node.members = append(slices.Clip(old), member{name, value})
	emit(p.location + "/" + pointerEscaper.Replace(name))
	p.node.members = old
}
