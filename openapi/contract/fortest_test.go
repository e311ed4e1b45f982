package contract_test

import (
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

// lockedTB is a recordingTB for several goroutines.
type lockedTB struct {
	recordingTB
	mu sync.Mutex
}

func (l *lockedTB) Errorf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recordingTB.Errorf(format, args...)
}

// An exchange is reported once, even if its body is read while or after the test ends.
func TestForTestReportsOnce(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Runtime)
	for range 20 {
		tb := &lockedTB{recordingTB: recordingTB{TB: t}}
		transport := contract.ForTest(tb, v, roundTripper(func(req *http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
				Body: io.NopCloser(strings.NewReader(invalidProgress)), ContentLength: -1, Request: req,
			}, nil
		}))
		send := func() *http.Response {
			resp, err := transport.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://h"+progressURL+"&x=1", nil))
			if err != nil {
				t.Fatal(err)
			}
			return resp
		}
		resp := send()
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.Copy(io.Discard, resp.Body) })
		for _, f := range tb.cleanups {
			f()
		}
		wg.Wait()
		_, _ = io.Copy(io.Discard, send().Body)
		if len(tb.errors) != 1 {
			t.Fatalf("got %q", tb.errors)
		}
	}
}

// The title does not claim that a server sent no response.
func TestForTestHandlerTitle(t *testing.T) {
	t.Parallel()
	tb := &recordingTB{TB: t}
	handler := contract.ForTestHandler(tb, newValidator(t, openapi.Runtime), http.NotFoundHandler())
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/Nodes", nil))
	if len(tb.errors) != 1 || strings.Contains(tb.errors[0], "no response") {
		t.Errorf("got %q", tb.errors)
	}
}

// A title shows values of documented parameters, and no others.
func TestNoSecretInTitle(t *testing.T) {
	t.Parallel()
	tb := &recordingTB{TB: t}
	transport := contract.ForTest(tb, newValidator(t, openapi.Runtime), roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("none") }))
	_, _ = transport.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://h"+progressURL+";sig="+secretText, nil))
	if len(tb.errors) != 1 || strings.Contains(tb.errors[0], secretText) {
		t.Errorf("got %q", tb.errors)
	}
}
