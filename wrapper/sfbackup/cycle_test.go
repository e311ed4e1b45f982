package sfbackup_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

func TestRepeatedToken(t *testing.T) {
	t.Parallel()
	sent := &cannedResponses{list: []canned{ok(page(`"a"`, id1)), ok(page(`"b"`, id2)), ok(page(`"b"`, id3))}}
	got, err := collect(newClient(t, sent).PartitionBackups(t.Context(), partition1, nil))
	if err == nil || !strings.Contains(err.Error(), "repeats a continuation token") || len(got) != 3 {
		t.Errorf("%d backups, %v", len(got), err)
	}
	// The first of the two may be the caller's.
	sent = &cannedResponses{list: []canned{ok(page(`"a"`, id1))}}
	_, err = collect(newClient(t, sent).PartitionBackups(t.Context(), partition1, &sfbackup.ListOptions{ContinuationToken: "a"}))
	if err == nil || len(sent.requests) != 1 {
		t.Errorf("%d requests, %v", len(sent.requests), err)
	}
	// A single page is checked as well.
	page, err := newClient(t, sent).PartitionBackupsPage(t.Context(), partition1, &sfbackup.ListOptions{ContinuationToken: "a"})
	if err == nil || page != nil {
		t.Errorf("a page: %v, %v", page, err)
	}
}

// A cycle of tokens of any length ends the list with an error.
func TestTokenCycles(t *testing.T) {
	t.Parallel()
	for _, length := range []int{1, 2, 3, 10} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			client := newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
				n++
				return ok(page(fmt.Sprintf(`"t%d"`, n%length), uuid.New())).response(req), nil
			}))
			if _, err := collect(client.PartitionBackups(t.Context(), partition1, nil)); err == nil || !strings.Contains(err.Error(), "repeats a continuation token") || n > 4*length {
				t.Errorf("a cycle of %d tokens: %v after %d pages", length, err, n)
			}
		})
	}
}

// A page that is repeated with a new token is detected before any of its backups is listed again.
func TestRepeatedPages(t *testing.T) {
	t.Parallel()
	sent := &cannedResponses{list: []canned{ok(page(`"a"`, id1, id2)), ok(page(`"b"`)), ok(page(`"c"`, id1, id2))}}
	got, err := collect(newClient(t, sent).PartitionBackups(t.Context(), partition1, nil))
	if err == nil || !strings.Contains(err.Error(), "the server repeats a page") || len(got) != 2 {
		t.Errorf("%d backups, %v", len(got), err)
	}
}

// A page may be repeated without its first backup, which has been deleted, and pages may overlap.
func TestOverlappingPages(t *testing.T) {
	t.Parallel()
	for want, last := range map[string]string{"the server repeats a continuation token": `"a"`, "": `null`} {
		sent := &cannedResponses{list: []canned{ok(page(`"a"`, id1, id2)), ok(page(last, id2, id3))}}
		got, err := collect(newClient(t, sent).PartitionBackups(t.Context(), partition1, nil))
		// Backups without an identity cannot be compared.
		if diff := cmp.Diff([]uuid.UUID{id1, id2, id3}, ids(got)); diff != "" || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %s", err, diff)
		}
	}
}
