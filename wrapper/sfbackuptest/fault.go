package sfbackuptest

import (
	"net/http"
	"slices"
	"strconv"
)

// Fault is something that goes wrong with a request. The functions that return
// one say what; its methods say with which requests, and return a copy.
//
// [Cluster.Script] lets faults hit the next requests, [Cluster.Schedule] lets
// them hit requests at random. They work over [Cluster.Transport], where a
// client gets the errors that net/http has for them, and over a socket.
//
// Faults that take time take it from package time, which [testing/synctest]
// drives, and not from the clock of [WithClock].
type Fault struct {
	name   string
	header http.Header
	fits   func(*faults, Operation, *http.Request) bool // nil: any request
	on     []Operation
	when   []func(*http.Request) bool
	times  int // not positive: no limit

	// One of the two. What stands in for the answer may come after the
	// request took effect; what is done to the answer always does.
	instead     func(Fault, http.ResponseWriter, *http.Request)
	through     func(*Cluster, http.ResponseWriter, *http.Request)
	afterEffect bool
	noEffect    bool // cannot come after the effect

	servesPageBefore bool
}

// On limits a fault to some operations. Without it a fault hits any request,
// also one that is no operation at all.
func (f Fault) On(operations ...Operation) Fault {
	f.on = slices.Concat(f.on, operations)
	return f
}

// When limits a fault to the requests of which the function says true. It must
// not read their body, and not call methods of the cluster that set faults.
// Given several times, all must say so.
func (f Fault) When(hits func(*http.Request) bool) Fault {
	f.when = append(slices.Clip(f.when), hits)
	return f
}

// Times sets how many requests a scripted fault hits. The default is 1, but for
// [EndlessPages]; with n of zero or less it hits all that come. A fault on a
// schedule has no such number.
func (f Fault) Times(n int) Fault {
	f.times = max(n, 0)
	return f
}

// AfterEffect makes the request take effect before the fault strikes: a backup
// is requested, and its client does not learn of it. It is for faults that come
// in place of an answer; those that do something to the answer are always after
// the effect.
//
// It panics for [Refuse]: what never arrives has no effect.
func (f Fault) AfterEffect() Fault {
	if f.noEffect {
		panic("sfbackuptest: a request that is refused takes no effect")
	}
	f.afterEffect = true
	return f
}

// Header sets a header of the answer that the fault sends, such as
// Retry-After. A fault that sends none of its own ignores it.
func (f Fault) Header(name, value string) Fault {
	f.header = f.header.Clone()
	if f.header == nil {
		f.header = make(http.Header)
	}
	f.header.Set(name, value)
	return f
}

// String returns the fault as [Request] names it: what goes wrong, without
// with which requests.
func (f Fault) String() string {
	if f.afterEffect && f.instead != nil {
		return f.name + " after effect"
	}
	return f.name
}

// matches reports whether the fault may hit a request.
func (f Fault) matches(line *faults, op Operation, r *http.Request) bool {
	if len(f.on) > 0 && !slices.Contains(f.on, op) {
		return false
	}
	if f.fits != nil && !f.fits(line, op, r) {
		return false
	}
	for _, hits := range f.when {
		if !hits(r) {
			return false
		}
	}
	return true
}

// strike answers a request that the fault has hit.
func (f Fault) strike(c *Cluster, w http.ResponseWriter, r *http.Request) {
	if f.instead == nil {
		f.through(c, w, r)
		return
	}
	switch {
	case f.afterEffect:
		c.serveGateway(&nobody{header: make(http.Header)}, r, nil)
	case !f.noEffect:
		drain(r) // it was sent, and nobody did anything about it
	}
	f.instead(f, w, r)
}

// nobody is a ResponseWriter for answers that nobody gets.
type nobody struct{ header http.Header }

func (w *nobody) Header() http.Header         { return w.header }
func (w *nobody) WriteHeader(int)             {}
func (w *nobody) Write(p []byte) (int, error) { return len(p), nil }
func (w *nobody) writeStatusLine(int, string) {}

// called returns the name of a fault with a number that belongs to it.
func called(name string, n int64) string { return name + "(" + strconv.FormatInt(n, 10) + ")" }
