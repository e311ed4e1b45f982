package sfbackup_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

var (
	schedules = flag.Int("sfbackup.schedules", 1000, "how many random schedules of faults the property tests run")
	oneSeed   = flag.Uint64("sfbackup.seed", 0, "run only the schedule of this seed, and log what happens")
)

// eachSchedule runs a test for each schedule with its random numbers, in its own bubble.
func eachSchedule(t *testing.T, test func(t *testing.T, seed uint64, random *rand.Rand)) {
	t.Helper()
	first, last := uint64(1), uint64(*schedules)
	if *oneSeed > 0 {
		first, last = *oneSeed, *oneSeed
	}
	for seed := first; seed <= last; seed++ {
		synctest.Test(t, func(t *testing.T) {
			test(t, seed, rand.New(rand.NewPCG(seed, 0)))
			if t.Failed() {
				t.Logf("to repeat it: -run '^%s$' -sfbackup.seed %d", t.Name(), seed)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// priorBackups are the outcomes of a backup that was requested before the start; nil: none was.
var priorBackups = map[string]*sfbackuptest.Outcome{
	"none":            nil,
	"success":         {Accepted: -1, Running: -1},
	"failure":         {Accepted: -1, Running: -1, Code: "FABRIC_E_BACKUPCOPIER_ACCESS_DENIED", Message: "m"},
	"timeout":         {Accepted: time.Hour},
	"running":         {Accepted: -1, Running: 5 * time.Minute},
	"waiting":         {Undelivered: 3},
	"running shortly": {Accepted: -1, Running: 2 * time.Second},
}

// startedOutcomes are the outcomes of the backup that is started.
var startedOutcomes = []sfbackuptest.Outcome{
	{},
	{Accepted: -1, Running: -1},
	{Accepted: -1, Running: 5 * time.Minute},
	{Accepted: -1, Running: -1, Code: "FABRIC_E_BACKUPCOPIER_ACCESS_DENIED", Message: "m"},
	{Accepted: -1, Running: 300 * time.Millisecond, Code: "FABRIC_E_BACKUPCOPIER_TIMEOUT", Message: "m"},
	{Undelivered: 1},
	{Accepted: time.Hour},
}

// clusterWithHistory returns a cluster in which a random one of priorBackups was requested, and in which the next has a
// random one of startedOutcomes.
func clusterWithHistory(t *testing.T, random *rand.Rand, profile sfbackuptest.Profile) (cluster *sfbackuptest.Cluster, history string) {
	t.Helper()
	cluster = sfbackuptest.NewCluster(sfbackuptest.WithProfile(profile))
	history = slices.Sorted(maps.Keys(priorBackups))[random.IntN(len(priorBackups))]
	if outcome := priorBackups[history]; outcome != nil {
		cluster.SetOutcome(partition1, *outcome)
		if err := newUncheckedClient(t, cluster.Transport()).BackupPartition(t.Context(), partition1, nil); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(history, "running") && history != "waiting" {
			time.Sleep(2 * time.Hour)
		}
	}
	cluster.SetOutcome(partition1, startedOutcomes[random.IntN(len(startedOutcomes))])
	return cluster, history
}

// One call starts one backup or none, whatever faults happen. It reports which of them it was, or that this is
// unknown.
func TestStartExactlyOnce(t *testing.T) {
	t.Parallel()
	for _, profile := range []sfbackuptest.Profile{sfbackuptest.ProfileRuntime, sfbackuptest.ProfileDocumented} {
		t.Run(fmt.Sprint(profile), func(t *testing.T) {
			t.Parallel()
			seen := map[string]int{}
			eachSchedule(t, func(t *testing.T, _ uint64, random *rand.Rand) {
				testStartExactlyOnce(t, random, profile, ambiguousFaults(), seen)
			})
			if *oneSeed > 0 {
				return
			}
			for _, want := range []string{
				"started, accepted", "started, response lost", "started, sent again", "not started", "unknown, started", "unknown, not started",
			} {
				if seen[want] < *schedules/200 {
					t.Errorf("%q happened %d times", want, seen[want])
				}
			}
			t.Logf("%d schedules: %v", *schedules, seen)
		})
	}
}

// With responses that are wrong, the verdict is wrong in the cases that BackupPartition names, and in no other: a
// request that something on the way repeats, and a server that reports the previous backup after it has accepted
// another.
func TestStartWithWrongResponses(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	eachSchedule(t, func(t *testing.T, _ uint64, random *rand.Rand) {
		testStartExactlyOnce(t, random, sfbackuptest.ProfileRuntime, unreliableFaults(), seen)
	})
	t.Logf("%d schedules: %v", *schedules, seen)
}

func testStartExactlyOnce(t *testing.T, random *rand.Rand, profile sfbackuptest.Profile, faults []flakyFault, seen map[string]int) {
	t.Helper()
	cluster, history := clusterWithHistory(t, random, profile)

	transport := newFlaky(cluster.Transport(), random, random.Float64(), faults...)
	policy := sfbackup.RetryPolicy{MaxAttempts: 1 + random.IntN(5)}
	if random.IntN(2) == 0 {
		policy.AttemptTimeout = time.Duration(1 + random.Int64N(int64(time.Minute)))
	}
	client := newUncheckedClient(t, transport, sfbackup.WithRetry(policy))
	ctx := t.Context()
	if random.IntN(3) == 0 {
		var cancel context.CancelFunc
		end := time.Duration(1 + random.Int64N(int64(2*time.Minute)))
		if random.IntN(2) == 0 {
			ctx, cancel = context.WithTimeout(ctx, end)
		} else {
			ctx, cancel = context.WithCancel(ctx)
			time.AfterFunc(end, cancel)
		}
		defer cancel()
	}
	var opts *sfbackup.BackupOptions
	if random.IntN(2) == 0 {
		opts = &sfbackup.BackupOptions{Storage: &sfbackup.FileShare{Path: `\\a\b`}, Timeout: time.Duration(random.Int64N(int64(20 * time.Minute)))}
	}
	var err error
	waits := random.IntN(2) == 0
	if !waits {
		err = client.BackupPartition(ctx, partition1, opts)
	} else {
		// BackupMany takes the same steps in its own loop. How the wait ends does not matter here.
		fleet := &sfbackup.BackupManyOptions{OnCount: func(sfbackup.BackupCount) {}}
		if opts != nil {
			fleet.Backup = *opts
		}
		results, optionsErr := client.BackupMany(ctx, slices.Values([]uuid.UUID{partition1}), fleet)
		if optionsErr != nil {
			t.Fatal(optionsErr)
		}
		for _, r := range results {
			if r.Start != sfbackup.Started {
				err = r.Err
			}
			unknown := errors.Is(r.Err, sfbackup.ErrOutcomeUnknown)
			if (r.Start == sfbackup.StartUnknown) != unknown && !errors.Is(r.Err, sfbackup.CodeBackupInProgress) {
				t.Errorf("the start is %v, and the error is %v", r.Start, r.Err)
			}
		}
	}
	if n := policy.MaxAttempts; len(transport.trace) > n+n*(1+n) && !waits {
		t.Errorf("%d requests with %d attempts", len(transport.trace), n)
	}
	starts := 0
	for _, line := range transport.trace {
		if strings.HasPrefix(line, http.MethodPost) {
			starts++
		}
	}
	time.Sleep(time.Hour) // every delayed request has taken effect by then

	accepted := transport.backups()
	class := ""
	switch {
	case accepted > 1 && transport.repeated+transport.stale > 0:
		class = "started twice, named"
	case accepted > 1:
		t.Errorf("%d backups were started", accepted)
	case err == nil && accepted == 0:
		t.Error("no backup was started, but the call succeeded")
	case err == nil && starts > 1:
		class = "started, sent again"
	case err == nil && strings.HasSuffix(transport.trace[len(transport.trace)-1], "/Backup"):
		class = "started, accepted"
	case err == nil:
		class = "started, response lost"
	case errors.Is(err, sfbackup.ErrOutcomeUnknown) && accepted > 0:
		class = "unknown, started"
	case errors.Is(err, sfbackup.ErrOutcomeUnknown):
		class = "unknown, not started"
	case accepted > 0 && (errors.Is(err, sfbackup.CodeBackupInProgress) && transport.repeated > 0 || transport.stale > 0):
		class = "started but failed, named"
	case accepted > 0:
		t.Errorf("a backup was started, but the call failed with %v", err)
	default:
		class = "not started"
	}
	seen[class]++
	if t.Failed() || *oneSeed > 0 {
		t.Logf("before: %s, policy %+v, with a deadline: %v, error %v; the requests:\n%s",
			history, policy, ctx != t.Context(), err, strings.Join(transport.trace, "\n"))
	}
}

// The requests and the errors of a start in common cases.
func TestStart(t *testing.T) {
	t.Parallel()
	on := func(f sfbackuptest.Fault) sfbackuptest.Fault { return f.On(sfbackuptest.OpBackupPartition) }
	unavailable := sfbackuptest.Answer(http.StatusServiceUnavailable, `{"Error":{"Code":"FABRIC_E_NOT_PRIMARY","Message":"m"}}`)
	observationsFail := func(n int) sfbackuptest.Fault { // all observations fail from the n-th on
		seen := 0
		return sfbackuptest.Answer(http.StatusInternalServerError, "").Times(0).On(sfbackuptest.OpGetPartitionBackupProgress).When(func(*http.Request) bool {
			seen++
			return seen >= n
		})
	}
	observationFails := sfbackuptest.Answer(http.StatusInternalServerError, "").On(sfbackuptest.OpGetPartitionBackupProgress)
	for name, tt := range map[string]struct {
		before string // in historiesBefore
		faults []sfbackuptest.Fault
		starts int
		want   string // the error
	}{
		"lost before effect, success before":        {"success", []sfbackuptest.Fault{on(sfbackuptest.Reset())}, 2, ""},
		"lost after effect, success before":         {"success", []sfbackuptest.Fault{on(sfbackuptest.Reset().AfterEffect())}, 1, ""},
		"lost after effect, failure before":         {"failure", []sfbackuptest.Fault{on(sfbackuptest.HangUp().AfterEffect())}, 1, ""},
		"lost before effect, none before":           {"none", []sfbackuptest.Fault{on(sfbackuptest.HangUp())}, 2, ""},
		"503 after effect":                          {"none", []sfbackuptest.Fault{on(unavailable.AfterEffect())}, 1, ""},
		"503 until there are no attempts left":      {"none", []sfbackuptest.Fault{on(unavailable.Times(4))}, 4, "sfbackup: BackupPartition: 503 FABRIC_E_NOT_PRIMARY: m"},
		"refused, then accepted":                    {"none", []sfbackuptest.Fault{on(sfbackuptest.Refuse())}, 2, ""},
		"a conflict":                                {"running", nil, 1, "sfbackup: BackupPartition: 409 FABRIC_E_BACKUP_IN_PROGRESS: Backup already in Progress"},
		"lost before effect, timeout before":        {"timeout", []sfbackuptest.Fault{on(sfbackuptest.Reset())}, 2, ""},
		"lost, and a failure before proves nothing": {"failure", []sfbackuptest.Fault{on(sfbackuptest.HangUp())}, 1, "sfbackup: BackupPartition: it is not known whether the backup was started (before: Failure, after: Failure): EOF"},
		"lost, while another runs":                  {"running", []sfbackuptest.Fault{on(sfbackuptest.HangUp())}, 1, "sfbackup: BackupPartition: it is not known whether the backup was started (before: BackupInProgress, after: BackupInProgress): EOF"},
		"lost, and all observations fail":           {"none", []sfbackuptest.Fault{on(sfbackuptest.HangUp().AfterEffect()), observationsFail(1)}, 1, "sfbackup: BackupPartition: it is not known whether the backup was started (before: not read, after: not read): EOF"},
		"lost, and later observations fail":         {"none", []sfbackuptest.Fault{on(sfbackuptest.HangUp().AfterEffect()), observationsFail(2)}, 1, "sfbackup: BackupPartition: it is not known whether the backup was started (before: no backup, after: not read): EOF"},
		"500 and nothing was started":               {"success", []sfbackuptest.Fault{on(sfbackuptest.Answer(http.StatusInternalServerError, ""))}, 1, "sfbackup: BackupPartition: 500 Internal Server Error"},
		"500 and it was started":                    {"success", []sfbackuptest.Fault{on(sfbackuptest.Answer(http.StatusInternalServerError, "").AfterEffect())}, 1, ""},
		"501 needs no second observation":           {"none", []sfbackuptest.Fault{on(sfbackuptest.Answer(http.StatusNotImplemented, "")), observationsFail(2)}, 1, "sfbackup: BackupPartition: 501 Not Implemented"},
		"lost, and the first observation fails":     {"success", []sfbackuptest.Fault{on(sfbackuptest.HangUp()), observationFails}, 1, "sfbackup: BackupPartition: it is not known whether the backup was started (before: not read, after: Success): EOF"},
		"lost, and no backup after it":              {"none", []sfbackuptest.Fault{on(sfbackuptest.HangUp()), observationFails}, 2, ""},
		"denied access needs no second observation": {"none", []sfbackuptest.Fault{on(sfbackuptest.DenyAccess()), observationsFail(2)}, 1, "sfbackup: BackupPartition: 403 E_ACCESSDENIED: Access Denied. (the cluster knows this client, but only an administrator may send this request)"},
		"accepted without an observation":           {"none", []sfbackuptest.Fault{observationsFail(1)}, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cluster := sfbackuptest.NewCluster()
				client := newUncheckedClient(t, cluster.Transport())
				if outcome := priorBackups[tt.before]; outcome != nil {
					cluster.SetOutcome(partition1, *outcome)
					if err := client.BackupPartition(t.Context(), partition1, nil); err != nil {
						t.Fatal(err)
					}
					if tt.before != "running" {
						time.Sleep(time.Hour)
					}
				}
				cluster.SetOutcome(partition1)
				before := posts(cluster)
				cluster.Inject(tt.faults...)
				err := client.BackupPartition(t.Context(), partition1, nil)
				if fmt.Sprint(err) != tt.want && (err != nil || tt.want != "") {
					t.Errorf("got  %v\nwant %s", err, tt.want)
				}
				if n := posts(cluster) - before; n != tt.starts {
					t.Errorf("%d starts", n)
				}
				unknown, ok := errors.AsType[*sfbackup.OutcomeUnknownError](err)
				if ok != strings.Contains(tt.want, "not known") || ok != errors.Is(err, sfbackup.ErrOutcomeUnknown) {
					t.Errorf("the error is a %T", err)
				}
				if ok {
					read := unknown.Before.Progress != nil || errors.Is(unknown.Before.Err, sfbackup.ErrNoBackup)
					if read == strings.Contains(tt.want, "before: not read") {
						t.Errorf("before: %+v", unknown.Before)
					}
				}
			})
		})
	}
}

// If there is no token for a start, nothing is sent, so it is certain that no backup was started.
func TestStartWithoutToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := sfbackuptest.NewCluster()
		calls := 0
		client := newUncheckedClient(t, cluster.Transport(), sfbackup.WithTokenSource(func(context.Context) (sfbackup.Token, error) {
			if calls++; calls > 1 {
				return sfbackup.Token{}, errors.New("no more")
			}
			return sfbackup.Token{Value: "a", Expires: time.Now().Add(time.Second)}, nil
		}))
		cluster.Script(t, sfbackuptest.Stall(time.Minute).On(sfbackuptest.OpGetPartitionBackupProgress))
		err := client.BackupPartition(t.Context(), partition1, nil)
		if err == nil || errors.Is(err, sfbackup.ErrOutcomeUnknown) || !strings.Contains(err.Error(), "sfbackup: BackupPartition: the token source: no more") || posts(cluster) > 0 {
			t.Errorf("%v after %d requests", err, posts(cluster))
		}
	})
}

// The outcome of a start is unknown if its context ends after the request was sent, but not if it ends before.
func TestStartInterrupted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		op      sfbackuptest.Operation
		unknown bool
	}{{sfbackuptest.OpBackupPartition, true}, {sfbackuptest.OpGetPartitionBackupProgress, false}} {
		synctest.Test(t, func(t *testing.T) {
			cluster := sfbackuptest.NewCluster()
			cluster.Script(t, sfbackuptest.Stall(0).On(tt.op))
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("the maintenance window is over"))
			defer cancel()
			err := newUncheckedClient(t, cluster.Transport()).BackupPartition(ctx, partition1, nil)
			if errors.Is(err, sfbackup.ErrOutcomeUnknown) != tt.unknown || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the maintenance window is over") {
				t.Errorf("%s: got %v", tt.op, err)
			}
		})
	}
}

// JoinRunning waits for the running backup even if it is unknown which call started it.
func TestJoinRunningWithUnknownOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := sfbackuptest.NewCluster()
		client := newUncheckedClient(t, cluster.Transport())
		if err := client.BackupPartition(t.Context(), partition1, nil); err != nil {
			t.Fatal(err)
		}
		join := func(join bool) (*sfbackup.Progress, error) {
			cluster.Script(t, sfbackuptest.HangUp().On(sfbackuptest.OpBackupPartition))
			return client.BackupAndWait(t.Context(), partition1, nil, &sfbackup.WaitOptions{JoinRunning: join})
		}
		if _, err := join(false); !errors.Is(err, sfbackup.ErrOutcomeUnknown) {
			t.Errorf("without the option: %v", err)
		}
		if p, err := join(true); err != nil || p.BackupState != sfbackup.BackupStateSuccess {
			t.Errorf("got %+v, %v", p, err)
		}
		if n := len(cluster.Backups(partition1)); n != 4 {
			t.Errorf("%d backups", n)
		}
	})
}
