// Command contracttest checks whether a cluster, a gateway or a fake keeps to the contract of the
// backup API. It reads the progress of a partition and lists the backups of a partition and of a
// service; with -backup it also starts a backup and waits for it. What differs from the document is
// printed, and what of the document was exercised.
//
//	go run ./examples/contracttest                                             # two clusters in memory
//	go run ./examples/contracttest -endpoint URL -partition ID -service NAME   # any other
//
// A secured cluster takes -cert, or -token-env, and -ca or -thumbprint; -h explains them.
//
// It exits with 0 when there is no violation, with 1 when there is one or nothing answers, and with 2
// when it was called wrongly.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/examples/internal/credentials"
	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// A target is what is checked, and against what.
type target struct {
	name      string
	document  []byte
	endpoint  string
	partition uuid.UUID
	service   sfbackup.ServiceName
	backup    bool // start one
	opts      []sfbackup.Option
}

// exercise sends a request of each kind through a validator and collects the violations. What the
// server answers otherwise, an error that the document describes included, is none of its business.
func exercise(ctx context.Context, t target) (*contract.Validator, []*contract.Violation, error) {
	v, err := contract.New(t.document)
	if err != nil {
		return nil, nil, err
	}
	var found []*contract.Violation
	opts := append([]sfbackup.Option{
		// The first answer counts, and not the one after a retry.
		sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1}),
		sfbackup.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
			return v.Transport(next, func(_ *http.Request, err error) {
				found = append(found, contract.Violations(err)...)
			})
		}),
	}, t.opts...)
	client, err := sfbackup.NewClient(t.endpoint, opts...)
	if err != nil {
		return nil, nil, err
	}
	var errs []error
	if t.backup {
		_, err := client.BackupAndWait(ctx, t.partition, nil, &sfbackup.WaitOptions{JoinRunning: true})
		errs = append(errs, err)
	}
	// A partition that does not exist shows how errors are answered.
	for _, partition := range []uuid.UUID{t.partition, uuid.New()} {
		_, err = client.BackupProgress(ctx, partition)
		errs = append(errs, err)
	}
	for _, opts := range []*sfbackup.ListOptions{nil, {Latest: true}, {PageSize: 2}} {
		for _, err := range client.PartitionBackups(ctx, t.partition, opts) {
			errs = append(errs, err)
		}
		for _, err := range client.ServiceBackups(ctx, t.service, opts) {
			errs = append(errs, err)
		}
	}
	for i, err := range errs {
		if described(err) {
			errs[i] = nil
		}
	}
	return v, found, errors.Join(errs...)
}

// described reports whether an error is an answer of the server and not the lack of one.
func described(err error) bool {
	_, answered := errors.AsType[*sfbackup.APIError](err)
	_, failed := errors.AsType[*sfbackup.BackupFailedError](err)
	return answered || failed || errors.Is(err, sfbackup.ErrNoBackup)
}

// inMemory are two clusters in memory, each against the document that it is made after.
func inMemory() []target {
	var targets []target
	documents := [][]byte{openapi.Documented, openapi.Runtime}
	for i, profile := range []sfbackuptest.Profile{sfbackuptest.ProfileDocumented, sfbackuptest.ProfileRuntime} {
		cluster := sfbackuptest.NewCluster(sfbackuptest.WithProfile(profile))
		partition := cluster.Partitions()[0]
		cluster.SetOutcome(partition, sfbackuptest.Outcome{Accepted: -1, Running: -1})
		targets = append(targets, target{
			name: "a cluster in memory, " + profile.String(), document: documents[i],
			endpoint:  "http://localhost:19080",
			opts:      []sfbackup.Option{sfbackup.WithHTTPClient(&http.Client{Transport: cluster.Transport()})},
			partition: partition, service: "fabric:/CalcApp/CalcService", backup: true,
		})
	}
	return targets
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	targets, code := parse(args, stderr)
	if targets == nil {
		return code
	}
	for _, t := range targets {
		v, violations, err := exercise(ctx, t)
		if err != nil {
			fmt.Fprintln(stderr, err)
			code = 1
		}
		if v == nil {
			return 2
		}
		fmt.Fprintf(stdout, "%s: %d violations\n", t.name, len(violations))
		for _, violation := range violations {
			fmt.Fprintf(stdout, "  %s\n", violation)
			code = 1
		}
		coverage := v.Coverage()
		all := len(coverage.Items)
		fmt.Fprintf(stdout, "\nexercised %d of %d:\n\n%s\n", all-len(coverage.Missing()), all, coverage)
	}
	return code
}

// parse returns what to check; nil when there is nothing to do but to exit with the code.
func parse(args []string, stderr io.Writer) (targets []target, code int) {
	flags := flag.NewFlagSet("contracttest", flag.ContinueOnError)
	flags.SetOutput(stderr)
	endpoint := flags.String("endpoint", "", "the `URL` of what is checked; without it, two clusters in memory")
	id := flags.String("partition", "", "the `ID` of a partition")
	service := flags.String("service", "", "the `NAME` of a service, fabric:/App/Svc")
	backup := flags.Bool("backup", false, "also start a backup of the partition")
	documented := flags.Bool("documented", false, "check against the documentation, not against what clusters answer")
	secured := credentials.Register(flags)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil, 0
	case err != nil:
		return nil, 2
	case flags.NFlag() == 0 && flags.NArg() == 0:
		return inMemory(), 0
	}
	partition, err := uuid.Parse(*id)
	name, serviceErr := sfbackup.ParseServiceName(*service)
	if flags.NArg() > 0 || *endpoint == "" || err != nil || serviceErr != nil {
		fmt.Fprintln(stderr, "contracttest: give -endpoint, -partition and -service, or nothing at all")
		return nil, 2
	}
	opts, err := secured.Options()
	if err != nil {
		fmt.Fprintln(stderr, "contracttest:", err)
		return nil, 2
	}
	t := target{
		name: *endpoint, document: openapi.Runtime, endpoint: *endpoint,
		partition: partition, service: name, backup: *backup, opts: opts,
	}
	if *documented {
		t.document = openapi.Documented
	}
	return []target{t}, 0
}
