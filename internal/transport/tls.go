package transport

import (
	"crypto/tls"
	"errors"
	"net/http"
	"reflect"
	"sync"
	"time"
)

// TLS is what the options about TLS say.
type TLS struct {
	Certificate *ClientCertificate // nil: none
	Server      ServerIdentity
	Allow13     bool // TLS 1.3, in which the gateway cannot ask for a client certificate
}

// needed reports whether there are options that have no effect without TLS.
func (s *TLS) needed() bool {
	return s.Certificate != nil || s.Server.Roots != nil || s.Server.pinned()
}

// config returns the configuration of connections to the gateway. It begins with a copy of base; nil is an
// empty one.
func (s *TLS) config(base *tls.Config) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if base != nil {
		c = base.Clone()
	}
	c.NextProtos = nil // the transport allows HTTP/1.1 only, and says so itself
	if !s.Allow13 && (c.MaxVersion == 0 || c.MaxVersion > tls.VersionTLS12) {
		c.MaxVersion = tls.VersionTLS12
	}
	if c.Renegotiation == tls.RenegotiateNever {
		// Also without a certificate: the gateway then answers with its 403 instead of breaking the
		// connection.
		c.Renegotiation = tls.RenegotiateOnceAsClient
	}
	if s.Certificate != nil {
		c.Certificates, c.GetClientCertificate = nil, s.Certificate.forHandshake
		c.ClientSessionCache = nil // in a session of the caller's, the server knows another certificate
	}
	if s.Server.Roots != nil {
		c.RootCAs = s.Server.Roots
	}
	switch {
	case s.Server.pinned():
		s.pin(c)
	case s.Server.Roots != nil:
		c.InsecureSkipVerify = false
	}
	return c
}

// pin replaces the usual verification of the server by that of the options.
func (s *TLS) pin(c *tls.Config) {
	id, now, next := s.Server, c.Time, c.VerifyConnection
	if id.Roots == nil {
		id.Roots = c.RootCAs
	}
	if now == nil {
		now = time.Now
	}
	c.InsecureSkipVerify = true // VerifyConnection verifies, resumed sessions too
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		if err := id.verify(cs, now()); err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: cs.PeerCertificates, Err: err}
		}
		if next == nil {
			return nil
		}
		return next(cs)
	}
}

// IdleConnsPerHost is how many idle connections are kept for one endpoint. More requests than that at a time
// would open connections for each of them.
const IdleConnsPerHost = 16

// idleTimeout is how long an idle connection is kept.
const idleTimeout = 90 * time.Second

// maxHeader limits the header of a response. Real ones are below 1 KiB; net/http allows 10 MiB.
const maxHeader = 256 << 10

// defaultTransport is shared by all clients without options that change it, so that clients which come and
// go leave no connections behind.
var defaultTransport = sync.OnceValue(newBase)

// newBase returns a transport for the gateway of a cluster. Unlike http.DefaultTransport it has no timeout
// for connecting: only the context of a call limits time.
func newBase() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		Protocols:           http1(),
		TLSClientConfig:     new(TLS).config(nil),
		IdleConnTimeout:     idleTimeout,
		MaxIdleConnsPerHost: IdleConnsPerHost,

		MaxResponseHeaderBytes: maxHeader,
		OnProxyConnectResponse: checkTunnel,
	}
}

// http1 is HTTP/1.1 alone. The gateway asks for a client certificate by renegotiating, which HTTP/2 forbids.
func http1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}

// resolveTransport returns the transport below the chain, and whether it is one of this package. A transport
// of the caller's is cloned if options change it.
func (c *Config) resolveTransport() (base http.RoundTripper, ours bool, err error) {
	changed := c.TLS.needed() || c.TLS.Allow13
	if c.HTTPClient == nil {
		if !changed {
			return defaultTransport(), true, nil
		}
		t := newBase()
		c.TLS.apply(t, nil)
		return t, true, nil
	}
	base = c.HTTPClient.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	if !changed {
		return base, false, nil
	}
	given, ok := base.(*http.Transport)
	switch {
	case !ok:
		return nil, false, errors.New("WithHTTPClient: options about TLS need a transport that is an *http.Transport; to wrap it, use WithMiddleware")
	case given.DialTLSContext != nil, given.DialTLS != nil: //nolint:staticcheck // deprecated, and still in use
		return nil, false, errors.New("WithHTTPClient: the transport makes TLS connections itself, so options about TLS have no effect on it")
	case !c.TLS.Allow13 && given.TLSClientConfig != nil && given.TLSClientConfig.MinVersion > tls.VersionTLS12:
		return nil, false, errors.New("WithHTTPClient: the transport requires TLS 1.3, which needs WithTLS13")
	}
	t := copyTransport(given)
	c.TLS.apply(t, given.TLSClientConfig)
	if t.IdleConnTimeout == 0 {
		// Nothing else can close the connections of this clone.
		t.IdleConnTimeout = idleTimeout
	}
	return t, true, nil
}

// copyTransport returns a copy of a transport for HTTP/1.1 only, without its TLS configuration. Its Clone would
// set up HTTP/2 in the original, and change the TLS configuration of the caller for that.
func copyTransport(given *http.Transport) *http.Transport {
	if given == http.DefaultTransport {
		// Somebody else may use it for the first time now, which sets up the same. Clone waits for that.
		given = given.Clone()
	}
	t := new(http.Transport)
	from, to := reflect.ValueOf(given).Elem(), reflect.ValueOf(t).Elem()
	for i := range from.NumField() {
		if from.Type().Field(i).IsExported() {
			to.Field(i).Set(from.Field(i))
		}
	}
	t.ProxyConnectHeader = t.ProxyConnectHeader.Clone()
	t.Protocols = http1() // whatever else asks for HTTP/2
	t.HTTP2, t.TLSNextProto, t.TLSClientConfig = nil, nil, nil
	return t
}
