package sfbackuptest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"syscall"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// A script whose second fault does not happen, which is an error of the test. The type fakeTB, which
// records errors, stands in for the *testing.T of a real test.
func ExampleCluster_Script() {
	t := &fakeTB{}
	cluster := sfbackuptest.NewCluster()
	cluster.Script(t,
		sfbackuptest.Answer(http.StatusServiceUnavailable, "").Header("Retry-After", "1"),
		sfbackuptest.HangUp().On(sfbackuptest.OpBackupPartition))

	client := &http.Client{Transport: cluster.Transport()}
	const list = "http://localhost:19080/Services/CalcApp/CalcService/$/GetBackups?api-version=6.4"
	for range 2 {
		status, _ := request(client, http.MethodGet, list)
		fmt.Println(status)
	}

	t.end()
	fmt.Println(t.errors)
	// Output:
	// 503 Service Unavailable
	// 200 OK
	// [sfbackuptest: example_fault_test.go:20: the fault HangUp has hit 0 requests, want 1]
}

// The connection breaks after a backup was requested. The client learns nothing from the request, but the
// progress shows that it must not be retried.
func ExampleCluster_Inject() {
	cluster := sfbackuptest.NewCluster()
	cluster.Inject(sfbackuptest.Reset().AfterEffect().On(sfbackuptest.OpBackupPartition))
	client := &http.Client{Transport: cluster.Transport()}
	const partition = "http://localhost:19080/Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/"

	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, partition+"Backup?api-version=6.4", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Do(req)
	fmt.Println("connection reset:", errors.Is(err, syscall.ECONNRESET))

	_, body := request(client, http.MethodGet, partition+"GetBackupProgress?api-version=6.4")
	var progress struct{ BackupState string }
	err = json.Unmarshal([]byte(body), &progress)
	fmt.Println(progress.BackupState, err)

	for _, r := range cluster.Requests() {
		fmt.Printf("%s: status %d, fault %q\n", r.Operation, r.Status, r.Fault)
	}
	// Output:
	// connection reset: true
	// Accepted <nil>
	// BackupPartition: status 0, fault "Reset after effect"
	// GetPartitionBackupProgress: status 200, fault ""
}

// Every second request fails, on average. The same seed hits the same requests in each run.
func ExampleCluster_Schedule() {
	cluster := sfbackuptest.NewCluster()
	cluster.Schedule(2, 0.5,
		sfbackuptest.Answer(http.StatusServiceUnavailable, ""),
		sfbackuptest.HTMLError(http.StatusBadGateway))
	client := &http.Client{Transport: cluster.Transport()}
	for range 6 {
		status, _ := request(client, http.MethodGet, "http://localhost:19080/Services/CalcApp/CalcService/$/GetBackups?api-version=6.4")
		fmt.Println(status)
	}
	// Output:
	// 200 OK
	// 502 Bad Gateway
	// 503 Service Unavailable
	// 503 Service Unavailable
	// 200 OK
	// 200 OK
}

// A client that reads pages has two bugs. The first shows with any 6.4 cluster: the client does not escape
// the token, and its list ends early without an error. The second shows only with a fault: the client
// counts a duplicate page twice.
func ExampleDuplicatePage() {
	// count returns how many backups a client finds in pages of two.
	count := func(client *http.Client, escape func(string) string) (int, error) {
		const list = "http://localhost:19080/Services/CalcApp/CalcService/$/GetBackups?api-version=6.4&MaxResults=2"
		n, target := 0, list
		for {
			var page struct {
				Items             []any
				ContinuationToken string
			}
			_, body := request(client, http.MethodGet, target)
			err := json.Unmarshal([]byte(body), &page)
			n += len(page.Items)
			if page.ContinuationToken == "" || err != nil {
				return n, err
			}
			target = list + "&ContinuationToken=" + escape(page.ContinuationToken)
		}
	}
	escapePath := func(token string) string { return (&url.URL{Path: token}).EscapedPath() } // does not escape '+'

	cluster := sfbackuptest.NewCluster()
	client := &http.Client{Transport: cluster.Transport()}
	total := 0
	for _, partition := range cluster.Partitions() {
		total += len(cluster.Backups(partition))
	}
	fmt.Println("backups:", total)
	fmt.Print("token escaped as a path: ")
	fmt.Println(count(client, escapePath))
	fmt.Print("token escaped as a query: ")
	fmt.Println(count(client, url.QueryEscape))

	cluster.Inject(sfbackuptest.DuplicatePage())
	fmt.Print("duplicate page: ")
	fmt.Println(count(client, url.QueryEscape))
	// Output:
	// backups: 5
	// token escaped as a path: 2 <nil>
	// token escaped as a query: 5 <nil>
	// duplicate page: 7 <nil>
}

// A program plays the faults that its operator wrote into a file, and says which of them did not happen.
func ExampleParseFaults() {
	faults, err := sfbackuptest.ParseFaults("faults.txt", []byte(`
# The first look fails.
Answer(503, "").Header("Retry-After", "1")
# The response to a start of a backup is lost.
Reset().AfterEffect().On(BackupPartition)
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	cluster := sfbackuptest.NewCluster()
	cluster.Inject(faults...)
	client := &http.Client{Transport: cluster.Transport()}
	const list = "http://localhost:19080/Services/CalcApp/CalcService/$/GetBackups?api-version=6.4"
	for range 2 {
		status, _ := request(client, http.MethodGet, list)
		fmt.Println(status)
	}
	for _, missed := range cluster.Missed() {
		fmt.Println(missed)
	}

	_, err = sfbackuptest.ParseFaults("faults.txt", []byte("Reset()\nRest()"))
	fmt.Println(err)
	// Output:
	// 503 Service Unavailable
	// 200 OK
	// faults.txt:5: the fault Reset after effect has hit 0 requests, want 1
	// faults.txt:2: there is no fault Rest
}
