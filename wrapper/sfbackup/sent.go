package sfbackup

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
)

// sentTrace finds out whether anything of a request was sent.
type sentTrace struct {
	mu    sync.Mutex
	host  string // and port; "": the request has not left this package
	asked bool   // for a connection
	own   bool   // who asked last did so for this request
	times int    // how many connections were given to it
	given bool   // one was given, to it or to another
}

// sentKey is the key of the context value with the sentTrace of a request.
type sentKey struct{}

func withSent(ctx context.Context, s *sentTrace) context.Context {
	return httptrace.WithClientTrace(context.WithValue(ctx, sentKey{}, s), &httptrace.ClientTrace{
		GetConn: s.getConn,
		GotConn: s.gotConn,
	})
}

// sentOf returns the sentTrace of a request, or nil.
func sentOf(ctx context.Context) *sentTrace {
	s, _ := ctx.Value(sentKey{}).(*sentTrace)
	return s
}

// hand notes that a request leaves this package, for the caller's transport or ours.
func (s *sentTrace) hand(u *url.URL) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, s.host, _ = strings.Cut(originOf(u), "://")
}

func (s *sentTrace) getConn(hostPort string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Middleware may have requests of its own with the same context. (With a proxy, which has another
	// host, it looks as though all were of others, and less is certain.)
	s.own = hostPort == s.host
	s.asked = s.asked || s.own
}

func (s *sentTrace) gotConn(httptrace.GotConnInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given = true
	if s.own {
		s.times++
	}
}

// reset forgets what is known, before a request is sent anew of which nothing was sent.
func (s *sentTrace) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.host, s.asked, s.own, s.times, s.given = "", false, false, 0, false
}

// repeatedly reports whether the request may have been sent several times, by the transport or by what is
// around it.
func (s *sentTrace) repeatedly() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.times > 1
}

// nothing reports whether it is certain that nothing was sent before an error: because the request did
// not get as far as that, or because there never was a connection.
func (s *sentTrace) nothing(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.host == "":
		return true
	case s.given:
		return false
	case s.asked:
		return true
	}
	// A transport that tells nothing of what it does, or a proxy.
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}
