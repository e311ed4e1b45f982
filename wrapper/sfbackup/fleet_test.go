package sfbackup_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/http"
	goruntime "runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/openapi/contract"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// fleetCluster returns a client of a cluster with n services of one partition each.
func fleetCluster(t testing.TB, n int) (*sfbackup.Client, *sfbackuptest.Cluster) {
	t.Helper()
	var services []sfbackuptest.Service
	for i := range n {
		services = append(services, sfbackuptest.Service{
			Name:       "fabric:/App/Svc" + strings.Repeat("x", i),
			Partitions: []sfbackuptest.Partition{{Backups: sfbackuptest.Chain(day, time.Hour, 3, 100)}},
		})
	}
	return newClusterClient(t, sfbackuptest.WithServices(services...))
}

// backupMany calls BackupMany with valid options.
func backupMany(t testing.TB, client *sfbackup.Client, partitions iter.Seq[uuid.UUID], opts *sfbackup.BackupManyOptions) iter.Seq2[uuid.UUID, sfbackup.BackupResult] {
	t.Helper()
	results, err := client.BackupMany(t.Context(), partitions, opts)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// Progress is reported on the goroutine of the loop, and an error of OnProgress ends the wait for its partition
// alone.
func TestBackupManyOnProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, cluster := fleetCluster(t, 5)
		partitions := cluster.Partitions()
		errEnough := errors.New("enough")
		states := map[uuid.UUID][]sfbackup.BackupState{} // without a lock: the race detector would report another goroutine
		results := map[uuid.UUID]sfbackup.BackupResult{}
		for partition, r := range backupMany(t, client, slices.Values(partitions), &sfbackup.BackupManyOptions{
			OnProgress: func(partition uuid.UUID, p *sfbackup.Progress) error {
				states[partition] = append(states[partition], p.BackupState)
				if partition == partitions[2] {
					return errEnough
				}
				return nil
			},
		}) {
			results[partition] = r
			last := states[partition][len(states[partition])-1]
			if partition == partitions[2] {
				if r.Err != errEnough || r.Start != sfbackup.Started || len(states[partition]) != 1 || r.Progress.BackupState != last { //nolint:errorlint // it is promised as it is
					t.Errorf("got %+v after %v", r, states[partition])
				}
			} else if r.Err != nil || r.Start != sfbackup.Started || last != sfbackup.BackupStateSuccess || states[partition][0] != sfbackup.BackupStateAccepted {
				t.Errorf("got %+v after %v", r, states[partition])
			}
		}
		if len(results) != 5 {
			t.Errorf("%d results", len(results))
		}
	})
}

// Every partition gets one result when its backup ends, and no more backups are in flight than allowed.
func TestBackupMany(t *testing.T) {
	t.Parallel()
	for _, concurrency := range []int{0, 1, 3, 50, 1000} {
		synctest.Test(t, func(t *testing.T) {
			const n = 60
			client, cluster := fleetCluster(t, n)
			partitions := cluster.Partitions()
			cluster.SetOutcome(partitions[7], sfbackuptest.Outcome{Code: "FABRIC_E_BACKUPCOPIER_ACCESS_DENIED"})
			cluster.SetOutcome(partitions[8], sfbackuptest.Outcome{Running: 5 * time.Minute})
			missing := uuid.New()
			taken := 0
			seq := func(yield func(uuid.UUID) bool) {
				for _, p := range append(slices.Clone(partitions), missing) {
					taken++
					if !yield(p) {
						return
					}
				}
			}
			limit := concurrency
			if limit == 0 {
				limit = 16
			}
			var last sfbackup.BackupCount
			results := map[uuid.UUID]error{}
			for partition, r := range backupMany(t, client, seq, &sfbackup.BackupManyOptions{
				Concurrency: concurrency,
				OnCount: func(p sfbackup.BackupCount) {
					last = p
					if p.InFlight > limit || p.Started != taken || p.InFlight+p.Succeeded+p.Failed != p.Started {
						t.Errorf("concurrency %d: %+v after %d", concurrency, p, taken)
					}
				},
			}) {
				if _, twice := results[partition]; twice {
					t.Errorf("%s has two results", partition)
				}
				results[partition] = r.Err
				if r.Err == nil && r.Progress.BackupState != sfbackup.BackupStateSuccess {
					t.Errorf("a success with %+v", r.Progress)
				}
				want := sfbackup.Started
				if partition == missing {
					want = sfbackup.NotStarted
				}
				if r.Start != want {
					t.Errorf("%s: %v, want %v", partition, r.Start, want)
				}
			}
			if want := (sfbackup.BackupCount{Started: n + 1, Succeeded: n - 1, Failed: 2}); last != want {
				t.Errorf("concurrency %d: got %+v, want %+v", concurrency, last, want)
			}
			if len(results) != n+1 || !errors.Is(results[partitions[7]], sfbackup.CodeCopierAccessDenied) ||
				!errors.Is(results[missing], sfbackup.CodePartitionNotFound) || results[partitions[8]] != nil {
				t.Errorf("got %v, %v, %v", results[partitions[7]], results[missing], results[partitions[8]])
			}
		})
	}
}

// When the context ends, no further partition is taken, and each that was taken has a result that says whether
// its backup was started.
func TestBackupManyCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, cluster := fleetCluster(t, 10)
		partitions := cluster.Partitions()
		for _, p := range partitions {
			cluster.SetOutcome(p, sfbackuptest.Outcome{Accepted: -1, Running: time.Hour})
		}
		cluster.SetOutcome(partitions[0], sfbackuptest.Outcome{Accepted: -1, Running: -1})
		errWindow := errors.New("the maintenance window has ended")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(errWindow) })
		states := map[string]int{}
		results, err := client.BackupMany(ctx, slices.Values(partitions), &sfbackup.BackupManyOptions{Concurrency: 4})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			switch {
			case r.Err == nil:
				states["ended"]++
			case !errors.Is(r.Err, errWindow):
				t.Errorf("%v does not wrap the cause", r.Err)
			case r.Start == sfbackup.Started && r.Progress.BackupState == sfbackup.BackupStateInProgress && strings.Contains(r.Err.Error(), "last state BackupInProgress"):
				states["running"]++
			default:
				t.Errorf("got %+v", r)
			}
		}
		if diff := cmp.Diff(map[string]int{"ended": 1, "running": 4}, states); diff != "" {
			t.Error(diff)
		}
	})

	// The context ends while a request is in flight, and then before anything is sent.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		cancel()
		<-req.Context().Done()
		return nil, req.Context().Err()
	}))
	for _, want := range []int{3, 0} {
		n := 0
		results, err := client.BackupMany(ctx, slices.Values([]uuid.UUID{id1, id2, id3}), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			n++
			if !errors.Is(r.Err, context.Canceled) || r.Start != sfbackup.NotStarted || !strings.Contains(r.Err.Error(), "BackupPartition") {
				t.Errorf("got %+v", r)
			}
		}
		if n != want {
			t.Errorf("%d results, want %d", n, want)
		}
	}
}

// Leaving the loop ends all requests and goroutines; the bubble would report one that is left.
func TestBackupManyBreak(t *testing.T) {
	t.Parallel()
	for _, stop := range []int{1, 5} {
		for _, cancelled := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				client, cluster := fleetCluster(t, 10)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				n := 0
				results, err := client.BackupMany(ctx, slices.Values(cluster.Partitions()), &sfbackup.BackupManyOptions{Concurrency: 4})
				if err != nil {
					t.Fatal(err)
				}
				for range results {
					if cancelled {
						cancel()
					}
					if n++; n == stop {
						break
					}
				}
				want := stop
				if cancelled {
					want = min(stop, 4) // no more are in flight, and no further one is taken
				}
				if n != want {
					t.Errorf("%d results, want %d", n, want)
				}
			})
		}
	}
}

func TestBackupManyOptions(t *testing.T) {
	t.Parallel()
	client := newClient(t, neverSent(t))
	for _, opts := range []sfbackup.BackupManyOptions{
		{Concurrency: -1},
		{Wait: sfbackup.WaitOptions{MinDelay: -1}},
		{Wait: sfbackup.WaitOptions{MinDelay: 2, MaxDelay: 1}},
		{Wait: sfbackup.WaitOptions{OnProgress: func(*sfbackup.Progress) error { return nil }}},
		{Backup: sfbackup.BackupOptions{Timeout: -1}},
		{Backup: sfbackup.BackupOptions{Storage: &sfbackup.AzureBlobStore{}}},
	} {
		results, err := client.BackupMany(t.Context(), slices.Values([]uuid.UUID{id1}), &opts)
		if results != nil || err == nil || !strings.HasPrefix(err.Error(), "sfbackup: BackupMany: ") {
			t.Errorf("%+v: got %v", opts, err)
		}
	}
	for range backupMany(t, client, func(func(uuid.UUID) bool) {}, nil) {
		t.Error("a result for no partition")
	}
	for _, r := range backupMany(t, client, slices.Values([]uuid.UUID{uuid.Nil}), nil) {
		if r.Start != sfbackup.NotStarted || fmt.Sprint(r.Err) != "sfbackup: BackupPartition: the partition id is not set" {
			t.Errorf("no partition id: got %+v", r)
		}
	}

	synctest.Test(t, func(t *testing.T) {
		client, cluster := fleetCluster(t, 1)
		p := cluster.Partitions()[0]
		if err := client.BackupPartition(t.Context(), p, nil); err != nil {
			t.Fatal(err)
		}
		for _, join := range []bool{false, true} {
			opts := &sfbackup.BackupManyOptions{Wait: sfbackup.WaitOptions{JoinRunning: join}}
			for _, r := range backupMany(t, client, slices.Values([]uuid.UUID{p}), opts) {
				if join != (r.Err == nil) || !join && !errors.Is(r.Err, sfbackup.CodeBackupInProgress) || r.Start != sfbackup.NotStarted {
					t.Errorf("join %v: %+v", join, r)
				}
			}
		}
	})
}

// The schedule alone says how often a progress is polled, not the number of partitions in flight.
func TestBackupManySchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := sfbackuptest.NewCluster()
		for _, p := range cluster.Partitions() {
			cluster.SetOutcome(p, sfbackuptest.Outcome{Accepted: -1, Running: 9 * time.Minute})
		}
		polls := 0
		transport := contract.ForTest(t, runtime, cluster.Transport())
		client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			if strings.HasSuffix(req.URL.Path, "GetBackupProgress") {
				polls++
			}
			return transport.RoundTrip(req)
		}))
		for _, r := range backupMany(t, client, slices.Values(cluster.Partitions()), nil) {
			if r.Err != nil {
				t.Error(r.Err)
			}
		}
		// Two partitions for nine minutes: a poll every 22 to 30 seconds, after a few at shorter delays.
		if polls < 2*18 || polls > 2*32 {
			t.Errorf("%d polls", polls)
		}
	})
}

// The delays between polls are those of a single wait.
func TestBackupManyDelays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, cluster := fleetCluster(t, 2)
		start := time.Now()
		for _, r := range backupMany(t, client, slices.Values(cluster.Partitions()), &sfbackup.BackupManyOptions{
			Wait:   sfbackup.WaitOptions{MinDelay: time.Hour, MaxDelay: math.MaxInt64},
			Backup: sfbackup.BackupOptions{Timeout: 3 * time.Hour},
		}) {
			if r.Err != nil {
				t.Error(r.Err)
			}
		}
		if took := time.Since(start); took < time.Hour || took > 90*time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

// At most 16 requests are in flight, however many backups are.
func TestBackupManyRequestsAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.LargeCluster(10, 20, 1)...))
		var inFlight, most atomic.Int64
		client := newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			n := inFlight.Add(1)
			defer inFlight.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Second)
			return cluster.Transport().RoundTrip(req)
		}))
		ended := 0
		for _, r := range backupMany(t, client, slices.Values(cluster.Partitions()), &sfbackup.BackupManyOptions{Concurrency: 200}) {
			if r.Err != nil {
				t.Error(r.Err)
			}
			ended++
		}
		if ended != 200 || most.Load() != 16 {
			t.Errorf("%d results, at most %d requests in flight", ended, most.Load())
		}
	})
}

// Leaving the loop works while many responses are in flight.
func TestBackupManyBreakInFlight(t *testing.T) {
	t.Parallel()
	client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodPost {
			return canned{status: "202 Accepted"}.response(req), nil
		}
		return ok(`{"BackupState":"Success","TimeStampUtc":"2018-01-01T09:00:55Z","BackupId":"` + uuid.NewString() + `"}`).response(req), nil
	}))
	endless := func(yield func(uuid.UUID) bool) {
		for yield(uuid.New()) {
		}
	}
	for range 200 {
		n := 0
		for _, r := range backupMany(t, client, endless, &sfbackup.BackupManyOptions{Concurrency: 200}) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			if n++; n == 300 {
				break
			}
			if n%7 == 0 {
				goruntime.Gosched() // so that responses accumulate
			}
		}
	}
}

// BackupMany waits as long as a Retry-After asks it to, before a start, at the start and after it. Many partitions
// that wait do not delay another one.
func TestBackupManyRetryAfter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		attempts int
		when     func(method string, started bool) bool
	}{
		{0, func(method string, started bool) bool { return method == http.MethodGet && !started }},
		{0, func(method string, _ bool) bool { return method == http.MethodPost }},
		{0, func(method string, started bool) bool { return method == http.MethodGet && started }},
		{1, func(method string, started bool) bool { return method == http.MethodGet && started }},
	} {
		synctest.Test(t, func(t *testing.T) { testBackupManyRetryAfter(t, tt.attempts, tt.when) })
	}
}

func testBackupManyRetryAfter(t *testing.T, attempts int, when func(method string, started bool) bool) {
	t.Helper()
	_, cluster := fleetCluster(t, 20)
	client := newClient(t, cluster.Transport(), sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: attempts}))
	busy := cluster.Partitions()[:19]
	for _, p := range busy {
		started := false
		cluster.Script(t, sfbackuptest.Answer(http.StatusServiceUnavailable, "").Header("Retry-After", "100").When(func(r *http.Request) bool {
			if !strings.Contains(r.URL.Path, p.String()) {
				return false
			}
			hit := when(r.Method, started)
			started = started || r.Method == http.MethodPost
			return hit
		}))
	}
	start := time.Now()
	for partition, r := range backupMany(t, client, slices.Values(cluster.Partitions()), &sfbackup.BackupManyOptions{Concurrency: 20}) {
		if r.Err != nil {
			t.Error(r.Err)
		}
		if took := time.Since(start); took < 100*time.Second && slices.Contains(busy, partition) ||
			took >= 100*time.Second && !slices.Contains(busy, partition) {
			t.Errorf("%s took %v", partition, took)
		}
	}
}
