package sfbackup_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// fixedResponse is a transport that always returns the same response.
type fixedResponse struct{ resp *http.Response }

func (f fixedResponse) RoundTrip(*http.Request) (*http.Response, error) { return f.resp, nil }

// A response that a RoundTripper must not return causes an error and no panic, with and without an http.Client in
// between.
func TestTransportsWithoutResponse(t *testing.T) {
	t.Parallel()
	for _, timeout := range []time.Duration{0, time.Minute} {
		for _, resp := range []*http.Response{nil, {StatusCode: http.StatusOK}, {StatusCode: http.StatusNotFound}} {
			client := newClientAt(t, "http://localhost", sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1}),
				sfbackup.WithHTTPClient(&http.Client{Transport: fixedResponse{resp}, Timeout: timeout}),
				debugLog(io.Discard))
			if _, err := client.PartitionBackupsPage(t.Context(), uuid.New(), nil); err == nil {
				t.Errorf("%v, timeout %v: no error", resp, timeout)
			}
		}
	}
}
