package contract_test

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

var update = flag.Bool("update", false, "update the golden files")

// A deviation is a request to a 6.4 cluster that shows one of the deviations that the overlay lists.
type deviation struct {
	name    string
	opts    []sfbackuptest.Option
	prepare func(*sfbackuptest.Cluster)
	before  string // a request to send first
	request string // method, target, body
	after   time.Duration
}

const (
	deviationBackup   = "POST " + onPartition + "Backup?api-version=6.4 {}"
	deviationProgress = "GET " + onPartition + "GetBackupProgress?api-version=6.4"
	deviationList     = "GET " + onPartition + "GetBackups?api-version=6.4"
)

var deviations = []deviation{
	{name: "a progress without any backup is null", request: deviationProgress},
	{name: "a progress has all fields, unset ones null or zero, and a numeric LSN", before: deviationBackup, request: deviationProgress},
	{name: "a successful backup has a numeric LSN too", before: deviationBackup, request: deviationProgress, after: time.Minute},
	{
		name: "a failed backup has all fields", before: deviationBackup, request: deviationProgress, after: time.Minute,
		prepare: func(c *sfbackuptest.Cluster) {
			c.SetOutcome(c.Partitions()[0], sfbackuptest.Outcome{Code: "FABRIC_E_BACKUPCOPIER_TIMEOUT"})
		},
	},
	{name: "the continuation token of the last page is null", request: deviationList},
	{
		name: "an unknown manifest version is null", request: "GET /Services/App/Svc/$/GetBackups?api-version=6.4&MaxResults=1",
		opts: []sfbackuptest.Option{sfbackuptest.WithServices(sfbackuptest.Service{
			Name:       "fabric:/App/Svc",
			Partitions: []sfbackuptest.Partition{{Backups: sfbackuptest.Chain(time.Unix(0, 0), time.Hour, 1, 2)}},
		})},
	},
	{
		name: "6.2 has other names for the fields of an epoch", request: deviationList + "&MaxResults=1",
		opts: []sfbackuptest.Option{sfbackuptest.WithQuirk(sfbackuptest.QuirkEpochNames62, true)},
	},
	{name: "errors of the backup service are text/plain", before: deviationBackup, request: deviationBackup},
	{name: "an error code without a name is a number", request: "GET /Partitions/P0/$/GetBackups?api-version=6.4"},
	{name: "errors of Web API have another schema", request: deviationProgress + "&timeout=0"},
	{
		name: "errors of the reverse proxy have no body", request: deviationProgress,
		opts: []sfbackuptest.Option{sfbackuptest.WithQuirk(sfbackuptest.QuirkNoBackupService, true)},
	},
	{
		name: "the response to a rejected certificate has no body", request: deviationProgress,
		prepare: func(c *sfbackuptest.Cluster) { c.Inject(sfbackuptest.RefuseCredentials()) },
	},
	{
		name: "http.sys responds with HTML", request: deviationProgress,
		prepare: func(c *sfbackuptest.Cluster) { c.Inject(sfbackuptest.HTMLError(http.StatusServiceUnavailable)) },
	},
	{
		name:    "newer servers accept the client id of a managed identity",
		request: "POST " + onPartition + `Backup?api-version=6.4 {"BackupStorage":{"StorageKind":"ManagedIdentityAzureBlobStore","ManagedIdentityType":"VMSS","ManagedIdentityClientId":"i","BlobServiceUri":"https://b","ContainerName":"c"}}`,
	},
}

// All responses of a 6.4 cluster are valid under Runtime. Under Documented, each known deviation is
// reported once, with its rule. The golden file lists the deviations like the overlay.
func TestDeviations(t *testing.T) {
	t.Parallel()
	documented, runtime := newValidator(t, openapi.Documented), newValidator(t, openapi.Runtime)
	var golden strings.Builder
	for _, d := range deviations {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		cluster := sfbackuptest.NewCluster(append(d.opts, sfbackuptest.WithClock(func() time.Time { return now }))...)
		if d.prepare != nil {
			d.prepare(cluster)
		}
		send := func(request string, check bool) {
			method, target, _ := strings.Cut(request, " ")
			target, body, _ := strings.Cut(target, " ")
			newRequest := func() *http.Request {
				req, err := http.NewRequestWithContext(t.Context(), method, "http://h"+target, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				if body != "" {
					req.Header.Set("Content-Type", "application/json")
				}
				return req
			}
			resp, err := cluster.Transport().RoundTrip(newRequest())
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if !check {
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					t.Fatal(err)
				}
				return
			}
			// An invalid request that is sent to get an error is not a deviation of the cluster.
			intended := []contract.Rule{contract.RuleUUID, contract.RulePattern, contract.RuleBounds}
			if err := runtime.Without(intended...).CheckRequest(newRequest()); err != nil {
				t.Errorf("%s, Runtime: %v", d.name, err)
			}
			if err := runtime.CheckResponse(newRequest(), resp); err != nil {
				t.Errorf("%s, Runtime: %v", d.name, err)
			}
			found := append(lines(documented.Without(intended...).CheckRequest(newRequest())), lines(documented.CheckResponse(newRequest(), resp))...)
			if len(found) == 0 || len(slices.Compact(slices.Clone(found))) != len(found) {
				t.Errorf("%s, Documented: %q", d.name, found)
			}
			fmt.Fprintf(&golden, "%s\n", d.name)
			for _, line := range found {
				fmt.Fprintf(&golden, "    %s\n", line)
			}
		}
		if d.before != "" {
			send(d.before, false)
		}
		now = now.Add(d.after)
		send(d.request, true)
	}
	const file = "testdata/deviations.golden"
	if *update {
		if err := os.WriteFile(file, []byte(golden.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), golden.String()); diff != "" {
		t.Errorf("%s differs (-want +got); if the change is intended, run this test with -update\n%s", file, diff)
	}
}
