package transport

import (
	"io"
	"net/http"
)

// guard asks MaySend, and returns a copy of the request that asks again when its body is read. A transport reads it
// after it has waited for a connection. net/http may have written the header by then; it closes the connection if the
// body cannot be read, and a server gets no whole request.
func (r *record) guard(req *http.Request) (*http.Request, error) {
	if err := r.Trace.ask(r.MaySend, false); err != nil {
		closeRequest(req)
		return nil, err
	}
	if req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	ask := func() error { return r.Trace.ask(r.MaySend, true) }
	req = req.WithContext(req.Context()) // a copy
	req.Body = &guardedBody{ReadCloser: req.Body, ask: ask}
	if getBody := req.GetBody; getBody != nil {
		req.GetBody = func() (io.ReadCloser, error) {
			body, err := getBody()
			return &guardedBody{ReadCloser: body, ask: ask}, err
		}
	}
	return req, nil
}

// guardedBody asks before it is read for the first time.
type guardedBody struct {
	io.ReadCloser
	ask func() error // nil: it has been asked
}

func (b *guardedBody) Read(p []byte) (int, error) {
	if b.ask != nil {
		if err := b.ask(); err != nil {
			return 0, err
		}
		b.ask = nil
	}
	return b.ReadCloser.Read(p)
}

// ask asks whether a request may be sent. If not, it has not been written as a whole, unless its body was read before.
func (t *ConnTrace) ask(maySend func() error, writing bool) error {
	err := maySend()
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.stopped = true
		return &nonRetriableError{err}
	}
	t.written = t.written || writing
	return nil
}
