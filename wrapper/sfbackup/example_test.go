package sfbackup_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// exampleClient returns a client of a cluster in memory, so that examples can run. Without an outcome, backups succeed
// at once.
func exampleClient(outcome ...sfbackuptest.Outcome) *sfbackup.Client {
	cluster := sfbackuptest.NewCluster()
	for _, partition := range cluster.Partitions() {
		cluster.SetOutcome(partition, append(outcome, sfbackuptest.Outcome{Accepted: -1, Running: -1})...)
	}
	client, err := sfbackup.NewClient("http://localhost:19080",
		sfbackup.WithHTTPClient(&http.Client{Transport: cluster.Transport()}))
	if err != nil {
		log.Fatal(err)
	}
	return client
}

func ExampleNewClient() {
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	client, err := sfbackup.NewClient("https://cluster.example.com:19080",
		sfbackup.WithLogger(logger), sfbackup.WithUserAgent("nightly-backup/1.2"))
	fmt.Println(client != nil, err)

	_, err = sfbackup.NewClient("cluster.example.com:19080", sfbackup.WithLogger(nil))
	fmt.Println(err)
	// Output:
	// true <nil>
	// sfbackup: NewClient: the endpoint has to begin with "http://" or "https://"
	// WithLogger: the logger is nil
}

// Back up a partition to a storage of its own, with a timeout of half an hour.
func ExampleClient_BackupPartition() {
	partition := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	storage := &sfbackup.FileShare{
		Path:            `\\nas\backups`,
		PrimaryUserName: `CONTOSO\backup`,
		PrimaryPassword: sfbackup.Secret(os.Getenv("BACKUP_PASSWORD")),
	}
	err := exampleClient().BackupPartition(context.Background(), partition, &sfbackup.BackupOptions{
		Storage: storage,
		Timeout: 30 * time.Minute,
	})
	fmt.Println(err)
	fmt.Println(storage.PrimaryPassword)
	// Output:
	// <nil>
	// [redacted]
}

func ExampleClient_BackupProgress() {
	partition := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	_, err := exampleClient().BackupProgress(context.Background(), partition)
	fmt.Println(errors.Is(err, sfbackup.ErrNoBackup))
	fmt.Println(err)
	// Output:
	// true
	// sfbackup: GetPartitionBackupProgress: no backup was ever requested for this partition
}

// Look at each state that is read, and stop waiting if the backup does not begin.
func ExampleClient_WaitForBackup() {
	client := exampleClient(sfbackuptest.Outcome{Accepted: time.Hour})
	partition := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	ctx := context.Background()
	if err := client.BackupPartition(ctx, partition, nil); err != nil {
		log.Fatal(err)
	}
	errNotRunning := errors.New("the backup does not begin")
	_, err := client.WaitForBackup(ctx, partition, &sfbackup.WaitOptions{
		OnProgress: func(p *sfbackup.Progress) error {
			if p.BackupState == sfbackup.BackupStateAccepted {
				return errNotRunning
			}
			return nil
		},
	})
	fmt.Println(err)
	// Output: the backup does not begin
}

func ExampleClient_BackupAndWait() {
	client := exampleClient()
	partition := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	progress, err := client.BackupAndWait(context.Background(), partition, nil, &sfbackup.WaitOptions{
		MinDelay:    5 * time.Second,
		JoinRunning: true, // wait for a running backup instead of failing
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(progress.BackupState)
	// Output: Success
}

// The most recent backup of every partition of a service.
func ExampleClient_ServiceBackups() {
	opts := &sfbackup.ListOptions{Latest: true}
	for backup, err := range exampleClient().ServiceBackups(context.Background(), "fabric:/CalcApp/CalcService", opts) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(backup.PartitionInformation.PartitionID(), backup.CreationTimeUTC.Format(time.DateTime))
	}
	// Output:
	// 1daae3f5-7fd6-42e9-b1ba-8c05f873994d 2018-01-02 08:59:53
	// 81645ec7-d260-4c59-9533-8f129bde8e83 2018-01-01 17:00:34
}

func ExampleClient_PartitionBackups() {
	partition := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	for backup, err := range exampleClient().PartitionBackups(context.Background(), partition, nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(backup.BackupType, backup.LSNOfLastBackupRecord)
	}
	// Output:
	// Full 261
	// Incremental 446
	// Full 639
}

// Request single pages, as a web service may have to.
func ExampleClient_ServiceBackupsPage() {
	client := exampleClient()
	opts := sfbackup.ListOptions{PageSize: 2}
	for {
		page, err := client.ServiceBackupsPage(context.Background(), "fabric:/CalcApp/CalcService", &opts)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(page.Backups), "backups")
		if page.ContinuationToken == "" {
			break
		}
		opts.ContinuationToken = page.ContinuationToken
	}
	// Output:
	// 2 backups
	// 2 backups
	// 1 backups
}

func ExampleClient_PartitionBackupsPage() {
	partition := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	page, err := exampleClient().PartitionBackupsPage(context.Background(), partition, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d backups, next page at %q\n", len(page.Backups), page.ContinuationToken)
	// Output: 3 backups, next page at ""
}

func ExampleParseServiceName() {
	for _, name := range []string{"fabric:/CalcApp/CalcService", "CalcApp~CalcService", "CalcApp/"} {
		fmt.Println(sfbackup.ParseServiceName(name))
	}
	// Output:
	// fabric:/CalcApp/CalcService <nil>
	// fabric:/CalcApp/CalcService <nil>
	//  the service name "CalcApp/" has an empty part
}

// Read storages from a configuration file. A kind that this package does not know is kept as it is, and a misspelled
// property is an error.
func ExampleParseBackupStorage() {
	for _, config := range []string{
		`{"StorageKind":"FileShare","Path":"\\\\nas\\backups","PrimaryUserName":"backup","PrimaryPassword":"secret"}`,
		`{"StorageKind":"Tape","Reel":7}`,
		`{"StorageKind":"FileShare","Pfad":"x"}`,
	} {
		storage, err := sfbackup.ParseBackupStorage([]byte(config))
		switch s := storage.(type) {
		case *sfbackup.FileShare:
			fmt.Println(s.Path, s.PrimaryPassword)
		case *sfbackup.UnknownStorage:
			fmt.Println(s.Kind(), string(s.Raw))
		default:
			fmt.Println(err)
		}
	}
	// Output:
	// \\nas\backups [redacted]
	// Tape {"StorageKind":"Tape","Reel":7}
	// sfbackup: ParseBackupStorage: Pfad is not a property of its kind
}

// Store a page as JSON, and go on with the list in another process.
func ExamplePage() {
	client, partition := exampleClient(), uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	opts := sfbackup.ListOptions{PageSize: 2}
	page, err := client.PartitionBackupsPage(context.Background(), partition, &opts)
	if err != nil {
		log.Fatal(err)
	}
	stored, err := json.Marshal(page) // in the form of the documentation
	if err != nil {
		log.Fatal(err)
	}

	var previous sfbackup.Page
	if err := json.Unmarshal(stored, &previous); err != nil {
		log.Fatal(err)
	}
	opts.ContinuationToken = previous.ContinuationToken
	next, err := client.PartitionBackupsPage(context.Background(), partition, &opts)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(previous.Backups), "stored,", len(next.Backups), "more")

	empty, err := json.Marshal(sfbackup.Page{})
	fmt.Println(string(empty), err)
	// Output:
	// 2 stored, 1 more
	// {"ContinuationToken":"","Items":[]} <nil>
}
