package sfbackuptest_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// namedFaults has each fault as a line of a file.
var namedFaults = []struct {
	line  string
	fault sfbackuptest.Fault
}{
	{`Answer(503, "")`, sfbackuptest.Answer(503, "")},
	{`Answer(200, "{\"Items\":[]}").Times(2)`, sfbackuptest.Answer(200, `{"Items":[]}`).Times(2)},
	{"Answer(429, `no`).Header(\"Retry-After\", \"7\").Header(\"X-Y\", \"z: #\").Times(0)", sfbackuptest.Answer(429, "no").Header("Retry-After", "7").Header("X-Y", "z: #").Times(0)},
	{`CutBody(100).On(GetServiceBackupList)`, sfbackuptest.CutBody(100).On(sfbackuptest.OpGetServiceBackupList)},
	{`DenyAccess()`, sfbackuptest.DenyAccess()},
	{`DuplicatePage()`, sfbackuptest.DuplicatePage()},
	{`EndlessPages().Times(2)`, sfbackuptest.EndlessPages().Times(2)},
	{`Gzip().On(GetServiceBackupList, OpBackupPartition)`, sfbackuptest.Gzip().On(sfbackuptest.OpGetServiceBackupList, sfbackuptest.OpBackupPartition)},
	{`HTMLError(503)`, sfbackuptest.HTMLError(503)},
	{`HangUp().On(GetPartitionBackupProgress).On(GetPartitionBackupList)`, sfbackuptest.HangUp().On(sfbackuptest.OpGetPartitionBackupProgress).On(sfbackuptest.OpGetPartitionBackupList)},
	{`Redirect("http://192.0.2.1:19080/")`, sfbackuptest.Redirect("http://192.0.2.1:19080/")},
	{`Refuse()`, sfbackuptest.Refuse()},
	{`RefuseCredentials()`, sfbackuptest.RefuseCredentials()},
	{`RepeatToken()`, sfbackuptest.RepeatToken()},
	{`Reset().AfterEffect().On(BackupPartition)`, sfbackuptest.Reset().AfterEffect().On(sfbackuptest.OpBackupPartition)},
	{`SlowBody(100, "1.5s")`, sfbackuptest.SlowBody(100, 1500*time.Millisecond)},
	{`Stall("1m")`, sfbackuptest.Stall(time.Minute)},
	{`TruncateBody(10)`, sfbackuptest.TruncateBody(10)},
}

// faultRun returns what happens to the requests of a client while a fault is injected.
func faultRun(t *testing.T, fault sfbackuptest.Fault) (run []string) {
	synctest.Test(t, func(t *testing.T) {
		c := sfbackuptest.NewCluster()
		c.Inject(fault)
		continuation := ""
		for _, target := range []string{first + "Backup" + v, first + "GetBackupProgress" + v, calc + "GetBackups" + v + "&MaxResults=2", "next", first + "GetBackups" + v} {
			method := http.MethodGet
			if strings.Contains(target, "/$/Backup") {
				method = http.MethodPost
			}
			if target == "next" {
				target = calc + "GetBackups" + v + "&MaxResults=2&ContinuationToken=" + continuation
			}
			began := time.Now()
			o := attempt(t, c.Transport(), method, "http://cluster"+target)
			if match := regexp.MustCompile(`"ContinuationToken":"(.*?)"`).FindStringSubmatch(o.body); match != nil {
				continuation = strings.NewReplacer("+", "%2B", " ", "+").Replace(match[1])
			}
			run = append(run, fmt.Sprint(o.err, o.status, o.header, o.body, o.bodyErr, time.Since(began)))
		}
		for _, r := range c.Requests() {
			run = append(run, r.Fault)
		}
	})
	return run
}

// TestParseFaults: a fault from a file does what the same fault of a program does.
func TestParseFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range namedFaults {
		faults, err := sfbackuptest.ParseFaults("faults.txt", []byte("# A comment.\n\n\t"+tt.line+"\r\n"))
		if err != nil || len(faults) != 1 {
			t.Errorf("%s: %v, %v", tt.line, faults, err)
			continue
		}
		want := faultRun(t, tt.fault)
		if diff := cmp.Diff(want, faultRun(t, faults[0])); diff != "" {
			t.Errorf("%s: (-program +file)\n%s", tt.line, diff)
		}
		if !slices.Contains(want, tt.fault.String()) {
			t.Errorf("%s hits no request: %q", tt.line, want)
		}
	}
}

// TestAllFaultsHaveNames: a file can have every fault of the package, with every method of a fault, but for
// those that need a function.
func TestAllFaultsHaveNames(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range file.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok || !function.Name.IsExported() || function.Type.Results == nil {
				continue
			}
			if result, ok := function.Type.Results.List[0].Type.(*ast.Ident); !ok || result.Name != "Fault" {
				continue
			}
			found++
			call := function.Name.Name + "("
			if function.Recv != nil {
				call = "." + call
			}
			if !slices.ContainsFunc(namedFaults, func(f struct {
				line  string
				fault sfbackuptest.Fault
			},
			) bool {
				return strings.HasPrefix(f.line, call) || call[0] == '.' && strings.Contains(f.line, call)
			}) {
				missing = append(missing, call)
			}
		}
	}
	if diff := cmp.Diff([]string{".When(", "Custom("}, missing); diff != "" || found < 20 {
		t.Errorf("of %d functions and methods these are in no line: (-want +got)\n%s", found, diff)
	}
}

// TestParseFaultsErrors: each wrong line is reported, with its number.
func TestParseFaultsErrors(t *testing.T) {
	t.Parallel()
	const text = `Reset()
Rest()
Answer(503)
# a comment
Answer("503", "")
Answer(99, "")
Reset
Reset(
Reset().Often(2)
Reset().String()
Rest().Times(2)
Refuse().AfterEffect()
Reset().On(Backup)
SlowBody(0, "1s")
SlowBody(10, 1s)
SlowBody(10, 1)
CutBody(-1)
CutBody(99999999999999999999)
Custom("x", nil)
Reset().When(nil)
Redirect(http)
42
`
	faults, err := sfbackuptest.ParseFaults("faults.txt", []byte(text))
	want := strings.TrimSpace(`
faults.txt:2: there is no fault Rest
faults.txt:3: Answer has 1 arguments, want 2
faults.txt:5: argument 1 of Answer is not a valid int
faults.txt:6: 99 is not the status of a response
faults.txt:7: a fault is written as a call, such as Reset()
faults.txt:8: expected ')', found 'EOF'
faults.txt:9: there is no fault Often
faults.txt:10: there is no fault String
faults.txt:11: there is no fault Rest
faults.txt:12: AfterEffect: a refused request takes no effect
faults.txt:13: argument 1 of On is not a valid sfbackuptest.Operation
faults.txt:14: SlowBody: sending no bytes at a time never ends
faults.txt:15: missing ',' in argument list
faults.txt:16: argument 2 of SlowBody is not a valid time.Duration
faults.txt:17: argument 1 of CutBody is not a valid int64
faults.txt:18: argument 1 of CutBody is not a valid int64
faults.txt:19: there is no fault Custom
faults.txt:20: argument 1 of When is not a valid func(*http.Request) bool
faults.txt:21: argument 1 of Redirect is not a valid string
faults.txt:22: a fault is written as a call, such as Reset()
`)
	if err == nil || faults != nil {
		t.Fatalf("%v, %v", faults, err)
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestMissedInFile: a fault from a file that does not happen is reported with its line in the file.
func TestMissedInFile(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster()
	faults, err := sfbackuptest.ParseFaults("dir/faults.txt", []byte("Reset()\n\nAnswer(503, \"\").Times(2)\nStall(\"1h\")\n"))
	if err != nil {
		t.Fatal(err)
	}
	c.Inject(faults...)
	get := func() { attempt(t, c.Transport(), http.MethodGet, "http://cluster"+first+"GetBackups"+v) }
	get()
	get()
	want := []string{
		"dir/faults.txt:3: the fault Answer(503) has hit 1 requests, want 2",
		"dir/faults.txt:4: the fault Stall(1h0m0s) has hit 0 requests, want 1",
	}
	if diff := cmp.Diff(want, c.Missed()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestFaultRange: faults whose arguments are out of range.
func TestFaultRange(t *testing.T) {
	t.Parallel()
	for want, do := range map[string]func(){
		"sfbackuptest: 1000 is not the status of a response": func() { sfbackuptest.HTMLError(1000) },
		"sfbackuptest: 100 is not the status of a response":  func() { sfbackuptest.Answer(http.StatusContinue, "") },
		"sfbackuptest: -1 is not a number of bytes":          func() { sfbackuptest.CutBody(-1) },
		"sfbackuptest: -2 is not a number of bytes":          func() { sfbackuptest.TruncateBody(-2) },
	} {
		func() {
			defer func() {
				if got := recover(); got != want {
					t.Errorf("panic %v, want %s", got, want)
				}
			}()
			do()
		}()
	}
}
