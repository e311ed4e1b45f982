package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

func TestInMemory(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), nil, &stdout, &stderr); code != 0 || stderr.Len() > 0 {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
	for _, want := range []string{
		"a cluster in memory, Documented: 0 violations\n", "a cluster in memory, Runtime: 0 violations\n",
		"parts of the document:\n",
		"operation GetPartitionBackupProgress 4\n",
		"status GetPartitionBackupProgress 4xx 1\n",
	} {
		if !strings.Contains(regexp.MustCompile(" +").ReplaceAllString(stdout.String(), " "), want) {
			t.Errorf("no %q in\n%s", want, &stdout)
		}
	}
}

func TestEndpoint(t *testing.T) {
	t.Setenv("SFBACKUP_TEST_TOKEN", "t0ken")
	security := sfbackuptest.NewCluster()
	security.AcceptToken("t0ken", sfbackuptest.RoleUser, time.Time{})
	secured, err := sfbackuptest.NewServer(security)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(secured.Close)
	cluster := sfbackuptest.NewCluster() // responds as a 6.4 cluster
	cluster.SetOutcome(cluster.Partitions()[0], sfbackuptest.Outcome{Accepted: -1, Running: -1})
	server := httptest.NewServer(cluster)
	defer server.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	const rest = " -partition 1daae3f5-7fd6-42e9-b1ba-8c05f873994d -service CalcApp/CalcService"
	for _, tt := range []struct {
		name, args string
		code       int
		stdout     string
		stderr     string
	}{
		{"the runtime document", "-endpoint " + server.URL + rest, 0, server.URL + ": 0 violations\n", ""},
		{
			"the documentation", "-documented -backup -endpoint " + server.URL + rest, 1,
			"GetPartitionBackupProgress: response /LsnOfLastBackupRecord: type: expected a string, found the number 850\n", "",
		},
		{"no response", "-endpoint " + closed.URL + rest, 1, ": 0 violations\n", "connection refused"},
		{"help", "-h", 0, "", "-partition ID"},
		{"an unknown flag", "-nonsense", 2, "", "-partition ID"},
		{"no partition", "-endpoint " + server.URL, 2, "", "or no flags at all"},
		{"a token", "-token-env SFBACKUP_TEST_TOKEN -endpoint " + secured.URL + rest, 0, ": 0 violations\n", ""},
		{"a token that is not set", "-token-env SFBACKUP_TEST_NONE -endpoint " + secured.URL + rest, 2, "", "SFBACKUP_TEST_NONE is not set"},
		{"a thumbprint without TLS", "-thumbprint " + strings.Repeat("00", 20) + " -endpoint " + server.URL + rest, 2, "", "need an endpoint that begins with"},
		{"an invalid endpoint", "-endpoint localhost" + rest, 2, "", `has to begin with "http://"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), strings.Fields(tt.args), &stdout, &stderr)
			if code != tt.code || !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("exit code %d\n%s\n%s", code, &stdout, &stderr)
			}
		})
	}
}
