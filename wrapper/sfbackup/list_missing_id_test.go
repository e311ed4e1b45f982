package sfbackup_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// An item without a BackupId is an error that names it, in pages and in iterators, which yield it once and
// end.
func TestListsWithoutID(t *testing.T) {
	t.Parallel()
	for _, item := range []string{
		`{}`, `{"BackupId":null}`, `{"backupid":"00000000-0000-0000-0000-000000000000"}`,
		`{"BackupId":"` + id3.String() + `","BackupId":"00000000-0000-0000-0000-000000000000"}`,
		`{"BackupChainId":"` + id3.String() + `","CreationTimeUtc":"2018-01-01T09:00:55Z"}`,
	} {
		body := strings.Replace(page(`"t"`, id1, id2), `],`, `,`+item+`,{"BackupId":"`+id3.String()+`"}],`, 1)
		const want = "sfbackup: GetPartitionBackupList: item 2: the backup has no BackupId"
		for _, latest := range []bool{false, true} {
			for _, attempts := range []int{1, 4} {
				sent := &cannedResponses{list: []canned{ok(body)}}
				client := newClient(t, sent, sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: attempts}))
				opts := &sfbackup.ListOptions{Latest: latest}
				yielded := 2
				if latest {
					yielded = 0 // which backup is the latest is not known before the end
				}
				got, err := collect(client.PartitionBackups(t.Context(), partition1, opts))
				if err == nil || err.Error() != want || len(got) != yielded || len(sent.requests) != 1 {
					t.Errorf("%s: the iterator returned %d backups, %v after %d requests", item, len(got), err, len(sent.requests))
				}
				page, err := client.PartitionBackupsPage(t.Context(), partition1, opts)
				if page != nil || err == nil || err.Error() != want || len(sent.requests) != 2 {
					t.Errorf("%s: the page is %v, %v", item, page, err)
				}
			}
		}
	}
	// The index is that in the page, and the operation that of the list.
	sent := &cannedResponses{list: []canned{ok(page(`"t"`, id1, id2)), ok(page(`null`, id3, uuid.Nil))}}
	got, err := collect(newClient(t, sent).ServiceBackups(t.Context(), calcService, nil))
	if err == nil || err.Error() != "sfbackup: GetServiceBackupList: item 1: the backup has no BackupId" || len(got) != 3 {
		t.Errorf("the second page: %d backups, %v", len(got), err)
	}
}
