package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/openapi/contract"
)

// TestConsumer runs a module outside this one, which checks a client, a fake and a recording with package contract.
func TestConsumer(t *testing.T) {
	t.Parallel()
	dir := consumerModule(t)
	stdout, stderr, code := goCommand(t, dir, "test", "-count=1", "-json", "./...")
	if code != 1 {
		t.Fatalf("go test: exit code %d\n%s\n%s", code, stdout, stderr)
	}
	line := func(text string) string { return lineOf(t, dir, "mistakes/mistakes_test.go", text) }
	const partition = "/Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/"
	handler := line("contract.ForTestHandler(t")
	want := map[string][]string{
		"example.com/consumer":            {"pass"},
		"example.com/consumer.TestClient": {"pass"},
		"example.com/consumer.TestFake":   {"pass"},
		"example.com/consumer/mistakes": {
			"not needed: GetServiceBackupList /Items/*/LsnOfLastBackupRecord type",
			"fail",
		},
		"example.com/consumer/mistakes.TestClient": {
			line("c.backup(t") + "POST " + partition + "Backup?api-version=6.4, status 202:",
			"exchange 1: BackupPartition: request /BackupStorage/Friendlyname: undocumented-property: " +
				"expected no property with this name, found a string of 7 bytes; did you mean FriendlyName?",
			line("c.state(t") + "GET " + partition + "GetBackupProgress?api-version=6.0, status 200:",
			`exchange 2: GetPartitionBackupProgress: request query.api-version: api-version: ` +
				`expected a number of at least 6.4, found "6.0"`,
			line("c.backups(t") + "GET /Services/CalcApp/CalcService/$/GetBackups" +
				"?StartDateTimeFilter=2018-01-01T00%253A00%253A00Z&api-version=6.4, status 200:",
			`exchange 3: GetServiceBackupList: request query.StartDateTimeFilter: date-time: ` +
				`expected an RFC 3339 date-time with a time zone, found "2018-01-01T00%3A00%3A00Z"; it was encoded twice`,
			"fail",
		},
		"example.com/consumer/mistakes.TestFake": {
			handler + "POST " + partition + "Backup?BackupTimeout=1&api-version=6.4, status 200:",
			"exchange 1: BackupPartition: response status: undocumented-status: expected 202 or an error status, found 200",
			handler + "GET " + partition + "GetBackupProgress?api-version=6.4, status 200:",
			`exchange 2: GetPartitionBackupProgress: response /TimeStampUtc: date-time: ` +
				`expected an RFC 3339 date-time with a time zone, found "2018-01-03T09:00:55"`,
			handler + "GET " + partition + "GetBackups?MaxResults=10&StartDateTimeFilter=2018-01-01T00%3A00%3A00Z&api-version=6.4, status 200:",
			"exchange 3: GetPartitionBackupList: response /Items/0/BackupId: required: " +
				"expected the property, which every known server sends, found none … and 1 more like it (/Items/1/BackupId)",
			"exchange 3: GetPartitionBackupList: response /Items/1/LsnOfLastBackupRecord: type: expected a string, found the number 446",
			handler + "GET /Services/A/B/$/GetBackups?Latest=true&api-version=6.4, status 404:",
			"exchange 4: GetServiceBackupList: response /Error/Code: required: expected the required property, found none",
			"fail",
		},
		"example.com/consumer/mistakes.TestRecording": {"pass"},
	}
	if diff := cmp.Diff(want, results(t, stdout)); diff != "" {
		t.Errorf("go test reported (-want +got):\n%s", diff)
	}
	if bytes.Contains(stdout, []byte("AccountKey")) {
		t.Errorf("go test printed a secret:\n%s", stdout)
	}
	checkRecording(t, dir)
}

// CheckRecording checks the recording that a test of the module wrote, with the command and from within the module.
func checkRecording(t *testing.T, dir string) {
	want := []finding{
		{1, "BackupPartition", "request", "/BackupStorage/Friendlyname", contract.RuleProperty},
		{2, "GetPartitionBackupProgress", "request", "query.api-version", contract.RuleAPIVersion},
		{3, "GetServiceBackupList", "request", "query.StartDateTimeFilter", contract.RuleDateTime},
		// 4 has no mistake.
		{5, "GetPartitionBackupList", "request", "query.MaxResults", contract.RuleInt64},
		{6, "BackupPartition", "request", "header.Content-Type", contract.RuleContentType},
		{7, "GetPartitionBackupProgress", "request", "path", contract.RuleTrailingSlash},
		{8, "", "request", "path", contract.RuleOperation},
		{9, "BackupPartition", "response", "status", contract.RuleStatus},
		{10, "GetPartitionBackupProgress", "response", "/TimeStampUtc", contract.RuleDateTime},
		{11, "GetPartitionBackupList", "response", "/Items/0/BackupId", contract.RuleRequired},
		{11, "GetPartitionBackupList", "response", "/Items/1/LsnOfLastBackupRecord", contract.RuleType},
		{12, "GetServiceBackupList", "response", "/Error/Code", contract.RuleRequired},
	}
	const unused = "GetServiceBackupList body json"

	var report struct {
		Target     string
		Violations []contract.Violation
		Errors     []string
		Unused     []string
	}
	if err := json.Unmarshal(command(t, dir, "json"), &report); err != nil {
		t.Fatal(err)
	}
	var got []finding
	for _, v := range report.Violations {
		got = append(got, finding{v.Exchange, v.Operation, v.Where, v.Location, v.Rule})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("violations in JSON (-want +got):\n%s", diff)
	}
	if report.Target != "mistakes/recording.har" || len(report.Errors) > 0 || !cmp.Equal(report.Unused, []string{unused}) {
		t.Errorf("the rest of the JSON: %+v", report)
	}

	// The case of unused allowances fails too.
	wantCases := map[[2]string]string{{"contracttest", "all allowed deviations occur"}: unused}
	for i, f := range want {
		operation := f.Operation
		if operation == "" {
			operation = "unknown operation"
		}
		wantCases[[2]string{operation, string(f.Rule)}] = fmt.Sprintf("exchange %d: %s: %s %s: %s: %s",
			f.Exchange, operation, f.Where, f.Location, f.Rule, report.Violations[i].Message)
		if more := report.Violations[i].More; len(more) > 0 {
			wantCases[[2]string{operation, string(f.Rule)}] += " … and 1 more like it (" + more[0] + ")"
		}
	}
	var suite struct {
		XMLName  xml.Name `xml:"testsuite"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Errors   int      `xml:"errors,attr"`
		Cases    []struct {
			Class   string   `xml:"classname,attr"`
			Name    string   `xml:"name,attr"`
			Failure []string `xml:"failure"`
			Error   []string `xml:"error"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal(command(t, dir, "junit"), &suite); err != nil {
		t.Fatal(err)
	}
	gotCases := make(map[[2]string]string)
	for _, c := range suite.Cases {
		if texts := append(c.Failure, c.Error...); len(texts) > 0 {
			gotCases[[2]string{c.Class, c.Name}] = strings.Join(texts, "\n")
		}
	}
	if diff := cmp.Diff(wantCases, gotCases); diff != "" {
		t.Errorf("failing cases in JUnit (-want +got):\n%s", diff)
	}
	if suite.Tests != len(suite.Cases) || suite.Failures != len(want) || suite.Errors != 1 {
		t.Errorf("JUnit counts %d tests, %d failures, %d errors; it has %d cases", suite.Tests, suite.Failures, suite.Errors, len(suite.Cases))
	}
}

// A finding is what identifies a violation.
type finding struct {
	Exchange  int
	Operation string
	Where     contract.Side
	Location  string
	Rule      contract.Rule
}

// Command runs contracttest on the recording and returns its output.
func command(t *testing.T, dir, format string) []byte {
	stdout, stderr, code := goCommand(t, dir, "run", "github.com/servicefabric-go/backup/examples/contracttest",
		"-strict", "-har", "mistakes/recording.har", "-allow", "known.txt", "-format", format)
	if code != 1 || bytes.Contains(stdout, []byte("AccountKey")) {
		t.Fatalf("contracttest -format %s: exit code %d\n%s\n%s", format, code, stdout, stderr)
	}
	return stdout
}

// ConsumerModule makes a module of testdata/consumer, with the dependencies of this module, and returns its directory.
func consumerModule(t *testing.T) string {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/consumer")); err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/servicefabric-go/backup"
	required, found := bytes.CutPrefix(mod, []byte("module "+module+"\n"))
	if !found {
		t.Fatalf("go.mod begins with another module:\n%s", mod)
	}
	mod = fmt.Appendf(nil, "module example.com/consumer\n%s\nrequire %s v0.0.0\n\nreplace %[2]s => %[3]q\n", required, module, root)
	for name, content := range map[string][]byte{"go.mod": mod, "go.sum": sums} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// GoCommand runs the go command in a directory, without a network, and returns its output and exit code.
func goCommand(t *testing.T, dir string, args ...string) (stdout, stderr []byte, code int) {
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errOut
	cmd.Env = append(cmd.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.Bytes(), errOut.Bytes(), cmd.ProcessState.ExitCode()
}

// Results returns what the events of go test -json say about each package and each of its tests: the lines of its output,
// except for those of go test itself, and how it ended.
func results(t *testing.T, events []byte) map[string][]string {
	own := regexp.MustCompile(`^(=== |--- |PASS$|FAIL$|FAIL\t|ok  \t)`)
	frame := regexp.MustCompile(`^\w+\.go:\d+: (\w+_test\.go:)`) // a line of package contract in front of that of the test
	names, got := map[string]string{}, map[string][]string{}
	for decoder := json.NewDecoder(bytes.NewReader(events)); ; {
		var event struct{ Action, Package, Test, Output string }
		if err := decoder.Decode(&event); errors.Is(err, io.EOF) {
			return got
		} else if err != nil {
			t.Fatalf("%v\n%s", err, events)
		}
		name := strings.TrimSuffix(event.Package+"."+event.Test, ".")
		names[name] += event.Output
		switch event.Action {
		case "pass", "fail", "skip":
			for line := range strings.Lines(names[name]) {
				if line = strings.TrimSpace(line); line != "" && !own.MatchString(line) {
					got[name] = append(got[name], frame.ReplaceAllString(line, "$1"))
				}
			}
			got[name] = append(got[name], event.Action)
		}
	}
}

// LineOf returns "file:line: " of the only line of a file that has a text.
func lineOf(t *testing.T, dir, name, text string) string {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	before, after, found := strings.Cut(string(data), text)
	if !found || strings.Contains(after, text) {
		t.Fatalf("%s does not have %q once", name, text)
	}
	return fmt.Sprintf("%s:%d: ", filepath.Base(name), strings.Count(before, "\n")+1)
}
