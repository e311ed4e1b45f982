package sfbackup_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// breaking returns a transport whose first responses break after these numbers of bytes, and how many requests it
// got.
func breaking(t *testing.T, next http.RoundTripper, after ...int) (http.RoundTripper, *int) {
	t.Helper()
	requests := 0
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		requests++
		resp, err := next.RoundTrip(req)
		if err != nil || requests > len(after) {
			return resp, err
		}
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		half := data[:min(after[requests-1], len(data))]
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(half), iotest.ErrReader(io.ErrUnexpectedEOF)))
		return resp, nil
	}), &requests
}

// A page whose connection breaks anywhere is requested again, and every backup is listed once.
func TestListsResume(t *testing.T) {
	t.Parallel()
	cluster := sfbackuptest.NewCluster(manyServices()...)
	want := 0
	for _, id := range cluster.Partitions() {
		want += len(cluster.Backups(id))
	}
	for _, after := range [][]int{{0}, {1}, {100}, {3000}, {9000}, {100, 200, 9000}, {3000, 3000, 2999}, {1 << 20}} {
		synctest.Test(t, func(t *testing.T) {
			transport, requests := breaking(t, cluster.Transport(), after...)
			client := newClient(t, transport, sfbackup.WithRetry(sfbackup.RetryPolicy{}))
			seen := map[uuid.UUID]bool{}
			for b, err := range client.ServiceBackups(t.Context(), "Shop/Orders/Archive", nil) {
				if err != nil {
					t.Fatalf("%v: %v", after, err)
				}
				if seen[b.BackupID] {
					t.Errorf("%v: %s is listed twice", after, b.BackupID)
				}
				seen[b.BackupID] = true
			}
			if len(seen) != want || *requests != len(after)+1 {
				t.Errorf("%v: %d of %d backups after %d requests", after, len(seen), want, *requests)
			}
		})
	}
	// A single page is requested again as well.
	synctest.Test(t, func(t *testing.T) {
		transport, _ := breaking(t, cluster.Transport(), 2000)
		client := newClient(t, transport, sfbackup.WithRetry(sfbackup.RetryPolicy{}))
		page, err := client.ServiceBackupsPage(t.Context(), "Shop/Orders/Archive", nil)
		if err != nil || len(page.Backups) != want {
			t.Errorf("a page: %v", err)
		}
	})
}

// If the connection always breaks in the same place, the list ends with an error after the attempts of the policy.
func TestListResumeLimit(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"Items":[{"BackupId":"00000000-0000-4000-8000-000000000001"},`, ``} {
		for _, attempts := range []int{1, 4} {
			synctest.Test(t, func(t *testing.T) {
				sent := &cannedResponses{list: []canned{ok(body)}}
				client := newClient(t, sent, sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: attempts}))
				got, err := collect(client.PartitionBackups(t.Context(), partition1, nil))
				if !errors.Is(err, io.ErrUnexpectedEOF) || len(got) > 1 {
					t.Errorf("%d backups, %v", len(got), err)
				}
				// Attempts are counted anew after each one that gets further.
				if n := len(sent.requests); n < attempts || n > attempts+len(got) {
					t.Errorf("%d requests, want %d", n, attempts)
				}
			})
		}
	}
}

// A page that is requested again may have another order, and more backups.
func TestListsResumeReordered(t *testing.T) {
	t.Parallel()
	half, _, _ := strings.Cut(page(`null`, id1, id2, id3), id3.String())
	synctest.Test(t, func(t *testing.T) {
		sent := &cannedResponses{list: []canned{ok(half), ok(page(`"t"`, id3, id2, partition1, id1)), ok(page(`null`, partition2))}}
		client := newClient(t, sent, sfbackup.WithRetry(sfbackup.RetryPolicy{}))
		got, err := collect(client.PartitionBackups(t.Context(), partition1, nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]uuid.UUID{id1, id2, id3, partition1, partition2}, ids(got)); diff != "" {
			t.Error(diff)
		}
	})
}

// If a page that is requested again lacks backups, these may have moved to the next page. They are not listed
// twice.
func TestListsResumeWhenBackupsMove(t *testing.T) {
	t.Parallel()
	half, _, _ := strings.Cut(page(`"t"`, id1, id2, id3), id3.String())
	synctest.Test(t, func(t *testing.T) {
		sent := &cannedResponses{list: []canned{ok(half), ok(page(`"t"`, partition1, id1)), ok(page(`null`, id2, id3))}}
		client := newClient(t, sent, sfbackup.WithRetry(sfbackup.RetryPolicy{}))
		got, err := collect(client.PartitionBackups(t.Context(), partition1, nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]uuid.UUID{id1, id2, partition1, id3}, ids(got)); diff != "" {
			t.Error(diff)
		}
	})
}

// Leaving the loop near the end of a page of known length keeps the connection for the next call. Far from the
// end, it closes the connection.
func TestBreakKeepsTheConnection(t *testing.T) {
	t.Parallel()
	for backups, connections := range map[int]int{10: 1, 300: 1, 10_000: 3} { // 300 do not arrive at once
		remotes := map[string]bool{}
		var all []uuid.UUID
		for range backups {
			all = append(all, uuid.New())
		}
		body := page(`null`, all...)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			remotes[r.RemoteAddr] = true
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			_, _ = io.WriteString(w, body)
		}))
		defer server.Close()
		client := newClientAt(t, server.URL)
		for range 3 {
			for _, err := range client.PartitionBackups(t.Context(), partition1, nil) {
				if err != nil {
					t.Error(err)
				}
				break
			}
		}
		if len(remotes) != connections {
			t.Errorf("%d backups: %d connections", backups, len(remotes))
		}
	}
}

// Leaving the loop does not wait for the rest of a page that does not arrive, even if it is short.
func TestBreakDoesNotWait(t *testing.T) {
	t.Parallel()
	var all []uuid.UUID
	for range 300 {
		all = append(all, uuid.New())
	}
	body := page(`null`, all...)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = io.WriteString(w, body[:10<<10])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done() // the client has gone
	}))
	defer server.Close()
	client := newClientAt(t, server.URL)
	for _, err := range client.PartitionBackups(t.Context(), partition1, nil) {
		if err != nil {
			t.Error(err)
		}
		break
	}
}

// A list whose http.Client has timed out is not resumed.
func TestListsDoNotResumeAfterATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := sfbackuptest.NewCluster()
		cluster.Script(t, sfbackuptest.SlowBody(700, time.Minute))
		client := newClientAt(t, "http://localhost", sfbackup.WithHTTPClient(&http.Client{Transport: cluster.Transport(), Timeout: 90 * time.Second}))
		got, err := collect(client.PartitionBackups(t.Context(), partition1, nil))
		// Package http adds "Client.Timeout" to the error only if its own timer ran before the body saw the deadline.
		if !errors.Is(err, context.DeadlineExceeded) || len(cluster.Requests()) != 1 {
			t.Errorf("%d backups, %v after %d requests", len(got), err, len(cluster.Requests()))
		}
	})
}
