package sfbackup_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	goruntime "runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// maxAllocated is how much a call may allocate in total, whatever the responses are: a start reads the progress
// twice, at most 1 MiB each time, into a buffer that doubles as it grows. Less than that is in use at a time. The
// race detector doubles it.
const maxAllocated = 32 << 20

// clientCalls has a call of each kind.
var clientCalls = map[string]func(context.Context, *sfbackup.Client) error{
	"BackupPartition": func(ctx context.Context, c *sfbackup.Client) error { return c.BackupPartition(ctx, partition1, nil) },
	"BackupProgress": func(ctx context.Context, c *sfbackup.Client) error {
		_, err := c.BackupProgress(ctx, partition1)
		return err
	},
	"PartitionBackups": func(ctx context.Context, c *sfbackup.Client) error {
		_, err := collect(c.PartitionBackups(ctx, partition1, nil))
		return err
	},
	"ServiceBackupsPage": func(ctx context.Context, c *sfbackup.Client) error {
		_, err := c.ServiceBackupsPage(ctx, calcService, nil)
		return err
	},
}

// Endless responses are errors, and reading them allocates a limited amount of memory. (The test is not parallel,
// because allocations of other tests would count.)
func TestEndlessResponses(t *testing.T) {
	for _, fault := range endlessResponses() {
		for name, read := range clientCalls {
			synctest.Test(t, func(t *testing.T) {
				cluster := sfbackuptest.NewCluster()
				cluster.Inject(fault.Times(0))
				client := newUncheckedClient(t, cluster.Transport(), sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1}))
				var err error
				n := allocated(func() { err = read(t.Context(), client) })
				// A start that is accepted succeeds even if its observations fail. All other calls fail.
				if err == nil && (name != "BackupPartition" || !strings.HasPrefix(fault.String(), "202")) {
					t.Errorf("%s, %s: no error", name, fault)
				}
				if n > maxAllocated {
					t.Errorf("%s, %s: %d bytes were allocated", name, fault, n)
				}
			})
		}
	}
}

// An endless header is an error as well. (Not parallel, as above.)
func TestEndlessHeader(t *testing.T) {
	listener := listen(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go writeEndlessHeader(conn)
		}
	}()
	defer func() {
		closeQuietly(listener)
		<-done
	}()
	client := newClientAt(t, "http://"+listener.Addr().String(), sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1}))
	for name, read := range clientCalls {
		var err error
		n := allocated(func() { err = read(t.Context(), client) })
		if err == nil || !strings.Contains(err.Error(), "server response headers exceeded") {
			t.Errorf("%s: got %v", name, err)
		}
		if n > maxAllocated {
			t.Errorf("%s: %d bytes were allocated", name, n)
		}
	}
}

// writeEndlessHeader sends a header until the client closes the connection.
func writeEndlessHeader(conn net.Conn) {
	defer closeQuietly(conn)
	_, _ = conn.Read(make([]byte, 4<<10))
	_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
	lines := bytes.Repeat([]byte("X-More: of the same\r\n"), 200)
	for err == nil {
		_, err = conn.Write(lines)
	}
}

// allocated returns how many bytes are allocated while f runs, which is never less than are in use at a time.
func allocated(f func()) uint64 {
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	f()
	goruntime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A list with an endless number of pages continues until its context ends, and more pages do not need more memory.
// (Not parallel, as above.)
func TestEndlessPages(t *testing.T) {
	const pages, perPage = 20_000, 10
	n := 0
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	errEnough := errors.New("enough")
	client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		n++
		if n == pages {
			cancel(errEnough)
		}
		var body strings.Builder
		body.WriteString(`{"Items":[`)
		for i := range perPage {
			if i > 0 {
				body.WriteByte(',')
			}
			body.WriteString(`{"BackupId":"` + uuidOf(n*perPage+i).String() + `"}`)
		}
		body.WriteString(`],"ContinuationToken":"` + uuidOf(n).String() + `"}`)
		return ok(body.String()).response(req), nil
	}))
	var first, last goruntime.MemStats
	backups := 0
	start := time.Now()
	for _, err := range client.PartitionBackups(ctx, partition1, nil) {
		if err != nil {
			if !errors.Is(err, errEnough) || n != pages {
				t.Errorf("%v after %d pages and %v", err, n, time.Since(start))
			}
			break
		}
		switch backups++; backups {
		case pages * perPage / 2:
			goruntime.GC()
			goruntime.ReadMemStats(&first)
		case (pages - 1) * perPage:
			goruntime.GC()
			goruntime.ReadMemStats(&last)
		}
	}
	// The first backup of each page is kept to detect a repeated page, for at most 65,536 pages.
	if grown := int64(last.HeapAlloc) - int64(first.HeapAlloc); grown > 2<<20 {
		t.Errorf("the heap grew by %d bytes in the second half of the pages", grown)
	}
}

// uuidOf returns a UUID made of a number.
func uuidOf(n int) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}
