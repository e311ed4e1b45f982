package sfbackuptest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// request sends a request without a body, and returns the status and the body of the response.
func request(client *http.Client, method, url string) (status, body string) {
	req, err := http.NewRequestWithContext(context.Background(), method, url, nil)
	if err != nil {
		return err.Error(), ""
	}
	resp, err := client.Do(req)
	if err != nil {
		return err.Error(), ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error(), ""
	}
	return resp.Status, string(b)
}

// A backup of a partition with nothing but net/http, from the request to the entry in the list. The example
// advances the clock instead of waiting.
func Example() {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	cluster := sfbackuptest.NewCluster(sfbackuptest.WithClock(func() time.Time { return now }))
	client := &http.Client{Transport: cluster.Transport()}
	const partition = "http://localhost:19080/Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/"

	status, _ := request(client, http.MethodPost, partition+"Backup?api-version=6.4")
	fmt.Println(status)

	for range 3 {
		var progress struct{ BackupState, BackupLocation string }
		status, body := request(client, http.MethodGet, partition+"GetBackupProgress?api-version=6.4")
		err := json.Unmarshal([]byte(body), &progress)
		fmt.Println(status, progress, err)
		now = now.Add(1500 * time.Millisecond)
	}

	var list struct {
		Items []struct{ BackupType, CreationTimeUtc string }
	}
	status, body := request(client, http.MethodGet, partition+"GetBackups?api-version=6.4&Latest=true")
	err := json.Unmarshal([]byte(body), &list)
	fmt.Println(status, list, err)

	// Output:
	// 202 Accepted
	// 200 OK {Accepted } <nil>
	// 200 OK {BackupInProgress } <nil>
	// 200 OK {Success CalcApp\CalcService\1daae3f5-7fd6-42e9-b1ba-8c05f873994d\2026-03-01 12.00.03.zip} <nil>
	// 200 OK {[{Full 2026-03-01T12:00:03Z}]} <nil>
}

// A service whose policy has made backups for a day before the cluster was created, and keeps them for 12
// hours. The oldest is older, but a later backup depends on it.
func ExampleNewCluster() {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	cluster := sfbackuptest.NewCluster(
		sfbackuptest.WithClock(func() time.Time { return now }),
		sfbackuptest.WithServices(sfbackuptest.Service{
			Name: "fabric:/Shop/Orders",
			Policy: &sfbackuptest.Policy{
				Start:                 now.AddDate(0, 0, -1),
				Every:                 4 * time.Hour,
				MaxIncrementalBackups: 1,
				Retention:             12 * time.Hour,
			},
			Partitions: []sfbackuptest.Partition{{Name: "north"}, {Name: "south"}},
		}))
	for _, backup := range cluster.Backups(cluster.Partitions()[0]) {
		fmt.Println(backup.Time.Format(time.DateTime), backup.Type)
	}
	// Output:
	// 2026-02-28 20:00:00 Full
	// 2026-03-01 00:00:00 Incremental
	// 2026-03-01 04:00:00 Full
	// 2026-03-01 08:00:00 Incremental
	// 2026-03-01 12:00:00 Full
}

// A cluster with a million backups, which is created immediately.
func ExampleLargeCluster() {
	cluster := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.LargeCluster(1000, 10, 100)...))
	partitions := cluster.Partitions()
	fmt.Println(len(partitions), "partitions")
	fmt.Println(len(cluster.Backups(partitions[0])), "backups in each")
	// Output:
	// 10000 partitions
	// 100 backups in each
}

// Three chains with a full and two incremental backups each.
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

// A backup that fails, and one that takes longer than its BackupTimeout.
func ExampleCluster_SetOutcome() {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	cluster := sfbackuptest.NewCluster(sfbackuptest.WithClock(func() time.Time { return now }))
	partition := cluster.Partitions()[0]
	cluster.SetOutcome(partition,
		sfbackuptest.Outcome{
			Code:    "FABRIC_E_BACKUPCOPIER_ACCESS_DENIED",
			Message: "The account has no access to the share.",
		},
		sfbackuptest.Outcome{Running: time.Hour})

	client := &http.Client{Transport: cluster.Transport()}
	url := "http://localhost:19080/Partitions/" + partition.String() + "/$/"
	for range 2 {
		request(client, http.MethodPost, url+"Backup?api-version=6.4&BackupTimeout=10")
		now = now.Add(10 * time.Minute)
		_, body := request(client, http.MethodGet, url+"GetBackupProgress?api-version=6.4")
		var progress struct {
			BackupState  string
			FailureError struct{ Code, Message string }
		}
		err := json.Unmarshal([]byte(body), &progress)
		fmt.Println(progress.BackupState, progress.FailureError, err)
	}
	// Output:
	// Failure {FABRIC_E_BACKUPCOPIER_ACCESS_DENIED The account has no access to the share.} <nil>
	// Timeout {FABRIC_E_TIMEOUT The Request for backup has timeout} <nil>
}

// Lists show only what the storage of the current policy holds.
func ExampleCluster_SetPolicy() {
	cluster := sfbackuptest.NewCluster()
	partition := cluster.Partitions()[0]
	held := func() int { return len(cluster.Backups(partition)) }

	fmt.Println("default policy:", held())
	cluster.SetPolicy("fabric:/CalcApp", &sfbackuptest.Policy{Storage: sfbackuptest.Storage{Path: `\\nas\new`}})
	fmt.Println("new storage:", held())
	cluster.SetPolicy(partition.String(), &sfbackuptest.Policy{})
	fmt.Println("original storage:", held())
	// Output:
	// default policy: 3
	// new storage: 0
	// original storage: 3
}

// The requests that a client has sent.
func ExampleCluster_Requests() {
	cluster := sfbackuptest.NewCluster()
	client := &http.Client{Transport: cluster.Transport()}
	const partition = "http://localhost:19080/Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/"
	request(client, http.MethodGet, partition+"GetBackups?api-version=6.4&MaxResults=2")
	request(client, http.MethodGet, partition+"GetBackups")

	for _, r := range cluster.Requests() {
		fmt.Printf("%s MaxResults=%q %d\n", r.Operation, r.Query.Get("MaxResults"), r.Status)
	}
	// Output:
	// GetPartitionBackupList MaxResults="2" 200
	// GetPartitionBackupList MaxResults="" 400
}

// A gateway with client certificates on a socket.
func ExampleNewServer() {
	server, err := sfbackuptest.NewServer(sfbackuptest.NewCluster(), sfbackuptest.WithClientCertificates())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	fmt.Println(request(server.Client(), http.MethodGet,
		server.URL+"/Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/GetBackupProgress?api-version=6.4"))
	// Output: 200 OK null
}
