package sfbackup

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/servicefabric-go/backup/internal/transport"
)

// WithClientCertificate sends a certificate to a gateway that asks for one, and not to a proxy. If several of
// WithClientCertificate, [WithClientCertificateFiles] and [WithPFX] are given, the last one is used.
func WithClientCertificate(certificate tls.Certificate) Option {
	return withCertificate("WithClientCertificate", func() (*transport.ClientCertificate, error) {
		return transport.NewClientCertificate(certificate)
	})
}

// WithClientCertificateFiles sends a certificate that is read from files in PEM: the certificate,
// followed by those of its issuers if the cluster does not have them, and its private key, which must
// not be encrypted. Both may be in the same file.
//
// NewClient reads the files. They are read again for the first connection after one of them has changed. If
// they cannot be read then, or do not belong together because they are being written, the previous certificate
// stays in use. A connection keeps its certificate until the gateway refuses the certificate, or until the
// connection is closed because it was idle.
func WithClientCertificateFiles(certFile, keyFile string) Option {
	return withCertificate("WithClientCertificateFiles", func() (*transport.ClientCertificate, error) {
		return transport.ReadClientCertificate(certFile, keyFile)
	})
}

// WithPFX sends a certificate that is read from a file in PKCS #12, the form in which Windows exports it:
// the certificate with its private key and, if present, those of its issuers. It is read again when it
// changes, as with [WithClientCertificateFiles].
func WithPFX(path string, password Secret) Option {
	return withCertificate("WithPFX", func() (*transport.ClientCertificate, error) {
		return transport.ReadPFX(path, string(password))
	})
}

func withCertificate(option string, read func() (*transport.ClientCertificate, error)) Option {
	return optionFunc(func(s *settings) error {
		certificate, err := read()
		if err != nil {
			return fmt.Errorf("%s: %w", option, err)
		}
		s.transport.TLS.Certificate = certificate
		return nil
	})
}

// WithRootCAs trusts the given authorities instead of those of the system. A copy is taken. A proxy whose URL
// begins with https:// is verified by them, too, unless the transport of [WithHTTPClient] has RootCAs of its
// own.
func WithRootCAs(roots *x509.CertPool) Option {
	return optionFunc(func(s *settings) error {
		if roots == nil {
			return errors.New("WithRootCAs: the pool is nil")
		}
		s.transport.TLS.Server.Roots = roots.Clone()
		return nil
	})
}

// WithServerThumbprints accepts servers whose certificate has one of the thumbprints: SHA-1, which is
// what Service Fabric calls a thumbprint, or SHA-256, in hexadecimal. Spaces, colons, dashes,
// invisible characters and the case of letters do not matter.
//
// Only the thumbprint and the validity period of the certificate are checked, neither its issuer nor its
// names. This option and [WithServerCommonName] replace the usual check, which requires the host of the
// endpoint in the certificate. Given both, or one of them several times, a server is accepted if one of
// them accepts it. A proxy is verified by its host, as usual.
func WithServerThumbprints(thumbprints ...string) Option {
	return optionFunc(func(s *settings) error {
		parsed, err := transport.ParseThumbprints(thumbprints)
		if err == nil && len(parsed) == 0 {
			err = errors.New("there is no thumbprint")
		}
		if err != nil {
			return fmt.Errorf("WithServerThumbprints: %w", err)
		}
		s.transport.TLS.Server.Thumbprints = append(s.transport.TLS.Server.Thumbprints, parsed...)
		return nil
	})
}

// WithServerCommonName accepts servers whose certificate has the name as its common name or as one of its
// DNS names, ignoring the case of ASCII letters, and chains to an authority of the system or, with [WithRootCAs], to
// one of the given authorities. If issuer thumbprints are given, one of them must be that of the certificate
// that signed the server's certificate or, if that is self-signed, its own.
//
// See [WithServerThumbprints] for how the two combine.
func WithServerCommonName(name string, issuerThumbprints ...string) Option {
	return optionFunc(func(s *settings) error {
		issuers, err := transport.ParseThumbprints(issuerThumbprints)
		if strings.TrimSpace(name) == "" {
			err = errors.Join(errors.New("the name is empty"), err)
		}
		if err != nil {
			return fmt.Errorf("WithServerCommonName: %w", err)
		}
		s.transport.TLS.Server.Names = append(s.transport.TLS.Server.Names,
			transport.ServerName{Name: strings.TrimSpace(name), Issuers: issuers})
		return nil
	})
}

// WithTLS13 allows TLS 1.3 for connections to the gateway; without it they use TLS 1.2 at most.
//
// The gateway asks for the client's certificate only after it has read the request. In TLS 1.2 that is a
// renegotiation. In TLS 1.3 it would be another kind of handshake, which package crypto/tls does not
// implement, so the certificate would never be sent. Use this option where no certificate is needed, or
// where a proxy in front of the gateway asks for it in the first handshake.
func WithTLS13() Option {
	return optionFunc(func(s *settings) error {
		s.transport.TLS.Allow13 = true
		return nil
	})
}

// A TokenSource returns a token of Microsoft Entra ID that can be used now. It is called with the context
// of the call that needs the token: when there is none yet, when less than two minutes of the current one are left, and when the
// gateway refuses it. It is never called concurrently.
type TokenSource func(ctx context.Context) (Token, error)

// A Token is a bearer token.
type Token struct {
	Value   Secret
	Expires time.Time // zero: unknown; the token is used until the gateway refuses it
}

// Format prints the token with its value redacted, whatever the verb is.
func (t Token) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "{%s %v}", redacted, t.Expires) }

// WithTokenSource sends a bearer token with every request. A token is reused until two minutes before it
// expires. If several calls need a new token at the same time, the source is called once for all of them. Its
// error ends the call; the source itself has to retry.
//
// The gateway does not report that a token has expired. It responds with a 403 without a body, as if a client
// certificate were missing. After such a response the source is called again, and a request that only reads is
// sent once more; a request that starts a backup fails with that 403. A source that caches tokens should not
// return expired ones.
//
// Tokens are sent to the endpoints only, and over http only to this machine and not through a proxy.
func WithTokenSource(source TokenSource) Option {
	return optionFunc(func(s *settings) error {
		if source == nil {
			return errors.New("WithTokenSource: the source is nil")
		}
		s.transport.Tokens = func(ctx context.Context) (transport.Token, error) {
			token, err := source(ctx)
			return transport.Token{Value: string(token.Value), Expires: token.Expires}, err
		}
		return nil
	})
}
