package sfbackuptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"time"
)

// newCertificate returns a certificate for a server or client on this machine, signed by an authority.
// Without one, it returns a new authority, which exists only in memory.
//
// The certificate is valid for longer than a test runs, by the clock of the machine, because that is the
// clock that both ends of a connection use.
func newCertificate(name string, authority *tls.Certificate) *tls.Certificate {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(1, 0, 0),
	}
	certificate := &tls.Certificate{PrivateKey: key, Leaf: template}
	if authority == nil {
		authority = certificate // it signs itself
		template.IsCA = true
		template.BasicConstraintsValid = true
		template.KeyUsage = x509.KeyUsageCertSign
	} else {
		template.KeyUsage = x509.KeyUsageDigitalSignature
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		template.DNSNames = []string{"localhost"}
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der := must(x509.CreateCertificate(rand.Reader, template, authority.Leaf, key.Public(), authority.PrivateKey))
	certificate.Certificate = [][]byte{der}
	certificate.Leaf = must(x509.ParseCertificate(der))
	return certificate
}

// must panics on an error. Creating certificates cannot fail, because it depends only on this file and on
// random numbers.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
