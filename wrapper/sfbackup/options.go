package sfbackup

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

// An Option changes a client that [NewClient] makes.
type Option interface {
	apply(*settings) error
}

// settings is what options change.
type settings struct {
	httpClient *http.Client // nil: a client of our own
	logger     *slog.Logger // nil: none
	userAgent  string
	serviceID  func(ServiceName) string
	retry      RetryPolicy
	endpoints  []*url.URL // the first is that of NewClient

	tls        tlsSettings
	tokens     *tokenCache // nil: none
	middleware func(http.RoundTripper) http.RoundTripper

	// What secure makes of all that.
	credentials *credentials
	transport   http.RoundTripper
}

type optionFunc func(*settings) error

func (f optionFunc) apply(s *settings) error { return f(s) }

// WithHTTPClient sends requests through a copy of the given client: its transport, jar and timeout
// hold for every request. A timeout of the client also ends the transfer of a long list, so prefer
// contexts. Redirects are refused unless the client has a CheckRedirect of its own. The transport must not
// send a request that starts a backup a second time, as some that retry do.
//
// Without this option the client uses a transport that it shares with all other such clients: with
// HTTP/1.1, which is what the gateway of a cluster speaks, and the proxy of the environment.
//
// Together with options about TLS, which are those about certificates and [WithTLS13], the transport has
// to be an *http.Transport or nil. Requests then go through a clone of it, with HTTP/1.1 only, TLS 1.2
// at most, and what the options say in place of what its TLSClientConfig says about the same. Its idle
// connections are closed after its IdleConnTimeout, or 90 s if it has none.
func WithHTTPClient(client *http.Client) Option {
	return optionFunc(func(s *settings) error {
		if client == nil {
			return errors.New("WithHTTPClient: the client is nil")
		}
		s.httpClient = client
		return nil
	})
}

// WithLogger logs every attempt of a request at level debug when its answer begins, with its operation,
// attempt, status, duration, endpoint and request id, and with the code of an error. Queries, headers and
// bodies are never logged.
func WithLogger(logger *slog.Logger) Option {
	return optionFunc(func(s *settings) error {
		if logger == nil {
			return errors.New("WithLogger: the logger is nil")
		}
		s.logger = logger
		return nil
	})
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
// documentation describes it for version 6.0 and later. The default is '/': it is what the examples
// of the documentation use, and the only form that every server whose source is known understands.
func WithTildeServiceID() Option {
	return optionFunc(func(s *settings) error {
		s.serviceID = ServiceName.tilded
		return nil
	})
}
