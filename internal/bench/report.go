package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// results are all measurements of one run.
type results struct {
	pages       []*pageResult
	first       *firstResult
	streams     []*streamResult
	fleet, echo *fleetResult
	cold        *coldResult
	items       *growth
	concurrency fleetGrowth
}

// A bar is what a figure has to reach.
type bar struct {
	what, want, got string
	passed          bool
}

func atLeast(what string, want, got float64, unit func(float64) string) bar {
	return bar{what, "at least " + unit(want), unit(got), got >= want}
}

func atMost(what string, want, got float64, unit func(float64) string) bar {
	return bar{what, "at most " + unit(want), unit(got), got <= want}
}

// bars compares the figures of one run with each other; none is a bare time.
func (r *results) bars() []bar {
	var bars []bar
	times := func(v float64) string { return figure(v) + " ×" }
	count := func(v float64) string { return thousands(int(v)) }
	for _, p := range r.pages {
		if p.items != 10_000 {
			continue
		}
		own := p.samples[iterator]
		bars = append(bars,
			atLeast("a page of 10,000 backups: speed beside the Azure SDK", 12, p.samples[azureSDK].ratio(own), times),
			atLeast("… beside the stock client", 3, p.samples[stockClient].ratio(own), times),
			atMost("… time beside the jsontext scan", 2.5, own.ratio(p.samples[jsontextScan]), times),
			atMost("… allocations per backup", 6, own.median(func(s sample) float64 { return s.allocs })/float64(p.items), figure))
	}
	bars = append(bars, atMost(fmt.Sprintf("first of %s backups: body sent until then", thousands(r.first.items)),
		64<<10, float64(r.first.bytes[iterator]), kilobytes))
	long, short := r.streams[0], r.streams[1]
	bars = append(bars,
		atMost(fmt.Sprintf("a list of %s backups: peak heap above the start", thousands(long.length)), 16<<20, median(long.peaks), megabytes),
		atMost(fmt.Sprintf("… beside lists of %s: difference", thousands(short.length)), 0.2, math.Abs(median(long.peaks)/median(short.peaks)-1), percent))
	fleet := fmt.Sprintf("%s partitions, %d in flight: ", thousands(r.fleet.partitions), r.fleet.concurrency)
	bars = append(bars,
		atLeast(fleet+"throughput beside the bare loop", 0.9, r.fleet.share(backupMany, bareLoop), percent),
		atMost("… connections", 64, float64(r.fleet.connections[backupMany]), count),
		atMost("… goroutines above the start", 64+10, float64(r.fleet.goroutines[backupMany]), count))
	sizes := r.items.sizes
	return append(bars, atMost(fmt.Sprintf("time per backup, pages of 1,000 to %s: spread", thousands(sizes[len(sizes)-1])),
		0.2, r.items.spread(iterator, 1000), percent))
}

func barTable(bars []bar) *table {
	t := &table{header: []string{"bar", "wanted", "reached", ""}}
	for _, b := range bars {
		verdict := "FAIL"
		if b.passed {
			verdict = "PASS"
		}
		t.add(b.what, b.want, b.got, verdict)
	}
	return t
}

// The names of the pictures, beside the README.
const (
	itemsPicture       = "growth-items.svg"
	concurrencyPicture = "growth-concurrency.svg"
)

// readme returns the report.
func (r *results) readme() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p(`# This client beside others

Written by %[1]smake bench-peers%[1]s, which takes a few minutes; %[1]sgo run . -quick%[1]s in this directory
takes one, writes nothing and is good for trying it out only. This is a Go module of its own, so that the client's
has none of the others among its dependencies.
`, "`")
	p("Measured on %s with %d processors (GOMAXPROCS %d), %s/%s, %s.\n%s\n",
		processor(), runtime.NumCPU(), runtime.GOMAXPROCS(0), runtime.GOOS, runtime.GOARCH, runtime.Version(), versions())
	p("## Bars\n\n%s", barTable(r.bars()))
	p(`## How it is measured

All figures are from one run on one machine. The opponents take turns (A B C A B C …) on the same work: the
same server, which is net/http on the loopback interface in a process of its own, the same bytes, and the same
transport. A time is the median of the rounds, a ratio the median of the ratios within each round, so
that what happens on the machine meanwhile meets all of them alike. Compare ratios; times are another
machine's. The garbage collector runs before each turn. Allocations are those of the client's process. A peak of the
heap is measured by itself, in a turn that is not timed, and includes garbage that was not yet collected.

- *Azure SDK* is azure-sdk-for-go, services/servicefabric/7.2/servicefabric.
- *stock client* is what oapi-codegen makes of openapi/backup.yaml with its default settings, in
  [stock](stock); it leaves the partition of each backup undecoded, so the row below adds that.
- *jsontext scan* goes through the JSON tokens and keeps nothing; *io.Copy* reads the bytes alone.

Every one that decodes has to show as many backups as were sent, with locations of the right length.
`)
	p("## A page\n\nEvery backup has all fields, %d bytes in all, as a cluster of version 6.4 writes it.\n", len(pageItem))
	for _, page := range r.pages {
		p("%s", page.table())
	}
	p(`## The first backup of a page

The bytes are counted with a server that sends 1 KiB of the body at a time, and only when the client has read all that
it was sent and wants more. The times are with a server that sends the page at once, and with a slow one.

%s`, r.first.table())
	p(`## A list without end

The server makes the list while it sends it; the loop keeps nothing. Most of the peak is garbage: Go's runtime does
not collect a heap below 4 MiB, and one list of %s does not even make that much. So that both have the same
time to make garbage, as many backups are also streamed in short lists. What is left after a collection, in the middle of
a list, is what the list needs.

%s`, thousands(r.streams[1].length), streamTable(r.streams))
	p(`## Many partitions

%s partitions are backed up and waited for, %d in flight at a time. Each backup has ended when it is first
asked for, so that it is one POST and one GET. The bare loop sends the same requests from as many goroutines with a
tuned transport, and does not decode what it is answered. This client has at most 16 requests under way, however many
backups are in flight; the third row is a bare loop that does the same. Each turn has a new server. net/http has two
goroutines for each connection.
`, thousands(r.fleet.partitions), r.fleet.concurrency)
	p("%s", r.fleet.table("against the cluster in memory"))
	p("Against a server that does nothing but answer, which leaves more of the time to the clients:\n")
	p("%s", r.echo.table("against an echo"))
	p(`## Cold start

From the start of a process to its end; it asks for the progress of one backup and prints it. The programs are
in [cold](cold), the bare one does not decode its answer.

%s`, r.cold.table())
	p("## How it grows\n\nThe server makes the pages while it sends them, at most %s backups for those who keep a page as a whole.\n",
		thousands(keptLimit))
	p("![time per backup by the number of backups](%s)\n\n%s", itemsPicture, r.items.table())
	p("%s partitions each, by how many backups are in flight:\n", thousands(r.concurrency[0].partitions))
	p("![backups a second by how many are in flight](%s)\n\n%s", concurrencyPicture, r.concurrency.table())
	return strings.TrimSuffix(b.String(), "\n")
}

// processor returns the model of the machine's processor.
func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "a processor"
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "a processor"
}

// versions returns the versions of those that are measured.
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
