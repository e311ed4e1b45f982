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
	soakSeed = flag.Uint64("sfbackup.soakseed", 0, "where the faults of TestSoak begin; 0: somewhere")
)

const (
	soakInFlight   = 64
	soakServices   = 10
	soakPartitions = 8 // of each service
	// soakBackup is how long a backup takes: so long that many are in flight.
	soakBackup = 150 * time.Millisecond
	// soakRetention keeps the lists from growing with the time of the run.
	soakRetention = 40 * time.Second
)

// A fleet is backed up and listed again and again, with faults in HTTP and in the connections below it.
// No backup is lost, none is started twice, and nothing is left behind.
//
// It is not parallel, because the heap and the goroutines that it measures are those of the process.
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

// A soak is one run.
type soak struct {
	*testing.T
	seed       uint64
	short      bool // as in make test: a round or two
	ask        func(when string) *soakReport
	proxy      *faultproxy.Proxy
	transport  *http.Transport
	client     *sfbackup.Client
	goroutines int // before it began
	// patience is how long the client waits for the answer to a request, and half of how long for the next
	// backup of a list, whose body may stop in the middle. Only what is half-open takes longer than a
	// few hundredths of a second.
	patience time.Duration

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
	if s.patience = 400 * time.Millisecond; s.short {
		s.patience = 250 * time.Millisecond
	}
	s.goroutines = goruntime.NumGoroutine()
	s.ask = startSoakCluster(t, s.seed)
	s.proxy = newFaultProxy(t, s.ask("now").URL, s.seed)
	s.transport = &http.Transport{MaxIdleConnsPerHost: soakInFlight, ResponseHeaderTimeout: s.patience}
	client, err := sfbackup.NewClient("http://"+s.proxy.Addr,
		sfbackup.WithHTTPClient(&http.Client{Transport: s.transport}),
		sfbackup.WithRetry(sfbackup.RetryPolicy{MinDelay: 5 * time.Millisecond, MaxDelay: 20 * time.Millisecond, AttemptTimeout: s.patience}))
	if err != nil {
		t.Fatal(err)
	}
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
		s.Errorf("not seen: %v", missing)
	}
	injected := s.proxy.Counts()
	closeProxy(s, s.proxy)
	eventually(s, "no goroutine of the run", func() bool { return goruntime.NumGoroutine() <= s.goroutines })
	s.Logf("%v with the seed %d: %d rounds, %d backups started, results %v, lists %v, faults in HTTP %v, in connections %v, "+
		"heap %d KiB at first and %d at last, %d and %d in the middle of the halves, goroutines %d before and %d after",
		took, s.seed, s.rounds, s.started, s.results, s.lists, s.faults, injected,
		s.heap[0]>>10, s.heap[len(s.heap)-1]>>10, first>>10, second>>10, s.goroutines, goruntime.NumGoroutine())
}

// round backs up and lists everything once. It takes the report from before and returns that from after.
func (s *soak) round(before *soakReport) *soakReport {
	results := s.backUp(before)
	between := s.settled("ended")
	s.checkResults(before, between, results)
	services, partitions := s.list(between)
	after := s.settled("now")
	s.checkLists(between, after, services, partitions)
	return after
}

// settled returns a report when nothing that was sent is still on its way.
func (s *soak) settled(when string) *soakReport {
	s.transport.CloseIdleConnections()
	eventually(s, "no connection", func() bool { return s.proxy.Open() == 0 })
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
		s.Errorf("a fleet of %d partitions took a minute", len(r.Partitions))
	}
	if len(results) != len(r.Partitions) {
		s.Errorf("%d results of %d partitions", len(results), len(r.Partitions))
	}
	return results
}

// checkResults checks that each result tells the truth about what was started.
func (s *soak) checkResults(before, after *soakReport, results map[uuid.UUID]sfbackup.BackupResult) {
	for i, partition := range after.Partitions {
		var started []uuid.UUID // those that were not there before
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
			least, most = 0, 0 // what fails is in no list
		}
		s.results[kind]++
		if len(started) < least || len(started) > most {
			s.Errorf("round %d: %s: %d backups were started by a call that ended with: %s: %v", s.rounds, partition, len(started), kind, result.Err)
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
	soakWaitFailed       = "lost sight of"
)

// classify returns the kind of a result, and how many backups were started at least and at most if it tells the
// truth.
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

// withIdleTimeout returns a context that ends when a list does not go on.
func (s *soak) withIdleTimeout() (ctx context.Context, progressed, end func()) {
	ctx, cancel := context.WithCancel(s.Context())
	timer := time.AfterFunc(2*s.patience, cancel)
	return ctx, func() { timer.Reset(2 * s.patience) }, cancel
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

// checkLists checks that lists have everything once that was there before and after them, unless they
// have ended with an error, and nothing that was not there.
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
		s.lists[kind+", broken off"]++
		return
	}
	s.lists[kind]++
	for _, id := range after {
		if times[id] == 0 {
			s.Errorf("round %d: the list of %s has ended well without the backup %s", s.rounds, name, id)
		}
	}
}

func heapInUse() uint64 {
	var m goruntime.MemStats
	goruntime.GC()
	goruntime.GC() // what pools keep goes with the second
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

// missing returns what has not come about yet. On a machine that is busy, a short run may need some more
// rounds for it.
func (s *soak) missing() (missing []string) {
	for what, is := range map[string]bool{
		"a success": s.results[soakSuccess] > 0, "a failure": s.results[soakFailure] > 0,
		"a list of a service": s.lists["services"] > 0, "a list of a partition": s.lists["partitions"] > 0,
		"faults in HTTP": len(s.faults) > 0, "faults in connections": len(s.proxy.Counts()) > 0,
		// For that the client must start them faster than they end.
		"so many backups in flight": s.mostInFlight == soakInFlight || s.short,
	} {
		if !is {
			missing = append(missing, what)
		}
	}
	return missing
}
