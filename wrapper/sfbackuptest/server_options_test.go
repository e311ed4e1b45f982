package sfbackuptest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// ownCertificate returns a certificate for localhost and 127.0.0.1 that a caller may have: an authority, or one
// signed by the given authority. Without an authority it signs itself.
func ownCertificate(t *testing.T, isCA bool, authority *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: t.Name()},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		BasicConstraintsValid: true,
		IsCA:                  isCA,
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	parent, signer, chain := template, any(key), [][]byte(nil)
	if authority != nil {
		parent, signer, chain = authority.Leaf, authority.PrivateKey, authority.Certificate
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: append([][]byte{der}, chain...), PrivateKey: key, Leaf: leaf}
}

// TestServerAddress: a server listens where its caller says.
func TestServerAddress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		address string
		opts    []sfbackuptest.ServerOption
		url     string
	}{
		{"127.0.0.1:0", nil, "http://127.0.0.1:"},
		{"localhost:0", []sfbackuptest.ServerOption{sfbackuptest.WithTLS()}, "https://127.0.0.1:"},
		{":0", []sfbackuptest.ServerOption{sfbackuptest.WithTLS()}, "https://localhost:"},
		{"0.0.0.0:0", []sfbackuptest.ServerOption{sfbackuptest.WithClientCertificates()}, "https://localhost:"},
	} {
		server := newServer(t, sfbackuptest.NewCluster(), append(tt.opts, sfbackuptest.WithAddress(tt.address))...)
		if !strings.HasPrefix(server.URL, tt.url) {
			t.Errorf("%s: URL %s", tt.address, server.URL)
		}
		if o := attempt(t, server.Client().Transport, http.MethodGet, server.URL+first+"GetBackups"+v); o.status != "200 OK" {
			t.Errorf("%s: %+v", tt.address, o)
		}
		taken := strings.TrimPrefix(server.URL[strings.Index(server.URL, "//"):], "//")
		if _, err := sfbackuptest.NewServer(sfbackuptest.NewCluster(), sfbackuptest.WithAddress(taken)); err == nil {
			t.Errorf("%s: two servers on one port", tt.address)
		}
	}
}

// TestServerAuthority: one authority for several servers, whose certificates clients in other languages get as
// PEM.
func TestServerAuthority(t *testing.T) {
	t.Parallel()
	root := ownCertificate(t, true, nil)
	intermediate := ownCertificate(t, true, &root)
	for _, authority := range []tls.Certificate{root, intermediate} {
		one := newServer(t, sfbackuptest.NewCluster(), sfbackuptest.WithAuthority(authority))
		second := newServer(t, sfbackuptest.NewCluster(), sfbackuptest.WithAuthority(authority), sfbackuptest.WithClientCertificates())
		if string(one.CAPEM) != string(second.CAPEM) {
			t.Errorf("the servers have the authorities\n%s\n%s", one.CAPEM, second.CAPEM)
		}
		for role, post := range map[sfbackuptest.Role]string{sfbackuptest.RoleAdmin: "202 Accepted", sfbackuptest.RoleUser: "403 Forbidden"} {
			config := &tls.Config{RootCAs: x509.NewCertPool()}
			if !config.RootCAs.AppendCertsFromPEM(one.CAPEM) {
				t.Fatal("no authority")
			}
			certificate, err := tls.X509KeyPair(sfbackuptest.CertificatePEM(second.Issue(role)))
			if err != nil {
				t.Fatal(err)
			}
			config.Certificates = []tls.Certificate{certificate}
			rt := &http.Transport{TLSClientConfig: config}
			t.Cleanup(rt.CloseIdleConnections)
			if o := attempt(t, rt, http.MethodPost, second.URL+first+"Backup"+v); o.status != post {
				t.Errorf("%s: %+v, want %s", role, o, post)
			}
		}
		if o := attempt(t, one.Client().Transport, http.MethodGet, second.URL+first+"GetBackups"+v); o.status != "403 Client certificate required" {
			t.Errorf("without a certificate: %+v", o)
		}
	}
}

// TestServerCertificate: a server with a certificate of the caller's, whether it signs itself or has an
// authority.
func TestServerCertificate(t *testing.T) {
	t.Parallel()
	root := ownCertificate(t, true, nil)
	for _, certificate := range []tls.Certificate{ownCertificate(t, false, nil), ownCertificate(t, false, &root)} {
		server := newServer(t, sfbackuptest.NewCluster(), sfbackuptest.WithCertificate(certificate), sfbackuptest.WithClientCertificates())
		if o := attempt(t, server.Client().Transport, http.MethodPost, server.URL+first+"Backup"+v); o.status != "202 Accepted" {
			t.Errorf("%+v", o)
		}
		connection, err := (&tls.Dialer{Config: &tls.Config{RootCAs: server.RootCAs}}).DialContext(t.Context(), "tcp", strings.TrimPrefix(server.URL, "https://"))
		if err != nil {
			t.Fatal(err)
		}
		if presented := connection.(*tls.Conn).ConnectionState().PeerCertificates[0]; !presented.Equal(certificate.Leaf) {
			t.Errorf("the server presents %v", presented.Subject)
		}
		_ = connection.Close()
	}
}

// TestServerMistakes: authorities and certificates that cannot be used.
func TestServerMistakes(t *testing.T) {
	t.Parallel()
	root, other := ownCertificate(t, true, nil), ownCertificate(t, true, nil)
	otherKey := root
	otherKey.PrivateKey = other.PrivateKey
	for want, option := range map[string]sfbackuptest.ServerOption{
		"WithAuthority: the certificate is not that of an authority":  sfbackuptest.WithAuthority(ownCertificate(t, false, nil)),
		"WithAuthority: the certificate is not that":                  sfbackuptest.WithAuthority(tls.Certificate{}),
		"WithAuthority: x509: ":                                       sfbackuptest.WithAuthority(otherKey),
		"WithCertificate: the certificate is not valid or has no key": sfbackuptest.WithCertificate(tls.Certificate{Certificate: root.Certificate}),
		"WithCertificate: the certificate is not valid or has no":     sfbackuptest.WithCertificate(tls.Certificate{Certificate: [][]byte{{1}}, PrivateKey: root.PrivateKey}),
		"WithCertificate: the certificate is not valid or has":        sfbackuptest.WithCertificate(tls.Certificate{}),
		"listen tcp": sfbackuptest.WithAddress("127.0.0.1:no port"),
	} {
		if server, err := sfbackuptest.NewServer(sfbackuptest.NewCluster(), option); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
			if server != nil {
				server.Close()
			}
		}
	}
}

// TestServerHandler: a handler round the cluster sees the requests, and does not change the responses.
func TestServerHandler(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	runtime, err := contract.New(openapi.Runtime)
	if err != nil {
		t.Fatal(err)
	}
	c := sfbackuptest.NewCluster()
	server := newServer(t, c, sfbackuptest.WithHandler(func(cluster http.Handler) http.Handler {
		if cluster != http.Handler(c) {
			t.Errorf("the handler got %T", cluster)
		}
		counter := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			cluster.ServeHTTP(w, r)
		})
		return runtime.Handler(counter, func(_ *http.Request, err error) { t.Error(err) })
	}))
	c.Script(t, sfbackuptest.RefuseCredentials())
	for _, want := range []string{"403 Client certificate required", "200 OK"} {
		if o := attempt(t, server.Client().Transport, http.MethodGet, server.URL+first+"GetBackups"+v); o.status != want {
			t.Errorf("%+v, want %s", o, want)
		}
	}
	if got := requests.Load(); got != 2 {
		t.Errorf("the handler saw %d requests", got)
	}
}
