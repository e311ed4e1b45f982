package sfbackup

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// WithRootCAs trusts the given authorities instead of those of the system. A copy is taken.
func WithRootCAs(roots *x509.CertPool) Option {
	return optionFunc(func(s *settings) error {
		if roots == nil {
			return errors.New("WithRootCAs: the pool is nil")
		}
		s.tls.identity.roots = roots.Clone()
		return nil
	})
}

// WithServerThumbprints accepts the servers whose certificate has one of the thumbprints: SHA-1, which
// is what Service Fabric calls a thumbprint, or SHA-256, in hexadecimal. Spaces, colons, dashes,
// invisible characters and the case of letters do not matter.
//
// Who signed the certificate and which name is in it does not matter either, only that it is within
// its time. This and [WithServerCommonNames] take the place of the usual check, by which the name of
// the endpoint has to be in the certificate. Given both, or one of them several times, it is enough
// if one accepts the server.
func WithServerThumbprints(thumbprints ...string) Option {
	return optionFunc(func(s *settings) error {
		parsed, err := parseThumbprints(thumbprints)
		if err == nil && len(parsed) == 0 {
			err = errors.New("there is no thumbprint")
		}
		if err != nil {
			return fmt.Errorf("WithServerThumbprints: %w", err)
		}
		s.tls.identity.thumbprints = append(s.tls.identity.thumbprints, parsed...)
		return nil
	})
}

// WithServerCommonNames accepts the servers whose certificate has the name, as its common name or as
// one of its DNS names, in any case of letters, and leads to an authority of the system or of
// [WithRootCAs]. Given thumbprints of issuers, one of them has to be that of the certificate which has
// directly signed the server's, or of the server's own if that is an authority itself.
//
// How it goes together with other options is said at [WithServerThumbprints].
func WithServerCommonNames(name string, issuerThumbprints ...string) Option {
	return optionFunc(func(s *settings) error {
		issuers, err := parseThumbprints(issuerThumbprints)
		if strings.TrimSpace(name) == "" {
			err = errors.Join(errors.New("the name is empty"), err)
		}
		if err != nil {
			return fmt.Errorf("WithServerCommonNames: %w", err)
		}
		s.tls.identity.names = append(s.tls.identity.names, serverName{strings.TrimSpace(name), issuers})
		return nil
	})
}

// identity is how a server is known.
type identity struct {
	roots       *x509.CertPool // nil: those of the system
	thumbprints []thumbprint
	names       []serverName
}

type serverName struct {
	name    string
	issuers []thumbprint // none: any
}

// pinned reports whether servers are known by something else than the name of the endpoint.
func (id *identity) pinned() bool { return len(id.thumbprints) > 0 || len(id.names) > 0 }

// verify checks the server of a connection. It stands in a VerifyConnection, which package tls calls
// for resumed sessions as well.
func (id *identity) verify(cs tls.ConnectionState, now time.Time) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("the server has shown no certificate")
	}
	leaf := cs.PeerCertificates[0]
	var errs []error
	if len(id.thumbprints) > 0 {
		err := id.verifyThumbprint(leaf, now)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	if len(id.names) > 0 {
		err := id.verifyName(leaf, cs.PeerCertificates[1:], now)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return &identityError{leaf, errs}
}

func (id *identity) verifyThumbprint(leaf *x509.Certificate, now time.Time) error {
	if !anyIsOf(id.thumbprints, leaf) {
		return errors.New("its thumbprint is not one of WithServerThumbprints")
	}
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return fmt.Errorf("it is valid from %s to %s", leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

func (id *identity) verifyName(leaf *x509.Certificate, others []*x509.Certificate, now time.Time) error {
	intermediates := x509.NewCertPool()
	for _, c := range others {
		intermediates.AddCert(c)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: id.roots, Intermediates: intermediates, CurrentTime: now})
	if err != nil {
		return err
	}
	named := false
	for _, want := range id.names {
		if !want.isOf(leaf) {
			continue
		}
		named = true
		if len(want.issuers) == 0 || slices.ContainsFunc(chains, func(chain []*x509.Certificate) bool {
			return anyIsOf(want.issuers, chain[min(1, len(chain)-1)])
		}) {
			return nil
		}
	}
	if named {
		return errors.New("its issuer is not one of those that WithServerCommonNames has for it")
	}
	return errors.New("it has no name of WithServerCommonNames")
}

// isOf leaves wildcards alone: it compares names, not hosts.
func (n serverName) isOf(c *x509.Certificate) bool {
	return strings.EqualFold(c.Subject.CommonName, n.name) ||
		slices.ContainsFunc(c.DNSNames, func(name string) bool { return strings.EqualFold(name, n.name) })
}

// identityError is a server that is not the one that the options describe.
type identityError struct {
	leaf *x509.Certificate
	errs []error
}

func (e *identityError) Error() string {
	texts := make([]string, len(e.errs))
	for i, err := range e.errs {
		texts[i] = err.Error()
	}
	return nameCertificate(e.leaf) + ": " + strings.Join(texts, "; ")
}

func (e *identityError) Unwrap() []error { return e.errs }
