// Command bench measures this client beside others that do the same work, and beside what the work costs
// at least. It prints a report, and with -out writes it as README.md with its pictures.
//
//	go run . -quick     # is it in order? a smoke run, its figures say little
//	go run . -out .     # what "make bench-peers" does
//
// It exits with 1 if a bar is missed, unless it was quick.
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

// keptLimit is the longest page that those read who keep a page as a whole.
const keptLimit = 100_000

// effort is how much is measured.
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
	out := flag.String("out", "", "write the report and its pictures into this `directory`")
	isQuick := flag.Bool("quick", false, "measure little")
	server := flag.Bool("serve", false, "be the server; for this program itself")
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
			"README.md":        r.readme(),
			itemsPicture:       r.items.plot().svg(),
			concurrencyPicture: r.concurrency.plot().svg(),
		} {
			if err := os.WriteFile(filepath.Join(*out, name), []byte(text), 0o644); err != nil { //nolint:gosec // for everybody to read
				log.Fatal(err)
			}
		}
	}
	for _, b := range r.bars() {
		if !b.passed && !*isQuick {
			os.Exit(1)
		}
	}
}

// run measures everything, and says on progress what it is at.
func run(ctx context.Context, e effort, progress io.Writer) (*results, error) {
	start := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(progress, "%6.1f s  %s\n", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
	}
	server, err := startChild("pages")
	if err != nil {
		return nil, err
	}
	defer server.stop()
	opponents, err := newOpponents(server.state.URL, &http.Transport{})
	if err != nil {
		return nil, err
	}
	r := &results{}

	for _, n := range e.pages {
		say("pages of %d backups", n)
		rounds := e.rounds
		if n > 10_000 {
			rounds = e.longRounds
		}
		page, err := measurePages(ctx, opponents, sendPrepared, n, rounds)
		if err != nil {
			return nil, err
		}
		if err := page.measurePeaks(ctx, opponents, sendPrepared); err != nil {
			return nil, err
		}
		r.pages = append(r.pages, page)
	}
	say("the first item")
	if r.first, err = measureFirst(ctx, named(opponents, azureSDK, stockClient, pageCall, iterator), e.firstItems, min(e.longRounds, 3)); err != nil {
		return nil, err
	}
	say("long lists")
	if r.streams, err = measureStreams(ctx, opponents, 10_000, e.streamed, min(e.longRounds, 3)); err != nil {
		return nil, err
	}
	say("pages of growing length")
	if r.items, err = measureGrowth(ctx, named(opponents, azureSDK, stockClient, pageCall, iterator, jsontextScan, copyOnly), e.items, keptLimit, e.longRounds); err != nil {
		return nil, err
	}
	say("many partitions")
	if r.fleet, err = measureFleets(ctx, "cluster", e.partitions, 64, e.rounds); err != nil {
		return nil, err
	}
	if r.echo, err = measureFleets(ctx, "echo", e.partitions, 64, e.longRounds); err != nil {
		return nil, err
	}
	say("growing concurrency")
	if r.concurrency, err = measureFleetGrowth(ctx, e.growthPartitions, e.concurrencies, e.longRounds); err != nil {
		return nil, err
	}
	say("cold starts")
	r.cold, err = measureCold(ctx, e.coldRounds)
	say("done")
	return r, err
}
