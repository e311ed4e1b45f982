package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/servicefabric-go/backup/internal/text"
)

// A ServerIdentity says by what a server is verified.
type ServerIdentity struct {
	Roots       *x509.CertPool // nil: those of the system
	Thumbprints []Thumbprint
	Names       []ServerName
}

// A ServerName is a common name or DNS name of a certificate, with who may have issued it.
type ServerName struct {
	Name    string
	Issuers []Thumbprint // none: any
}

// pinned reports whether servers are verified by something else than the name of the endpoint.
func (id *ServerIdentity) pinned() bool { return len(id.Thumbprints) > 0 || len(id.Names) > 0 }

// verify verifies the server of a connection. It is for VerifyConnection, which package tls calls for resumed
// sessions as well.
func (id *ServerIdentity) verify(cs tls.ConnectionState, now time.Time) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("the server has sent no certificate")
	}
	leaf := cs.PeerCertificates[0]
	var errs []error
	if len(id.Thumbprints) > 0 {
		err := id.verifyThumbprint(leaf, now)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	if len(id.Names) > 0 {
		err := id.verifyName(leaf, cs.PeerCertificates[1:], now)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return &identityError{leaf, errs}
}

func (id *ServerIdentity) verifyThumbprint(leaf *x509.Certificate, now time.Time) error {
	if !anyMatches(id.Thumbprints, leaf) {
		return errors.New("its thumbprint is not one of WithServerThumbprints")
	}
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return fmt.Errorf("it is valid from %s to %s", leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

func (id *ServerIdentity) verifyName(leaf *x509.Certificate, others []*x509.Certificate, now time.Time) error {
	intermediates := x509.NewCertPool()
	for _, c := range others {
		intermediates.AddCert(c)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: id.Roots, Intermediates: intermediates, CurrentTime: now})
	if err != nil {
		return err
	}
	named := false
	for _, want := range id.Names {
		if !want.matches(leaf) {
			continue
		}
		named = true
		if len(want.Issuers) == 0 || slices.ContainsFunc(chains, func(chain []*x509.Certificate) bool {
			return anyMatches(want.Issuers, chain[min(1, len(chain)-1)])
		}) {
			return nil
		}
	}
	if named {
		return errors.New("its issuer is not one of those that WithServerCommonName names for it")
	}
	return errors.New("it has no name of WithServerCommonName")
}

// matches compares names, not hosts, so a wildcard is a name like any other.
func (n ServerName) matches(c *x509.Certificate) bool {
	return text.EqualFold(c.Subject.CommonName, n.Name) ||
		slices.ContainsFunc(c.DNSNames, func(name string) bool { return text.EqualFold(name, n.Name) })
}

// identityError is the error of a server that is not the one that the options describe.
type identityError struct {
	leaf *x509.Certificate
	errs []error
}

func (e *identityError) Error() string {
	texts := make([]string, len(e.errs))
	for i, err := range e.errs {
		texts[i] = err.Error()
	}
	return describeCertificate(e.leaf) + ": " + strings.Join(texts, "; ")
}

func (e *identityError) Unwrap() []error { return e.errs }
