package sfbackup_test

import (
	"context"
	"errors"
	"flag"
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

var socketSchedules = flag.Int("sfbackup.sockets", 150, "how many random schedules the property tests run over sockets")

// A socketRun is a client and a cluster with HTTP faults, and with a fault proxy between them.
type socketRun struct {
	cluster *sfbackuptest.Cluster
	client  *sfbackup.Client
	// settle returns when every request has taken effect.
	settle func()
}

// overSockets runs a test with each schedule over sockets, several at a time because they mostly wait. It counts
// the classes that the test returns. The good class has to be among them.
func overSockets(t *testing.T, good string, opts []sfbackuptest.Option, faults []sfbackuptest.Fault, test func(t *testing.T, random *rand.Rand, run *socketRun) (class string, err error)) {
	t.Helper()
	first, last := int64(1), int64(*socketSchedules)
	if *oneSeed > 0 {
		first, last = int64(*oneSeed), int64(*oneSeed)
	}
	var next atomic.Int64
	next.Store(first)
	var mu sync.Mutex
	seen, injected := map[string]int{}, map[string]int{}
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for n := next.Add(1) - 1; n <= last; n = next.Add(1) - 1 {
				seed := uint64(n)
				random := rand.New(rand.NewPCG(seed, 1))
				cluster := sfbackuptest.NewCluster(opts...)
				cluster.Schedule(seed, random.Float64(), faults...)
				proxy := newFaultProxy(t, newServer(t, cluster).URL, seed)
				transport := &http.Transport{}
				client, err := sfbackup.NewClient("http://"+proxy.Addr, sfbackup.WithHTTPClient(&http.Client{Transport: transport}),
					sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1 + random.IntN(4), MinDelay: time.Millisecond, MaxDelay: 10 * time.Millisecond, AttemptTimeout: 300 * time.Millisecond}))
				if err != nil {
					t.Error(err)
					return
				}
				class, err := test(t, random, &socketRun{cluster, client, func() {
					transport.CloseIdleConnections()
					proxy.WaitIdle()
				}})
				transport.CloseIdleConnections()
				mu.Lock()
				seen[class]++
				for kind, n := range proxy.Counts() {
					injected[kind] += n
				}
				mu.Unlock()
				if t.Failed() {
					t.Logf("to repeat it: -run '^%s$' -sfbackup.seed %d; it ended with %v", t.Name(), seed, err)
					return
				}
			}
		})
	}
	workers.Wait()
	t.Logf("%d schedules: %v; faults in connections %v", last-first+1, seen, injected)
	if *oneSeed == 0 && (len(seen) < 2 || seen[good] == 0 || len(injected) < 4) {
		t.Error("too few faults happened, or no call succeeded")
	}
}

// Over sockets, too, one call starts one backup or none.
func TestStartOverSockets(t *testing.T) {
	t.Parallel()
	unavailable := sfbackuptest.Answer(http.StatusServiceUnavailable, `{"Error":{"Code":"FABRIC_E_NOT_PRIMARY","Message":"m"}}`)
	faults := []sfbackuptest.Fault{
		sfbackuptest.Reset(), sfbackuptest.Reset().AfterEffect(), sfbackuptest.HangUp(), sfbackuptest.HangUp().AfterEffect(),
		unavailable, unavailable.AfterEffect(), sfbackuptest.Answer(http.StatusGatewayTimeout, "").AfterEffect(),
	}
	overSockets(t, "started", nil, faults, func(t *testing.T, random *rand.Rand, run *socketRun) (string, error) {
		run.cluster.SetOutcome(partition1, sfbackuptest.Outcome{Accepted: -1, Running: -1})
		before := len(run.cluster.Backups(partition1))
		opts := &sfbackup.BackupOptions{}
		if random.IntN(2) == 0 {
			opts.Timeout = time.Hour // its request is built in another way
		}
		err := run.client.BackupPartition(t.Context(), partition1, opts)
		run.settle()
		started := len(run.cluster.Backups(partition1)) - before
		switch {
		case started > 1 || err == nil && started == 0 || err != nil && started > 0 && !errors.Is(err, sfbackup.ErrOutcomeUnknown):
			t.Errorf("%d backups were started, and the call returned %v", started, err)
			return "wrong", err
		case err == nil:
			return "started", nil
		case errors.Is(err, sfbackup.ErrOutcomeUnknown):
			return "unknown", err
		default:
			return "not started", err
		}
	})
}

// Over sockets, too, a list is complete or ends with an error.
func TestListsOverSockets(t *testing.T) {
	t.Parallel()
	faults := []sfbackuptest.Fault{
		sfbackuptest.Reset(), sfbackuptest.HangUp(), sfbackuptest.CutBody(2000), sfbackuptest.CutBody(9000),
		sfbackuptest.Answer(http.StatusServiceUnavailable, ""), sfbackuptest.DuplicatePage(), sfbackuptest.RepeatToken(),
	}
	overSockets(t, "complete", manyServices(), faults, func(t *testing.T, random *rand.Rand, run *socketRun) (string, error) {
		missing := backupIDs(run.cluster, run.cluster.Partitions()...)
		all := maps.Clone(missing)
		// Only the context ends a body that stalls.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for b, err := range run.client.ServiceBackups(ctx, "Shop/Orders/Archive", &sfbackup.ListOptions{PageSize: []int{0, 1, 5}[random.IntN(3)]}) {
			if err != nil {
				if len(missing) == len(all) {
					return "error", err
				}
				return "error in the middle", err
			}
			if !missing[b.BackupID] {
				t.Errorf("%s is listed twice, or does not exist", b.BackupID)
			}
			delete(missing, b.BackupID)
		}
		if len(missing) > 0 {
			t.Errorf("%d backups are missing without an error", len(missing))
		}
		return "complete", nil
	})
}
