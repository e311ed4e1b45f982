package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// A source is what the decoder of a page reads from. It hands out bytes up to the next closing brace only, so that
// the decoder has nothing unread after an item, and the next item can be taken past it.
//
// It also limits the length of a value, and keeps the bytes of an item.
type source struct {
	r        *bufio.Reader
	err      error // of r
	maxValue int
	total    int64 // the number of bytes handed out
	start    int64 // the offset at which the value starts
	braces   int   // the number of closing braces handed out since
	kept     kept
}

// defaultBuffer is the size of the buffer for a reader that is no [bufio.Reader].
const defaultBuffer = 4 << 10

func newSource(r io.Reader, maxValue int) *source {
	b, ok := r.(*bufio.Reader)
	if !ok {
		b = bufio.NewReaderSize(r, defaultBuffer)
	}
	return &source{r: b, maxValue: maxValue}
}

// startValue is called at the start of each value.
func (s *source) startValue(offset int64) { s.start, s.braces = offset, 0 }

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
	left := s.start + maxSpace + int64(s.maxValue) + 1 - s.total
	if left <= 0 {
		return 0, errTooLong
	}
	if s.r.Buffered() == 0 && !s.more() {
		return 0, s.err
	}
	b := s.buffered()
	b = b[:min(int64(len(b)), int64(len(p)), left)]
	if i := bytes.IndexByte(b, '}'); i >= 0 && s.braces < maxLeaves {
		// A value with many braces is not repeated, and the decoder copies its buffer at each read.
		b = b[:i+1]
		s.braces++
	}
	n := copy(p, b)
	s.kept.add(b)
	_, _ = s.r.Discard(n)
	s.total += int64(n)
	return n, nil
}

// kept is the text that the decoder has read, from some offset on.
type kept struct {
	text  []byte
	from  int64 // the offset of the text
	on    bool  // the text is being kept
	raw   bool  // a value is being read whose text is needed, however long it is
	whole bool  // the text has everything since the start of the item
}

// begin keeps what the decoder reads after its current position, with a comma before it if it has none.
func (k *kept) begin(dec *jsontext.Decoder, comma bool) {
	k.text, k.from, k.on = k.text[:0], dec.InputOffset(), true
	if comma {
		k.text, k.from = append(k.text, ','), k.from-1
	}
	k.text = append(k.text, dec.UnreadBuffer()...)
}

func (k *kept) add(b []byte) {
	switch {
	case !k.on:
	case !k.raw && len(k.text)+len(b) > maxRepeated:
		k.on, k.whole = false, false
	default:
		k.text = append(k.text, b...)
	}
}
