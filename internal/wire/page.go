package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A PageDecoder reads one page of a list, an object with the properties Items and ContinuationToken in any
// order. It streams: it returns an item before the rest of the page has arrived.
type PageDecoder[T any] struct {
	r        reader
	input    source
	maxToken int
	fields   *structType // of T
	forms    []*form[T]  // the one that was used last is the first
	spare    *form[T]    // it has no template; nil: there is none
	items    int         // the number of items read
	misses   int         // how many of these did not repeat a form
	token    string
	known    bool // the page has Items or ContinuationToken
	unknown  bool // the page has another property
	err      error
}

// NewPageDecoder returns a PageDecoder that reads from r, and from its buffer if it is a [bufio.Reader].
func NewPageDecoder[T any](r io.Reader) *PageDecoder[T] {
	return newPageDecoder[T](r, maxValue, maxToken, maxName)
}

// NewStoredPageDecoder returns a PageDecoder for JSON that this module wrote. Like [ReadStored] it has no
// limit on the length of names, nor on that of values and the token.
func NewStoredPageDecoder[T any](data []byte) *PageDecoder[T] {
	return newPageDecoder[T](bytes.NewReader(data), len(data), len(data), len(data))
}

func newPageDecoder[T any](r io.Reader, maxValue, maxToken, maxName int) *PageDecoder[T] {
	b, ok := r.(*bufio.Reader)
	if !ok {
		b = bufio.NewReader(r)
	}
	p := &PageDecoder[T]{maxToken: maxToken, fields: structTypeOf[T]()}
	p.input = source{r: b, reader: &p.r}
	p.r = reader{dec: jsontext.NewDecoder(&p.input, Tolerant), maxValue: maxValue, maxName: maxName}
	return p
}

// Next reads the next item. At the end of a complete page it returns [io.EOF]. Any other error says what
// is wrong with the page. After an error Next returns the same error again.
func (p *PageDecoder[T]) Next(item *T) error {
	if p.err == nil {
		p.err = p.read(item)
	}
	return p.err
}

// ContinuationToken returns the token for the next page, or "" on the last page. It is valid once Next has
// returned [io.EOF].
func (p *PageDecoder[T]) ContinuationToken() string { return p.token }

func (p *PageDecoder[T]) read(item *T) error {
	for {
		depth := p.r.dec.StackDepth()
		if depth == inItems && p.repeat(item) {
			return nil
		}
		p.startValue()
		switch kind := p.r.dec.PeekKind(); {
		case depth == beforePage:
			if err := p.begin(); err != nil {
				return err
			}
		case depth == inItems && kind != ']':
			if err := p.item(item); err != nil {
				return fmt.Errorf("item %d: %w", p.items, err)
			}
			return nil
		case depth == inItems:
			if _, err := p.r.next(); err != nil {
				return err
			}
			p.r.repeated = 0
		case kind == '}':
			return p.end()
		default:
			if err := p.property(); err != nil {
				return err
			}
		}
	}
}

// The nesting depth of the decoder between two values.
const beforePage, inItems = 0, 2

func (p *PageDecoder[T]) startValue() {
	p.r.base = p.r.dec.StackDepth()
	p.input.start, p.input.braces = p.r.dec.InputOffset(), 0
}

// begin reads the opening brace of the page.
func (p *PageDecoder[T]) begin() error {
	tok, err := p.r.dec.ReadToken()
	if _, ok := errors.AsType[*jsontext.SyntacticError](err); err != nil && !ok {
		return p.r.located(err)
	}
	if err == nil && tok.Kind() != '{' {
		err = kindError(tok.Kind())
	}
	if err != nil {
		return fmt.Errorf("not a page of backups: %w", err)
	}
	return nil
}

// repeat reads the next item if it has one of the forms.
func (p *PageDecoder[T]) repeat(item *T) bool {
	if _, n := p.r.dec.StackIndex(inItems); n == 0 || len(p.r.dec.UnreadBuffer()) > 0 {
		return false // the first item has no comma before it
	}
	for i, f := range p.forms {
		text := f.match(&p.input)
		if text == nil {
			continue
		}
		if !f.repeat(text, &p.r.buffer) {
			p.forms = slices.Delete(p.forms, i, i+1)
			return false
		}
		_, _ = p.input.r.Discard(len(text))
		p.r.taken += int64(len(text))
		p.r.repeated++
		copy(p.forms[1:i+1], p.forms[:i])
		p.forms[0] = f
		p.deliver(f, item)
		return true
	}
	return false
}

// deliver copies the value of a form to an item, which must not share memory with the next ones.
func (p *PageDecoder[T]) deliver(f *form[T], item *T) {
	p.items++
	*item = f.value
	p.fields.clonePointers(reflect.ValueOf(item).Elem())
}

// item reads the next item token by token and makes it a form, unless it is the first, which may be the only one. After
// many items that have none of the forms, only every fourth becomes one, so that more shapes than forms do not replace
// them all the time.
func (p *PageDecoder[T]) item(item *T) error {
	f := p.spare
	if f == nil {
		f = new(form[T])
	}
	p.misses++
	_, n := p.r.dec.StackIndex(inItems)
	f.begin(&p.r, n > 0 && (p.misses < 3*maxForms || p.misses%4 == 0))
	invalid, err := p.r.object(reflect.ValueOf(&f.value).Elem(), p.fields, false)
	usable := f.end(&p.r)
	if err == nil {
		err = invalid
	}
	if err != nil {
		return err
	}
	p.deliver(f, item)
	if p.spare = f; usable {
		if p.spare = nil; len(p.forms) == maxForms {
			p.spare, p.forms = p.forms[maxForms-1], p.forms[:maxForms-1]
		}
		p.forms = slices.Insert(p.forms, 0, f)
	}
	return nil
}

// property reads the name and the value of the next property. Of Items it reads only the opening bracket.
func (p *PageDecoder[T]) property() error {
	quoted, err := p.r.next()
	if err != nil {
		return err
	}
	name := string(unquote(quoted, &p.r.buffer)) // before the next read, which overwrites quoted
	i := slices.IndexFunc(pageNames[:], func(known string) bool { return strings.EqualFold(known, name) })
	p.known, p.unknown = p.known || i >= 0, p.unknown || i < 0
	p.startValue()
	kind := p.r.peek()
	switch {
	case i == 0 && kind == '[', i == 1 && kind == '"':
		value, err := p.r.next()
		if err != nil || i == 0 {
			return err
		}
		if len(value) > p.maxToken {
			return fmt.Errorf("%s: %w", pageNames[i], errLongToken)
		}
		setText(reflect.ValueOf(&p.token).Elem(), value, &p.r.buffer)
		return nil
	case i == 1 && kind == 'n':
		p.token = ""
	}
	if err = p.r.skip(); err == nil && i >= 0 && kind != 'n' {
		err = fmt.Errorf("%s: %w", pageNames[i], kindError(kind))
	}
	return err
}

var pageNames = [...]string{"Items", "ContinuationToken"}

// end reads the closing brace of the page and checks that nothing follows.
func (p *PageDecoder[T]) end() error {
	if _, err := p.r.next(); err != nil {
		return err
	}
	if p.unknown && !p.known {
		// Most likely the response of some other server. Treating it as an empty page would tell the
		// caller that there are no backups.
		return errors.New("not a page of backups: the object has neither Items nor ContinuationToken")
	}
	return p.r.end("the page")
}

// maxValue is the maximum length of a value within a page, such as an item. The items that the document
// describes have less than 1 KiB.
const maxValue = 1 << 20

// maxToken is the maximum length of a continuation token as it is written. Real ones have less than 1 KiB, and
// by default the gateway accepts no URL with one of 16 KiB. The limit exists because the URL of the next request
// has up to nine bytes for each byte of a token, and is copied several times before it is sent.
const maxToken = 64 << 10

var errLongToken = fmt.Errorf("the value is longer than %d bytes", maxToken)

// maxSpace is the maximum number of bytes before a value: a comma and white space.
const maxSpace = 4 << 10

var errTooLong = fmt.Errorf("a value is longer than %d bytes", maxValue)

// A source is what the decoder of a page reads from. It hands out bytes up to the next closing brace only, so that
// the decoder has nothing unread after an item, and the next item can be taken past it.
type source struct {
	r      *bufio.Reader
	err    error   // of r
	reader *reader // keeps the bytes of an item
	total  int64   // the number of bytes handed out
	start  int64   // the offset at which the value starts
	braces int     // the number of closing braces that were found since
}

// buffered returns the bytes that were read and not handed out.
func (s *source) buffered() []byte {
	b, _ := s.r.Peek(s.r.Buffered())
	return b
}

// more waits for more bytes. It reports whether any came.
func (s *source) more() bool {
	if s.err != nil {
		return false
	}
	_, err := s.r.Peek(s.r.Buffered() + 1)
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		s.err = err
	}
	return err == nil
}

// Read implements [io.Reader] for the decoder, which reads only what it needs for its current value: everything
// read since the start of the value counts towards it.
func (s *source) Read(p []byte) (int, error) {
	left := s.start + maxSpace + int64(s.reader.maxValue) + 1 - s.total
	if left <= 0 {
		return 0, errTooLong
	}
	if s.r.Buffered() == 0 && !s.more() {
		return 0, s.err
	}
	b := s.buffered()
	b = b[:min(int64(len(b)), int64(len(p)), left)]
	// A value with many braces is not repeated, and the decoder copies its buffer at each read.
	for end := 0; s.braces < maxLeaves; s.braces++ {
		i := bytes.IndexByte(b[end:], '}')
		if i < 0 {
			break
		}
		if end += i + 1; !bytes.HasPrefix(b[end:], []byte(`,"`)) { // otherwise it does not end an item
			b = b[:end]
			break
		}
	}
	s.reader.add(b)
	n := copy(p, b)
	s.total += int64(n)
	return s.r.Discard(n)
}
