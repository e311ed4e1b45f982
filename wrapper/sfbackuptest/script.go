package sfbackuptest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Script makes faults hit the next requests of a test. A request is hit by the first fault that matches
// it, in the order in which the faults were given to Script and [Cluster.Inject]. No fault hits more
// requests than [Fault.Times] says.
//
// When the test ends, Script removes the faults. It reports an error for each fault that has hit fewer
// requests than [Fault.Times] says, or no request if there is no limit: a test whose faults do not happen
// proves nothing. The error names the line of the test that called Script.
func (c *Cluster) Script(t testing.TB, faults ...Fault) {
	t.Helper()
	scripted := c.injector.add(faults, false)
	t.Cleanup(func() {
		t.Helper()
		c.injector.mu.Lock()
		defer c.injector.mu.Unlock()
		c.injector.script = slices.DeleteFunc(c.injector.script, func(s *scriptedFault) bool { return slices.Contains(scripted, s) })
		for _, s := range scripted {
			if missed := s.missed(); missed != "" {
				t.Errorf("sfbackuptest: %s", missed)
			}
		}
	})
}

// Inject is [Cluster.Script] for programs other than tests. It replaces the faults that were injected
// before. Whether the faults happen is for the caller to check, with [Cluster.Missed]. Without faults it only
// removes the earlier ones.
func (c *Cluster) Inject(faults ...Fault) { c.injector.add(faults, true) }

// Missed returns a text for each fault of [Cluster.Script] and [Cluster.Inject] that has not happened as often as
// [Fault.Times] says: "shop_test.go:12: the fault Answer(503) has hit 1 requests, want 2". It begins with the
// line of the test or program that scripted the fault, or with that of the file for [ParseFaults].
func (c *Cluster) Missed() (all []string) {
	c.injector.mu.Lock()
	defer c.injector.mu.Unlock()
	for _, s := range c.injector.script {
		if missed := s.missed(); missed != "" {
			all = append(all, missed)
		}
	}
	return all
}

// Schedule makes faults hit requests at random. Each request is hit with the given probability, by one of
// the faults that match it. The choice depends only on the seed and on the order of the requests, so that
// a run can be repeated. Faults of [Cluster.Script] and [Cluster.Inject] take precedence.
//
// Schedule replaces the previous schedule. Without faults it only removes it.
func (c *Cluster) Schedule(seed uint64, rate float64, faults ...Fault) {
	c.injector.mu.Lock()
	defer c.injector.mu.Unlock()
	c.injector.schedule = nil
	if len(faults) > 0 {
		c.injector.schedule = &schedule{rate: rate, faults: slices.Clone(faults)}
		c.injector.schedule.source.Seed(seed, 0)
	}
}

// injector chooses the faults that hit the requests to a cluster.
type injector struct {
	mu       sync.Mutex
	script   []*scriptedFault
	schedule *schedule
	pages    map[string]string // the query of the last page that was requested, by listKey
	tokens   atomic.Uint64     // how many tokens EndlessPages has made up
}

// scriptedFault is a fault of Script or Inject.
type scriptedFault struct {
	fault    Fault
	injected bool
	hits     int
}

// missed says that the fault has hit fewer requests than it should, or is empty.
func (s *scriptedFault) missed() string {
	want := max(s.fault.times, 1)
	if s.hits >= want {
		return ""
	}
	return fmt.Sprintf("%s: the fault %s has hit %d requests, want %d", s.fault.position, s.fault, s.hits, want)
}

// callerPosition returns the line that called this package: the innermost line of a file with tests or, if there
// is none, of another package.
func callerPosition() (position string) {
	var counters [64]uintptr
	frames := runtime.CallersFrames(counters[:runtime.Callers(2, counters[:])])
	thisPackage := reflect.TypeFor[Cluster]().PkgPath() + "."
	for {
		frame, more := frames.Next()
		isTest := strings.HasSuffix(frame.File, "_test.go")
		if isTest || position == "" && !strings.HasPrefix(frame.Function, thisPackage) {
			position = filepath.Base(frame.File) + ":" + strconv.Itoa(frame.Line)
		}
		if isTest || !more {
			return position
		}
	}
}

type schedule struct {
	source rand.PCG
	rate   float64
	faults []Fault
}

// add adds faults to the script. Injected faults replace those that were injected before.
func (in *injector) add(faults []Fault, injected bool) []*scriptedFault {
	added := make([]*scriptedFault, len(faults))
	position := callerPosition()
	for i, f := range faults {
		f.position = cmp.Or(f.position, position)
		added[i] = &scriptedFault{fault: f, injected: injected}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if injected {
		in.script = slices.DeleteFunc(in.script, func(s *scriptedFault) bool { return s.injected })
	}
	in.script = append(in.script, added...)
	return added
}

// next returns the fault that hits a request, or nil.
func (in *injector) next(op Operation, r *http.Request) *Fault {
	in.mu.Lock()
	defer in.mu.Unlock()
	f := in.choose(op, r)
	if op.isList() && (f == nil || !f.replaysPage) {
		in.recordPage(r)
	}
	return f
}

func (in *injector) choose(op Operation, r *http.Request) *Fault {
	var chance float64
	var choice uint64
	if in.schedule != nil {
		// Both are drawn for every request, so that the fault of one request does not depend on
		// the faults of others.
		chance = float64(in.schedule.source.Uint64()>>11) / (1 << 53)
		choice = in.schedule.source.Uint64()
	}
	for _, s := range in.script {
		if exhausted := s.fault.times > 0 && s.hits >= s.fault.times; !exhausted && s.fault.matches(in, op, r) {
			s.hits++
			return &s.fault
		}
	}
	if in.schedule == nil || chance >= in.schedule.rate {
		return nil
	}
	matching := slices.Clone(in.schedule.faults)
	matching = slices.DeleteFunc(matching, func(f Fault) bool { return !f.matches(in, op, r) })
	if len(matching) == 0 {
		return nil
	}
	return &matching[choice%uint64(len(matching))]
}
