package transport

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"software.sslmate.com/src/go-pkcs12"
)

// A ClientCertificate is a client certificate with its private key, and the files to read it from again.
type ClientCertificate struct {
	files []string // none: it was given as a value
	parse func(contents [][]byte) (tls.Certificate, error)
	asked atomic.Bool // whether a server ever asked for it

	mu     sync.Mutex
	loaded *tls.Certificate
	stamps []os.FileInfo // of the files that loaded was read from
	failed error         // why the files as they are now were not read
}

// NewClientCertificate returns a certificate that is given as a value.
func NewClientCertificate(certificate tls.Certificate) (*ClientCertificate, error) {
	checked, err := checkKeyPair(certificate)
	if err != nil {
		return nil, err
	}
	return &ClientCertificate{loaded: checked}, nil
}

// ReadClientCertificate reads a certificate and its key from files in PEM. They are read again after they have
// changed.
func ReadClientCertificate(certFile, keyFile string) (*ClientCertificate, error) {
	return readCertificateFiles([]string{certFile, keyFile}, func(contents [][]byte) (tls.Certificate, error) {
		return tls.X509KeyPair(contents[0], contents[1])
	})
}

// ReadPFX reads a certificate and its key from a file in PKCS #12. It is read again after it has changed.
func ReadPFX(path, password string) (*ClientCertificate, error) {
	return readCertificateFiles([]string{path}, func(contents [][]byte) (tls.Certificate, error) {
		return parsePFX(contents[0], password)
	})
}

func readCertificateFiles(files []string, parse func([][]byte) (tls.Certificate, error)) (*ClientCertificate, error) {
	c := &ClientCertificate{files: files, parse: parse}
	if _, err := c.current(); err != nil {
		return nil, err
	}
	return c, nil
}

// forHandshake is the GetClientCertificate of a tls.Config.
func (c *ClientCertificate) forHandshake(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	// A server need not name all issuers that it accepts, so the certificate is sent whatever it named. A
	// refused certificate is easier to understand than one that was not sent.
	c.asked.Store(true)
	return c.current()
}

// current returns the certificate of the files as they are now, or the last good one.
func (c *ClientCertificate) current() (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.files) == 0 {
		return c.loaded, nil
	}
	// The stamps are taken before reading, so that what is written in between is read the next time.
	stamps, err := stampFiles(c.files)
	if err == nil && c.loaded != nil && slices.EqualFunc(stamps, c.stamps, sameFile) {
		c.failed = nil
		return c.loaded, nil
	}
	var fresh *tls.Certificate
	if err == nil {
		fresh, err = c.read()
	}
	c.failed = err
	if err == nil {
		c.loaded, c.stamps = fresh, stamps
	} else if c.loaded == nil {
		return nil, err
	}
	return c.loaded, nil
}

// status returns the certificate that was sent last, and why it is not a newer one.
func (c *ClientCertificate) status() (*x509.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.loaded.Leaf, c.failed
}

func (c *ClientCertificate) read() (*tls.Certificate, error) {
	contents := make([][]byte, len(c.files))
	for i, name := range c.files {
		var err error
		//nolint:gosec // the caller names the files
		if contents[i], err = os.ReadFile(name); err != nil {
			return nil, err
		}
	}
	certificate, err := c.parse(contents)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.files[0], err)
	}
	return checkKeyPair(certificate)
}

func stampFiles(names []string) ([]os.FileInfo, error) {
	stamps := make([]os.FileInfo, len(names))
	for i, name := range names {
		var err error
		if stamps[i], err = os.Stat(name); err != nil {
			return nil, err
		}
	}
	return stamps, nil
}

// sameFile reports whether a file is unchanged. A renewal may move another file to its name.
func sameFile(a, b os.FileInfo) bool {
	return a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && os.SameFile(a, b)
}

// checkKeyPair returns a copy with its leaf parsed. It finds mistakes that would otherwise show in a handshake
// only.
func checkKeyPair(certificate tls.Certificate) (*tls.Certificate, error) {
	if len(certificate.Certificate) == 0 {
		return nil, errors.New("there is no certificate")
	}
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		return nil, err
	}
	signer, ok := certificate.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errors.New("the certificate has no private key that can sign")
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(leaf.PublicKey) {
		return nil, errors.New("the private key is not that of the certificate")
	}
	certificate.Leaf = leaf
	return &certificate, nil
}

// parsePFX reads PKCS #12 and orders the issuers as TLS requires: each after the certificate that it signed.
func parsePFX(data []byte, password string) (tls.Certificate, error) {
	key, leaf, issuers, err := pkcs12.DecodeChain(data, password)
	if err != nil {
		return tls.Certificate{}, err
	}
	certificate := tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}
	for last := leaf; !bytes.Equal(last.RawSubject, last.RawIssuer); {
		i := slices.IndexFunc(issuers, func(c *x509.Certificate) bool {
			return bytes.Equal(c.RawSubject, last.RawIssuer) && last.CheckSignatureFrom(c) == nil
		})
		if i < 0 {
			break
		}
		last = issuers[i]
		issuers = slices.Delete(issuers, i, i+1) // which also ends a circle of two that signed each other
		certificate.Certificate = append(certificate.Certificate, last.Raw)
	}
	return certificate, nil
}
