package contract_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
)

type idleTransport struct {
	http.RoundTripper
	closed int
}

func (t *idleTransport) CloseIdleConnections() { t.closed++ }

func TestCloseIdleConnections(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Runtime)
	next := &idleTransport{}
	(&http.Client{Transport: v.Transport(next, nil)}).CloseIdleConnections()
	(&http.Client{Transport: contract.ForTest(t, v, next)}).CloseIdleConnections()
	if next.closed != 2 {
		t.Errorf("closed %d times", next.closed)
	}
}

// The length 0 of a request with a body means that the length is not known.
func TestTransportWithUnknownLength(t *testing.T) {
	t.Parallel()
	got := 0
	transport := newValidator(t, openapi.Runtime).Transport(roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("early") }),
		func(_ *http.Request, err error) { got += len(contract.Violations(err)) })
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://h"+startURL, strings.NewReader(`{"Storage":1}`))
	req.Header.Set("Content-Type", "application/json")
	req.ContentLength = 0
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(`{"Storage":1}`)), nil }
	if _, err := transport.RoundTrip(req); err == nil || got != 1 {
		t.Errorf("%v, %d violations", err, got)
	}
}

// next may read more of a body than its length, also after it has returned.
func TestTransportWithWrongLength(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	transport := newValidator(t, openapi.Runtime).Transport(roundTripper(func(req *http.Request) (*http.Response, error) {
		_, _ = io.ReadFull(req.Body, make([]byte, 2))
		wg.Go(func() { _, _ = io.Copy(io.Discard, req.Body) })
		return nil, errors.New("early")
	}), func(*http.Request, error) {})
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://h"+startURL, strings.NewReader("{}"+strings.Repeat(" ", 100000)))
	req.ContentLength = 2
	_, _ = transport.RoundTrip(req)
	wg.Wait()
}

// A client that decodes a value and closes the body has not seen its end, but all of the value.
func TestClientThatClosesTheBody(t *testing.T) {
	t.Parallel()
	tb := &recordingTB{TB: t}
	transport := contract.ForTest(tb, newValidator(t, openapi.Runtime), roundTripper(func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(strings.NewReader(invalidProgress)), ContentLength: -1, Request: req,
		}, nil
	}))
	resp, err := transport.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://h"+progressURL, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(resp.Body).Decode(new(any)); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if len(tb.errors) != 1 {
		t.Errorf("got %q", tb.errors)
	}
}
