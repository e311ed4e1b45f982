package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// maxDepth is the maximum nesting depth of an item. The items of the document are three levels deep.
const maxDepth = 64

// maxName is the maximum length of a property name as it is written, escapes included. Real names have less
// than 32 bytes. The limit exists because an error of the decoder contains the path of names to the error,
// copied many times while it is built.
const maxName = 256

var (
	errTooDeep      = fmt.Errorf("a value is nested more than %d levels deep", maxDepth)
	errLongName     = fmt.Errorf("the name of a property is longer than %d bytes", maxName)
	errUnrecognized = errors.New("the object has none of the expected properties")
)

// A reader reads values token by token: the decoder would recurse into a value that it reads whole, so that 10,000
// brackets would take megabytes of stack.
type reader struct {
	dec               *jsontext.Decoder
	maxValue, maxName int
	base              int // the nesting depth outside the value
	kept              *kept
	buffer            []byte // for texts with escapes

	item       *template // what is read becomes one; nil: it does not
	repeatable bool      // the template is usable so far

	taken    int64 // the length of the items that the decoder has not seen
	repeated int64 // how many of these are in the current array
}

// ReadObject decodes the JSON object of a response into o, which must be zero. Properties that are null leave their
// fields zero. An object with properties, none of which o has, is an error: it is some other object.
func ReadObject[T any](data []byte, o *T) error { return readObject(data, o, maxName) }

// ReadStored is ReadObject for JSON that this module wrote. It has no limit on the length of names: a
// partition of an unknown kind is written with the names it came with, and a name that is not UTF-8 gets
// longer when it is written.
func ReadStored[T any](data []byte, o *T) error { return readObject(data, o, len(data)) }

func readObject[T any](data []byte, o *T, maxName int) error {
	r := newReader(data, maxName)
	invalid, err := r.recognized(reflect.ValueOf(o).Elem(), structTypeOf(reflect.TypeFor[T]()))
	if err == nil {
		err = r.end()
	}
	if err != nil {
		return err
	}
	return invalid
}

// newReader returns a reader of one value.
func newReader(data []byte, maxName int) *reader {
	return &reader{dec: jsontext.NewDecoder(bytes.NewBuffer(data), Tolerant), maxValue: len(data), maxName: maxName, kept: &kept{text: data, on: true}}
}

// CheckLimits checks that JSON is not nested too deep and has no name that is too long, up to the first syntax error.
func CheckLimits(data []byte) error {
	err := newReader(data, maxName).skip()
	for _, limit := range []error{errTooDeep, errLongName} {
		if errors.Is(err, limit) {
			return limit // without its place: the JSON may be secret
		}
	}
	return nil
}

// end checks that nothing follows the value.
func (r *reader) end() error {
	_, err := r.dec.ReadToken()
	if err == nil {
		return errors.New("unexpected data after the value")
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// The methods below return two errors. An invalid value does not end the reading, because a syntax error or a limit
// after it comes first, and because an invalid partition may turn out to be of an unknown kind.

// recognized reads an object that is empty or has a property of t.
func (r *reader) recognized(v reflect.Value, t *structType) (invalid, err error) {
	if kind := r.peek(); kind != '{' {
		return kindError(kind), r.skip()
	}
	if _, _, err = r.next(); err != nil {
		return nil, err
	}
	from := r.dec.InputOffset() - 1
	known, others, invalid, err := r.object(v, t, false)
	if err == nil && r.dec.InputOffset()-from > int64(r.maxValue) {
		err = errTooLong
	}
	if !known && others && invalid == nil {
		invalid = errUnrecognized
	}
	return invalid, err
}

// object reads the rest of an object, after its brace, and zeroes the fields that it does not have. It reports
// whether the object has properties of t and others.
// With merge it leaves them as they are.
func (r *reader) object(v reflect.Value, t *structType, merge bool) (known, others bool, invalid, err error) {
	var seen, set uint64
	for {
		name, err := r.name()
		if err != nil {
			return false, false, nil, err
		}
		if name == nil {
			break
		}
		i := t.find(name, &r.buffer)
		if i < 0 {
			others = true
			if err := r.skip(); err != nil {
				return false, false, nil, err
			}
			continue
		}
		known = true
		f := &t.fields[i]
		r.repeatable = r.repeatable && seen&(1<<i) == 0
		ok, fault, err := r.member(v.Field(f.index), f, set&(1<<i) != 0)
		if err != nil {
			return false, false, nil, err
		}
		if fault != nil && invalid == nil {
			invalid = &propertyError{f.name, fault}
		}
		if seen |= 1 << i; ok {
			set |= 1 << i
		}
	}
	for i := range t.fields {
		if !merge && set&(1<<i) == 0 {
			v.Field(t.fields[i].index).SetZero()
		}
	}
	return known, others, invalid, nil
}

// member reads the value of a property. It reports whether the field was set: null leaves it as it is. Again tells
// whether it was set before.
func (r *reader) member(v reflect.Value, f *field, again bool) (set bool, invalid, err error) {
	kind := r.peek()
	if kind == 'n' {
		_, _, err = r.next()
		return false, nil, err
	}
	switch f.kind {
	case objectField, pointerField:
		if kind == '{' {
			if _, _, err = r.next(); err != nil {
				return false, nil, err
			}
			if f.kind == pointerField {
				if again = false; v.IsNil() {
					v.Set(reflect.New(v.Type().Elem()))
				}
				v = v.Elem()
			}
			_, _, invalid, err = r.object(v, f.elem, again)
			return true, invalid, err
		}
	case partitionField:
		invalid, err = r.readPartition(v.Addr().Interface().(*PartitionInformation), f.elem)
		return true, invalid, err
	case otherField:
		raw, err := r.raw()
		if err != nil {
			return false, nil, err
		}
		r.repeatable = false // items would share what the field refers to
		v.SetZero()
		return true, json.Unmarshal(raw, v.Addr().Interface(), Tolerant), nil
	default:
		if kind == '"' || kind == '0' {
			_, value, err := r.next()
			if err != nil {
				return false, nil, err
			}
			r.leaf(value, place{f.kind, v})
			err = readScalar(value, kind, place{f.kind, v}, &r.buffer)
			return err == nil, err, nil
		}
	}
	return false, kindError(kind), r.skip()
}

// readScalar decodes a string or a number into a field.
func readScalar(value []byte, kind jsontext.Kind, field place, buffer *[]byte) error {
	switch field.kind {
	case textField, symbolField:
		if kind == '"' {
			setText(field.v, value, buffer)
		} else if field.kind == symbolField {
			field.v.SetString(string(value))
		} else {
			return kindError(kind)
		}
	case idField:
		if kind != '"' {
			return kindError(kind)
		}
		text := value[1 : len(value)-1]
		if len(text) != len("00000000-0000-0000-0000-000000000000") && len(text) <= maxScalar { // another form of UUID, or escapes
			text = unquote(value, buffer)
		}
		id, err := uuid.ParseBytes(text)
		if err == nil {
			copy(field.v.Bytes(), id[:]) // after an error, ParseBytes has filled only a part of id
		}
		return err
	case int64Field:
		var n Int64
		err := n.parse(value)
		field.v.SetInt(int64(n))
		return err
	case timeField:
		return field.v.Addr().Interface().(*Time).parse(value)
	}
	return nil
}

// name reads the next name of an object, as it is written. At the end of the object it returns nil.
func (r *reader) name() ([]byte, error) {
	_, name, err := r.next()
	if err == nil && len(name) > r.maxName+len(`""`) {
		err = r.located(&jsontext.SyntacticError{ByteOffset: r.dec.InputOffset(), Err: errLongName})
	}
	return name, err
}

// skip reads the next value.
func (r *reader) skip() error {
	depth, from := r.dec.StackDepth(), int64(-1)
	for {
		kind, n := r.dec.StackIndex(r.dec.StackDepth())
		_, text, err := r.next()
		if err != nil {
			return err
		}
		if from < 0 {
			from = r.dec.InputOffset() - int64(max(len(text), 1))
		}
		switch {
		case text == nil:
		case kind != '{' || n%2 != 0:
			r.leaf(text, place{})
		case len(text) > r.maxName+len(`""`):
			return r.located(&jsontext.SyntacticError{ByteOffset: r.dec.InputOffset(), Err: errLongName})
		}
		if r.dec.StackDepth() <= depth {
			if r.dec.InputOffset()-from > int64(r.maxValue) {
				return errTooLong
			}
			return nil
		}
	}
}

// next reads the next token. Of a string or a number it also returns the text as it is written.
func (r *reader) next() (kind jsontext.Kind, text []byte, err error) {
	switch kind = r.peek(); kind {
	case '"', '0':
		text, err = r.dec.ReadValue()
	default:
		_, err = r.dec.ReadToken()
		if err == nil && r.dec.StackDepth()-r.base > maxDepth {
			err = &jsontext.SyntacticError{ByteOffset: r.dec.InputOffset(), JSONPointer: r.dec.StackPointer(), Err: errTooDeep}
		}
	}
	if err != nil {
		err = r.located(err)
	}
	return kind, text, err
}

// peek returns the kind of the next token. It is a faster PeekKind where no white space comes before the token.
func (r *reader) peek() jsontext.Kind {
	if b := r.dec.UnreadBuffer(); len(b) > 1 {
		c := b[0]
		if c == ',' || c == ':' {
			c = b[1]
		}
		switch c {
		case '"', '{', '}', '[', ']', 'n':
			return jsontext.Kind(c)
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			return '0'
		}
	}
	return r.dec.PeekKind()
}

// located returns an error with its place in the input. An error of the source has none, and that of the decoder lacks
// the items that it has not seen.
func (r *reader) located(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	e, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		read := r.dec.InputOffset() + int64(len(r.dec.UnreadBuffer()))
		e = &jsontext.SyntacticError{ByteOffset: read, JSONPointer: r.dec.StackPointer(), Err: err}
	}
	e.ByteOffset += r.taken
	path := strings.SplitN(string(e.JSONPointer), "/", 4) // "", "Items", the index and the rest
	if r.repeated > 0 && len(path) > 2 {
		if i, err := strconv.ParseInt(path[2], 10, 64); err == nil {
			path[2] = strconv.FormatInt(i+r.repeated, 10)
			e.JSONPointer = jsontext.Pointer(strings.Join(path, "/"))
		}
	}
	return e
}

// raw reads the next value and returns its text, which is valid until the next read.
func (r *reader) raw() ([]byte, error) {
	from := r.beginRaw()
	err := r.skip()
	return r.endRaw(from), err
}

// beginRaw keeps the text of the next value. It returns the offset before the value.
func (r *reader) beginRaw() int64 {
	if !r.kept.on {
		r.kept.begin(r.dec, false)
	}
	r.kept.raw = true
	return r.dec.InputOffset()
}

// endRaw returns the text since beginRaw.
func (r *reader) endRaw(from int64) []byte {
	r.kept.raw = false
	return bytes.TrimLeft(r.kept.text[from-r.kept.from:r.dec.InputOffset()-r.kept.from], ": \t\r\n")
}

// begin starts an item, of which it makes a template if keep is set.
func (r *reader) begin(t *template, keep bool) {
	t.leaves, t.fields, t.partition = t.leaves[:0], t.fields[:0], nil
	r.item, r.repeatable, r.kept.whole = t, keep, keep
	if keep {
		_, before := r.dec.StackIndex(r.dec.StackDepth())
		r.kept.begin(r.dec, before == 0) // the items after the first have a comma
	}
}

// finish ends an item. It reports whether the template is usable.
func (r *reader) finish() bool {
	ok := r.repeatable && r.kept.whole
	if ok {
		r.item.text, r.kept.text = r.kept.text[:r.dec.InputOffset()-r.kept.from], r.item.text
	}
	r.item, r.repeatable, r.kept.on = nil, false, false
	return ok
}

// leaf adds a string or a number to the leaves of the item.
func (r *reader) leaf(text []byte, field place) {
	if !r.repeatable {
		return
	}
	if len(r.item.leaves) == maxLeaves {
		r.repeatable = false
		return
	}
	to := int(r.dec.InputOffset() - r.kept.from)
	r.item.leaves = append(r.item.leaves, leaf{from: to - len(text), to: to})
	r.item.fields = append(r.item.fields, field)
}

// The two error types below build their text on demand: an error in a partition is dropped if its kind is
// unknown, and a page may have many partitions.

// A propertyError is an error in the value of a property.
type propertyError struct {
	name string
	err  error
}

func (e *propertyError) Error() string { return e.name + ": " + e.err.Error() }

func (e *propertyError) Unwrap() error { return e.err }

// A kindError reports a JSON value of the wrong kind.
type kindError jsontext.Kind

func (e kindError) Error() string { return fmt.Sprintf("unexpected JSON %v", jsontext.Kind(e)) }
