package handlertransport

import (
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// responseWriter is what the handler writes its response to.
type responseWriter struct {
	body   *io.PipeWriter
	header http.Header // the handler's
	isHEAD bool
	now    func() time.Time

	broken  error // what the client gets when the handler breaks the connection; nil: io.EOF
	status  int   // zero: not yet written
	reason  string
	sent    http.Header // a copy of the header from when the status was written
	length  int64       // the Content-Length; -1: unknown
	written int64

	head     chan struct{} // closed when the client may see the header
	headOnce sync.Once
}

func (w *responseWriter) Header() http.Header { return w.header }

func (w *responseWriter) WriteHeader(status int) {
	w.WriteStatusLine(status, http.StatusText(status))
}

// WriteStatusLine implements [StatusLineWriter].
func (w *responseWriter) WriteStatusLine(status int, reason string) {
	if w.status != 0 || status < 200 {
		return // already written, or informational
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

// Flush shows the header to the client. The body is never buffered.
func (w *responseWriter) Flush() {
	w.WriteHeader(http.StatusOK)
	w.headOnce.Do(func() { close(w.head) })
}

func (w *responseWriter) hasBody() bool {
	return !w.isHEAD && w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

// finish ends the response after the handler has returned.
func (w *responseWriter) finish() {
	w.WriteHeader(http.StatusOK)
	select {
	case <-w.head:
	default:
		if w.hasBody() && w.length < 0 {
			w.length = 0 // the handler has written no body
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

// response returns the response that the client gets.
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
	switch {
	case w.length == 0 || !w.hasBody():
		if w.status == http.StatusNoContent {
			resp.ContentLength = 0
		}
		// The client reads no body, so only this can wait for the handler.
		x.finish()
		resp.Body = http.NoBody
		return resp
	case w.length < 0:
		resp.TransferEncoding = []string{"chunked"}
	}
	resp.Body = &responseBody{exchange: x}
	return resp
}

// responseBody is the body that the client reads. The read that returns io.EOF waits for the handler, and
// so does Close.
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
