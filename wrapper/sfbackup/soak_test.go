package sfbackup_test

import (
	"context"
	"errors"
	"flag"
	"iter"
	"math/rand/v2"
	"net/http"
	"os"
	goruntime "runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/internal/faultproxy"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

var (
	soakTime = flag.Duration("sfbackup.soak", time.Second, "how long TestSoak runs; make soak takes a minute")
	soakSeed = flag.Uint64("sfbackup.soakseed", 0, "the seed of the faults of TestSoak; 0: a random one")
)

const (
	soakInFlight   = 64
	soakServices   = 10
	soakPartitions = 8 // of each service
	// soakBackup is how long a backup takes. It is long enough for many to be in flight.
	soakBackup = 150 * time.Millisecond
	// soakRetention keeps lists from growing with the length of the run.
	soakRetention = 40 * time.Second
)

// Many partitions are backed up and listed in rounds, with faults in HTTP and in the connections below it. No backup
// is lost, none is started twice, and no memory, goroutine or connection leaks.
//
// The test is not parallel, because it measures the heap and the goroutines of the process.
func TestSoak(t *testing.T) {
	if seed, err := strconv.ParseUint(os.Getenv(soakEnvironment), 10, 64); err == nil {
		serveSoakCluster(seed, os.Stdin, os.Stdout)
		return
	}
	debug.SetTraceback("all")
	watchdog := time.AfterFunc(*soakTime+2*time.Minute, func() { panic("TestSoak hangs") })
	defer watchdog.Stop()
	newSoak(t).run()
}

// A soak is one run of TestSoak.
type soak struct {
	*testing.T
	seed       uint64
	short      bool                          // a round or two, as in make test
	ask        func(when string) *soakReport // see startSoakCluster
	proxy      *faultproxy.Proxy
	transport  *http.Transport
	client     *sfbackup.Client
	goroutines int // before it began
	// responseTimeout is how long the client waits for the response to a request. It waits twice as long for the
	// next backup of a list, whose body may stall. Only half-open connections take longer than a few hundredths
	// of a second.
	responseTimeout time.Duration

	rounds, started, mostInFlight int
	heap                          []uint64       // before the first round and after each
	results, lists                map[string]int // by kind
	faults                        map[string]int
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{T: t, seed: *soakSeed, short: *soakTime < 10*time.Second, results: map[string]int{}, lists: map[string]int{}, faults: map[string]int{}}
	if s.seed == 0 {
		s.seed = rand.Uint64()
	}
	if s.responseTimeout = 400 * time.Millisecond; s.short {
		s.responseTimeout = 250 * time.Millisecond
	}
	s.goroutines = goruntime.NumGoroutine()
	s.ask = startSoakCluster(t, s.seed)
	s.proxy = newFaultProxy(t, s.ask("now").URL, s.seed)
	s.transport = &http.Transport{MaxIdleConnsPerHost: soakInFlight, ResponseHeaderTimeout: s.responseTimeout}
	client := newClientAt(t, "http://"+s.proxy.Addr,
		sfbackup.WithHTTPClient(&http.Client{Transport: s.transport}),
		sfbackup.WithRetry(sfbackup.RetryPolicy{MinDelay: 5 * time.Millisecond, MaxDelay: 20 * time.Millisecond, AttemptTimeout: s.responseTimeout}))
	s.client = client
	return s
}

func (s *soak) run() {
	start := time.Now()
	report := s.ask("now")
	s.heap = append(s.heap, heapInUse())
	for time.Since(start) < *soakTime || len(s.missing()) > 0 && s.rounds < 20 {
		if report = s.round(report); s.Failed() {
			s.Fatalf("the seed was %d", s.seed)
		}
		s.rounds++
		s.heap = append(s.heap, heapInUse())
	}
	took := time.Since(start).Round(time.Millisecond)
	first, second := s.checkHeap()
	if missing := s.missing(); len(missing) > 0 {
		s.Errorf("not observed: %v", missing)
	}
	injected := s.proxy.Counts()
	closeProxy(s, s.proxy)
	eventually(s, "the goroutines of the run end", func() bool { return goruntime.NumGoroutine() <= s.goroutines })
	s.Logf("%v with the seed %d: %d rounds, %d backups started, results %v, lists %v, faults in HTTP %v, in connections %v, "+
		"heap %d KiB at first and %d at last, medians of the halves %d and %d, goroutines %d before and %d after",
		took, s.seed, s.rounds, s.started, s.results, s.lists, s.faults, injected,
		s.heap[0]>>10, s.heap[len(s.heap)-1]>>10, first>>10, second>>10, s.goroutines, goruntime.NumGoroutine())
}

// round backs up and lists everything once. It takes the report before the round and returns that after it.
func (s *soak) round(before *soakReport) *soakReport {
	results := s.backUp(before)
	between := s.settled("ended")
	s.checkResults(before, between, results)
	services, partitions := s.list(between)
	after := s.settled("now")
	s.checkLists(between, after, services, partitions)
	return after
}

// settled returns a report when no request is in flight any more.
func (s *soak) settled(when string) *soakReport {
	s.transport.CloseIdleConnections()
	eventually(s, "the connections are closed", func() bool { return s.proxy.Open() == 0 })
	report := s.ask(when)
	for kind, n := range report.Faults {
		s.faults[kind] += n
	}
	return report
}

// backUp backs up all partitions.
func (s *soak) backUp(r *soakReport) map[uuid.UUID]sfbackup.BackupResult {
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	results := map[uuid.UUID]sfbackup.BackupResult{}
	sequence, err := s.client.BackupMany(ctx, slices.Values(r.Partitions), &sfbackup.BackupManyOptions{
		Concurrency: soakInFlight,
		Wait:        sfbackup.WaitOptions{MinDelay: 20 * time.Millisecond, MaxDelay: 100 * time.Millisecond},
		OnCount: func(p sfbackup.BackupCount) {
			if s.mostInFlight = max(s.mostInFlight, p.InFlight); p.InFlight > soakInFlight {
				s.Errorf("%d backups are in flight", p.InFlight)
			}
		},
	})
	if err != nil {
		s.Fatal(err)
	}
	for partition, result := range sequence {
		if _, twice := results[partition]; twice {
			s.Errorf("%s has two results", partition)
		}
		results[partition] = result
	}
	if ctx.Err() != nil {
		s.Errorf("the backups of %d partitions took a minute", len(r.Partitions))
	}
	if len(results) != len(r.Partitions) {
		s.Errorf("%d results of %d partitions", len(results), len(r.Partitions))
	}
	return results
}

// checkResults checks that each result is correct about what was started.
func (s *soak) checkResults(before, after *soakReport, results map[uuid.UUID]sfbackup.BackupResult) {
	for i, partition := range after.Partitions {
		var started []uuid.UUID // the new backups
		for _, id := range after.Backups[i] {
			if !slices.Contains(before.Backups[i], id) {
				started = append(started, id)
			}
		}
		s.started += len(started)
		result, ok := results[partition]
		if !ok {
			s.Errorf("%s has no result", partition)
			continue
		}
		kind, least, most := s.classify(result)
		if soakFails(i) {
			least, most = 0, 0 // a failed backup is in no list
		}
		s.results[kind]++
		if len(started) < least || len(started) > most {
			s.Errorf("round %d: %s: %d backups were started, but the result is: %s: %v", s.rounds, partition, len(started), kind, result.Err)
		}
		if kind == soakSuccess && !slices.Equal(started, []uuid.UUID{result.Progress.BackupID}) {
			s.Errorf("round %d: %s: the backup is %s, and %v were started", s.rounds, partition, result.Progress.BackupID, started)
		}
		if (kind == soakFailure) != soakFails(i) && (kind == soakFailure || kind == soakSuccess) {
			s.Errorf("round %d: %s: %v", s.rounds, partition, result.Err)
		}
	}
}

// The kinds of results.
const (
	soakSuccess    = "success"
	soakFailure    = "failed backup"
	soakUnknown    = "outcome unknown"
	soakNotStarted = "not started"
	soakWaitFailed = "failed wait"
)

// classify returns the kind of a result, and how many backups were started at least and at most if the result is
// correct.
func (s *soak) classify(result sfbackup.BackupResult) (kind string, least, most int) {
	_, failed := errors.AsType[*sfbackup.BackupFailedError](result.Err)
	switch {
	case result.Err == nil:
		return soakSuccess, 1, 1
	case failed:
		return soakFailure, 0, 0
	case result.Start == sfbackup.StartUnknown:
		return soakUnknown, 0, 1
	case result.Start == sfbackup.NotStarted:
		return soakNotStarted, 0, 0
	default: // the wait failed
		return soakWaitFailed, 1, 1
	}
}

// A soakList is what was read of a list.
type soakList struct {
	ids []uuid.UUID
	err error
}

func (s *soak) list(r *soakReport) (services map[sfbackup.ServiceName]*soakList, partitions []soakList) {
	var both sync.WaitGroup
	both.Go(func() { services = s.listServices(r) })
	both.Go(func() { partitions = s.listPartitions(r) })
	both.Wait()
	return services, partitions
}

// withIdleTimeout returns a context that ends when no more backups of a list arrive; progressed restarts its timer.
func (s *soak) withIdleTimeout() (ctx context.Context, progressed, end func()) {
	ctx, cancel := context.WithCancel(s.Context())
	timer := time.AfterFunc(2*s.responseTimeout, cancel)
	return ctx, func() { timer.Reset(2 * s.responseTimeout) }, cancel
}

// listServices lists the services.
func (s *soak) listServices(r *soakReport) map[sfbackup.ServiceName]*soakList {
	lists := s.readLists(len(r.Services), func(ctx context.Context, i int) iter.Seq2[sfbackup.Backup, error] {
		return s.client.ServiceBackups(ctx, r.Services[i], nil)
	})
	byName := map[sfbackup.ServiceName]*soakList{}
	for i, service := range r.Services {
		byName[service] = &lists[i]
	}
	return byName
}

// listPartitions lists the partitions page by page.
func (s *soak) listPartitions(r *soakReport) []soakList {
	return s.readLists(len(r.Partitions), func(ctx context.Context, i int) iter.Seq2[sfbackup.Backup, error] {
		return s.client.PartitionBackups(ctx, r.Partitions[i], &sfbackup.ListOptions{PageSize: 3 + i%30})
	})
}

// readLists reads n lists concurrently.
func (s *soak) readLists(n int, open func(ctx context.Context, i int) iter.Seq2[sfbackup.Backup, error]) []soakList {
	lists := make([]soakList, n)
	next := make(chan int)
	var workers sync.WaitGroup
	for range soakInFlight {
		workers.Go(func() {
			for i := range next {
				ctx, progressed, cancel := s.withIdleTimeout()
				for b, err := range open(ctx, i) {
					progressed()
					if lists[i].err = err; err == nil {
						lists[i].ids = append(lists[i].ids, b.BackupID)
					}
				}
				cancel()
			}
		})
	}
	for i := range lists {
		next <- i
	}
	close(next)
	workers.Wait()
	return lists
}

// checkLists checks that each list has every backup once that existed before and after it, unless the list ended
// with an error, and no other backup.
func (s *soak) checkLists(before, after *soakReport, services map[sfbackup.ServiceName]*soakList, partitions []soakList) {
	for i, service := range before.Services {
		from, to := i*soakPartitions, (i+1)*soakPartitions
		s.checkList(string(service), "services", services[service],
			slices.Concat(before.Backups[from:to]...), slices.Concat(after.Backups[from:to]...))
	}
	for i := range partitions {
		s.checkList(before.Partitions[i].String(), "partitions", &partitions[i], before.Backups[i], after.Backups[i])
	}
}

func (s *soak) checkList(name, kind string, list *soakList, before, after []uuid.UUID) {
	times := map[uuid.UUID]int{}
	for _, id := range list.ids {
		times[id]++
	}
	for id, n := range times {
		if n > 1 || !slices.Contains(before, id) {
			s.Errorf("round %d: the list of %s has the backup %s %d times", s.rounds, name, id, n)
		}
	}
	if list.err != nil {
		s.lists[kind+", failed"]++
		return
	}
	s.lists[kind]++
	for _, id := range after {
		if times[id] == 0 {
			s.Errorf("round %d: the list of %s ended without an error and lacks the backup %s", s.rounds, name, id)
		}
	}
}

func heapInUse() uint64 {
	var m goruntime.MemStats
	goruntime.GC()
	goruntime.GC() // the second one clears the pools
	goruntime.ReadMemStats(&m)
	return m.HeapAlloc
}

// checkHeap compares the medians of the halves of the run.
func (s *soak) checkHeap() (first, second uint64) {
	median := func(samples []uint64) uint64 { return slices.Sorted(slices.Values(samples))[len(samples)/2] }
	half := len(s.heap) / 2
	first, second = median(s.heap[:half]), median(s.heap[half:])
	if limit := first + first/10 + 1<<20; second > limit {
		s.Errorf("the heap has grown from %d KiB to %d KiB: %v", first>>10, second>>10, s.heap)
	}
	return first, second
}

// missing returns what has not happened yet. On a busy machine a short run may need more rounds for all of it.
func (s *soak) missing() (missing []string) {
	for what, happened := range map[string]bool{
		"a success": s.results[soakSuccess] > 0, "a failure": s.results[soakFailure] > 0,
		"a list of a service": s.lists["services"] > 0, "a list of a partition": s.lists["partitions"] > 0,
		"faults in HTTP": len(s.faults) > 0, "faults in connections": len(s.proxy.Counts()) > 0,
		// The client has to start backups faster than they end.
		"the maximum of backups in flight": s.mostInFlight == soakInFlight || s.short,
	} {
		if !happened {
			missing = append(missing, what)
		}
	}
	return missing
}
