package sfbackuptest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Server serves the gateway of a [Cluster] on a port of this machine.
type Server struct {
	// URL is the base URL of the gateway, without a slash at the end: http://127.0.0.1:36421. If the server
	// listens on all interfaces, the host is localhost.
	URL string

	// RootCAs contains the authority that signed the gateway's certificate, and CAPEM has the same as PEM, for
	// clients in other languages. Nil without TLS. With [WithCertificate] it is the last certificate of the
	// given chain.
	RootCAs *x509.CertPool
	CAPEM   []byte

	// ClientCertificate is a certificate that the cluster accepts in the role of an administrator. Nil
	// without [WithClientCertificates].
	ClientCertificate *tls.Certificate

	cluster   *Cluster
	authority *tls.Certificate // of client certificates; nil without TLS
	server    *http.Server
	serving   sync.WaitGroup
	client    *http.Client
}

// ServerOption configures a [Server].
type ServerOption interface{ applyToServer(*serverConfig) }

// WithAddress sets where the server listens: a host and a port, such as "127.0.0.1:19080", or ":19080" for all
// interfaces. The default is a free port of the loopback interface, "127.0.0.1:0".
func WithAddress(address string) ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.address = address })
}

// WithHandler puts a handler round the cluster, for checks, counters and logs: the server serves what wrap returns
// for the cluster. If the handler replaces the ResponseWriter, [http.ResponseController] must be able to hijack
// the connection through it, or else reason phrases are lost, and faults close connections that they should reset.
func WithHandler(wrap func(cluster http.Handler) http.Handler) ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.wrap = wrap })
}

// WithTLS makes the server use HTTPS. Its certificate is for localhost, the loopback addresses and the host of
// [WithAddress], and is signed by an authority that exists only in memory, unless [WithAuthority] or
// [WithCertificate] is given. The server asks its clients for a certificate, but only a secured cluster needs
// one. Unlike a gateway, it asks during the handshake and not after the request, because package crypto/tls has
// no renegotiation for servers.
func WithTLS() ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.tls = true })
}

// WithAuthority does what [WithTLS] does, with the caller's authority: it signs the certificate of the server and
// those of [Server.Issue]. So clients can trust one authority in several runs. [tls.LoadX509KeyPair] reads one
// from files.
func WithAuthority(authority tls.Certificate) ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.tls, cfg.authority = true, &authority })
}

// WithCertificate does what [WithTLS] does, with the caller's certificate for the server. Client certificates
// still come from the authority.
func WithCertificate(certificate tls.Certificate) ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.tls, cfg.certificate = true, &certificate })
}

// WithClientCertificates does what [WithTLS] does, and secures the cluster, which accepts
// [Server.ClientCertificate]. A client whose certificate the cluster does not accept (see [Server.Issue] and
// [Cluster.AcceptCertificate]), or that has none, gets a 403 and not a handshake error, as from a gateway.
func WithClientCertificates() ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.tls, cfg.clientCertificates = true, true })
}

type serverConfig struct {
	address                 string
	wrap                    func(http.Handler) http.Handler
	tls, clientCertificates bool
	authority, certificate  *tls.Certificate // nil: new ones
}

type serverOption func(*serverConfig)

func (o serverOption) applyToServer(cfg *serverConfig) { o(cfg) }

// NewServer starts a server for the cluster. The caller must call [Server.Close] when done. It returns an error
// if it cannot listen, and if the given authority or certificate cannot be used.
func NewServer(cluster *Cluster, opts ...ServerOption) (*Server, error) {
	cfg := serverConfig{address: "127.0.0.1:0"}
	for _, opt := range opts {
		opt.applyToServer(&cfg)
	}
	s := &Server{
		cluster: cluster,
		server: &http.Server{
			Handler:   cluster,
			ErrorLog:  log.New(io.Discard, "", 0), // of handshakes that fail on purpose
			Protocols: new(http.Protocols),

			ReadHeaderTimeout: time.Minute,
		},
	}
	if cfg.wrap != nil {
		s.server.Handler = cfg.wrap(cluster)
	}
	s.server.Protocols.SetHTTP1(true) // a gateway has no HTTP/2
	if cfg.tls {
		if err := s.useTLS(&cfg); err != nil {
			return nil, fmt.Errorf("sfbackuptest: %w", err)
		}
	}
	listener, err := net.Listen("tcp", cfg.address) //nolint:noctx // listening does not block
	if err != nil {
		return nil, fmt.Errorf("sfbackuptest: %w", err)
	}
	scheme, host := "http://", listener.Addr().String()
	if address := listener.Addr().(*net.TCPAddr); address.IP.IsUnspecified() {
		host = net.JoinHostPort("localhost", strconv.Itoa(address.Port))
	}
	transport := &http.Transport{}
	if cfg.tls {
		scheme = "https://"
		transport.TLSClientConfig = &tls.Config{RootCAs: s.RootCAs, MinVersion: tls.VersionTLS12}
	}
	if cfg.clientCertificates {
		certificate := s.Issue(RoleAdmin)
		s.ClientCertificate = &certificate
		transport.TLSClientConfig.Certificates = []tls.Certificate{certificate}
	}
	s.URL = scheme + host
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

// useTLS sets the certificates of the server.
func (s *Server) useTLS(cfg *serverConfig) error {
	s.authority = cfg.authority
	if s.authority == nil {
		s.authority = must(newCertificate("sfbackuptest authority", nil))
	}
	// Also issued if the caller has another, because that checks the authority.
	host, _, _ := net.SplitHostPort(cfg.address)
	certificate, err := newCertificate("localhost", s.authority, "localhost", "127.0.0.1", "::1", host)
	if err != nil {
		return fmt.Errorf("WithAuthority: %w", err)
	}
	trusted := s.authority.Certificate
	if cfg.certificate != nil {
		certificate = cfg.certificate
		trusted = certificate.Certificate[max(len(certificate.Certificate)-1, 0):]
	}
	s.RootCAs = x509.NewCertPool()
	for _, der := range trusted {
		s.CAPEM = append(s.CAPEM, encodePEM("CERTIFICATE", der)...)
	}
	if !s.RootCAs.AppendCertsFromPEM(s.CAPEM) || certificate.PrivateKey == nil {
		return errors.New("WithCertificate: the certificate is not valid or has no key")
	}
	s.server.TLSConfig = &tls.Config{
		Certificates: []tls.Certificate{*certificate},
		MinVersion:   tls.VersionTLS12,
		ClientAuth:   tls.RequestClientCert,
	}
	return nil
}

// Client returns a client that trusts the server and presents [Server.ClientCertificate], if there is one. It
// always returns the same client.
func (s *Server) Client() *http.Client { return s.client }

// Issue returns a new client certificate; [CertificatePEM] encodes it. The cluster accepts it in the given role, or rejects it if the role
// is empty. Either secures the cluster. Issue panics without TLS, and if there is no such role.
func (s *Server) Issue(role Role) tls.Certificate {
	if s.authority == nil {
		panic("sfbackuptest: Issue: a server without TLS has no certificates")
	}
	certificate := must(newCertificate("sfbackuptest client", s.authority))
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
