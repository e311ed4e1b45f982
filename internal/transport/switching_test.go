package transport

import (
	"errors"
	"io"
	"net/http"
	"testing"
)

// get sends a GET to an endpoint.
func get(t *testing.T, transport *Transport, endpoint string, call Call) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, endpoint, nil)
	if err != nil {
		t.Fatal(err)
	}
	return transport.Do(t.Context(), req, call)
}

// untouchable is a body that must be closed and not read.
type untouchable struct {
	t      *testing.T
	closed bool
}

func (b *untouchable) Read([]byte) (int, error) {
	b.t.Error("the body is read")
	return 0, io.EOF
}

func (b *untouchable) Close() error {
	b.closed = true
	return nil
}

// A final status below 200 is a failure whatever a call wants, and its body is closed unread.
func TestInformationalIsNoSuccess(t *testing.T) {
	t.Parallel()
	for status := 100; status < 200; status++ {
		body := &untouchable{t: t}
		transport := newTransport(t, "http://localhost", Config{HTTPClient: &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Body: body, ContentLength: -1, Request: req}, nil
		})}})
		_, err := get(t, transport, "http://localhost", Call{Want: []int{status, http.StatusOK}, Whole: 10})
		if failure, ok := errors.AsType[*Failure](err); !ok || failure.StatusCode != status || !body.closed {
			t.Errorf("%d: got %v, closed %v", status, err, body.closed)
		}
	}
}
