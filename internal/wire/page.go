package wire

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Page reads one page of a list, an object with Items and a ContinuationToken in any order, item by
// item: an item is there before the rest of the page has arrived, and none is kept.
type Page[T any] struct {
	dec   *jsontext.Decoder
	state pageState
	items int // how many items were read
	token string
	known bool // Items or ContinuationToken were there
	other bool // something else was there
	err   error
}

type pageState int

const (
	beforePage pageState = iota
	inPage
	inItems
)

// NewPage returns a reader of the page that r holds.
func NewPage[T any](r io.Reader) *Page[T] {
	return &Page[T]{dec: jsontext.NewDecoder(r, Tolerant)}
}

// Next returns the next item. At the end of a page that was read to its last byte it returns
// [io.EOF]; any other error says what is wrong with the page, and is returned again from then on.
func (p *Page[T]) Next() (T, error) {
	var item T
	if p.err == nil {
		p.err = p.next(&item)
	}
	if p.err != nil {
		var zero T
		return zero, p.err
	}
	return item, nil
}

// ContinuationToken returns what to pass on to get the next page, "" on the last one. It is known
// once Next has returned [io.EOF].
func (p *Page[T]) ContinuationToken() string { return p.token }

func (p *Page[T]) next(item *T) error {
	for {
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

func (p *Page[T]) begin() error {
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

func (p *Page[T]) item(item *T) error {
	if p.dec.PeekKind() == 'n' {
		return fmt.Errorf("item %d is null", p.items)
	}
	if err := json.UnmarshalDecode(p.dec, item); err != nil {
		return fmt.Errorf("item %d: %w", p.items, unexpected(err))
	}
	p.items++
	return nil
}

// property reads the name and the value of the next property, or of Items only its beginning.
func (p *Page[T]) property() error {
	name, err := p.dec.ReadToken()
	if err != nil {
		return err
	}
	switch text := name.String(); {
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
		p.token, err = readScalar(p.dec, '"')
		return err
	default:
		p.other = true
		return p.dec.SkipValue()
	}
}

// end reads the end of the page and makes sure that nothing follows.
func (p *Page[T]) end() error {
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

// unexpected turns an end of input into the error that it is in the middle of a value.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
