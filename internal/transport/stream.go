package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// A Stream is a body that is read as it arrives. It knows how far it was read.
type Stream struct {
	resp *http.Response
	read int64
	err  error // other than io.EOF
}

// NewStream returns the stream of a response, whose body it closes.
func NewStream(resp *http.Response) *Stream { return &Stream{resp: resp} }

// Read implements [io.Reader].
func (s *Stream) Read(p []byte) (int, error) {
	n, err := s.resp.Body.Read(p)
	s.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// Broken reports whether the stream ended with an error because its connection broke, and not because a context or
// the timeout of the caller's http.Client ended it.
func (s *Stream) Broken(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() != nil {
		return false
	}
	if e, ok := errors.AsType[net.Error](s.err); ok && e.Timeout() {
		return false
	}
	return s.err != nil || errors.Is(err, io.ErrUnexpectedEOF)
}

// maxBuffer is how much is read at a time. A decoder reads little at a time, and each read is a system call.
const maxBuffer = 32 << 10

// Buffered returns a buffered reader of the stream. The buffer is no larger than the body.
func (s *Stream) Buffered() io.Reader {
	size := maxBuffer
	if length := s.resp.ContentLength; 0 <= length && length < maxBuffer {
		size = int(length)
	}
	return bufio.NewReaderSize(s, size)
}

// maxDrain is how many bytes are read sooner than a new connection is made.
const maxDrain = 32 << 10

// drainTimeout is how long to wait for them.
const drainTimeout = 10 * time.Millisecond

// Close ends the transfer. It reads a short rest, so that the connection can be reused, but not a rest of unknown
// length or one that does not arrive.
func (s *Stream) Close() {
	if rest := s.resp.ContentLength - s.read; s.err == nil && rest > 0 && rest <= maxDrain {
		timer := time.AfterFunc(drainTimeout, func() { _ = s.resp.Body.Close() })
		_, _ = io.CopyN(io.Discard, s.resp.Body, rest)
		timer.Stop()
	}
	_ = s.resp.Body.Close()
}
