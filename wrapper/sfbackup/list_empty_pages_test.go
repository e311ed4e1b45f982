package sfbackup_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// emptyPages is a server whose pages are empty, except those with the given numbers from 1. Each page has a
// new token; after 1,000 of them the list ends, so that a client without a limit fails and does not hang.
func emptyPages(requests *int, times *[]time.Time, full ...int) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		*requests++
		*times = append(*times, time.Now())
		var ids []uuid.UUID
		for _, n := range full {
			if *requests == n {
				ids = append(ids, uuidOf(n))
			}
		}
		token := fmt.Sprintf(`"t%d"`, *requests)
		if *requests == 1000 {
			token = `null`
		}
		return ok(page(token, ids...)).response(req), nil
	})
}

// A list whose pages are all empty ends with an error after 100 pages, and is not requested as fast as the
// server responds.
func TestEmptyPagesEnd(t *testing.T) {
	t.Parallel()
	for _, latest := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			const shortest, longest = 100 * time.Millisecond, 2 * time.Second
			var requests int
			var times []time.Time
			client := newClient(t, emptyPages(&requests, &times),
				sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1, MinDelay: shortest, MaxDelay: longest}))
			got, err := collect(client.PartitionBackups(t.Context(), partition1, &sfbackup.ListOptions{Latest: latest}))
			const want = "sfbackup: GetPartitionBackupList: the server sent 100 empty pages in a row"
			if err == nil || err.Error() != want || len(got) != 0 || requests != 100 {
				t.Fatalf("%d backups, %v after %d requests", len(got), err, requests)
			}
			// The delays are those of a policy: random, and up to twice as long each time.
			most, total := shortest, times[len(times)-1].Sub(times[0])
			for i := range times[1:] {
				if delay := times[i+1].Sub(times[i]); delay < 0 || delay > most {
					t.Errorf("delay %d is %v, at most %v are allowed", i, delay, most)
				}
				most = min(2*most, longest)
			}
			if total < 60*longest/2 {
				t.Errorf("99 delays took %v together", total)
			}
		})
	}
}

// A page with a backup begins the count anew, and the delays too.
func TestEmptyPagesBetweenBackups(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var requests int
		var times []time.Time
		client := newClient(t, emptyPages(&requests, &times, 1, 101, 102, 202),
			sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1, MinDelay: time.Second, MaxDelay: time.Minute}))
		got, err := collect(client.PartitionBackups(t.Context(), partition1, nil))
		if err == nil || !strings.Contains(err.Error(), "100 empty pages in a row") || len(got) != 4 || requests != 302 {
			t.Fatalf("%d backups, %v after %d requests", len(got), err, requests)
		}
		for _, n := range []int{1, 101, 102, 202} {
			if delay := times[n].Sub(times[n-1]); delay != 0 {
				t.Errorf("page %d was requested %v after one with a backup", n+1, delay)
			}
		}
		for _, n := range []int{2, 103, 203} {
			if delay := times[n].Sub(times[n-1]); delay > time.Second {
				t.Errorf("page %d was requested %v after the first empty one", n+1, delay)
			}
		}
	})
}

// The context ends the delay between two empty pages.
func TestEmptyPagesSeeTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		start := time.Now()
		var requests int
		var times []time.Time
		client := newClient(t, emptyPages(&requests, &times), sfbackup.WithRetry(sfbackup.RetryPolicy{}))
		got, err := collect(client.PartitionBackups(ctx, partition1, nil))
		if !errors.Is(err, context.DeadlineExceeded) || len(got) != 0 || time.Since(start) != 30*time.Second || requests > 100 {
			t.Errorf("%d backups, %v after %v and %d requests", len(got), err, time.Since(start), requests)
		}
	})
}

// The last page of a list may be empty, and needs no delay.
func TestLastPageIsEmpty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		sent := &cannedResponses{list: []canned{ok(page(`"a"`, id1)), ok(page(`null`))}}
		got, err := collect(newClient(t, sent).PartitionBackups(t.Context(), partition1, nil))
		if err != nil || len(got) != 1 || time.Since(start) != 0 {
			t.Errorf("%d backups, %v after %v", len(got), err, time.Since(start))
		}
	})
}
