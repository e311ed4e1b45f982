package sfbackup

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

// WithClientCertificate shows a certificate to a gateway that asks for one. Of this option,
// [WithClientCertificateFiles] and [WithPFX] the last one counts.
func WithClientCertificate(certificate tls.Certificate) Option {
	return optionFunc(func(s *settings) error {
		checked, err := checkKeyPair(certificate)
		if err != nil {
			return fmt.Errorf("WithClientCertificate: %w", err)
		}
		s.tls.keyPair = &keyPair{loaded: checked}
		return nil
	})
}

// WithClientCertificateFiles shows a certificate that is read from files in PEM: the certificate,
// followed by those of its issuers if the cluster does not have them, and its private key, which must
// not be encrypted. Both may be in the same file.
//
// The files are read at once, and again by the first connection after one of them changed. While they
// cannot be read or do not belong together, because they are just being written, what was read before
// stays. Connections that exist keep the certificate that they were made with until the gateway
// refuses it or they have been idle for a while.
func WithClientCertificateFiles(certFile, keyFile string) Option {
	return withCertificateFiles("WithClientCertificateFiles", []string{certFile, keyFile},
		func(contents [][]byte) (tls.Certificate, error) { return tls.X509KeyPair(contents[0], contents[1]) })
}

// WithPFX shows a certificate that is read from a file in PKCS #12, the form in which Windows exports
// it: the certificate with its private key and, where they are in it, those of its issuers. It is read
// again when it changes, as WithClientCertificateFiles says.
func WithPFX(path string, password Secret) Option {
	return withCertificateFiles("WithPFX", []string{path},
		func(contents [][]byte) (tls.Certificate, error) { return readPFX(contents[0], string(password)) })
}

func withCertificateFiles(option string, files []string, parse func([][]byte) (tls.Certificate, error)) Option {
	return optionFunc(func(s *settings) error {
		k := &keyPair{files: files, parse: parse}
		if _, err := k.current(); err != nil {
			return fmt.Errorf("%s: %w", option, err)
		}
		s.tls.keyPair = k
		return nil
	})
}

// A keyPair is a client certificate with its private key, and where to read it anew.
type keyPair struct {
	files []string // none: it was given as a value
	parse func(contents [][]byte) (tls.Certificate, error)
	asked atomic.Bool // whether a server ever asked for it

	mu     sync.Mutex
	loaded *tls.Certificate
	stamps []os.FileInfo // of the files that loaded was read from
	failed error         // why the files as they are now were not read
}

// forHandshake is the GetClientCertificate of a tls.Config.
func (k *keyPair) forHandshake(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	// A server that names the issuers it accepts need not name all, so the certificate is shown
	// whatever it named. A refused certificate is easier to understand than one that was held back.
	k.asked.Store(true)
	return k.current()
}

// current returns the certificate of the files as they are now, or the last good one.
func (k *keyPair) current() (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.files) == 0 {
		return k.loaded, nil
	}
	// The stamps are taken before reading: what is written in between is read the next time.
	stamps, err := stampFiles(k.files)
	if err == nil && k.loaded != nil && slices.EqualFunc(stamps, k.stamps, sameFile) {
		k.failed = nil
		return k.loaded, nil
	}
	var fresh *tls.Certificate
	if err == nil {
		fresh, err = k.read()
	}
	k.failed = err
	if err == nil {
		k.loaded, k.stamps = fresh, stamps
	} else if k.loaded == nil {
		return nil, err
	}
	return k.loaded, nil
}

// status returns the certificate that was shown last, and why it is not a newer one.
func (k *keyPair) status() (*x509.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.loaded.Leaf, k.failed
}

func (k *keyPair) read() (*tls.Certificate, error) {
	contents := make([][]byte, len(k.files))
	for i, name := range k.files {
		var err error
		//nolint:gosec // the caller names the files
		if contents[i], err = os.ReadFile(name); err != nil {
			return nil, err
		}
	}
	certificate, err := k.parse(contents)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.files[0], err)
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

// sameFile reports whether nothing has happened to a file. That it is another one under its name is
// what a renewal looks like that moves files into place.
func sameFile(a, b os.FileInfo) bool {
	return a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && os.SameFile(a, b)
}

// checkKeyPair returns a copy that has its leaf parsed, after looking for what would otherwise only
// come to light in a handshake.
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

// readPFX reads PKCS #12, and brings the issuers into the order that TLS wants: each after what it
// has signed.
func readPFX(data []byte, password string) (tls.Certificate, error) {
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
		issuers = slices.Delete(issuers, i, i+1) // and two that signed each other come to an end
		certificate.Certificate = append(certificate.Certificate, last.Raw)
	}
	return certificate, nil
}
