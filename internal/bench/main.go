// Command bench compares this client with other clients that do the same work, and with lower bounds for the
// cost of that work. It prints a report, and with -out it writes the report as README.md, with its charts.
//
//	go run . -quick     # a smoke test; its results are not meaningful
//	go run . -out .     # as "make bench-peers"
//
// It exits with status 1 if a result misses its target, unless -quick is set.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

// maxBuffered is the size of the largest page that is read with the peers that hold a whole page in memory.
const maxBuffered = 100_000

// effort is the amount of work of a run.
type effort struct {
	pages, items, concurrencies                        []int
	firstItems, streamed, partitions, growthPartitions int
	rounds, longRounds, coldRounds                     int
}

var (
	full = effort{
		pages:         []int{100, 10_000, 100_000},
		items:         []int{100, 1000, 10_000, 100_000, 1_000_000},
		concurrencies: []int{1, 2, 4, 8, 16, 32, 64, 128, 256},
		firstItems:    100_000, streamed: 1_000_000, partitions: 10_000, growthPartitions: 2000,
		rounds: 15, longRounds: 5, coldRounds: 41,
	}
	quick = effort{
		pages:         []int{100, 10_000},
		items:         []int{100, 1000, 10_000, 100_000},
		concurrencies: []int{1, 8, 64, 256},
		firstItems:    10_000, streamed: 100_000, partitions: 1000, growthPartitions: 500,
		rounds: 3, longRounds: 1, coldRounds: 3,
	}
)

func main() {
	log.SetFlags(0)
	out := flag.String("out", "", "write the report and its charts to this `directory`")
	isQuick := flag.Bool("quick", false, "run a smoke test")
	server := flag.Bool("serve", false, "run a server; used by this program itself")
	flag.Parse()
	if *server {
		if err := serve(flag.Args(), os.Stdin, os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	e := full
	if *isQuick {
		e = quick
	}
	r, err := run(ctx, e, os.Stderr)
	stop()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(r.readme())
	if *out != "" {
		for name, text := range map[string]string{
			"README.md":      r.readme(),
			itemsChart:       r.items.plot().svg(),
			concurrencyChart: r.concurrency.plot().svg(),
		} {
			if err := os.WriteFile(filepath.Join(*out, name), []byte(text), 0o644); err != nil { //nolint:gosec // the report is public
				log.Fatal(err)
			}
		}
	}
	for _, t := range r.targets() {
		if !t.passed && !*isQuick {
			os.Exit(1)
		}
	}
}

// run takes all measurements and logs each step to progress.
func run(ctx context.Context, e effort, progress io.Writer) (*results, error) {
	start := time.Now()
	logf := func(format string, args ...any) {
		fmt.Fprintf(progress, "%6.1f s  %s\n", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
	}
	server, err := startChild("pages")
	if err != nil {
		return nil, err
	}
	defer server.stop()
	peers, err := newPeers(server.state.URL, &http.Transport{})
	if err != nil {
		return nil, err
	}
	r := &results{}

	for _, n := range e.pages {
		logf("pages of %d backups", n)
		rounds := e.rounds
		if n > 10_000 {
			rounds = e.longRounds
		}
		page, err := measurePages(ctx, peers, sendPrepared, n, rounds)
		if err != nil {
			return nil, err
		}
		if err := page.measurePeaks(ctx, peers, sendPrepared); err != nil {
			return nil, err
		}
		r.pages = append(r.pages, page)
	}
	logf("the first item")
	if r.first, err = measureFirst(ctx, named(peers, azureSDK, stockClient, pageCall, iterator), e.firstItems, min(e.longRounds, 3)); err != nil {
		return nil, err
	}
	logf("pages whose items differ")
	if r.shapes, err = measureShapes(ctx, e.longRounds); err != nil {
		return nil, err
	}
	logf("long lists")
	if r.streams, err = measureStreams(ctx, peers, 10_000, e.streamed, min(e.longRounds, 3)); err != nil {
		return nil, err
	}
	logf("pages of growing length")
	if r.items, err = measureGrowth(ctx, named(peers, azureSDK, stockClient, pageCall, iterator, jsontextScan, copyOnly), e.items, maxBuffered, e.longRounds); err != nil {
		return nil, err
	}
	logf("many partitions")
	if r.fleet, err = measureFleets(ctx, "cluster", e.partitions, 64, e.rounds); err != nil {
		return nil, err
	}
	if r.echo, err = measureFleets(ctx, "echo", e.partitions, 64, e.longRounds); err != nil {
		return nil, err
	}
	logf("growing concurrency")
	if r.concurrency, err = measureFleetGrowth(ctx, e.growthPartitions, e.concurrencies, e.longRounds); err != nil {
		return nil, err
	}
	logf("cold starts")
	r.cold, err = measureCold(ctx, e.coldRounds)
	logf("done")
	return r, err
}
