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

var update = flag.Bool("update", false, "write the golden files")

// A matrixOperation is an operation of the client. If it returns no error, its result has to be correct.
type matrixOperation struct {
	name string
	api  sfbackuptest.Operation // the one whose request a fault hits that happens once
	do   func(context.Context, *sfbackup.Client, *sfbackuptest.Cluster, *output) error
}

// wrongPrefix begins the error of an incorrect result, whether the client returned an error or not.
const wrongPrefix = "WRONG: "

func wrongError(text string) error { return errors.New(wrongPrefix + text) }

// started checks that a start that succeeded has started one backup, and that one that failed has started none.
func started(ctx context.Context, cluster *sfbackuptest.Cluster, before int, err error) error {
	if err := checkInTime(ctx); err != nil {
		return err
	}
	time.Sleep(time.Hour) // every started backup has ended by then
	switch n := len(cluster.Backups(partition1)) - before; {
	case n == 1 && err == nil, n == 0 && err != nil, n < 2 && errors.Is(err, sfbackup.ErrOutcomeUnknown):
		return err
	case n == 1 && (strings.Contains(err.Error(), "waiting for") || strings.Contains(err.Error(), "GetPartitionBackupProgress")):
		return err // of the wait
	default:
		return wrongError(fmt.Sprintf("%d backups were started, but: %v", n, err))
	}
}

// checkInTime checks that a call returned within a second after the deadline of its context.
func checkInTime(ctx context.Context) error {
	if deadline, _ := ctx.Deadline(); time.Since(deadline) > time.Second {
		return wrongError("it continues after its context has ended")
	}
	return nil
}

// listedAll reads a list, which has to have every backup of some partitions once, or end with an error.
func listedAll(cluster *sfbackuptest.Cluster, partitions []uuid.UUID, list iter.Seq2[sfbackup.Backup, error], out *output) error {
	got := map[uuid.UUID]int{}
	for b, err := range list {
		if err != nil {
			return err
		}
		out.show(b)
		if got[b.BackupID]++; got[b.BackupID] > 1 {
			return wrongError("a backup is listed twice")
		}
	}
	want := backupIDs(cluster, partitions...)
	for id := range want {
		if got[id] == 0 {
			return wrongError("a backup is missing")
		}
	}
	if len(want) != len(got) {
		return wrongError("a backup is listed that does not exist")
	}
	return nil
}

// matrixOperations are all operations of the client. Some starts name a storage with a secret. The others use
// the storage of the policy, whose list shows what they started.
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
			fmt.Sprint("BackupPartition to storage ", i+1), sfbackuptest.OpBackupPartition,
			func(ctx context.Context, c *sfbackup.Client, cluster *sfbackuptest.Cluster, o *output) error {
				opts := &sfbackup.BackupOptions{Storage: storage}
				o.show(opts)
				// A backup in a storage of its own is in no list, so its progress is read.
				err := c.BackupPartition(ctx, partition1, opts)
				if late := checkInTime(ctx); late != nil {
					return late
				}
				o.faultsOver.Store(true)
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
			if err == nil && p.BackupID != lastBackup(cluster, partition2).ID {
				return wrongError("the progress is of another backup")
			}
			return err
		}},
		matrixOperation{"WaitForBackup", sfbackuptest.OpGetPartitionBackupProgress, func(ctx context.Context, c *sfbackup.Client, cluster *sfbackuptest.Cluster, o *output) error {
			p, err := c.WaitForBackup(ctx, partition2, nil)
			o.show(p)
			if err == nil && p.BackupID != lastBackup(cluster, partition2).ID {
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
		matrixOperation{"PartitionBackupsPage with a token", sfbackuptest.OpGetPartitionBackupList, func(ctx context.Context, c *sfbackup.Client, _ *sfbackuptest.Cluster, o *output) error {
			// A token may contain the signature of a storage, so errors must not show it.
			page, err := c.PartitionBackupsPage(ctx, partition1, &sfbackup.ListOptions{PageSize: 1, ContinuationToken: "sig=" + marker})
			o.show(page)
			return err
		}},
	)
}

// A matrixFault is a fault that hits one request of the operation, or all requests.
type matrixFault struct {
	name  string
	fault sfbackuptest.Fault
	once  bool
}

// endlessResponse is a response that begins, and then repeats a piece until its reader is gone.
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

// endlessResponses are responses of endless length or depth.
func endlessResponses() []sfbackuptest.Fault {
	return []sfbackuptest.Fault{
		endlessResponse("endless white space", http.StatusOK, ``, ` `),
		endlessResponse("an endless backup", http.StatusOK, `{"Items":[{"BackupId":"`, `0`),
		endlessResponse("an endless property", http.StatusOK, `{"Items":[],"New":"`, `0`),
		endlessResponse("endless nesting", http.StatusOK, `{"Items":[`, `[`),
		endlessResponse("an endless nested property", http.StatusOK, `{"BackupState":"Success","New":`, `{"a":`),
		endlessResponse("an endless token", http.StatusOK, `{"Items":[],"ContinuationToken":"`, `t`),
		endlessResponse("an endless error", http.StatusInternalServerError, `{"Error":{"Code":"E_UNEXPECTED","Message":"`, `m`),
		sfbackuptest.Custom("202 with an endless body", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == http.MethodPost {
				resp := httptest.NewRecorder()
				if next.ServeHTTP(resp, r); resp.Code != http.StatusAccepted {
					w.WriteHeader(resp.Code)
					_, _ = resp.Body.WriteTo(w)
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
		respond("200 without a body", 200, ""), respond("200 with truncated JSON", 200, "{"), respond("200 with HTML", 200, "<html>"), sfbackuptest.Answer(204, ""),
		// (To a start it would mean that the server has accepted it.)
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

// Every operation recovers from every fault, or its error describes the fault. No operation hangs, returns an
// incorrect result, leaves a goroutine running (the bubble would report it), or shows a secret in what it returns
// or logs. The golden file is the table of all results.
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
		t.Errorf("%d of %d calls failed", failures, cells)
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
	wantLines, gotLines := strings.Split(string(want), "\n"), strings.Split(got, "\n")
	for i, line := range gotLines {
		if i >= len(wantLines) || line != wantLines[i] {
			t.Fatalf("wrapper/sfbackup/testdata/fault_matrix.md: line %d has changed: run make fault-report\n%s", i+1, cmp.Diff(wantLines[min(i, len(wantLines)-1)], line))
		}
	}
	if len(wantLines) != len(gotLines) {
		t.Errorf("wrapper/sfbackup/testdata/fault_matrix.md: it has %d lines instead of %d: run make fault-report", len(wantLines), len(gotLines))
	}
}

func testFault(t *testing.T, fault matrixFault, op matrixOperation) error {
	t.Helper()
	cluster := sfbackuptest.NewCluster()
	cluster.AcceptToken(marker, sfbackuptest.RoleAdmin, time.Time{})
	out := &output{}
	logger := slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
	client := newUncheckedClient(t, cluster.Transport(), sfbackup.WithLogger(logger), tokenOf(marker))
	// There is a backup whose progress can be read.
	if _, err := client.BackupAndWait(t.Context(), partition2, nil, nil); err != nil {
		t.Fatal(err)
	}
	if fault.name != "nothing" {
		f := fault.fault
		if fault.once {
			f = f.On(op.api)
		}
		cluster.Inject(f.When(func(*http.Request) bool { return !out.faultsOver.Load() }))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	err := op.do(ctx, client, cluster, out)
	if late := checkInTime(ctx); late != nil && op.api != sfbackuptest.OpBackupPartition { // which has checked it
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

// matrixTable formats the results: a row for each fault, a column for each operation, and below the table the
// errors that it refers to.
func matrixTable(faults []matrixFault, operations []matrixOperation, results map[string]map[string]string) string {
	var b strings.Builder
	b.WriteString("# The result of every operation under every fault\n\n" +
		"Written by `make fault-report`. \"Once\" means that a fault hits one request of the operation, \"always\" that it hits all requests\n" +
		"of the call, including those that read the progress before and after a start. The retry policy is the default, and the context\n" +
		"has a deadline of one hour.\n\n" +
		"\"ok\" means that the client recovered from the fault, or that the fault did not affect the operation, and that the result is\n" +
		"correct. A number refers to the errors below the table.\n\n| fault |")
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
