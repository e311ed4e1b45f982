package sfbackup_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A matrixOperation is something that a client does. What it returns without an error has to be right.
type matrixOperation struct {
	name string
	api  sfbackuptest.Operation // whose requests faults hit that come once
	do   func(context.Context, *sfbackup.Client, *sfbackuptest.Cluster, *output) error
}

// wrongPrefix is how the error begins of what is not right, whether there is an error of the client or not.
const wrongPrefix = "WRONG: "

func wrongError(text string) error { return errors.New(wrongPrefix + text) }

// started checks a start that has succeeded, or that has failed: there is one backup more, or none.
func started(ctx context.Context, cluster *sfbackuptest.Cluster, before int, err error) error {
	if err := checkInTime(ctx); err != nil {
		return err
	}
	time.Sleep(time.Hour) // whatever was started has ended
	switch n := len(cluster.Backups(partition1)) - before; {
	case n == 1 && err == nil, n == 0 && err != nil, n < 2 && errors.Is(err, sfbackup.ErrOutcomeUnknown):
		return err
	case n == 1 && (strings.Contains(err.Error(), "waiting for") || strings.Contains(err.Error(), "GetPartitionBackupProgress")):
		return err // of the wait
	default:
		return wrongError(fmt.Sprintf("%d backups were started, but: %v", n, err))
	}
}

// checkInTime checks that not much more than a context has ended.
func checkInTime(ctx context.Context) error {
	if deadline, _ := ctx.Deadline(); time.Since(deadline) > time.Second {
		return wrongError("it goes on after its context has ended")
	}
	return nil
}

// listedAll reads a list, which has to have all that the cluster has.
func listedAll(cluster *sfbackuptest.Cluster, partitions []uuid.UUID, list iter.Seq2[sfbackup.Backup, error], out *output) error {
	got := map[uuid.UUID]int{}
	for b, err := range list {
		if err != nil {
			return err
		}
		out.show(b)
		if got[b.BackupID]++; got[b.BackupID] > 1 {
			return wrongError("a backup comes twice")
		}
	}
	n := 0
	for _, p := range partitions {
		for _, b := range cluster.Backups(p) {
			n++
			if got[b.ID] == 0 {
				return wrongError("a backup is missing")
			}
		}
	}
	if n != len(got) {
		return wrongError("there are too many backups")
	}
	return nil
}

// matrixOperations are all that a client does. Starts name a storage with a secret or, where they are
// waited for, the one of the policy, so that the list shows what they did.
func matrixOperations(t *testing.T) []matrixOperation {
	t.Helper()
	paged := &sfbackup.ListOptions{PageSize: 2}
	operations := []matrixOperation{
		{"BackupPartition", sfbackuptest.OpBackupPartition, func(ctx context.Context, c *sfbackup.Client, cluster *sfbackuptest.Cluster, _ *output) error {
			before := len(cluster.Backups(partition1))
			return started(ctx, cluster, before, c.BackupPartition(ctx, partition1, nil))
		}},
	}
	for i, storage := range secretStorages(t) {
		operations = append(operations, matrixOperation{
			fmt.Sprint("… with storage ", i+1), sfbackuptest.OpBackupPartition,
			func(ctx context.Context, c *sfbackup.Client, cluster *sfbackuptest.Cluster, o *output) error {
				opts := &sfbackup.BackupOptions{Storage: storage}
				o.show(opts)
				// A backup in a storage of its own is in no list.
				err := c.BackupPartition(ctx, partition1, opts)
				if late := checkInTime(ctx); late != nil {
					return late
				}
				o.over.Store(true)
				_, none := newUncheckedClient(t, cluster.Transport(), tokenOf(marker)).BackupProgress(context.WithoutCancel(ctx), partition1)
				switch {
				case none == nil && (err == nil || errors.Is(err, sfbackup.ErrOutcomeUnknown)), errors.Is(none, sfbackup.ErrNoBackup) && err != nil:
					return err
				default:
					return wrongError(fmt.Sprintf("the progress is %v, but: %v", none, err))
				}
			},
		})
	}
	return append(
		operations,
		matrixOperation{"BackupAndWait", sfbackuptest.OpBackupPartition, func(ctx context.Context, c *sfbackup.Client, cluster *sfbackuptest.Cluster, o *output) error {
			before := len(cluster.Backups(partition1))
			p, err := c.BackupAndWait(ctx, partition1, nil, nil)
			o.show(p)
			if err == nil && p.BackupState != sfbackup.BackupStateSuccess {
				return wrongError("the backup did not succeed")
			}
			return started(ctx, cluster, before, err)
		}},
		matrixOperation{"BackupMany", sfbackuptest.OpBackupPartition, func(ctx context.Context, c *sfbackup.Client, cluster *sfbackuptest.Cluster, o *output) error {
			before := len(cluster.Backups(partition1))
			var errs []error
			results, err := c.BackupMany(ctx, slices.Values([]uuid.UUID{partition1}), nil)
			if err != nil {
				return err
			}
			for _, r := range results {
				o.show(r)
				errs = append(errs, r.Err)
			}
			if len(errs) != 1 {
				return wrongError(fmt.Sprint(len(errs), " results"))
			}
			return started(ctx, cluster, before, errs[0])
		}},
		matrixOperation{"BackupProgress", sfbackuptest.OpGetPartitionBackupProgress, func(ctx context.Context, c *sfbackup.Client, cluster *sfbackuptest.Cluster, o *output) error {
			p, err := c.BackupProgress(ctx, partition2)
			o.show(p)
			if stored := cluster.Backups(partition2); err == nil && p.BackupID != stored[len(stored)-1].ID {
				return wrongError("the progress is of another backup")
			}
			return err
		}},
		matrixOperation{"WaitForBackup", sfbackuptest.OpGetPartitionBackupProgress, func(ctx context.Context, c *sfbackup.Client, cluster *sfbackuptest.Cluster, o *output) error {
			p, err := c.WaitForBackup(ctx, partition2, nil)
			o.show(p)
			if stored := cluster.Backups(partition2); err == nil && p.BackupID != stored[len(stored)-1].ID {
				return wrongError("the progress is of another backup")
			}
			return err
		}},
		matrixOperation{"PartitionBackups", sfbackuptest.OpGetPartitionBackupList, func(ctx context.Context, c *sfbackup.Client, cluster *sfbackuptest.Cluster, o *output) error {
			return listedAll(cluster, []uuid.UUID{partition1}, c.PartitionBackups(ctx, partition1, paged), o)
		}},
		matrixOperation{"ServiceBackups", sfbackuptest.OpGetServiceBackupList, func(ctx context.Context, c *sfbackup.Client, cluster *sfbackuptest.Cluster, o *output) error {
			return listedAll(cluster, cluster.Partitions(), c.ServiceBackups(ctx, calcService, nil), o)
		}},
		matrixOperation{"PartitionBackupsPage", sfbackuptest.OpGetPartitionBackupList, func(ctx context.Context, c *sfbackup.Client, cluster *sfbackuptest.Cluster, o *output) error {
			page, err := c.PartitionBackupsPage(ctx, partition1, nil)
			o.show(page)
			if err == nil && len(page.Backups) != len(cluster.Backups(partition1)) {
				return wrongError("a backup is missing")
			}
			return err
		}},
		matrixOperation{"a page by a token", sfbackuptest.OpGetPartitionBackupList, func(ctx context.Context, c *sfbackup.Client, _ *sfbackuptest.Cluster, o *output) error {
			// A token may have the signature of a storage in it, so it does not show in errors either.
			page, err := c.PartitionBackupsPage(ctx, partition1, &sfbackup.ListOptions{PageSize: 1, ContinuationToken: "sig=" + marker})
			o.show(page)
			return err
		}},
	)
}

// A matrixFault goes wrong, and how often: with one request of the operation, or with all.
type matrixFault struct {
	name  string
	fault sfbackuptest.Fault
	once  bool
}

// endlessResponse is an answer that does not end: it begins, and repeats a piece until its reader is gone.
func endlessResponse(name string, status int, begin, piece string) sfbackuptest.Fault {
	return sfbackuptest.Custom(name, func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body)
		writeEndlessly(w, status, begin, piece)
	})
}

func writeEndlessly(w http.ResponseWriter, status int, begin, piece string) {
	piece = strings.Repeat(piece, 1+4096/len(piece))
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	_, err := io.WriteString(w, begin)
	for err == nil {
		_, err = io.WriteString(w, piece)
	}
	panic(http.ErrAbortHandler)
}

func respond(name string, status int, body string) sfbackuptest.Fault {
	return sfbackuptest.Custom(name, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", jsonType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// endlessResponses are answers without an end, or of a depth without one.
func endlessResponses() []sfbackuptest.Fault {
	return []sfbackuptest.Fault{
		endlessResponse("a page of spaces", http.StatusOK, ``, ` `),
		endlessResponse("a backup without end", http.StatusOK, `{"Items":[{"BackupId":"`, `0`),
		endlessResponse("a property without end", http.StatusOK, `{"Items":[],"New":"`, `0`),
		endlessResponse("nesting without end", http.StatusOK, `{"Items":[`, `[`),
		endlessResponse("a nested property without end", http.StatusOK, `{"BackupState":"Success","New":`, `{"a":`),
		endlessResponse("a token without end", http.StatusOK, `{"Items":[],"ContinuationToken":"`, `t`),
		endlessResponse("an error without end", http.StatusInternalServerError, `{"Error":{"Code":"E_UNEXPECTED","Message":"`, `m`),
		sfbackuptest.Custom("202 without end", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == http.MethodPost {
				right := httptest.NewRecorder()
				if next.ServeHTTP(right, r); right.Code != http.StatusAccepted {
					w.WriteHeader(right.Code)
					_, _ = right.Body.WriteTo(w)
					return
				}
			}
			writeEndlessly(w, http.StatusAccepted, ``, ` `)
		}),
	}
}

func matrixFaults() []matrixFault {
	each := []sfbackuptest.Fault{
		sfbackuptest.Refuse(), sfbackuptest.Reset(), sfbackuptest.Reset().AfterEffect(), sfbackuptest.HangUp(), sfbackuptest.HangUp().AfterEffect(),
		sfbackuptest.Stall(0), sfbackuptest.Stall(3 * time.Minute), sfbackuptest.SlowBody(1, time.Second), sfbackuptest.SlowBody(1, time.Minute),
		respond("200 without a body", 200, ""), respond("200 and half of JSON", 200, "{"), respond("200 and HTML", 200, "<html>"), sfbackuptest.Answer(204, ""),
		// (With a start it would be the word of the server that there is one.)
		sfbackuptest.Answer(202, "").When(func(r *http.Request) bool { return r.Method == http.MethodGet }),
		sfbackuptest.Answer(400, `{"Error":{"Code":"E_INVALIDARG","Message":"no"}}`),
		sfbackuptest.Answer(404, `{"Error":{"Code":"FABRIC_E_PARTITION_NOT_FOUND","Message":"no"}}`),
		sfbackuptest.Answer(408, ""), sfbackuptest.Answer(409, `{"Error":{"Code":"FABRIC_E_BACKUP_IN_PROGRESS","Message":"no"}}`),
		sfbackuptest.Answer(429, "").Header("Retry-After", "30"),
		sfbackuptest.Answer(500, ""), sfbackuptest.Answer(500, `{"Error":{"Code":"FABRIC_E_NOT_PRIMARY","Message":"no"}}`).AfterEffect(),
		sfbackuptest.HTMLError(502), sfbackuptest.Answer(503, ""), sfbackuptest.Answer(503, "").AfterEffect(), sfbackuptest.Answer(504, ""), sfbackuptest.Answer(504, "").AfterEffect(),
		sfbackuptest.RefuseCredentials(), sfbackuptest.DenyAccess(),
		sfbackuptest.Redirect("http://user:" + marker + "@evil.example.com/?sig=" + marker),
		sfbackuptest.CutBody(3), sfbackuptest.CutBody(1000), sfbackuptest.TruncateBody(3), sfbackuptest.Gzip(),
		sfbackuptest.DuplicatePage(), sfbackuptest.RepeatToken(), sfbackuptest.EndlessPages(),
	}
	each = append(each, endlessResponses()...)
	faults := []matrixFault{{name: "nothing"}}
	for _, f := range each {
		name := f.String()
		faults = append(faults, matrixFault{name + ", once", f.Times(1), true}, matrixFault{name + ", always", f.Times(0), false})
	}
	return faults
}

// Every fault with every operation: it is recovered from or the error says what it was; nothing hangs,
// nothing is wrong, nothing is left running (the bubble sees to that), and no secret is in anything that is
// returned or logged. The golden file is the table of all results.
func TestFaultMatrix(t *testing.T) {
	t.Parallel()
	operations := matrixOperations(t)
	results := map[string]map[string]string{}
	failures := 0
	faults := matrixFaults()
	for _, fault := range faults {
		results[fault.name] = map[string]string{}
		for _, op := range operations {
			synctest.Test(t, func(t *testing.T) {
				err := testFault(t, fault, op)
				if err != nil {
					failures++
				}
				results[fault.name][op.name] = fmt.Sprint(err)
			})
		}
	}
	for fault, row := range results {
		for op, text := range row {
			if strings.HasPrefix(text, wrongPrefix) {
				t.Errorf("%s, %s: %s", op, fault, text)
			}
		}
	}
	if cells := len(faults) * len(operations); failures < cells/3 || failures > cells*3/4 {
		t.Errorf("%d of %d have failed", failures, cells)
	}

	got := matrixTable(faults, operations, results)
	golden := filepath.Join("testdata", "fault_matrix.md")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("the table has changed; -update writes it anew:\n%s", diff)
	}
}

func testFault(t *testing.T, fault matrixFault, op matrixOperation) error {
	t.Helper()
	cluster := sfbackuptest.NewCluster()
	cluster.AcceptToken(marker, sfbackuptest.RoleAdmin, time.Time{})
	out := &output{}
	logger := slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
	client := newUncheckedClient(t, cluster.Transport(), sfbackup.WithLogger(logger), tokenOf(marker))
	// There is a backup to look at.
	if _, err := client.BackupAndWait(t.Context(), partition2, nil, nil); err != nil {
		t.Fatal(err)
	}
	if fault.name != "nothing" {
		f := fault.fault
		if fault.once {
			f = f.On(op.api)
		}
		cluster.Inject(f.When(func(*http.Request) bool { return !out.over.Load() }))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	err := op.do(ctx, client, cluster, out)
	if late := checkInTime(ctx); late != nil && op.api != sfbackuptest.OpBackupPartition { // which has looked before
		return late
	}
	out.show(err)
	fmt.Fprintf(out, "%v\n%+v\n%#v\n", client, client, client)
	out.check(t, op.name+", "+fault.name)
	if !strings.Contains(out.String(), "request_id") {
		t.Errorf("%s, %s: nothing was logged", op.name, fault.name)
	}
	return err
}

// matrixTable lays out the results: a row for each fault, a column for each operation, and below the errors
// to which they refer.
func matrixTable(faults []matrixFault, operations []matrixOperation, results map[string]map[string]string) string {
	var b strings.Builder
	b.WriteString("# What becomes of every operation under every fault\n\n" +
		"Written by `make fault-report`. A fault hits once one request of the operation, or always all of its requests, those that look\n" +
		"at the progress before and after a start included. The retry policy is the default, the context ends after an hour.\n\n" +
		"ok: the fault is recovered from, or does not hit the operation, and the result is right. A number: the error below.\n\n| fault |")
	for _, op := range operations {
		fmt.Fprintf(&b, " %s |", op.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(operations)) + "\n")
	var errs []string
	for _, f := range faults {
		fmt.Fprintf(&b, "| %s |", strings.ReplaceAll(f.name, marker, "…"))
		for _, op := range operations {
			text := results[f.name][op.name]
			if text == "<nil>" {
				b.WriteString(" ok |")
				continue
			}
			i := slices.Index(errs, text)
			if i < 0 {
				i = len(errs)
				errs = append(errs, text)
			}
			fmt.Fprintf(&b, " %d |", i+1)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	for i, text := range errs {
		fmt.Fprintf(&b, "%d. `%s`\n", i+1, text)
	}
	return b.String()
}
