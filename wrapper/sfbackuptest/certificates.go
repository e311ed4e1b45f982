package sfbackuptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"time"
)

// CertificatePEM returns a certificate with its chain, and its private key, as PEM. It is for clients in other
// languages, which read certificates such as those of [Server.Issue] from files. It panics if the key cannot be
// encoded, which those of Issue can.
func CertificatePEM(certificate tls.Certificate) (chain, key []byte) {
	for _, der := range certificate.Certificate {
		chain = append(chain, encodePEM("CERTIFICATE", der)...)
	}
	return chain, encodePEM("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)))
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// newCertificate returns a certificate for a client, or for a server with the given hosts (names and IP
// addresses; empty ones are ignored), signed by an authority. Without one, it returns a new authority, which
// exists only in memory.
//
// The certificate is valid for longer than a test runs, by the clock of the machine, because that is the
// clock that both ends of a connection use.
func newCertificate(name string, authority *tls.Certificate, hosts ...string) (*tls.Certificate, error) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(1, 0, 0),
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if host != "" {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	certificate := &tls.Certificate{PrivateKey: key}
	if authority == nil {
		template.IsCA = true
		template.BasicConstraintsValid = true
		template.KeyUsage = x509.KeyUsageCertSign
		authority = &tls.Certificate{PrivateKey: key, Leaf: template} // it signs itself
	} else {
		template.KeyUsage = x509.KeyUsageDigitalSignature
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		certificate.Certificate = authority.Certificate
	}
	if authority.Leaf == nil || !authority.Leaf.IsCA {
		return nil, errors.New("the certificate is not that of an authority")
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority.Leaf, key.Public(), authority.PrivateKey)
	if err != nil {
		return nil, err
	}
	certificate.Certificate = append([][]byte{der}, certificate.Certificate...)
	certificate.Leaf = must(x509.ParseCertificate(der))
	return certificate, nil
}

// must panics on an error. Creating certificates cannot fail, because it depends only on this file, on random
// numbers, and on an authority that was used before.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
