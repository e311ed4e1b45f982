package transport

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/servicefabric-go/backup/internal/text"
)

// Only the digits of a thumbprint matter. Separators between them are ignored, and any other character is an error.
func FuzzThumbprint(f *testing.F) {
	sum1, sum256 := fmt.Sprintf("%X", sha1.Sum(nil)), fmt.Sprintf("%x", sha256.Sum256(nil))
	for _, text := range []string{
		sum1, sum256, strings.ReplaceAll(sum1, "A", "a"), "\u200e" + sum1[:20] + ":" + sum1[20:], sum1[:2] + "\u2013" + sum1[2:] + "\r\n",
		"0x" + sum1, sum1[1:], sum1 + sum256, "", "\xff" + sum1, "\uff21" + sum1[1:], strings.Repeat("a ", 1000),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var sum Thumbprint
		var err error
		if allocated := allocatedBy(func() { sum, err = ParseThumbprint(text) }); allocated > 10*uint64(len(text))+16<<10 {
			t.Errorf("reading %d bytes allocates %d bytes", len(text), allocated)
		}
		if (sum == nil) == (err == nil) {
			t.Fatalf("got %x, %v", []byte(sum), err)
		}
		if err != nil {
			checkLine(t, err.Error())
			return
		}
		if len(sum) != sha1.Size && len(sum) != sha256.Size {
			t.Errorf("%q has %d bytes", text, len(sum))
		}
		var digits strings.Builder
		for _, r := range text {
			if r <= 'f' && strings.ContainsRune("0123456789abcdefABCDEF", r) {
				digits.WriteRune(r)
			}
		}
		if want := fmt.Sprintf("%x", []byte(sum)); !strings.EqualFold(digits.String(), want) {
			t.Errorf("%q is read as %s", text, want)
		}
		middle := len(digits.String()) / 2
		for _, again := range []string{
			fmt.Sprintf("%x", []byte(sum)), fmt.Sprintf("% X", []byte(sum)), strings.ToLower(text), strings.ToUpper(text),
			"\u200b" + digits.String()[:middle] + "\u2014" + digits.String()[middle:] + "\n",
		} {
			if other, err := ParseThumbprint(again); err != nil || !bytes.Equal(other, sum) {
				t.Errorf("%q is %x, but %q is %x, %v", text, []byte(sum), again, []byte(other), err)
			}
		}
	})
}

// allocatedBy returns how much memory a function allocates: the minimum of a few measurements, because other
// goroutines allocate as well.
func allocatedBy(f func()) uint64 {
	least := uint64(math.MaxUint64)
	for range 4 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// newCertificate returns a certificate that is signed by a signer, or by itself without one. It is always the same,
// so that inputs that fuzzing has found stay valid.
func newCertificate(f *testing.F, name string, signer *tls.Certificate) tls.Certificate {
	f.Helper()
	seed := sha256.Sum256([]byte(name))
	key := ed25519.NewKeyFromSeed(seed[:])
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"a.example"},
		NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: signer == nil, BasicConstraintsValid: true,
	}
	parent, signs := template, key
	if signer != nil {
		parent, signs = signer.Leaf, signer.PrivateKey.(ed25519.PrivateKey)
	}
	der, err := x509.CreateCertificate(nil, template, parent, key.Public(), signs)
	if err != nil {
		f.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		f.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// checkCertificateText fails unless errors describe a certificate in one line. Its names come from others.
func checkCertificateText(t *testing.T, c *x509.Certificate) {
	t.Helper()
	checkLine(t, describeCertificate(c))
	asked := &ClientCertificate{loaded: &tls.Certificate{Leaf: c}}
	asked.asked.Store(true)
	checkLine(t, (&credentials{certificate: asked}).describeOwnCertificate())
}

// A PEM file is read as a certificate with its key, or is an error.
func FuzzCertificatePEM(f *testing.F) {
	root := newCertificate(f, "root", nil)
	leaf := newCertificate(f, "leaf\n\u202e", &root)
	key, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		f.Fatal(err)
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	certificate, issuer := block("CERTIFICATE", leaf.Certificate[0]), block("CERTIFICATE", root.Certificate[0])
	for _, text := range [][][]byte{
		{certificate, block("PRIVATE KEY", key)},
		{block("PRIVATE KEY", key), certificate, issuer},
		{[]byte("Bag Attributes\r\n\tfriendlyName: a\r\n"), certificate, block("PRIVATE KEY", key)},
		{issuer, certificate, block("PRIVATE KEY", key)},
		{certificate},
		{block("ENCRYPTED PRIVATE KEY", key), certificate},
		{nil},
	} {
		f.Add(bytes.Join(text, nil))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		pair, err := tls.X509KeyPair(text, text)
		var checked *tls.Certificate
		if err == nil {
			checked, err = checkKeyPair(pair)
		}
		if (checked == nil) == (err == nil) {
			t.Fatalf("got %v, %v", checked, err)
		}
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("the error is %q", err)
			}
			return
		}
		if checked.Leaf == nil || !bytes.Equal(checked.Leaf.Raw, checked.Certificate[0]) {
			t.Error("the leaf is not the first certificate")
		}
		checkCertificateText(t, checked.Leaf)
	})
}

// A PKCS #12 file is read as a certificate with its key, and with a chain in which each certificate has signed the
// previous one. Otherwise it is an error.
func FuzzCertificatePFX(f *testing.F) {
	root := newCertificate(f, "root", nil)
	leaf := newCertificate(f, "leaf", &root)
	for _, encoder := range []*pkcs12.Encoder{
		pkcs12.Modern.WithIterations(1), pkcs12.LegacyDES.WithIterations(1), pkcs12.LegacyRC2.WithIterations(1), pkcs12.Passwordless,
	} {
		password := "s3cret"
		if encoder == pkcs12.Passwordless {
			password = ""
		}
		data, err := encoder.Encode(leaf.PrivateKey, leaf.Leaf, []*x509.Certificate{root.Leaf}, password)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, password)
		f.Add(data, password+"x")
		f.Add(data[:len(data)-1], password)
	}
	f.Fuzz(func(t *testing.T, data []byte, password string) {
		for i := range len(data) - 1 {
			if data[i] == 2 && 2 < data[i+1] && data[i+1] <= 8 {
				// An INTEGER of three bytes or more may be the number of iterations of the key derivation.
				// Package pkcs12 has no limit, and billions of iterations take hours.
				t.Skip("may take very long")
			}
		}
		pair, err := parsePFX(data, password)
		var checked *tls.Certificate
		if err == nil {
			checked, err = checkKeyPair(pair)
		}
		if err != nil {
			if len(password) > 5 && !bytes.Contains(data, []byte(password)) && strings.Contains(err.Error(), password) || strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("the error is %q", err)
			}
			return
		}
		last := checked.Leaf
		for _, der := range checked.Certificate[1:] {
			issuer, err := x509.ParseCertificate(der)
			if err == nil {
				err = last.CheckSignatureFrom(issuer)
			}
			if err != nil {
				t.Fatal(err)
			}
			last = issuer
		}
		checkCertificateText(t, checked.Leaf)
	})
}

// Whatever a server's certificate contains, it is accepted only for its thumbprint, or for its name and the authority
// that has signed it. The error is one line.
func FuzzServerCertificate(f *testing.F) {
	root := newCertificate(f, "root", nil)
	leaf := newCertificate(f, "gateway", &root)
	strange := newCertificate(f, "a\r\nb\x00\u2028", nil)
	for _, c := range []tls.Certificate{root, leaf, strange} {
		f.Add(c.Certificate[0], "gateway")
		f.Add(c.Certificate[0], "A.EXAMPLE")
	}
	roots := x509.NewCertPool()
	roots.AddCert(root.Leaf)
	sum := sha256.Sum256(leaf.Certificate[0])
	f.Fuzz(func(t *testing.T, der []byte, name string) {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}
		known := bytes.Equal(der, leaf.Certificate[0])
		for _, id := range []*ServerIdentity{
			{Roots: roots, Thumbprints: []Thumbprint{sum[:]}},
			{Roots: roots, Names: []ServerName{{Name: name, Issuers: []Thumbprint{sum[:]}}}},
			{Roots: roots, Names: []ServerName{{Name: name}}},
		} {
			err := id.verify(state, time.Now())
			if err != nil {
				if line := text.Redact(err).Error(); strings.ContainsAny(line, "\r\n") {
					t.Errorf("the error is %q", line)
				}
				continue
			}
			if len(id.Thumbprints) > 0 && !known {
				t.Errorf("%x is accepted for the thumbprint of another certificate", der)
			}
			if len(id.Names) > 0 && (len(id.Names[0].Issuers) > 0 || !bytes.Equal(der, root.Certificate[0]) && c.CheckSignatureFrom(root.Leaf) != nil) {
				t.Errorf("%x is accepted for %q", der, name)
			}
		}
		checkCertificateText(t, c)
	})
}
