package sfbackup_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// benchBackup is a backup of partition1 as a cluster of version 6.4 writes it.
const benchBackup = `{"BackupId":"d1e2fd6a-4712-4212-a37a-%012d","BackupChainId":"d1e2fd6a-4712-4212-a37a-000000000000",` +
	`"ApplicationName":"fabric:/CalcApp","ServiceName":"fabric:/CalcApp/CalcService",` +
	`"PartitionInformation":{"ServicePartitionKind":"Int64Range","LowKey":"-9223372036854775808",` +
	`"HighKey":"9223372036854775807","Id":"1daae3f5-7fd6-42e9-b1ba-8c05f873994d"},` +
	`"BackupLocation":"CalcApp\\CalcService\\1daae3f5-7fd6-42e9-b1ba-8c05f873994d\\2020-01-01 00.00.00.zip",` +
	`"BackupType":"Incremental","EpochOfLastBackupRecord":{"DataLossVersion":"131462452931584510",` +
	`"ConfigurationVersion":"8589934592"},"LsnOfLastBackupRecord":"%[1]d",` +
	`"CreationTimeUtc":"2020-01-01T00:00:00Z","FailureError":null,"ServiceManifestVersion":"1.0.0"}`

const benchProgress = `{"BackupState":"Success","TimeStampUtc":"2020-01-01T00:00:00Z",` +
	`"BackupId":"d1e2fd6a-4712-4212-a37a-000000000000",` +
	`"BackupLocation":"CalcApp\\CalcService\\1daae3f5-7fd6-42e9-b1ba-8c05f873994d\\2020-01-01 00.00.00.zip",` +
	`"EpochOfLastBackupRecord":{"DataLossVersion":"131462452931584510","ConfigurationVersion":"8589934592"},` +
	`"LsnOfLastBackupRecord":261,"FailureError":null}`

// newCannedClient returns a client that gets the same response to every request, from memory, so that a
// benchmark measures the client's own work.
func newCannedClient(b *testing.B, status int, contentType, body string) *sfbackup.Client {
	b.Helper()
	header := http.Header{"Content-Type": {contentType}}
	return newUncheckedClient(b, roundTripper(func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			Status: fmt.Sprint(status, " ", http.StatusText(status)), StatusCode: status, Request: req,
			Header: header, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
		}, nil
	}))
}

// reportPerBackup reports the time that a benchmark takes for each of the n backups of an iteration.
func reportPerBackup(b *testing.B, n int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/backup")
}

func BenchmarkServiceBackups(b *testing.B) {
	const n = 1000
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(benchBackup, i)
	}
	page := `{"Items":[` + strings.Join(items, ",") + `],"ContinuationToken":null}`
	client := newCannedClient(b, http.StatusOK, "application/json", page)

	b.Run("iterator", func(b *testing.B) {
		b.SetBytes(int64(len(page)))
		b.ReportAllocs()
		for b.Loop() {
			backups := 0
			for _, err := range client.ServiceBackups(b.Context(), calcService, nil) {
				if err != nil {
					b.Fatal(err)
				}
				backups++
			}
			if backups != n {
				b.Fatalf("%d backups", backups)
			}
		}
		reportPerBackup(b, n)
	})
	b.Run("page", func(b *testing.B) {
		b.SetBytes(int64(len(page)))
		b.ReportAllocs()
		for b.Loop() {
			page, err := client.ServiceBackupsPage(b.Context(), calcService, nil)
			if err != nil {
				b.Fatal(err)
			}
			if len(page.Backups) != n {
				b.Fatalf("%d backups", len(page.Backups))
			}
		}
		reportPerBackup(b, n)
	})
}

func BenchmarkBackupProgress(b *testing.B) {
	client := newCannedClient(b, http.StatusOK, "application/json", benchProgress)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.BackupProgress(b.Context(), partition1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBackupMany measures the client's own work, without a network.
func BenchmarkBackupMany(b *testing.B) {
	const n = 1000
	accepted := &http.Response{Status: "202 Accepted", StatusCode: http.StatusAccepted, Body: http.NoBody}
	// Each response is the progress of another backup: the client does not take that of the previous one.
	var progresses [1024]string
	for i := range progresses {
		progresses[i] = strings.Replace(benchProgress, "-000000000000", fmt.Sprintf("-%012x", i), 1)
	}
	var gets atomic.Int64
	header := http.Header{"Content-Type": {"application/json"}}
	client := newUncheckedClient(b, roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodPost {
			resp := *accepted
			return &resp, nil
		}
		progress := progresses[gets.Add(1)%int64(len(progresses))]
		return &http.Response{
			Status: "200 OK", StatusCode: http.StatusOK,
			Header: header, ContentLength: int64(len(progress)), Body: io.NopCloser(strings.NewReader(progress)),
		}, nil
	}))
	partitions := slices.Repeat([]uuid.UUID{partition1}, n)
	b.ReportAllocs()
	for b.Loop() {
		ended := 0
		for _, r := range backupMany(b, client, slices.Values(partitions), &sfbackup.BackupManyOptions{Concurrency: 64}) {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
			ended++
		}
		if ended != n {
			b.Fatalf("%d results", ended)
		}
	}
	reportPerBackup(b, n)
}

// benchStorages has a storage of each kind, as configuration files have it.
var benchStorages = []struct {
	name, data string
}{
	{"AzureBlobStore", `{"StorageKind":"AzureBlobStore","FriendlyName":"f","ConnectionString":"c","ContainerName":"n"}`},
	{"FileShare", `{"StorageKind":"FileShare","Path":"\\\\server\\share","PrimaryUserName":"u","PrimaryPassword":"p"}`},
	{"DsmsAzureBlobStore", `{"StorageKind":"DsmsAzureBlobStore","StorageCredentialsSourceLocation":"https://d","ContainerName":"n"}`},
	{"ManagedIdentityAzureBlobStore", `{"StorageKind":"ManagedIdentityAzureBlobStore","ManagedIdentityType":"VMSS","BlobServiceUri":"https://b","ContainerName":"n"}`},
	{"unknown kind", `{"StorageKind":"Tape","Reel":7}`},
}

func BenchmarkParseBackupStorage(b *testing.B) {
	for _, tt := range benchStorages {
		b.Run(tt.name, func(b *testing.B) {
			data := []byte(tt.data)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := sfbackup.ParseBackupStorage(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBackupPartition sends storages of all kinds.
func BenchmarkBackupPartition(b *testing.B) {
	client := newCannedClient(b, http.StatusAccepted, "", "")
	send := func(b *testing.B, storage sfbackup.BackupStorage) {
		b.Helper()
		opts := &sfbackup.BackupOptions{Storage: storage}
		b.ReportAllocs()
		for b.Loop() {
			if err := client.BackupPartition(b.Context(), partition1, opts); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("no storage", func(b *testing.B) { send(b, nil) })
	for _, tt := range benchStorages {
		b.Run(tt.name, func(b *testing.B) {
			storage, err := sfbackup.ParseBackupStorage([]byte(tt.data))
			if err != nil {
				b.Fatal(err)
			}
			send(b, storage)
		})
	}
}

// BenchmarkError measures how an unsuccessful response becomes an error with a text.
func BenchmarkError(b *testing.B) {
	const fabricError = `{"Error":{"Code":"FABRIC_E_PARTITION_NOT_FOUND","Message":"There is no such partition."}}`
	for _, tt := range []struct {
		name, contentType, body string
		status                  int
	}{
		{"FabricError", "application/json", fabricError, http.StatusNotFound},
		{"FabricError as text", "text/plain", fabricError, http.StatusNotFound},
		{"HTML", "text/html", "<html><body><h1>Forbidden</h1></body></html>", http.StatusForbidden},
		{"no body", "", "", http.StatusForbidden},
	} {
		b.Run(tt.name, func(b *testing.B) {
			client := newCannedClient(b, tt.status, tt.contentType, tt.body)
			b.ReportAllocs()
			for b.Loop() {
				err := client.BackupPartition(b.Context(), partition1, nil)
				if apiErr, ok := errors.AsType[*sfbackup.APIError](err); !ok || apiErr.Error() == "" {
					b.Fatal(err)
				}
			}
		})
	}
}
