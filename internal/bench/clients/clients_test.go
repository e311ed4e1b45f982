// Package clients calls the cluster of package sfbackuptest with clients of other authors, to check that they
// succeed and fail with it as they do with a real cluster.
package clients

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

var (
	python = flag.String("python", "", "also run the client of the Python `interpreter`, which must have azure.servicefabric")
	update = flag.Bool("update", false, "write the table")
)

// calls is how many calls a client makes to each cluster.
const calls = 23

// cluster is what a client knows of a cluster.
type cluster struct {
	URL         string
	Authority   string            // the file with the authority of the server; empty: that of the system
	Certificate string            // the file with a certificate and its key; empty: none
	Partitions  map[string]string // the IDs, by what was done with the partitions

	served *sfbackuptest.Cluster
}

// mistakes returns what the cluster recorded about a client's requests.
func (c *cluster) mistakes() string {
	var all []string
	for _, r := range c.served.Requests() {
		all = append(all, r.Mistakes...)
	}
	slices.Sort(all)
	return cmp.Or(strings.Join(slices.Compact(all), "; "), "none")
}

// newCluster serves a cluster with the given profile.
func newCluster(t *testing.T, profile sfbackuptest.Profile, opts ...sfbackuptest.ServerOption) (cluster, *sfbackuptest.Server) {
	t.Helper()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	chain := sfbackuptest.Chain(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Hour, 2, 3)
	share := &sfbackuptest.Policy{Storage: sfbackuptest.Storage{Kind: sfbackuptest.StorageKindFileShare}}
	container := &sfbackuptest.Policy{Storage: sfbackuptest.Storage{Kind: sfbackuptest.StorageKindAzureBlobStore, Path: "c"}}
	names := []string{"first", "second", "third", "never", "accepted", "succeeded", "failed"}
	s := sfbackuptest.NewCluster(
		sfbackuptest.WithProfile(profile),
		sfbackuptest.WithClock(func() time.Time { return now }), // it stands still while clients are running
		sfbackuptest.WithServices(
			sfbackuptest.Service{Name: "fabric:/Work/Service", Policy: share, Partitions: make([]sfbackuptest.Partition, len(names))},
			sfbackuptest.Service{Name: "fabric:/Share/Service", ManifestVersion: "1.0.0", Policy: share, Partitions: []sfbackuptest.Partition{
				{LowKey: 0, HighKey: 9, Backups: chain}, {Name: "A", Backups: chain[:2]}, {Backups: chain[:1]},
			}},
			sfbackuptest.Service{Name: "fabric:/Container/Service", Policy: container, Partitions: []sfbackuptest.Partition{{Backups: chain}, {Backups: chain}}},
			sfbackuptest.Service{Name: "fabric:/Empty/Service", Policy: share, Partitions: make([]sfbackuptest.Partition, 1)},
			sfbackuptest.Service{Name: "fabric:/Unprotected/Service", NoPolicy: true, Partitions: make([]sfbackuptest.Partition, 1)}))
	all := s.Partitions()
	c := cluster{served: s, Partitions: map[string]string{"listed": all[len(names)].String(), "unprotected": all[len(all)-1].String(), "unknown": "00000000-0000-4000-8000-000000000000"}}
	for i, name := range names {
		c.Partitions[name] = all[i].String()
	}
	backUp := func(name string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://cluster/Partitions/"+c.Partitions[name]+"/$/Backup?api-version=6.4", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.Transport().RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			t.Fatal(resp.Status)
		}
	}
	s.SetOutcome(uuid.MustParse(c.Partitions["failed"]), sfbackuptest.Outcome{Code: "FABRIC_E_BACKUPCOPIER_ACCESS_DENIED", Message: "Access denied."})
	backUp("succeeded")
	backUp("failed")
	now = now.Add(time.Minute)
	backUp("accepted")

	server, err := sfbackuptest.NewServer(s, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c, server
}

// write writes a file and returns its name.
func write(t *testing.T, data ...[]byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(name, slices.Concat(data...), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// The columns of the table, and the variants of a cluster of each.
var (
	profiles = []sfbackuptest.Profile{sfbackuptest.ProfileRuntime, sfbackuptest.ProfileDocumented}
	variants = []string{"http", "https", "https, an authority that the client does not trust", "https, no client certificate", "https, the certificate of a user"}
)

// newClusters serves the variants of each profile. Everything that a client needs for TLS comes from files.
func newClusters(t *testing.T) (clusters []cluster) {
	t.Helper()
	for _, profile := range profiles {
		plain, _ := newCluster(t, profile)
		secure, server := newCluster(t, profile, sfbackuptest.WithClientCertificates())
		chain, key := sfbackuptest.CertificatePEM(*server.ClientCertificate)
		secure.Authority, secure.Certificate = write(t, server.CAPEM), write(t, chain, key)
		noTrust, noCertificate, user := secure, secure, secure
		noTrust.Authority = ""
		noCertificate.Certificate = ""
		chain, key = sfbackuptest.CertificatePEM(server.Issue(sfbackuptest.RoleUser))
		user.Certificate = write(t, chain, key)
		clusters = append(clusters, plain, secure, noTrust, noCertificate, user)
	}
	return clusters
}

// callPython runs calls.py.
func callPython(t *testing.T, clusters []cluster) (all []map[string]string) {
	t.Helper()
	var in bytes.Buffer
	for _, c := range clusters {
		if err := json.NewEncoder(&in).Encode(c); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), *python, "-I", "calls.py")
	command.Env = []string{"NO_PROXY=*"} // no proxy or authority of this machine
	command.Stdin, command.Stderr = &in, os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s calls.py: %v", *python, err)
	}
	for line := range bytes.Lines(out) {
		var results map[string]string
		if err := json.Unmarshal(line, &results); err != nil {
			t.Fatal(err)
		}
		all = append(all, results)
	}
	return all
}

// table returns the results of a client as a table in Markdown.
func table(t *testing.T, clusters []cluster, all []map[string]string) string {
	t.Helper()
	if len(all) != len(profiles)*len(variants) {
		t.Fatalf("results of %d clusters, want %d", len(all), len(profiles)*len(variants))
	}
	var b strings.Builder
	row := func(call string, cell func(first int) string) {
		b.WriteString("| " + call + " |")
		for i := range profiles {
			b.WriteString(" " + cell(i*len(variants)) + " |")
		}
		b.WriteByte('\n')
	}
	b.WriteString("| call | Runtime | Documented |\n|---|---|---|\n")
	for _, call := range slices.Sorted(maps.Keys(all[0])) {
		row(call, func(first int) string { return same(all[first][call], all[first+1][call]) })
	}
	for i, variant := range variants[2:] {
		for _, call := range []string{"BackupPartition: to the storage of the policy", "GetServiceBackupList: all"} {
			row(call+" ("+variant+")", func(first int) string { return all[first+2+i][call] })
		}
	}
	row("what the cluster records in Request.Mistakes", func(first int) string {
		return same(clusters[first].mistakes(), clusters[first+1].mistakes())
	})
	return b.String()
}

// same returns the result of a call over http and https.
func same(http, https string) string {
	if http != https {
		return "http: " + http + "; https: " + https
	}
	return http
}

// TestClients: each client succeeds and fails as the tables in README.md say.
func TestClients(t *testing.T) {
	t.Parallel()
	type client struct {
		name string
		call func(*testing.T, []cluster) []map[string]string
	}
	clients := []client{{"Azure SDK for Go", callAzureSDK}}
	if *python != "" {
		clients = append(clients, client{"azure.servicefabric for Python", callPython})
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	updated := string(readme)
	for _, client := range clients {
		clusters := newClusters(t)
		results := client.call(t, clusters)
		if len(results) > 0 && len(results[0]) != calls {
			t.Errorf("%s made %d calls, want %d", client.name, len(results[0]), calls)
		}
		before, section, found := strings.Cut(updated, "\n## "+client.name+"\n\n")
		if !found {
			t.Fatalf("README.md has no section %q", client.name)
		}
		want, after, _ := strings.Cut(section, "\n## ")
		got := table(t, clusters, results)
		if !*update && strings.TrimSpace(want) != strings.TrimSpace(got) {
			t.Errorf("%s:\n%s\nwant\n%s", client.name, got, want)
		}
		if updated = before + "\n## " + client.name + "\n\n" + got; after != "" {
			updated += "\n## " + after
		}
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(updated), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
