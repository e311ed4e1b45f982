package sfbackup_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

type opts = []sfbackup.Option

// Who is taken for the cluster, and what is said about others.
func TestServerIdentity(t *testing.T) {
	t.Parallel()
	root := newRoot(t, "root")
	middle := root.authority(t, "middle")
	middle.chain = [][]byte{middle.Certificate.Certificate[0]}
	local := root.issue(t, func(c *x509.Certificate) { named("local")(c); forLoopback(c) })
	cluster := middle.issue(t, named("cluster.contoso.com", "alias.contoso.com"))
	selfSigned := (&issuer{}).issue(t, func(c *x509.Certificate) { named("dev")(c); c.IsCA, c.BasicConstraintsValid = true, true })
	selfSignedPool := x509.NewCertPool()
	selfSignedPool.AddCert(selfSigned.Leaf)
	old := root.issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	early := root.issue(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
	forClients := root.issue(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	roots := sfbackup.WithRootCAs(root.pool())
	other := strings.Repeat("ab", 20)

	for _, tt := range []struct {
		name   string
		server tls.Certificate
		opts   opts
		want   string // part of the error, "" is none
	}{
		{"system roots", local, nil, "signed by unknown authority: to accept this server, use WithRootCAs"},
		{"own roots", local, opts{roots}, ""},
		{"own roots, another name", cluster, opts{roots}, "doesn't contain any IP SANs"},
		{"SHA-1", cluster, opts{sfbackup.WithServerThumbprints(sha1Of(cluster))}, ""},
		{"SHA-256", cluster, opts{sfbackup.WithServerThumbprints(sha256Of(cluster))}, ""},
		{"one of several thumbprints", selfSigned, opts{sfbackup.WithServerThumbprints(other, sha1Of(selfSigned), other)}, ""},
		{"another thumbprint", cluster, opts{sfbackup.WithServerThumbprints(other)}, `tls: failed to verify certificate: "cluster.contoso.com", thumbprint ` + sha1Of(cluster) + `: its thumbprint is not one of WithServerThumbprints`},
		{"the thumbprint of the issuer", cluster, opts{sfbackup.WithServerThumbprints(sha1Of(middle.Certificate))}, "thumbprint is not one of"},
		{"a good chain does not help against a pin", local, opts{roots, sfbackup.WithServerThumbprints(other)}, "thumbprint is not one of"},
		{"expired", old, opts{sfbackup.WithServerThumbprints(sha1Of(old))}, "it is valid from "},
		{"not yet valid", early, opts{sfbackup.WithServerThumbprints(sha1Of(early))}, "it is valid from "},
		{"common name", cluster, opts{roots, sfbackup.WithServerCommonName("Cluster.Contoso.COM")}, ""},
		{"DNS name", cluster, opts{roots, sfbackup.WithServerCommonName(" alias.contoso.com ")}, ""},
		{"another name", cluster, opts{roots, sfbackup.WithServerCommonName("contoso.com")}, "it has no name of WithServerCommonName"},
		{"a pattern is no name", cluster, opts{roots, sfbackup.WithServerCommonName("*.contoso.com")}, "it has no name of"},
		{"the name of the endpoint does not help", local, opts{roots, sfbackup.WithServerCommonName("other")}, "it has no name of"},
		{"name without a chain", cluster, opts{sfbackup.WithServerCommonName("cluster.contoso.com")}, "unknown authority"},
		{"name, expired", old, opts{roots, sfbackup.WithServerCommonName("test")}, "expired"},
		{"name, of a client", forClients, opts{roots, sfbackup.WithServerCommonName("test")}, "incompatible key usage"},
		{"issuer", cluster, opts{roots, sfbackup.WithServerCommonName("cluster.contoso.com", other, sha1Of(middle.Certificate))}, ""},
		{"the issuer of the issuer", cluster, opts{roots, sfbackup.WithServerCommonName("cluster.contoso.com", sha1Of(root.Certificate))}, "its issuer is not one of"},
		{"its own issuer", selfSigned, opts{sfbackup.WithRootCAs(selfSignedPool), sfbackup.WithServerCommonName("dev", sha256Of(selfSigned))}, ""},
		{"another issuer", selfSigned, opts{sfbackup.WithRootCAs(selfSignedPool), sfbackup.WithServerCommonName("dev", other)}, "its issuer is not one of"},
		{"one of two names", cluster, opts{roots, sfbackup.WithServerCommonName("a"), sfbackup.WithServerCommonName("alias.contoso.com")}, ""},
		{"one of two pins", cluster, opts{sfbackup.WithServerThumbprints(other), sfbackup.WithServerThumbprints(sha1Of(cluster))}, ""},
		{"a pin or a name: the pin", selfSigned, opts{roots, sfbackup.WithServerThumbprints(sha1Of(selfSigned)), sfbackup.WithServerCommonName("a")}, ""},
		{"a pin or a name: the name", cluster, opts{roots, sfbackup.WithServerThumbprints(other), sfbackup.WithServerCommonName("cluster.contoso.com")}, ""},
		{"a pin or a name: neither", cluster, opts{roots, sfbackup.WithServerThumbprints(other), sfbackup.WithServerCommonName("a")}, "not one of WithServerThumbprints; it has no name of WithServerCommonName"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := startTLS(t, &tls.Config{Certificates: []tls.Certificate{tt.server}}, accepted)
			for _, version := range []opts{nil, {sfbackup.WithTLS13()}} {
				client, err := sfbackup.NewClient(server.URL, append(version, tt.opts...)...)
				if err != nil {
					t.Fatal(err)
				}
				err = client.BackupPartition(t.Context(), partition1, nil)
				if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				if err != nil && strings.Contains(err.Error(), "\n") {
					t.Errorf("%q has several lines", err)
				}
			}
		})
	}
}

// The causes can be told by errors.As.
func TestServerIdentityCauses(t *testing.T) {
	t.Parallel()
	server := startTLS(t, &tls.Config{Certificates: []tls.Certificate{newRoot(t, "a").issue(t, nil)}}, accepted)
	client, err := sfbackup.NewClient(server.URL, sfbackup.WithServerCommonName("test"))
	if err != nil {
		t.Fatal(err)
	}
	err = client.BackupPartition(t.Context(), partition1, nil)
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Errorf("got %v", err)
	}
}

// A session that is resumed is checked as well: what one client was allowed to join, another may not.
func TestResumedSessionsAreChecked(t *testing.T) {
	t.Parallel()
	certificate := newRoot(t, "a").issue(t, nil)
	server := startTLS(t, &tls.Config{Certificates: []tls.Certificate{certificate}}, accepted)
	for _, version := range []opts{nil, {sfbackup.WithTLS13()}} {
		var resumed []bool
		ground := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
			ClientSessionCache: tls.NewLRUClientSessionCache(1),
			VerifyConnection: func(cs tls.ConnectionState) error {
				resumed = append(resumed, cs.DidResume)
				return nil
			},
		}}
		good := sfbackup.WithServerThumbprints(sha1Of(certificate))
		bad := sfbackup.WithServerThumbprints(strings.Repeat("00", 32))
		for _, tt := range []struct {
			pin sfbackup.Option
			ok  bool
		}{{good, true}, {good, true}, {bad, false}, {good, true}} {
			client, err := sfbackup.NewClient(server.URL,
				append(version, sfbackup.WithHTTPClient(&http.Client{Transport: ground}), tt.pin)...)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.BackupProgress(t.Context(), partition1); errors.Is(err, sfbackup.ErrNoBackup) != tt.ok {
				t.Errorf("got %v, want %v", err, tt.ok)
			}
		}
		if len(resumed) != 3 || !resumed[1] {
			t.Errorf("the caller's VerifyConnection saw %v", resumed)
		}
	}
}

// The clock of the caller's configuration is the one that counts.
func TestServerIdentityClock(t *testing.T) {
	t.Parallel()
	certificate := newRoot(t, "a").issue(t, nil)
	server := startTLS(t, &tls.Config{Certificates: []tls.Certificate{certificate}}, accepted)
	client, err := sfbackup.NewClient(server.URL, sfbackup.WithServerThumbprints(sha1Of(certificate)),
		sfbackup.WithHTTPClient(&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
			Time: func() time.Time { return time.Now().AddDate(1, 0, 0) },
		}}}))
	if err != nil {
		t.Fatal(err)
	}
	if err := client.BackupPartition(t.Context(), partition1, nil); err == nil || !strings.Contains(err.Error(), "it is valid from") {
		t.Errorf("got %v", err)
	}
}

// Thumbprints as people have them.
func TestThumbprintSpellings(t *testing.T) {
	t.Parallel()
	certificate := newRoot(t, "a").issue(t, nil)
	server := startTLS(t, &tls.Config{Certificates: []tls.Certificate{certificate}}, accepted)
	bytewise := func(separator string) string {
		var parts []string
		for i := 0; i < 40; i += 2 {
			parts = append(parts, sha1Of(certificate)[i:i+2])
		}
		return strings.Join(parts, separator)
	}
	for _, text := range []string{
		bytewise(" "), bytewise(":"), bytewise("-"), bytewise("\u2013"), bytewise("\u00a0"), bytewise("\t"),
		"\u200e" + bytewise(" "), bytewise("\u200b") + "\ufeff", strings.ToLower(bytewise(":")) + "\r\n",
	} {
		client, err := sfbackup.NewClient(server.URL, sfbackup.WithServerThumbprints(text))
		if err == nil {
			err = client.BackupPartition(t.Context(), partition1, nil)
		}
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{
		"", "  ", "xyz", sha1Of(certificate)[1:], sha1Of(certificate) + "00", sha256Of(certificate)[2:], "0x" + sha1Of(certificate), bytewise(","),
	} {
		if _, err := sfbackup.NewClient(server.URL, sfbackup.WithServerThumbprints(text)); err == nil || !strings.Contains(err.Error(), "is not a thumbprint, which has 40") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
