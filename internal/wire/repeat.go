package wire

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// The items of a page look alike: they have the same members in the same order, and most of their values are those
// of the item before. So an item is read as its difference to an earlier one, which is much faster than reading its
// tokens. The text between the values was validated once. Whatever differs more is read token by token.

// A form is an item that was read, as a template for the next ones.
type form[T any] struct {
	template
	value T
}

// A template is the text of an item, with the comma before it, and its leaves, which are its strings and numbers.
type template struct {
	text      []byte
	leaves    []leaf
	next      []leaf // those of the text that matches
	places    []place
	partition *PartitionInformation
}

type leaf struct {
	from, to int  // in the text
	changed  bool // it differs from that of the template
}

const (
	maxForms    = 4       // of a page, for items of several shapes
	maxRepeated = 8 << 10 // bytes of an item that is kept; real ones have less than 1 KiB
	maxLeaves   = 64      // of an item that is kept; real ones have less than 20
)

// begin starts a template at the current position of the decoder. Without keep it is only a value to read to.
func (t *template) begin(r *reader, keep bool) {
	if r.item, r.repeatable = t, keep; !keep {
		return
	}
	if t.leaves == nil {
		t.leaves, t.places, r.kept = make([]leaf, 0, 24), make([]place, 0, 24), make([]byte, 0, 1<<10)
	}
	t.leaves, t.places, t.partition = t.leaves[:0], t.places[:0], nil
	r.keep()
}

// end ends the template. It reports whether it is usable.
func (t *template) end(r *reader) bool {
	usable := r.repeatable
	if r.keeps, r.repeatable = false, false; usable {
		t.text, r.kept = r.kept[:r.dec.InputOffset()-r.keptFrom], t.text
	}
	return usable
}

// match looks for an item of this form in the source and returns its text, which starts with a comma. It waits for
// more bytes only while those that have come are the beginning of such an item, which is then not complete.
func (t *template) match(s *source) []byte {
	b, at, from := s.buffered(), 0, 0 // at is the position in b, from that in t.text
	t.next = t.next[:0]
	for i := 0; i < len(t.leaves); i++ {
		// Most likely the leaves that did not change last time are the same again, up to the next one that did.
		j := i
		for j < len(t.leaves) && !t.leaves[j].changed {
			j++
		}
		if j > i+1 && bytes.HasPrefix(b[at:], t.text[from:t.leaves[j-1].to+1]) {
			for shift := at - from; i < j; i++ {
				l := t.leaves[i]
				t.next = append(t.next, leaf{l.from + shift, l.to + shift, false})
			}
			if from, at = t.leaves[i-1].to, t.next[i-1].to; i == len(t.leaves) {
				break
			}
		}
		// The text before the leaf and its old value. A number ends only before the character after it.
		l := t.leaves[i]
		gap, want := l.from-from, t.text[from:l.to]
		if t.text[l.from] != '"' {
			want = t.text[from : l.to+1]
		}
		length, changed := l.to-l.from, false
		for rest := b[at:]; !bytes.HasPrefix(rest, want); rest = b[at:] {
			if !bytes.HasPrefix(want, rest) {
				if !bytes.HasPrefix(rest, want[:gap]) {
					return nil
				}
				if length = scalarLength(rest[gap:]); length == 0 {
					return nil
				}
				if length > 0 {
					changed = true
					break
				}
			}
			if !s.more() {
				return nil
			}
			b = s.buffered()
		}
		from, at = l.to, at+gap+length
		t.next = append(t.next, leaf{at - length, at, changed})
	}
	for end := t.text[from:]; !bytes.HasPrefix(b[at:], end); b = s.buffered() {
		if !bytes.HasPrefix(end, b[at:]) || !s.more() {
			return nil
		}
	}
	return b[:at+len(t.text)-from]
}

// scalarLength returns the length of the string or number at the start of b, which may be invalid. It is 0 if there
// is none, and negative if b ends before it does.
func scalarLength(b []byte) int {
	if b[0] != '"' {
		return bytes.IndexFunc(b, func(r rune) bool { return r != '-' && (r < '0' || r > '9') })
	}
	for i := 1; ; {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		i += n + 1
		escapes := 0
		for b[i-2-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
	}
}

// repeat sets what has changed in the item that was matched, and makes it the template. If it reports false, the
// text may be invalid or need more care, and the form is no longer usable.
func (t *template) repeat(text []byte, buffer *[]byte) bool {
	for i, l := range t.next {
		if l.changed && !setScalar(t.places[i], text[l.from:l.to], buffer) {
			return false
		}
	}
	if len(text) > maxRepeated || t.partition != nil && !t.partition.known() {
		return false
	}
	t.leaves, t.next = t.next, t.leaves
	t.text = append(t.text[:0], text...)
	return true
}

// setScalar sets a field to a string or a number whose syntax was not checked.
func setScalar(field place, value []byte, buffer *[]byte) bool {
	kind := jsontext.Value(value).Kind()
	if kind == '"' && field.setPlain(value) {
		return true
	}
	if kind == '"' && (field.kind == textField || field.kind == symbolField) {
		var err error
		if *buffer, err = jsontext.AppendUnquote((*buffer)[:0], value); err == nil {
			field.v.SetString(string(*buffer))
			return true
		}
	}
	return jsontext.Value(value).IsValid(Tolerant) && readScalar(value, kind, field, buffer) == nil
}
