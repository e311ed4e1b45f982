package sfbackup

import (
	"crypto/tls"
	"errors"
	"net/http"
	"time"
)

// WithTLS13 allows TLS 1.3 for connections to the gateway; without it they have TLS 1.2 at most.
//
// The gateway asks for the client's certificate only after it has read the request. With TLS 1.2 that
// is a renegotiation. With TLS 1.3 it would be another kind of handshake, which package crypto/tls does
// not have, so that the certificate is never shown. Use this option where no certificate is needed, or
// where something before the gateway asks for it in the first handshake.
func WithTLS13() Option {
	return optionFunc(func(s *settings) error {
		s.tls.version13 = true
		return nil
	})
}

// tlsSettings are what the options about TLS say.
type tlsSettings struct {
	keyPair   *keyPair // nil: no certificate of the client
	identity  identity
	version13 bool
}

// needed reports whether there are options that are worth nothing without TLS.
func (s *tlsSettings) needed() bool {
	return s.keyPair != nil || s.identity.roots != nil || s.identity.pinned()
}

// config returns the configuration of connections to the gateway, on the ground of a given one, which
// stays as it is; nil is an empty one.
func (s *tlsSettings) config(ground *tls.Config) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if ground != nil {
		c = ground.Clone()
	}
	c.NextProtos = nil // the transport has HTTP/1.1 only, and says so itself
	if !s.version13 && (c.MaxVersion == 0 || c.MaxVersion > tls.VersionTLS12) {
		c.MaxVersion = tls.VersionTLS12
	}
	if c.Renegotiation == tls.RenegotiateNever {
		// Also without a certificate: to be asked for one and to have none becomes the gateway's
		// 403 then, and not a broken connection.
		c.Renegotiation = tls.RenegotiateOnceAsClient
	}
	if s.keyPair != nil {
		c.Certificates, c.GetClientCertificate = nil, s.keyPair.forHandshake
	}
	if s.identity.roots != nil {
		c.RootCAs = s.identity.roots
	}
	switch {
	case s.identity.pinned():
		s.pin(c)
	case s.identity.roots != nil:
		c.InsecureSkipVerify = false
	}
	return c
}

// pin puts the check of the options in the place of the usual one.
func (s *tlsSettings) pin(c *tls.Config) {
	id, now, also := s.identity, c.Time, c.VerifyConnection
	if id.roots == nil {
		id.roots = c.RootCAs
	}
	if now == nil {
		now = time.Now
	}
	c.InsecureSkipVerify = true // VerifyConnection verifies, resumed sessions too
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		if err := id.verify(cs, now()); err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: cs.PeerCertificates, Err: err}
		}
		if also == nil {
			return nil
		}
		return also(cs)
	}
}

// chooseTransport returns the transport that the options ask for, and whether it is one of this
// package. What the caller passed in is cloned where the options change it.
func (s *settings) chooseTransport() (transport http.RoundTripper, own bool, err error) {
	changed := s.tls.needed() || s.tls.version13
	if s.httpClient == nil {
		if !changed {
			return defaultTransport(), true, nil
		}
		t := newTransport()
		t.TLSClientConfig = s.tls.config(nil)
		return t, true, nil
	}
	transport = s.httpClient.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	if !changed {
		return transport, false, nil
	}
	ground, ok := transport.(*http.Transport)
	switch {
	case !ok:
		return nil, false, errors.New("WithHTTPClient: options about TLS need a transport that is an *http.Transport; to put something around it, use WithMiddleware")
	case ground.DialTLSContext != nil, ground.DialTLS != nil: //nolint:staticcheck // deprecated, and still obeyed
		return nil, false, errors.New("WithHTTPClient: the transport makes TLS connections itself, so options about TLS have no effect on it")
	case !s.tls.version13 && ground.TLSClientConfig != nil && ground.TLSClientConfig.MinVersion > tls.VersionTLS12:
		return nil, false, errors.New("WithHTTPClient: the transport wants TLS 1.3, which takes WithTLS13")
	}
	t := ground.Clone()
	t.TLSClientConfig = s.tls.config(ground.TLSClientConfig)
	t.Protocols = http1() // whatever else asks for HTTP/2
	if t.IdleConnTimeout == 0 {
		// Nobody else has this clone to close its connections.
		t.IdleConnTimeout = idleTimeout
	}
	return t, true, nil
}

// secure checks what the options about credentials say against each other and against the endpoints,
// and chooses the transport. An endpoint is nil where it was not understood.
func (s *settings) secure() error {
	s.credentials = &credentials{tokens: s.tokens, keyPair: s.tls.keyPair, version13: s.tls.version13, origins: map[string]bool{}}
	var errs []error
	for _, u := range s.endpoints {
		if u == nil {
			continue
		}
		s.credentials.origins[originOf(u)] = true
		if u.Scheme != "http" {
			continue
		}
		if s.tls.needed() {
			errs = append(errs, errors.New(`options about certificates need an endpoint that begins with "https://"`))
		}
		if s.tokens != nil && !isLoopback(u.Hostname()) {
			errs = append(errs, errors.New("WithTokenSource: a token is not sent over http, except to this machine"))
		}
		if len(errs) > 0 {
			break // once is enough
		}
	}
	transport, own, err := s.chooseTransport()
	s.credentials.own = own
	if own {
		s.credentials.idle, _ = transport.(interface{ CloseIdleConnections() })
	}
	if err == nil && s.middleware != nil {
		if transport = s.middleware(transport); transport == nil {
			err = errors.New("WithMiddleware: the function returned nil")
		}
	}
	s.transport = transport
	return errors.Join(append(errs, err)...)
}
