package sfbackup_test

import (
	"context"
	"errors"
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

// fleetCluster is a cluster with n services of one partition each.
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

// Every partition gets one result, as its backup ends; and no more are under way than allowed.
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
			asked := 0
			seq := func(yield func(uuid.UUID) bool) {
				for _, p := range append(slices.Clone(partitions), missing) {
					asked++
					if !yield(p) {
						return
					}
				}
			}
			limit := concurrency
			if limit == 0 {
				limit = 16
			}
			var last sfbackup.FleetProgress
			results := map[uuid.UUID]error{}
			for r, err := range client.BackupMany(t.Context(), seq, &sfbackup.FleetOptions{
				Concurrency: concurrency,
				OnProgress: func(p sfbackup.FleetProgress) {
					last = p
					if p.InFlight > limit || p.Started != asked || p.InFlight+p.Succeeded+p.Failed != p.Started {
						t.Errorf("concurrency %d: %+v after %d", concurrency, p, asked)
					}
				},
			}) {
				if _, twice := results[r.Partition]; twice {
					t.Errorf("%s has two results", r.Partition)
				}
				results[r.Partition] = err
				if err == nil && r.Progress.BackupState != sfbackup.BackupStateSuccess {
					t.Errorf("a success with %+v", r.Progress)
				}
			}
			if want := (sfbackup.FleetProgress{Started: n + 1, Succeeded: n - 1, Failed: 2}); last != want {
				t.Errorf("concurrency %d: got %+v, want %+v", concurrency, last, want)
			}
			if len(results) != n+1 || !errors.Is(results[partitions[7]], sfbackup.CodeCopierAccessDenied) ||
				!errors.Is(results[missing], sfbackup.CodePartitionNotFound) || results[partitions[8]] != nil {
				t.Errorf("got %v, %v, %v", results[partitions[7]], results[missing], results[partitions[8]])
			}
		})
	}
}

// When the context ends, every partition has a result that says how far it was.
func TestBackupManyCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, cluster := fleetCluster(t, 10)
		partitions := cluster.Partitions()
		for _, p := range partitions {
			cluster.SetOutcome(p, sfbackuptest.Outcome{Accepted: -1, Running: time.Hour})
		}
		cluster.SetOutcome(partitions[0], sfbackuptest.Outcome{Accepted: -1, Running: -1})
		errNoon := errors.New("the window has closed")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(errNoon) })
		states := map[string]int{}
		for r, err := range client.BackupMany(ctx, slices.Values(partitions), &sfbackup.FleetOptions{Concurrency: 4}) {
			switch {
			case err == nil:
				states["ended"]++
			case !errors.Is(err, errNoon):
				t.Errorf("%v does not wrap the cause", err)
			case r.Progress == nil && strings.Contains(err.Error(), "was not started"):
				states["not started"]++
			case r.Progress.BackupState == sfbackup.BackupStateInProgress && strings.Contains(err.Error(), "last state BackupInProgress"):
				states["under way"]++
			default:
				t.Errorf("got %+v, %v", r.Progress, err)
			}
		}
		if diff := cmp.Diff(map[string]int{"ended": 1, "under way": 4, "not started": 5}, states); diff != "" {
			t.Error(diff)
		}
	})

	// A context that has ended before, a request that is under way when it ends.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		cancel()
		<-req.Context().Done()
		return nil, req.Context().Err()
	}))
	for range 2 {
		n := 0
		for _, err := range client.BackupMany(ctx, slices.Values([]uuid.UUID{id1, id2, id3}), nil) {
			n++
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
		if n != 3 {
			t.Errorf("%d results", n)
		}
	}
}

// Leaving the loop ends all requests and leaves nothing behind, which the bubble would notice.
func TestBackupManyBreak(t *testing.T) {
	t.Parallel()
	for _, stop := range []int{1, 5} {
		for _, cancelled := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				client, cluster := fleetCluster(t, 10)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				n := 0
				for range client.BackupMany(ctx, slices.Values(cluster.Partitions()), &sfbackup.FleetOptions{Concurrency: 4}) { //nolint:errcheck // a test
					if cancelled {
						cancel()
					}
					if n++; n == stop {
						break
					}
				}
				if n != stop {
					t.Errorf("%d results", n)
				}
			})
		}
	}
}

func TestBackupManyOptions(t *testing.T) {
	t.Parallel()
	client := newClient(t, neverSent(t))
	for _, opts := range []sfbackup.FleetOptions{{Concurrency: -1}, {MinDelay: -1}, {MinDelay: 2, MaxDelay: 1}} {
		n := 0
		for _, err := range client.BackupMany(t.Context(), slices.Values([]uuid.UUID{id1}), &opts) {
			if n++; err == nil || !strings.HasPrefix(err.Error(), "sfbackup: BackupMany: ") {
				t.Errorf("%+v: got %v", opts, err)
			}
		}
		if n != 1 {
			t.Errorf("%+v: %d results", opts, n)
		}
	}
	for _, err := range client.ServicesBackups(t.Context(), slices.Values([]sfbackup.ServiceName{calcService}), &sfbackup.FleetOptions{Concurrency: -1}) {
		if err == nil {
			t.Error("ServicesBackups: no error")
		}
	}
	for range client.BackupMany(t.Context(), func(func(uuid.UUID) bool) {}, nil) { //nolint:errcheck // there is none
		t.Error("a result for no partition")
	}

	synctest.Test(t, func(t *testing.T) {
		client, cluster := fleetCluster(t, 1)
		p := cluster.Partitions()[0]
		if err := client.BackupPartition(t.Context(), p, nil); err != nil {
			t.Fatal(err)
		}
		for _, join := range []bool{false, true} {
			for _, err := range client.BackupMany(t.Context(), slices.Values([]uuid.UUID{p}), &sfbackup.FleetOptions{JoinRunning: join}) {
				if join != (err == nil) || !join && !errors.Is(err, sfbackup.CodeBackupInProgress) {
					t.Errorf("join %v: %v", join, err)
				}
			}
		}
	})
}

// Waiting costs requests by the schedule and not by the number of partitions at a time.
func TestBackupManySchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := sfbackuptest.NewCluster()
		for _, p := range cluster.Partitions() {
			cluster.SetOutcome(p, sfbackuptest.Outcome{Accepted: -1, Running: 9 * time.Minute})
		}
		looks := 0
		transport := contract.ForTest(t, runtime, cluster.Transport())
		client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			if strings.HasSuffix(req.URL.Path, "GetBackupProgress") {
				looks++
			}
			return transport.RoundTrip(req)
		}))
		for _, err := range client.BackupMany(t.Context(), slices.Values(cluster.Partitions()), nil) {
			if err != nil {
				t.Error(err)
			}
		}
		// Two partitions, nine minutes, at most every 22 and at least every 30 seconds, and the first few.
		if looks < 2*18 || looks > 2*32 {
			t.Errorf("%d looks", looks)
		}
	})
}

func TestServicesBackups(t *testing.T) {
	t.Parallel()
	for _, concurrency := range []int{0, 1, 100} {
		client, cluster := fleetCluster(t, 30)
		want := map[uuid.UUID]bool{}
		for _, p := range cluster.Partitions() {
			for _, b := range cluster.Backups(p) {
				want[b.ID] = true
			}
		}
		var failed []sfbackup.ServiceName
		for b, err := range client.ServicesBackups(t.Context(), fleetServices(30, "fabric:/App/Nothing", "App//"), &sfbackup.FleetOptions{Concurrency: concurrency}) {
			if err != nil {
				failed = append(failed, b.ServiceName)
				if !strings.HasPrefix(err.Error(), string(b.ServiceName)+": sfbackup: GetServiceBackupList: ") {
					t.Errorf("got %v", err)
				}
				continue
			}
			if !want[b.BackupID] {
				t.Errorf("%s is not expected, or comes twice", b.BackupID)
			}
			delete(want, b.BackupID)
		}
		slices.Sort(failed)
		if diff := cmp.Diff([]sfbackup.ServiceName{"App//", "fabric:/App/Nothing"}, failed); diff != "" || len(want) > 0 {
			t.Errorf("concurrency %d: %d are missing, %s", concurrency, len(want), diff)
		}
	}
}

func fleetServices(n int, more ...sfbackup.ServiceName) iter.Seq[sfbackup.ServiceName] {
	return func(yield func(sfbackup.ServiceName) bool) {
		for i := range n {
			if !yield(sfbackup.ServiceName("fabric:/App/Svc" + strings.Repeat("x", i))) {
				return
			}
		}
		for _, s := range more {
			if !yield(s) {
				return
			}
		}
	}
}

// Leaving the loop, and a context that ends, leave nothing behind.
func TestServicesBackupsEndEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, _ := fleetCluster(t, 30)
		n := 0
		for _, err := range client.ServicesBackups(t.Context(), fleetServices(30), nil) {
			if n++; err != nil || n == 150 {
				break
			}
		}
		if n != 150 {
			t.Errorf("%d backups", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		errs := 0
		for _, err := range client.ServicesBackups(ctx, fleetServices(30), nil) {
			cancel()
			if err != nil {
				if errs++; !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			}
		}
		if errs < 14 || errs > 30 {
			t.Errorf("%d services have an error", errs)
		}
		for _, err := range client.ServicesBackups(t.Context(), fleetServices(0, "App//"), nil) {
			if err == nil {
				t.Error("no error")
			}
			break
		}
	})
}

// The delays of a fleet are those of one wait.
func TestFleetDelays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, cluster := fleetCluster(t, 2)
		start := time.Now()
		for _, err := range client.BackupMany(t.Context(), slices.Values(cluster.Partitions()), &sfbackup.FleetOptions{
			MinDelay: time.Hour, MaxDelay: math.MaxInt64, Backup: sfbackup.BackupOptions{Timeout: 3 * time.Hour},
		}) {
			if err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took < time.Hour || took > 90*time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

// However many backups are in flight, few requests are.
func TestBackupManyRequestsAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.LargeCluster(10, 20, 1)...))
		var now, most atomic.Int64
		client := newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			n := now.Add(1)
			defer now.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Second)
			return cluster.Transport().RoundTrip(req)
		}))
		ended := 0
		for _, err := range client.BackupMany(t.Context(), slices.Values(cluster.Partitions()), &sfbackup.FleetOptions{Concurrency: 200}) {
			if err != nil {
				t.Error(err)
			}
			ended++
		}
		if ended != 200 || most.Load() != 16 {
			t.Errorf("%d results, %d requests at a time", ended, most.Load())
		}
	})
}

// Leaving the loop ends it, however many results are on their way just then.
func TestBackupManyBreakInFlight(t *testing.T) {
	t.Parallel()
	success := ok(`{"BackupState":"Success","TimeStampUtc":"2018-01-01T09:00:55Z","BackupId":"3a056ac9-7206-43c3-8424-6f6103003eba"}`)
	client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodPost {
			return answer{status: "202 Accepted"}.response(req), nil
		}
		return success.response(req), nil
	}))
	endless := func(yield func(uuid.UUID) bool) {
		for yield(uuid.New()) {
		}
	}
	for range 200 {
		n := 0
		for _, err := range client.BackupMany(t.Context(), endless, &sfbackup.FleetOptions{Concurrency: 200}) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 300 {
				break
			}
			if n%7 == 0 {
				goruntime.Gosched() // so that results pile up
			}
		}
	}
}

// A server that wants to be left alone for longer than the next look is, and that holds up no other
// partition, however many there are; before a start, at it, and after it.
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
	for r, err := range client.BackupMany(t.Context(), slices.Values(cluster.Partitions()), &sfbackup.FleetOptions{Concurrency: 20}) {
		if err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 100*time.Second && slices.Contains(busy, r.Partition) ||
			took >= 100*time.Second && !slices.Contains(busy, r.Partition) {
			t.Errorf("%s took %v", r.Partition, took)
		}
	}
}
