package sfbackup

import (
	"errors"
	"net/http"
)

// WithMiddleware puts something around the transport, for traces or measurements: it is given the
// transport and returns what requests are sent through instead. Every attempt passes it, as it is sent.
// Around a transport of the caller's own the same is done with [WithHTTPClient]; this is for
// the transport that the options about certificates make.
//
// What it is given includes tokens and storage passwords, so it should not record headers and bodies. It
// must not send a request that starts a backup a second time: two that are accepted are two backups, and
// nobody would know.
func WithMiddleware(wrap func(http.RoundTripper) http.RoundTripper) Option {
	return optionFunc(func(s *settings) error {
		if wrap == nil {
			return errors.New("WithMiddleware: the function is nil")
		}
		inner := s.middleware
		s.middleware = func(next http.RoundTripper) http.RoundTripper {
			if inner != nil {
				if next = inner(next); next == nil {
					return nil
				}
			}
			return wrap(next)
		}
		return nil
	})
}
