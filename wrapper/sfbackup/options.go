package sfbackup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/servicefabric-go/backup/internal/transport"
)

// An Option changes a client that [NewClient] makes.
type Option interface {
	apply(*settings) error
}

// settings is what options change.
type settings struct {
	transport transport.Config // its first endpoint is that of NewClient
	userAgent string
	serviceID func(ServiceName) string
}

type optionFunc func(*settings) error

func (f optionFunc) apply(s *settings) error { return f(s) }

// WithHTTPClient sends requests through a copy of the given client, with its transport, cookie jar and
// timeout. The timeout limits a whole call, its retries and their delays included, and the transfer of a
// list; contexts limit time more precisely. The transport must not send a request that starts a backup more
// than once, as some retrying transports do, and must not follow redirects itself.
//
// Redirects are not followed unless the client has a CheckRedirect that allows them. Whatever it allows, a
// request that starts a backup is never redirected. Other requests are redirected to another host, port or
// scheme than those of the endpoints only if the endpoints begin with http:// and the client has no tokens.
// A redirect that is not followed is an [*APIError].
//
// Without this option all clients share a transport with HTTP/1.1, which is what the gateway of a cluster
// speaks, and the proxy of the environment.
//
// The options about certificates, and [WithTLS13], need a transport that is an *http.Transport or nil.
// Requests then go through a copy of it with HTTP/1.1 only and TLS 1.2 at most, in which the options replace
// what its TLSClientConfig says about the same; one about the client certificate also its ClientSessionCache.
// Idle connections of the copy are closed after its IdleConnTimeout, or after 90 s if it has none. The original
// is not changed. It may be in use while NewClient copies it, but not for the first time if it speaks HTTP/2,
// because that use sets its fields.
func WithHTTPClient(client *http.Client) Option {
	return optionFunc(func(s *settings) error {
		if client == nil {
			return errors.New("WithHTTPClient: the client is nil")
		}
		s.transport.HTTPClient = client
		return nil
	})
}

// WithEndpoints adds endpoints of the same cluster to that of [NewClient], with the same scheme and
// path. The client begins with a random one and uses it until it fails. It then goes on to another, and
// does not use the failed one for half a minute. A request that starts a backup goes on only if nothing of
// it was sent, or when the progress has shown that it did nothing.
func WithEndpoints(endpoints ...string) Option {
	return optionFunc(func(s *settings) error {
		var errs []error
		for _, endpoint := range endpoints {
			u, err := transport.ParseEndpoint(endpoint)
			if err != nil {
				errs = append(errs, fmt.Errorf("WithEndpoints: %w", err))
				continue
			}
			s.transport.Endpoints = append(s.transport.Endpoints, u)
		}
		return errors.Join(errs...)
	})
}

// RetryPolicy says how often and when a request is retried: after a connection that failed, and after a
// response that says that the failure is transient. The zero value is the default. A request that starts a
// backup is retried only when it is certain that it has not started one, see [Client.BackupPartition].
type RetryPolicy struct {
	// MaxAttempts is how often a request is sent at most; 0 is 4, 1 means no retries. A list whose
	// connection breaks is read on at most MaxAttempts times in a row without progress, and
	// 8×MaxAttempts times in total.
	MaxAttempts int
	// MinDelay is the longest delay before the second attempt; 0 is half a second. It doubles with
	// each further attempt up to MaxDelay; 0 is 10 seconds, or MinDelay if that is longer. Each delay
	// is random between zero and that, so that clients which failed together do not retry together. A
	// server that asks for a longer delay by Retry-After gets it, up to five minutes.
	MinDelay, MaxDelay time.Duration
	// AttemptTimeout ends an attempt that has no response by then; 0 is no timeout. Use it with care:
	// the gateway holds a request for up to two minutes while the backup service moves between nodes,
	// and answers it then. A start that was ended so after something of it was sent may still be in
	// flight, and is not sent again.
	AttemptTimeout time.Duration
}

// WithRetry sets the retry policy.
func WithRetry(policy RetryPolicy) Option {
	return optionFunc(func(s *settings) error {
		var err error
		if s.transport.Retry, err = transport.RetryPolicy(policy).Checked(); err != nil {
			return fmt.Errorf("WithRetry: %w", err)
		}
		return nil
	})
}

// WithLogger logs every attempt of a request at level debug when its response begins: the operation,
// attempt, status, duration, endpoint and request id, and the code of an error. Queries, headers and bodies
// are never logged. Where the text of an error repeats a secret that was sent, it has "[redacted]" instead.
func WithLogger(logger *slog.Logger) Option {
	return optionFunc(func(s *settings) error {
		if logger == nil {
			return errors.New("WithLogger: the logger is nil")
		}
		s.transport.Logger = logger
		return nil
	})
}

// WithMiddleware wraps the transport, for traces or measurements: wrap is given the transport and returns
// what requests are sent through instead. Every attempt passes it as it is sent; [CallFromContext] tells
// which operation it belongs to. It is meant for the transport that the options about certificates make; a
// transport of the caller's can be wrapped before [WithHTTPClient]. Given several times, the last one is
// outermost.
//
// Requests hold tokens and the passwords of storages, so middleware should not record headers and bodies. It
// must not send a request that starts a backup more than once: two that are accepted are two backups.
func WithMiddleware(wrap func(http.RoundTripper) http.RoundTripper) Option {
	return optionFunc(func(s *settings) error {
		if wrap == nil {
			return errors.New("WithMiddleware: the function is nil")
		}
		inner := s.transport.Middleware
		s.transport.Middleware = func(next http.RoundTripper) http.RoundTripper {
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

// A Call is what a request is sent for.
type Call struct {
	Operation string // the operation's name in the documentation
	Attempt   int    // the number of the attempt, from 1
}

// CallFromContext returns the call that a request belongs to, given the context of the request: for
// middleware and transports, so that traces and metrics need not parse paths. It reports false for a
// context of anything else.
func CallFromContext(ctx context.Context) (Call, bool) {
	call, ok := transport.CallFromContext(ctx)
	return Call{call.Operation, call.Attempt}, ok
}

const defaultUserAgent = "servicefabric-go-backup"

// WithUserAgent sets the User-Agent header, by default "servicefabric-go-backup".
func WithUserAgent(userAgent string) Option {
	return optionFunc(func(s *settings) error {
		if userAgent == "" {
			return errors.New("WithUserAgent: the user agent is empty")
		}
		if strings.ContainsFunc(userAgent, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return errors.New("WithUserAgent: the user agent holds a control character")
		}
		s.userAgent = userAgent
		return nil
	})
}

// WithTildeServiceID separates the levels of a service name by '~' in the path of a request, as the
// documentation describes it for version 6.0 and later. The default is '/', which the examples of the
// documentation use. It is the only form that every server with known source understands.
func WithTildeServiceID() Option {
	return optionFunc(func(s *settings) error {
		s.serviceID = ServiceName.tilded
		return nil
	})
}
