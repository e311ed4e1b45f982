package sfbackup_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// Options about TLS change a clone of the caller's transport, and nothing of the caller's.
func TestTLSOptionsCloneTheTransport(t *testing.T) {
	t.Parallel()
	h2 := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Proto != "HTTP/1.1" || r.TLS.Version != tls.VersionTLS12 || r.Header.Get("X-Proxied") != "" {
			t.Errorf("%s over TLS %#x", r.Proto, r.TLS.Version)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	h2.EnableHTTP2 = true
	h2.StartTLS()
	defer h2.Close()
	pin := sha1Of(h2.TLS.Certificates[0])

	used := h2.Client().Transport.(*http.Transport).Clone()
	used.TLSClientConfig.ServerName = "example.com"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := used.RoundTrip(req); err == nil { // sets up HTTP/2
		resp.Body.Close()
	}
	before := used.TLSClientConfig.Clone()
	dialed := 0
	both := http1and2()
	dialing := &http.Transport{DialContext: (&countingDialer{n: &dialed}).dial, ForceAttemptHTTP2: true}
	for _, tt := range []struct {
		name string
		http *http.Client // nil: none
		opt  sfbackup.Option
	}{
		{"none", nil, sfbackup.WithServerThumbprints(pin)},
		{"without a transport", &http.Client{}, sfbackup.WithServerThumbprints(pin)},
		{"an HTTP/2 transport", &http.Client{Transport: used}, sfbackup.WithServerThumbprints(pin)},
		{"an HTTP/2 transport with a configuration", &http.Client{Transport: used}, sfbackup.WithRootCAs(before.RootCAs)},
		{"a transport that allows HTTP/2", &http.Client{Transport: both}, sfbackup.WithServerThumbprints(pin)},
		{"a transport with a dialer", &http.Client{Transport: dialing}, sfbackup.WithServerThumbprints(pin)},
	} {
		opts := opts{tt.opt}
		if tt.http != nil {
			opts = append(opts, sfbackup.WithHTTPClient(tt.http))
		}
		client := newClientAt(t, h2.URL, opts...)
		if err := client.BackupPartition(t.Context(), partition1, nil); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if dialed != 1 {
		t.Errorf("the caller's dialer was used %d times", dialed)
	}
	if c := used.TLSClientConfig; c.VerifyConnection != nil || c.InsecureSkipVerify || c.MaxVersion != before.MaxVersion ||
		c.Renegotiation != before.Renegotiation || !c.RootCAs.Equal(before.RootCAs) || len(c.NextProtos) != len(before.NextProtos) ||
		dialing.TLSClientConfig != nil && dialing.TLSClientConfig.VerifyConnection != nil || !dialing.ForceAttemptHTTP2 || !both.Protocols.HTTP2() {
		t.Error("the caller's transport was changed")
	}
}

// http1and2 returns a transport that uses HTTP/2 if the server offers it.
func http1and2() *http.Transport {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	return &http.Transport{Protocols: p}
}

// countingDialer counts its connections.
type countingDialer struct {
	net.Dialer
	n *int
}

func (d *countingDialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	*d.n++
	return d.DialContext(ctx, network, address)
}

// Options verify the server even if the caller's configuration does not.
func TestTLSOptionsEnableVerification(t *testing.T) {
	t.Parallel()
	server := startTLS(t, &tls.Config{Certificates: []tls.Certificate{gateway().Certificate}}, accepted)
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for _, opt := range []sfbackup.Option{
		sfbackup.WithRootCAs(x509.NewCertPool()),
		sfbackup.WithServerThumbprints(strings.Repeat("00", 20)),
		sfbackup.WithServerCommonName("other"),
	} {
		client := newClientAt(t, server.URL, sfbackup.WithHTTPClient(insecure), opt)
		if err := client.BackupPartition(t.Context(), partition1, nil); err == nil {
			t.Error("no error")
		}
	}
	// Names are verified with the caller's roots.
	roots := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: gatewayRoots(t)}}}
	client := newClientAt(t, server.URL, sfbackup.WithHTTPClient(roots), sfbackup.WithServerCommonName("gateway"))
	if err := client.BackupPartition(t.Context(), partition1, nil); err != nil {
		t.Error(err)
	}
}

func TestConflictingOptions(t *testing.T) {
	t.Parallel()
	pin := sfbackup.WithServerThumbprints(strings.Repeat("00", 20))
	transport := func(rt http.RoundTripper) sfbackup.Option {
		return sfbackup.WithHTTPClient(&http.Client{Transport: rt})
	}
	source := sfbackup.WithTokenSource(func(context.Context) (sfbackup.Token, error) { return sfbackup.Token{}, nil })
	const https, plain = "https://gateway", "http://gateway"
	for _, tt := range []struct {
		name, endpoint string
		opts           opts
		want           string // "" is no error
	}{
		{"another RoundTripper", https, opts{transport(acceptTransport), pin}, "need a transport that is an *http.Transport; to wrap it, use WithMiddleware"},
		{"another RoundTripper, TLS 1.3", https, opts{transport(acceptTransport), sfbackup.WithTLS13()}, "need a transport that is an *http.Transport"},
		{"a transport that dials TLS itself", https, opts{transport(&http.Transport{DialTLSContext: (&net.Dialer{}).DialContext}), pin}, "makes TLS connections itself"},
		{"a transport that requires TLS 1.3", https, opts{transport(&http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13}}), pin}, "needs WithTLS13"},
		{"a transport that requires TLS 1.3, with the option", https, opts{transport(&http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13}}), pin, sfbackup.WithTLS13()}, ""},
		{"no TLS", plain, opts{pin}, `need an endpoint that begins with "https://"`},
		{"no TLS to localhost", "http://localhost", opts{sfbackup.WithRootCAs(x509.NewCertPool())}, `need an endpoint that begins with "https://"`},
		{"no TLS and no endpoint", "", opts{pin}, "the endpoint has to begin"},
		{"a token over http", plain, opts{source}, "WithTokenSource: a token is not sent over http"},
		{"a token over http to a name that begins with localhost", "http://localhost.contoso.com", opts{source}, "a token is not sent over http"},
		{"a token over https", https, opts{source}, ""},
		{"a token to localhost", "http://LocalHost:1", opts{source}, ""},
		{"a token to 127.0.0.1", "http://127.8.0.1", opts{source}, ""},
		{"a token to ::1", "http://[::1]:1", opts{source}, ""},
		{"a nil pool", https, opts{sfbackup.WithRootCAs(nil)}, "WithRootCAs: the pool is nil"},
		{"no thumbprint", https, opts{sfbackup.WithServerThumbprints()}, "WithServerThumbprints: there is no thumbprint"},
		{"no name", https, opts{sfbackup.WithServerCommonName(" ")}, "WithServerCommonName: the name is empty"},
		{"an invalid thumbprint of an issuer", https, opts{sfbackup.WithServerCommonName("a", "b")}, `WithServerCommonName: "b" is not a thumbprint`},
		{"no token source", https, opts{sfbackup.WithTokenSource(nil)}, "WithTokenSource: the source is nil"},
		{"no middleware", https, opts{sfbackup.WithMiddleware(nil)}, "WithMiddleware: the function is nil"},
		{"middleware that returns nil", https, opts{sfbackup.WithMiddleware(func(http.RoundTripper) http.RoundTripper { return nil })}, "WithMiddleware: the function returned nil"},
		{"middleware after one that returns nil", https, opts{
			sfbackup.WithMiddleware(func(http.RoundTripper) http.RoundTripper { return nil }),
			sfbackup.WithMiddleware(func(http.RoundTripper) http.RoundTripper { panic("called") }),
		}, "WithMiddleware: the function returned nil"},
	} {
		_, err := sfbackup.NewClient(tt.endpoint, tt.opts...)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// acceptTransport is a transport that responds to every request with 202. It is not an *http.Transport.
var acceptTransport = roundTripper(func(req *http.Request) (*http.Response, error) {
	return canned{status: "202 Accepted"}.response(req), nil
})

// Middleware wraps the transport that the options make. The last one is outermost.
func TestMiddleware(t *testing.T) {
	t.Parallel()
	server := startTLS(t, &tls.Config{Certificates: []tls.Certificate{gateway().Certificate}}, accepted)
	var order []string
	around := func(name string) sfbackup.Option {
		return sfbackup.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(req *http.Request) (*http.Response, error) {
				order = append(order, name+" "+req.UserAgent())
				return next.RoundTrip(req)
			})
		})
	}
	client := newClientAt(t, server.URL, around("inner"), sfbackup.WithRootCAs(gatewayRoots(t)), sfbackup.WithUserAgent("me"), around("outer"))
	_, err := client.BackupProgress(t.Context(), partition1)
	if got := strings.Join(order, ", "); !errors.Is(err, sfbackup.ErrNoBackup) || got != "outer me, inner me" {
		t.Errorf("%s, %v", got, err)
	}
}

// A server requests the client certificate after the handshake of TLS 1.3, to which package tls cannot respond. The
// server of package tls cannot do that either, so the test encrypts the record itself.
func TestPostHandshakeAuthentication(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ context, alert string }{
		{"", "unexpected message"},
		{"x", "error decoding message"}, // as RFC 8446 requires, and package tls cannot decode
	} {
		testPostHandshakeAuthentication(t, tt.context, tt.alert)
	}
}

func testPostHandshakeAuthentication(t *testing.T, requestContext, alert string) {
	t.Helper()
	listener := listen(t)
	defer closeQuietly(listener)
	served := make(chan error, 1)
	go func() { served <- servePostHandshake(listener, requestContext) }()

	client := newClientAt(t, "https://"+listener.Addr().String(), sfbackup.WithTLS13(),
		sfbackup.WithRootCAs(gatewayRoots(t)), sfbackup.WithClientCertificate(newRoot(t, "a").issue(t, nil)))
	err := client.BackupPartition(t.Context(), partition1, nil)
	const want = "with TLS 1.3 the gateway cannot be shown the client certificate"
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "leave out WithTLS13") {
		t.Errorf("got %v", err)
	}
	if err := <-served; err == nil || !strings.Contains(err.Error(), alert) {
		t.Errorf("the server got %v, want the alert %q", err, alert)
	}
}

func servePostHandshake(listener net.Listener, requestContext string) error {
	raw, err := listener.Accept()
	if err != nil {
		return err
	}
	defer func() { _ = raw.Close() }()
	var keys strings.Builder
	conn := tls.Server(raw, &tls.Config{
		Certificates: []tls.Certificate{gateway().Certificate}, MinVersion: tls.VersionTLS13,
		SessionTicketsDisabled: true, // the record below is the first after the handshake
		KeyLogWriter:           &keys,
	})
	request := make([]byte, 4<<10)
	if _, err := conn.Read(request); err != nil {
		return err
	}
	_, secret, _ := strings.Cut(keys.String(), "SERVER_TRAFFIC_SECRET_0 ")
	secret, _, _ = strings.Cut(strings.Fields(secret)[1], "\n")
	traffic, err := hex.DecodeString(secret)
	if err != nil || len(traffic) != sha256.Size {
		return errors.Join(err, errors.New("this is not TLS_AES_128_GCM_SHA256"))
	}
	block, _ := aes.NewCipher(expandLabel(traffic, "key", 16))
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	// A CertificateRequest with the one extension that is required, and the content type of a handshake.
	message := append([]byte{13, 0, 0, 0, byte(len(requestContext))}, requestContext...)
	message = append(message, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3)
	message[3] = byte(len(message) - 4)
	inner := append(message, 22)
	header := []byte{23, 3, 3, 0, byte(len(inner) + aead.Overhead())}
	if _, err := raw.Write(aead.Seal(header, expandLabel(traffic, "iv", 12), inner, header)); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn)
	return err
}

// expandLabel is the HKDF-Expand-Label of RFC 8446 without a context.
func expandLabel(secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	info := append([]byte{0, byte(n), byte(len(label))}, label...)
	out, err := hkdf.Expand(sha256.New, secret, string(append(info, 0)), n)
	if err != nil {
		panic(err)
	}
	return out
}
