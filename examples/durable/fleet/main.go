// Command fleet starts the backup of many partitions with Temporal, and reports how far it is. It can be interrupted:
// the workflows go on, and the next call with the same -run reports them.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/servicefabric-go/backup/examples/durable"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	temporal := flag.String("temporal", "localhost:7233", "the `address` of the Temporal server")
	namespace := flag.String("namespace", "default", "the `namespace` of Temporal")
	cluster := flag.String("cluster", "demo", "the `name` of the cluster, as the workers have it")
	name := flag.String("run", time.Now().UTC().Format("20060102T150405"), "the `name` of this run; one that exists is only reported")
	concurrency := flag.Int("concurrency", 64, "back up `N` partitions at a time")
	demo := flag.Bool("demo", false, "back up the partitions of a cluster in memory, with a worker in this process")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "fleet [flags] [partition ...], or the partitions as lines of standard input\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()

	engine, err := client.DialContext(ctx, client.Options{HostPort: *temporal, Namespace: *namespace, Logger: quiet})
	if err != nil {
		return err
	}
	defer engine.Close()
	var partitions []uuid.UUID
	if *demo {
		var stop func()
		if partitions, stop, err = startDemo(engine, *cluster); err == nil {
			defer stop()
		}
	} else {
		partitions, err = read(flag.Args(), os.Stdin)
	}
	if err != nil {
		return err
	}

	var runs []client.WorkflowRun
	for part := range slices.Chunk(partitions, durable.MaxFleet) {
		run, err := engine.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
			ID:                       fmt.Sprintf("sfbackup/%s/fleet/%s/%d", *cluster, *name, len(runs)),
			TaskQueue:                durable.TaskQueue(*cluster),
			WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
			WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		}, durable.BackupFleet, durable.Fleet{Cluster: *cluster, Partitions: part, Concurrency: *concurrency})
		if err != nil {
			return err
		}
		runs = append(runs, run)
	}
	unsuccessful := 0
	for _, run := range runs {
		summary, err := follow(ctx, engine, run)
		if err != nil {
			return err
		}
		for _, problem := range summary.Problems {
			fmt.Fprintf(os.Stderr, "%s: %s: %s\n", problem.Partition, problem.State, problem.Reason)
		}
		unsuccessful += summary.Failed + summary.Unknown
	}
	if unsuccessful > 0 {
		return fmt.Errorf("%d backups did not end with success", unsuccessful)
	}
	return nil
}

// quiet shows no messages of the engine's client, of which a lost connection makes many.
var quiet = log.NewStructuredLogger(slog.New(slog.DiscardHandler))

// startDemo starts a cluster in memory and a worker for it.
func startDemo(engine client.Client, cluster string) (partitions []uuid.UUID, stop func(), err error) {
	simulated := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.LargeCluster(10, 10, 3)...))
	server, err := sfbackuptest.NewServer(simulated)
	if err != nil {
		return nil, nil, err
	}
	gateway, err := sfbackup.NewClient(server.URL)
	if err != nil {
		return nil, nil, err
	}
	w := worker.New(engine, durable.TaskQueue(cluster), worker.Options{})
	durable.Register(w, &durable.Activities{Client: gateway})
	if err := w.Start(); err != nil {
		return nil, nil, err
	}
	return simulated.Partitions(), func() { w.Stop(); server.Close() }, nil
}

// follow shows how far a fleet is until it has ended.
func follow(ctx context.Context, engine client.Client, run client.WorkflowRun) (summary durable.Summary, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = run.Get(ctx, &summary)
	}()
	for ticker := time.NewTicker(2 * time.Second); ; {
		var now durable.Summary
		select {
		case <-done:
			show(run, summary)
			return summary, err
		case <-ticker.C:
			if value, err := engine.QueryWorkflow(ctx, run.GetID(), "", durable.SummaryQuery); err == nil && value.Get(&now) == nil {
				show(run, now)
			}
		}
	}
}

func show(run client.WorkflowRun, s durable.Summary) {
	fmt.Printf("%s: %d partitions, %d in progress, %d succeeded, %d failed, %d unknown\n", run.GetID(), s.Total, s.Running, s.Succeeded, s.Failed, s.Unknown)
}

// read reads partitions from arguments or lines. One that is given twice is backed up once.
func read(args []string, in io.Reader) (partitions []uuid.UUID, err error) {
	if len(args) == 0 {
		for lines := bufio.NewScanner(in); lines.Scan(); {
			if line := strings.TrimSpace(lines.Text()); line != "" {
				args = append(args, line)
			}
		}
	}
	seen := map[uuid.UUID]bool{}
	for _, arg := range args {
		id, err := uuid.Parse(arg)
		if err != nil {
			return nil, fmt.Errorf("%q is no partition", arg)
		}
		if !seen[id] {
			partitions = append(partitions, id)
		}
		seen[id] = true
	}
	if len(partitions) == 0 {
		return nil, errors.New("there are no partitions")
	}
	return partitions, nil
}
