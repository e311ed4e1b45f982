package sfbackup_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// anyRedirect is the CheckRedirect of a client that follows all redirects, but not for ever.
func anyRedirect(_ *http.Request, via []*http.Request) error {
	if len(via) > 5 {
		return errors.New("redirected for ever")
	}
	return nil
}

// A mailbox keeps what is sent to it, and answers 202 to everything.
type mailbox struct {
	mu   sync.Mutex
	sent []string
}

func (m *mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, body))
	w.WriteHeader(http.StatusAccepted)
}

// A start is never redirected: neither elsewhere, whose response would be no proof of a backup, nor on its
// host. Whatever protects the connection to the cluster, the connection string stays there.
func TestStartIsNeverRedirected(t *testing.T) {
	t.Parallel()
	elsewhere := &mailbox{}
	plain := httptest.NewServer(elsewhere)
	defer plain.Close()
	storage := &sfbackup.AzureBlobStore{ConnectionString: "AccountKey=s3cret", ContainerName: "c"}
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{plain.URL + "/elsewhere", "/here"} {
			posts := 0
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/here":
					w.WriteHeader(http.StatusAccepted)
				case r.Method == http.MethodGet:
					_, _ = io.WriteString(w, "null")
					return
				default:
					http.Redirect(w, r, location, status)
				}
				posts++
			})
			insecure := httptest.NewServer(handler)
			defer insecure.Close()
			secure := startTLS(t, &tls.Config{Certificates: []tls.Certificate{gateway().Certificate}}, handler)
			for name, tt := range map[string]struct {
				endpoint string
				opts     opts
			}{
				"nothing": {insecure.URL, nil},
				"pins":    {secure.URL, opts{sfbackup.WithServerThumbprints(sha1Of(gateway().Certificate))}},
				"roots":   {secure.URL, opts{sfbackup.WithRootCAs(gatewayRoots(t))}},
			} {
				posts = 0
				client, err := sfbackup.NewClient(tt.endpoint, append(tt.opts,
					sfbackup.WithHTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: anyRedirect}))...)
				if err != nil {
					t.Fatal(err)
				}
				err = client.BackupPartition(t.Context(), partition1, &sfbackup.BackupOptions{Storage: storage})
				if e, ok := errors.AsType[*sfbackup.APIError](err); !ok || e.StatusCode != status || !strings.Contains(err.Error(), "redirects are not followed") || posts != 1 {
					t.Errorf("%s, %d to %s: got %v after %d requests", name, status, location, err, posts)
				}
			}
		}
	}
	if elsewhere.sent != nil {
		t.Errorf("elsewhere came %q", elsewhere.sent)
	}
}

// A request that only reads is redirected if the caller's client allows it. It leaves the endpoints only if
// nothing protects the connection to them.
func TestReadIsRedirected(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	certificate := root.issue(t, forLoopback)
	elsewhere := &mailbox{}
	plain := httptest.NewServer(elsewhere)
	defer plain.Close()
	secureElsewhere := startTLS(t, &tls.Config{Certificates: []tls.Certificate{certificate}}, elsewhere)
	location := ""
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/here" {
			_, _ = io.WriteString(w, "null")
			return
		}
		http.Redirect(w, r, location, http.StatusTemporaryRedirect)
	})
	insecure := httptest.NewServer(handler)
	defer insecure.Close()
	secure := startTLS(t, &tls.Config{Certificates: []tls.Certificate{certificate}}, handler)
	roots := sfbackup.WithRootCAs(root.pool())
	for _, tt := range []struct {
		name, endpoint, location string
		opts                     opts
		follows                  bool
	}{
		{"nothing", insecure.URL, "/here", nil, true},
		{"nothing", insecure.URL, plain.URL, nil, true},
		{"nothing, several endpoints", insecure.URL, plain.URL, opts{sfbackup.WithEndpoints(strings.Replace(insecure.URL, "127.0.0.1", "localhost", 1))}, true},
		{"a token", insecure.URL, "/here", opts{tokenOf("token")}, true},
		{"a token", insecure.URL, plain.URL, opts{tokenOf("token")}, false},
		{"https alone", secure.URL, "/here", nil, true},
		{"https alone", secure.URL, plain.URL, nil, false},
		{"https alone, to https", secure.URL, secureElsewhere.URL, nil, false},
		{"roots", secure.URL, plain.URL, opts{roots}, false},
		{"pins", secure.URL, "/here", opts{sfbackup.WithServerThumbprints(sha1Of(certificate))}, true},
		{"pins", secure.URL, plain.URL, opts{sfbackup.WithServerThumbprints(sha1Of(certificate))}, false},
		{"pins, to https", secure.URL, secureElsewhere.URL, opts{sfbackup.WithServerCommonName("test"), roots}, false},
		{"a certificate", secure.URL, secureElsewhere.URL, opts{sfbackup.WithClientCertificate(certificate)}, false},
		{"the same host over http", secure.URL, strings.Replace(secure.URL, "https:", "http:", 1), nil, false},
	} {
		elsewhere.sent, location = nil, tt.location
		client, err := sfbackup.NewClient(tt.endpoint, append(tt.opts, sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1}), sfbackup.WithHTTPClient(&http.Client{
			Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: root.pool()}},
			CheckRedirect: anyRedirect,
		}))...)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.BackupProgress(t.Context(), partition1)
		e, ok := errors.AsType[*sfbackup.APIError](err)
		switch {
		case tt.follows && tt.location == "/here":
			ok = errors.Is(err, sfbackup.ErrNoBackup)
		case tt.follows:
			ok = ok && e.StatusCode == http.StatusAccepted && len(elsewhere.sent) == 1
		default:
			ok = ok && e.StatusCode == http.StatusTemporaryRedirect && strings.Contains(err.Error(), "redirects are not followed") && elsewhere.sent == nil
		}
		if !ok {
			t.Errorf("%s to %s: got %v, elsewhere %q", tt.name, tt.location, err, elsewhere.sent)
		}
	}
}

// What the caller's CheckRedirect makes of the next request counts, and what it refuses is not sent.
func TestCheckRedirectOfTheCaller(t *testing.T) {
	t.Parallel()
	errNo := errors.New("no")
	for name, check := range map[string]func(*http.Request, []*http.Request) error{
		"goes elsewhere": func(req *http.Request, _ []*http.Request) error {
			req.URL.Host = "evil.example.com"
			return nil
		},
		"refuses":         func(*http.Request, []*http.Request) error { return errNo },
		"takes the first": func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	} {
		sent := &cannedResponses{list: []canned{{status: "307 Temporary Redirect", header: http.Header{"Location": {"/here"}}}, ok("null")}}
		client, err := sfbackup.NewClient("http://localhost", tokenOf("token"), sfbackup.WithHTTPClient(&http.Client{Transport: sent, CheckRedirect: check}))
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.BackupProgress(t.Context(), partition1)
		_, isAnswer := errors.AsType[*sfbackup.APIError](err)
		if len(sent.requests) != 1 || isAnswer == (name == "refuses") || errors.Is(err, errNo) != (name == "refuses") {
			t.Errorf("%s: got %v after %d requests", name, err, len(sent.requests))
		}
	}
}

// A transport that follows redirects itself cannot make a start a success.
func TestStartRedirectedByTheTransport(t *testing.T) {
	t.Parallel()
	elsewhere := &mailbox{}
	server := httptest.NewServer(elsewhere)
	defer server.Close()
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, "null")
			return
		}
		http.Redirect(w, r, server.URL, http.StatusSeeOther)
	}))
	defer gateway.Close()
	follows := roundTripper(func(req *http.Request) (*http.Response, error) { return http.DefaultClient.Do(req) })
	client, err := sfbackup.NewClient(gateway.URL, sfbackup.WithHTTPClient(&http.Client{Transport: follows}), sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		t.Fatal(err)
	}
	err = client.BackupPartition(t.Context(), partition1, nil)
	if err == nil || !strings.Contains(err.Error(), "the transport has followed a redirect") || len(elsewhere.sent) != 1 {
		t.Errorf("got %v, elsewhere %q", err, elsewhere.sent)
	}
}
