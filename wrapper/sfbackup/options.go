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

// An Option configures a Client, see [NewClient]. An invalid argument of an option is an error of NewClient. Of an
// option that is given several times the last one counts, unless its doc says otherwise.
type Option interface {
	apply(*settings) error
}

// settings is what options change.
type settings struct {
	transport transport.Config // its first endpoint is that of NewClient
	userAgent string
	serviceID func(ServiceName) string

	gatewayHold time.Duration
}

type optionFunc func(*settings) error

func (f optionFunc) apply(s *settings) error { return f(s) }

// WithHTTPClient sends requests through a copy of the given client, with its transport, cookie jar and
// timeout. The timeout limits a read of the progress and each page of a list, their retries and delays and
// the transfer of the page included; of a start and of a wait it limits each request. To limit a call, use a
// context. The transport must not send a request that starts a backup more
// than once, as some retrying transports do, and must not follow redirects itself.
//
// Redirects are not followed unless the client has a CheckRedirect that allows them. Whatever it allows, a
// request that starts a backup is never redirected. Other requests are redirected to another host, port or
// scheme than those of the endpoints only if the endpoints begin with http:// and the client has no tokens.
// A redirect that is not followed is an [*APIError].
//
// Without this option, the certificate options and [WithTLS13], all clients share a transport with HTTP/1.1,
// which is what the gateway of a cluster speaks, and the proxy of the environment.
//
// The certificate options and WithTLS13 need a transport that is an *http.Transport or nil. Requests then go
// through a copy of it with HTTP/1.1 only and, without WithTLS13, TLS 1.2 at most. The options override the
// corresponding settings of its TLSClientConfig; a client certificate also its ClientSessionCache.
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

// WithEndpoints adds endpoints of the same cluster to that of [NewClient], with the same scheme and path and
// different hosts. The client begins with a random endpoint, that of NewClient included, and uses it until a
// connection to it fails or it responds with 502, 503 or 504. The client then switches to another, and does
// not use an endpoint whose connection failed for 30 seconds. A request that starts a backup is sent to
// another endpoint only if nothing of it was sent before, or if the progress has shown that it did nothing.
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
	// MaxAttempts is the maximum number of times a request is sent; 0 is 4, 1 means no retries. If
	// connections break during a list, each page is requested at most MaxAttempts times in a row without
	// progress, and at most 8×MaxAttempts times in total.
	MaxAttempts int
	// Each delay is random, between zero and a limit, so that clients that failed together do not retry
	// together. MinDelay is the limit before the second attempt (0 means half a second). The limit doubles
	// with each further attempt, up to MaxDelay (0 means 10 seconds, or MinDelay if that is longer). If the
	// server asks for a longer delay with Retry-After, the client waits that long, up to five minutes.
	MinDelay, MaxDelay time.Duration
	// AttemptTimeout ends an attempt that has no response by then; 0 is no timeout. Use it with care:
	// the gateway holds a request for up to two minutes while the backup service moves between nodes,
	// and answers it then. The error of the attempt is os.ErrDeadlineExceeded. If it ends an attempt to
	// start a backup after any part of the request was sent, the request may still take effect, so it is
	// not sent again.
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

// WithLogger logs every attempt of a request at level debug when its response begins or it has failed: the operation,
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

// WithMiddleware wraps the transport, for traces or measurements: NewClient calls wrap with the transport, which
// other clients may share, and sends requests through what it returns. That gets every attempt exactly as it
// is sent; [CallFromContext] tells which operation it belongs to. A transport of your own can also be wrapped
// before it is given to [WithHTTPClient], but the certificate options need an *http.Transport there. Given
// several times, the last one is outermost.
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

// A Call tells for which operation, and in which attempt, a request is sent.
type Call struct {
	Operation string // the operation's name in the documentation
	Attempt   int    // the number of the attempt, from 1
}

// CallFromContext returns the call that a request belongs to, given the context of the request: for
// middleware and transports, so that traces and metrics need not parse paths. It reports false if the
// context is not that of a request of a [Client].
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
// documentation use, and which is the only form that every server with published source understands.
func WithTildeServiceID() Option {
	return optionFunc(func(s *settings) error {
		s.serviceID = ServiceName.tilded
		return nil
	})
}

const defaultGatewayHold = 2 * time.Minute

// WithGatewayHold says for how long the gateway holds a request at most, by default two minutes. It is the setting
// DefaultHttpRequestTimeout of the section HttpGateway of a cluster. [Client.ResolveStart] counts on it: if it is
// shorter than the gateway's, a start can be called NotStarted that takes effect later.
func WithGatewayHold(hold time.Duration) Option {
	return optionFunc(func(s *settings) error {
		if hold <= 0 {
			return fmt.Errorf("WithGatewayHold: %v is not positive", hold)
		}
		s.gatewayHold = hold
		return nil
	})
}
