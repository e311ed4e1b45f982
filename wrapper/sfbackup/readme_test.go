package sfbackup_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// The code of README.md.
func Example() {
	cluster := sfbackuptest.NewCluster()
	cluster.SetOutcome(cluster.Partitions()[0], sfbackuptest.Outcome{Accepted: -1, Running: -1}) // at once
	server := httptest.NewServer(cluster)
	defer server.Close()
	endpoint := server.URL

	client, err := sfbackup.NewClient(endpoint)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	partition := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")

	progress, err := client.BackupAndWait(ctx, partition, nil, nil)
	switch failed, ended := errors.AsType[*sfbackup.BackupFailedError](err); {
	case errors.Is(err, sfbackup.CodeBackupInProgress):
		log.Fatal("another backup of this partition is running")
	case ended:
		log.Fatal("the backup ended with ", failed.Progress.BackupState, ": ", failed.Progress.FailureError)
	case err != nil:
		log.Fatal(err) // what is not known here is in its text
	}
	fmt.Println(progress.BackupState, "at LSN", progress.LSNOfLastBackupRecord)

	for backup, err := range client.PartitionBackups(ctx, partition, nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(backup.BackupType, "up to LSN", backup.LSNOfLastBackupRecord)
	}
	// Output:
	// Success at LSN 850
	// Full up to LSN 261
	// Incremental up to LSN 446
	// Full up to LSN 639
	// Full up to LSN 850
}

func TestReadmeShowsTheExample(t *testing.T) {
	t.Parallel()
	code := func(file, begin, end string) string {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, text, ok1 := strings.Cut(string(data), begin)
		text, _, ok2 := strings.Cut(text, end)
		if !ok1 || !ok2 {
			t.Fatalf("%s has no code", file)
		}
		return "\n" + text
	}
	example := strings.TrimSpace(strings.ReplaceAll(code("readme_test.go", "endpoint := server.URL\n", "\t// Output:"), "\n\t", "\n"))
	if readme := strings.TrimSpace(code("../../README.md", "```go\n", "```")); readme != example {
		t.Errorf("README.md shows\n%s\nthe example is\n%s", readme, example)
	}
}
