package wire

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Page reads one page of a list, an object with Items and a ContinuationToken in any order, item by
// item: an item is there before the rest of the page has arrived, and none is kept. P is *T.
type Page[T any, P interface {
	*T
	Object
}] struct {
	input  *limitedReader
	dec    *jsontext.Decoder
	shared *sharedStrings
	state  pageState
	items  int // how many items were read
	token  string
	known  bool // Items or ContinuationToken were there
	other  bool // something else was there
	err    error
}

type pageState int

const (
	beforePage pageState = iota
	inPage
	inItems
)

// NewPage returns a reader of the page that r holds.
func NewPage[T any, P interface {
	*T
	Object
}](r io.Reader) *Page[T, P] {
	input := &limitedReader{r: r}
	input.dec = jsontext.NewDecoder(input, Tolerant)
	return &Page[T, P]{input: input, dec: input.dec, shared: new(sharedStrings)}
}

// Next reads the next item. At the end of a page that was read to its last byte it returns
// [io.EOF]; any other error says what is wrong with the page, and is returned again from then on.
func (p *Page[T, P]) Next(item *T) error {
	if p.err == nil {
		p.err = p.next(item)
	}
	return p.err
}

// ContinuationToken returns what to pass on to get the next page, "" on the last one. It is known
// once Next has returned [io.EOF].
func (p *Page[T, P]) ContinuationToken() string { return p.token }

func (p *Page[T, P]) next(item *T) error {
	for {
		p.input.begin(p.dec.InputOffset(), p.state == inItems)
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
				return unexpected(err)
			}
			p.state = inPage
		case inPage:
			if p.dec.PeekKind() == '}' {
				return p.end()
			}
			if err := p.property(); err != nil {
				return unexpected(err)
			}
		}
	}
}

func (p *Page[T, P]) begin() error {
	tok, err := p.dec.ReadToken()
	if _, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("the answer is not a page of backups: %w", unexpected(err))
	}
	if err != nil {
		return unexpected(err)
	}
	if tok.Kind() != '{' {
		return fmt.Errorf("the answer is not a page of backups but JSON %v", tok.Kind())
	}
	p.state = inPage
	return nil
}

func (p *Page[T, P]) item(item *T) error {
	value, err := p.value()
	if err != nil {
		return fmt.Errorf("item %d: %w", p.items, err)
	}
	if value[0] != '{' {
		return fmt.Errorf("item %d: %w", p.items, unexpectedKind(value))
	}
	var zero T
	*item = zero
	if err := fillOwn(value, P(item), p.shared); err != nil {
		return fmt.Errorf("item %d: %w", p.items, err)
	}
	p.items++
	return nil
}

// value reads the next value, within the limits.
func (p *Page[T, P]) value() ([]byte, error) {
	value, err := p.dec.ReadValue()
	if err != nil {
		return nil, unexpected(err)
	}
	n := opens(value)
	p.input.opens -= n
	if len(value) > maxValue {
		return nil, errTooLong
	}
	if n > maxDepth && tooDeep(value) {
		return nil, errTooDeep
	}
	return value, nil
}

// property reads the name and the value of the next property, or of Items only its beginning.
func (p *Page[T, P]) property() error {
	name, err := p.value()
	if err != nil {
		return err
	}
	text := p.shared.text(name) // before the next read, which overwrites it
	p.input.begin(p.dec.InputOffset(), false)
	switch {
	case strings.EqualFold(text, "Items"):
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
			return fmt.Errorf("the items are an array, not JSON %v", tok.Kind())
		}
		return nil
	case strings.EqualFold(text, "ContinuationToken"):
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
			return unexpectedKind(value)
		}
		p.token = p.shared.text(value)
		return nil
	default:
		p.other = true
		_, err := p.value()
		return err
	}
}

// end reads the end of the page and makes sure that nothing follows.
func (p *Page[T, P]) end() error {
	if _, err := p.dec.ReadToken(); err != nil {
		return unexpected(err)
	}
	if p.other && !p.known {
		// Most likely somebody else's answer. Taken for an empty page it would say that there are
		// no backups.
		return errors.New("the answer is not a page of backups but another object")
	}
	_, err := p.dec.ReadToken()
	if err == nil {
		err = errors.New("something follows the page")
	}
	return err // io.EOF if all is well
}

// maxValue is the length of the longest value within a page, an item above all. The document's have
// less than 1 KiB.
const maxValue = 1 << 20

// maxSpace is how much may stand before a value: a comma, and white space.
const maxSpace = 4 << 10

var errTooLong = fmt.Errorf("a value is longer than %d bytes", maxValue)

// limitedReader ends with an error when a value is too long, too deep, or has too long a name. A decoder
// that asks for more needs it for the value that it reads, so that all that was read since the value
// began belongs to it.
type limitedReader struct {
	r     io.Reader
	dec   *jsontext.Decoder // the one that reads
	total int64             // how much was read
	start int64             // where the value began

	inItems  bool // the value is an item
	opens    int  // how many objects and arrays begin in the value and behind it, as far as that was read
	scanner  scanner
	scanning bool // the scanner follows the value
	wrong    error
}

// begin is called where a value begins.
func (l *limitedReader) begin(offset int64, inItems bool) {
	l.start, l.inItems, l.scanning = offset, inItems, false
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.wrong != nil {
		return 0, l.wrong
	}
	left := l.start + maxSpace + maxValue + 1 - l.total
	if left <= 0 {
		return 0, errTooLong
	}
	n, err := l.r.Read(p[:min(int64(len(p)), left)])
	if end, wrong := l.check(p[:n]); wrong != nil {
		// What stands before is read as far as it goes: there may be items in it.
		l.wrong = wrong
		if n, err = end, nil; n == 0 {
			err = wrong
		}
	}
	l.total += int64(n)
	return n, err
}

// maxUnscanned is how much of a value the decoder gets unscanned. Its buffer has half of that, unless a
// value is longer.
const maxUnscanned = 8 << 10

// check finds what is not for the decoder in what was read next, and returns where that is. Looking at
// each byte takes half as long as decoding, so it is only done where something can be wrong.
func (l *limitedReader) check(piece []byte) (int, error) {
	if l.opens += opens(piece); l.opens <= maxDepth && l.total-l.start+int64(len(piece)) <= maxUnscanned {
		return len(piece), nil
	}
	// The levels are counted from where the decoder is. That may be around the items, two levels above
	// what is in an item. What is a little too deep is found when the value is there.
	const most = maxDepth + 2
	if !l.scanning {
		// What the decoder has of the value is in its buffer, also while it reads more.
		l.scanning, l.scanner = true, newScanner(l.inItems)
		if _, err := l.scanner.scan(l.dec.UnreadBuffer(), most); err != nil {
			return 0, err
		}
	}
	return l.scanner.scan(piece, most)
}

// unexpected turns an end of input into the error that it is in the middle of a value.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
