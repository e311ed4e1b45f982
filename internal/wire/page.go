package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A PageDecoder reads one page of a list, an object with the properties Items and ContinuationToken in any
// order. It streams: it returns an item before the rest of the page has arrived, and keeps none. P is *T.
type PageDecoder[T any, P interface {
	*T
	Object
}] struct {
	input    *limitedReader
	dec      *jsontext.Decoder
	interner *interner
	state    pageState
	items    int // the number of items read
	token    string
	known    bool // the page has Items or ContinuationToken
	unknown  bool // the page has another property
	err      error
}

type pageState int

const (
	beforePage pageState = iota
	inPage
	inItems
)

// NewPageDecoder returns a PageDecoder that reads from r.
func NewPageDecoder[T any, P interface {
	*T
	Object
}](r io.Reader) *PageDecoder[T, P] {
	return newPageDecoder[T, P](&limitedReader{r: r, maxValue: maxValue, maxToken: maxToken, maxName: maxName})
}

// NewStoredPageDecoder returns a PageDecoder for JSON that this module wrote. Like [ReadStored] it has no
// limit on the length of names, nor on that of values and the token.
func NewStoredPageDecoder[T any, P interface {
	*T
	Object
}](data []byte) *PageDecoder[T, P] {
	return newPageDecoder[T, P](&limitedReader{r: bytes.NewReader(data), maxValue: len(data), maxToken: len(data), maxName: len(data)})
}

func newPageDecoder[T any, P interface {
	*T
	Object
}](input *limitedReader) *PageDecoder[T, P] {
	input.dec = jsontext.NewDecoder(input, Tolerant)
	return &PageDecoder[T, P]{input: input, dec: input.dec, interner: new(interner)}
}

// Next reads the next item. At the end of a complete page it returns [io.EOF]. Any other error says what
// is wrong with the page. After an error Next returns the same error again.
func (p *PageDecoder[T, P]) Next(item *T) error {
	if p.err == nil {
		p.err = p.next(item)
	}
	return p.err
}

// ContinuationToken returns the token for the next page, or "" on the last page. It is valid once Next has
// returned [io.EOF].
func (p *PageDecoder[T, P]) ContinuationToken() string { return p.token }

func (p *PageDecoder[T, P]) next(item *T) error {
	for {
		p.input.startValue(p.dec.InputOffset(), p.state == inItems)
		switch p.state {
		case beforePage:
			if err := p.begin(); err != nil {
				return err
			}
		case inItems:
			if p.dec.PeekKind() != ']' {
				return p.item(item)
			}
			if _, err := p.dec.ReadToken(); err != nil {
				return unexpectedEOF(err)
			}
			p.state = inPage
		case inPage:
			if p.dec.PeekKind() == '}' {
				return p.end()
			}
			if err := p.property(); err != nil {
				return unexpectedEOF(err)
			}
		}
	}
}

// begin reads the opening brace of the page.
func (p *PageDecoder[T, P]) begin() error {
	tok, err := p.dec.ReadToken()
	if _, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("not a page of backups: %w", unexpectedEOF(err))
	}
	if err != nil {
		return unexpectedEOF(err)
	}
	if tok.Kind() != '{' {
		return fmt.Errorf("not a page of backups: %w", kindError(tok.Kind()))
	}
	p.state = inPage
	return nil
}

// item decodes the next item.
func (p *PageDecoder[T, P]) item(item *T) error {
	value, err := p.value()
	if err != nil {
		return fmt.Errorf("item %d: %w", p.items, err)
	}
	if value[0] != '{' {
		return fmt.Errorf("item %d: %w", p.items, unexpectedKind(value))
	}
	var zero T
	*item = zero
	if err := fillRecognized(value, P(item), p.interner); err != nil {
		return fmt.Errorf("item %d: %w", p.items, err)
	}
	p.items++
	return nil
}

// value reads the next value and checks the limits.
func (p *PageDecoder[T, P]) value() ([]byte, error) {
	value, err := p.dec.ReadValue()
	if err != nil {
		return nil, unexpectedEOF(err)
	}
	n := countOpening(value)
	p.input.opened -= n
	if len(value) > p.input.maxValue {
		return nil, errTooLong
	}
	if n > maxDepth && tooDeep(value) {
		return nil, errTooDeep
	}
	return value, nil
}

// property reads the name and the value of the next property. Of Items it reads only the opening bracket.
func (p *PageDecoder[T, P]) property() error {
	quoted, err := p.value()
	if err != nil {
		return err
	}
	name := p.interner.text(quoted) // before the next read, which overwrites quoted
	p.input.startValue(p.dec.InputOffset(), false)
	switch {
	case strings.EqualFold(name, "Items"):
		p.known = true
		tok, err := p.dec.ReadToken()
		if err != nil {
			return err
		}
		switch tok.Kind() {
		case '[':
			p.state = inItems
		case 'n': // no items
		default:
			return &propertyError{"Items", kindError(tok.Kind())}
		}
		return nil
	case strings.EqualFold(name, "ContinuationToken"):
		p.known = true
		value, err := p.value()
		if err != nil {
			return err
		}
		if value[0] == 'n' {
			p.token = ""
			return nil
		}
		if value[0] != '"' {
			return &propertyError{"ContinuationToken", unexpectedKind(value)}
		}
		if len(value) > p.input.maxToken {
			return &propertyError{"ContinuationToken", errLongToken}
		}
		p.token = p.interner.text(value)
		return nil
	default:
		p.unknown = true
		_, err := p.value()
		return err
	}
}

// end reads the closing brace of the page and checks that nothing follows.
func (p *PageDecoder[T, P]) end() error {
	if _, err := p.dec.ReadToken(); err != nil {
		return unexpectedEOF(err)
	}
	if p.unknown && !p.known {
		// Most likely the response of some other server. Treating it as an empty page would tell the
		// caller that there are no backups.
		return errors.New("not a page of backups: the object has neither Items nor ContinuationToken")
	}
	_, err := p.dec.ReadToken()
	if err == nil {
		err = errors.New("unexpected data after the page")
	}
	return err // io.EOF after a valid page
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

// A limitedReader returns an error when a value is too long or nested too deep, or has too long a name. The
// decoder reads only what it needs for its current value, so everything read since the start of the value
// counts towards it.
type limitedReader struct {
	r                           io.Reader
	maxValue, maxToken, maxName int
	dec                         *jsontext.Decoder // the decoder that reads from here
	total                       int64             // the number of bytes read
	start                       int64             // the offset at which the value starts

	inItems  bool // the value is an item
	opened   int  // the number of objects and arrays that start in the value and in what was read after it
	scanner  scanner
	scanning bool // the scanner has seen the value so far
	limitErr error
}

// startValue is called at the start of each value.
func (l *limitedReader) startValue(offset int64, inItems bool) {
	l.start, l.inItems, l.scanning = offset, inItems, false
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.limitErr != nil {
		return 0, l.limitErr
	}
	left := l.start + maxSpace + int64(l.maxValue) + 1 - l.total
	if left <= 0 {
		return 0, errTooLong
	}
	n, err := l.r.Read(p[:min(int64(len(p)), left)])
	if valid, limitErr := l.check(p[:n]); limitErr != nil {
		// Return the bytes before the violation first: they may complete some items.
		l.limitErr = limitErr
		if n, err = valid, nil; n == 0 {
			err = limitErr
		}
	}
	l.total += int64(n)
	return n, err
}

// maxUnscanned is the number of bytes of a value that the decoder gets without a scan. The buffer of the
// decoder has half that size, unless a value is longer.
const maxUnscanned = 8 << 10

// check looks for violations of the limits in the bytes read last, and returns the offset of the first. A
// scan of every byte costs half as much as decoding does, so check scans only where a violation is possible.
func (l *limitedReader) check(chunk []byte) (int, error) {
	if l.opened += countOpening(chunk); l.opened <= maxDepth && l.total-l.start+int64(len(chunk)) <= maxUnscanned {
		return len(chunk), nil
	}
	// The scanner counts levels from the position of the decoder. That may be outside Items, two levels
	// above the inside of an item. PageDecoder.value finds a value that is one or two levels too deep.
	const deepest = maxDepth + 2
	if !l.scanning {
		// The decoder's buffer holds the value so far, even during a read.
		l.scanning, l.scanner = true, newScanner(l.inItems, l.maxName)
		if _, err := l.scanner.scan(l.dec.UnreadBuffer(), deepest); err != nil {
			return 0, err
		}
	}
	return l.scanner.scan(chunk, deepest)
}

// unexpectedEOF turns [io.EOF] within a value into [io.ErrUnexpectedEOF].
func unexpectedEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
