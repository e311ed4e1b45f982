package sfbackuptest

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server serves the gateway of a [Cluster] on a port of the loopback interface.
type Server struct {
	// URL is the base URL of the gateway, without a slash at the end: http://127.0.0.1:36421.
	URL string

	// RootCAs contains the authority that signed the gateway's certificate. Nil without TLS.
	RootCAs *x509.CertPool

	// ClientCertificate is a certificate that the cluster accepts in the role of an administrator. Nil
	// without [WithClientCertificates].
	ClientCertificate *tls.Certificate

	cluster   *Cluster
	authority *tls.Certificate // nil without TLS
	server    *http.Server
	serving   sync.WaitGroup
	client    *http.Client
}

// ServerOption configures a [Server].
type ServerOption interface{ applyToServer(*serverConfig) }

// WithTLS makes the server use HTTPS, with a certificate for localhost and 127.0.0.1 from its own authority.
// The server asks its clients for a certificate, but only a secured cluster needs one. Unlike a gateway, it
// asks during the handshake and not after the request, because package crypto/tls has no renegotiation for
// servers.
func WithTLS() ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.tls = true })
}

// WithClientCertificates does what [WithTLS] does, and secures the cluster, which accepts
// [Server.ClientCertificate]. A client whose certificate the cluster does not accept (see [Server.Issue] and
// [Cluster.AcceptCertificate]), or that has none, gets a 403 and not a handshake error, as from a gateway.
func WithClientCertificates() ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.tls, cfg.clientCertificates = true, true })
}

type serverConfig struct{ tls, clientCertificates bool }

type serverOption func(*serverConfig)

func (o serverOption) applyToServer(cfg *serverConfig) { o(cfg) }

// NewServer starts a server for the cluster on a free port of the loopback interface. The caller must call
// [Server.Close] when done. It returns an error if it cannot listen.
func NewServer(cluster *Cluster, opts ...ServerOption) (*Server, error) {
	var cfg serverConfig
	for _, opt := range opts {
		opt.applyToServer(&cfg)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // listening does not block
	if err != nil {
		return nil, fmt.Errorf("sfbackuptest: %w", err)
	}
	s := &Server{
		URL:     "http://" + listener.Addr().String(),
		cluster: cluster,
		server: &http.Server{
			Handler:   cluster,
			ErrorLog:  log.New(io.Discard, "", 0), // of handshakes that fail on purpose
			Protocols: new(http.Protocols),

			ReadHeaderTimeout: time.Minute,
		},
	}
	s.server.Protocols.SetHTTP1(true) // a gateway has no HTTP/2
	transport := &http.Transport{}
	if cfg.tls {
		s.URL = "https://" + listener.Addr().String()
		s.authority = newCertificate("sfbackuptest authority", nil)
		s.RootCAs = x509.NewCertPool()
		s.RootCAs.AddCert(s.authority.Leaf)
		s.server.TLSConfig = &tls.Config{
			Certificates: []tls.Certificate{*newCertificate("localhost", s.authority)},
			MinVersion:   tls.VersionTLS12,
			ClientAuth:   tls.RequestClientCert,
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: s.RootCAs, MinVersion: tls.VersionTLS12}
	}
	if cfg.clientCertificates {
		certificate := s.Issue(RoleAdmin)
		s.ClientCertificate = &certificate
		transport.TLSClientConfig.Certificates = []tls.Certificate{certificate}
	}
	s.client = &http.Client{Transport: transport}
	s.serving.Go(func() {
		// Both return http.ErrServerClosed after Close.
		if cfg.tls {
			_ = s.server.ServeTLS(listener, "", "")
		} else {
			_ = s.server.Serve(listener)
		}
	})
	return s, nil
}

// Client returns a client that trusts the server and presents [Server.ClientCertificate], if there is one. It
// always returns the same client.
func (s *Server) Client() *http.Client { return s.client }

// Issue returns a new client certificate. The cluster accepts it in the given role, or rejects it if the role
// is empty. Either secures the cluster. Issue panics without TLS, and if there is no such role.
func (s *Server) Issue(role Role) tls.Certificate {
	if s.authority == nil {
		panic("sfbackuptest: Issue: a server without TLS has no certificates")
	}
	certificate := newCertificate("sfbackuptest client", s.authority)
	if name := thumbprint(certificate.Leaf); role == "" {
		s.cluster.RevokeCertificate(name)
	} else {
		s.cluster.AcceptCertificate(name, role)
	}
	return *certificate
}

// Close stops the server and breaks off the requests in flight. It may be called more than once.
func (s *Server) Close() {
	s.client.CloseIdleConnections()
	_ = s.server.Close() // an error of closing the listener, which is closed anyway
	s.serving.Wait()
}
