package sfbackup

import (
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/uuid"
)

// A long page that is another one after a break ends the list, even if its connection breaks at the place where
// that shows: a third request must not take the second page for what was delivered.
func TestReorderedPageEndsTheList(t *testing.T) {
	t.Parallel()
	const n = maxIdentities + 5
	var first, second strings.Builder
	first.WriteString(`{"Items":[`)
	second.WriteString(`{"Items":[`)
	for i := range n {
		item := func(i int) string {
			id := uuid.UUID{13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}
			return `{"BackupId":"` + hex.EncodeToString(id[:]) + `"},`
		}
		first.WriteString(item(i + 1))
		second.WriteString(item(n - i))
	}
	requests := 0
	client, err := NewClient("http://localhost", WithRetry(RetryPolicy{MaxAttempts: 5, MinDelay: 1, MaxDelay: 1}), WithHTTPClient(&http.Client{
		Transport: roundTripFunc(func(*http.Request) (*http.Response, error) {
			requests++
			body := second.String()
			if requests == 1 {
				body = first.String()
			}
			broken := iotest.DataErrReader(io.MultiReader(strings.NewReader(body), iotest.ErrReader(io.ErrUnexpectedEOF)))
			return &http.Response{Status: "200 OK", StatusCode: http.StatusOK, ContentLength: -1, Body: io.NopCloser(broken)}, nil
		}),
	}))
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for _, err = range client.PartitionBackups(t.Context(), partition, nil) {
		if err == nil {
			got++
		}
	}
	if !errors.Is(err, errReordered) || got != n || requests != 2 {
		t.Errorf("%d backups, %v after %d requests", got, err, requests)
	}
}
