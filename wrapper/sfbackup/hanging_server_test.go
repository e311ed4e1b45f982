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

// maxAllocated is how much a call allocates at most in all, whatever it is answered: a start reads the progress
// twice, of 1 MiB each in a buffer that doubles as it grows. In use at a
// time is less, and the race detector doubles it.
const maxAllocated = 32 << 20

// clientCalls is a call of each kind.
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

// Answers without an end are errors, and what they take of memory has one. (Not parallel: all that is
// allocated meanwhile counts.)
func TestEndlessResponses(t *testing.T) {
	for _, fault := range endlessResponses() {
		for name, read := range clientCalls {
			synctest.Test(t, func(t *testing.T) {
				cluster := sfbackuptest.NewCluster()
				cluster.Inject(fault.Times(0))
				client := newUncheckedClient(t, cluster.Transport(), sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1}))
				var err error
				n := allocated(func() { err = read(t.Context(), client) })
				// A start whose looks fail is one all the same; all others fail.
				if err == nil && (name != "BackupPartition" || !strings.HasPrefix(fault.String(), "202")) {
					t.Errorf("%s, %s: no error", name, fault)
				}
				if n > maxAllocated {
					t.Errorf("%s, %s: %d bytes", name, fault, n)
				}
			})
		}
	}
}

// A header without an end is an error as well. (Not parallel, as above.)
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
	client, err := sfbackup.NewClient("http://"+listener.Addr().String(), sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		t.Fatal(err)
	}
	for name, read := range clientCalls {
		var err error
		n := allocated(func() { err = read(t.Context(), client) })
		if err == nil || !strings.Contains(err.Error(), "server response headers exceeded") {
			t.Errorf("%s: got %v", name, err)
		}
		if n > maxAllocated {
			t.Errorf("%s: %d bytes", name, n)
		}
	}
}

// writeEndlessHeader sends a header until nobody listens any more.
func writeEndlessHeader(conn net.Conn) {
	defer closeQuietly(conn)
	_, _ = conn.Read(make([]byte, 4<<10))
	_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
	lines := bytes.Repeat([]byte("X-More: of the same\r\n"), 200)
	for err == nil {
		_, err = conn.Write(lines)
	}
}

// allocated returns how many bytes are allocated meanwhile, which is more than are in use at any time.
func allocated(f func()) uint64 {
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	f()
	goruntime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A list whose pages have no end goes on as long as its reader does, without more memory for more pages,
// and ends with its context. (Not parallel, as above.)
func TestEndlessPages(t *testing.T) {
	const pages, perPage = 20_000, 10
	n := 0
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	enough := errors.New("enough")
	client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		n++
		if n == pages {
			cancel(enough)
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
			if !errors.Is(err, enough) || n != pages {
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
	// What each page begins with is kept, so that it is known if it comes again, up to 65,536 of them.
	if grown := int64(last.HeapAlloc) - int64(first.HeapAlloc); grown > 2<<20 {
		t.Errorf("%d bytes more after twice as many pages", grown)
	}
}

// uuidOf returns the identity with a number.
func uuidOf(n int) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}
