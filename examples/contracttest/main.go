// Command contracttest checks whether a cluster, a gateway or a fake conforms to the contract of the backup
// API. It sends requests with a client whose transport checks each exchange against the document: it reads
// the progress of a partition and of one that does not exist, and lists the backups of the partition and of
// a service. With -backup it first starts a backup and waits for it. It prints all violations, and which
// parts of the document the exchanges used. With -har it sends nothing, and checks the exchanges in a HAR file.
//
//	go run ./examples/contracttest                                             # two clusters in memory
//	go run ./examples/contracttest -endpoint URL -partition ID -service NAME   # a server
//	go run ./examples/contracttest -har FILE -format junit                     # a recording
//
// -allow names a file with the deviations that are known, one a line: an operation, a location and a rule, as
// Validator.AllowFrom reads it. -format chooses text, json or junit, which has one case for each operation and rule.
// For a secured cluster, set -cert or -token-env, and -ca or -thumbprint; -h explains them.
//
// The exit code is 0 if there are no violations, 1 if there are violations, if a request gets no usable response, if
// something could not be checked or if an allowed deviation does not occur, and 2 if the flags are invalid.
package main

import (
	"bytes"
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

// A target is a server or a recording to check, and the document to check it against.
type target struct {
	name      string
	document  []byte
	allow     string // a file; "": nothing is allowed
	strict    bool   // properties that every server sends are required
	har       string // a file; "": the server is called
	endpoint  string
	partition uuid.UUID
	service   sfbackup.ServiceName
	backup    bool // also start a backup
	opts      []sfbackup.Option
}

// validator returns the validator of a target.
func (t target) validator() (*contract.Validator, error) {
	v, err := contract.New(t.document)
	if err != nil {
		return nil, err
	}
	if t.strict {
		v = v.Strict()
	}
	if t.allow == "" {
		return v, nil
	}
	list, err := os.ReadFile(t.allow)
	if err != nil {
		return nil, err
	}
	return v.AllowFrom(bytes.NewReader(list))
}

// check checks a target and returns an error that joins the violations and what else went wrong.
func (t target) check(ctx context.Context, v *contract.Validator) error {
	if t.har == "" {
		return t.exercise(ctx, v)
	}
	file, err := os.Open(t.har)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read
	return v.Recording(file)
}

// exercise calls the operations of a server through a validator. It does not return errors that are responses of the
// server, because those are not violations by themselves.
func (t target) exercise(ctx context.Context, v *contract.Validator) error {
	var errs []error
	opts := append([]sfbackup.Option{
		// Without retries, the report shows the first response to each request.
		sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1}),
		sfbackup.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
			return v.Transport(next, func(_ *http.Request, err error) { errs = append(errs, err) })
		}),
	}, t.opts...)
	client, err := sfbackup.NewClient(t.endpoint, opts...)
	if err != nil {
		return err
	}
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
	return errors.Join(slices.DeleteFunc(errs, isResponse)...)
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
	targets, format, code := parse(args, stderr)
	for _, t := range targets {
		v, err := t.validator()
		if err != nil {
			fmt.Fprintln(stderr, "contracttest:", err)
			return 2
		}
		r := newReport(t.name, v, t.check(ctx, v))
		if err := r.write(stdout, format); err != nil {
			fmt.Fprintln(stderr, "contracttest:", err)
			return 1
		}
		for _, problem := range r.Errors {
			fmt.Fprintln(stderr, "contracttest:", problem)
		}
		for _, line := range r.Unused {
			fmt.Fprintln(stderr, "contracttest: allowed, but did not occur:", line)
		}
		if len(r.Violations)+len(r.Errors)+len(r.Unused) > 0 {
			code = 1
		}
	}
	return code
}

// parse returns the targets and the format. If there are no targets, the program exits with the code.
func parse(args []string, stderr io.Writer) (targets []target, format string, code int) {
	flags := flag.NewFlagSet("contracttest", flag.ContinueOnError)
	flags.SetOutput(stderr)
	endpoint := flags.String("endpoint", "", "the `URL` of the server to check; without any flags, two clusters in memory")
	id := flags.String("partition", "", "the `ID` of a partition")
	service := flags.String("service", "", "the `NAME` of a service, fabric:/App/Svc")
	backup := flags.Bool("backup", false, "also start a backup of the partition")
	har := flags.String("har", "", "the HAR `FILE` to check, instead of a server")
	allow := flags.String("allow", "", "a `FILE` with known deviations, one a line: operation, location, rule")
	flags.StringVar(&format, "format", "text", "text, json or junit")
	documented := flags.Bool("documented", false, "check against the documentation instead of what real clusters send and accept")
	strict := flags.Bool("strict", false, "require the properties that every known server sends, although they are optional")
	flags.Usage = func() {
		fmt.Fprintln(stderr, "Usage: contracttest [-har FILE | -endpoint URL -partition ID -service NAME] [flags]")
		flags.PrintDefaults()
		fmt.Fprintln(stderr, "\nThe exit code is 0 without violations, 1 with violations, failures and allowed deviations that do not"+
			"\noccur, 2 for wrong flags. A recording of a browser may have requests of other APIs: allow \"* path operation\".")
	}
	secured := credentials.Register(flags)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil, "", 0
	case err != nil:
		return nil, "", 2
	case writers[format] == nil:
		fmt.Fprintln(stderr, "contracttest: -format is text, json or junit")
		return nil, "", 2
	case flags.NFlag() == 0 && flags.NArg() == 0:
		return inMemory(), format, 0
	}
	document := openapi.Runtime
	if *documented {
		document = openapi.Documented
	}
	if *har != "" {
		if flags.NArg() > 0 || *endpoint != "" {
			fmt.Fprintln(stderr, "contracttest: -har checks a recording: there is no -endpoint")
			return nil, "", 2
		}
		return []target{{name: *har, document: document, allow: *allow, strict: *strict, har: *har}}, format, 0
	}
	partition, err := uuid.Parse(*id)
	name, serviceErr := sfbackup.ParseServiceName(*service)
	if flags.NArg() > 0 || *endpoint == "" || err != nil || serviceErr != nil {
		fmt.Fprintln(stderr, "contracttest: set -endpoint, -partition and -service, or -har, or no flags at all")
		return nil, "", 2
	}
	opts, err := secured.Options()
	if err == nil {
		_, err = sfbackup.NewClient(*endpoint, opts...) // reports every mistake
	}
	if err != nil {
		fmt.Fprintln(stderr, "contracttest:", err)
		return nil, "", 2
	}
	return []target{{
		name: *endpoint, document: document, allow: *allow, strict: *strict, endpoint: *endpoint,
		partition: partition, service: name, backup: *backup, opts: opts,
	}}, format, 0
}
