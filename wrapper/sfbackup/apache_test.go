//go:build unix

package sfbackup_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"text/template"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// Apache httpd requests the client certificate as the gateway does: by renegotiation, after it has read the
// request. The server of package crypto/tls cannot renegotiate.

// httpdConfig configures a gateway with a port for each version of TLS.
var httpdConfig = template.Must(template.New("").Parse(`
ServerRoot "{{.Dir}}"
ServerName localhost
PidFile "{{.Dir}}/httpd.pid"
ErrorLog "/dev/stderr"
LogLevel warn mpm_event:notice
{{range .Modules}}
LoadModule {{.Name}}_module "{{.Path}}"
{{end}}
{{if .Root}}
User "#65534"
Group "#65534"
{{end}}
StartServers 1
ServerLimit 1
ThreadsPerChild 25
MaxRequestWorkers 25
KeepAlive On
KeepAliveTimeout 60
SSLSessionCache none

{{range .Ports}}
Listen 127.0.0.1:{{.Port}}
<VirtualHost 127.0.0.1:{{.Port}}>
	SSLEngine on
	SSLProtocol {{.Protocol}}
	SSLCertificateFile "{{$.Dir}}/cert.pem"
	SSLCertificateKeyFile "{{$.Dir}}/key.pem"
	SSLCACertificateFile "{{$.Dir}}/clients.pem"
	<Location "/">
		SSLVerifyClient require
		SSLVerifyDepth 2
		# The body is buffered during the handshake.
		SSLRenegBufferSize 131072
	</Location>
	ProxyPass "/" "{{$.Backend}}/"
</VirtualHost>
{{end}}
`))

type httpdPort struct {
	Port     int
	Protocol string
}

// startHTTPD starts Apache httpd as a proxy in front of a server, and returns the URLs of its ports for TLS 1.2
// and for TLS 1.3. It is stopped when the test ends.
func startHTTPD(t *testing.T, certificate tls.Certificate, clients *issuer, backend string) (v12, v13 string) {
	t.Helper()
	httpd, modules := findHTTPD()
	if httpd == "" {
		t.Skip("Apache httpd with mod_ssl is not installed; on Debian it is the package apache2")
	}
	dir := t.TempDir()
	writePEM(t, dir, certificate)
	writeFile(t, filepath.Join(dir, "clients.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: clients.Leaf.Raw}))
	var log bytes.Buffer
	for range 5 { // another process may take a port before httpd does
		ports := []httpdPort{{freePort(t), "TLSv1.2"}, {freePort(t), "TLSv1.3"}}
		var config bytes.Buffer
		if err := httpdConfig.Execute(&config, map[string]any{
			"Dir": dir, "Modules": modules, "Root": os.Geteuid() == 0, "Ports": ports, "Backend": backend,
		}); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "httpd.conf")
		writeFile(t, file, config.Bytes())
		if runHTTPD(t, &log, httpd, "-f", file, "-D", "FOREGROUND") {
			return fmt.Sprintf("https://127.0.0.1:%d", ports[0].Port), fmt.Sprintf("https://127.0.0.1:%d", ports[1].Port)
		}
	}
	t.Fatalf("httpd does not start:\n%s", &log)
	return "", ""
}

// runHTTPD reports whether httpd has started.
func runHTTPD(t *testing.T, log *bytes.Buffer, name string, args ...string) bool {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		fmt.Fprintln(log, lines.Text())
		if !strings.Contains(lines.Text(), "resuming normal operations") {
			continue
		}
		read := make(chan struct{})
		var rest bytes.Buffer
		go func() {
			defer close(read)
			for lines.Scan() {
				fmt.Fprintln(&rest, lines.Text())
			}
		}()
		t.Cleanup(func() {
			// Kill all of its processes: a graceful stop may wait ten seconds for connections. All of its
			// files are in the directory of the test.
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-read
			_ = cmd.Wait()
			if t.Failed() {
				t.Logf("httpd:\n%s", &rest)
			}
		})
		return true
	}
	_ = cmd.Wait()
	return false
}

type httpdModule struct{ Name, Path string }

// findHTTPD returns the program and the modules that it needs. Distributions have them in different
// directories, or compiled in.
func findHTTPD() (program string, modules []httpdModule) {
	for _, name := range []string{"apache2", "/usr/sbin/apache2", "httpd", "/usr/sbin/httpd"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	for _, name := range []string{"mpm_event", "authz_core", "authn_core", "unixd", "proxy", "proxy_http", "ssl"} {
		for _, dir := range []string{"/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/lib/httpd/modules"} {
			path := filepath.Join(dir, "mod_"+name+".so")
			if _, err := os.Stat(path); err == nil {
				modules = append(modules, httpdModule{name, path})
				break
			}
		}
	}
	if len(modules) == 0 || modules[len(modules)-1].Name != "ssl" {
		return "", nil
	}
	return program, modules
}

func freePort(t *testing.T) int {
	t.Helper()
	listener := listen(t)
	defer closeQuietly(listener)
	return listener.Addr().(*net.TCPAddr).Port
}

// All operations work through a gateway that renegotiates, and reuse their connections.
func TestApache(t *testing.T) {
	t.Parallel()
	servers, clients := newRoot(t, "servers"), newRoot(t, "clients")
	certificate := servers.issue(t, func(c *x509.Certificate) { named("cluster.contoso.com")(c); forLoopback(c) })
	known, unknown := clients.issue(t, named("known")), newRoot(t, "others").issue(t, named("unknown"))
	cluster := sfbackuptest.NewCluster()
	for _, partition := range cluster.Partitions() {
		cluster.SetOutcome(partition, sfbackuptest.Outcome{Accepted: -1, Running: -1})
	}
	backend := newServer(t, cluster)
	v12, v13 := startHTTPD(t, certificate, clients, backend.URL)
	trust, present := sfbackup.WithRootCAs(servers.pool()), sfbackup.WithClientCertificate(known)
	certFile, keyFile := writePEM(t, t.TempDir(), known)

	for _, tt := range []struct {
		name string
		opts opts
	}{
		{"roots", opts{trust, present}},
		{"files", opts{trust, sfbackup.WithClientCertificateFiles(certFile, keyFile)}},
		{"SHA-1 thumbprint", opts{present, sfbackup.WithServerThumbprints(sha1Of(certificate))}},
		{"SHA-256 thumbprint", opts{present, sfbackup.WithServerThumbprints(sha256Of(certificate))}},
		{"common name", opts{trust, present, sfbackup.WithServerCommonName("cluster.contoso.com", sha1Of(servers.Certificate))}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dialer := &connectionCounter{}
			client := newClientAt(t, v12, append(tt.opts, sfbackup.WithHTTPClient(dialer.client(t)))...)
			for range 3 {
				useAllOperations(t, client)
			}
			if n := dialer.n.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}

	// Many starts at a time, each with a request body.
	t.Run("concurrently", func(t *testing.T) {
		dialer := &connectionCounter{}
		client := newClientAt(t, v12, trust, present, sfbackup.WithHTTPClient(dialer.client(t)))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				err := client.BackupPartition(t.Context(), partition2, &sfbackup.BackupOptions{Storage: bigStorage(30_000)})
				if err != nil && !errors.Is(err, sfbackup.CodeBackupInProgress) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		// Each start sends two requests. A request may use a connection that becomes idle while it dials its own.
		if n := dialer.n.Load(); n < 1 || n >= 16 {
			t.Errorf("%d connections", n)
		}
	})

	for _, tt := range []struct {
		name, url string
		opts      opts
		want      string
	}{
		{"no certificate", v12, opts{trust}, "the server may want a client certificate: use WithClientCertificate"},
		{"an unknown certificate", v12, opts{trust, sfbackup.WithClientCertificate(unknown)}, `the server does not accept the client certificate ("unknown", thumbprint ` + sha1Of(unknown)},
		{"a server with another thumbprint", v12, opts{present, sfbackup.WithServerThumbprints(sha1Of(servers.Certificate))}, "its thumbprint is not one of WithServerThumbprints"},
		{"a server that is not trusted", v12, opts{present}, "unknown authority"},
		{"the defaults of package tls", v12, opts{sfbackup.WithHTTPClient(&http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: servers.pool(), Certificates: []tls.Certificate{known}, MaxVersion: tls.VersionTLS12},
		}})}, "local error: tls: no renegotiation: the server asks for a client certificate by renegotiating, which the transport does not allow"},
		{"TLS 1.3 only, without the option", v13, opts{trust, present}, "if the server wants TLS 1.3, use WithTLS13"},
		{"TLS 1.3 only", v13, opts{trust, present, sfbackup.WithTLS13()}, "403 Forbidden (with TLS 1.3 the gateway cannot be shown the client certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := newClientAt(t, tt.url, append(tt.opts, sfbackup.WithRetry(sfbackup.RetryPolicy{MinDelay: 1, MaxDelay: 1}))...)
			before := len(cluster.Requests())
			for name, err := range map[string]error{
				"GET":  progress(t.Context(), client),
				"POST": client.BackupPartition(t.Context(), partition1, &sfbackup.BackupOptions{Storage: bigStorage(10)}),
			} {
				if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%s: got %v, want %q", name, err, tt.want)
				}
			}
			if n := len(cluster.Requests()) - before; n != 0 {
				t.Errorf("%d requests reached the cluster", n)
			}
		})
	}
}

// useAllOperations calls each of the four operations.
func useAllOperations(t *testing.T, client *sfbackup.Client) {
	t.Helper()
	_, err := client.BackupAndWait(t.Context(), partition1, &sfbackup.BackupOptions{Storage: bigStorage(100)}, nil)
	if err != nil {
		t.Error(err)
	}
	if _, err := collect(client.PartitionBackups(t.Context(), partition1, &sfbackup.ListOptions{PageSize: 2})); err != nil {
		t.Error(err)
	}
	if got, err := collect(client.ServiceBackups(t.Context(), calcService, nil)); err != nil || len(got) < 5 {
		t.Errorf("%d backups, %v", len(got), err)
	}
}

// bigStorage returns a storage whose request body has about n bytes.
func bigStorage(n int) sfbackup.BackupStorage {
	return &sfbackup.FileShare{Path: `\\nas\backups\` + strings.Repeat("x", n)}
}

// connectionCounter counts the connections of a client.
type connectionCounter struct{ n atomic.Int32 }

func (c *connectionCounter) client(t *testing.T) *http.Client {
	t.Helper()
	return &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 8,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c.n.Add(1)
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}}
}
