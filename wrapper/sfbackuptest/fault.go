package sfbackuptest

import (
	"net/http"
	"slices"
)

// Fault is something that goes wrong with a request. The functions of this package that return a Fault say
// what goes wrong. The methods of Fault return a modified copy; On, When and Times say which requests it
// hits. A request whose response is replaced takes no effect without [Fault.AfterEffect].
//
// [Cluster.Script] and [Cluster.Inject] make faults hit the next requests, [Cluster.Schedule] makes them
// hit requests at random. Faults work over a socket and over [Cluster.Transport], with the same errors
// except for [Refuse].
//
// Delays use package time, which [testing/synctest] controls, and not the clock of [WithClock].
type Fault struct {
	name       string
	header     http.Header
	on         []Operation
	conditions []condition // all must hold
	times      int         // not positive: no limit
	position   string      // of a fault in a file; empty: where it is scripted

	// Exactly one of the two is set. respond responds in place of the cluster; with afterEffect the
	// cluster handles the request first. wrap calls the cluster and changes its response.
	respond       func(Fault, http.ResponseWriter, *http.Request)
	wrap          func(*Cluster, http.ResponseWriter, *http.Request)
	afterEffect   bool
	neverReceived bool // the request does not reach the cluster, so afterEffect is impossible

	replaysPage bool
}

type condition func(*injector, Operation, *http.Request) bool

// On limits a fault to some operations. A further call adds operations. Without On a fault hits any request,
// even one that is for no operation.
func (f Fault) On(operations ...Operation) Fault {
	f.on = slices.Concat(f.on, operations)
	return f
}

// When limits a fault to requests for which the function returns true. The cluster calls it for one request
// at a time. The function must not read the body, nor call methods of the cluster that set faults, which
// would deadlock. If When is called several times, all functions must return true.
func (f Fault) When(match func(*http.Request) bool) Fault {
	f.conditions = append(slices.Clip(f.conditions), func(_ *injector, _ Operation, r *http.Request) bool { return match(r) })
	return f
}

// Times sets how many requests the fault hits. The default is 1, except for [EndlessPages]. If n is zero
// or less, the fault hits every matching request. [Cluster.Schedule] ignores the number.
func (f Fault) Times(n int) Fault {
	f.times = max(n, 0)
	return f
}

// AfterEffect makes the request take effect before the fault happens: a backup is requested, but the
// client gets the fault instead of the response. It is for the faults that replace the response: [Answer],
// [DenyAccess], [HangUp], [HTMLError], [Redirect], [RefuseCredentials], [Reset], and [Stall] without a
// duration. Faults that change the response ignore it: with them the request takes effect anyway.
//
// It panics for [Refuse], because a request that never arrives has no effect.
func (f Fault) AfterEffect() Fault {
	if f.neverReceived {
		panic("sfbackuptest: AfterEffect: a refused request takes no effect")
	}
	f.afterEffect = true
	return f
}

// Header sets a header of the response of [Answer], [HTMLError] and [Redirect], such as Retry-After. Other
// faults ignore it.
func (f Fault) Header(name, value string) Fault {
	f.header = f.header.Clone()
	if f.header == nil {
		f.header = make(http.Header)
	}
	f.header.Set(name, value)
	return f
}

// String returns the name of the fault as in Request.Fault: what goes wrong, but not for which requests.
func (f Fault) String() string {
	if f.afterEffect && f.respond != nil {
		return f.name + " after effect"
	}
	return f.name
}

// matches reports whether the fault may hit a request.
func (f Fault) matches(in *injector, op Operation, r *http.Request) bool {
	if len(f.on) > 0 && !slices.Contains(f.on, op) {
		return false
	}
	for _, holds := range f.conditions {
		if !holds(in, op, r) {
			return false
		}
	}
	return true
}

// serve responds to a request that the fault hits.
func (f Fault) serve(c *Cluster, w http.ResponseWriter, r *http.Request) {
	if f.respond == nil {
		f.wrap(c, w, r)
		return
	}
	switch {
	case f.afterEffect:
		c.serveGateway(&discardWriter{header: make(http.Header)}, r, nil)
	case !f.neverReceived:
		drain(r) // the client could send it, although it has no effect
	}
	f.respond(f, w, r)
}

// discardWriter is a ResponseWriter for responses that are lost.
type discardWriter struct{ header http.Header }

func (w *discardWriter) Header() http.Header         { return w.header }
func (w *discardWriter) WriteHeader(int)             {}
func (w *discardWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *discardWriter) WriteStatusLine(int, string) {}
