package sfbackuptest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// A backup of a partition, from the request to the entry in the list, with
// nothing but net/http. The clock is set by hand, so that nobody waits.
func Example() {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	cluster := sfbackuptest.NewCluster(sfbackuptest.WithClock(func() time.Time { return now }))
	client := &http.Client{Transport: cluster.Transport()}

	// send sends a request about the first partition and decodes the answer.
	send := func(method, action string, answer any) (status string, err error) {
		const partition = "http://localhost:19080/Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/"
		req, err := http.NewRequestWithContext(context.Background(), method, partition+action, nil)
		if err != nil {
			return "", err
		}
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		if answer != nil {
			err = json.NewDecoder(resp.Body).Decode(answer)
		}
		return resp.Status, err
	}

	fmt.Println(send(http.MethodPost, "Backup?api-version=6.4", nil))

	for range 3 {
		var progress struct{ BackupState, BackupLocation string }
		status, err := send(http.MethodGet, "GetBackupProgress?api-version=6.4", &progress)
		fmt.Println(status, err, progress)
		now = now.Add(1500 * time.Millisecond)
	}

	var list struct {
		Items []struct{ BackupType, CreationTimeUtc string }
	}
	status, err := send(http.MethodGet, "GetBackups?api-version=6.4&Latest=true", &list)
	fmt.Println(status, err, list)

	// Output:
	// 202 Accepted <nil>
	// 200 OK <nil> {Accepted }
	// 200 OK <nil> {BackupInProgress }
	// 200 OK <nil> {Success CalcApp\CalcService\1daae3f5-7fd6-42e9-b1ba-8c05f873994d\2026-03-01 12.00.03.zip}
	// 200 OK <nil> {[{Incremental 2026-03-01T12:00:03Z}]}
}

// A backup that fails, and one that takes longer than it may.
func ExampleCluster_SetOutcome() {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	cluster := sfbackuptest.NewCluster(sfbackuptest.WithClock(func() time.Time { return now }))
	partition := cluster.Partitions()[0]
	cluster.SetOutcome(partition,
		sfbackuptest.Outcome{
			Code:    "FABRIC_E_BACKUPCOPIER_ACCESS_DENIED",
			Message: "The share refuses the account.",
		},
		sfbackuptest.Outcome{Running: time.Hour})

	client := &http.Client{Transport: cluster.Transport()}
	url := "http://localhost:19080/Partitions/" + partition.String() + "/$/"
	for range 2 {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url+"Backup?api-version=6.4&BackupTimeout=10", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp, err := client.Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()

		now = now.Add(10 * time.Minute)
		req, err = http.NewRequestWithContext(context.Background(), http.MethodGet, url+"GetBackupProgress?api-version=6.4", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp, err = client.Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		var progress struct {
			BackupState  string
			FailureError struct{ Code, Message string }
		}
		err = json.NewDecoder(resp.Body).Decode(&progress)
		resp.Body.Close()
		fmt.Println(progress.BackupState, progress.FailureError, err)
	}
	// Output:
	// Failure {FABRIC_E_BACKUPCOPIER_ACCESS_DENIED The share refuses the account.} <nil>
	// Timeout {FABRIC_E_TIMEOUT The request of backup has timed out.} <nil>
}

// Three chains of a full and two incremental backups each.
func ExampleChain() {
	cluster := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.Service{
		Name: "fabric:/Shop/Orders",
		Partitions: []sfbackuptest.Partition{{
			Backups: sfbackuptest.Chain(time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC), 8*time.Hour, 3, 9),
		}},
	}))
	chains := make(map[uuid.UUID]int)
	for _, backup := range cluster.Backups(cluster.Partitions()[0]) {
		chains[backup.ChainID]++
		if backup.Type == sfbackuptest.BackupTypeFull {
			fmt.Println("a chain starts at", backup.Time.Format(time.DateTime))
		}
	}
	fmt.Println(len(chains), "chains")
	// Output:
	// a chain starts at 2026-01-01 00:00:00
	// a chain starts at 2026-01-02 00:00:00
	// a chain starts at 2026-01-03 00:00:00
	// 3 chains
}
