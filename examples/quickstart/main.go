// Command quickstart backs up one partition and lists its backups by chain.
//
//	go run ./examples/quickstart                                    # against a cluster in memory
//	go run ./examples/quickstart -endpoint URL -partition ID        # against a real cluster
//
// A secured cluster needs -cert or -token-env, and -ca or -thumbprint; -h describes them.
//
// The exit code is 0 if the backup succeeded, 1 if it failed or the wait for it ended early, and 2 if the
// arguments are wrong. An interrupt ends the wait, but does not stop the backup.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/examples/internal/credentials"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, "Backs up one partition and lists its backups. Without flags it uses a cluster in memory.\n\n")
		flags.PrintDefaults()
	}
	endpoint := flags.String("endpoint", "", "the `URL` of a cluster's HTTP gateway (default: a cluster in memory)")
	id := flags.String("partition", "", "the `ID` of the partition to back up")
	secured := credentials.Register(flags)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0 || !complete(flags):
		fmt.Fprintln(stderr, "quickstart: give both -endpoint and -partition, or no arguments")
		return 2
	}

	var partition uuid.UUID
	if flags.NFlag() == 0 {
		cluster := newCluster()
		server, err := sfbackuptest.NewServer(cluster)
		if err != nil {
			fmt.Fprintln(stderr, "quickstart:", err)
			return 1
		}
		defer server.Close()
		fmt.Fprintf(stdout, "a cluster in memory listens on %s\n", server.URL)
		*endpoint, partition = server.URL, cluster.Partitions()[0]
	} else {
		var err error
		if partition, err = uuid.Parse(*id); err != nil || partition == uuid.Nil {
			fmt.Fprintf(stderr, "quickstart: -partition: %q is not a partition ID\n", *id)
			return 2
		}
	}

	opts, err := secured.Options()
	if err != nil {
		fmt.Fprintln(stderr, "quickstart:", err)
		return 2
	}
	client, err := sfbackup.NewClient(*endpoint, opts...)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	if err := backup(ctx, client, partition, stdout); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// complete reports whether the flags select a cluster: a real one, or without any flags the one in memory.
// A flag with an empty value counts as given, so that it is reported as a mistake.
func complete(flags *flag.FlagSet) bool {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return len(given) == 0 || given["endpoint"] && given["partition"]
}

// backup makes a backup and prints all backups.
func backup(ctx context.Context, client *sfbackup.Client, partition uuid.UUID, out io.Writer) error {
	fmt.Fprintf(out, "backing up partition %s\n", partition)
	start := time.Now()
	var state sfbackup.BackupState
	progress, err := client.BackupAndWait(ctx, partition, nil, &sfbackup.WaitOptions{
		MinDelay: 500 * time.Millisecond, // to see the states of the short backups of the cluster in memory
		OnProgress: func(p *sfbackup.Progress) error {
			if p.BackupState != state {
				state = p.BackupState
				fmt.Fprintf(out, "  %5.1f s  %s\n", time.Since(start).Seconds(), state)
			}
			return nil
		},
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "backup %s ends at LSN %d and is stored at\n  %s\n",
		progress.BackupID, progress.LSNOfLastBackupRecord, progress.BackupLocation)

	var backups []sfbackup.Backup
	for b, err := range client.PartitionBackups(ctx, partition, nil) {
		if err != nil {
			return err
		}
		backups = append(backups, b)
	}
	return printChains(out, backups)
}

// printChains prints backups by chain, oldest first.
func printChains(out io.Writer, backups []sfbackup.Backup) error {
	// The order of the list is not specified.
	slices.SortFunc(backups, func(a, b sfbackup.Backup) int {
		return cmp.Or(a.CreationTimeUTC.Compare(b.CreationTimeUTC), cmp.Compare(a.LSNOfLastBackupRecord, b.LSNOfLastBackupRecord))
	})
	var order []uuid.UUID
	chains := map[uuid.UUID][]sfbackup.Backup{}
	for _, b := range backups {
		if chains[b.BackupChainID] == nil {
			order = append(order, b.BackupChainID)
		}
		chains[b.BackupChainID] = append(chains[b.BackupChainID], b)
	}
	fmt.Fprintf(out, "\n%d backups in %d chains\n\n", len(backups), len(chains))
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CHAIN\tTYPE\tTIME (UTC)\tLSN\tLOCATION")
	for _, id := range order {
		name := id.String()[:8]
		for _, b := range chains[id] {
			fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n",
				name, b.BackupType, b.CreationTimeUTC.Format(time.DateTime), b.LSNOfLastBackupRecord, b.BackupLocation)
			name = ""
		}
	}
	return table.Flush()
}

// newCluster returns a cluster with a partition that has a backup every eight hours, of which one a day is
// full.
func newCluster() *sfbackuptest.Cluster {
	yesterday := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -1)
	return sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.Service{
		Name:            "fabric:/CalcApp/CalcService",
		ManifestVersion: "1.0.0",
		Partitions: []sfbackuptest.Partition{{
			Kind:    sfbackuptest.PartitionKindInt64Range,
			Backups: sfbackuptest.Chain(yesterday.Add(-21*time.Hour), 8*time.Hour, 3, 5),
		}},
	}))
}
