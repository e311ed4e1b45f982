package sfbackuptest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"syscall"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// The connection breaks after a backup was requested. The client learns nothing
// from its request, but the progress tells that there is no reason to repeat it.
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
	fmt.Println("the connection was reset:", errors.Is(err, syscall.ECONNRESET))

	req, err = http.NewRequestWithContext(context.Background(), http.MethodGet, partition+"GetBackupProgress?api-version=6.4", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := client.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	var progress struct{ BackupState string }
	err = json.NewDecoder(resp.Body).Decode(&progress)
	fmt.Println(progress.BackupState, err)

	for _, r := range cluster.Requests() {
		fmt.Printf("%s: status %d, fault %q\n", r.Operation, r.Status, r.Fault)
	}
	// Output:
	// the connection was reset: true
	// Accepted <nil>
	// BackupPartition: status 0, fault "Reset after effect"
	// GetPartitionBackupProgress: status 200, fault ""
}

// A client that goes through pages has two mistakes in it. One it makes with any
// 6.4 cluster: it does not escape the token, and its list ends early without an
// error. The other takes a fault: it counts a page twice that comes twice.
func ExampleDuplicatePage() {
	// count returns how many backups a client finds in pages of two.
	count := func(client *http.Client, escape func(string) string) (int, error) {
		n := 0
		for token := ""; ; {
			url := "http://localhost:19080/Services/CalcApp/CalcService/$/GetBackups?api-version=6.4&MaxResults=2&ContinuationToken=" + escape(token)
			req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
			if err != nil {
				return n, err
			}
			resp, err := client.Do(req)
			if err != nil {
				return n, err
			}
			var page struct {
				Items             []any
				ContinuationToken string
			}
			err = json.NewDecoder(resp.Body).Decode(&page)
			resp.Body.Close()
			n += len(page.Items)
			if token = page.ContinuationToken; token == "" || err != nil {
				return n, err
			}
		}
	}
	raw := func(token string) string { return (&url.URL{Path: token}).EscapedPath() } // leaves '+' alone

	cluster := sfbackuptest.NewCluster()
	client := &http.Client{Transport: cluster.Transport()}
	held := 0
	for _, partition := range cluster.Partitions() {
		held += len(cluster.Backups(partition))
	}
	fmt.Println("held:", held)
	fmt.Print("token escaped as a path: ")
	fmt.Println(count(client, raw))
	fmt.Print("token escaped as a query: ")
	fmt.Println(count(client, url.QueryEscape))

	cluster.Inject(sfbackuptest.DuplicatePage())
	fmt.Print("a page comes twice: ")
	fmt.Println(count(client, url.QueryEscape))
	// Output:
	// held: 5
	// token escaped as a path: 2 <nil>
	// token escaped as a query: 5 <nil>
	// a page comes twice: 7 <nil>
}

// A gateway with client certificates, on a real socket.
func ExampleNewServer() {
	server, err := sfbackuptest.NewServer(sfbackuptest.NewCluster(), sfbackuptest.WithClientCertificates())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet,
		server.URL+"/Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/GetBackupProgress?api-version=6.4", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(resp.Status, string(body), err)
	// Output: 200 OK null <nil>
}

// A cluster of a million backups, which starts at once.
func ExampleLargeCluster() {
	cluster := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.LargeCluster(1000, 10, 100)...))
	partitions := cluster.Partitions()
	fmt.Println(len(partitions), "partitions")
	fmt.Println(len(cluster.Backups(partitions[0])), "backups in each")
	// Output:
	// 10000 partitions
	// 100 backups in each
}
