package sfbackup

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"software.sslmate.com/src/go-pkcs12"
)

// A thumbprint is read for its digits alone; what else may stand between them changes nothing, and
// anything else is an error.
func FuzzThumbprint(f *testing.F) {
	sum1, sum256 := fmt.Sprintf("%X", sha1.Sum(nil)), fmt.Sprintf("%x", sha256.Sum256(nil))
	for _, text := range []string{
		sum1, sum256, strings.ReplaceAll(sum1, "A", "a"), "\u200e" + sum1[:20] + ":" + sum1[20:], sum1[:2] + "\u2013" + sum1[2:] + "\r\n",
		"0x" + sum1, sum1[1:], sum1 + sum256, "", "\xff" + sum1, "\uff21" + sum1[1:], strings.Repeat("a ", 1000),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var sum thumbprint
		var err error
		checkMemory(t, len(text), 0, func() { sum, err = parseThumbprint(text) })
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
			if other, err := parseThumbprint(again); err != nil || !bytes.Equal(other, sum) {
				t.Errorf("%q is %x, but %q is %x, %v", text, []byte(sum), again, []byte(other), err)
			}
		}
	})
}

// An endpoint that is accepted is accepted again as it is kept, as the same; requests go to its host and
// below its path. One that is not accepted may hold a secret, so that the error does not repeat it.
func FuzzEndpoint(f *testing.F) {
	for _, endpoint := range []string{
		"http://localhost:19080", "https://gateway/sf/cluster/", "https://gateway/sf%2Fa", "http://[::1]:19080", "http://[fe80::1%25eth0]", "HTTP://LOCALHOST",
		"http://localhost/a/../b//c/.", "http://localhost/%2e%2e/a", "http://localhost?a=s3cret", "http://s3cret:pw@localhost", "http://localhost#s3cret",
		"http:localhost", "http:///a", "localhost:19080", "http://a b/", "http://localhost/\u00e9 %zz", "http://localhost/a:b;c,d", "http://localhost/%",
	} {
		f.Add(endpoint)
	}
	messages := map[string]bool{
		"the endpoint is not a URL": true, `the endpoint has to begin with "http://" or "https://"`: true, "the endpoint has no host": true,
		"the endpoint holds user information": true, "the endpoint has a query": true, "the endpoint has a fragment": true,
	}
	partition := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	f.Fuzz(func(t *testing.T, endpoint string) {
		u, err := parseEndpoint(endpoint)
		if err != nil {
			if !messages[err.Error()] {
				t.Errorf("%q: %v", endpoint, err)
			}
			return
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !strings.HasSuffix(u.Path, "/") {
			t.Fatalf("%q is accepted as %+v", endpoint, u)
		}
		again, err := parseEndpoint(u.String())
		if err != nil || again.String() != u.String() || originOf(again) != originOf(u) {
			t.Fatalf("%q is kept as %q, which becomes %v, %v", endpoint, u, again, err)
		}
		var sent *http.Request
		client, err := NewClient(endpoint, WithRetry(RetryPolicy{MaxAttempts: 1}), WithHTTPClient(&http.Client{Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
			sent = req
			return nil, errors.New("not sent")
		})}))
		if err != nil {
			t.Fatalf("%q: %v", endpoint, err)
		}
		if _, err = client.BackupProgress(t.Context(), partition); sent == nil {
			t.Fatalf("%q: nothing is sent: %v", endpoint, err)
		}
		if want := u.EscapedPath() + "Partitions/" + partition.String() + "/$/GetBackupProgress"; sent.URL.Host != u.Host || sent.URL.EscapedPath() != want {
			t.Errorf("%q: the request goes to %s, want %s on %s", endpoint, sent.URL, want, u.Host)
		}
	})
}

// newCertificate makes a certificate that a signer has signed, or itself. It is always the same, so that
// the cases that are found stay what they are.
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

// checkCertificateText fails unless what errors say about a certificate, whose names somebody else has
// chosen, is one line.
func checkCertificateText(t *testing.T, c *x509.Certificate) {
	t.Helper()
	checkLine(t, nameCertificate(c))
	asked := &keyPair{loaded: &tls.Certificate{Leaf: c}}
	asked.asked.Store(true)
	checkLine(t, (&credentials{keyPair: asked}).describeKeyPair())
}

// What is read from a file in PEM is a certificate with its own key.
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

// What is read from a file in PKCS #12 is a certificate with its own key, and each further certificate
// has signed the one before it.
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
				// An INTEGER of three bytes or more can be how often a key is to be derived from the
				// password. Billions of times take hours, and package pkcs12 has no limit.
				t.Skip("may take very long")
			}
		}
		pair, err := readPFX(data, password)
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

// A server's certificate, whatever is in it, is accepted only for its thumbprint, or for a name and the
// authority that has signed it; and the error is one line.
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
		shown := tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}
		known := bytes.Equal(der, leaf.Certificate[0])
		for _, id := range []*identity{
			{roots: roots, thumbprints: []thumbprint{sum[:]}},
			{roots: roots, names: []serverName{{name: name, issuers: []thumbprint{sum[:]}}}},
			{roots: roots, names: []serverName{{name: name}}},
		} {
			err := id.verify(shown, time.Now())
			if err != nil {
				if text := withoutURLs(err).Error(); strings.ContainsAny(text, "\r\n") {
					t.Errorf("the error is %q", text)
				}
				continue
			}
			if len(id.thumbprints) > 0 && !known {
				t.Errorf("%x is accepted for the thumbprint of another", der)
			}
			if len(id.names) > 0 && (len(id.names[0].issuers) > 0 || !bytes.Equal(der, root.Certificate[0]) && c.CheckSignatureFrom(root.Leaf) != nil) {
				t.Errorf("%x is accepted for %q", der, name)
			}
		}
		checkCertificateText(t, c)
	})
}
