package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"
)

// Each validator runs in a process of its own, because some have global settings, and so that memory can be
// attributed. The child runs this program again and writes its result to standard output.

// A verdict is what a validator says about one side of an exchange.
type verdict byte

const (
	silent verdict = iota
	reported
	failed // the validator panicked, or gave no answer in time
	unsent // HTTP cannot transport the exchange, or a report about the request stopped it
)

// costs are what a validator needs.
type costs struct {
	Exchange time.Duration // for the request and the response of a valid exchange: the mean of the fastest round
	Page     time.Duration // for a page of many backups: the shortest
	Memory   int           // the peak for the page above the memory before it, in bytes
	Error    string        // why the costs of the page mean nothing: it is reported, or a mistake in it is missed
}

// add adds the costs of another turn.
func (c *costs) add(other costs) {
	if c.Page == 0 {
		*c = other
		return
	}
	c.Exchange, c.Page, c.Memory = min(c.Exchange, other.Exchange), min(c.Page, other.Page), max(c.Memory, other.Memory)
	c.Error = cmp.Or(c.Error, other.Error)
}

// runChild does the work of a child process with a file of exchanges: "check", whose result is a list of verdicts,
// or "measure", whose result is the costs.
func runChild(args []string, out io.Writer) error {
	if len(args) != 3 || newCheckers[args[0]] == nil {
		return fmt.Errorf("unknown child %q", args)
	}
	checkers := map[string]checker{}
	for name, document := range documents {
		c, err := newCheckers[args[0]](document)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		checkers[name] = c
	}
	all, err := readExchanges(args[2])
	if err != nil {
		return err
	}
	var result any
	switch args[1] {
	case "check":
		result, err = checkAll(checkers, all)
	case "measure":
		exchanges := wholeExchanges(all)
		result, err = measure(exchanges, pageLength, strconv.Itoa(os.Getpid()), func(x *exchange) (time.Duration, bool, error) {
			onRequest, first, err := check(checkers[x.Profile], x, request)
			if err != nil {
				return 0, false, err
			}
			onResponse, second, err := check(checkers[x.Profile], x, response)
			return first + second, onRequest+onResponse != silent, err
		})
	default:
		return fmt.Errorf("unknown work %q", args[1])
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(result)
}

// startChild runs a child process and decodes its result.
func startChild(ctx context.Context, result any, args ...string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, append([]string{"-child"}, args...)...) //nolint:gosec // this program
	cmd.Stderr = os.Stderr
	data, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%q: %w", args, err)
	}
	return json.Unmarshal(data, result)
}

// localhost is the server of the requests that are not sent. The documents have it as their default.
const localhost = "http://localhost:19080"

// checkAll checks the changed sides of exchanges.
func checkAll(checkers map[string]checker, all []*exchange) ([]verdict, error) {
	var verdicts []verdict
	for _, x := range all {
		said, _, err := check(checkers[x.Profile], x, x.Side)
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, said)
	}
	return verdicts, nil
}

// wholeExchanges returns the exchanges without a change whose two sides are valid.
func wholeExchanges(all []*exchange) []*exchange {
	requests := map[key]bool{}
	for _, x := range all {
		if x.Operator == unchanged && x.Side == request {
			requests[x.key()] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(x *exchange) bool {
		return x.Operator != unchanged || x.Side != response || !requests[key{x.Name, x.Profile, request}]
	})
}

// check checks one side of an exchange, and measures how long that takes.
func check(c checker, x *exchange, side string) (said verdict, elapsed time.Duration, err error) {
	req, err := x.request(localhost)
	if err != nil {
		return silent, 0, err
	}
	start := time.Now()
	defer func() {
		elapsed = time.Since(start)
		if recover() != nil {
			said = failed
		}
	}()
	var report error
	switch side {
	case request:
		report = c.request(req)
	default:
		report = c.response(req, x.response(req)) //nolint:bodyclose // it is in memory
	}
	if report != nil {
		return reported, 0, nil
	}
	return silent, 0, nil
}
