package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// results has all measurements of one run.
type results struct {
	pages       []*pageResult
	first       *firstResult
	shapes      []*shapeResult
	streams     []*streamResult
	fleet, echo *fleetResult
	cold        *coldResult
	items       *growth
	concurrency fleetGrowth
}

// A target is a limit for one result.
type target struct {
	what, want, got string
	passed          bool
}

func atLeast(what string, want, got float64, unit func(float64) string) target {
	return target{what, "at least " + unit(want), unit(got), got >= want}
}

func atMost(what string, want, got float64, unit func(float64) string) target {
	return target{what, "at most " + unit(want), unit(got), got <= want}
}

// targets checks the results. No target is an absolute time: each compares results of the same run.
func (r *results) targets() []target {
	var targets []target
	times := func(v float64) string { return figure(v) + " ×" }
	count := func(v float64) string { return thousands(int(v)) }
	for _, p := range r.pages {
		if p.items != 10_000 {
			continue
		}
		own := p.samples[iterator]
		targets = append(targets,
			atLeast("a page of 10,000 backups: speed relative to the Azure SDK", 28, p.samples[azureSDK].ratio(own), times),
			atLeast("… relative to the stock client", 7, p.samples[stockClient].ratio(own), times),
			atMost("… time relative to the jsontext scan", 0.8, own.ratio(p.samples[jsontextScan]), times),
			atMost("… allocations per backup", 2.05, own.median(func(s sample) float64 { return s.allocs })/float64(p.items), figure))
	}
	targets = append(targets, atMost(fmt.Sprintf("first of %s backups: bytes sent before it", thousands(r.first.items)),
		64<<10, float64(r.first.bytes[iterator]), kilobytes))
	long, short := r.streams[0], r.streams[1]
	targets = append(targets,
		atMost(fmt.Sprintf("a list of %s backups: peak heap above baseline", thousands(long.length)), 4<<20, median(long.peaks), megabytes),
		atMost(fmt.Sprintf("… difference from lists of %s", thousands(short.length)), 0.2, math.Abs(median(long.peaks)/median(short.peaks)-1), percent))
	fleet := fmt.Sprintf("%s partitions, %d in flight: ", thousands(r.fleet.partitions), r.fleet.concurrency)
	targets = append(targets,
		atLeast(fleet+"throughput relative to the bare loop", 0.9, r.fleet.share(backupMany, bareLoop), percent),
		atMost("… connections", 64, float64(r.fleet.connections[backupMany]), count),
		atMost("… goroutines above baseline", 64+10, float64(r.fleet.goroutines[backupMany]), count))
	sizes := r.items.sizes
	return append(targets, atMost(fmt.Sprintf("time per backup, pages of 1,000 to %s: variation", thousands(sizes[len(sizes)-1])),
		0.2, r.items.spread(iterator, 1000), percent))
}

func targetTable(targets []target) *table {
	t := &table{header: []string{"measurement", "target", "result", ""}}
	for _, target := range targets {
		verdict := "FAIL"
		if target.passed {
			verdict = "PASS"
		}
		t.add(target.what, target.want, target.got, verdict)
	}
	return t
}

// The file names of the charts.
const (
	itemsChart       = "growth-items.svg"
	concurrencyChart = "growth-concurrency.svg"
)

// readme returns the report.
func (r *results) readme() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p(`# Comparison with other clients

%[1]smake bench-peers%[1]s writes this file in a few minutes. %[1]sgo run . -quick%[1]s in this directory takes about one
minute and writes no files; its results are not meaningful. This directory is a separate Go module, so that the
module of the client does not depend on the other clients.
`, "`")
	p("Measured on %s with %d processors (GOMAXPROCS %d), %s/%s, %s.\n%s\n",
		processor(), runtime.NumCPU(), runtime.GOMAXPROCS(0), runtime.GOOS, runtime.GOARCH, runtime.Version(), versions())
	p("## Targets\n\n%s", targetTable(r.targets()))
	p(`## Method

All results are from one run on one machine. The clients take turns (A B C A B C …) at the same work: they read the
same bytes through the same transport from the same server, which is a net/http server on the loopback interface in
a separate process. A time is the median over all rounds. A ratio is the median of the ratios within each round, so
that other load on the machine affects both sides. Compare the ratios: the times depend on the machine. The garbage
collector runs before each turn. Allocations are those of the client process. The peak heap is measured in a separate
run without timing, and includes garbage that was not yet collected.

- *Azure SDK* is azure-sdk-for-go, services/servicefabric/7.2/servicefabric.
- *stock client* is the client in [stock](stock), which oapi-codegen generates from openapi/backup.yaml with its
  default settings. It does not decode the partition of a backup; the row after it includes that.
- *jsontext scan* reads all JSON tokens and keeps none. *io.Copy* only reads the bytes.

Each client that decodes backups must return as many as were sent, with locations of the right length.
`)
	p("## One page\n\nEvery backup has all fields, in the form in which a 6.4 cluster sends them: %d bytes each.\n", len(pageItem))
	for _, page := range r.pages {
		p("%s", page.table())
	}
	p(`## The first backup of a page

To count the bytes, the server sends the body in chunks of 1 KiB, each only after the client has read all previous
chunks and reads again. The times are for a server that sends the page at once, and for a slow server.

%s`, r.first.table())
	p(`## Pages whose items differ

This client reads an item by its difference to the ones before. These pages have %s items or fewer, in the form above
with one difference each. They come from memory, and so does a progress.

%s`, thousands(shapes[0].items), shapeTable(r.shapes))
	p(`## A very long list

The server generates the list while it sends it, and the loop keeps nothing. Most of the peak is garbage: the Go
runtime does not collect a heap below 4 MiB, and one list of %s does not produce that much. For a fair
comparison, the same number of backups is also streamed in short lists. The heap after a collection in the middle of
a list is what the list really needs.

%s`, thousands(r.streams[1].length), streamTable(r.streams))
	p(`## Many partitions

Each client backs up %s partitions and waits for the backups, %d in flight at a time. Every backup has ended by the
first poll, so it takes three requests: a GET that reads the progress before the start, the POST, and a GET for the
result. The bare loop sends the same requests from as many goroutines as backups may be in flight, with a tuned
transport, and does not decode the responses. This client has at most 16 requests in flight, however many backups
are; the second row is a bare loop with the same limit. Each turn has a new server. net/http uses two goroutines for
each connection.
`, thousands(r.fleet.partitions), r.fleet.concurrency)
	p("%s", r.fleet.table("against the cluster in memory"))
	p("Against a server that only sends fixed responses, so that more of the time is the client's:\n")
	p("%s", r.echo.table("against fixed responses"))
	p(`## Cold start

The lifetime of a process that reads the progress of one backup and prints it. The programs are in [cold](cold). The
bare one does not decode the response.

%s`, r.cold.table())
	p("## Growth\n\nThe server generates the pages while it sends them. Clients that hold a whole page in memory read at most %s backups.\n",
		thousands(maxBuffered))
	p("![time per backup by the number of backups](%s)\n\n%s", itemsChart, r.items.table())
	p("The throughput with %s partitions, by the number of backups in flight:\n", thousands(r.concurrency[0].partitions))
	p("![backups per second by the number of backups in flight](%s)\n\n%s", concurrencyChart, r.concurrency.table())
	return strings.TrimSuffix(b.String(), "\n")
}

// processor returns the model of the processor.
func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "an unknown processor"
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "an unknown processor"
}

// versions returns the versions of the modules that the clients are built from.
func versions() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var list []string
	for _, dep := range info.Deps {
		switch dep.Path {
		case "github.com/Azure/azure-sdk-for-go", "github.com/Azure/go-autorest/autorest",
			"github.com/oapi-codegen/runtime", "github.com/go-json-experiment/json":
			list = append(list, dep.Path+" "+dep.Version)
		}
	}
	return "Versions: " + strings.Join(list, ", ") + "."
}
