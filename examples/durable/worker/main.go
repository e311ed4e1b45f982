// Command worker backs up the partitions of one cluster for workflows of Temporal. Run as many as you like.
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/servicefabric-go/backup/examples/internal/credentials"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/servicefabric-go/backup/examples/durable"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

func run() error {
	temporal := flag.String("temporal", "localhost:7233", "the `address` of the Temporal server")
	namespace := flag.String("namespace", "default", "the `namespace` of Temporal")
	cluster := flag.String("cluster", "demo", "the `name` of the cluster, in the task queue and the ids of workflows")
	endpoint := flag.String("endpoint", "", "the `URL` of the cluster's HTTP gateway")
	timeout := flag.Duration("timeout", 0, "how `long` a backup may take; 0 is the server's 10 minutes")
	rate := flag.Float64("rate", 50, "how many `requests` a second all workers of the cluster send together")
	hold := flag.Duration("hold", 2*time.Minute, "for how `long` the gateway holds a request at most")
	secured := credentials.Register(flag.CommandLine)
	flag.Parse()

	options, err := secured.Options()
	if err != nil {
		return err
	}
	gateway, err := sfbackup.NewClient(*endpoint, append(options, sfbackup.WithGatewayHold(*hold))...)
	if err != nil {
		return err
	}
	engine, err := client.Dial(client.Options{HostPort: *temporal, Namespace: *namespace, Logger: log.NewStructuredLogger(slog.Default())})
	if err != nil {
		return err
	}
	defer engine.Close()
	w := worker.New(engine, durable.TaskQueue(*cluster), worker.Options{TaskQueueActivitiesPerSecond: *rate})
	durable.Register(w, &durable.Activities{Client: gateway, Options: sfbackup.BackupOptions{Timeout: *timeout}})
	return w.Run(worker.InterruptCh())
}
