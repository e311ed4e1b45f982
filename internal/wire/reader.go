package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
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

// A reader reads values token by token: the decoder recurses into a value that it reads whole, so that 10,000
// brackets take megabytes of stack.
//
// Methods that return two errors go on after an invalid value: a syntax error or a limit after it comes first, and a
// partition may turn out to be of an unknown kind, in which everything is valid.
type reader struct {
	dec               *jsontext.Decoder
	maxValue, maxName int
	base              int    // the nesting depth outside the value
	start             int64  // the offset of the value, if it is an object or an array
	buffer            []byte // for texts with escapes

	kept       []byte    // the text that was read, from some offset on
	keptFrom   int64     // that offset
	keeps      bool      // what is read is added to the text
	inRaw      bool      // however long it is
	parts      [][]byte  // the rest of a long text
	item       *template // what is read becomes one; nil: it does not
	repeatable bool      // it is usable so far

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
	invalid, err := r.object(reflect.ValueOf(o).Elem(), structTypeOf[T](), false)
	if err == nil {
		err = r.end("the value")
	}
	if errors.Is(err, io.EOF) {
		return invalid
	}
	return err
}

// end returns [io.EOF] if nothing follows.
func (r *reader) end(what string) error {
	_, err := r.dec.ReadToken()
	if err == nil {
		return errors.New("unexpected data after " + what)
	}
	if errors.Is(err, io.EOF) {
		return err
	}
	return r.located(err)
}

// newReader returns a reader of one value.
func newReader(data []byte, maxName int) *reader {
	return &reader{
		dec:      jsontext.NewDecoder(bytes.NewBuffer(data), Tolerant),
		maxValue: len(data), maxName: maxName, kept: data, keeps: true,
	}
}

// CheckLimits checks that JSON is not nested too deep and has no name that is too long, up to the first syntax error.
func CheckLimits(data []byte) error {
	err := newReader(data, maxName).skip()
	if errors.Is(err, errTooDeep) || errors.Is(err, errLongName) {
		return errors.Unwrap(err) // without its place, which contains names
	}
	return nil
}

// object reads an object, and zeroes the fields that it does not have, unless it is to be merged into v. The outermost
// object has to have a property of t if it has any.
func (r *reader) object(v reflect.Value, t *structType, merge bool) (invalid, err error) {
	if kind := r.peek(); kind != '{' {
		return kindError(kind), r.skip()
	}
	if _, err := r.next(); err != nil {
		return nil, err
	}
	var seen, set uint64
	others := false
	for {
		name, err := r.next()
		if err != nil {
			return nil, err
		}
		if name == nil {
			break
		}
		i := t.find(name, &r.buffer)
		if i < 0 {
			others = true
			if err := r.skip(); err != nil {
				return nil, err
			}
			continue
		}
		f, bit := &t.fields[i], uint64(1)<<i
		r.repeatable = r.repeatable && seen&bit == 0
		ok, fault, err := r.member(v.Field(f.index), f, set&bit != 0)
		if err != nil {
			return nil, err
		}
		if fault != nil && invalid == nil {
			invalid = fmt.Errorf("%s: %w", f.name, fault)
		}
		if seen |= bit; ok {
			set |= bit
		}
	}
	for i := range t.fields {
		if !merge && set&(1<<i) == 0 {
			v.Field(t.fields[i].index).SetZero()
		}
	}
	if others && seen == 0 && r.dec.StackDepth() == r.base {
		invalid = errUnrecognized
	}
	return invalid, nil
}

// member reads the value of a property, which may have been set before. It reports whether it sets the field: null
// leaves it as it is.
func (r *reader) member(v reflect.Value, f *field, again bool) (set bool, invalid, err error) {
	kind := r.peek()
	switch object := f.kind == objectField || f.kind == pointerField; {
	case kind == 'n':
		return false, nil, r.skip()
	case f.kind == partitionField:
		invalid, err = r.readPartition(v, f.elem)
	case f.kind == otherField:
		r.repeatable = false // items would share what the field refers to
		var raw []byte
		if raw, _, err = r.raw(r.skip); err == nil {
			v.SetZero()
			invalid = json.Unmarshal(raw, v.Addr().Interface(), Tolerant)
		}
	case object:
		if f.kind == pointerField && kind == '{' {
			if again = false; v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		invalid, err = r.object(v, f.elem, again)
	case kind != '"' && kind != '0':
		return false, kindError(kind), r.skip()
	default:
		value, err := r.next()
		if err != nil {
			return false, nil, err
		}
		p := place{kind: f.kind, v: v}
		r.leaf(value, p)
		err = readScalar(value, kind, p, &r.buffer)
		return err == nil, err, nil
	}
	return true, invalid, err
}

// skip reads the next value.
func (r *reader) skip() error {
	for depth, first := r.dec.StackDepth(), true; first || r.dec.StackDepth() > depth; first = false {
		text, err := r.next()
		if err != nil {
			return err
		}
		if text != nil && !r.afterName() {
			r.leaf(text, place{})
		}
	}
	return nil
}

// afterName reports whether the last token was the name of a property.
func (r *reader) afterName() bool {
	kind, n := r.dec.StackIndex(r.dec.StackDepth())
	return kind == '{' && n%2 != 0
}

// next reads the next token. Of a string or a number it also returns the text as it is written.
func (r *reader) next() (text []byte, err error) {
	switch kind := r.peek(); kind {
	case '"', '0':
		if text, err = r.dec.ReadValue(); len(text) > r.maxValue {
			err = errTooLong
		} else if len(text) > r.maxName+len(`""`) && r.afterName() {
			err = &jsontext.SyntacticError{ByteOffset: r.dec.InputOffset(), Err: errLongName}
		}
	default:
		_, err = r.dec.ReadToken()
		switch depth, end := r.dec.StackDepth()-r.base, r.dec.InputOffset(); {
		case err != nil:
		case depth > maxDepth:
			err = &jsontext.SyntacticError{ByteOffset: end, JSONPointer: r.dec.StackPointer(), Err: errTooDeep}
		case depth == 1 && (kind == '{' || kind == '['):
			r.start = end - 1
		case depth == 0 && (kind == '}' || kind == ']') && end-r.start > int64(r.maxValue):
			err = errTooLong
		}
	}
	if err != nil {
		err = r.located(err)
	}
	return text, err
}

// peek returns the kind of the next token. It is a faster PeekKind where no white space comes before the token.
func (r *reader) peek() jsontext.Kind {
	if b := r.dec.UnreadBuffer(); len(b) > 1 {
		c := b[0]
		if c == ',' || c == ':' {
			c = b[1]
		}
		switch {
		case c == '"' || c == '{' || c == '}' || c == 'n':
			return jsontext.Kind(c)
		case '0' <= c && c <= '9' || c == '-':
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

// keep keeps what is read from now on.
func (r *reader) keep() {
	r.kept, r.keptFrom, r.keeps = append(r.kept[:0], r.dec.UnreadBuffer()...), r.dec.InputOffset(), true
}

// add is called with what the decoder is going to read.
func (r *reader) add(b []byte) {
	switch last := len(r.parts) - 1; {
	case !r.keeps:
	case last < 0 && len(r.kept)+len(b) <= maxRepeated:
		r.kept = append(r.kept, b...)
	case !r.inRaw:
		r.keeps, r.repeatable = false, false
	case last < 0 || len(r.parts[last])+len(b) > cap(r.parts[last]):
		r.parts = append(r.parts, append(make([]byte, 0, max(len(b), maxRepeated/2)), b...))
	default:
		r.parts[last] = append(r.parts[last], b...)
	}
}

// raw calls read, which reads the next value, and returns the text of that value. It is a copy or valid until the
// next read.
func (r *reader) raw(read func() error) (text []byte, isCopy bool, err error) {
	if !r.keeps {
		r.keep()
	}
	from := r.dec.InputOffset()
	r.inRaw = true
	err = read()
	r.inRaw = false
	text = r.kept[from-r.keptFrom:]
	if isCopy = r.parts != nil; isCopy { // a slice that grows would take twice as much
		text = slices.Concat(slices.Insert(r.parts, 0, text)...)
		r.parts, r.keeps, r.repeatable = nil, false, false
	}
	return bytes.TrimLeft(text[:r.dec.InputOffset()-from], ": \t\r\n"), isCopy, err
}

// leaf adds a string or a number to the template.
func (r *reader) leaf(text []byte, p place) {
	if r.repeatable = r.repeatable && len(r.item.leaves) < maxLeaves; !r.repeatable {
		return
	}
	if p.kind == timeField {
		p.time = p.timePointer()
	}
	to := int(r.dec.InputOffset() - r.keptFrom)
	r.item.leaves = append(r.item.leaves, leaf{from: to - len(text), to: to})
	r.item.places = append(r.item.places, p)
}

// A kindError reports a JSON value of the wrong kind.
type kindError jsontext.Kind

func (e kindError) Error() string { return fmt.Sprintf("unexpected JSON %v", jsontext.Kind(e)) }
