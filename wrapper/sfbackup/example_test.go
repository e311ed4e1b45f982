package sfbackup_test

import (
	"context"
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

// exampleClient returns a client of a cluster in memory, so that the examples run. Backups go as the
// outcome says, without one in no time.
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

// Nobody may be able to tell what became of a start: here its answer is lost, and for a while nothing else
// is answered either. Look again later, and compare.
func ExampleOutcomeUnknownError() {
	ctx, partition := context.Background(), uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	cluster := sfbackuptest.NewCluster()
	client, err := sfbackup.NewClient("http://localhost:19080", sfbackup.WithHTTPClient(&http.Client{Transport: cluster.Transport()}))
	if err != nil {
		log.Fatal(err)
	}
	started := false
	cluster.Inject(
		sfbackuptest.HangUp().AfterEffect().When(func(r *http.Request) bool { started = r.Method == http.MethodPost; return started }),
		sfbackuptest.Answer(http.StatusInternalServerError, "").When(func(*http.Request) bool { return started }))

	err = client.BackupPartition(ctx, partition, nil)
	if unknown, ok := errors.AsType[*sfbackup.OutcomeUnknownError](err); ok {
		fmt.Println(err)
		now, err := client.BackupProgress(ctx, partition)
		if errors.Is(unknown.Before.Err, sfbackup.ErrNoBackup) && err == nil {
			fmt.Println("there was no backup before, and now there is one:", now.BackupState)
		}
	}
	// Output:
	// sfbackup: BackupPartition: it is not known whether the backup was started (before: no backup, after: not read): EOF
	// there was no backup before, and now there is one: Accepted
}

// Send one backup to a storage of its own, and give it half an hour.
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

// See each state as it is read, and give up when the backup does not even begin.
func ExampleClient_WaitForBackup() {
	client := exampleClient(sfbackuptest.Outcome{Accepted: time.Hour})
	partition := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	ctx := context.Background()
	if err := client.BackupPartition(ctx, partition, nil); err != nil {
		log.Fatal(err)
	}
	errStuck := errors.New("the backup does not begin")
	_, err := client.WaitForBackup(ctx, partition, &sfbackup.WaitOptions{
		OnProgress: func(p *sfbackup.Progress) error {
			if p.BackupState == sfbackup.BackupStateAccepted {
				return errStuck
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
		JoinRunning: true, // rather than fail when a backup is running
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

// Hand out pages one by one, as a web service does.
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

// Keep a storage, or a kind of storage that this package does not know, in a configuration file.
func ExampleParseBackupStorage() {
	storage, err := sfbackup.ParseBackupStorage([]byte(`{"StorageKind":"Tape","Reel":7}`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(storage.Kind())
	// Output: Tape
}
