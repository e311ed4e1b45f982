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

// endpointRest is longer than the time for which an endpoint that failed is not used.
const endpointRest = 31 * time.Second

var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

// nodes is a transport to the nodes of a cluster. It records where requests are sent.
type nodes struct {
	cluster *sfbackuptest.Cluster
	down    map[string]error // the errors of requests to a node, or "POST " and a node
	hosts   []string         // of all requests
	starts  []string         // the hosts of requests that start a backup
	bodies  []string
}

func (n *nodes) RoundTrip(req *http.Request) (*http.Response, error) {
	n.hosts = append(n.hosts, req.URL.Host)
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
	client := newClientAt(t, "http://node1:19080",
		sfbackup.WithHTTPClient(&http.Client{Transport: n}),
		sfbackup.WithEndpoints("http://node2:19080", "http://node3:19080/"))
	return client, n
}

// A client keeps using one endpoint, and clients begin with different ones.
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
		if len(slices.Compact(n.hosts)) != 1 {
			t.Errorf("requests to %v", n.hosts)
		}
		first[n.hosts[0]] = true
	}
	if len(first) != 3 {
		t.Errorf("clients begin with %v", first)
	}
}

// If an endpoint is down, a request goes on to another one, and the endpoint is not used for half a minute. So
// does a start, because nothing of it was sent; its body is sent in full.
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
		if n.hosts[len(n.hosts)-1] != "node3:19080" {
			t.Errorf("requests to %v", n.hosts)
		}
		n.hosts = nil
		for range 3 {
			if _, err := client.BackupProgress(t.Context(), partition1); err != nil {
				t.Error(err)
			}
		}
		if !slices.Equal(n.hosts, []string{"node3:19080", "node3:19080", "node3:19080"}) {
			t.Errorf("requests to %v", n.hosts)
		}
		// After half a minute, endpoints that failed are tried again.
		delete(n.down, "node1:19080")
		n.down["node3:19080"] = errRefused
		time.Sleep(endpointRest)
		n.hosts = nil
		if _, err := client.BackupProgress(t.Context(), partition1); err != nil || n.hosts[0] != "node3:19080" || n.hosts[len(n.hosts)-1] != "node1:19080" {
			t.Errorf("%v, requests to %v", err, n.hosts)
		}
		// When all endpoints are down, an attempt tries each of them once, and the error gives the reason.
		for _, host := range []string{"node1:19080", "node2:19080", "node3:19080"} {
			n.down[host] = errRefused
		}
		n.hosts, n.starts = nil, nil
		err := client.BackupPartition(t.Context(), partition1, nil)
		if !errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, sfbackup.ErrOutcomeUnknown) || len(n.starts) != 4*3 || len(n.hosts) != 2*4*3 {
			t.Errorf("%v, requests to %v", err, n.hosts)
		}
	})
}

// A start that may have been sent goes on to another endpoint only once its outcome is known. Requests that only
// read do so at once.
func TestEndpointBreaksConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, n := newNodes(t)
		for _, host := range []string{"node1:19080", "node2:19080", "node3:19080"} {
			n.down["POST "+host] = io.EOF
		}
		err := client.BackupPartition(t.Context(), partition1, nil)
		if !errors.Is(err, io.EOF) || errors.Is(err, sfbackup.ErrOutcomeUnknown) || len(n.starts) != 4 || len(slices.Compact(n.starts)) != 4 {
			t.Errorf("%v, requests to %v", err, n.starts)
		}
		// No endpoint returns the progress.
		n.starts = nil
		for _, host := range []string{"node1:19080", "node2:19080", "node3:19080"} {
			n.down[host] = io.EOF
		}
		err = client.BackupPartition(t.Context(), partition1, nil)
		if !errors.Is(err, io.EOF) || !errors.Is(err, sfbackup.ErrOutcomeUnknown) || len(n.starts) != 1 {
			t.Errorf("%v, requests to %v", err, n.starts)
		}
		time.Sleep(endpointRest)
		n.hosts, n.down = nil, map[string]error{}
		if _, err := client.BackupProgress(t.Context(), partition1); !errors.Is(err, sfbackup.ErrNoBackup) || len(n.hosts) != 1 {
			t.Errorf("%v, requests to %v", err, n.hosts)
		}
		// An endpoint whose connection broke is not used for half a minute.
		broken := n.hosts[0]
		n.hosts, n.down = nil, map[string]error{broken: io.EOF}
		for range 2 {
			if _, err := client.BackupProgress(t.Context(), partition1); !errors.Is(err, sfbackup.ErrNoBackup) {
				t.Error(err)
			}
		}
		if len(n.hosts) != 3 || n.hosts[0] != broken || slices.Contains(n.hosts[1:], broken) {
			t.Errorf("requests to %v after %s", n.hosts, broken)
		}
		// The endpoint itself may be the cause of a 502, so the next attempt uses another one.
		n.hosts = nil
		n.cluster.Script(t, sfbackuptest.Answer(http.StatusBadGateway, ""))
		if _, err := client.BackupProgress(t.Context(), partition1); !errors.Is(err, sfbackup.ErrNoBackup) || len(n.hosts) != 2 || n.hosts[0] == n.hosts[1] {
			t.Errorf("%v, requests to %v", err, n.hosts)
		}
	})
}

// Over sockets: one endpoint refuses connections, and the other responds.
func TestEndpointsOverSockets(t *testing.T) {
	t.Parallel()
	cluster := sfbackuptest.NewCluster()
	server := httptest.NewServer(cluster)
	defer server.Close()
	closed := httptest.NewServer(cluster)
	closed.Close()
	for range 10 {
		client := newClientAt(t, closed.URL, sfbackup.WithEndpoints(server.URL))
		err := client.BackupPartition(t.Context(), partition1, nil)
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

// A start is sent on a reused connection that breaks before the response. Package net/http does not send it
// again, because it may have taken effect. The client does, once it knows that it has not.
func TestStartOnReusedConnection(t *testing.T) {
	t.Parallel()
	for fault, starts := range map[*sfbackuptest.Fault]int{
		new(sfbackuptest.Reset()): 2, new(sfbackuptest.HangUp()): 2, new(sfbackuptest.Reset().AfterEffect()): 1, new(sfbackuptest.HangUp().AfterEffect()): 1,
	} {
		for _, opts := range []*sfbackup.BackupOptions{nil, {Storage: &sfbackup.FileShare{Path: `\\server\share`}}} {
			cluster := sfbackuptest.NewCluster()
			client := newClientAt(t, newServer(t, cluster).URL)
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
