package sfbackup_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// tokenOf returns the option for a source that always returns the same token.
func tokenOf(value string) sfbackup.Option {
	return sfbackup.WithTokenSource(func(context.Context) (sfbackup.Token, error) {
		return sfbackup.Token{Value: sfbackup.Secret(value)}, nil
	})
}

// A 403 has three meanings. Each has a hint that says what to do.
func TestForbidden(t *testing.T) {
	t.Parallel()
	cluster := sfbackuptest.NewCluster()
	server := newServer(t, cluster, sfbackuptest.WithClientCertificates())
	user, unknown := server.Issue(sfbackuptest.RoleUser), server.Issue("")
	cluster.AcceptToken("user", sfbackuptest.RoleUser, time.Time{})
	cluster.AcceptToken("expired", sfbackuptest.RoleAdmin, time.Now().Add(-time.Hour))
	root := newRoot(t, "root")
	expired := root.issue(t, func(c *x509.Certificate) { c.NotAfter = time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC) })
	notYetValid := root.issue(t, func(c *x509.Certificate) {
		c.NotBefore = time.Date(2120, 2, 3, 4, 5, 6, 0, time.UTC)
		c.NotAfter = c.NotBefore.AddDate(1, 0, 0)
	})
	forServers := root.issue(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	noUsage := root.issue(t, func(c *x509.Certificate) { c.ExtKeyUsage = nil })
	dir := t.TempDir()
	certFile, keyFile := writePEM(t, dir, unknown)
	deleted := sfbackup.WithClientCertificateFiles(certFile, keyFile)

	const rejected = "403 Forbidden: Client certificate required ("
	for _, tt := range []struct {
		name string
		opts opts
		post string // part of the error of a start
		get  string // part of the error of a progress, "" is none
	}{
		{"none", nil, rejected + "the gateway does not know this client: give it", rejected + "the gateway does not know this client"},
		{"certificate", opts{sfbackup.WithClientCertificate(unknown)}, rejected + `the gateway does not accept the client certificate ("sfbackuptest client", thumbprint ` + sha1Of(unknown) + "): it has to be among the client certificates of the cluster)", "does not accept the client certificate"},
		{"expired certificate", opts{sfbackup.WithClientCertificate(expired)}, ", which expired on 2020-02-03)", "expired"},
		{"certificate that is not yet valid", opts{sfbackup.WithClientCertificate(notYetValid)}, ", which is valid from 2120-02-03 on)", "valid from"},
		{"certificate of a server", opts{sfbackup.WithClientCertificate(forServers)}, ", which is not meant to authenticate clients)", "not meant"},
		{"certificate without a usage", opts{sfbackup.WithClientCertificate(noUsage)}, "it has to be among", "it has to be among"},
		{"certificate whose file is deleted", opts{deleted}, "and its files as they are now are not readable: stat ", "not readable"},
		{"token", opts{tokenOf("expired")}, rejected + "the gateway does not accept the token: it may have expired", "does not accept the token"},
		{"token and certificate", opts{tokenOf("expired"), sfbackup.WithClientCertificate(unknown)}, "neither the token, which may have expired or be meant for another cluster, nor the client certificate (", "neither the token"},
		{"role of the certificate", opts{sfbackup.WithClientCertificate(user)}, "403 E_ACCESSDENIED: Access Denied. (the cluster knows this client, but only an administrator may send this request)", ""},
		{"role of the token", opts{tokenOf("user")}, "403 E_ACCESSDENIED: Access Denied. (the cluster knows this client, but only an administrator", ""},
	} {
		client := newClientAt(t, server.URL, append(tt.opts, sfbackup.WithRootCAs(server.RootCAs))...)
		if strings.HasSuffix(tt.name, "is deleted") {
			if err := os.Remove(keyFile); err != nil {
				t.Fatal(err)
			}
		}
		err := client.BackupPartition(t.Context(), partition1, nil)
		if e, ok := errors.AsType[*sfbackup.APIError](err); !ok || !strings.Contains(err.Error(), tt.post) || !strings.Contains(err.Error(), e.Hint) || e.Hint == "" {
			t.Errorf("%s: POST: got %v, want %q", tt.name, err, tt.post)
		}
		if err := progress(t.Context(), client); tt.get == "" && err != nil || tt.get != "" && (err == nil || !strings.Contains(err.Error(), tt.get)) {
			t.Errorf("%s: GET: got %v, want %q", tt.name, err, tt.get)
		}
	}
}

// Hints for responses that no cluster in memory sends.
func TestHintsForResponses(t *testing.T) {
	t.Parallel()
	certificate := newRoot(t, "root").issue(t, nil)
	for _, tt := range []struct {
		name     string
		response canned
		version  uint16 // of TLS; 0: https is not used
		opts     opts
		want     string // "" is no hint
	}{
		{"a role that does not suffice", canned{status: "403 Forbidden", body: `{"Error":{"Code":"E_ACCESSDENIED"}}`}, 0, nil, "its role does not allow this request"},
		{"a code in the status line", canned{status: "403 E_ACCESSDENIED"}, 0, nil, "its role does not allow this request"},
		{"another code", canned{status: "403 Forbidden", body: `{"Error":{"Code":"FABRIC_E_OTHER"}}`}, 0, nil, ""},
		{"HTML", canned{status: "403 Forbidden", contentType: "text/html", body: "<html>"}, 0, nil, ""},
		{"a transport that may have a certificate", canned{status: "403 Client certificate required"}, 0, nil, "or the certificate of the transport is not accepted"},
		{"Windows authentication", canned{status: "401 Unauthorized", header: http.Header{"Www-Authenticate": {"Negotiate"}}}, 0, nil, "Windows authentication"},
		{"other authentication", canned{status: "401 Unauthorized", header: http.Header{"Www-Authenticate": {"Basic"}}}, 0, nil, ""},
		{"a certificate that was not requested", canned{status: "403 Client certificate required"}, tls.VersionTLS12, nil, ", for which it never asked"},
		{"a certificate that could not be requested", canned{status: "403 Client certificate required"}, tls.VersionTLS13, opts{sfbackup.WithTLS13()}, "leave out WithTLS13"},
		{"the same with HTML", canned{status: "403 Forbidden", body: "<html>"}, tls.VersionTLS13, opts{sfbackup.WithTLS13()}, "leave out WithTLS13"},
		{"HTML with TLS 1.2", canned{status: "403 Forbidden", body: "<html>"}, tls.VersionTLS12, opts{sfbackup.WithTLS13()}, ""},
	} {
		client := newUncheckedClient(t, &cannedResponses{list: []canned{tt.response}})
		if tt.version != 0 {
			server := startTLS(t, &tls.Config{Certificates: []tls.Certificate{gateway().Certificate}, MaxVersion: tt.version},
				http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(http.StatusForbidden)
					_, _ = io.WriteString(w, tt.response.body)
				}))
			client = newClientAt(t, server.URL, append(tt.opts, sfbackup.WithRootCAs(gatewayRoots(t)), sfbackup.WithClientCertificate(certificate))...)
		}
		_, err := client.BackupProgress(t.Context(), partition1)
		e, ok := errors.AsType[*sfbackup.APIError](err)
		if !ok || tt.want == "" && e.Hint != "" || !strings.Contains(e.Hint, tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TLS errors that the user can fix are not retried, and have a hint.
func TestHintsForTLSErrors(t *testing.T) {
	t.Parallel()
	certificate := sfbackup.WithClientCertificate(newRoot(t, "root").issue(t, nil))
	remote := func(text string) error { return &net.OpError{Op: "remote error", Err: errors.New("tls: " + text)} }
	local := func(text string) error { return &net.OpError{Op: "local error", Err: errors.New("tls: " + text)} }
	for _, tt := range []struct {
		name     string
		err      error
		own      opts // nil: the transport is the caller's
		want     string
		attempts int
	}{
		{"renegotiation, the caller's transport", local("no renegotiation"), nil, "by renegotiating, which the transport does not allow: use WithClientCertificate", 1},
		{"a second renegotiation", local("no renegotiation"), opts{certificate}, "asked for the client certificate a second time", 4},
		{"TLS 1.3", remote("protocol version not supported"), opts{certificate}, "if the server wants TLS 1.3, use WithTLS13", 1},
		{"TLS 1.3, allowed", remote("protocol version not supported"), opts{certificate, sfbackup.WithTLS13()}, "", 4},
		{"TLS 1.3, the caller's transport", remote("protocol version not supported"), nil, "", 4},
		{"no certificate", remote("handshake failure"), opts{sfbackup.WithTLS13()}, "may want a client certificate", 1},
		{"no certificate, the caller's transport", remote("handshake failure"), nil, "", 4},
		{"a certificate that was not requested", remote("handshake failure"), opts{certificate}, "", 4},
		{"another alert", remote("internal error"), opts{certificate}, "", 4},
		{"another error", local("bad record MAC"), opts{certificate}, "", 4},
		{"EOF, perhaps from http.sys", io.EOF, opts{certificate, sfbackup.WithTLS13()}, "if the server wants the client certificate: with TLS 1.3", 4},
		{"reset, perhaps by http.sys", syscall.ECONNRESET, opts{certificate, sfbackup.WithTLS13()}, "leave out WithTLS13", 4},
		{"EOF", io.EOF, opts{certificate}, "", 4},
	} {
		attempts := 0
		fails := roundTripper(func(*http.Request) (*http.Response, error) {
			attempts++
			return nil, tt.err
		})
		options := opts{sfbackup.WithRetry(sfbackup.RetryPolicy{MinDelay: 1, MaxDelay: 1})}
		if tt.own == nil {
			options = append(options, sfbackup.WithHTTPClient(&http.Client{Transport: fails}))
		} else {
			options = append(append(options, tt.own...), sfbackup.WithMiddleware(func(http.RoundTripper) http.RoundTripper { return fails }))
		}
		client := newClientAt(t, "https://localhost", options...)
		err := progress(t.Context(), client)
		text := strings.TrimPrefix(err.Error(), "sfbackup: GetPartitionBackupProgress: "+tt.err.Error())
		if !errors.Is(err, tt.err) || (tt.want == "") != (text == "") || !strings.Contains(text, tt.want) || attempts != tt.attempts {
			t.Errorf("%s: got %v after %d attempts, want %q", tt.name, err, attempts, tt.want)
		}
	}
}

// Hints for handshakes over sockets.
func TestHintsForHandshakes(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	strict := startTLS(t, &tls.Config{
		Certificates: []tls.Certificate{gateway().Certificate}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: root.pool(),
	}, accepted)
	modern := startTLS(t, &tls.Config{Certificates: []tls.Certificate{gateway().Certificate}, MinVersion: tls.VersionTLS13}, accepted)
	good, bad := sfbackup.WithClientCertificate(root.issue(t, nil)), sfbackup.WithClientCertificate(newRoot(t, "other").issue(t, nil))
	for _, tt := range []struct {
		name, url string
		opts      opts
		want      string // "" is no error
	}{
		{"good", strict.URL, opts{good}, ""},
		{"good, TLS 1.3", strict.URL, opts{good, sfbackup.WithTLS13()}, ""},
		{"none", strict.URL, nil, "the server may want a client certificate: use WithClientCertificate"},
		{"none, TLS 1.3", strict.URL, opts{sfbackup.WithTLS13()}, "the server may want a client certificate: use WithClientCertificate"},
		{"bad", strict.URL, opts{bad}, `the server does not accept the client certificate ("test", thumbprint `},
		{"bad, TLS 1.3", strict.URL, opts{bad, sfbackup.WithTLS13()}, `the server does not accept the client certificate ("test", thumbprint `},
		{"TLS 1.3 only", modern.URL, nil, "if the server wants TLS 1.3, use WithTLS13"},
		{"TLS 1.3 only, allowed", modern.URL, opts{sfbackup.WithTLS13()}, ""},
	} {
		client := newClientAt(t, tt.url, append(tt.opts, sfbackup.WithRootCAs(gatewayRoots(t)))...)
		err := client.BackupPartition(t.Context(), partition1, nil)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// An endpoint begins with https, but its server has no TLS.
func TestHintForPlainHTTP(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	client := newClientAt(t, strings.Replace(server.URL, "http:", "https:", 1))
	const want = "the server speaks HTTP without TLS, so its endpoint begins with http://"
	if _, err := client.BackupProgress(t.Context(), partition1); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}
