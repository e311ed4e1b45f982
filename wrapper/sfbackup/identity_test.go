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

// Which servers are accepted, and what the errors of the others say.
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
	expired := root.issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	notYetValid := root.issue(t, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = c.NotAfter, c.NotAfter.Add(time.Hour) })
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
		{"a valid chain does not replace a thumbprint", local, opts{roots, sfbackup.WithServerThumbprints(other)}, "thumbprint is not one of"},
		{"expired", expired, opts{sfbackup.WithServerThumbprints(sha1Of(expired))}, "it is valid from "},
		{"not yet valid", notYetValid, opts{sfbackup.WithServerThumbprints(sha1Of(notYetValid))}, "it is valid from "},
		{"common name", cluster, opts{roots, sfbackup.WithServerCommonName("Cluster.Contoso.COM")}, ""},
		{"DNS name", cluster, opts{roots, sfbackup.WithServerCommonName(" alias.contoso.com ")}, ""},
		{"another name", cluster, opts{roots, sfbackup.WithServerCommonName("contoso.com")}, "it has no name of WithServerCommonName"},
		{"a wildcard does not match names", cluster, opts{roots, sfbackup.WithServerCommonName("*.contoso.com")}, "it has no name of"},
		{"the host of the endpoint does not replace a name", local, opts{roots, sfbackup.WithServerCommonName("other")}, "it has no name of"},
		{"name without a chain", cluster, opts{sfbackup.WithServerCommonName("cluster.contoso.com")}, "unknown authority"},
		{"name, expired", expired, opts{roots, sfbackup.WithServerCommonName("test")}, "expired"},
		{"name, for clients only", forClients, opts{roots, sfbackup.WithServerCommonName("test")}, "incompatible key usage"},
		{"issuer", cluster, opts{roots, sfbackup.WithServerCommonName("cluster.contoso.com", other, sha1Of(middle.Certificate))}, ""},
		{"the issuer of the issuer", cluster, opts{roots, sfbackup.WithServerCommonName("cluster.contoso.com", sha1Of(root.Certificate))}, "its issuer is not one of"},
		{"its own issuer", selfSigned, opts{sfbackup.WithRootCAs(selfSignedPool), sfbackup.WithServerCommonName("dev", sha256Of(selfSigned))}, ""},
		{"another issuer", selfSigned, opts{sfbackup.WithRootCAs(selfSignedPool), sfbackup.WithServerCommonName("dev", other)}, "its issuer is not one of"},
		{"one of two names", cluster, opts{roots, sfbackup.WithServerCommonName("a"), sfbackup.WithServerCommonName("alias.contoso.com")}, ""},
		{"one of two options with thumbprints", cluster, opts{sfbackup.WithServerThumbprints(other), sfbackup.WithServerThumbprints(sha1Of(cluster))}, ""},
		{"a thumbprint or a name: the thumbprint", selfSigned, opts{roots, sfbackup.WithServerThumbprints(sha1Of(selfSigned)), sfbackup.WithServerCommonName("a")}, ""},
		{"a thumbprint or a name: the name", cluster, opts{roots, sfbackup.WithServerThumbprints(other), sfbackup.WithServerCommonName("cluster.contoso.com")}, ""},
		{"a thumbprint or a name: neither", cluster, opts{roots, sfbackup.WithServerThumbprints(other), sfbackup.WithServerCommonName("a")}, "not one of WithServerThumbprints; it has no name of WithServerCommonName"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := startTLS(t, &tls.Config{Certificates: []tls.Certificate{tt.server}}, accepted)
			for _, version := range []opts{nil, {sfbackup.WithTLS13()}} {
				client := newClientAt(t, server.URL, append(version, tt.opts...)...)
				err := client.BackupPartition(t.Context(), partition1, nil)
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

// errors.As finds the cause of a rejected server.
func TestServerIdentityCauses(t *testing.T) {
	t.Parallel()
	server := startTLS(t, &tls.Config{Certificates: []tls.Certificate{newRoot(t, "a").issue(t, nil)}}, accepted)
	client := newClientAt(t, server.URL, sfbackup.WithServerCommonName("test"))
	err := client.BackupPartition(t.Context(), partition1, nil)
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Errorf("got %v", err)
	}
}

// A resumed session is verified as well, because clients with different options may share a session cache.
func TestResumedSessionsAreChecked(t *testing.T) {
	t.Parallel()
	certificate := newRoot(t, "a").issue(t, nil)
	server := startTLS(t, &tls.Config{Certificates: []tls.Certificate{certificate}}, accepted)
	for _, version := range []opts{nil, {sfbackup.WithTLS13()}} {
		var resumed []bool
		base := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
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
			client := newClientAt(t, server.URL,
				append(version, sfbackup.WithHTTPClient(&http.Client{Transport: base}), tt.pin)...)
			if _, err := client.BackupProgress(t.Context(), partition1); errors.Is(err, sfbackup.ErrNoBackup) != tt.ok {
				t.Errorf("got %v, want %v", err, tt.ok)
			}
		}
		if len(resumed) != 3 || !resumed[1] {
			t.Errorf("the caller's VerifyConnection saw %v", resumed)
		}
	}
}

// The validity period of a certificate is checked by the clock of the caller's tls.Config.
func TestServerIdentityClock(t *testing.T) {
	t.Parallel()
	certificate := newRoot(t, "a").issue(t, nil)
	server := startTLS(t, &tls.Config{Certificates: []tls.Certificate{certificate}}, accepted)
	client := newClientAt(t, server.URL, sfbackup.WithServerThumbprints(sha1Of(certificate)),
		sfbackup.WithHTTPClient(&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
			Time: func() time.Time { return time.Now().AddDate(1, 0, 0) },
		}}}))
	if err := client.BackupPartition(t.Context(), partition1, nil); err == nil || !strings.Contains(err.Error(), "it is valid from") {
		t.Errorf("got %v", err)
	}
}

// Thumbprints are accepted in the forms that tools show them in.
func TestThumbprintSpellings(t *testing.T) {
	t.Parallel()
	certificate := newRoot(t, "a").issue(t, nil)
	server := startTLS(t, &tls.Config{Certificates: []tls.Certificate{certificate}}, accepted)
	separated := func(separator string) string {
		var parts []string
		for i := 0; i < 40; i += 2 {
			parts = append(parts, sha1Of(certificate)[i:i+2])
		}
		return strings.Join(parts, separator)
	}
	for _, text := range []string{
		separated(" "), separated(":"), separated("-"), separated("\u2013"), separated("\u00a0"), separated("\t"),
		"\u200e" + separated(" "), separated("\u200b") + "\ufeff", strings.ToLower(separated(":")) + "\r\n",
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
		"", "  ", "xyz", sha1Of(certificate)[1:], sha1Of(certificate) + "00", sha256Of(certificate)[2:], "0x" + sha1Of(certificate), separated(","),
	} {
		if _, err := sfbackup.NewClient(server.URL, sfbackup.WithServerThumbprints(text)); err == nil || !strings.Contains(err.Error(), "is not a thumbprint, which has 40") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
