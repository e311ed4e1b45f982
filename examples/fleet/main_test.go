package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// start runs the command and returns its exit code and what it wrote.
func start(t *testing.T, in string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, streams{in: strings.NewReader(in), out: &out, err: &err})
	return code, out.String(), err.String()
}

func TestAgainstTheClusterInMemory(t *testing.T) {
	t.Parallel()
	for _, terminal := range []bool{false, true} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"-concurrency", "150"}, streams{strings.NewReader(""), &stdout, &stderr, terminal})
		if code != 1 {
			t.Errorf("exit code %d", code)
		}
		text := stdout.String()
		const counts = `\d+ of 300 ended, \d+ under way, \d+ failed`
		if terminal {
			// A line is always gone before the next one is written.
			redrawn := regexp.MustCompile(counts + "\r\x1b\\[K")
			if !redrawn.MatchString(text) {
				t.Errorf("nothing changes in %q", text)
			}
			text = redrawn.ReplaceAllString(text, "")
		} else {
			text = regexp.MustCompile("(?m)^"+counts+"\n").ReplaceAllString(text, "")
		}
		want := regexp.MustCompile(`^a cluster in memory answers at http://127\.0\.0\.1:\d+
289 of 300 partitions backed up in \d+\.\d s
     8  FABRIC_E_BACKUPCOPIER_ACCESS_DENIED
     3  FABRIC_E_BACKUPCOPIER_TIMEOUT
$`)
		if !want.MatchString(text) {
			t.Errorf("got %q", text)
		}
		failure := regexp.MustCompile(`(?m)^[0-9a-f-]{36}: sfbackup: the backup ended with Failure: FABRIC_E_BACKUPCOPIER_[A-Z_]+: The share [a-z ]+\.\n`)
		if n := len(failure.FindAllString(stderr.String(), -1)); n != 11 || failure.ReplaceAllString(stderr.String(), "") != "" {
			t.Errorf("%d failures in\n%s", n, &stderr)
		}
	}
}

func TestAgainstAnEndpoint(t *testing.T) {
	t.Parallel()
	const (
		first   = "1daae3f5-7fd6-42e9-b1ba-8c05f873994d"
		second  = "81645ec7-d260-4c59-9533-8f129bde8e83"
		unknown = "00000000-0000-4000-8000-000000000000"
	)
	for _, tt := range []struct {
		name, in string
		args     []string
		code     int
		stderr   string
		stdout   string // how it ends
	}{
		{"arguments", "", []string{first, second}, 0, "", "2 of 2 partitions backed up"},
		{"lines", "# of CalcService\n" + first + "\n\n  " + second + "  # the second\n" + first, nil, 0, "", "2 of 2 partitions backed up"},
		{"a failure", "", []string{unknown, first}, 1, unknown + ": sfbackup: BackupPartition: 404 FABRIC_E_PARTITION_NOT_FOUND", "1 of 2 partitions backed up"},
		{"no partition in the lines", "#\n", nil, 2, "give partitions", ""},
		{"no partition", "", []string{first, "P0"}, 2, `argument 2: "P0" is not the identity of a partition`, ""},
		{"a line that is none", first + "\n" + strings.Repeat("0", 32), nil, 2, "line 2: ", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cluster := sfbackuptest.NewCluster()
			for _, id := range cluster.Partitions() {
				cluster.SetOutcome(id, sfbackuptest.Outcome{Accepted: -1, Running: -1})
			}
			server := httptest.NewServer(cluster)
			defer server.Close()
			code, stdout, stderr := start(t, tt.in, append([]string{"-endpoint", server.URL}, tt.args...)...)
			if code != tt.code || !strings.HasPrefix(strings.TrimPrefix(stderr, "fleet: "), tt.stderr) || tt.stderr == "" && stderr != "" {
				t.Errorf("exit code %d, %q", code, stderr)
			}
			if !strings.Contains(stdout, tt.stdout) {
				t.Errorf("got %q", stdout)
			}
			if n := len(cluster.Requests()); tt.code == 2 && n > 0 {
				t.Errorf("%d requests were sent", n)
			}
		})
	}
}

// Every partition is told of, whether its backup was under way or not even started.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	cluster := newCluster()
	for _, id := range cluster.Partitions() {
		cluster.SetOutcome(id, sfbackuptest.Outcome{Running: time.Hour})
	}
	var looks atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && looks.Add(1) == 100 { // at most 64 of them before a start
			cancel(errors.New("interrupt signal received"))
		}
		cluster.ServeHTTP(w, r)
	}))
	defer server.Close()
	ids := make([]string, 0, 300)
	for _, id := range cluster.Partitions() {
		ids = append(ids, id.String())
	}

	var stdout, stderr bytes.Buffer
	code := run(ctx, append([]string{"-endpoint", server.URL}, ids...), streams{strings.NewReader(""), &stdout, &stderr, true})
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	if text := stdout.String(); !strings.Contains(text, "0 of 300 partitions backed up") || !strings.HasSuffix(text, "   300  interrupted\n") {
		t.Errorf("got %q", text)
	}
	states := map[string]int{}
	for line := range strings.Lines(stderr.String()) {
		if !strings.HasSuffix(line, ": context canceled: interrupt signal received\n") {
			t.Errorf("got %q", line)
		}
		for _, state := range []string{"was not started", "last state Accepted", "not known whether"} {
			if strings.Contains(line, state) {
				states[state]++
			}
		}
	}
	// 16 can be asking just then, be it for a start.
	if states["was not started"] < 300-64 || states["last state Accepted"] < 100-64-16 || states["not known whether"] > 16 {
		t.Errorf("got %v of\n%s", states, &stderr)
	}
	for _, id := range ids {
		if n := strings.Count(stderr.String(), id); n != 1 {
			t.Errorf("partition %s is told of %d times", id, n)
		}
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args string
		code int
		want string // in what is printed
	}{
		{"-h", 0, "-concurrency N"},
		{"-nonsense", 2, "-concurrency N"},
		{"-concurrency 0", 2, "0 at a time is none"},
		{"1daae3f5-7fd6-42e9-b1ba-8c05f873994d", 2, "give -endpoint too"},
		{"-cert client.pem", 2, "give -endpoint too"},
		{"-endpoint https://localhost -key client.key 1daae3f5-7fd6-42e9-b1ba-8c05f873994d", 2, "-key needs -cert"},
		{"-endpoint= 1daae3f5-7fd6-42e9-b1ba-8c05f873994d", 2, `has to begin with "http://"`},
		{"-endpoint localhost 1daae3f5-7fd6-42e9-b1ba-8c05f873994d", 2, `has to begin with "http://"`},
		{"-endpoint http://localhost 00000000-0000-0000-0000-000000000000", 2, "is not the identity"},
	} {
		code, _, stderr := start(t, "", strings.Fields(tt.args)...)
		if code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit code %d, %q", tt.args, code, stderr)
		}
	}

	var stderr bytes.Buffer
	broken := io.MultiReader(strings.NewReader("#\n"), errorReader{})
	if code := run(t.Context(), []string{"-endpoint", "http://localhost"}, streams{in: broken, out: io.Discard, err: &stderr}); code != 2 ||
		stderr.String() != "fleet: standard input: it broke\n" {
		t.Errorf("exit code %d, %q", code, &stderr)
	}
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, errors.New("it broke") }
