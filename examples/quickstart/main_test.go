package main

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

func TestAgainstTheClusterInMemory(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), nil, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	want := regexp.MustCompile(`^a cluster in memory listens on http://127\.0\.0\.1:\d+
backing up partition [0-9a-f-]{36}
    0\.\d s  Accepted
    [\d.]+ s  BackupInProgress
    [\d.]+ s  Success
backup ([0-9a-f]{8})-[0-9a-f-]{27} ends at LSN (\d+) and is stored at
  (CalcApp\\CalcService\\[^\n]+\.zip)

6 backups in 3 chains

CHAIN     TYPE         TIME \(UTC\)           LSN +LOCATION
[0-9a-f]{8}  Full         [^\n]+
          Incremental  [^\n]+
          Incremental  [^\n]+
[0-9a-f]{8}  Full         [^\n]+
          Incremental  [^\n]+
[0-9a-f]{8}  Full         [^\n]+
$`)
	match := want.FindStringSubmatch(stdout.String())
	if match == nil {
		t.Fatalf("got\n%s", &stdout)
	}
	if lsn, location := match[2], match[3]; !strings.HasSuffix(stdout.String(), lsn+"  "+location+"\n") {
		t.Errorf("the new backup is not the last one:\n%s", &stdout)
	}
}

func TestAgainstAnEndpoint(t *testing.T) {
	t.Parallel()
	const partition = "1daae3f5-7fd6-42e9-b1ba-8c05f873994d"
	cluster := sfbackuptest.NewCluster()
	server := httptest.NewServer(cluster)
	defer server.Close()

	for _, tt := range []struct {
		name    string
		outcome sfbackuptest.Outcome
		code    int
		stderr  string
	}{
		{"success", sfbackuptest.Outcome{Accepted: -1, Running: -1}, 0, ""},
		{
			"failure",
			sfbackuptest.Outcome{Accepted: -1, Running: -1, Code: "FABRIC_E_BACKUPCOPIER_ACCESS_DENIED", Message: "No."},
			1, "sfbackup: the backup ended with Failure: FABRIC_E_BACKUPCOPIER_ACCESS_DENIED: No.\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cluster.SetOutcome(cluster.Partitions()[0], tt.outcome)
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), []string{"-endpoint", server.URL, "-partition", partition}, &stdout, &stderr)
			if code != tt.code || stderr.String() != tt.stderr {
				t.Errorf("exit code %d, %q\n%s", code, &stderr, &stdout)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	stdout := writerFunc(func(p []byte) {
		if bytes.Contains(p, []byte("Accepted")) {
			cancel(errors.New("interrupt signal received"))
		}
	})
	var stderr bytes.Buffer
	if code := run(ctx, nil, stdout, &stderr); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if text := stderr.String(); !strings.HasPrefix(text, "sfbackup: waiting for the backup of partition ") ||
		!strings.HasSuffix(text, ": last state Accepted: context canceled: interrupt signal received\n") {
		t.Errorf("got %q", text)
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args string
		code int
		want string // in the output
	}{
		{"-h", 0, "-partition ID"},
		{"-nonsense", 2, "-partition ID"},
		{"argument", 2, "or no arguments"},
		{"-endpoint http://localhost", 2, "or no arguments"},
		{"-endpoint http://localhost -partition P0", 2, `-partition: "P0" is not a partition ID`},
		{"-cert c.pem", 2, "or no arguments"},
		{"-endpoint https://localhost -partition 1daae3f5-7fd6-42e9-b1ba-8c05f873994d -key k.pem", 2, "-key needs -cert"},
		{"-endpoint https://localhost -partition 1daae3f5-7fd6-42e9-b1ba-8c05f873994d -thumbprint x", 2, "is not a thumbprint"},
		{"-endpoint= -partition=", 2, "is not a partition ID"},
		{"-endpoint http://localhost -partition 00000000-0000-0000-0000-000000000000", 2, "is not a partition ID"},
		{"-endpoint localhost -partition 1daae3f5-7fd6-42e9-b1ba-8c05f873994d", 2, `has to begin with "http://"`},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), strings.Fields(tt.args), &stdout, &stderr); code != tt.code || !strings.Contains(stderr.String(), tt.want) {
			t.Errorf("%s: exit code %d, %q", tt.args, code, &stderr)
		}
	}
}
