package sfbackup

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"sync"
)

// sentTrace finds out whether anything of a request was sent.
type sentTrace struct {
	mu     sync.Mutex
	handed bool // to the transport of the caller, or to ours
	asked  bool // for a connection
	gotten bool
}

// sentKey is the key of the context value with the sentTrace of a request.
type sentKey struct{}

func withSent(ctx context.Context, s *sentTrace) context.Context {
	return httptrace.WithClientTrace(context.WithValue(ctx, sentKey{}, s), &httptrace.ClientTrace{
		GetConn: func(string) { s.set(&s.asked) },
		GotConn: func(httptrace.GotConnInfo) { s.set(&s.gotten) },
	})
}

// sentOf returns the sentTrace of a request, or nil.
func sentOf(ctx context.Context) *sentTrace {
	s, _ := ctx.Value(sentKey{}).(*sentTrace)
	return s
}

// hand notes that a request leaves this package.
func (s *sentTrace) hand() {
	if s != nil {
		s.set(&s.handed)
	}
}

func (s *sentTrace) set(b *bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*b = true
}

// reset forgets what is known, before a request is sent anew of which nothing was sent.
func (s *sentTrace) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handed, s.asked, s.gotten = false, false, false
}

// nothing reports whether it is certain that nothing was sent before an error: because the request did
// not get as far as that, or because there never was a connection.
func (s *sentTrace) nothing(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.handed:
		return true
	case s.asked:
		return !s.gotten
	}
	// A transport that tells nothing of what it does.
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}
