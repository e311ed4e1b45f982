package contract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Transport returns a transport that checks what passes through it; next is where requests go, nil
// is [http.DefaultTransport]. It calls report once for each exchange that has a violation, with all
// of them: as soon as the answer was read to its end, or closed.
//
// Nothing is held back or changed: an answer streams to its reader as it comes. Of an answer that is
// closed before its end only the status and the request are checked. The function report has to be
// safe for concurrent use.
func (v *Validator) Transport(next http.RoundTripper, report func(*http.Request, error)) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return &transport{v, next, func(req *http.Request, _ int, err error) { report(req, err) }}
}

type transport struct {
	validator *Validator
	next      http.RoundTripper
	report    func(req *http.Request, status int, err error) // status 0: there was no answer
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := req
	var body []byte
	if req.Body != nil && req.Body != http.NoBody {
		// A transport must leave the request as it is, and a body can be read once.
		data, err := io.ReadAll(req.Body)
		_ = req.Body.Close()
		if err != nil {
			return nil, err
		}
		body = data
		sent = req.Clone(req.Context())
		sent.Body = io.NopCloser(bytes.NewReader(data))
	}
	violations := t.validator.checkRequest(req, body)
	resp, err := t.next.RoundTrip(sent)
	if err != nil {
		t.done(req, 0, violations)
		return nil, err
	}
	o := t.validator.route(req).operation
	if o == nil {
		t.done(req, resp.StatusCode, violations)
		return resp, nil
	}
	finish := func(body []byte, complete bool) {
		if !complete {
			t.validator.covered.status(o, resp.StatusCode)
			t.done(req, resp.StatusCode, violations)
			return
		}
		t.done(req, resp.StatusCode, append(violations, t.validator.checkResponse(o, req, resp, body)...))
	}
	if resp.Body == nil || resp.Body == http.NoBody {
		finish(nil, true)
		return resp, nil
	}
	resp.Body = &tee{ReadCloser: resp.Body, length: resp.ContentLength, finish: finish}
	return resp, nil
}

func (t *transport) done(req *http.Request, status int, violations []*Violation) {
	if err := joined(violations); err != nil {
		t.report(req, status, err)
	}
}

// tee keeps what is read through it.
type tee struct {
	io.ReadCloser
	length int64 // -1: not known

	mu     sync.Mutex // a body may be closed while it is read
	read   bytes.Buffer
	finish func(body []byte, complete bool) // nil once it was called
}

func (t *tee) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	t.mu.Lock()
	if t.finish != nil {
		t.read.Write(p[:n])
	}
	t.mu.Unlock()
	if err != nil {
		t.end(func() bool { return errors.Is(err, io.EOF) })
	}
	return n, err
}

func (t *tee) Close() error {
	err := t.ReadCloser.Close()
	t.end(func() bool { return int64(t.read.Len()) == t.length })
	return err
}

func (t *tee) end(complete func() bool) {
	t.mu.Lock()
	finish := t.finish
	t.finish = nil
	t.mu.Unlock()
	if finish != nil {
		finish(t.read.Bytes(), complete()) // nobody writes to it any more
	}
}

// TB is what [ForTest] needs of a *testing.T.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
}

// ForTest returns a transport that fails a test when an exchange has a violation: once for each such
// exchange, with its method, path and status and all its violations. See [Validator.Transport].
func ForTest(t TB, v *Validator, next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return &transport{v, next, func(req *http.Request, status int, err error) {
		t.Helper()
		answer := "no answer"
		if status != 0 {
			answer = fmt.Sprint(status)
		}
		lines := strings.ReplaceAll(err.Error(), "\n", "\n\t")
		t.Errorf("%s %s, %s:\n\t%s", req.Method, req.URL.Path, answer, lines)
	}}
}
