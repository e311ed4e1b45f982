// Package faultproxy is a TCP proxy for tests that injects network faults: it refuses, resets, delays and
// stalls connections.
package faultproxy

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Proxy forwards TCP connections to one address and injects a [Fault] into each: the next one of
// [Proxy.Push], else one from the schedule. The schedule gets random numbers that depend only on the seed
// and the number of the connection, so that a run can be repeated if the client opens its connections in
// the same order. All methods are safe for concurrent use.
//
// The upstream never sees a reset, only a graceful end, and the proxy reads from it until it has ended
// too. Once no connection is open, the upstream has therefore handled everything that it will ever receive.
type Proxy struct {
	// Addr is the address on which the proxy listens: 127.0.0.1:36421.
	Addr string

	upstream string
	listener net.Listener
	seed     uint64
	schedule func(*rand.Rand) Fault
	ctx      context.Context // canceled by Close
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu        sync.Mutex
	pushed    []Fault
	accepted  uint64
	links     map[*link]bool // the open ones
	linkEnded *sync.Cond
	counts    map[string]int
	err       error // of the listener
}

// Fault is what goes wrong with a connection. The zero value is a connection without a fault.
type Fault struct {
	Refuse bool // reset the connection before anything is forwarded
	Up     Flow // from the client to the upstream
	Down   Flow // from the upstream to the client
}

// Flow is what happens to one direction of a connection.
type Flow struct {
	Latency   time.Duration // the delay of each write
	Jitter    time.Duration // a random delay in addition, up to this
	Bandwidth int           // bytes per second; 0: no limit
	Slice     int           // the most bytes in one write; 0: no limit

	// ResetAt resets the connection in place of this byte, counted from 1. 0: never.
	ResetAt int64

	// HalfOpenAt makes the connection half-open in place of this byte, counted from 1: from then on nothing
	// is forwarded in either direction, and the client does not see that the upstream has ended. 0: never.
	HalfOpenAt int64
}

// RandomFault returns a fault of any kind, or none. It is a schedule for responses of up to a few hundred
// KiB.
func RandomFault(r *rand.Rand) Fault {
	flow := func() Flow {
		return []Flow{
			{}, {}, {}, {Latency: 5 * time.Millisecond, Jitter: 10 * time.Millisecond}, {Bandwidth: 4 << 20}, {Slice: 50 + r.IntN(1000)},
		}[r.IntN(6)]
	}
	fault := Fault{Up: flow(), Down: flow()}
	at := 1 + r.Int64N(1<<r.IntN(19)) // early bytes are more likely
	switch r.IntN(20) {
	case 0, 1:
		fault.Refuse = true
	case 2, 3:
		fault.Up.ResetAt = at
	case 4, 5:
		fault.Down.ResetAt = at
	case 6:
		fault.Up.HalfOpenAt = at
	case 7:
		fault.Down.HalfOpenAt = at
	}
	return fault
}

// New starts a proxy to an address on a free port of the loopback interface. With a nil schedule it
// injects only the faults of [Proxy.Push]. The caller must call [Proxy.Close] when done.
func New(upstream string, seed uint64, schedule func(*rand.Rand) Fault) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // listening does not block
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		Addr: listener.Addr().String(), upstream: upstream, listener: listener, seed: seed, schedule: schedule,
		links: map[*link]bool{}, counts: map[string]int{},
	}
	p.linkEnded = sync.NewCond(&p.mu)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.running.Go(p.accept)
	return p, nil
}

// Push sets the faults of the next connections, one for each.
func (p *Proxy) Push(faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pushed = append(p.pushed, faults...)
}

// Open returns the number of connections that have not ended on both sides.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// WaitIdle returns when no connection is open.
func (p *Proxy) WaitIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.links) > 0 {
		p.linkEnded.Wait()
	}
}

// Counts returns how often each kind of fault has happened. The kinds are "refused", "reset" and
// "half-open", and "latency", "bandwidth" and "slice", which count the affected directions of connections.
func (p *Proxy) Counts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// Close closes all connections and returns when all goroutines of the proxy have ended. It returns the
// error that made the proxy stop accepting connections, if there was one. It may be called more than once.
func (p *Proxy) Close() error {
	p.cancel()
	p.mu.Lock()
	for l := range p.links {
		l.close()
	}
	p.mu.Unlock()
	_ = p.listener.Close() // fails if it is closed already
	p.running.Wait()
	return p.err
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				p.err = err
			}
			return
		}
		l := &link{proxy: p, client: conn.(*net.TCPConn)}
		p.mu.Lock()
		p.links[l] = true
		p.accepted++
		random := rand.New(rand.NewPCG(p.seed, p.accepted)) //nolint:gosec // repeatable on purpose
		var fault Fault
		switch {
		case len(p.pushed) > 0:
			fault, p.pushed = p.pushed[0], p.pushed[1:]
		case p.schedule != nil:
			fault = p.schedule(random)
		}
		p.mu.Unlock()
		p.running.Go(func() { l.serve(fault, random) })
	}
}

func (p *Proxy) count(kind string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[kind]++
}

func (p *Proxy) countDelays(f Flow) {
	for kind, applies := range map[string]bool{"latency": f.Latency+f.Jitter > 0, "bandwidth": f.Bandwidth > 0, "slice": f.Slice > 0} {
		if applies {
			p.count(kind)
		}
	}
}

// wait waits, or returns early when the proxy is closed.
func (p *Proxy) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.ctx.Done():
	}
}

// link is a client's connection and the connection to the upstream that belongs to it.
type link struct {
	proxy            *Proxy
	client, upstream *net.TCPConn
	halfOpen         atomic.Bool
}

func (l *link) serve(fault Fault, random *rand.Rand) {
	p := l.proxy
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.links, l)
		l.close()
		p.linkEnded.Broadcast()
	}()
	if fault.Refuse {
		p.count("refused")
		reset(l.client)
		return
	}
	conn, err := new(net.Dialer).DialContext(p.ctx, "tcp", p.upstream)
	if err != nil {
		reset(l.client)
		return
	}
	p.mu.Lock()
	l.upstream = conn.(*net.TCPConn)
	p.mu.Unlock()
	if p.ctx.Err() != nil {
		return
	}
	up, down := rand.New(rand.NewPCG(random.Uint64(), 0)), rand.New(rand.NewPCG(random.Uint64(), 0)) //nolint:gosec // as above
	var done sync.WaitGroup
	done.Go(func() { l.forward(l.upstream, l.client, fault.Up, up) })
	done.Go(func() { l.forward(l.client, l.upstream, fault.Down, down) })
	done.Wait()
}

// close closes both connections. The caller holds the proxy's mutex.
func (l *link) close() {
	_ = l.client.Close() // fails if it is closed already
	if l.upstream != nil {
		_ = l.upstream.Close()
	}
}

// reset closes a connection with a reset instead of a FIN.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0) // both fail if it is closed already
	_ = conn.Close()
}

// forward forwards one direction until its source ends, even if the destination is gone: data that a
// client sent before it gave up still arrives, possibly much later.
func (l *link) forward(to, from *net.TCPConn, f Flow, random *rand.Rand) {
	buf := make([]byte, 16<<10)
	wasReset := false
	for forwarded := int64(0); ; {
		n, err := from.Read(buf)
		if forwarded == 0 && n > 0 {
			l.proxy.countDelays(f)
		}
		for rest := buf[:n]; len(rest) > 0; {
			switch forwarded + 1 {
			case f.ResetAt:
				l.proxy.count("reset")
				wasReset = true
				reset(l.client)
			case f.HalfOpenAt:
				l.proxy.count("half-open")
				l.halfOpen.Store(true)
			}
			piece := rest[:f.pieceSize(forwarded, len(rest))]
			rest = rest[len(piece):]
			forwarded += int64(len(piece))
			if wasReset || l.halfOpen.Load() {
				continue
			}
			if l.proxy.wait(f.delay(len(piece), random)); !l.halfOpen.Load() {
				_, _ = to.Write(piece) // the destination may be gone, see above
			}
		}
		switch {
		case err == nil:
			continue
		case l.halfOpen.Load() && from == l.upstream:
			// The client must not notice that the upstream has ended.
		case errors.Is(err, syscall.ECONNRESET) && from == l.upstream:
			reset(l.client)
		default:
			_ = to.CloseWrite() // fails if it is closed already
		}
		return
	}
}

// pieceSize returns how many of the next n bytes to forward in one write.
func (f *Flow) pieceSize(forwarded int64, n int) int {
	if f.Slice > 0 {
		n = min(n, f.Slice)
	}
	if f.Bandwidth > 0 {
		n = min(n, max(f.Bandwidth/100, 1)) // what takes 10 ms
	}
	for _, at := range []int64{f.ResetAt, f.HalfOpenAt} {
		if before := at - 1 - forwarded; before > 0 {
			n = int(min(int64(n), before))
		}
	}
	return n
}

// delay returns how long to wait before a write of n bytes.
func (f *Flow) delay(n int, random *rand.Rand) time.Duration {
	d := f.Latency
	if f.Jitter > 0 {
		d += time.Duration(random.Int64N(int64(f.Jitter)))
	}
	if f.Bandwidth > 0 {
		d += time.Duration(n) * time.Second / time.Duration(f.Bandwidth)
	}
	return d
}
