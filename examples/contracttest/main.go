// Command contracttest checks whether a cluster, a gateway or a fake conforms to the contract of the backup
// API. It sends requests with a client whose transport checks each exchange against the document: it reads
// the progress of a partition and of one that does not exist, and lists the backups of the partition and of
// a service. With -backup it first starts a backup and waits for it. It prints all violations, and which
// parts of the document the exchanges used.
//
//	go run ./examples/contracttest                                             # two clusters in memory
//	go run ./examples/contracttest -endpoint URL -partition ID -service NAME   # a server
//
// For a secured cluster, set -cert or -token-env, and -ca or -thumbprint; -h explains them.
//
// The exit code is 0 if there are no violations, 1 if there are violations or a request gets no usable
// response, and 2 if the flags are invalid.
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
	"slices"

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

// A target is a server to check, and the document to check it against.
type target struct {
	name      string
	document  []byte
	endpoint  string
	partition uuid.UUID
	service   sfbackup.ServiceName
	backup    bool // also start a backup
	opts      []sfbackup.Option
}

// exercise calls the operations through a validator and returns the violations. It does not return errors
// that are responses of the server, because those are not violations by themselves.
func exercise(ctx context.Context, t target) (*contract.Validator, []*contract.Violation, error) {
	v, err := contract.New(t.document)
	if err != nil {
		return nil, nil, err
	}
	var found []*contract.Violation
	opts := append([]sfbackup.Option{
		// Without retries, the report shows the first response to each request.
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
	// A partition that does not exist causes an error response.
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
	return v, found, errors.Join(slices.DeleteFunc(errs, isResponse)...)
}

// isResponse reports whether err is a response of the server, as opposed to a failure to get one.
func isResponse(err error) bool {
	_, isAPIError := errors.AsType[*sfbackup.APIError](err)
	_, backupFailed := errors.AsType[*sfbackup.BackupFailedError](err)
	return isAPIError || backupFailed || errors.Is(err, sfbackup.ErrNoBackup)
}

// inMemory returns two clusters in memory, each with the document that it implements.
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
		fmt.Fprintf(stdout, "\nused %d of %d parts of the document:\n\n%s\n", all-len(coverage.Missing()), all, coverage)
	}
	return code
}

// parse returns the targets. If there are none, the program exits with the code.
func parse(args []string, stderr io.Writer) (targets []target, code int) {
	flags := flag.NewFlagSet("contracttest", flag.ContinueOnError)
	flags.SetOutput(stderr)
	endpoint := flags.String("endpoint", "", "the `URL` of the server to check; without any flags, two clusters in memory")
	id := flags.String("partition", "", "the `ID` of a partition")
	service := flags.String("service", "", "the `NAME` of a service, fabric:/App/Svc")
	backup := flags.Bool("backup", false, "also start a backup of the partition")
	documented := flags.Bool("documented", false, "check against the documentation instead of the responses of real clusters")
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
		fmt.Fprintln(stderr, "contracttest: set -endpoint, -partition and -service, or no flags at all")
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
