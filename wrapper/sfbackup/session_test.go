package sfbackup_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"sync"
	"testing"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// A session of the caller's transport is not resumed where an option sets another certificate: the server would
// know the client by that of the session. Nor does it make a server trusted.
func TestSessionsAreNotShared(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	var mu sync.Mutex
	var shown []string
	server := startTLS(t, &tls.Config{
		Certificates: []tls.Certificate{root.issue(t, forLoopback)}, ClientAuth: tls.RequestClientCert, MaxVersion: tls.VersionTLS12,
	}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range r.TLS.PeerCertificates {
			shown = append(shown, c.Subject.CommonName)
		}
		accepted(w, r)
	}))
	caller := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		RootCAs: root.pool(), Certificates: []tls.Certificate{root.issue(t, named("caller"))},
		ClientSessionCache: tls.NewLRUClientSessionCache(9), MaxVersion: tls.VersionTLS12,
	}}
	use := func(opts ...sfbackup.Option) error {
		client, err := sfbackup.NewClient(server.URL, append(opts, sfbackup.WithHTTPClient(&http.Client{Transport: caller}))...)
		if err != nil {
			t.Fatal(err)
		}
		return progress(t.Context(), client)
	}
	for range 2 {
		if err := use(); err != nil {
			t.Fatal(err)
		}
	}
	shown = nil
	if err := use(sfbackup.WithClientCertificate(root.issue(t, named("option")))); err != nil || len(shown) == 0 || shown[0] != "option" {
		t.Errorf("%v, shown %q", err, shown)
	}
	if err := use(sfbackup.WithRootCAs(x509.NewCertPool())); err == nil {
		t.Error("a server is trusted that none of the roots vouches for")
	}
}
