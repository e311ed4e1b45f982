package sfbackup_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// documentedCalls has the call of each documented example. Its result is what the client returned, which
// marshals as the body of the response; nil if that has none.
var documentedCalls = map[string]func(context.Context, *sfbackup.Client) (any, error){
	"backup-partition-policy-storage": func(ctx context.Context, c *sfbackup.Client) (any, error) {
		return nil, c.BackupPartition(ctx, partition1, nil)
	},
	"backup-partition-azure-blob-store": backupTo(&sfbackup.AzureBlobStore{
		ConnectionString: "DefaultEndpointsProtocol=https;AccountName=storagesample;AccountKey=<PutYourAccountKeyHere>",
		ContainerName:    "BackupContainer",
	}),
	"backup-partition-managed-identity": backupTo(&sfbackup.ManagedIdentityAzureBlobStore{
		BlobServiceURI:      "https://managedidentitytest.blob.core.windows.net/",
		ContainerName:       "BackupContainer",
		ManagedIdentityType: sfbackup.ManagedIdentityTypeCluster,
	}),
	"backup-partition-file-share": backupTo(&sfbackup.FileShare{
		Path:            `\\myshare\backupshare`,
		PrimaryUserName: `mydomain\backupaccount`,
		PrimaryPassword: "abcd1234",
	}),
	"backup-partition-dsms": backupTo(&sfbackup.DsmsAzureBlobStore{
		StorageCredentialsSourceLocation: "https://sample-dsms.dsms.core.winows.net/dsms/samplecredentiallocation/storageaccounts/samplestorageac/servicefabricbackup/samplebackup",
		ContainerName:                    "BackupContainer",
	}),
	"get-partition-backup-progress-success": func(ctx context.Context, c *sfbackup.Client) (any, error) {
		return c.BackupProgress(ctx, partition1)
	},
	"get-partition-backup-list-time-range": listPartition(&sfbackup.ListOptions{Since: day, Until: endOfDay}),
	"get-partition-backup-list-latest":     listPartition(&sfbackup.ListOptions{Latest: true}),
	// The request lines of these two examples lack the query parameters that their texts describe.
	"get-partition-backup-list-max-results":        listPartition(nil),
	"get-partition-backup-list-continuation-token": listPartition(nil),
	"get-service-backup-list-time-range":           listService(&sfbackup.ListOptions{Since: day, Until: endOfDay}),
	"get-service-backup-list-latest":               listService(&sfbackup.ListOptions{Latest: true}),
	"get-service-backup-list-max-results":          listService(&sfbackup.ListOptions{PageSize: 2}),
	"get-service-backup-list-continuation-token": listService(&sfbackup.ListOptions{
		PageSize:          2,
		ContinuationToken: "fabric:/CalcApp/CalcService#1daae3f5-7fd6-42e9-b1ba-8c05f873994d#7903dc2a-228d-44b0-b7c8-a13a6c9b46bd",
	}),
}

var (
	day      = time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC)
	endOfDay = time.Date(2018, 1, 1, 23, 59, 59, 0, time.UTC)
)

func backupTo(s sfbackup.BackupStorage) func(context.Context, *sfbackup.Client) (any, error) {
	return func(ctx context.Context, c *sfbackup.Client) (any, error) {
		return nil, c.BackupPartition(ctx, partition1, &sfbackup.BackupOptions{Storage: s})
	}
}

func listPartition(opts *sfbackup.ListOptions) func(context.Context, *sfbackup.Client) (any, error) {
	return func(ctx context.Context, c *sfbackup.Client) (any, error) {
		return c.PartitionBackupsPage(ctx, partition1, opts)
	}
}

func listService(opts *sfbackup.ListOptions) func(context.Context, *sfbackup.Client) (any, error) {
	return func(ctx context.Context, c *sfbackup.Client) (any, error) {
		return c.ServiceBackupsPage(ctx, calcService, opts)
	}
}

// The client sends a request equivalent to that of each documented example. Its result has every value of the
// response: it marshals as the documented body.
func TestDocumentedExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../openapi/testdata/documented/*.http")
	if err != nil || len(files) != 14 || len(documentedCalls) != 14 {
		t.Fatalf("%d transcripts, %d calls, %v", len(files), len(documentedCalls), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".http")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(bytes.NewReader(data))
			want, err := http.ReadRequest(r)
			if err != nil {
				t.Fatal(err)
			}
			wantBody, err := io.ReadAll(want.Body)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(r, want)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body = io.NopCloser(bytes.NewReader(body))

			var got *http.Request
			var gotBody []byte
			client := newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
				got = req
				if req.Body != nil {
					gotBody, _ = io.ReadAll(req.Body)
				}
				return resp, nil
			}))
			result, err := documentedCalls[name](t.Context(), client)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(describe(want), describe(got)); diff != "" {
				t.Errorf("request (-documented +sent):\n%s", diff)
			}
			diffJSON(t, "request body", wantBody, gotBody)
			if result != nil {
				encoded, err := json.Marshal(result)
				if err != nil {
					t.Fatal(err)
				}
				diffJSON(t, "response", body, encoded)
			}
		})
	}
}

// ParseBackupStorage reads each documented storage, and the client sends the result unchanged.
func TestDocumentedStorages(t *testing.T) {
	t.Parallel()
	for name, call := range documentedCalls {
		if !strings.HasPrefix(name, "backup-partition-") || name == "backup-partition-policy-storage" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := &cannedResponses{list: []canned{{status: "202 Accepted"}}}
			client := newClient(t, noBackupBefore(sent))
			if _, err := call(t.Context(), client); err != nil {
				t.Fatal(err)
			}
			var description struct{ BackupStorage json.RawMessage }
			if err := json.Unmarshal(sent.bodies[0], &description); err != nil {
				t.Fatal(err)
			}
			storage, err := sfbackup.ParseBackupStorage(description.BackupStorage)
			if err != nil {
				t.Fatal(err)
			}
			if err := client.BackupPartition(t.Context(), partition1, &sfbackup.BackupOptions{Storage: storage}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(sent.bodies[0]), string(sent.bodies[1])); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// describe returns what equivalent requests have in common. Booleans are in lower case, because the examples
// differ in theirs.
func describe(req *http.Request) []any {
	query := req.URL.Query()
	if query.Has("Latest") {
		query.Set("Latest", strings.ToLower(query.Get("Latest")))
	}
	return []any{req.Method, req.URL.Path, query}
}

func diffJSON(t *testing.T, what string, want, got []byte) {
	t.Helper()
	if diff := cmp.Diff(decodeAny(t, want), decodeAny(t, got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func decodeAny(t *testing.T, data []byte) any {
	t.Helper()
	if len(data) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v in %q", err, data)
	}
	return v
}
