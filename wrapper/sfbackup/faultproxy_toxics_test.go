package sfbackup_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
)

// upstreams is a listener and what comes to it.
type upstreams struct {
	t        *testing.T
	listener net.Listener
}

func newUpstreams(t *testing.T) *upstreams {
	t.Helper()
	listener := listen(t)
	t.Cleanup(func() { shut(listener) })
	return &upstreams{t, listener}
}

// proxy returns a proxy to the listener.
func (u *upstreams) proxy(seed uint64, schedule func(*rand.Rand) toxic) *faultProxy {
	return newFaultProxy(u.t, u.listener.Addr().String(), seed, schedule)
}

// accept returns the next connection.
func (u *upstreams) accept() *net.TCPConn {
	u.t.Helper()
	conn, err := u.listener.Accept()
	if err != nil {
		u.t.Fatal(err)
	}
	return tended(u.t, conn)
}

func connect(t *testing.T, p *faultProxy) (net.Conn, error) {
	return new(net.Dialer).DialContext(t.Context(), "tcp", p.addr)
}

func dial(t *testing.T, p *faultProxy) *net.TCPConn {
	t.Helper()
	conn, err := connect(t, p)
	if err != nil {
		t.Fatal(err)
	}
	return tended(t, conn)
}

// tended closes a connection at the end of a test, and lets nothing wait for it forever.
func tended(t *testing.T, conn net.Conn) *net.TCPConn {
	t.Cleanup(func() { shut(conn) })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	return conn.(*net.TCPConn)
}

// pair returns both ends of a connection with a toxic.
func pair(t *testing.T, tox toxic) (client, upstream *net.TCPConn, p *faultProxy) {
	t.Helper()
	u := newUpstreams(t)
	p = u.proxy(1, nil)
	p.push(tox)
	return dial(t, p), u.accept(), p
}

// expectRefused expects that the next connection is reset before anything comes.
func expectRefused(t *testing.T, p *faultProxy) {
	t.Helper()
	conn, err := connect(t, p)
	if err == nil { // the reset may be sooner than that
		defer shut(conn)
		_, err = conn.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("got %v", err)
	}
}

func send(t *testing.T, conn io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

// expect reads a text.
func expect(t *testing.T, conn io.Reader, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if n, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Fatalf("got %q, %v, want %q", got[:n], err, text)
	}
}

// expectEnd expects the end of a connection: io.EOF, or an error.
func expectEnd(t *testing.T, conn io.Reader, want error) {
	t.Helper()
	n, err := conn.Read(make([]byte, 1))
	if n > 0 || !errors.Is(err, want) {
		t.Fatalf("got %d bytes and %v, want %v", n, err, want)
	}
}

// expectNothing expects that nothing comes, not even an end.
func expectNothing(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	expectEnd(t, conn, os.ErrDeadlineExceeded)
}

// expectStruck expects that a proxy has done something once, and nothing else.
func expectStruck(t *testing.T, p *faultProxy, kind string) {
	t.Helper()
	if got := p.struck(); len(got) != 1 || got[kind] != 1 {
		t.Errorf("got %v, want one %s", got, kind)
	}
}

// eventually waits until something is so that nobody tells.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	for !is() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: not within 10 seconds", what)
		}
	}
}

func TestFaultProxyForwards(t *testing.T) {
	t.Parallel()
	client, upstream, p := pair(t, toxic{})
	for range 2 {
		send(t, client, "question")
		expect(t, upstream, "question")
		send(t, upstream, "answer")
		expect(t, client, "answer")
	}
	// One side ends, and the other does not yet.
	_ = client.CloseWrite()
	expectEnd(t, upstream, io.EOF)
	send(t, upstream, "rest")
	expect(t, client, "rest")
	if p.open() != 1 {
		t.Errorf("%d connections", p.open())
	}
	shut(upstream)
	expectEnd(t, client, io.EOF)
	eventually(t, "no connection", func() bool { return p.open() == 0 })
	if len(p.struck()) > 0 {
		t.Errorf("got %v", p.struck())
	}
}

// What is long arrives whole, also by little pieces.
func TestFaultProxyForwardsALot(t *testing.T) {
	t.Parallel()
	want := make([]byte, 1<<20)
	for i := range want {
		want[i] = byte(rand.Uint32())
	}
	for _, tox := range []toxic{{}, {up: flow{slice: 1000}}, {up: flow{bandwidth: 100 << 20, jitter: time.Microsecond}}} {
		client, upstream, _ := pair(t, tox)
		go func() {
			_, _ = client.Write(want)
			_ = client.CloseWrite()
		}()
		if got, err := io.ReadAll(upstream); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%+v: got %d bytes, %v", tox, len(got), err)
		}
	}
}

// A reset of the upstream is one for the client, too.
func TestFaultProxyForwardsAReset(t *testing.T) {
	t.Parallel()
	client, upstream, _ := pair(t, toxic{})
	reset(upstream)
	expectEnd(t, client, syscall.ECONNRESET)

	u := newUpstreams(t)
	p := u.proxy(1, nil)
	shut(u.listener)
	expectRefused(t, p)
}

func TestToxicRefuse(t *testing.T) {
	t.Parallel()
	u := newUpstreams(t)
	p := u.proxy(1, nil)
	p.push(toxic{refuse: true})
	expectRefused(t, p)
	expectStruck(t, p, "refused")
	// The upstream has seen none but the next one.
	client := dial(t, p)
	send(t, client, "2")
	expect(t, u.accept(), "2")
}

func TestToxicReset(t *testing.T) {
	t.Parallel()
	t.Run("up", func(t *testing.T) {
		t.Parallel()
		client, upstream, p := pair(t, toxic{up: flow{resetAt: 6}})
		send(t, client, "1234567")
		expect(t, upstream, "12345")
		expectEnd(t, upstream, io.EOF)
		shut(upstream)
		expectEnd(t, client, syscall.ECONNRESET)
		expectStruck(t, p, "reset")
	})
	t.Run("down", func(t *testing.T) {
		t.Parallel()
		client, upstream, p := pair(t, toxic{down: flow{resetAt: 6}})
		send(t, upstream, "12345")
		expect(t, client, "12345")
		send(t, upstream, "67")
		expectEnd(t, client, syscall.ECONNRESET)
		expectEnd(t, upstream, io.EOF)
		shut(upstream)
		expectStruck(t, p, "reset")
		eventually(t, "no connection", func() bool { return p.open() == 0 })
	})
}

func TestToxicHalfOpen(t *testing.T) {
	t.Parallel()
	t.Run("up", func(t *testing.T) {
		t.Parallel()
		client, upstream, p := pair(t, toxic{up: flow{halfOpenAt: 6}})
		send(t, client, "1234567")
		expect(t, upstream, "12345")
		expectNothing(t, upstream)
		send(t, upstream, "answer")
		shut(upstream)
		expectNothing(t, client)
		send(t, client, "still there?")
		expectStruck(t, p, "half-open")
		shut(client)
		eventually(t, "no connection", func() bool { return p.open() == 0 })
	})
	t.Run("down", func(t *testing.T) {
		t.Parallel()
		client, upstream, p := pair(t, toxic{down: flow{halfOpenAt: 6}})
		send(t, client, "question")
		expect(t, upstream, "question")
		send(t, upstream, "12345")
		expect(t, client, "12345")
		send(t, upstream, "67")
		expectNothing(t, client)
		send(t, client, "again")
		expectNothing(t, upstream)
		// Only the client ends it.
		shut(client)
		_ = upstream.SetReadDeadline(time.Time{})
		expectEnd(t, upstream, io.EOF)
		expectStruck(t, p, "half-open")
	})
}

func TestToxicLatency(t *testing.T) {
	t.Parallel()
	const latency, slack = 30 * time.Millisecond, time.Millisecond
	client, upstream, p := pair(t, toxic{up: flow{latency: latency}, down: flow{latency: latency, jitter: time.Millisecond}})
	start := time.Now()
	send(t, client, "question")
	expect(t, upstream, "question")
	there := time.Now()
	send(t, upstream, "answer")
	expect(t, client, "answer")
	if up, down := there.Sub(start), time.Since(there); up < latency-slack || down < latency-slack {
		t.Errorf("%v there and %v back", up, down)
	}
	if got := p.struck(); got["latency"] != 2 || len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

// The jitter of a connection is that of its number and the seed.
func TestToxicJitter(t *testing.T) {
	t.Parallel()
	f := flow{latency: time.Second, jitter: time.Second}
	delays := func(seed uint64) (d []time.Duration) {
		random := rand.New(rand.NewPCG(seed, 1))
		for range 100 {
			d = append(d, f.delay(1, random))
		}
		return d
	}
	first := delays(1)
	if slices.Min(first) < time.Second || slices.Min(first) > 1100*time.Millisecond || slices.Max(first) > 2*time.Second || slices.Max(first) < 1900*time.Millisecond {
		t.Errorf("from %v to %v", slices.Min(first), slices.Max(first))
	}
	if !slices.Equal(first, delays(1)) || slices.Equal(first, delays(2)) {
		t.Error("the seed is not what the jitter depends on")
	}
}

func TestToxicBandwidth(t *testing.T) {
	t.Parallel()
	client, upstream, p := pair(t, toxic{down: flow{bandwidth: 10_000}})
	text := string(bytes.Repeat([]byte("x"), 500))
	start := time.Now()
	send(t, upstream, text)
	expect(t, client, text)
	if took := time.Since(start); took < 49*time.Millisecond {
		t.Errorf("500 bytes took %v", took)
	}
	start = time.Now()
	send(t, client, text)
	expect(t, upstream, text)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the other direction took %v", took)
	}
	expectStruck(t, p, "bandwidth")
}

func TestToxicSlice(t *testing.T) {
	t.Parallel()
	// The latency keeps the receiver's system from putting them together.
	client, upstream, p := pair(t, toxic{up: flow{slice: 3, latency: 2 * time.Millisecond}})
	send(t, client, "0123456789abcdefghijklmnopqrstuvwxyz")
	got := make([]byte, 36)
	n, err := upstream.Read(got)
	if err != nil || n > 33 {
		t.Errorf("got %q, %v, at once", got[:n], err)
	}
	expect(t, upstream, "0123456789abcdefghijklmnopqrstuvwxyz"[n:])
	if got := p.struck(); got["slice"] != 1 || got["latency"] != 1 {
		t.Errorf("got %v", got)
	}
}

// Who gets what depends on the seed and the order of the connections.
func TestFaultProxySchedule(t *testing.T) {
	t.Parallel()
	refused := func(seed uint64) (refused []bool) {
		u := newUpstreams(t)
		p := u.proxy(seed, func(r *rand.Rand) toxic { return toxic{refuse: r.IntN(2) == 0} })
		go func() { // answers whoever gets through
			for {
				conn, err := u.listener.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, "x")
				shut(conn)
			}
		}()
		p.push(toxic{}) // takes the place of what is drawn, for one
		for range 40 {
			before := p.struck()["refused"]
			if conn, err := connect(t, p); err == nil { // the reset may be sooner than that
				_, _ = io.Copy(io.Discard, conn)
				shut(conn)
			}
			refused = append(refused, p.struck()["refused"] > before)
		}
		return refused
	}
	first := refused(1)
	if first[0] || !slices.Contains(first, true) || !slices.Contains(first[1:], false) {
		t.Errorf("got %v", first)
	}
	if !slices.Equal(first, refused(1)) {
		t.Error("the same seed refuses others")
	}
	if slices.Equal(first, refused(2)) {
		t.Error("another seed refuses the same")
	}
}

// The schedule for all has every toxic, and connections without any.
func TestAnyToxic(t *testing.T) {
	t.Parallel()
	kinds := map[string]int{}
	for n := range uint64(1000) {
		tox := anyToxic(rand.New(rand.NewPCG(1, n)))
		if again := anyToxic(rand.New(rand.NewPCG(1, n))); again != tox {
			t.Errorf("got %+v and %+v", tox, again)
		}
		for kind, is := range map[string]bool{
			"none":      tox == toxic{},
			"refuse":    tox.refuse,
			"latency":   tox.up.latency > 0 && tox.down.jitter == 0,
			"bandwidth": tox.down.bandwidth > 0,
			"slice":     tox.up.slice > 0,
			"reset up":  tox.up.resetAt > 0, "reset down": tox.down.resetAt > 100_000,
			"half-open up": tox.up.halfOpenAt > 0, "half-open down": tox.down.halfOpenAt > 0 && tox.down.halfOpenAt < 100,
		} {
			if is {
				kinds[kind]++
			}
		}
	}
	if len(kinds) != 9 || kinds["none"] < 100 {
		t.Errorf("got %v", kinds)
	}
}

// Whatever goes on, closing the proxy ends it.
func TestFaultProxyClose(t *testing.T) {
	t.Parallel()
	for _, tox := range []toxic{
		{}, {up: flow{latency: time.Hour}}, {up: flow{bandwidth: 1}}, {up: flow{halfOpenAt: 1}}, {down: flow{latency: time.Hour}},
	} {
		client, upstream, p := pair(t, tox)
		send(t, client, "a long question")
		send(t, upstream, "a long answer")
		if tox != (toxic{}) {
			eventually(t, "a toxic", func() bool { return len(p.struck()) > 0 })
		}
		p.close()
		if p.open() != 0 {
			t.Errorf("%+v: %d connections", tox, p.open())
		}
		_, _ = io.Copy(io.Discard, upstream) // ends
		_, _ = io.Copy(io.Discard, client)
		if conn, err := connect(t, p); err == nil {
			shut(conn)
			t.Errorf("%+v: somebody listens", tox)
		}
		p.close() // a second time
	}
	// Nor does it wait for a client that reads nothing.
	client, upstream, p := pair(t, toxic{})
	go func() { _, _ = io.CopyN(upstream, zeros{}, 64<<20) }()
	expect(t, client, "\x00")
	p.close()
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
