package contract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing" // for ForTest; it registers no flags unless testing.Init is called
)

// Transport returns a transport that sends each request through next and checks the exchange. If next is
// nil, it uses [http.DefaultTransport]. It calls report once for each exchange with violations, with all
// of them joined in one error, as soon as the response body has been read to its end or closed, on the
// goroutine that does so. report must not be nil and must be safe for concurrent use. The body of its request
// has been read.
//
// The request body is read to its end before it is sent. The response is not delayed or changed: its body
// streams to the reader, but a copy of it is kept in memory. If the body is closed before its end, or if there
// is no response, only the request is checked. If the body is neither read to its end nor closed, nothing is
// reported.
func (v *Validator) Transport(next http.RoundTripper, report func(*http.Request, error)) http.RoundTripper {
	return newTransport(v, next, func(req *http.Request, _ int, err error) { report(req, err) })
}

// ForTest returns a [Validator.Transport] through next, which may be nil. It calls t.Errorf once for each
// exchange with violations, with the method, path and status of the exchange and all violations. The test
// must read or close every response body before it ends, because t.Errorf panics after its end.
func ForTest(t testing.TB, v *Validator, next http.RoundTripper) http.RoundTripper {
	return newTransport(v, next, func(req *http.Request, status int, err error) {
		t.Helper()
		outcome := "no response"
		if status != 0 {
			outcome = fmt.Sprint("status ", status)
		}
		lines := strings.ReplaceAll(err.Error(), "\n", "\n\t")
		t.Errorf("%s %s, %s:\n\t%s", req.Method, req.URL.Path, outcome, lines)
	})
}

type transport struct {
	validator *Validator
	next      http.RoundTripper
	report    reportFunc
}

// A reportFunc reports the violations of one exchange. The status is 0 if there was no response.
type reportFunc func(req *http.Request, status int, err error)

func newTransport(v *Validator, next http.RoundTripper, report reportFunc) *transport {
	if next == nil {
		next = http.DefaultTransport
	}
	return &transport{v, next, report}
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	outgoing := req.Clone(req.Context()) // a RoundTripper must not modify the request
	body, err := readBody(&outgoing.Body)
	if err != nil {
		return nil, err
	}
	violations := t.validator.checkRequest(req, body)
	resp, err := t.next.RoundTrip(outgoing)
	if err != nil {
		t.reportAny(req, 0, violations)
		return nil, err
	}
	o := t.validator.route(req).operation
	if o == nil {
		t.reportAny(req, resp.StatusCode, violations)
		return resp, nil
	}
	finish := func(body []byte, complete bool) {
		if complete {
			violations = append(violations, t.validator.checkResponse(o, req, resp, body)...)
		} else {
			t.validator.coverage.countStatus(o, resp.StatusCode)
		}
		t.reportAny(req, resp.StatusCode, violations)
	}
	if resp.Body == nil || resp.Body == http.NoBody {
		finish(nil, true)
		return resp, nil
	}
	resp.Body = &teeBody{ReadCloser: resp.Body, length: resp.ContentLength, finish: finish}
	return resp, nil
}

// reportAny reports violations if there are any.
func (t *transport) reportAny(req *http.Request, status int, violations []*Violation) {
	if err := joinViolations(violations); err != nil {
		t.report(req, status, err)
	}
}

// teeBody keeps a copy of what is read from a body.
type teeBody struct {
	io.ReadCloser
	length int64 // -1: not known

	mu     sync.Mutex // a body may be closed while it is read
	read   bytes.Buffer
	finish func(body []byte, complete bool) // nil once it was called
}

func (t *teeBody) Read(p []byte) (int, error) {
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

func (t *teeBody) Close() error {
	err := t.ReadCloser.Close()
	t.end(func() bool { return int64(t.read.Len()) == t.length })
	return err
}

func (t *teeBody) end(complete func() bool) {
	t.mu.Lock()
	finish := t.finish
	t.finish = nil
	t.mu.Unlock()
	if finish != nil {
		finish(t.read.Bytes(), complete()) // no other goroutine writes to it any more
	}
}
