package sfbackup_test

import (
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

type fixedResponse struct{ resp *http.Response }

func (f fixedResponse) RoundTrip(*http.Request) (*http.Response, error) { return f.resp, nil }

// What a transport must not return becomes an error and no panic: with an http.Client in between, with a log, and without.
func TestTransportsWithoutResponse(t *testing.T) {
	t.Parallel()
	for _, timeout := range []time.Duration{0, time.Minute} {
		for _, resp := range []*http.Response{nil, {StatusCode: http.StatusOK}, {StatusCode: http.StatusNotFound}} {
			client, err := sfbackup.NewClient("http://localhost", sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1}),
				sfbackup.WithHTTPClient(&http.Client{Transport: fixedResponse{resp}, Timeout: timeout}),
				sfbackup.WithLogger(slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}))))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.PartitionBackupsPage(t.Context(), uuid.New(), nil); err == nil {
				t.Errorf("%v, timeout %v: no error", resp, timeout)
			}
		}
	}
}
