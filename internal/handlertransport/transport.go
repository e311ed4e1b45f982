// Package handlertransport connects an HTTP client to an [http.Handler] in the same process, without a
// socket.
//
// [New] returns a transport for an [http.Client]. Requests and responses are streamed, and both sides see
// what they would see through net/http, except that the transport never asks for compression. It has no
// connections and keeps no state between requests, so that it works in a [testing/synctest] bubble.
//
// Handlers can also do two things that net/http has no API for: [WriteStatusLine] sends a reason phrase,
// and [BreakConnection] makes the client's request fail with a given error. Both also work behind a server
// of net/http.
package handlertransport

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// New returns a RoundTripper that passes every request to the handler, whatever host it names. The clock
// is for the Date header of responses.
//
// The client can read the first bytes of a response before the handler has written the last. The handler
// has returned when the body of the response was read to its end or closed, or when RoundTrip returned an
// error.
//
// A handler that panics with [http.ErrAbortHandler] breaks the connection: the client gets [io.EOF], or
// [io.ErrUnexpectedEOF] if it already has the header. Any other panic of the handler ends the program.
func New(handler http.Handler, now func() time.Time) http.RoundTripper {
	return &transport{handler, now}
}

// transport writes a request as it goes over the wire and parses it again for the handler. The handler
// therefore sees what a server would have read, down to the escapes of the path and the framing of the
// body, and shares no data with the client's request.
type transport struct {
	handler http.Handler
	now     func() time.Time
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	body := &requestBody{ReadCloser: req.Body}
	if err := checkRequest(req); err != nil {
		_ = body.Close()
		return nil, err
	}

	ctx, cancel := context.WithCancel(context.Background())
	x := &exchange{
		cancel: cancel,
		body:   body,
		ended:  make(chan struct{}),
	}
	x.in, x.inWriter = io.Pipe()
	x.out, x.outWriter = io.Pipe()
	w := &responseWriter{
		body:   x.outWriter,
		header: make(http.Header),
		head:   make(chan struct{}),
		isHEAD: req.Method == http.MethodHead,
		now:    t.now,
	}
	x.stop = context.AfterFunc(req.Context(), func() { x.abort(context.Cause(req.Context())) })
	go x.send(req)
	go x.serve(ctx, w, t.handler)

	select {
	case <-w.head:
	case <-x.ended:
	case <-req.Context().Done():
	}
	if err := x.failure(req, w); err != nil {
		x.abort(err)
		x.finish()
		return nil, err
	}
	return w.response(req, x), nil
}

// checkRequest rejects what a client of net/http refuses to send.
func checkRequest(req *http.Request) error {
	if err := context.Cause(req.Context()); err != nil {
		return err
	}
	switch {
	case req.URL == nil:
		return errors.New("handlertransport: the request has no URL")
	case req.Header == nil:
		return errors.New("handlertransport: the request has no Header map")
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return fmt.Errorf("handlertransport: unsupported protocol scheme %q", req.URL.Scheme)
	case req.URL.Host == "":
		return errors.New("handlertransport: the request's URL has no host")
	}
	return nil
}

// exchange is one request in flight and its response. A goroutine writes the request into one pipe,
// because the request body may be slower than the response. The response comes out of the other pipe.
type exchange struct {
	cancel context.CancelFunc // of the handler's context
	stop   func() bool        // stops watching the client's context
	body   *requestBody

	in        *io.PipeReader
	inWriter  *io.PipeWriter
	out       *io.PipeReader
	outWriter *io.PipeWriter

	sendErr atomic.Pointer[error] // why the request was not sent completely, if the handler still ran then

	served atomic.Bool   // the handler has returned
	ended  chan struct{} // closed when the handler has returned
	err    error         // why there is no response; set before ended is closed
}

// send writes the request as it goes over the wire, and closes its body.
func (x *exchange) send(req *http.Request) {
	wire := req.WithContext(context.WithoutCancel(req.Context())) // a copy
	if wire.Body != nil && wire.Body != http.NoBody {
		wire.Body = x.body
	}
	err := wire.Write(x.inWriter)
	if err != nil && !x.served.Load() {
		x.sendErr.Store(&err)
	}
	_ = x.inWriter.CloseWithError(err)
}

// serve runs the handler on the request that comes out of the pipe.
func (x *exchange) serve(ctx context.Context, w *responseWriter, handler http.Handler) {
	defer close(x.ended)
	defer x.cancel()
	defer func() {
		x.served.Store(true)
		_ = x.in.CloseWithError(errServed) // stops send if it is still writing
		_ = x.body.Close()
	}()
	defer func() {
		// The documented way for a handler to break the connection. Any other panic is a bug and
		// must stay visible.
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			x.err = cmp.Or(w.broken, io.EOF)
			_ = w.body.CloseWithError(io.ErrUnexpectedEOF)
		default:
			panic(v)
		}
	}()
	r, err := http.ReadRequest(bufio.NewReader(x.in))
	if err != nil {
		x.err = err
		return
	}
	r.RemoteAddr = "192.0.2.1:1234" // a network for examples
	handler.ServeHTTP(w, r.WithContext(ctx))
	w.finish()
}

// abort ends the exchange early: the handler's reads of the request and writes of the response fail, and
// the client's reads of the response return the error.
func (x *exchange) abort(err error) {
	_ = x.outWriter.CloseWithError(err) // before the handler ends, which closes it with another error
	x.cancel()
	_ = x.in.CloseWithError(err)
	_ = x.body.Close()
}

// finish waits for the handler, which must have written everything or been aborted.
func (x *exchange) finish() {
	<-x.ended
	x.stop()
}

// failure returns why the client gets no response: its context has ended, its request could not be sent
// (even if the handler responded to the part that was), or the handler broke the connection. It returns
// nil if the header of a response is there.
func (x *exchange) failure(req *http.Request, w *responseWriter) error {
	if err := context.Cause(req.Context()); err != nil {
		return err
	}
	if err := x.body.failed.Load(); err != nil {
		return *err
	}
	select {
	case <-w.head:
		return nil
	default:
	}
	<-x.ended
	if err := x.sendErr.Load(); err != nil {
		return *err
	}
	return x.err
}

var (
	errServed     = errors.New("handlertransport: the handler has returned")
	errBodyClosed = errors.New("handlertransport: the client has closed the response body")
)

// requestBody is the client's request body. It closes the body exactly once. It also keeps the error of a
// failed read, because the writer of requests wraps it in an error of its own.
type requestBody struct {
	io.ReadCloser
	once   sync.Once
	closed atomic.Bool
	failed atomic.Pointer[error] // of a failed read before the body was closed
}

func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF && !b.closed.Load() {
		b.failed.CompareAndSwap(nil, &err)
	}
	return n, err
}

func (b *requestBody) Close() error {
	var err error
	b.once.Do(func() {
		b.closed.Store(true)
		if b.ReadCloser != nil {
			err = b.ReadCloser.Close()
		}
	})
	return err
}
