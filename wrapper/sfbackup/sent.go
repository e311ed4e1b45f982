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
	given int    // how many connections it was given
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
	// Middleware may have requests of its own with the same context.
	s.asked = s.asked || hostPort == s.host
}

func (s *sentTrace) gotConn(httptrace.GotConnInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given++
}

// reset forgets what is known, before a request is sent anew of which nothing was sent.
func (s *sentTrace) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.host, s.asked, s.given = "", false, 0
}

// repeatedly reports whether the request may have been sent several times, by the transport or by what is
// around it.
func (s *sentTrace) repeatedly() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.given > 1
}

// nothing reports whether it is certain that nothing was sent before an error: because the request did
// not get as far as that, or because there never was a connection.
func (s *sentTrace) nothing(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.host == "":
		return true
	case s.given > 0:
		return false
	case s.asked:
		return true
	}
	// A transport that tells nothing of what it does, or a proxy.
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}
