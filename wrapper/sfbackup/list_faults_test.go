package sfbackup_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// listFaults are what can go wrong with a list, with random numbers where there are some.
func listFaults(random *rand.Rand) []sfbackuptest.Fault {
	bytes := func() int64 { return random.Int64N(1 + random.Int64N(12_000)) }
	faults := []sfbackuptest.Fault{
		sfbackuptest.Refuse(), sfbackuptest.Reset(), sfbackuptest.HangUp(), sfbackuptest.Reset().AfterEffect(),
		sfbackuptest.Stall(time.Duration(1 + random.Int64N(int64(3*time.Minute)))), sfbackuptest.Stall(0),
		sfbackuptest.Answer(http.StatusTooManyRequests, "").Header("Retry-After", "20"),
		sfbackuptest.Answer(http.StatusInternalServerError, `{"Error":{"Code":"E_UNEXPECTED","Message":"m"}}`),
		sfbackuptest.Answer(http.StatusInternalServerError, `{"Error":{"Code":"FABRIC_E_NOT_PRIMARY","Message":"m"}}`),
		sfbackuptest.HTMLError(http.StatusBadGateway),
		sfbackuptest.Answer(http.StatusServiceUnavailable, ""), sfbackuptest.Answer(http.StatusGatewayTimeout, ""),
		sfbackuptest.CutBody(bytes()), sfbackuptest.CutBody(bytes()), sfbackuptest.CutBody(bytes()), sfbackuptest.CutBody(bytes()),
		sfbackuptest.TruncateBody(bytes()), sfbackuptest.SlowBody(int(1+bytes()), time.Duration(1+random.Int64N(int64(time.Minute)))),
		sfbackuptest.DuplicatePage(), sfbackuptest.RepeatToken(), sfbackuptest.EndlessPages(),
	}
	for i := range faults {
		faults[i] = faults[i].On(sfbackuptest.OpGetPartitionBackupList, sfbackuptest.OpGetServiceBackupList)
	}
	return faults
}

// A list has each backup once and lacks none, or ends with an error; and before an error, too, nothing
// comes twice and nothing that is not there.
func TestListsUnderFaults(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	eachSchedule(t, func(t *testing.T, seed uint64, random *rand.Rand) { testListUnderFaults(t, seed, random, seen) })
	if *oneSeed > 0 {
		return
	}
	for _, want := range []string{"complete", "complete in spite of faults", "complete in spite of a broken page", "error", "error in the middle"} {
		if seen[want] < *schedules/100 {
			t.Errorf("%q came %d times", want, seen[want])
		}
	}
	t.Logf("%d schedules: %v", *schedules, seen)
}

func testListUnderFaults(t *testing.T, seed uint64, random *rand.Rand, seen map[string]int) {
	t.Helper()
	profile := []sfbackuptest.Profile{sfbackuptest.ProfileRuntime, sfbackuptest.ProfileDocumented}[random.IntN(2)]
	cluster := sfbackuptest.NewCluster(append(manyServices(), sfbackuptest.WithProfile(profile))...)
	rate := random.Float64() / 2
	cluster.Schedule(seed, rate, listFaults(random)...)

	policy := sfbackup.RetryPolicy{MaxAttempts: 1 + random.IntN(6)}
	if random.IntN(2) == 0 {
		policy.AttemptTimeout = time.Duration(1 + random.Int64N(int64(2*time.Minute)))
	}
	client := newUncheckedClient(t, cluster.Transport(), sfbackup.WithRetry(policy))
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+random.Int64N(int64(time.Hour))))
	defer cancel()

	opts := &sfbackup.ListOptions{PageSize: []int{0, 1, 3, 22, 100}[random.IntN(5)]}
	partitions := cluster.Partitions()[:3]
	list := client.ServiceBackups(ctx, "Shop/Orders/Archive", opts)
	pages := func(opts *sfbackup.ListOptions) (*sfbackup.Page, error) {
		return client.ServiceBackupsPage(ctx, "Shop/Orders/Archive", opts)
	}
	if random.IntN(2) == 0 {
		partitions = partitions[:1]
		list = client.PartitionBackups(ctx, partitions[0], opts)
		pages = func(opts *sfbackup.ListOptions) (*sfbackup.Page, error) {
			return client.PartitionBackupsPage(ctx, partitions[0], opts)
		}
	}
	how := "iterator"
	if random.IntN(4) == 0 {
		how, list = "pages", pageByPage(opts, pages)
	}
	missing := map[uuid.UUID]bool{}
	for _, p := range partitions {
		for _, b := range cluster.Backups(p) {
			missing[b.ID] = true
		}
	}
	// While the list is read a backup is taken, which may be in it or not.
	arrives := random.IntN(len(missing) + 1)
	extra := map[uuid.UUID]bool{} // is empty once it came
	n := 0
	var failed error
	for b, err := range list {
		if err != nil {
			failed = err
			continue
		}
		if failed != nil {
			t.Error("the list goes on after an error")
		}
		if n++; n == arrives {
			extra = takeBackup(t, cluster, partitions[0])
		}
		switch {
		case extra[b.BackupID]:
			delete(extra, b.BackupID)
		case missing[b.BackupID]:
			delete(missing, b.BackupID)
		case how == "iterator": // who turns pages by hand has to tell repeated pages by hand
			t.Errorf("%s comes twice, or out of nowhere", b.BackupID)
		}
	}
	if failed == nil && len(missing) > 0 && how == "iterator" {
		t.Errorf("%d backups are missing without an error", len(missing))
	}

	faults, broken := 0, 0
	var trace strings.Builder
	for _, r := range cluster.Requests() {
		fmt.Fprintln(&trace, r.Path, r.RawQuery, r.Status, r.Fault)
		if r.Fault != "" {
			faults++
		}
		if strings.HasPrefix(r.Fault, "CutBody") {
			broken++
		}
	}
	class := "complete"
	switch {
	case failed != nil && n > 0:
		class = "error in the middle"
	case failed != nil:
		class = "error"
	case broken > 0:
		class = "complete in spite of a broken page"
	case faults > 0:
		class = "complete in spite of faults"
	}
	seen[class]++
	if t.Failed() || *oneSeed > 0 {
		t.Logf("%s, %v, rate %f, policy %+v, options %+v, %d backups, error %v\n%s", how, profile, rate, policy, opts, n, failed, &trace)
	}
}

// pageByPage reads a list as somebody does who turns the pages by hand.
func pageByPage(opts *sfbackup.ListOptions, next func(*sfbackup.ListOptions) (*sfbackup.Page, error)) iter.Seq2[sfbackup.Backup, error] {
	return func(yield func(sfbackup.Backup, error) bool) {
		opts := *opts
		for range 1000 { // some pages have no end
			page, err := next(&opts)
			if err != nil {
				yield(sfbackup.Backup{}, err)
				return
			}
			for _, b := range page.Backups {
				if !yield(b, nil) {
					return
				}
			}
			if opts.ContinuationToken = page.ContinuationToken; opts.ContinuationToken == "" {
				return
			}
		}
		yield(sfbackup.Backup{}, errors.New("too many pages"))
	}
}

// takeBackup takes a backup, and returns which backups of the partition are new then.
func takeBackup(t *testing.T, cluster *sfbackuptest.Cluster, partition uuid.UUID) map[uuid.UUID]bool {
	t.Helper()
	before := map[uuid.UUID]bool{}
	for _, b := range cluster.Backups(partition) {
		before[b.ID] = true
	}
	cluster.SetOutcome(partition, sfbackuptest.Outcome{Accepted: -1, Running: -1})
	if err := newUncheckedClient(t, cluster.Transport()).BackupPartition(t.Context(), partition, nil); err != nil {
		t.Fatal(err)
	}
	extra := map[uuid.UUID]bool{}
	for _, b := range cluster.Backups(partition) {
		if !before[b.ID] {
			extra[b.ID] = true
		}
	}
	return extra
}

// Tokens that go round in a circle end a list, however long the circle is.
func TestTokensGoRound(t *testing.T) {
	t.Parallel()
	for _, length := range []int{1, 2, 3, 10} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			client := newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
				n++
				return ok(page(fmt.Sprintf(`"t%d"`, n%length), uuid.New())).response(req), nil
			}))
			if _, err := collect(client.PartitionBackups(t.Context(), partition1, nil)); err == nil || !strings.Contains(err.Error(), "repeats a continuation token") || n > 4*length {
				t.Errorf("a circle of %d: %v after %d pages", length, err, n)
			}
		})
	}
}

// A page that comes again under a new token is found out before any of it is handed out once more.
func TestRepeatedPages(t *testing.T) {
	t.Parallel()
	sent := &answers{list: []answer{ok(page(`"a"`, id1, id2)), ok(page(`"b"`)), ok(page(`"c"`, id1, id2))}}
	got, err := collect(newClient(t, sent).PartitionBackups(t.Context(), partition1, nil))
	if err == nil || !strings.Contains(err.Error(), "the server repeats a page") || len(got) != 2 {
		t.Errorf("%d backups, %v", len(got), err)
	}
}

// A page may come again without its first backup, which has been deleted meanwhile; and pages may overlap.
func TestPagesThatOverlap(t *testing.T) {
	t.Parallel()
	for want, last := range map[string]string{"the server repeats a continuation token": `"a"`, "": `null`} {
		sent := &answers{list: []answer{ok(page(`"a"`, id1, id2)), ok(page(last, id2, id3))}}
		got, err := collect(newClient(t, sent).PartitionBackups(t.Context(), partition1, nil))
		if diff := cmp.Diff([]uuid.UUID{id1, id2, id3}, ids(got)); diff != "" || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %s", err, diff)
		}
	}
}
