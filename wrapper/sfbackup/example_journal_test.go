package sfbackup_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// A startJournal keeps the records of starts in a file, one on each line.
type startJournal struct {
	file *os.File
	mu   sync.Mutex // BackupMany sends several starts at once
}

// keep is a BackupOptions.OnSend: it returns when the record is on the disk.
func (j *startJournal) keep(record sfbackup.StartRecord) error {
	line, err := json.Marshal(record)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		return err
	}
	return j.file.Sync()
}

// read returns the last record of each partition. It removes a line that a crash has cut: its request was never sent.
func (j *startJournal) read() (map[uuid.UUID]*sfbackup.StartRecord, error) {
	if _, err := j.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	records, end := map[uuid.UUID]*sfbackup.StartRecord{}, int64(0)
	for lines := bufio.NewReader(j.file); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if err := j.file.Truncate(end); err != nil {
				return nil, err
			}
			_, err = j.file.Seek(end, io.SeekStart)
			return records, err
		}
		end += int64(len(line))
		record := new(sfbackup.StartRecord)
		if err == nil {
			err = json.Unmarshal(bytes.TrimSpace(line), record)
		}
		if err != nil {
			return nil, err
		}
		records[record.Partition()] = record
	}
}

// Keep a journal, so that the next run knows what the last one may have started. The journal ends when all
// partitions have a result.
func ExampleBackupManyOptions_resume() {
	cluster := sfbackuptest.NewCluster()
	partitions := cluster.Partitions()
	for _, partition := range partitions {
		cluster.SetOutcome(partition, sfbackuptest.Outcome{Accepted: -1, Running: -1})
	}
	newClient := func() *sfbackup.Client {
		client, err := sfbackup.NewClient("http://localhost:19080", sfbackup.WithHTTPClient(&http.Client{Transport: cluster.Transport()}))
		if err != nil {
			log.Fatal(err)
		}
		return client
	}
	file, err := os.CreateTemp("", "journal")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = errors.Join(file.Close(), os.Remove(file.Name())) }()
	journal := &startJournal{file: file}
	backup := sfbackup.BackupOptions{OnSend: journal.keep}

	// The first run starts one backup, and is killed.
	if err := newClient().BackupPartition(context.Background(), partitions[0], &backup); err != nil {
		log.Fatal(err)
	}

	// The second run waits for that one, and starts the others.
	records, err := journal.read()
	if err != nil {
		log.Fatal(err)
	}
	results, err := newClient().BackupMany(context.Background(), slices.Values(partitions), &sfbackup.BackupManyOptions{
		Backup: backup,
		Resume: func(partition uuid.UUID) *sfbackup.StartRecord { return records[partition] },
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, result := range results {
		fmt.Println(result.Start, result.Progress.BackupState, result.Err)
	}
	starts := 0
	for _, request := range cluster.Requests() {
		if request.Operation == sfbackuptest.OpBackupPartition {
			starts++
		}
	}
	fmt.Println(starts, "starts of", len(partitions), "partitions")
	// Output:
	// started Success <nil>
	// started Success <nil>
	// 2 starts of 2 partitions
}

// Take the steps of a start one by one, each as a step of a workflow engine. Here the engine does not learn how the
// second ended: its worker was killed, or the response was lost.
func ExampleClient_ResolveStart() {
	client := exampleClient(sfbackuptest.Outcome{Accepted: -1, Running: -1})
	ctx, partition := context.Background(), uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")

	record, err := client.ObserveStart(ctx, partition, nil)
	if err != nil {
		log.Fatal(err) // no start was sent
	}
	// The engine stores the record before the next step.

	_ = client.SendStart(ctx, record, nil)

	for {
		outcome, err := client.ResolveStart(ctx, record)
		switch outcome {
		case sfbackup.Started:
			progress, err := client.WaitForBackup(ctx, partition, &sfbackup.WaitOptions{Started: &record})
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(progress.BackupState)
			return
		case sfbackup.NotStarted:
			log.Fatal("begin again with ObserveStart")
		case sfbackup.StartUnknown:
		}
		unknown, ok := errors.AsType[*sfbackup.OutcomeUnknownError](err)
		if !ok || unknown.DecidableAt.IsZero() {
			log.Fatal(err) // a person has to decide
		}
		time.Sleep(time.Until(unknown.DecidableAt)) // a timer of the engine
	}
	// Output:
	// Success
}
