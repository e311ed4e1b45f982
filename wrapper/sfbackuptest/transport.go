package sfbackuptest

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// transport is a RoundTripper that calls a handler.
//
// A request takes the form it has on the wire on its way, so that the handler
// sees what a server would have read, down to the escapes of the path and the
// framing of the body, and nothing of the client's request is shared with it.
type transport struct {
	handler http.Handler
	now     func() time.Time // for the Date header
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

// checkRequest refuses what a client of net/http refuses to send.
func checkRequest(req *http.Request) error {
	if err := context.Cause(req.Context()); err != nil {
		return err
	}
	switch {
	case req.URL == nil:
		return errors.New("sfbackuptest: the request has no URL")
	case req.Header == nil:
		return errors.New("sfbackuptest: the request has no Header map")
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return fmt.Errorf("sfbackuptest: unsupported protocol scheme %q", req.URL.Scheme)
	case req.URL.Host == "":
		return errors.New("sfbackuptest: the request's URL has no host")
	}
	return nil
}

// exchange is one request and its response under way. The request is written
// into one pipe by a goroutine of its own, as its body may be slower than the
// answer, and the response comes out of the other.
type exchange struct {
	cancel context.CancelFunc // of the handler's context
	stop   func() bool        // no longer watch the client's context
	body   *requestBody

	in        *io.PipeReader
	inWriter  *io.PipeWriter
	out       *io.PipeReader
	outWriter *io.PipeWriter

	sendErr atomic.Pointer[error] // why the request was not sent as a whole

	ended chan struct{} // the handler has returned
	err   error         // why there is no response; set before ended
}

// send writes the request as it goes over the wire, and closes its body.
func (x *exchange) send(req *http.Request) {
	wire := req.WithContext(context.WithoutCancel(req.Context())) // a copy
	if wire.Body != nil && wire.Body != http.NoBody {
		wire.Body = x.body
	}
	err := wire.Write(x.inWriter)
	if err != nil {
		x.sendErr.Store(&err)
	}
	_ = x.inWriter.CloseWithError(err)
}

// serve runs the handler on the request that comes out of the pipe.
func (x *exchange) serve(ctx context.Context, w *responseWriter, handler http.Handler) {
	defer close(x.ended)
	defer x.cancel()
	defer func() {
		_ = x.in.CloseWithError(errServed) // ends a request that is still sent
		_ = x.body.Close()
	}()
	defer func() {
		// The documented way of a handler to break the connection. Any
		// other panic is a mistake that must not be hidden.
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

// abort ends the exchange early: the handler finds its request broken off and
// nobody to write to, and a reader of the response gets the error.
func (x *exchange) abort(err error) {
	x.cancel()
	_ = x.in.CloseWithError(err)
	_ = x.outWriter.CloseWithError(err)
	_ = x.body.Close()
}

// finish waits for the handler, which must have written all or been aborted.
func (x *exchange) finish() {
	<-x.ended
	x.stop()
}

// failure returns why there is no response for the client: because it does not
// want one any more, because its request could not be sent, even if the handler
// had an answer to the part of it that was, or because the handler broke off.
// It is nil if the head of a response is there.
func (x *exchange) failure(req *http.Request, w *responseWriter) error {
	if err := context.Cause(req.Context()); err != nil {
		return err
	}
	if err := x.body.err(); err != nil {
		return err
	}
	select {
	case <-w.head:
		return nil
	default:
	}
	<-x.ended
	if err := x.sendErr.Load(); err != nil && !errors.Is(*err, errServed) {
		return *err
	}
	return x.err
}

var (
	errServed     = errors.New("sfbackuptest: the request has been answered")
	errBodyClosed = errors.New("sfbackuptest: the client has closed the response")
)

// requestBody is the client's request body. It is closed exactly once, and it
// keeps the error that reading it failed with, which the writer of requests
// hides behind one of its own.
type requestBody struct {
	io.ReadCloser
	once   sync.Once
	failed atomic.Pointer[error]
}

func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		b.failed.CompareAndSwap(nil, &err)
	}
	return n, err
}

func (b *requestBody) Close() error {
	var err error
	b.once.Do(func() {
		if b.ReadCloser != nil {
			err = b.ReadCloser.Close()
		}
	})
	return err
}

// err returns the error that reading failed with.
func (b *requestBody) err() error {
	if err := b.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// responseWriter is what the handler writes its response to.
type responseWriter struct {
	body   *io.PipeWriter
	header http.Header // the handler's
	isHEAD bool
	now    func() time.Time

	broken  error // of the client's connection; nil: it was closed in good order
	status  int   // zero: not yet written
	reason  string
	sent    http.Header // the header as it was when the status was written
	length  int64       // the Content-Length; -1: not known
	written int64

	head     chan struct{} // closed when the client may see the head
	headOnce sync.Once
}

func (w *responseWriter) Header() http.Header { return w.header }

func (w *responseWriter) WriteHeader(status int) {
	w.writeStatusLine(status, http.StatusText(status))
}

func (w *responseWriter) writeStatusLine(status int, reason string) {
	if w.status != 0 || status < 200 {
		return // sent already, or news on the way to a response
	}
	w.status, w.reason = status, reason
	w.sent = w.header.Clone()
	if w.sent.Get("Date") == "" {
		w.sent.Set("Date", w.now().UTC().Format(http.TimeFormat))
	}
	w.length = -1
	if n, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		w.length = n
	}
}

// breakConnection sets the error that the client gets when the handler panics.
func (w *responseWriter) breakConnection(err error) { w.broken = err }

// Write sends a part of the body. It returns when the client has read it.
func (w *responseWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	switch {
	case len(p) == 0:
		return 0, nil
	case w.isHEAD:
		return len(p), nil
	case !w.hasBody():
		return 0, http.ErrBodyNotAllowed
	case w.length >= 0 && w.written+int64(len(p)) > w.length:
		return 0, http.ErrContentLength
	}
	w.Flush()
	n, err := w.body.Write(p)
	w.written += int64(n)
	return n, err
}

// Flush lets the client see the head. Bodies are never held back.
func (w *responseWriter) Flush() {
	w.WriteHeader(http.StatusOK)
	w.headOnce.Do(func() { close(w.head) })
}

func (w *responseWriter) hasBody() bool {
	return !w.isHEAD && w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

// finish ends the response of a handler that has returned.
func (w *responseWriter) finish() {
	w.WriteHeader(http.StatusOK)
	select {
	case <-w.head:
	default:
		if w.hasBody() && w.length < 0 {
			w.length = 0 // nothing is more than this
			w.sent.Set("Content-Length", "0")
		}
	}
	if w.hasBody() && w.written < w.length {
		_ = w.body.CloseWithError(io.ErrUnexpectedEOF)
	} else {
		_ = w.body.Close()
	}
	w.Flush()
}

// response returns what the client gets.
func (w *responseWriter) response(req *http.Request, x *exchange) *http.Response {
	resp := &http.Response{
		Status:        strconv.Itoa(w.status) + " " + w.reason,
		StatusCode:    w.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        w.sent,
		ContentLength: w.length,
		Request:       req,
	}
	body := &responseBody{exchange: x}
	switch {
	case w.length == 0 || !w.hasBody():
		if w.status == http.StatusNoContent {
			resp.ContentLength = 0
		}
		// Nothing will be read, so that nothing would wait for the handler.
		x.finish()
		resp.Body = http.NoBody
		return resp
	case w.length < 0:
		resp.TransferEncoding = []string{"chunked"}
	}
	resp.Body = body
	return resp
}

// responseBody is the response as the client reads it. Its end and its Close
// wait for the handler.
type responseBody struct {
	exchange *exchange
	closed   atomic.Bool
}

func (b *responseBody) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.exchange.out.Read(p)
	if err != nil {
		b.exchange.finish()
		if b.closed.Load() {
			err = http.ErrBodyReadAfterClose
		}
	}
	return n, err
}

func (b *responseBody) Close() error {
	if b.closed.CompareAndSwap(false, true) {
		_ = b.exchange.out.CloseWithError(errBodyClosed)
		b.exchange.abort(errBodyClosed)
		b.exchange.finish()
	}
	return nil
}
