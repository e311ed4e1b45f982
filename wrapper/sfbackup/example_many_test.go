package sfbackup_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// Back up the partitions of a cluster, eight at a time. A failed backup does not end the loop.
func ExampleClient_BackupMany() {
	cluster := sfbackuptest.NewCluster()
	partitions := cluster.Partitions()
	cluster.SetOutcome(partitions[0], sfbackuptest.Outcome{Accepted: -1, Running: -1})
	cluster.SetOutcome(partitions[1], sfbackuptest.Outcome{
		Accepted: -1, Running: -1, Code: string(sfbackup.CodeCopierAccessDenied), Message: "Access is denied.",
	})
	client, err := sfbackup.NewClient("http://localhost:19080",
		sfbackup.WithHTTPClient(&http.Client{Transport: cluster.Transport()}))
	if err != nil {
		log.Fatal(err)
	}

	var count sfbackup.BackupCount
	results, err := client.BackupMany(context.Background(), slices.Values(partitions), &sfbackup.BackupManyOptions{
		Concurrency: 8,
		Backup:      sfbackup.BackupOptions{Timeout: 30 * time.Minute},
		Wait:        sfbackup.WaitOptions{MinDelay: 5 * time.Second},
		OnCount:     func(c sfbackup.BackupCount) { count = c }, // to show what is in flight
	})
	if err != nil {
		log.Fatal(err) // the options are wrong, and nothing was sent
	}
	for partition, result := range results {
		if result.Err != nil {
			fmt.Printf("%s: %v\n", partition, result.Err)
		}
	}
	fmt.Printf("%d succeeded, %d failed\n", count.Succeeded, count.Failed)
	// Output:
	// 81645ec7-d260-4c59-9533-8f129bde8e83: sfbackup: the backup ended with Failure: FABRIC_E_BACKUPCOPIER_ACCESS_DENIED: Access is denied.
	// 1 succeeded, 1 failed
}

// When the context ends, the results tell which backups go on in the cluster. Later they need only be waited for,
// and the other partitions need a start.
func ExampleClient_BackupMany_interrupted() {
	client := exampleClient(sfbackuptest.Outcome{Running: time.Hour})
	pending := []uuid.UUID{
		uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d"),
		uuid.MustParse("81645ec7-d260-4c59-9533-8f129bde8e83"),
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	results, err := client.BackupMany(ctx, slices.Values(pending), &sfbackup.BackupManyOptions{
		Concurrency: 1,
		OnProgress: func(_ uuid.UUID, p *sfbackup.Progress) error {
			fmt.Println("progress:", p.BackupState)
			cancel(errors.New("the maintenance window has ended")) // while the first backup is running
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for partition, result := range results {
		switch result.Start {
		case sfbackup.Started:
			fmt.Println("wait for", partition)
			pending = slices.DeleteFunc(pending, func(id uuid.UUID) bool { return id == partition })
		case sfbackup.StartUnknown:
			fmt.Println("check", partition) // result.Err is an *OutcomeUnknownError
		case sfbackup.NotStarted:
		}
	}
	fmt.Println("start", pending)
	// Output:
	// progress: Accepted
	// wait for 1daae3f5-7fd6-42e9-b1ba-8c05f873994d
	// start [81645ec7-d260-4c59-9533-8f129bde8e83]
}
