package sfbackuptest_test

import (
	"bufio"
	"crypto/sha1"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// newServer starts a server and closes it when the test ends.
func newServer(t *testing.T, cluster *sfbackuptest.Cluster, opts ...sfbackuptest.ServerOption) *sfbackuptest.Server {
	t.Helper()
	server, err := sfbackuptest.NewServer(cluster, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

// TestNewServer: each kind of server, with its client.
func TestNewServer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		opts   []sfbackuptest.ServerOption
		scheme string
	}{
		{"plain", nil, "http://127.0.0.1:"},
		{"TLS", []sfbackuptest.ServerOption{sfbackuptest.WithTLS()}, "https://127.0.0.1:"},
		{"client certificates", []sfbackuptest.ServerOption{sfbackuptest.WithClientCertificates()}, "https://127.0.0.1:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t, sfbackuptest.NewCluster(), tt.opts...)
			if !strings.HasPrefix(server.URL, tt.scheme) {
				t.Errorf("URL %s", server.URL)
			}
			if isTLS := strings.HasPrefix(tt.scheme, "https"); isTLS != (server.RootCAs != nil) {
				t.Errorf("root CAs: %v", server.RootCAs)
			}
			if (server.ClientCertificate != nil) != (tt.name == "client certificates") {
				t.Errorf("client certificate: %v", server.ClientCertificate)
			}
			o := attempt(t, server.Client().Transport, http.MethodPost, server.URL+first+"Backup"+v)
			if o.status != "202 Accepted" {
				t.Errorf("%+v", o)
			}
			server.Close()
			if o := attempt(t, server.Client().Transport, http.MethodGet, server.URL); o.err == nil {
				t.Errorf("after Close: %+v", o)
			}
		})
	}
}

// TestClientCertificates: what each certificate allows.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster()
	server := newServer(t, c, sfbackuptest.WithClientCertificates())
	user, stranger, later := server.Issue(sfbackuptest.RoleUser), server.Issue(""), server.Issue("")
	revoked := server.Issue(sfbackuptest.RoleAdmin)
	c.RevokeCertificate(fmt.Sprintf("%X", sha1Of(revoked.Certificate[0])))
	thumbprint := fmt.Sprintf("% X", sha1Of(later.Certificate[0])) // with spaces, as tools print it
	c.AcceptCertificate(thumbprint, sfbackuptest.RoleAdmin)

	const get, post = "403 Client certificate required", "403 Client certificate required"
	for _, tt := range []struct {
		name        string
		certificate *tls.Certificate
		get, post   string
	}{
		{"none", nil, get, post},
		{"stranger", &stranger, get, post},
		{"revoked", &revoked, get, post},
		{"user", &user, "200 OK", "403 Forbidden"},
		{"administrator", server.ClientCertificate, "200 OK", "202 Accepted"},
		{"accepted later", &later, "200 OK", "409 Conflict"},
	} {
		config := &tls.Config{RootCAs: server.RootCAs}
		if tt.certificate != nil {
			config.Certificates = []tls.Certificate{*tt.certificate}
		}
		rt := &http.Transport{TLSClientConfig: config}
		t.Cleanup(rt.CloseIdleConnections)
		if o := attempt(t, rt, http.MethodGet, server.URL+first+"GetBackups"+v); o.status != tt.get {
			t.Errorf("%s: GET: %+v, want %s", tt.name, o, tt.get)
		}
		if o := attempt(t, rt, http.MethodPost, server.URL+first+"Backup"+v); o.status != tt.post {
			t.Errorf("%s: POST: %+v, want %s", tt.name, o, tt.post)
		}
	}

	// A client that does not trust the authority fails in the handshake.
	if o := attempt(t, http.DefaultTransport, http.MethodGet, server.URL); o.err == nil {
		t.Errorf("without the authority: %+v", o)
	}
}

// TestIssueWithTLS: a server without WithClientCertificates asks for a certificate too.
func TestIssueWithTLS(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster()
	server := newServer(t, c, sfbackuptest.WithTLS())
	issued := server.Issue(sfbackuptest.RoleUser)
	rt := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: server.RootCAs, Certificates: []tls.Certificate{issued}}}
	t.Cleanup(rt.CloseIdleConnections)
	if o := attempt(t, rt, http.MethodGet, server.URL+first+"GetBackups"+v); o.status != "200 OK" {
		t.Errorf("with the certificate: %+v", o)
	}
	if o := attempt(t, server.Client().Transport, http.MethodGet, server.URL+first+"GetBackups"+v); !strings.HasPrefix(o.status, "403 ") {
		t.Errorf("without: %+v", o)
	}
}

// TestCredentialMistakes: mistakes in a test cause panics.
func TestCredentialMistakes(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster()
	server := newServer(t, c)
	for want, do := range map[string]func(){
		"without TLS":              func() { server.Issue(sfbackuptest.RoleAdmin) },
		`there is no Role("")`:     func() { c.AcceptToken("t", "", time.Time{}) },
		`there is no Role("user")`: func() { c.AcceptCertificate("00", "user") },
	} {
		func() {
			defer func() {
				if message, _ := recover().(string); !strings.Contains(message, want) {
					t.Errorf("panic %q, want one with %q", message, want)
				}
			}()
			do()
		}()
	}
	if o := attempt(t, server.Client().Transport, http.MethodGet, server.URL+first+"GetBackupProgress"+v); o.body != "null" {
		t.Errorf("%+v", o)
	}
}

// raw sends bytes to a server and returns the response.
func raw(t *testing.T, server *sfbackuptest.Server, request string) answer {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp, string(b)}
}

// TestLengthRequired: the kernel driver rejects a POST without a length, with an HTML page.
func TestLengthRequired(t *testing.T) {
	t.Parallel()
	request := "POST " + first + "Backup" + v + " HTTP/1.1\r\nHost: cluster\r\n"
	for profile, want := range map[sfbackuptest.Profile]string{
		sfbackuptest.ProfileRuntime:    "text/html; charset=us-ascii",
		sfbackuptest.ProfileDocumented: jsonText,
	} {
		server := newServer(t, sfbackuptest.NewCluster(sfbackuptest.WithProfile(profile)))
		a := raw(t, server, request+"\r\n")
		if a.Status != "411 Length Required" || a.Header.Get("Content-Type") != want || !strings.Contains(a.body, "ength") {
			t.Errorf("%s: %s %v %s", profile, a.Status, a.Header, a.body)
		}
		if a := raw(t, server, request+"Content-Length: 0\r\n\r\n"); a.StatusCode != http.StatusAccepted {
			t.Errorf("%s: with a length: %s", profile, a.Status)
		}
	}
}

// TestTokens403: unknown and expired tokens get the same 403, a role that is too low gets another.
func TestTokens403(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const stranger = "403 Client certificate required "
	const denied = "403 Forbidden " + accessDenied
	for _, tt := range []struct {
		name, authorization string
		get, post           string
	}{
		{"none", "", stranger, stranger},
		{"unknown", "Bearer nobody", stranger, stranger},
		{"other spelling", "bearer admin", stranger, stranger},
		{"other scheme", "Basic admin", stranger, stranger},
		{"expired", "Bearer old", stranger, stranger},
		{"revoked", "Bearer gone", stranger, stranger},
		{"user", "Bearer user", "200 OK null", denied},
		{"administrator", "Bearer admin", "200 OK null", "202 Accepted "},
	} {
		c := sfbackuptest.NewCluster(sfbackuptest.WithClock(func() time.Time { return now }))
		c.AcceptToken("admin", sfbackuptest.RoleAdmin, time.Time{})
		c.AcceptToken("user", sfbackuptest.RoleUser, now.Add(time.Nanosecond))
		c.AcceptToken("old", sfbackuptest.RoleAdmin, now)
		c.AcceptToken("gone", sfbackuptest.RoleAdmin, time.Time{})
		c.RevokeToken("gone")
		for _, step := range []struct{ method, action, want string }{
			{http.MethodGet, "GetBackupProgress" + v, tt.get},
			{http.MethodPost, "Backup" + v, tt.post},
		} {
			req := mustRequest(t, step.method, "http://cluster"+first+step.action)
			if tt.authorization != "" {
				req.Header.Set("Authorization", tt.authorization)
			}
			a := do(t, c.Transport(), req)
			if got := a.Status + " " + a.body; got != step.want {
				t.Errorf("%s: %s: %s, want %s", tt.name, step.method, got, step.want)
			}
		}
		// An unknown client does not learn which paths exist.
		if a := get(t, c, "/Nope"); a.StatusCode != http.StatusForbidden {
			t.Errorf("an unknown client learns that the path does not exist: %s", a.Status)
		}
	}
}

// TestTokenExpires: a token expires by the cluster's clock, and can be accepted again.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := sfbackuptest.NewCluster(sfbackuptest.WithClock(func() time.Time { return now }), sfbackuptest.WithProfile(sfbackuptest.ProfileDocumented))
	c.AcceptToken("t", sfbackuptest.RoleUser, now.Add(time.Hour))
	status := func() int {
		req := mustRequest(t, http.MethodGet, "http://cluster"+first+"GetBackups"+v)
		req.Header.Set("Authorization", "Bearer t")
		return do(t, c.Transport(), req).StatusCode
	}
	got := []int{status()}
	now = now.Add(time.Hour)
	got = append(got, status())
	c.AcceptToken("t", sfbackuptest.RoleUser, now.Add(time.Hour))
	got = append(got, status())
	if diff := cmp.Diff([]int{200, 403, 200}, got); diff != "" {
		t.Error(diff)
	}
}

// TestRequests: what is recorded of a request, over the transport and over a socket.
func TestRequests(t *testing.T) {
	t.Parallel()
	for _, socket := range []bool{false, true} {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		c := sfbackuptest.NewCluster(sfbackuptest.WithClock(func() time.Time { return now }))
		rt, url := c.Transport(), "http://cluster"
		if socket {
			// net/http would retry a GET on a reused connection.
			rt, url = &http.Transport{DisableKeepAlives: true}, newServer(t, c).URL
		}
		if len(c.Requests()) != 0 {
			t.Error("there are requests before the first was sent")
		}
		const body = `{"BackupStorage":{"StorageKind":"FileShare","Path":"p","PrimaryPassword":"secret"}}`
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+strings.Replace(first, "$", "%24", 1)+"Backup"+v+"&BackupTimeout=5", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer secret")
		do(t, rt, req)
		c.Script(t, sfbackuptest.Reset().On(sfbackuptest.OpGetServiceBackupList))
		attempt(t, rt, http.MethodGet, url+calc+"GetBackups"+v)
		attempt(t, rt, http.MethodGet, url+"/Nope?a+b")

		got := c.Requests()
		if len(got) != 3 {
			t.Fatalf("socket %t: %d requests", socket, len(got))
		}
		backup := got[0]
		if backup.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("socket %t: header %v", socket, backup.Header)
		}
		for i := range got {
			got[i].Header = nil
		}
		want := []sfbackuptest.Request{
			{
				Operation: sfbackuptest.OpBackupPartition, Method: "POST",
				Path:     "/Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/%24/Backup",
				RawQuery: "api-version=6.4&BackupTimeout=5",
				Query:    map[string][]string{"api-version": {"6.4"}, "BackupTimeout": {"5"}},
				Body:     []byte(body), Time: now, Status: 202,
			},
			{
				Operation: sfbackuptest.OpGetServiceBackupList, Method: "GET", Path: calc + "GetBackups",
				RawQuery: "api-version=6.4", Query: map[string][]string{"api-version": {"6.4"}},
				Time: now, Fault: "Reset",
			},
			{
				Method: "GET", Path: "/Nope", RawQuery: "a+b", Query: map[string][]string{"a b": {""}},
				Time: now, Status: 404,
			},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("socket %t: (-want +got)\n%s", socket, diff)
		}
	}
}

// TestManyRequests: only the last requests are kept.
func TestManyRequests(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster()
	const most, n = 10_000, 20_005
	for i := range n {
		w := discard{http.Header{}}
		r := mustRequest(t, http.MethodGet, fmt.Sprintf("http://cluster/Nope/%d", i))
		r.Body, r.Header = nil, nil
		c.ServeHTTP(w, r)
	}
	got := c.Requests()
	if len(got) != most || got[0].Path != fmt.Sprintf("/Nope/%d", n-most) || got[most-1].Path != fmt.Sprintf("/Nope/%d", n-1) {
		t.Errorf("%d requests from %s to %s", len(got), got[0].Path, got[len(got)-1].Path)
	}
}

// discard is a ResponseWriter that discards the response.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) WriteHeader(int)             {}
func (d discard) Write(p []byte) (int, error) { return len(p), nil }

func sha1Of(b []byte) []byte {
	sum := sha1.Sum(b)
	return sum[:]
}

// TestBrokenRecorder: a fault panics with http.ErrAbortHandler also if there is no connection to break.
func TestBrokenRecorder(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster()
	c.Script(t, sfbackuptest.Reset())
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("panic %v", err)
		}
	}()
	c.ServeHTTP(discard{http.Header{}}, mustRequest(t, http.MethodGet, "http://cluster/"))
}

// TestResetOverTLS: the underlying connection is reset, without a close_notify alert.
func TestResetOverTLS(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster()
	server := newServer(t, c, sfbackuptest.WithTLS())
	c.Script(t, sfbackuptest.Reset())
	if o := attempt(t, server.Client().Transport, http.MethodPost, server.URL+first+"Backup"+v); o.err == nil || errors.Is(o.err, io.EOF) {
		t.Errorf("%+v", o)
	}
}
