package durable_test

import (
	"context"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/servicefabric-go/backup/examples/durable"
)

// The Temporal server is killed in the middle of a fleet and started again with the same database. The fleet goes on.
func TestRestartOfTheEngine(t *testing.T) {
	binary, err := exec.LookPath("temporal")
	if err != nil {
		t.Skip("this test needs the Temporal CLI: go install github.com/temporalio/cli/cmd/temporal@v1.5.1")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not block
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	_ = listener.Close()
	database := filepath.Join(t.TempDir(), "temporal.db")
	startServer := func() *exec.Cmd {
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary, "server", "start-dev", "--headless", "--port", port, "--db-filename", database)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	stopServer := func(cmd *exec.Cmd) {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // the error says that it was killed
	}
	server := startServer()
	defer func() { stopServer(server) }()

	cluster := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.LargeCluster(4, 10, 1)...))
	for _, partition := range cluster.Partitions() {
		cluster.SetOutcome(partition, sfbackuptest.Outcome{Accepted: -1, Running: 5 * time.Second})
	}
	gateway, err := sfbackup.NewClient("http://localhost:19080", sfbackup.WithHTTPClient(&http.Client{Transport: cluster.Transport()}))
	if err != nil {
		t.Fatal(err)
	}
	engine := dial(t, address)
	defer engine.Close()
	w := worker.New(engine, durable.TaskQueue(clusterName), worker.Options{})
	durable.Register(w, &durable.Activities{Client: gateway})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	run, err := engine.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "fleet", TaskQueue: durable.TaskQueue(clusterName)},
		durable.BackupFleet, durable.Fleet{Cluster: clusterName, Partitions: cluster.Partitions(), Concurrency: 10, Pace: pace})
	if err != nil {
		t.Fatal(err)
	}
	for starts(cluster) < 15 {
		time.Sleep(50 * time.Millisecond)
	}
	stopServer(server)
	time.Sleep(time.Second)
	server = startServer()
	var summary durable.Summary
	for {
		if err = run.Get(t.Context(), &summary); err == nil || t.Context().Err() != nil {
			break
		}
		t.Log(err) // the server is not back yet
		time.Sleep(time.Second)
	}
	if n := starts(cluster); err != nil || summary.Succeeded != 40 || n != 40 {
		t.Errorf("%d starts, %+v, %v", n, summary, err)
	}
}

// dial connects to a server that is starting.
func dial(t *testing.T, address string) client.Client {
	t.Helper()
	for tries := 0; ; tries++ {
		engine, err := client.DialContext(t.Context(), client.Options{HostPort: address})
		if err == nil {
			return engine
		}
		if tries == 300 {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// starts returns how many starts a cluster has received.
func starts(cluster *sfbackuptest.Cluster) (n int) {
	for _, r := range cluster.Requests() {
		if r.Operation == sfbackuptest.OpBackupPartition {
			n++
		}
	}
	return n
}
