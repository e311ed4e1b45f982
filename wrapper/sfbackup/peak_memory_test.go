package sfbackup_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	goruntime "runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// What a response may cost: a peak heap of so many bytes for each byte received, and a constant.
const (
	peakFactor = 16
	peakFixed  = 8 << 20
)

// hostileBody is a body that costs as much memory as possible for its length. It is written as it is read, so
// that it takes none itself.
type hostileBody struct {
	name       string
	status     string
	begin, end string
	item       func(i int) string
	items      int
	small      bool // its items are as short as they can be
}

// id32 is the shortest form of an identity.
func id32(n int) string { return fmt.Sprintf("%032x", n+2) }

func eachItem(format string) func(int) string {
	return func(i int) string { return fmt.Sprintf(format, id32(i)) }
}

var peakSize = flag.Int("sfbackup.peak", 256<<10, "how long the bodies are whose peak of memory is measured")

// hostileBodies are pages, progresses and errors.
func hostileBodies() []hostileBody {
	size := *peakSize
	longest := min(size, 1<<20) - 100 // of a value
	page := func(name string, item func(int) string) hostileBody {
		return hostileBody{
			name: name, begin: `{"Items":[` + strings.TrimPrefix(item(-1), ","), end: `]}`,
			item: item, items: size / len(item(0)), small: len(item(0)) < 70,
		}
	}
	long := func(s string, n int) string { return strings.Repeat(s, n/len(s)) }
	piece := func(name, begin, piece, end string, n int) hostileBody {
		return hostileBody{name: name, begin: begin, end: end, item: func(int) string { return piece }, items: n / len(piece)}
	}
	bodies := []hostileBody{
		piece("items without an id", `{"Items":[{}`, `,{}`, `]}`, size),
		page("items with an id alone", eachItem(`,{"BackupId":"%s"}`)),
		page("items with an error", eachItem(`,{"BackupId":"%s","FailureError":{}}`)),
		page("items with many errors", eachItem(`,{"BackupId":"%s"`+long(`,"FailureError":{}`, 900)+`}`)),
		page("items with a partition of one byte", eachItem(`,{"BackupId":"%s","PartitionInformation":1}`)),
		page("items with a partition of no kind", eachItem(`,{"BackupId":"%s","PartitionInformation":{"Id":"%[1]s"}}`)),
		page("items with a partition", eachItem(`,{"BackupId":"%s","PartitionInformation":{"ServicePartitionKind":"Singleton","Id":"%[1]s"}}`)),
		page("items with many partitions", eachItem(`,{"BackupId":"%s"`+long(`,"PartitionInformation":[1]`, 900)+`}`)),
		page("items with short texts", func(i int) string {
			return fmt.Sprintf(`,{"BackupId":"%s","BackupType":%d,"ServiceName":"%x","BackupLocation":"%o"}`, id32(i), i+1, i+1, i+1)
		}),
		page("items with texts of invalid UTF-8", eachItem(`,{"BackupId":"%s","BackupLocation":"`+long("\xff", 90)+`"}`)),
		page("long texts of invalid UTF-8", eachItem(`,{"BackupId":"%s","BackupLocation":"`+long("\xff", longest)+`"}`)),
		page("long texts of escapes and invalid UTF-8", eachItem(`,{"BackupId":"%s","BackupLocation":"`+long("\xff\\n", longest)+`"}`)),
		page("long texts of many kinds", eachItem(`,{"BackupId":"%s","BackupLocation":"`+long("\xff", longest/4)+`","BackupType":"`+long("\xff", longest/4)+`","FailureError":{"Message":"`+long("\xff", longest/4)+`"}}`)),
		page("long partitions", eachItem(`,{"BackupId":"%s","PartitionInformation":{"ServicePartitionKind":"`+long("\xff", longest/2)+`"}}`)),
		page("deep items", eachItem(`,{"BackupId":"%s","x":`+long("[", 60)+long("]", 60)+`}`)),
		page("an item of many members", eachItem(`,{"BackupId":"%s"`+long(`,"FailureError":{}`, longest)+`}`)),
		page("an item of many partitions", eachItem(`,{"BackupId":"%s"`+long(`,"PartitionInformation":{}`, longest)+`}`)),
		page("an item of many unknown members", eachItem(`,{"BackupId":"%s"`+long(`,"":1`, longest)+`}`)),
		piece("many unknown members", `{"Items":[]`, `,"":1`, `}`, size),
		piece("many long names", `{"Items":[]`, `,"`+long("\xff", 250)+`":1`, `}`, size),
		piece("many tokens", `{"Items":[]`, `,"ContinuationToken":"`+long("\xff", 1000)+`"`, `}`, size),
		piece("spaces", `{"Items":[`, `    `, `]}`, size),
		piece("nesting", `{"Items":[{"x":`, `[`, `}]}`, size),
		piece("an unfinished name", `{"Items":[{"`, "\xff", ``, size),
	}
	for _, n := range []int{100, 4 << 10, 30 << 10, 60 << 10, 1<<20 - 100} {
		bodies = append(bodies,
			hostileBody{name: fmt.Sprintf("a token of %d bytes", n), begin: `{"Items":[],"ContinuationToken":"`, item: func(int) string { return long("\xff", 100) }, items: n / 100, end: `"}`},
			hostileBody{name: fmt.Sprintf("a printable token of %d bytes", n), begin: `{"ContinuationToken":"`, item: func(int) string { return long("+", 100) }, items: n / 100, end: `"}`})
	}
	for _, status := range []string{"200 OK", "500 Internal Server Error"} {
		for _, text := range []string{"\xff", "a", `\n`, "\xff\\n"} {
			for _, begin := range []string{`{"BackupState":"`, `{"BackupState":"a","FailureError":{"Message":"`, `{"Error":{"Code":"`, `{"Error":{"Message":"`} {
				end := `"` + strings.Repeat("}", strings.Count(begin, "{"))
				bodies = append(bodies, hostileBody{
					name: status[:4] + begin + text, status: status, begin: begin, end: end, item: func(int) string { return long(text, 1000) }, items: longest / 1000,
				})
			}
		}
		bodies = append(bodies,
			hostileBody{name: status[:4] + "many members", status: status, begin: `{"BackupState":"a"`, item: func(int) string { return `,"FailureError":{"Code":1}` }, items: size / 26, end: `}`},
			hostileBody{name: status[:4] + "many codes", status: status, begin: `{"Code":"a"`, item: func(int) string { return `,"Code":"\n"` }, items: size / 12, end: `}`},
			hostileBody{name: status[:4] + "an array", status: status, begin: `[0`, item: func(int) string { return `,{}` }, items: size / 3, end: `]`})
	}
	return bodies
}

// bodyReader writes a body while it is read.
type bodyReader struct {
	body  hostileBody
	rest  string
	next  int // 0 is the beginning, then the items, then the end
	err   error
	meter *heapMeter
}

func (r *bodyReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if r.rest == "" {
			switch {
			case r.next == 0:
				r.rest = r.body.begin
			case r.next <= r.body.items:
				r.rest = r.body.item(r.next - 1)
			case r.next == r.body.items+1:
				r.rest = r.body.end
			default:
				r.meter.received.Add(int64(n))
				r.meter.sample()
				if n > 0 {
					return n, nil
				}
				return 0, r.err
			}
			r.next++
			continue
		}
		c := copy(p[n:], r.rest)
		n, r.rest = n+c, r.rest[c:]
	}
	r.meter.received.Add(int64(n))
	r.meter.sample()
	return n, nil
}

// heapBytes returns the size of the heap, garbage included.
func heapBytes() int64 {
	s := [1]metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s[:])
	return int64(s[0].Value.Uint64())
}

// A heapMeter measures by how much the heap grows while responses are read.
type heapMeter struct {
	start    int64
	received atomic.Int64 // the bytes of the responses so far
	mu       sync.Mutex
	peak     int64 // above the start
	excess   int64 // above the start and peakFactor bytes for each byte received until then
}

func (m *heapMeter) sample() {
	m.mu.Lock()
	defer m.mu.Unlock()
	received := m.received.Load()
	grown := heapBytes() - m.start
	m.peak = max(m.peak, grown)
	m.excess = max(m.excess, grown-peakFactor*received)
}

// measure runs a call and takes samples as fast as it can.
func (m *heapMeter) measure(call func()) {
	goruntime.GC()
	goruntime.GC() // twice, to empty sync.Pools too
	m.start = heapBytes()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(100 * time.Microsecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				m.sample()
			case <-stop:
				return
			}
		}
	}()
	call()
	m.sample()
	close(stop)
	<-stopped
}

// eachResponse is every call that reads a response, with what it returns kept until it is measured.
var eachResponse = map[string]func(context.Context, *sfbackup.Client) (any, error){
	"PartitionBackupsPage": func(ctx context.Context, c *sfbackup.Client) (any, error) {
		return c.PartitionBackupsPage(ctx, partition1, nil)
	},
	"ServiceBackupsPage": func(ctx context.Context, c *sfbackup.Client) (any, error) {
		return c.ServiceBackupsPage(ctx, calcService, nil)
	},
	"PartitionBackups": func(ctx context.Context, c *sfbackup.Client) (any, error) {
		for _, err := range c.PartitionBackups(ctx, partition1, nil) {
			if err != nil {
				return nil, err
			}
		}
		return nil, nil
	},
	"ServiceBackups, Latest": func(ctx context.Context, c *sfbackup.Client) (any, error) {
		for _, err := range c.ServiceBackups(ctx, calcService, &sfbackup.ListOptions{Latest: true}) {
			if err != nil {
				return nil, err
			}
		}
		return nil, nil
	},
	"BackupProgress": func(ctx context.Context, c *sfbackup.Client) (any, error) { return c.BackupProgress(ctx, partition1) },
}

// What a response costs is bounded by what was received of it, whatever it is. (Not parallel: the heap is that
// of the process.)
func TestPeakMemory(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	for _, body := range hostileBodies() {
		calls := []string{"PartitionBackupsPage", "ServiceBackups, Latest", "PartitionBackups"}
		switch {
		case body.status != "":
			calls = []string{"BackupProgress", "ServiceBackupsPage", "ServiceBackups, Latest"}
		case body.small:
			calls = slices.Sorted(maps.Keys(eachResponse))
		}
		for _, call := range calls {
			end := io.EOF
			if call == "PartitionBackups" {
				end = io.ErrUnexpectedEOF // what was delivered has to be kept
			}
			testPeakMemory(t, body, call, end)
		}
	}
}

// testPeakMemory measures a call whose first transfer ends with an error, and whose second one is complete.
func testPeakMemory(t *testing.T, body hostileBody, name string, end error) {
	t.Helper()
	requests, meter := 0, new(heapMeter)
	client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		requests++
		_ = req.Write(io.Discard) // as net/http does, which copies the token
		a := canned{status: cmp.Or(body.status, "200 OK"), contentType: jsonType}
		r := &bodyReader{body: body, err: io.EOF, meter: meter}
		if requests == 1 {
			r.err = end
		}
		resp := a.response(req)
		resp.Body, resp.ContentLength = io.NopCloser(r), -1
		meter.sample()
		return resp, nil
	}), sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 2, MinDelay: 1, MaxDelay: 1}))
	meter.measure(func() {
		result, err := eachResponse[name](t.Context(), client)
		if err == nil && strings.HasPrefix(body.status, "5") {
			t.Errorf("%s, %s: no error", body.name, name)
		}
		meter.sample()
		goruntime.KeepAlive(result)
	})
	if meter.excess > peakFixed {
		t.Errorf("%q, %s, then %v: %d bytes received, %d requests, peak %d bytes, %d bytes too many",
			body.name, name, end, meter.received.Load(), requests, meter.peak, meter.excess-peakFixed)
	}
	if testing.Verbose() {
		t.Logf("%-45.45q %-22s %8d bytes in %d, peak %6.2f MiB, excess %6.2f MiB", body.name, name,
			meter.received.Load(), requests, float64(meter.peak)/(1<<20), float64(meter.excess)/(1<<20))
	}
}
