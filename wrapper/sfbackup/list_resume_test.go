package sfbackup_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// breaking is a transport whose first answers break off after so many bytes.
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
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(half), brokenReader{io.ErrUnexpectedEOF}))
		return resp, nil
	}), &requests
}

// A page that breaks off anywhere is asked for again, and every backup comes once.
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
					t.Errorf("%v: %s came twice", after, b.BackupID)
				}
				seen[b.BackupID] = true
			}
			if len(seen) != want || *requests != len(after)+1 {
				t.Errorf("%v: %d of %d backups after %d requests", after, len(seen), want, *requests)
			}
		})
	}
	// A page by itself, too.
	synctest.Test(t, func(t *testing.T) {
		transport, _ := breaking(t, cluster.Transport(), 2000)
		client := newClient(t, transport, sfbackup.WithRetry(sfbackup.RetryPolicy{}))
		page, err := client.ServiceBackupsPage(t.Context(), "Shop/Orders/Archive", nil)
		if err != nil || len(page.Backups) != want {
			t.Errorf("a page: %v", err)
		}
	})
}

// A connection that breaks again and again in the same place is an error, after some tries.
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
				// What gets further on than before begins to count anew.
				if n := len(sent.requests); n < attempts || n > attempts+len(got) {
					t.Errorf("%d requests, want %d", n, attempts)
				}
			})
		}
	}
}

// The page after the break may have another order, and more in it.
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

// A page that is shorter after the break has pushed backups to the next one, where they are not handed
// out twice.
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

// Leaving the loop near the end of a page of known length leaves the connection for the next call;
// far from it, the transfer ends.
func TestBreakKeepsTheConnection(t *testing.T) {
	t.Parallel()
	for backups, connections := range map[int]int{10: 1, 300: 1, 10_000: 3} { // 300 are more than arrives at once
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
		client, err := sfbackup.NewClient(server.URL)
		if err != nil {
			t.Fatal(err)
		}
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

// Leaving the loop where the rest of the page is short, but does not come, does not wait for it.
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
	client, err := sfbackup.NewClient(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range client.PartitionBackups(t.Context(), partition1, nil) {
		if err != nil {
			t.Error(err)
		}
		break
	}
}

// The time limit of the caller's http.Client ends a list for good.
func TestListsDoNotResumeAfterATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := sfbackuptest.NewCluster()
		cluster.Script(t, sfbackuptest.SlowBody(700, time.Minute))
		client, err := sfbackup.NewClient("http://localhost", sfbackup.WithHTTPClient(&http.Client{Transport: cluster.Transport(), Timeout: 90 * time.Second}))
		if err != nil {
			t.Fatal(err)
		}
		got, err := collect(client.PartitionBackups(t.Context(), partition1, nil))
		if err == nil || !strings.Contains(err.Error(), "Client.Timeout") || len(cluster.Requests()) != 1 {
			t.Errorf("%d backups, %v after %d requests", len(got), err, len(cluster.Requests()))
		}
	})
}
