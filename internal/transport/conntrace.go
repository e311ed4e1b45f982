package transport

import (
	"errors"
	"net"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/servicefabric-go/backup/internal/text"
)

// A ConnTrace records which connections a request got, to tell whether any of it may have been sent. The
// zero value is ready for one request.
type ConnTrace struct {
	mu        sync.Mutex
	host      string // and port, of the server or its proxy; "": the request has not left this package
	requested bool   // a connection was requested for the request itself
	ours      bool   // the latest connection was requested for it
	obtained  bool   // a connection was obtained, by the request or by another in the same context
	count     int    // how many connections the request obtained
	stopped   bool   // MaySend of the call did not let it be sent
	written   bool   // its body was read, after MaySend had let it

	waitsSince time.Time // for the response: since the request was written or, without hooks, handed over
}

func (t *ConnTrace) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{GetConn: t.getConn, GotConn: t.gotConn, WroteRequest: t.wroteRequest}
}

// handOver notes that a request leaves this package for the transport below it, which connects to a URL: that
// of the request, or of the proxy for it. Through a proxy, a connection is obtained once there is a tunnel.
func (t *ConnTrace) handOver(to *url.URL) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.host = hostPortOf(to)
	t.waitsSince = time.Now()
}

func (t *ConnTrace) getConn(hostPort string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	// Middleware may send requests of its own in the same context. Behind a proxy that is not known here, all
	// connections look like those of others, and less is certain.
	// A host that is not ASCII comes in another form.
	t.ours = text.EqualFold(hostPort, t.host) || strings.ContainsFunc(t.host, func(r rune) bool { return r > unicode.MaxASCII })
	t.requested = t.requested || t.ours
}

func (t *ConnTrace) gotConn(httptrace.GotConnInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.obtained = true
	if t.ours {
		t.count++
	}
}

func (t *ConnTrace) wroteRequest(httptrace.WroteRequestInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ours {
		t.waitsSince = time.Now()
	}
}

// Waited returns how long the request has waited for its response: since it was written, or since it left this
// package if the transport does not tell when it was written.
func (t *ConnTrace) Waited() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Since(t.waitsSince)
}

// reset forgets everything, before a request of which nothing was sent goes to another endpoint.
func (t *ConnTrace) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.host, t.requested, t.ours, t.obtained, t.count, t.waitsSince = "", false, false, false, 0, time.Time{}
}

// Repeated reports whether the transport or its middleware may have sent the request more than once.
func (t *ConnTrace) Repeated() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count > 1
}

// NothingSent reports whether it is certain that nothing of the request was sent before it failed with err:
// it never left this package, never got a connection, or MaySend has kept its body back.
func (t *ConnTrace) NothingSent(err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.host == "", t.stopped && !t.written:
		return true
	case t.obtained:
		return false
	case t.requested:
		return true
	}
	// A transport without hooks, or with a proxy that is not known here.
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}
