package contract

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"sync"
)

// Transport returns a transport that sends each request through next and checks the exchange. If next is
// nil, it uses [http.DefaultTransport]. It calls report once for each exchange with violations, with all
// of them joined in one error, as soon as the response body has been read to its end or closed, on the
// goroutine that does so. report must not be nil and must be safe for concurrent use. The body of its request
// has been read.
//
// Neither the request nor the response is delayed or changed: their bodies stream, and a copy of them is kept in
// memory (see [Validator.WithBodyLimit]). Of a body that is closed before its end, the JSON is checked if it is complete, as
// for a decoder that stops after a value. The same holds for a request body that next has not read when the response
// arrives, unless the request has GetBody, as those of [http.NewRequest] have. If there is no response, only the request is checked. If a response body is neither read
// to its end nor closed, nothing is reported.
func (v *Validator) Transport(next http.RoundTripper, report func(*http.Request, error)) http.RoundTripper {
	return newTransport(v, next, reporting(report))
}

// reporting returns a beginFunc that calls report with violations.
func reporting(report func(*http.Request, error)) beginFunc {
	return func(x *exchange) func(int) {
		return func(int) {
			if err := x.out.err(); err != nil {
				report(x.req, err)
			}
		}
	}
}

type transport struct {
	validator *Validator
	next      http.RoundTripper
	begin     beginFunc
}

// A beginFunc is called with each exchange before it is sent. It returns a function that is called when the exchange
// has been checked, with the status, or one of the constants below.
type beginFunc func(*exchange) (end func(status int))

const (
	noResponse = 0
	notChecked = -1 // the response of a request that matches no operation, when it has no status yet
)

func newTransport(v *Validator, next http.RoundTripper, begin beginFunc) *transport {
	if next == nil {
		next = http.DefaultTransport
	}
	return &transport{v, next, begin}
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	x := t.validator.exchange(req, &report{})
	end := t.begin(x)
	outgoing := req
	var sent *teeBody
	if x.matched() && req.Body != nil && req.Body != http.NoBody {
		outgoing = req.WithContext(req.Context())                                 // a RoundTripper must not modify the request
		sent = newTee(req.Body, cmp.Or(req.ContentLength, -1), t.validator.limit) // 0 is not known either
		outgoing.Body = sent
	}
	resp, err := t.next.RoundTrip(outgoing)
	x.checkRequest(t.sentBody(req, sent))
	if err != nil {
		end(noResponse)
		return nil, err
	}
	if !x.matched() {
		end(resp.StatusCode)
		return resp, nil
	}
	finish := func(m *message) {
		x.checkResponse(resp.StatusCode, resp.Header, m)
		end(resp.StatusCode)
	}
	if resp.Body == nil || resp.Body == http.NoBody {
		finish(&message{})
		return resp, nil
	}
	received := newTee(resp.Body, resp.ContentLength, t.validator.limit)
	received.finish = finish
	resp.Body = received
	return resp, nil
}

// CloseIdleConnections makes the method of [http.Client] work.
func (t *transport) CloseIdleConnections() {
	if next, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// sentBody returns the body of a request after next has returned.
func (t *transport) sentBody(req *http.Request, sent *teeBody) *message {
	if sent == nil {
		return &message{}
	}
	m := sent.message()
	if !m.partial || req.GetBody == nil {
		return m
	}
	body, err := req.GetBody()
	if err != nil {
		return m
	}
	defer body.Close()
	if again, err := t.validator.readBody(&body); err == nil {
		return again
	}
	return m
}

// teeBody keeps a copy of what is read from a body.
type teeBody struct {
	io.ReadCloser
	length int64          // -1: not known
	finish func(*message) // called once

	reading sync.Mutex // keeps the copy in order

	mu    sync.Mutex // for the rest, because a body may be closed while it is read
	size  int64
	copy  message
	state teeState
}

type teeState int

const (
	open teeState = iota
	complete
	broken
)

func newTee(body io.ReadCloser, length, limit int64) *teeBody {
	return &teeBody{ReadCloser: body, length: length, finish: func(*message) {}, copy: message{limit: limit}}
}

func (t *teeBody) Read(p []byte) (int, error) {
	t.reading.Lock()
	defer t.reading.Unlock()
	n, err := t.ReadCloser.Read(p)
	t.mu.Lock()
	if t.state == open && n > 0 {
		_, _ = t.copy.Write(p[:n])
		t.size += int64(n)
	}
	t.mu.Unlock()
	if err != nil {
		t.end(errors.Is(err, io.EOF))
	}
	return n, err
}

func (t *teeBody) Close() error {
	err := t.ReadCloser.Close()
	t.end(false)
	return err
}

// end is called when nothing more is read.
func (t *teeBody) end(eof bool) {
	t.mu.Lock()
	first := t.state == open
	if first {
		t.state = broken
		if eof || t.size == t.length {
			t.state = complete
		}
	}
	t.mu.Unlock()
	if first {
		t.finish(t.message()) // no other goroutine writes to it any more
	}
}

// unread returns how much of the body has not been read, negative if its length is not known. If the body has ended,
// ok is false.
func (t *teeBody) unread() (n int64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.length - t.size, t.state == open
}

// message returns the copy, which is partial if the body has not been read to its end.
func (t *teeBody) message() *message {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.copy // it may still be read beyond its length
	m.partial = t.state != complete && (t.state == broken || t.size != t.length)
	return &m
}
