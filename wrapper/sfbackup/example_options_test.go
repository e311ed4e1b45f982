package sfbackup_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// Every node of a cluster has a gateway. If that of one node does not respond, the client uses another one.
func ExampleWithEndpoints() {
	cluster := sfbackuptest.NewCluster()
	node1, node2 := httptest.NewServer(cluster), httptest.NewServer(cluster)
	defer node2.Close()
	node1.Close() // the first node is down

	client, err := sfbackup.NewClient(node1.URL, sfbackup.WithEndpoints(node2.URL))
	if err != nil {
		log.Fatal(err)
	}
	partition := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	fmt.Println(client.BackupPartition(context.Background(), partition, nil))
	for _, r := range cluster.Requests() {
		fmt.Println(r.Method, r.Status)
	}
	// Output:
	// <nil>
	// GET 200
	// POST 202
}

// The cluster is unavailable for two requests. The default policy would succeed as well; this one retries sooner.
func ExampleWithRetry() {
	cluster := sfbackuptest.NewCluster()
	cluster.Inject(sfbackuptest.Answer(http.StatusServiceUnavailable, "").Times(2))
	client, err := sfbackup.NewClient("http://localhost:19080",
		sfbackup.WithHTTPClient(&http.Client{Transport: cluster.Transport()}),
		sfbackup.WithRetry(sfbackup.RetryPolicy{
			MaxAttempts: 5,
			MinDelay:    5 * time.Millisecond,
			MaxDelay:    time.Second,
		}))
	if err != nil {
		log.Fatal(err)
	}
	partition := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	page, err := client.PartitionBackupsPage(context.Background(), partition, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(page.Backups), "backups after", len(cluster.Requests()), "requests")
	// Output: 3 backups after 3 requests
}

// The log has a line for every attempt.
func ExampleWithLogger() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			switch a.Key {
			case slog.TimeKey, "duration", "request_id": // these change with every run
				return slog.Attr{}
			}
			return a
		},
	}))
	cluster := sfbackuptest.NewCluster()
	client, err := sfbackup.NewClient("http://localhost:19080",
		sfbackup.WithHTTPClient(&http.Client{Transport: cluster.Transport()}), sfbackup.WithLogger(logger))
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.ServiceBackupsPage(context.Background(), "CalcApp/Unknown", nil)
	fmt.Println(err)
	// Output:
	// level=DEBUG msg="sfbackup: request" operation=GetServiceBackupList attempt=1 method=GET endpoint=http://localhost:19080 status=404 code=FABRIC_E_SERVICE_DOES_NOT_EXIST
	// sfbackup: GetServiceBackupList: 404 FABRIC_E_SERVICE_DOES_NOT_EXIST: Service not found
}

// The operator of a cluster sees in the logs of a proxy which program sent a request.
func ExampleWithUserAgent() {
	transport := roundTripper(func(req *http.Request) (*http.Response, error) {
		fmt.Println(req.UserAgent())
		return sfbackuptest.NewCluster().Transport().RoundTrip(req)
	})
	client, err := sfbackup.NewClient("http://localhost:19080",
		sfbackup.WithHTTPClient(&http.Client{Transport: transport}), sfbackup.WithUserAgent("nightly-backup/1.2"))
	if err != nil {
		log.Fatal(err)
	}
	partition := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	_, err = client.PartitionBackupsPage(context.Background(), partition, nil)
	fmt.Println(err)
	// Output:
	// nightly-backup/1.2
	// <nil>
}

// A reverse proxy in front of the gateway may require the documented form of service names in paths.
func ExampleWithTildeServiceID() {
	transport := roundTripper(func(req *http.Request) (*http.Response, error) {
		fmt.Println(req.URL.Path)
		return ok(`{"Items":[]}`).response(req), nil
	})
	for _, opts := range [][]sfbackup.Option{nil, {sfbackup.WithTildeServiceID()}} {
		client, err := sfbackup.NewClient("http://localhost:19080",
			append(opts, sfbackup.WithHTTPClient(&http.Client{Transport: transport}))...)
		if err != nil {
			log.Fatal(err)
		}
		if _, err := client.ServiceBackupsPage(context.Background(), "fabric:/CalcApp/CalcService", nil); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// /Services/CalcApp/CalcService/$/GetBackups
	// /Services/CalcApp~CalcService/$/GetBackups
}
