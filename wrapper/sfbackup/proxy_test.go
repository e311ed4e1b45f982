package sfbackup_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// through is an option for a transport that sends everything through a proxy.
func through(t testing.TB, proxy string, config *tls.Config) sfbackup.Option {
	t.Helper()
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Proxy: http.ProxyURL(u), TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return sfbackup.WithHTTPClient(&http.Client{Transport: transport})
}

// A tunneler is a proxy that makes tunnels. It notes the client certificates that it is shown.
type tunneler struct {
	mu      sync.Mutex
	tunnels int
	shown   int
}

func (p *tunneler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.tunnels++
	if r.TLS != nil {
		p.shown += len(r.TLS.PeerCertificates)
	}
	p.mu.Unlock()
	target, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer func() { _ = target.Close() }()
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = client.Close() }()
	_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		_, _ = io.Copy(target, client)
		_ = target.Close()
	}()
	_, _ = io.Copy(client, target)
}

// refusing is a proxy that makes no tunnels.
func refusing(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

// A start that does not get through a proxy has started nothing, and the error is about the proxy.
func TestStartWithoutATunnel(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	certificate := root.issue(t, forLoopback)
	forbids, wantsPassword := httptest.NewServer(refusing(403)), httptest.NewServer(refusing(407))
	t.Cleanup(forbids.Close)
	t.Cleanup(wantsPassword.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	secure := startTLS(t, &tls.Config{Certificates: []tls.Certificate{certificate}}, refusing(403))
	strict := startTLS(t, &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAnyClientCert}, refusing(403))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // of which nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	pin := sfbackup.WithServerThumbprints(strings.Repeat("00", 20))
	own := sfbackup.WithClientCertificate(certificate)
	withoutTLS := strings.Replace(forbids.URL, "http:", "https:", 1)
	for name, tt := range map[string]struct {
		endpoint, proxy string
		opts            opts
		want, not       string
	}{
		"refused":                         {"https://cluster", forbids.URL, nil, "Forbidden", "the server"},
		"refused, with a pin":             {"https://cluster", forbids.URL, opts{pin}, "the proxy makes no tunnel: 403 Forbidden", "the server"},
		"refused, with a certificate":     {"https://cluster", wantsPassword.URL, opts{own}, "the proxy makes no tunnel: 407", "the server"},
		"refused, with several endpoints": {"https://cluster", forbids.URL, opts{sfbackup.WithEndpoints("https://cluster:2", "https://CLUSTER:3")}, "Forbidden", "the server"},
		"refused over TLS":                {"https://cluster", secure.URL, opts{pin, own, sfbackup.WithRootCAs(root.pool())}, "the proxy makes no tunnel: 403 Forbidden", "the server"},
		"not there":                       {"https://cluster", gone.URL, nil, "proxyconnect", "the server"},
		"not there, for http":             {"http://cluster", gone.URL, nil, "proxyconnect", "the server"},
		"not there, SOCKS":                {"http://cluster", strings.Replace(gone.URL, "http:", "socks5:", 1), nil, "refused", "the server"},
		"without TLS":                     {"https://cluster", withoutTLS, nil, "the proxy speaks HTTP without TLS, so its URL begins with http://", "endpoint"},
		"without TLS, with a pin":         {"https://cluster", withoutTLS, opts{pin}, "the proxy speaks HTTP without TLS, so its URL begins with http://", "endpoint"},
		"not trusted":                     {"https://cluster", secure.URL, nil, "to accept this proxy, use WithRootCAs", "this server"},
		"not trusted, with a pin":         {"https://cluster", secure.URL, opts{pin}, "to accept this proxy, use WithRootCAs", "this server"},
		"wants a certificate of its own":  {"https://cluster", strict.URL, opts{sfbackup.WithRootCAs(root.pool()), own, sfbackup.WithTLS13()}, "certificate required", "the server"},
		"stalls":                          {"https://cluster", "http://" + listener.Addr().String(), nil, "deadline", "the server"},
		"its handshake stalls":            {"https://cluster", "https://" + listener.Addr().String(), opts{pin}, "deadline", "the server"},
		"refused, a host of many letters": {"https://bücher.example:1", forbids.URL, nil, "Forbidden", "the server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := sfbackup.NewClient(tt.endpoint, append(tt.opts, through(t, tt.proxy, nil), sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1}))...)
			if err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			if tt.want == "deadline" {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
				defer cancel()
			}
			err = client.BackupPartition(ctx, partition1, nil)
			if err == nil || errors.Is(err, sfbackup.ErrOutcomeUnknown) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), tt.not) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A function that chooses the proxy may fail, and nothing is sent then.
func TestStartWithoutAProxy(t *testing.T) {
	t.Parallel()
	errNone := errors.New("no proxy today")
	client, err := sfbackup.NewClient("http://cluster", sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1}), sfbackup.WithHTTPClient(&http.Client{
		Transport: &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return nil, errNone }},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := client.BackupPartition(t.Context(), partition1, nil); !errors.Is(err, errNone) || errors.Is(err, sfbackup.ErrOutcomeUnknown) {
		t.Errorf("got %v", err)
	}
}

// Once there is a tunnel, nothing is certain.
func TestStartThatATunnelLoses(t *testing.T) {
	t.Parallel()
	server := startTLS(t, &tls.Config{Certificates: []tls.Certificate{gateway().Certificate}},
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	proxy := httptest.NewServer(&tunneler{})
	defer proxy.Close()
	client, err := sfbackup.NewClient(server.URL, through(t, proxy.URL, nil), sfbackup.WithRootCAs(gatewayRoots(t)), sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		t.Fatal(err)
	}
	if err := client.BackupPartition(t.Context(), partition1, nil); !errors.Is(err, sfbackup.ErrOutcomeUnknown) {
		t.Errorf("got %v", err)
	}
}

// The client certificate and the pins are for the cluster, and not for a proxy before it.
func TestCredentialsAreNotForProxies(t *testing.T) {
	t.Parallel()
	root, other := newRoot(t, "root"), newRoot(t, "other")
	clusterCertificate, proxyCertificate, own := root.issue(t, forLoopback), other.issue(t, forLoopback), root.issue(t, nil)
	cluster := startTLS(t, &tls.Config{
		Certificates: []tls.Certificate{clusterCertificate}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: root.pool(),
	}, accepted)
	certificate := sfbackup.WithClientCertificate(own)
	both := root.pool()
	both.AddCert(other.Leaf)
	trusting := &tls.Config{RootCAs: other.pool(), ServerName: "127.0.0.1"}
	for name, tt := range map[string]struct {
		opts   opts
		config *tls.Config // of the caller's transport
		fails  string      // "" if it does not
	}{
		"thumbprint, roots of the caller":        {opts{certificate, sfbackup.WithServerThumbprints(sha1Of(clusterCertificate))}, trusting, ""},
		"thumbprint, roots of the option":        {opts{certificate, sfbackup.WithServerThumbprints(sha1Of(clusterCertificate)), sfbackup.WithRootCAs(other.pool())}, nil, ""},
		"name":                                   {opts{certificate, sfbackup.WithServerCommonName("test"), sfbackup.WithRootCAs(root.pool())}, trusting, ""},
		"roots of both":                          {opts{certificate, sfbackup.WithRootCAs(both)}, nil, ""},
		"another thumbprint":                     {opts{certificate, sfbackup.WithServerThumbprints(sha1Of(proxyCertificate))}, trusting, "its thumbprint is not one of"},
		"a thumbprint alone":                     {opts{certificate, sfbackup.WithServerThumbprints(sha1Of(clusterCertificate))}, nil, "to accept this proxy"},
		"verification is on again":               {opts{certificate, sfbackup.WithRootCAs(root.pool())}, &tls.Config{InsecureSkipVerify: true}, "to accept this proxy"},
		"roots of the cluster only":              {opts{certificate, sfbackup.WithRootCAs(root.pool())}, nil, "to accept this proxy"},
		"roots of the proxy only, of the option": {opts{certificate, sfbackup.WithRootCAs(other.pool())}, nil, "to accept this server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tunnels := &tunneler{}
			proxy := startTLS(t, &tls.Config{Certificates: []tls.Certificate{proxyCertificate}, ClientAuth: tls.RequestClientCert}, tunnels)
			client, err := sfbackup.NewClient(cluster.URL, append(tt.opts, through(t, proxy.URL, tt.config), sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1}))...)
			if err != nil {
				t.Fatal(err)
			}
			err = client.BackupPartition(t.Context(), partition1, nil)
			if tt.fails == "" && err != nil || tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)) {
				t.Errorf("got %v, want %q", err, tt.fails)
			}
			if tt.fails == "" && tunnels.tunnels == 0 || tunnels.shown > 0 {
				t.Errorf("%d tunnels, the proxy has seen %d certificates", tunnels.tunnels, tunnels.shown)
			}
		})
	}
	// The same options without a proxy.
	for name, tt := range map[string]struct {
		pin   sfbackup.Option
		fails string
	}{
		"pinned": {sfbackup.WithServerThumbprints(sha1Of(clusterCertificate)), ""},
		"not":    {sfbackup.WithServerThumbprints(sha1Of(proxyCertificate)), "its thumbprint is not one of"},
	} {
		direct := &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }, TLSHandshakeTimeout: time.Minute} //nolint:nilnil // no proxy
		client, err := sfbackup.NewClient(cluster.URL, certificate, tt.pin, sfbackup.WithHTTPClient(&http.Client{Transport: direct}))
		if err != nil {
			t.Fatal(err)
		}
		if err := client.BackupPartition(t.Context(), partition1, nil); tt.fails == "" && err != nil || tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// The timeout of a handshake that the caller's transport sets holds for connections of the options, too.
func TestHandshakeTimeoutOfTheCaller(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // of which nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	dials := 0
	stalled := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: time.Millisecond, DialContext: (&countingDialer{n: &dials}).dial,
	}
	client, err := sfbackup.NewClient("https://"+listener.Addr().String(), sfbackup.WithHTTPClient(&http.Client{Transport: stalled}),
		sfbackup.WithServerThumbprints(strings.Repeat("00", 20)), sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		t.Fatal(err)
	}
	err = progress(t.Context(), client)
	if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() || !strings.Contains(err.Error(), "TLS handshake timeout") || dials != 1 {
		t.Errorf("got %v after %d dials", err, dials)
	}
}

// A token for this machine is not sent in clear to a proxy, which may be another.
func TestTokenIsNotSentToAProxy(t *testing.T) {
	t.Parallel()
	seen := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		seen++
		w.WriteHeader(http.StatusAccepted)
	}))
	defer proxy.Close()
	for _, scheme := range []string{"http:", "socks5:"} {
		client, err := sfbackup.NewClient("http://localhost:19080", through(t, strings.Replace(proxy.URL, "http:", scheme, 1), nil),
			sfbackup.WithTokenSource(func(context.Context) (sfbackup.Token, error) {
				t.Error("the source is called")
				return sfbackup.Token{Value: "s3cret"}, nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		const want = "WithTokenSource: a token is not sent over http through a proxy"
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := client.BackupPartition(ctx, partition1, nil); err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, sfbackup.ErrOutcomeUnknown) || seen > 0 {
			t.Errorf("%s: got %v after %d requests", scheme, err, seen)
		}
	}
}
