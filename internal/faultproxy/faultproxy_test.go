package faultproxy

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

// upstream is a listener that proxies connect to.
type upstream struct {
	t        *testing.T
	listener net.Listener
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeQuietly(listener) })
	return &upstream{t, listener}
}

// proxy returns a proxy to the listener.
func (u *upstream) proxy(seed uint64, schedule func(*rand.Rand) Fault) *Proxy {
	u.t.Helper()
	p, err := New(u.listener.Addr().String(), seed, schedule)
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { closeProxy(u.t, p) })
	return p
}

// closeQuietly closes something that may be closed already.
func closeQuietly(c io.Closer) { c.Close() }

func closeProxy(t *testing.T, p *Proxy) {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// accept returns the next connection.
func (u *upstream) accept() *net.TCPConn {
	u.t.Helper()
	conn, err := u.listener.Accept()
	if err != nil {
		u.t.Fatal(err)
	}
	return withCleanup(u.t, conn)
}

func connect(t *testing.T, p *Proxy) (net.Conn, error) {
	return new(net.Dialer).DialContext(t.Context(), "tcp", p.Addr)
}

func dial(t *testing.T, p *Proxy) *net.TCPConn {
	t.Helper()
	conn, err := connect(t, p)
	if err != nil {
		t.Fatal(err)
	}
	return withCleanup(t, conn)
}

// withCleanup closes a connection at the end of a test, and sets a deadline so that the test cannot hang.
func withCleanup(t *testing.T, conn net.Conn) *net.TCPConn {
	t.Cleanup(func() { closeQuietly(conn) })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	return conn.(*net.TCPConn)
}

// pair returns both ends of a connection with a fault.
func pair(t *testing.T, fault Fault) (client, upstream *net.TCPConn, p *Proxy) {
	t.Helper()
	u := newUpstream(t)
	p = u.proxy(1, nil)
	p.Push(fault)
	return dial(t, p), u.accept(), p
}

// expectRefused expects that the next connection is reset before any data arrives.
func expectRefused(t *testing.T, p *Proxy) {
	t.Helper()
	conn, err := connect(t, p)
	if err == nil { // the reset may arrive during the dial
		defer closeQuietly(conn)
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

// expectEnd expects that a connection ends with io.EOF or another error.
func expectEnd(t *testing.T, conn io.Reader, want error) {
	t.Helper()
	n, err := conn.Read(make([]byte, 1))
	if n > 0 || !errors.Is(err, want) {
		t.Fatalf("got %d bytes and %v, want %v", n, err, want)
	}
}

// expectNothing expects that a connection neither delivers data nor ends.
func expectNothing(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	expectEnd(t, conn, os.ErrDeadlineExceeded)
}

// expectCount expects that a proxy has counted one fault of a kind, and no other fault.
func expectCount(t *testing.T, p *Proxy, kind string) {
	t.Helper()
	if got := p.Counts(); len(got) != 1 || got[kind] != 1 {
		t.Errorf("got %v, want one %s", got, kind)
	}
}

// eventually polls until a condition holds.
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

func TestForwards(t *testing.T) {
	t.Parallel()
	client, upstream, p := pair(t, Fault{})
	for range 2 {
		send(t, client, "question")
		expect(t, upstream, "question")
		send(t, upstream, "answer")
		expect(t, client, "answer")
	}
	// One side ends, the other can still send.
	_ = client.CloseWrite()
	expectEnd(t, upstream, io.EOF)
	send(t, upstream, "rest")
	expect(t, client, "rest")
	if p.Open() != 1 {
		t.Errorf("%d connections", p.Open())
	}
	closeQuietly(upstream)
	expectEnd(t, client, io.EOF)
	eventually(t, "no connection", func() bool { return p.Open() == 0 })
	if len(p.Counts()) > 0 {
		t.Errorf("got %v", p.Counts())
	}
}

// Large amounts of data arrive completely, also in small pieces.
func TestForwardsLargeData(t *testing.T) {
	t.Parallel()
	want := make([]byte, 1<<20)
	for i := range want {
		want[i] = byte(rand.Uint32())
	}
	for _, fault := range []Fault{{}, {Up: Flow{Slice: 1000}}, {Up: Flow{Bandwidth: 100 << 20, Jitter: time.Microsecond}}} {
		client, upstream, _ := pair(t, fault)
		go func() {
			_, _ = client.Write(want)
			_ = client.CloseWrite()
		}()
		if got, err := io.ReadAll(upstream); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%+v: got %d bytes, %v", fault, len(got), err)
		}
	}
}

// A reset by the upstream, and an upstream that refuses connections, are resets for the client.
func TestForwardsReset(t *testing.T) {
	t.Parallel()
	client, upstream, _ := pair(t, Fault{})
	reset(upstream)
	expectEnd(t, client, syscall.ECONNRESET)

	u := newUpstream(t)
	p := u.proxy(1, nil)
	closeQuietly(u.listener)
	expectRefused(t, p)
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	p := u.proxy(1, nil)
	p.Push(Fault{Refuse: true})
	expectRefused(t, p)
	expectCount(t, p, "refused")
	// The upstream sees only the next connection.
	client := dial(t, p)
	send(t, client, "2")
	expect(t, u.accept(), "2")
}

func TestReset(t *testing.T) {
	t.Parallel()
	t.Run("up", func(t *testing.T) {
		t.Parallel()
		client, upstream, p := pair(t, Fault{Up: Flow{ResetAt: 6}})
		send(t, client, "1234567")
		expect(t, upstream, "12345")
		expectEnd(t, upstream, io.EOF)
		closeQuietly(upstream)
		expectEnd(t, client, syscall.ECONNRESET)
		expectCount(t, p, "reset")
	})
	t.Run("down", func(t *testing.T) {
		t.Parallel()
		client, upstream, p := pair(t, Fault{Down: Flow{ResetAt: 6}})
		send(t, upstream, "12345")
		expect(t, client, "12345")
		send(t, upstream, "67")
		expectEnd(t, client, syscall.ECONNRESET)
		expectEnd(t, upstream, io.EOF)
		closeQuietly(upstream)
		expectCount(t, p, "reset")
		eventually(t, "no connection", func() bool { return p.Open() == 0 })
	})
}

func TestHalfOpen(t *testing.T) {
	t.Parallel()
	t.Run("up", func(t *testing.T) {
		t.Parallel()
		client, upstream, p := pair(t, Fault{Up: Flow{HalfOpenAt: 6}})
		send(t, client, "1234567")
		expect(t, upstream, "12345")
		expectNothing(t, upstream)
		send(t, upstream, "answer")
		closeQuietly(upstream)
		expectNothing(t, client)
		send(t, client, "still there?")
		expectCount(t, p, "half-open")
		closeQuietly(client)
		eventually(t, "no connection", func() bool { return p.Open() == 0 })
	})
	t.Run("down", func(t *testing.T) {
		t.Parallel()
		client, upstream, p := pair(t, Fault{Down: Flow{HalfOpenAt: 6}})
		send(t, client, "question")
		expect(t, upstream, "question")
		send(t, upstream, "12345")
		expect(t, client, "12345")
		send(t, upstream, "67")
		expectNothing(t, client)
		send(t, client, "again")
		expectNothing(t, upstream)
		// The upstream sees the end only when the client has ended.
		closeQuietly(client)
		_ = upstream.SetReadDeadline(time.Time{})
		expectEnd(t, upstream, io.EOF)
		expectCount(t, p, "half-open")
	})
}

func TestLatency(t *testing.T) {
	t.Parallel()
	const latency, slack = 30 * time.Millisecond, time.Millisecond
	client, upstream, p := pair(t, Fault{Up: Flow{Latency: latency}, Down: Flow{Latency: latency, Jitter: time.Millisecond}})
	start := time.Now()
	send(t, client, "question")
	expect(t, upstream, "question")
	there := time.Now()
	send(t, upstream, "answer")
	expect(t, client, "answer")
	if up, down := there.Sub(start), time.Since(there); up < latency-slack || down < latency-slack {
		t.Errorf("%v there and %v back", up, down)
	}
	if got := p.Counts(); got["latency"] != 2 || len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

// The jitter depends only on the seed and the number of the connection.
func TestJitter(t *testing.T) {
	t.Parallel()
	f := Flow{Latency: time.Second, Jitter: time.Second}
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
		t.Error("the jitter does not depend on the seed alone")
	}
}

func TestBandwidth(t *testing.T) {
	t.Parallel()
	client, upstream, p := pair(t, Fault{Down: Flow{Bandwidth: 10_000}})
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
	expectCount(t, p, "bandwidth")
}

func TestSlice(t *testing.T) {
	t.Parallel()
	// The latency keeps the receiving system from joining the pieces.
	client, upstream, p := pair(t, Fault{Up: Flow{Slice: 3, Latency: 2 * time.Millisecond}})
	send(t, client, "0123456789abcdefghijklmnopqrstuvwxyz")
	got := make([]byte, 36)
	n, err := upstream.Read(got)
	if err != nil || n > 33 {
		t.Errorf("got %q, %v, at once", got[:n], err)
	}
	expect(t, upstream, "0123456789abcdefghijklmnopqrstuvwxyz"[n:])
	if got := p.Counts(); got["slice"] != 1 || got["latency"] != 1 {
		t.Errorf("got %v", got)
	}
}

// Which connection gets which fault depends only on the seed and the order of the connections.
func TestSchedule(t *testing.T) {
	t.Parallel()
	refused := func(seed uint64) (refused []bool) {
		u := newUpstream(t)
		p := u.proxy(seed, func(r *rand.Rand) Fault { return Fault{Refuse: r.IntN(2) == 0} })
		go func() { // responds to every connection that is not refused
			for {
				conn, err := u.listener.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, "x")
				closeQuietly(conn)
			}
		}()
		p.Push(Fault{}) // replaces the fault of the schedule for one connection
		for range 40 {
			before := p.Counts()["refused"]
			if conn, err := connect(t, p); err == nil { // the reset may arrive during the dial
				_, _ = io.Copy(io.Discard, conn)
				closeQuietly(conn)
			}
			refused = append(refused, p.Counts()["refused"] > before)
		}
		return refused
	}
	first := refused(1)
	if first[0] || !slices.Contains(first, true) || !slices.Contains(first[1:], false) {
		t.Errorf("got %v", first)
	}
	if !slices.Equal(first, refused(1)) {
		t.Error("the same seed refuses other connections")
	}
	if slices.Equal(first, refused(2)) {
		t.Error("another seed refuses the same connections")
	}
}

// RandomFault returns every kind of fault, and connections without a fault.
func TestRandomFault(t *testing.T) {
	t.Parallel()
	kinds := map[string]int{}
	for n := range uint64(1000) {
		fault := RandomFault(rand.New(rand.NewPCG(1, n)))
		if again := RandomFault(rand.New(rand.NewPCG(1, n))); again != fault {
			t.Errorf("got %+v and %+v", fault, again)
		}
		for kind, is := range map[string]bool{
			"none":      fault == Fault{},
			"refuse":    fault.Refuse,
			"latency":   fault.Up.Latency > 0 && fault.Down.Jitter == 0,
			"bandwidth": fault.Down.Bandwidth > 0,
			"slice":     fault.Up.Slice > 0,
			"reset up":  fault.Up.ResetAt > 0, "reset down": fault.Down.ResetAt > 100_000,
			"half-open up": fault.Up.HalfOpenAt > 0, "half-open down": fault.Down.HalfOpenAt > 0 && fault.Down.HalfOpenAt < 100,
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

// Close ends the proxy whatever its connections are doing.
func TestClose(t *testing.T) {
	t.Parallel()
	for _, fault := range []Fault{
		{}, {Up: Flow{Latency: time.Hour}}, {Up: Flow{Bandwidth: 1}}, {Up: Flow{HalfOpenAt: 1}}, {Down: Flow{Latency: time.Hour}},
	} {
		client, upstream, p := pair(t, fault)
		send(t, client, "a long question")
		send(t, upstream, "a long answer")
		if fault != (Fault{}) {
			eventually(t, "a fault", func() bool { return len(p.Counts()) > 0 })
		}
		closeProxy(t, p)
		if p.Open() != 0 {
			t.Errorf("%+v: %d connections", fault, p.Open())
		}
		_, _ = io.Copy(io.Discard, upstream) // ends
		_, _ = io.Copy(io.Discard, client)
		if conn, err := connect(t, p); err == nil {
			closeQuietly(conn)
			t.Errorf("%+v: the proxy still listens", fault)
		}
		closeProxy(t, p) // may be called again
	}
	// Close does not wait for a client that does not read.
	client, upstream, p := pair(t, Fault{})
	go func() { _, _ = io.CopyN(upstream, zeros{}, 64<<20) }()
	expect(t, client, "\x00")
	closeProxy(t, p)
}

// zeros is an endless stream of zeros.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
