package sfbackup_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// Each backup comes as often as in one reading without a break, wherever a page that is requested again has
// moved it.
func TestListsAfterBreaks(t *testing.T) {
	t.Parallel()
	a, b, c, x, y, z := uuidOf(1), uuidOf(2), uuidOf(3), uuidOf(4), uuidOf(5), uuidOf(6)
	breaks := func(token string, ids ...uuid.UUID) canned {
		body, _, _ := strings.Cut(page(token, ids...), "]")
		return ok(body)
	}
	for _, tt := range []struct {
		name   string
		served []canned
		want   []uuid.UUID
	}{
		{
			"backups arrive that move the page by more than one page",
			[]canned{breaks(`"2"`, a, b), ok(page(`"2"`, x, y)), ok(page(`"4"`, z, a)), ok(page(`null`, b, c))},
			[]uuid.UUID{a, b, x, y, z, c},
		},
		{
			"what has moved comes on a page that breaks too",
			[]canned{breaks(`"2"`, a, b), ok(page(`"2"`, x)), breaks(`"4"`, b, a), ok(page(`"4"`, y)), ok(page(`null`, a, b, c))},
			[]uuid.UUID{a, b, x, y, c},
		},
		{
			"an identity twice in a page",
			[]canned{breaks(`null`, a, a, b), ok(page(`null`, a, a, b, c))},
			[]uuid.UUID{a, a, b, c},
		},
		{
			"an identity twice that came once before the break",
			[]canned{breaks(`null`, a, b), ok(page(`null`, b, a, a))},
			[]uuid.UUID{a, b, a},
		},
		{
			"an identity twice that is once on another page after the break",
			[]canned{breaks(`"2"`, a, a), ok(page(`"2"`, b, a)), ok(page(`null`, c, a, a))},
			[]uuid.UUID{a, a, b, c, a},
		},
		{
			"an overlap of a page that breaks",
			[]canned{ok(page(`"2"`, a, b)), breaks(`"4"`, b, c), ok(page(`"4"`, b, c, x)), ok(page(`null`, y, b))},
			[]uuid.UUID{a, b, c, x, y, b},
		},
		{
			"a page begins with a backup that was delivered before",
			[]canned{breaks(`"2"`, a, b), ok(page(`"2"`, x, y)), ok(page(`"4"`, a, z)), ok(page(`null`, b, c))},
			[]uuid.UUID{a, b, x, y, z, c},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				sent := &cannedResponses{list: tt.served}
				client := newClient(t, sent, sfbackup.WithRetry(sfbackup.RetryPolicy{}))
				got, err := collect(client.PartitionBackups(t.Context(), partition1, nil))
				if diff := cmp.Diff(tt.want, ids(got)); diff != "" || err != nil || len(sent.requests) != len(tt.served) {
					t.Errorf("%d requests, %v\n%s", len(sent.requests), err, diff)
				}
			})
		})
	}
}
