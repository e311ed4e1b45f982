package durable_test

import (
	"flag"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/server/temporaltest"

	"github.com/servicefabric-go/backup/examples/durable"
)

var (
	fleetPartitions = flag.Int("durable.fleet", 100, "how many partitions the throughput test backs up")
	fleetWorkers    = flag.Int("durable.workers", 2, "with how many workers")
)

// A fleet backs up as many partitions as BackupMany does, over several histories. The log has how long each took.
func TestThroughput(t *testing.T) {
	const concurrency = 256
	newCluster := func() (*sfbackuptest.Cluster, *sfbackup.Client) {
		cluster := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.LargeCluster(*fleetPartitions/10, 10, 1)...))
		for _, partition := range cluster.Partitions() {
			cluster.SetOutcome(partition, sfbackuptest.Outcome{Accepted: -1, Running: 5 * time.Second})
		}
		gateway, err := sfbackup.NewClient("http://localhost:19080", sfbackup.WithHTTPClient(&http.Client{Transport: cluster.Transport()}))
		if err != nil {
			t.Fatal(err)
		}
		return cluster, gateway
	}

	cluster, gateway := newCluster()
	began := time.Now()
	results, err := gateway.BackupMany(t.Context(), slices.Values(cluster.Partitions()), &sfbackup.BackupManyOptions{Concurrency: concurrency})
	if err != nil {
		t.Fatal(err)
	}
	for partition, r := range results {
		if r.Err != nil {
			t.Errorf("%s: %v", partition, r.Err)
		}
	}
	many := time.Since(began)

	cluster, gateway = newCluster()
	engine := temporaltest.NewServer()
	defer engine.Stop()
	for range *fleetWorkers {
		w := worker.New(engine.GetDefaultClient(), durable.TaskQueue(clusterName), worker.Options{})
		durable.Register(w, &durable.Activities{Client: gateway})
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		defer w.Stop()
	}
	began = time.Now()
	run, err := engine.GetDefaultClient().ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "fleet", TaskQueue: durable.TaskQueue(clusterName)},
		durable.BackupFleet, durable.Fleet{Cluster: clusterName, Partitions: cluster.Partitions(), Concurrency: concurrency, Batch: max(40, *fleetPartitions/4)})
	if err != nil {
		t.Fatal(err)
	}
	var summary durable.Summary
	if err := run.Get(t.Context(), &summary); err != nil {
		t.Fatal(err)
	}
	if n := starts(cluster); summary.Succeeded != *fleetPartitions || n != *fleetPartitions {
		t.Errorf("%d starts, %+v", n, summary)
	}
	events := 0
	for it := engine.GetDefaultClient().GetWorkflowHistory(t.Context(), durable.WorkflowID(clusterName, cluster.Partitions()[0]), "", false, 0); it.HasNext(); events++ {
		if _, err := it.Next(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d partitions: BackupMany %v, %d workers %v; %d requests, %d events in the history of a partition", *fleetPartitions,
		many.Round(time.Second), *fleetWorkers, time.Since(began).Round(time.Second), len(cluster.Requests()), events)
}
