package sfbackup_test

import (
	"cmp"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// endpointRest is longer than an endpoint that failed is left alone.
const endpointRest = 31 * time.Second

var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

// nodes is a transport to the nodes of a cluster. It notes where requests went.
type nodes struct {
	cluster *sfbackuptest.Cluster
	down    map[string]error // what a node fails with, or "POST " and a node
	asked   []string
	starts  []string // where requests that start a backup went
	bodies  []string
}

func (n *nodes) RoundTrip(req *http.Request) (*http.Response, error) {
	n.asked = append(n.asked, req.URL.Host)
	if req.Method == http.MethodPost {
		n.starts = append(n.starts, req.URL.Host)
	}
	if err := cmp.Or(n.down[req.URL.Host], n.down[req.Method+" "+req.URL.Host]); err != nil {
		return nil, err
	}
	if req.Body != nil {
		body, _ := io.ReadAll(req.Body)
		n.bodies = append(n.bodies, string(body))
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(strings.NewReader(string(body)))
	}
	return n.cluster.Transport().RoundTrip(req)
}

func newNodes(t *testing.T) (*sfbackup.Client, *nodes) {
	t.Helper()
	n := &nodes{cluster: sfbackuptest.NewCluster(), down: map[string]error{}}
	client, err := sfbackup.NewClient("http://node1:19080",
		sfbackup.WithHTTPClient(&http.Client{Transport: n}),
		sfbackup.WithEndpoints("http://node2:19080", "http://node3:19080/"))
	if err != nil {
		t.Fatal(err)
	}
	return client, n
}

// A client stays with one endpoint, and clients begin at different ones.
func TestClientsSpreadOverEndpoints(t *testing.T) {
	t.Parallel()
	first := map[string]bool{}
	for range 100 {
		client, n := newNodes(t)
		for range 3 {
			if _, err := client.BackupProgress(t.Context(), partition1); !errors.Is(err, sfbackup.ErrNoBackup) {
				t.Fatal(err)
			}
		}
		if len(slices.Compact(n.asked)) != 1 {
			t.Errorf("asked %v", n.asked)
		}
		first[n.asked[0]] = true
	}
	if len(first) != 3 {
		t.Errorf("begins at %v", first)
	}
}

// A request moves on from an endpoint that is down, which is then left alone for half a minute. A
// start does so too, since nothing of it was sent; and its body is whole.
func TestEndpointDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, n := newNodes(t)
		n.down["node1:19080"], n.down["node2:19080"] = errRefused, errRefused
		start := time.Now()
		if err := client.BackupPartition(t.Context(), partition1, &sfbackup.BackupOptions{Storage: &sfbackup.FileShare{Path: "p"}}); err != nil {
			t.Fatal(err)
		}
		if time.Since(start) > 0 || len(n.bodies) != 1 || !strings.Contains(n.bodies[0], `"Path":"p"`) {
			t.Errorf("after %v, bodies %q", time.Since(start), n.bodies)
		}
		if n.asked[len(n.asked)-1] != "node3:19080" {
			t.Errorf("asked %v", n.asked)
		}
		n.asked = nil
		for range 3 {
			if _, err := client.BackupProgress(t.Context(), partition1); err != nil {
				t.Error(err)
			}
		}
		if !slices.Equal(n.asked, []string{"node3:19080", "node3:19080", "node3:19080"}) {
			t.Errorf("asked %v", n.asked)
		}
		// They are asked again when it has to be.
		delete(n.down, "node1:19080")
		n.down["node3:19080"] = errRefused
		time.Sleep(endpointRest)
		n.asked = nil
		if _, err := client.BackupProgress(t.Context(), partition1); err != nil || n.asked[0] != "node3:19080" || n.asked[len(n.asked)-1] != "node1:19080" {
			t.Errorf("%v, asked %v", err, n.asked)
		}
		// When all are down, each is asked once in an attempt, and the error says why.
		for _, host := range []string{"node1:19080", "node2:19080", "node3:19080"} {
			n.down[host] = errRefused
		}
		n.asked, n.starts = nil, nil
		err := client.BackupPartition(t.Context(), partition1, nil)
		if !errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, sfbackup.ErrOutcomeUnknown) || len(n.starts) != 4*3 || len(n.asked) != 2*4*3 {
			t.Errorf("%v, asked %v", err, n.asked)
		}
	})
}

// A start that may have been sent goes nowhere else before it is known what became of it; what only reads
// is tried elsewhere.
func TestEndpointBreaksConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, n := newNodes(t)
		for _, host := range []string{"node1:19080", "node2:19080", "node3:19080"} {
			n.down["POST "+host] = io.EOF
		}
		err := client.BackupPartition(t.Context(), partition1, nil)
		if !errors.Is(err, io.EOF) || errors.Is(err, sfbackup.ErrOutcomeUnknown) || len(n.starts) != 4 || len(slices.Compact(n.starts)) != 4 {
			t.Errorf("%v, asked %v", err, n.starts)
		}
		// Nobody tells what became of it.
		n.starts = nil
		for _, host := range []string{"node1:19080", "node2:19080", "node3:19080"} {
			n.down[host] = io.EOF
		}
		err = client.BackupPartition(t.Context(), partition1, nil)
		if !errors.Is(err, io.EOF) || !errors.Is(err, sfbackup.ErrOutcomeUnknown) || len(n.starts) != 1 {
			t.Errorf("%v, asked %v", err, n.starts)
		}
		time.Sleep(endpointRest)
		n.asked, n.down = nil, map[string]error{}
		if _, err := client.BackupProgress(t.Context(), partition1); !errors.Is(err, sfbackup.ErrNoBackup) || len(n.asked) != 1 {
			t.Errorf("%v, asked %v", err, n.asked)
		}
		// What broke is left alone.
		broken := n.asked[0]
		n.asked, n.down = nil, map[string]error{broken: io.EOF}
		for range 2 {
			if _, err := client.BackupProgress(t.Context(), partition1); !errors.Is(err, sfbackup.ErrNoBackup) {
				t.Error(err)
			}
		}
		if len(n.asked) != 3 || n.asked[0] != broken || slices.Contains(n.asked[1:], broken) {
			t.Errorf("asked %v after %s", n.asked, broken)
		}
		// An answer that may be the endpoint's own.
		n.asked = nil
		n.cluster.Script(t, sfbackuptest.Answer(http.StatusBadGateway, ""))
		if _, err := client.BackupProgress(t.Context(), partition1); !errors.Is(err, sfbackup.ErrNoBackup) || len(n.asked) != 2 || n.asked[0] == n.asked[1] {
			t.Errorf("%v, asked %v", err, n.asked)
		}
	})
}

// Over real sockets: nobody listens at one endpoint, and the other answers.
func TestEndpointsOverSockets(t *testing.T) {
	t.Parallel()
	cluster := sfbackuptest.NewCluster()
	server := httptest.NewServer(cluster)
	defer server.Close()
	closed := httptest.NewServer(cluster)
	closed.Close()
	for range 10 {
		client, err := sfbackup.NewClient(closed.URL, sfbackup.WithEndpoints(server.URL))
		if err != nil {
			t.Fatal(err)
		}
		err = client.BackupPartition(t.Context(), partition1, nil)
		if err != nil && !errors.Is(err, sfbackup.CodeBackupInProgress) {
			t.Error(err)
		}
	}
	if got := posts(cluster); got != 10 {
		t.Errorf("%d starts", got)
	}
}

func TestMismatchedEndpoints(t *testing.T) {
	t.Parallel()
	for _, more := range [][]string{{"https://b"}, {"http://b/path"}, {"http://a"}, {"http://a:"}, {"http://b", "http://b"}, {"b"}, {"http://b?x"}} {
		if _, err := sfbackup.NewClient("http://a", sfbackup.WithEndpoints(more...)); err == nil || !strings.Contains(err.Error(), "WithEndpoints") {
			t.Errorf("%v: got %v", more, err)
		}
	}
	if _, err := sfbackup.NewClient("a", sfbackup.WithEndpoints("http://b")); err == nil || strings.Contains(err.Error(), "differ") {
		t.Errorf("got %v", err)
	}
}

// A start on a connection that was used before, and that breaks before there is an answer, is not sent again
// by the transport: it may have taken effect. It is sent again when it is known that it has not.
func TestStartOnReusedConnection(t *testing.T) {
	t.Parallel()
	for fault, starts := range map[*sfbackuptest.Fault]int{
		new(sfbackuptest.Reset()): 2, new(sfbackuptest.HangUp()): 2, new(sfbackuptest.Reset().AfterEffect()): 1, new(sfbackuptest.HangUp().AfterEffect()): 1,
	} {
		for _, opts := range []*sfbackup.BackupOptions{nil, {Storage: &sfbackup.FileShare{Path: `\\server\share`}}} {
			cluster := sfbackuptest.NewCluster()
			client, err := sfbackup.NewClient(newServer(t, cluster).URL)
			if err != nil {
				t.Fatal(err)
			}
			cluster.Script(t, fault.On(sfbackuptest.OpBackupPartition))
			if err := client.BackupPartition(t.Context(), partition1, opts); err != nil {
				t.Errorf("%s: %v", fault, err)
			}
			if n := posts(cluster); n != starts {
				t.Errorf("%s: %d starts", fault, n)
			}
			if p, err := client.BackupProgress(t.Context(), partition1); err != nil || p.BackupState == "" {
				t.Errorf("%s: %v", fault, err)
			}
		}
	}
}
