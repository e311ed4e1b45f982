package sfbackuptest

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// Server is a cluster's gateway behind a socket on this machine.
type Server struct {
	// URL is where the gateway listens, without a slash at the end:
	// http://127.0.0.1:36421.
	URL string

	// RootCAs has the authority that has signed the gateway's certificate. It
	// is nil without TLS.
	RootCAs *x509.CertPool

	// ClientCertificate is one that the cluster accepts in the role of an
	// administrator. It is nil without [WithClientCertificates].
	ClientCertificate *tls.Certificate

	cluster   *Cluster
	authority *authority
	server    *http.Server
	served    chan struct{}
	client    *http.Client
}

// ServerOption configures a [Server].
type ServerOption interface{ applyToServer(*serverConfig) }

// WithTLS makes a server of HTTPS, with a certificate for localhost by an
// authority of its own.
func WithTLS() ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.tls = true })
}

// WithClientCertificates makes a server of HTTPS that asks its clients for a
// certificate, and its cluster a secured one. Who has none, or one that was not
// issued by [Server.Issue] or accepted by [Cluster.AcceptCertificate], gets a
// 403 and not an error of the handshake, as from a gateway.
//
// Unlike a gateway it asks in the handshake and not after the request, because
// package crypto/tls has no renegotiation for servers.
func WithClientCertificates() ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.tls, cfg.clientCertificates = true, true })
}

type serverConfig struct{ tls, clientCertificates bool }

type serverOption func(*serverConfig)

func (o serverOption) applyToServer(cfg *serverConfig) { o(cfg) }

// Start starts a server on a free port of the loopback interface. It is closed
// at the end of the test; with a nil t, which is for programs that are no tests,
// [Server.Close] has to be called, and failing to start is a panic.
func (c *Cluster) Start(t TB, opts ...ServerOption) *Server {
	var cfg serverConfig
	for _, opt := range opts {
		opt.applyToServer(&cfg)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // listening takes no time
	if err != nil {
		if t == nil {
			panic("sfbackuptest: " + err.Error())
		}
		t.Helper()
		t.Fatalf("sfbackuptest: %v", err)
	}
	s := c.serve(listener, cfg)
	if t != nil {
		t.Cleanup(s.Close)
	}
	return s
}

// serve serves what comes to a listener.
func (c *Cluster) serve(listener net.Listener, cfg serverConfig) *Server {
	s := &Server{
		cluster: c,
		served:  make(chan struct{}),
		server: &http.Server{
			Handler:   c,
			ErrorLog:  log.New(io.Discard, "", 0), // of handshakes that tests let fail
			Protocols: new(http.Protocols),

			ReadHeaderTimeout: time.Minute,
		},
	}
	s.server.Protocols.SetHTTP1(true) // a gateway has no other
	transport := &http.Transport{}
	if cfg.tls {
		s.authority = newAuthority()
		s.RootCAs = s.authority.pool()
		s.server.TLSConfig = &tls.Config{
			Certificates: []tls.Certificate{s.authority.issue("localhost")},
			MinVersion:   tls.VersionTLS12,
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: s.RootCAs, MinVersion: tls.VersionTLS12}
	}
	if cfg.clientCertificates {
		certificate := s.Issue(RoleAdmin)
		s.ClientCertificate = &certificate
		s.server.TLSConfig.ClientAuth = tls.RequestClientCert
		transport.TLSClientConfig.Certificates = []tls.Certificate{certificate}
	}
	s.client = &http.Client{Transport: transport}

	s.URL = "http://" + listener.Addr().String()
	if cfg.tls {
		s.URL = "https://" + listener.Addr().String()
	}
	go func() {
		defer close(s.served)
		// Both return http.ErrServerClosed, sooner or later.
		if cfg.tls {
			_ = s.server.ServeTLS(listener, "", "")
		} else {
			_ = s.server.Serve(listener)
		}
	}()
	return s
}

// Client returns a client that trusts the server and shows
// [Server.ClientCertificate]. It is always the same.
func (s *Server) Client() *http.Client { return s.client }

// Issue returns a client certificate that the cluster accepts in the given role,
// or one that it does not know if the role is empty. It panics without [WithTLS].
func (s *Server) Issue(role Role) tls.Certificate {
	if s.authority == nil {
		panic("sfbackuptest: a server without TLS has no certificates")
	}
	certificate := s.authority.issue("sfbackuptest client")
	s.cluster.AcceptCertificate(thumbprint(certificate.Leaf), role)
	return certificate
}

// Close stops the server. Requests that are still served are broken off.
func (s *Server) Close() {
	s.client.CloseIdleConnections()
	_ = s.server.Close() // an error of the listener, which is closed all the same
	<-s.served
}
