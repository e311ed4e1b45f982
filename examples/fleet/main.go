// Command fleet backs up many partitions at a time and waits for all of them.
//
//	go run ./examples/fleet                                           # a cluster in memory
//	go run ./examples/fleet -endpoint URL -concurrency 32 ID ID ...   # these partitions of a real cluster
//	go run ./examples/fleet -endpoint URL <partitions.txt             # one ID a line; "# ..." is a comment
//
// What ends without success is written to standard error, one line for each partition. It exits with
// 0 when all backups ended with success, with 1 when one did not, and with 2 when it was called
// wrongly; then no backup was started. Interrupting it says for every partition that has not ended
// how far it was. It does not stop the backups.
package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/examples/internal/credentials"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // who interrupts a second time does not want to wait for the report
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr, isTerminal(os.Stdout)}))
}

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
	terminal bool // out is one
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func run(ctx context.Context, args []string, std streams) int {
	flags := flag.NewFlagSet("fleet", flag.ContinueOnError)
	flags.SetOutput(std.err)
	flags.Usage = func() {
		fmt.Fprint(std.err, "Backs up many partitions: of a cluster in memory, or those of the given cluster whose identities are\n"+
			"arguments or, if there are none, lines of standard input.\n\n")
		flags.PrintDefaults()
	}
	endpoint := flags.String("endpoint", "", "the `URL` of a cluster's HTTP gateway; without it, a cluster in memory")
	concurrency := flags.Int("concurrency", 64, "back up `N` partitions at a time")
	secured := credentials.Register(flags)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	wrong := func(err error) int {
		fmt.Fprintln(std.err, "fleet:", err)
		return 2
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	delete(given, "concurrency") // is for both
	if *concurrency < 1 {
		return wrong(fmt.Errorf("-concurrency: %d at a time is none", *concurrency))
	}
	outside := given["endpoint"]
	if !outside && (len(given) > 0 || flags.NArg() > 0) {
		return wrong(errors.New("give -endpoint too: partitions and credentials belong to a cluster"))
	}
	access, err := secured.Options()
	if err != nil {
		return wrong(err)
	}

	opts := &sfbackup.BackupManyOptions{Concurrency: *concurrency}
	var partitions []uuid.UUID
	if outside {
		if partitions, err = readPartitions(flags.Args(), std.in); err != nil {
			return wrong(err)
		}
	} else {
		cluster := newCluster()
		server, err := sfbackuptest.NewServer(cluster)
		if err != nil {
			fmt.Fprintln(std.err, "fleet:", err)
			return 1
		}
		defer server.Close()
		fmt.Fprintf(std.out, "a cluster in memory answers at %s\n", server.URL)
		*endpoint, partitions = server.URL, cluster.Partitions()
		opts.Wait.MinDelay = 200 * time.Millisecond // its backups are short
	}

	client, err := sfbackup.NewClient(*endpoint, access...)
	if err != nil {
		fmt.Fprintln(std.err, err)
		return 2
	}
	if !backUp(ctx, client, partitions, opts, std) {
		return 1
	}
	return 0
}

// readPartitions reads identities from arguments or, without any, from lines. One that is given twice
// is backed up once. All are read before the first backup starts: who has a typing error in a list
// wants to mend it first.
func readPartitions(args []string, in io.Reader) ([]uuid.UUID, error) {
	lines := args
	from := "argument"
	if len(args) == 0 {
		from = "line"
		scanner := bufio.NewScanner(in)
		for scanner.Scan() {
			lines = append(lines, scanner.Text())
		}
		if err := scanner.Err(); err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
	}
	var partitions []uuid.UUID
	seen := map[uuid.UUID]bool{}
	for i, text := range lines {
		text, _, _ = strings.Cut(text, "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		id, err := uuid.Parse(text)
		if err != nil || id == uuid.Nil {
			return nil, fmt.Errorf("%s %d: %q is not the identity of a partition", from, i+1, text)
		}
		if !seen[id] {
			seen[id] = true
			partitions = append(partitions, id)
		}
	}
	if len(partitions) == 0 {
		return nil, errors.New("give partitions, as arguments or on standard input, one a line")
	}
	return partitions, nil
}

// backUp backs up all partitions and reports whether all backups ended with success.
func backUp(ctx context.Context, client *sfbackup.Client, partitions []uuid.UUID, opts *sfbackup.BackupManyOptions, std streams) bool {
	start := time.Now()
	line := &progressLine{std: std, total: len(partitions), shown: start}
	opts.OnCount = line.show

	failed := map[string]int{} // how many, by why
	results, err := client.BackupMany(ctx, slices.Values(partitions), opts)
	if err != nil {
		fmt.Fprintln(std.err, err)
		return false
	}
	left := map[uuid.UUID]bool{}
	for _, partition := range partitions {
		left[partition] = true
	}
	for partition, result := range results {
		delete(left, partition)
		if result.Err == nil {
			continue
		}
		failed[reason(result)]++
		text := result.Err.Error()
		if !strings.Contains(text, partition.String()) {
			text = partition.String() + ": " + text
		}
		line.clear()
		fmt.Fprintln(std.err, text)
	}
	line.clear()
	for _, partition := range partitions {
		if left[partition] {
			failed["interrupted"]++
			fmt.Fprintf(std.err, "%s: the backup was not started: %v: %v\n", partition, ctx.Err(), context.Cause(ctx))
		}
	}

	failures := 0
	for _, n := range failed {
		failures += n
	}
	fmt.Fprintf(std.out, "%d of %d partitions backed up in %.1f s\n", len(partitions)-failures, len(partitions), time.Since(start).Seconds())
	for _, why := range slices.SortedFunc(maps.Keys(failed), func(a, b string) int {
		return cmp.Or(cmp.Compare(failed[b], failed[a]), cmp.Compare(a, b))
	}) {
		fmt.Fprintf(std.out, "  %4d  %s\n", failed[why], why)
	}
	return failures == 0
}

// reason says in a few words why a backup did not succeed, so that equal causes can be counted.
func reason(result sfbackup.BackupResult) string {
	err := result.Err
	switch {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, sfbackup.ErrOutcomeUnknown):
		return "may have been started"
	}
	if code, ok := errors.AsType[sfbackup.ErrorCode](err); ok {
		return string(code)
	}
	if failed, ok := errors.AsType[*sfbackup.BackupFailedError](err); ok {
		return "ended with " + string(failed.Progress.BackupState)
	}
	return "other errors"
}

// A progressLine shows how far a fleet is: on a terminal in a line that changes, elsewhere in a new
// line once in a while.
type progressLine struct {
	std   streams
	total int
	shown time.Time
	drawn bool // the cursor is behind a line that changes
}

// show has the signature of [sfbackup.BackupManyOptions].OnCount.
func (l *progressLine) show(p sfbackup.BackupCount) {
	ended := p.Succeeded + p.Failed
	pause := 5 * time.Second
	if l.std.terminal {
		pause = 100 * time.Millisecond
	}
	if time.Since(l.shown) < pause && ended < l.total {
		return
	}
	l.shown = time.Now()
	text := fmt.Sprintf("%d of %d ended, %d under way, %d failed", ended, l.total, p.InFlight, p.Failed)
	if !l.std.terminal {
		fmt.Fprintln(l.std.out, text)
		return
	}
	l.clear()
	fmt.Fprint(l.std.out, text)
	l.drawn = true
}

// clear makes room for other lines.
func (l *progressLine) clear() {
	if l.drawn {
		fmt.Fprint(l.std.out, "\r\x1b[K")
		l.drawn = false
	}
}

// newCluster returns a cluster with 300 partitions, of which a few cannot be backed up.
func newCluster() *sfbackuptest.Cluster {
	cluster := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.LargeCluster(30, 10, 3)...))
	for i, id := range cluster.Partitions() {
		outcome := sfbackuptest.Outcome{
			Accepted: 100 * time.Millisecond,
			Running:  time.Duration(100+i*37%400) * time.Millisecond,
		}
		switch {
		case i%40 == 7:
			outcome.Code, outcome.Message = "FABRIC_E_BACKUPCOPIER_ACCESS_DENIED", "The share does not let the cluster in."
		case i%100 == 50:
			outcome.Code, outcome.Message = "FABRIC_E_BACKUPCOPIER_TIMEOUT", "The share did not answer in time."
		}
		cluster.SetOutcome(id, outcome)
	}
	return cluster
}
