package sfbackup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// clockDifference is how far the clocks of the machines are apart at most.
const clockDifference = 5 * time.Minute

// A recordSchedule is one start whose steps are taken by different machines, some of which are lost.
type recordSchedule struct {
	*testing.T
	random  *rand.Rand
	cluster *sfbackuptest.Cluster
	network *flaky
	dates   bool // responses have a Date
	senders sync.WaitGroup

	mu     sync.Mutex
	others int // how many backups somebody else has started since the observation
}

func (s *recordSchedule) duration(upTo time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.random.Int64N(int64(upTo)))
}

// pause is how long a process sleeps with a record in its hand.
func (s *recordSchedule) pause() time.Duration {
	if s.duration(3) == 0 {
		return s.duration(8 * time.Minute)
	}
	return s.duration(80 * time.Second)
}

// heldForLong lets the request take effect as late as the gateway and the timeout allow.
func heldForLong() flakyFault {
	return flakyFault{"held", func(f *flaky, req *http.Request, effect func() *http.Response) (*http.Response, error) {
		if req.Method != http.MethodPost {
			return effect(), nil
		}
		done := make(chan *http.Response, 1)
		time.AfterFunc(150*time.Second+time.Duration(f.int64N(int64(30*time.Second))), func() { done <- effect() })
		select {
		case resp := <-done:
			return resp, nil
		case <-req.Context().Done():
			return nil, context.Cause(req.Context())
		}
	}}
}

// RoundTrip sends a request through the network of the schedule. A start waits for a connection first. The gateways'
// clocks differ by a few seconds.
func (s *recordSchedule) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodPost {
		if s.duration(4) == 0 {
			time.Sleep(s.duration(5 * time.Minute))
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := s.network.RoundTrip(req)
	if err == nil {
		date, dateErr := http.ParseTime(resp.Header.Get("Date"))
		resp.Header.Del("Date")
		if s.dates && dateErr == nil {
			resp.Header.Set("Date", date.Add(s.duration(10*time.Second)).Format(http.TimeFormat))
		}
	}
	return resp, err
}

// client returns the client of a new process.
func (s *recordSchedule) client() *sfbackup.Client {
	return newUncheckedClient(s, s, sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1 + int(s.duration(3))}))
}

// lives returns a context that ends when its process is killed, if it is.
func (s *recordSchedule) lives() (context.Context, context.CancelFunc) {
	if s.duration(2) == 0 {
		return context.WithCancel(s.Context())
	}
	ctx, cancel := context.WithCancel(s.Context())
	time.AfterFunc(s.duration(2*time.Minute), cancel)
	return ctx, cancel
}

// stored is what another process reads of a record.
func (s *recordSchedule) stored(record sfbackup.StartRecord) (read sfbackup.StartRecord) {
	data, err := json.Marshal(record)
	if err == nil {
		err = json.Unmarshal(data, &read)
	}
	if err != nil {
		s.Fatal(err)
	}
	return read
}

// send sends a record after a pause on a machine with a clock of its own.
func (s *recordSchedule) send(record sfbackup.StartRecord, opts *sfbackup.BackupOptions) {
	ctx, cancel := s.lives()
	defer cancel()
	_ = s.client().SendStart(ctx, record, opts)
}

// startElsewhere starts a backup without the records and the faults.
func (s *recordSchedule) startElsewhere() {
	req, err := http.NewRequestWithContext(context.WithoutCancel(s.Context()), http.MethodPost,
		"http://localhost:19080/Partitions/"+partition1.String()+"/$/Backup?api-version=6.4", nil)
	if err != nil {
		panic(err)
	}
	resp, err := s.cluster.Transport().RoundTrip(req)
	if err != nil {
		panic(err)
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusAccepted {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.others++
	}
}

// A start that was cut anywhere is resolved from its record alone. The verdicts are right, except where ResolveStart
// and SendStart say that they may not be.
func TestResolveAnySchedule(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	eachSchedule(t, func(t *testing.T, _ uint64, random *rand.Rand) {
		testResolveSchedule(t, random, seen)
	})
	if *oneSeed > 0 {
		return
	}
	for _, want := range []string{
		"never sent: not started", "sent: started", "sent: not started", "sent: unknown", "sent twice: started", "sent twice: not started",
		"process killed: started", "process killed: not started",
	} {
		if seen[want] < *schedules/200 {
			t.Errorf("%q happened %d times", want, seen[want])
		}
	}
	for _, class := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%6d %s", seen[class], class)
	}
}

func testResolveSchedule(t *testing.T, random *rand.Rand, seen map[string]int) {
	t.Helper()
	cluster, history := clusterWithHistory(t, random, sfbackuptest.ProfileRuntime)
	s := &recordSchedule{
		T: t, random: random, cluster: cluster, dates: random.IntN(4) > 0,
		network: newFlaky(cluster.Transport(), random, random.Float64(), append(ambiguousFaults(), slices.Repeat([]flakyFault{heldForLong()}, 12)...)...),
	}
	s.network.mu.Lock() // which shares the random numbers
	s.network.random = rand.New(rand.NewPCG(random.Uint64(), 0))
	s.network.mu.Unlock()
	observer, resolver := s.duration(clockDifference), s.duration(clockDifference)
	var opts *sfbackup.BackupOptions
	if random.IntN(2) == 0 {
		opts = &sfbackup.BackupOptions{Timeout: time.Duration(random.Int64N(int64([]time.Duration{5 * time.Minute, 90 * time.Minute}[random.IntN(2)])))}
	}
	if random.IntN(8) == 0 {
		time.AfterFunc(s.duration(10*time.Minute), s.startElsewhere)
	}

	class := [...]string{"never sent", "sent", "sent twice", "process killed"}[random.IntN(4)]
	var record sfbackup.StartRecord
	var err error
	if class == "process killed" {
		// BackupPartition takes the steps, and the last record survives.
		var journal sfbackup.BackupOptions
		if opts != nil {
			journal = *opts
		}
		record, err = sfbackup.StartRecord{}, errors.New("nothing was sent")
		journal.OnSend = func(r sfbackup.StartRecord) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			record, err = r, nil
			return nil
		}
		ctx, cancel := s.lives()
		_ = s.client().BackupPartition(ctx, partition1, &journal)
		cancel()
	} else {
		record, err = s.client().ObserveStart(t.Context(), partition1, opts)
	}
	if err != nil {
		seen["no record"]++
		return
	}
	observed := record
	if class == "sent" || class == "sent twice" {
		s.senders.Go(func() {
			if s.duration(2) == 0 {
				s.send(observed, opts) // by the process that has observed
				return
			}
			time.Sleep(s.pause())
			s.send(s.stored(observed).Shifted(s.duration(clockDifference)-observer), opts)
		})
	}
	if class == "sent twice" {
		s.senders.Go(func() {
			time.Sleep(s.pause())
			s.send(s.stored(observed).Shifted(s.duration(clockDifference)-observer), opts)
		})
	}

	verdict, asked := sfbackup.StartUnknown, 0
	time.Sleep(s.duration(3 * time.Minute))
	for verdict == sfbackup.StartUnknown && asked < 30 {
		asked++
		verdict, err = s.client().ResolveStart(t.Context(), s.stored(record).Shifted(resolver-observer))
		unknown, ok := errors.AsType[*sfbackup.OutcomeUnknownError](err)
		if ok != (verdict == sfbackup.StartUnknown) || !ok && err != nil {
			t.Fatalf("%v with the error %v", verdict, err)
		}
		if ok {
			if unknown.DecidableAt.IsZero() {
				break
			}
			time.Sleep(time.Until(unknown.DecidableAt))
		}
	}
	decided := s.network.backups()
	s.senders.Wait()
	time.Sleep(time.Hour) // every request has taken effect by then

	accepted := s.network.backups()
	s.mu.Lock()
	others := s.others
	s.mu.Unlock()
	wrong := ""
	switch {
	case verdict == sfbackup.Started && decided == 0:
		wrong = "Started, but no backup was started"
	case verdict == sfbackup.NotStarted && accepted > 0:
		wrong = "NotStarted, but a backup was started"
	case accepted > 1:
		wrong = "two backups were started"
	}
	switch {
	case wrong == "":
		seen[class+": "+verdict.String()]++
	case verdict == sfbackup.Started && others > 0 && accepted < 2:
		seen[class+": named, another starter"]++
	case class == "sent twice" && accepted > 1:
		seen[class+": named, "+wrong]++
	default:
		t.Error(wrong)
	}
	if history == "none" || history == "success" {
		seen["all after "+history+": "+verdict.String()]++
	}
	if t.Failed() || *oneSeed > 0 {
		t.Logf("%s: before: %s, dates %v, clocks %v and %v, %d others, verdict %v after %d looks: %v; the requests:\n%s",
			class, history, s.dates, observer, resolver, others, verdict, asked, err, strings.Join(s.network.trace, "\n"))
	}
}
