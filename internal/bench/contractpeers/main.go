// Command contractpeers compares package contract with other validators of HTTP exchanges. It checks the exchanges and
// the mutants that the tests of the package write, and prints a report in Markdown. It needs Linux and npx.
//
// Run make contract-peers.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"time"
)

// The names of the validators.
const (
	own     = "openapi/contract"
	kin     = "kin-openapi"
	libopen = "libopenapi-validator"
	prism   = "prism proxy"
)

const (
	pageLength = 10_000
	prismEvery = 16 // Prism checks one in so many mutants
	turns      = 3  // how often the costs of each are measured, one after the other
)

func main() {
	log.SetFlags(0)
	mutants := flag.String("mutants", "", "the `file` with the mutants; go test ./openapi/contract -contract.dump writes it")
	out := flag.String("out", "", "write the report to this `file`")
	child := flag.Bool("child", false, "check with one validator; used by this program itself")
	flag.Parse()
	if *child {
		if err := runChild(flag.Args(), os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	report, err := run(ctx, *mutants)
	stop()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(report)
	if *out != "" {
		if err := os.WriteFile(*out, []byte(report), 0o644); err != nil { //nolint:gosec // the report is public
			log.Fatal(err)
		}
	}
}

// run runs all validators and returns the report.
func run(ctx context.Context, file string) (string, error) {
	if _, err := exec.LookPath("npx"); err != nil {
		return "", fmt.Errorf("prism needs npx: %w", err)
	}
	start := time.Now()
	logf := func(name string) { log.Printf("%6.1f s  %s", time.Since(start).Seconds(), name) }
	all, err := readExchanges(file)
	if err != nil {
		return "", err
	}
	var results []*result
	for _, name := range []string{own, kin, libopen} {
		logf(name)
		r := &result{name: name, exchanges: all}
		if err := startChild(ctx, &r.verdicts, name, "check", file); err != nil {
			return "", err
		}
		results = append(results, r)
	}

	logf(prism)
	dir, err := os.MkdirTemp("", "contractpeers")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // temporary
	running, err := startProxies(ctx, dir)
	if err != nil {
		return "", err
	}
	defer running.stop()
	ofPrism := &result{name: prism, exchanges: sample(all, prismEvery)}
	if ofPrism.verdicts, err = running.checkAll(ctx, ofPrism.exchanges); err != nil {
		return "", err
	}
	whole := wholeExchanges(all)
	for range turns {
		logf("costs")
		for _, r := range results {
			var c costs
			if err := startChild(ctx, &c, r.name, "measure", file); err != nil {
				return "", err
			}
			r.costs.add(c)
		}
		c, err := running.measure(ctx, whole)
		if err != nil {
			return "", err
		}
		ofPrism.costs.add(*c)
	}
	if err := running.provoke(ctx); err != nil {
		return "", err
	}
	logf("done")
	return readme(append(results, ofPrism)), nil
}
