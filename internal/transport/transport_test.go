package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// newTransport returns a transport for a server. By default its policy is one attempt.
func newTransport(t *testing.T, server string, c Config) *Transport {
	t.Helper()
	endpoint, err := ParseEndpoint(server)
	if err != nil {
		t.Fatal(err)
	}
	c.Endpoints = []*url.URL{endpoint}
	if c.Retry.MaxAttempts == 0 {
		c.Retry.MaxAttempts = 1
	}
	transport, err := New(&c)
	if err != nil {
		t.Fatal(err)
	}
	return transport
}

// newRequest returns a request that can be sent once.
func newRequest(t *testing.T, method string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://localhost/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// newResponse returns a response with a status such as "404 Not Found" and a body of known length.
func newResponse(req *http.Request, status string, header http.Header, body string) *http.Response {
	code, _ := strconv.Atoi(status[:3])
	return &http.Response{
		Status: status, StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Request: req,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// The transport below the chain sees the operation of a request and the number of its attempt. The call itself is
// not changed by retries.
func TestCallFromContext(t *testing.T) {
	t.Parallel()
	var seen []Call
	base := roundTripper(func(req *http.Request) (*http.Response, error) {
		call, ok := CallFromContext(req.Context())
		if !ok {
			t.Error("the context of a request has no call")
		}
		seen = append(seen, call)
		return newResponse(req, "503 Service Unavailable", nil, ""), nil
	})
	transport := newTransport(t, "http://localhost", Config{HTTPClient: &http.Client{Transport: base}, Retry: RetryPolicy{MaxAttempts: 3}})
	for _, tt := range []struct {
		name, method string
		call         Call
		want         []int // the attempts
	}{
		{"a GET is retried", http.MethodGet, Call{Operation: "List"}, []int{1, 2, 3}},
		{"unless the caller retries itself", http.MethodGet, Call{Operation: "Poll", Single: true}, []int{1}},
		{"a POST is sent once", http.MethodPost, Call{Operation: "Start"}, []int{1}},
		{"a caller counts its own attempts", http.MethodPost, Call{Operation: "Start", Attempt: 4}, []int{4}},
	} {
		seen = nil
		tt.call.Want = []int{http.StatusOK}
		_, err := transport.Do(t.Context(), newRequest(t, tt.method), tt.call)
		if f, ok := errors.AsType[*Failure](err); !ok || f.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: got %v", tt.name, err)
		}
		var attempts []int
		for _, call := range seen {
			attempts = append(attempts, call.Attempt)
			if call.Operation != tt.call.Operation || call.Single != tt.call.Single {
				t.Errorf("%s: the context has %+v", tt.name, call)
			}
		}
		if diff := cmp.Diff(tt.want, attempts); diff != "" {
			t.Errorf("%s: attempts (-want +got):\n%s", tt.name, diff)
		}
	}
	if call, ok := CallFromContext(t.Context()); ok {
		t.Errorf("a context without a request has %+v", call)
	}
}

// A call with a Whole gets a body in memory, of which one byte more than Whole is read. If the body ends early, the
// request is retried.
func TestWholeBody(t *testing.T) {
	t.Parallel()
	attempts := 0
	base := roundTripper(func(req *http.Request) (*http.Response, error) {
		resp := newResponse(req, "200 OK", nil, "0123456789")
		if attempts++; attempts == 1 {
			resp = newResponse(req, "200 OK", nil, "")
			resp.ContentLength = -1 // it may be truncated
		}
		return resp, nil
	})
	transport := newTransport(t, "http://localhost", Config{HTTPClient: &http.Client{Transport: base}, Retry: RetryPolicy{MaxAttempts: 2}})
	resp, err := transport.Do(t.Context(), newRequest(t, http.MethodGet), Call{Want: []int{http.StatusOK}, Whole: 5})
	if err != nil {
		t.Fatal(err)
	}
	body, err := WholeBody(resp)
	if string(body) != "012345" || err != nil || attempts != 2 {
		t.Errorf("got %q, %v after %d attempts", body, err, attempts)
	}
}

// errors.Is finds both the error of a context and its cause.
func TestContextError(t *testing.T) {
	t.Parallel()
	errCause := errors.New("shutting down")
	for want, cause := range map[string]error{"context canceled": nil, "context canceled: shutting down": errCause} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		err := ContextError(ctx)
		if err.Error() != want || !errors.Is(err, context.Canceled) || cause != nil && !errors.Is(err, cause) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
