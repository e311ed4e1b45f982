package wire

import (
	"bufio"
	"bytes"
	"errors"
)

// A source is what the decoder of a page reads from. It hands out bytes up to the next closing brace only, so that
// the decoder has nothing unread after an item, and the next item can be taken past it.
type source struct {
	r      *bufio.Reader
	err    error   // of r
	reader *reader // keeps the bytes of an item
	total  int64   // the number of bytes handed out
	start  int64   // the offset at which the value starts
	braces int     // the number of closing braces handed out since
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
	if i := bytes.IndexByte(b, '}'); i >= 0 && s.braces < maxLeaves {
		// A value with many braces is not repeated, and the decoder copies its buffer at each read.
		b = b[:i+1]
		s.braces++
	}
	s.reader.add(b)
	n := copy(p, b)
	s.total += int64(n)
	return s.r.Discard(n)
}
