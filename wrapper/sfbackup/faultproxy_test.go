package sfbackup_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A faultProxy forwards TCP connections and lets go wrong with them what goes wrong in networks, below
// HTTP, where sfbackuptest has no hand in it. What happens to a connection is a toxic: the next one
// that was pushed, or else one that the schedule draws. Each connection draws from its number and
// the seed alone, so that a run can be repeated as far as a client makes its connections in the same
// order.
//
// The upstream never sees a reset but an end in good order, and is read until it has ended too. So once
// no connection is open, it has done all that it will ever do about what it was sent.
type faultProxy struct {
	addr     string
	t        testing.TB
	upstream string
	listener net.Listener
	seed     uint64
	schedule func(*rand.Rand) toxic
	ctx      context.Context // ends all that waits
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu       sync.Mutex
	pushed   []toxic
	accepted uint64
	links    map[*link]bool // that have not ended
	ended    *sync.Cond     // one of them has
	counts   map[string]int
}

// A toxic is what goes wrong with a connection. The zero value is nothing.
type toxic struct {
	refuse   bool // reset it before anything is forwarded
	up, down flow // to the upstream, to the client
}

// A flow is one direction of a connection.
type flow struct {
	latency, jitter time.Duration // each write comes so much later, and up to so much more
	bandwidth       int           // bytes a second; 0: no limit
	slice           int           // bytes of a write at most; 0: as they come
	// In place of this byte, counted from 1, the connection is reset, or its peer is gone: nothing is
	// forwarded any more in either direction, not even an end. 0: never.
	resetAt, halfOpenAt int64
}

// anyToxic is a schedule with all of them, for answers of up to some hundred KiB.
func anyToxic(r *rand.Rand) toxic {
	slow := func() flow {
		return []flow{
			{}, {}, {}, {latency: 5 * time.Millisecond, jitter: 10 * time.Millisecond}, {bandwidth: 4 << 20}, {slice: 50 + r.IntN(1000)},
		}[r.IntN(6)]
	}
	tox := toxic{up: slow(), down: slow()}
	at := 1 + r.Int64N(1<<r.IntN(19)) // the nearer to the beginning, the likelier
	switch r.IntN(20) {
	case 0, 1:
		tox.refuse = true
	case 2, 3:
		tox.up.resetAt = at
	case 4, 5:
		tox.down.resetAt = at
	case 6:
		tox.up.halfOpenAt = at
	case 7:
		tox.down.halfOpenAt = at
	}
	return tox
}

// newFaultProxy returns a proxy to an address; a nil schedule has no toxics. It ends with the test, and
// tells the seed if that has failed.
func newFaultProxy(t testing.TB, upstream string, seed uint64, schedule func(*rand.Rand) toxic) *faultProxy {
	t.Helper()
	listener := listen(t)
	p := &faultProxy{
		addr: listener.Addr().String(), t: t, upstream: upstream, listener: listener, seed: seed, schedule: schedule,
		links: map[*link]bool{}, counts: map[string]int{},
	}
	p.ended = sync.NewCond(&p.mu)
	p.ctx, p.stop = context.WithCancel(t.Context())
	p.running.Go(p.accept)
	t.Cleanup(func() {
		p.close()
		if t.Failed() {
			t.Logf("the seed of the fault proxy was %d", seed)
		}
	})
	return p
}

// push sets the toxics of the next connections, one each.
func (p *faultProxy) push(toxics ...toxic) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pushed = append(p.pushed, toxics...)
}

// open returns how many connections have not ended on both sides.
func (p *faultProxy) open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// settle returns when no connection is open any more.
func (p *faultProxy) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.links) > 0 {
		p.ended.Wait()
	}
}

// struck returns how often each kind of toxic has; those that only slow down, how many flows.
func (p *faultProxy) struck() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// close closes all connections and returns when nothing of the proxy runs any more.
func (p *faultProxy) close() {
	p.stop()
	p.mu.Lock()
	for l := range p.links {
		l.close()
	}
	p.mu.Unlock()
	shut(p.listener)
	p.running.Wait()
}

func (p *faultProxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				p.t.Errorf("the fault proxy: %v", err)
			}
			return
		}
		l := &link{proxy: p, client: conn.(*net.TCPConn)}
		p.mu.Lock()
		p.links[l] = true
		p.accepted++
		random := rand.New(rand.NewPCG(p.seed, p.accepted))
		var tox toxic
		switch {
		case len(p.pushed) > 0:
			tox, p.pushed = p.pushed[0], p.pushed[1:]
		case p.schedule != nil:
			tox = p.schedule(random)
		}
		p.mu.Unlock()
		p.running.Go(func() { l.serve(tox, random) })
	}
}

func (p *faultProxy) count(kind string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[kind]++
}

func (p *faultProxy) countSlow(f flow) {
	for kind, is := range map[string]bool{"latency": f.latency+f.jitter > 0, "bandwidth": f.bandwidth > 0, "slice": f.slice > 0} {
		if is {
			p.count(kind)
		}
	}
}

// wait ends with the proxy.
func (p *faultProxy) wait(d time.Duration) {
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

// A link is a connection of a client and the one to the upstream that goes with it.
type link struct {
	proxy            *faultProxy
	client, upstream *net.TCPConn
	halfOpen         atomic.Bool
}

func (l *link) serve(tox toxic, random *rand.Rand) {
	p := l.proxy
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.links, l)
		l.close()
		p.ended.Broadcast()
	}()
	if tox.refuse {
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
	up, down := rand.New(rand.NewPCG(random.Uint64(), 0)), rand.New(rand.NewPCG(random.Uint64(), 0))
	var done sync.WaitGroup
	done.Go(func() { l.forward(l.upstream, l.client, tox.up, up) })
	done.Go(func() { l.forward(l.client, l.upstream, tox.down, down) })
	done.Wait()
}

// close is called with the lock of the proxy.
func (l *link) close() {
	shut(l.client)
	if l.upstream != nil {
		shut(l.upstream)
	}
}

// listen listens on a free port of the loopback interface.
func listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// shut closes what may be closed already.
func shut(c io.Closer) { c.Close() }

// reset closes a connection by a reset, instead of by an end after what was sent.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0) // it fails on what is closed
	shut(conn)
}

// forward forwards one direction until its source ends, even if the destination is gone: what a client
// has sent before it gave up arrives all the same, maybe much later.
func (l *link) forward(to, from *net.TCPConn, f flow, random *rand.Rand) {
	buf := make([]byte, 16<<10)
	over := false // reset
	for forwarded := int64(0); ; {
		n, err := from.Read(buf)
		if forwarded == 0 && n > 0 {
			l.proxy.countSlow(f)
		}
		for rest := buf[:n]; len(rest) > 0; {
			switch forwarded + 1 {
			case f.resetAt:
				l.proxy.count("reset")
				over = true
				reset(l.client)
			case f.halfOpenAt:
				l.proxy.count("half-open")
				l.halfOpen.Store(true)
			}
			piece := rest[:f.piece(forwarded, len(rest))]
			rest = rest[len(piece):]
			forwarded += int64(len(piece))
			if over || l.halfOpen.Load() {
				continue
			}
			if l.proxy.wait(f.delay(len(piece), random)); !l.halfOpen.Load() {
				_, _ = to.Write(piece) // see above
			}
		}
		switch {
		case err == nil:
			continue
		case l.halfOpen.Load() && from == l.upstream:
			// The client is told nothing.
		case errors.Is(err, syscall.ECONNRESET) && from == l.upstream:
			reset(l.client)
		default:
			_ = to.CloseWrite() // it may be closed
		}
		return
	}
}

// piece returns how many of the next n bytes are forwarded together.
func (f *flow) piece(forwarded int64, n int) int {
	if f.slice > 0 {
		n = min(n, f.slice)
	}
	if f.bandwidth > 0 {
		n = min(n, max(f.bandwidth/100, 1)) // a hundredth of a second
	}
	for _, at := range []int64{f.resetAt, f.halfOpenAt} {
		if before := at - 1 - forwarded; before > 0 {
			n = int(min(int64(n), before))
		}
	}
	return n
}

// delay returns how long to wait before n bytes are written.
func (f *flow) delay(n int, random *rand.Rand) time.Duration {
	d := f.latency
	if f.jitter > 0 {
		d += time.Duration(random.Int64N(int64(f.jitter)))
	}
	if f.bandwidth > 0 {
		d += time.Duration(n) * time.Second / time.Duration(f.bandwidth)
	}
	return d
}
