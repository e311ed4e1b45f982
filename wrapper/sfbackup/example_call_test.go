package sfbackup_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// operationCounter counts requests by operation, as metrics do. Clients are safe for concurrent use, so
// middleware has to be as well.
type operationCounter struct {
	next http.RoundTripper

	mu       sync.Mutex
	requests map[string]int // by operation
	retries  int
}

func (c *operationCounter) RoundTrip(req *http.Request) (*http.Response, error) {
	if call, ok := sfbackup.CallFromContext(req.Context()); ok {
		c.mu.Lock()
		c.requests[call.Operation]++
		if call.Attempt > 1 {
			c.retries++
		}
		c.mu.Unlock()
	}
	return c.next.RoundTrip(req)
}

// Middleware gets the operation and the attempt of a request from its context. It need not parse the path.
func ExampleCallFromContext() {
	cluster := sfbackuptest.NewCluster()
	cluster.Inject(sfbackuptest.Answer(http.StatusServiceUnavailable, "")) // the first request fails
	counter := &operationCounter{requests: make(map[string]int)}
	client, err := sfbackup.NewClient("http://localhost:19080",
		sfbackup.WithHTTPClient(&http.Client{Transport: cluster.Transport()}),
		sfbackup.WithRetry(sfbackup.RetryPolicy{MinDelay: time.Millisecond}),
		sfbackup.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
			counter.next = next
			return counter
		}))
	if err != nil {
		log.Fatal(err)
	}
	ctx, partition := context.Background(), uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	if _, err := client.PartitionBackupsPage(ctx, partition, nil); err != nil {
		log.Fatal(err)
	}
	if err := client.BackupPartition(ctx, partition, nil); err != nil {
		log.Fatal(err)
	}
	fmt.Println(counter.requests, "retries:", counter.retries)
	// Output: map[BackupPartition:1 GetPartitionBackupList:2 GetPartitionBackupProgress:1] retries: 1
}
