package sfbackup

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
)

// A gateway that offers HTTP/2 is spoken to in HTTP/1.1, and connections are used again.
func TestOwnTransportSpeaksHTTP1(t *testing.T) {
	t.Parallel()
	remotes := map[string]bool{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		remotes[r.RemoteAddr] = true
		if r.Proto != "HTTP/1.1" {
			t.Errorf("the request is %s", r.Proto)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()

	transport := newTransport()
	transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
	transport.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	defer transport.CloseIdleConnections()
	client, err := NewClient(server.URL, WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := client.BackupPartition(t.Context(), uuid.New(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(remotes) != 1 {
		t.Errorf("%d connections", len(remotes))
	}
}

// transportOf returns what is under the round trippers of this package.
func transportOf(c *Client) http.RoundTripper {
	return c.http.(*plainClient).transport.(*retryTransport).next.(*credentialsTransport).next.(soundTransport).next
}

// Clients that are given no transport share one, and nobody else's.
func TestDefaultTransportIsShared(t *testing.T) {
	t.Parallel()
	transport := func() http.RoundTripper {
		client, err := NewClient("http://localhost")
		if err != nil {
			t.Fatal(err)
		}
		return transportOf(client)
	}
	if first, second := transport(), transport(); first != second || first == http.DefaultTransport {
		t.Errorf("got %v and %v", first, second)
	}
	client, err := NewClient("http://localhost", WithHTTPClient(&http.Client{}))
	if err != nil {
		t.Fatal(err)
	}
	if got := transportOf(client); got != http.DefaultTransport {
		t.Errorf("a caller's client without a transport: got %v", got)
	}
}

type nothing struct{ resp *http.Response }

func (n nothing) RoundTrip(*http.Request) (*http.Response, error) { return n.resp, nil }

// What a transport must not return is an error and no panic, with an http.Client in between, with a log, and without.
func TestTransportsThatReturnNothing(t *testing.T) {
	t.Parallel()
	for _, timeout := range []time.Duration{0, time.Minute} {
		for _, resp := range []*http.Response{nil, {StatusCode: http.StatusOK}, {StatusCode: http.StatusNotFound}} {
			client, err := NewClient("http://localhost", WithRetry(RetryPolicy{MaxAttempts: 1}),
				WithHTTPClient(&http.Client{Transport: nothing{resp}, Timeout: timeout}),
				WithLogger(slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}))))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.PartitionBackupsPage(t.Context(), uuid.New(), nil); err == nil {
				t.Errorf("%v, timeout %v: no error", resp, timeout)
			}
		}
	}
}
