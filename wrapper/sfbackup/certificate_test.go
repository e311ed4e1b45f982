package sfbackup_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

func TestClientCertificateErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, other := newRoot(t, "a").issue(t, nil), newRoot(t, "b").issue(t, nil)
	certFile, keyFile := writePEM(t, dir, good)
	otherDir := t.TempDir()
	_, otherKey := writePEM(t, otherDir, other)
	pfx, err := pkcs12.Modern.Encode(good.PrivateKey, good.Leaf, nil, "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	pfxFile, missing := filepath.Join(dir, "client.pfx"), filepath.Join(dir, "missing")
	writeFile(t, pfxFile, pfx)
	for _, tt := range []struct {
		name string
		opt  sfbackup.Option
		want string // "" is no error
	}{
		{"value", sfbackup.WithClientCertificate(good), ""},
		{"files", sfbackup.WithClientCertificateFiles(certFile, keyFile), ""},
		{"PFX", sfbackup.WithPFX(pfxFile, "s3cret"), ""},
		{"no certificate", sfbackup.WithClientCertificate(tls.Certificate{}), "WithClientCertificate: there is no certificate"},
		{"no key", sfbackup.WithClientCertificate(tls.Certificate{Certificate: good.Certificate}), "has no private key"},
		{"the key of another certificate", sfbackup.WithClientCertificate(tls.Certificate{Certificate: good.Certificate, PrivateKey: other.PrivateKey}), "is not that of the certificate"},
		{"invalid DER", sfbackup.WithClientCertificate(tls.Certificate{Certificate: [][]byte{{1}}, PrivateKey: good.PrivateKey}), "WithClientCertificate: x509: "},
		{"a missing file", sfbackup.WithClientCertificateFiles(missing, keyFile), "WithClientCertificateFiles: stat "},
		{"a directory", sfbackup.WithClientCertificateFiles(dir, keyFile), "WithClientCertificateFiles: read "},
		{"a key instead of a certificate", sfbackup.WithClientCertificateFiles(keyFile, keyFile), "WithClientCertificateFiles: " + keyFile},
		{"the key file of another certificate", sfbackup.WithClientCertificateFiles(certFile, otherKey), "private key does not match"},
		{"a missing PFX", sfbackup.WithPFX(missing, ""), "WithPFX: stat "},
		{"a wrong password", sfbackup.WithPFX(pfxFile, "s3cret2"), "password incorrect"},
		{"not a PFX file", sfbackup.WithPFX(keyFile, "s3cret"), "WithPFX: " + keyFile + ": pkcs12: "},
	} {
		_, err := sfbackup.NewClient("https://localhost", tt.opt)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// Certificates of a PFX file are sent in the order that TLS requires, whatever the encoding of the file is.
func TestPFX(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	upper := root.authority(t, "upper")
	lower := upper.authority(t, "lower")
	leaf := lower.issue(t, nil)
	stray := newRoot(t, "stray")
	issuers := []*x509.Certificate{stray.Leaf, root.Leaf, lower.Leaf, upper.Leaf}
	selfSigned := (&issuer{}).issue(t, nil)
	for _, tt := range []struct {
		name    string
		encoder *pkcs12.Encoder
		leaf    tls.Certificate
		issuers []*x509.Certificate
		want    int
	}{
		{"modern", pkcs12.Modern, leaf, issuers, 4},
		{"as Windows exports with TripleDES", pkcs12.LegacyDES, leaf, issuers, 4},
		{"RC2", pkcs12.LegacyRC2, leaf, issuers[2:3], 2},
		{"no issuers", pkcs12.Modern, leaf, nil, 1},
		{"self-signed", pkcs12.Modern, selfSigned, issuers, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pfx, err := tt.encoder.Encode(tt.leaf.PrivateKey, tt.leaf.Leaf, tt.issuers, "pa ss")
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "client.pfx")
			writeFile(t, file, pfx)
			server, presented := startCertificateServer(t)
			client := newClientAt(t, server, sfbackup.WithServerCommonName("gateway"), sfbackup.WithRootCAs(gatewayRoots(t)), sfbackup.WithPFX(file, "pa ss"))
			if err := client.BackupPartition(t.Context(), partition1, nil); err != nil {
				t.Fatal(err)
			}
			got := presented()
			if len(got) != tt.want || !got[0].Equal(tt.leaf.Leaf) {
				t.Fatalf("%d certificates", len(got))
			}
			for i := 1; i < len(got); i++ {
				if err := got[i-1].CheckSignatureFrom(got[i]); err != nil {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
}

// gateway is the certificate of the test servers, with that of its authority as the chain.
var gateway = sync.OnceValue(func() *issuer {
	t := &testing.T{} // issuing certificates does not fail
	root := newRoot(t, "gateway root")
	return &issuer{root.issue(t, func(c *x509.Certificate) { named("gateway")(c); forLoopback(c) }), [][]byte{root.Certificate.Certificate[0]}}
})

func gatewayRoots(t testing.TB) *x509.CertPool {
	t.Helper()
	root, err := x509.ParseCertificate(gateway().chain[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return pool
}

// startCertificateServer starts a server that requires a client certificate and accepts any. The function
// returns the certificates that the last request presented.
func startCertificateServer(t testing.TB) (url string, presented func() []*x509.Certificate) {
	t.Helper()
	var mu sync.Mutex
	var last []*x509.Certificate
	server := startTLS(t, &tls.Config{
		Certificates: []tls.Certificate{gateway().Certificate}, ClientAuth: tls.RequireAnyClientCert,
	}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		last = r.TLS.PeerCertificates
		w.Header().Set("Connection", "close") // so that each request has a handshake
		w.WriteHeader(http.StatusAccepted)
	}))
	return server.URL, func() []*x509.Certificate {
		mu.Lock()
		defer mu.Unlock()
		return last
	}
}

// A renewed certificate is presented from the next connection on. While its files are incomplete or deleted,
// the previous one stays in use.
func TestCertificateFilesAreReloaded(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	first, second, third := root.issue(t, named("first")), root.issue(t, named("second")), root.issue(t, named("third"))
	dir, next := t.TempDir(), t.TempDir()
	certFile, keyFile := writePEM(t, dir, first)
	url, presented := startCertificateServer(t)
	client := newClientAt(t, url, sfbackup.WithRootCAs(gatewayRoots(t)), sfbackup.WithClientCertificateFiles(certFile, keyFile))
	expect := func(step, want string) {
		t.Helper()
		if err := client.BackupPartition(t.Context(), partition1, nil); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		if got := presented()[0].Subject.CommonName; got != want {
			t.Errorf("%s: the %s certificate was presented, want the %s", step, got, want)
		}
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	expect("at first", "first")
	expect("again", "first")

	secondCert, secondKey := writePEM(t, next, second)
	cert, key := read(secondCert), read(secondKey)
	writeFile(t, certFile, cert[:len(cert)/2])
	expect("half of the certificate", "first")
	writeFile(t, certFile, cert)
	expect("the certificate without its key", "first")
	writeFile(t, keyFile, key)
	expect("both", "second")

	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	expect("the key is deleted", "second")
	// Tools may keep the size and the modification time of a file that they replace.
	thirdCert, thirdKey := writePEM(t, next, third)
	replace := func(from, to string) {
		data := read(from)
		writeFile(t, from, append(data, bytes.Repeat([]byte("\n"), 1500-len(data))...))
		if err := os.Chtimes(from, time.Unix(1e9, 0), time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	replace(thirdCert, certFile)
	replace(thirdKey, keyFile)
	expect("both are replaced by renaming", "third")
	fourthCert, fourthKey := writePEM(t, next, first)
	replace(fourthCert, certFile)
	replace(fourthKey, keyFile)
	expect("both are replaced again", "first")
}

// After the gateway has rejected a certificate, the next request uses a new connection, which presents the
// renewed certificate.
func TestRenewedCertificateAfterRejection(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	server := startTLS(t, &tls.Config{Certificates: []tls.Certificate{gateway().Certificate}, ClientAuth: tls.RequestClientCert},
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.TLS.PeerCertificates[0].Subject.CommonName != "good" {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			w.WriteHeader(http.StatusAccepted)
		}))
	dir := t.TempDir()
	certFile, keyFile := writePEM(t, dir, root.issue(t, named("bad")))
	client := newClientAt(t, server.URL, sfbackup.WithRootCAs(gatewayRoots(t)), sfbackup.WithClientCertificateFiles(certFile, keyFile))
	if err := client.BackupPartition(t.Context(), partition1, nil); err == nil {
		t.Fatal("the gateway accepted the bad certificate")
	}
	writePEM(t, dir, root.issue(t, named("good")))
	if err := client.BackupPartition(t.Context(), partition1, nil); err != nil {
		t.Error(err)
	}
}

// One file may have both the certificate and the key, here an RSA key in PKCS #1.
func TestCertificateAndKeyInOneFile(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "client.pem")
	writeFile(t, file, bytes.Join([][]byte{
		pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	}, nil))
	url, presented := startCertificateServer(t)
	client := newClientAt(t, url, sfbackup.WithRootCAs(gatewayRoots(t)), sfbackup.WithClientCertificateFiles(file, file))
	if err := client.BackupPartition(t.Context(), partition1, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(presented()[0].Raw, der) {
		t.Error("another certificate was presented")
	}
}

// A certificate that the caller passes is not modified.
func TestClientCertificateIsCopied(t *testing.T) {
	t.Parallel()
	certificate := newRoot(t, "a").issue(t, nil)
	certificate.Leaf = nil
	url, presented := startCertificateServer(t)
	client := newClientAt(t, url, sfbackup.WithRootCAs(gatewayRoots(t)), sfbackup.WithClientCertificate(certificate))
	if err := client.BackupPartition(t.Context(), partition1, nil); err != nil {
		t.Fatal(err)
	}
	if certificate.Leaf != nil || !bytes.Equal(presented()[0].Raw, certificate.Certificate[0]) {
		t.Error("the certificate was changed")
	}
}
