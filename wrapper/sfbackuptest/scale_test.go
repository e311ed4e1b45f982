package sfbackuptest_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// countItems counts the items of a list in constant memory.
func countItems(r io.Reader) (n int, err error) {
	needle := []byte(`"BackupId"`)
	buffer := make([]byte, 0, 64<<10)
	for err == nil {
		var m int
		m, err = r.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+m]
		n += bytes.Count(buffer, needle)
		// The end of the buffer may be the beginning of a match.
		tail := buffer[max(len(buffer)-len(needle)+1, 0):]
		buffer = append(buffer[:0], tail...)
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// heap returns the memory in use after a garbage collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestStart creates a cluster with a million backups and measures all memory that it allocates meanwhile, garbage
// included. See BenchmarkStart for the time. It is not parallel, because other tests would change the result.
func TestStart(t *testing.T) {
	const services, partitions, backups = 1000, 10, 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.LargeCluster(services, partitions, backups)...))
	runtime.ReadMemStats(&after)
	if got := len(c.Partitions()); got != services*partitions {
		t.Fatalf("%d partitions", got)
	}
	size, allocations := mib(after.TotalAlloc-before.TotalAlloc), after.Mallocs-before.Mallocs
	t.Logf("%.1f MiB in %d allocations", size, allocations)
	if limit := 16.0; size > limit {
		t.Errorf("starting takes %.1f MiB, want at most %.0f", size, limit)
	}
	if limit := uint64(12 * services * partitions); allocations > limit {
		t.Errorf("starting takes %d allocations, want at most %d", allocations, limit)
	}
}

// TestScale lists a million backups and measures the memory. It is not parallel, because other tests would
// change the result.
func TestScale(t *testing.T) {
	services := 1000
	if raceEnabled {
		services = 100 // the detector takes its time
	}
	const partitions, backups = 10, 100
	empty := heap()
	began := time.Now()
	c := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.LargeCluster(services, partitions, backups)...))
	took := time.Since(began)
	started := heap()

	began = time.Now()
	listed, peak := 0, started
	rt := c.Transport()
	for i := range services {
		resp, err := rt.RoundTrip(mustRequest(t, http.MethodGet, fmt.Sprintf("http://cluster/Services/App%03d/Service%03d/$/GetBackups"+v, i/10, i)))
		if err != nil {
			t.Fatal(err)
		}
		n, err := countItems(resp.Body)
		resp.Body.Close()
		if err != nil || n != partitions*backups {
			t.Fatalf("service %d: %d backups, %v", i, n, err)
		}
		listed += n
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
	}
	t.Logf("%d services, %d partitions: started in %s with %.1f MiB", services, len(c.Partitions()), took.Round(time.Millisecond), mib(started-empty))
	t.Logf("%d backups listed in %s, peak %.1f MiB above the start, garbage included", listed, time.Since(began).Round(time.Millisecond), mib(peak-started))
	if limit := 64.0; mib(peak-started) > limit {
		t.Errorf("listing takes %.1f MiB, want at most %.0f", mib(peak-started), limit)
	}
	inUse := mib(heap()) - mib(empty) // less than nothing if memory of other tests was freed meanwhile
	t.Logf("%.1f MiB in use after it", inUse)
	if limit := 16.0; inUse > limit {
		t.Errorf("%.1f MiB are in use after the lists, want at most %.0f", inUse, limit)
	}
	runtime.KeepAlive(c)
}

func mib(n uint64) float64 { return float64(n) / (1 << 20) }

// BenchmarkStart creates a cluster with a million backups: 1,000 services of ten partitions with a hundred backups
// each. It has to take at most 50 ms.
func BenchmarkStart(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.LargeCluster(1000, 10, 100)...))
	}
}

// BenchmarkList lists the 1,000 backups of a service.
func BenchmarkList(b *testing.B) {
	c := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.LargeCluster(1, 10, 100)...))
	rt := c.Transport()
	b.ReportAllocs()
	for b.Loop() {
		resp, err := rt.RoundTrip(mustRequest(b, http.MethodGet, "http://cluster/Services/App000/Service000/$/GetBackups"+v))
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(n)
	}
}
