package sfbackuptest

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
)

// TB is the part of [testing.TB] that this package needs. It is spelled out so
// that a program that is no test does not get the flags of package testing.
type TB interface {
	Helper()
	Cleanup(f func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Script lets faults hit the next requests. A request is hit by the first fault
// that it matches, in the order in which they were given, and no fault hits
// more requests than [Fault.Times] says.
//
// At the end of the test the faults are taken back, and those that have not hit
// as many requests as they should are errors of the test: a test whose faults
// do not happen shows nothing. A nil t is for programs that are no tests; then
// the faults stay.
func (c *Cluster) Script(t TB, faults ...Fault) {
	shots := make([]*shot, len(faults))
	for i, f := range faults {
		shots[i] = &shot{fault: f}
	}
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	c.faults.script = append(c.faults.script, shots...)
	if t == nil {
		return
	}
	t.Cleanup(func() {
		t.Helper()
		c.faults.mu.Lock()
		defer c.faults.mu.Unlock()
		c.faults.script = slices.DeleteFunc(c.faults.script, func(s *shot) bool { return slices.Contains(shots, s) })
		for _, s := range shots {
			if want := max(s.fault.times, 1); s.hits < want {
				t.Errorf("sfbackuptest: the fault %s has hit %d requests, not %d", s.fault, s.hits, want)
			}
		}
	})
}

// Schedule lets faults hit requests at random: each with the given probability,
// by one of the faults that it matches. Which requests are hit by what depends
// on the seed and on the order of the requests only, so that a run can be
// repeated. Scripted faults come first.
//
// It replaces the schedule before it, and without faults there is none.
func (c *Cluster) Schedule(seed uint64, rate float64, faults ...Fault) {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	c.faults.schedule = nil
	if len(faults) > 0 {
		c.faults.schedule = &schedule{rate: rate, faults: slices.Clone(faults)}
		c.faults.schedule.source.Seed(seed, 0)
	}
}

// faults is what goes wrong with the requests to a cluster, and what it takes
// to know that.
type faults struct {
	mu       sync.Mutex
	script   []*shot
	schedule *schedule
	pages    map[string]string // the query of the page that was last asked for, by walk
	tokens   uint64            // how many were made up
}

// shot is a scripted fault.
type shot struct {
	fault Fault
	hits  int
}

// spent reports whether a fault has hit all the requests that it may.
func (s *shot) spent() bool { return s.fault.times > 0 && s.hits >= s.fault.times }

type schedule struct {
	source rand.PCG
	rate   float64
	faults []Fault
}

// next returns the fault that hits a request, or nil.
func (line *faults) next(op Operation, r *http.Request) *Fault {
	line.mu.Lock()
	defer line.mu.Unlock()
	f := line.choose(op, r)
	if op.isList() && (f == nil || !f.servesPageBefore) {
		line.turnPage(r)
	}
	return f
}

func (line *faults) choose(op Operation, r *http.Request) *Fault {
	var chance float64
	var choice uint64
	if line.schedule != nil {
		// Both are drawn for every request, so that what one is hit by does
		// not depend on what hit another.
		chance = float64(line.schedule.source.Uint64()>>11) / (1 << 53)
		choice = line.schedule.source.Uint64()
	}
	for _, s := range line.script {
		if !s.spent() && s.fault.matches(line, op, r) {
			s.hits++
			return &s.fault
		}
	}
	if line.schedule == nil || chance >= line.schedule.rate {
		return nil
	}
	var matching []*Fault
	for i := range line.schedule.faults {
		if f := &line.schedule.faults[i]; f.matches(line, op, r) {
			matching = append(matching, f)
		}
	}
	if len(matching) == 0 {
		return nil
	}
	return matching[choice%uint64(len(matching))]
}
