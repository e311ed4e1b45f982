package transport

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"
)

// The transport uses HTTP/1.1 even if the gateway offers HTTP/2, and reuses connections.
func TestHTTP1(t *testing.T) {
	t.Parallel()
	remotes := map[string]bool{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		remotes[r.RemoteAddr] = true
		if r.Proto != "HTTP/1.1" {
			t.Errorf("the request is %s", r.Proto)
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()

	base := newBase()
	base.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
	base.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	defer base.CloseIdleConnections()
	transport := newTransport(t, server.URL, Config{HTTPClient: &http.Client{Transport: base}})
	for range 3 {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			req, err := http.NewRequestWithContext(t.Context(), method, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := transport.Do(t.Context(), req, Call{Want: []int{http.StatusOK}})
			if err != nil {
				t.Fatal(err)
			}
			closeBody(resp)
		}
	}
	if len(remotes) != 1 {
		t.Errorf("%d connections", len(remotes))
	}
}

// baseOf returns the transport below the chain.
func baseOf(t *Transport) http.RoundTripper {
	return t.client.(bareClient).transport.(*retrier).next.(*authenticator).next.(checkedTransport).next
}

// Clients without a transport of the caller's share one, which is not http.DefaultTransport.
func TestDefaultTransportIsShared(t *testing.T) {
	t.Parallel()
	base := func(c Config) http.RoundTripper { return baseOf(newTransport(t, "http://localhost", c)) }
	if first, second := base(Config{}), base(Config{}); first != second || first == http.DefaultTransport {
		t.Errorf("got %v and %v", first, second)
	}
	if got := base(Config{HTTPClient: &http.Client{}}); got != http.DefaultTransport {
		t.Errorf("a caller's client without a transport: got %v", got)
	}
}
