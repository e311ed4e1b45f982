package sfbackup

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/generated"
)

// Requests that are copied from a template equal those that are built, and share nothing that can be modified.
func TestPartitionRequests(t *testing.T) {
	t.Parallel()
	placeholder := "00000000-0000-0000-0000-000000000001"
	for _, endpoint := range []string{"http://h:19080", "https://h/gateway/a%2Fb/", "http://h/" + placeholder} {
		c, err := NewClient(endpoint)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			limited, cancel := context.WithTimeout(t.Context(), 90*time.Second)
			defer cancel()
			for _, ctx := range []context.Context{t.Context(), limited} {
				for _, id := range []uuid.UUID{uuid.MustParse(placeholder), uuid.New(), uuid.New()} {
					progress, err := generated.NewGetPartitionBackupProgressRequest(c.server, id,
						&generated.GetPartitionBackupProgressParams{APIVersion: apiVersion, Timeout: serverTimeout(ctx)})
					if err != nil {
						t.Fatal(err)
					}
					start, err := generated.NewBackupPartitionRequestWithBody(c.server, id,
						&generated.BackupPartitionParams{APIVersion: apiVersion, Timeout: serverTimeout(ctx)}, "application/json", strings.NewReader("{}"))
					if err != nil {
						t.Fatal(err)
					}
					compareRequests(t, progress, serverTimeout(ctx), id, c.newProgressRequest)
					compareRequests(t, start, serverTimeout(ctx), id, c.newPlainBackupRequest)
				}
			}
		})
	}
}

func compareRequests(t *testing.T, want *http.Request, timeout *generated.Timeout, id uuid.UUID, build partitionRequest) {
	t.Helper()
	text := func(req *http.Request) string {
		var body []byte
		if req.Body != nil {
			body, _ = io.ReadAll(req.Body)
		}
		var b strings.Builder
		_ = req.Header.Write(&b)
		return req.Method + " " + req.Host + " " + req.URL.String() + " " + req.URL.Path + " " + req.URL.RawPath + "\n" + b.String() + string(body)
	}
	wanted := text(want)
	for range 2 {
		got, err := build(id, timeout)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wanted, text(got)); diff != "" || got.ContentLength != want.ContentLength {
			t.Errorf("%d bytes, %s", got.ContentLength, diff)
		}
		got.Header.Set("Content-Type", "changed")
		got.Header.Set("X-New", "changed")
		got.URL.Path, got.URL.RawQuery = "changed", "changed"
	}
}
