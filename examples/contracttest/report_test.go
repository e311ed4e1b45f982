package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A recording of two exchanges: one with a violation, and one whose body is missing.
const recording = `{"log":{"entries":[
	{"request":{"method":"GET","url":"http://h/Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/GetBackupProgress?api-version=6.4"},
	 "response":{"status":200,"content":{"mimeType":"application/json","text":"{\"BackupState\":\"Lost\"}"}}},
	{"request":{"method":"GET","url":"http://h/Services/A/S/$/GetBackups?api-version=6.4"},
	 "response":{"status":200,"content":{"mimeType":"application/json","size":5}}}]}}`

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A recording is checked in each format.
func TestRecording(t *testing.T) {
	t.Parallel()
	har := writeFile(t, "recording.har", recording)
	check := func(code int, args ...string) (string, string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if got := run(t.Context(), append([]string{"-har", har}, args...), &stdout, &stderr); got != code {
			t.Errorf("%q: exit code %d\n%s", args, got, &stderr)
		}
		return stdout.String(), stderr.String()
	}

	stdout, stderr := check(1)
	const violation = `exchange 1: GetPartitionBackupProgress: response /BackupState: enum: `
	const unrecorded = "exchange 2: GET /Services/A/S/$/GetBackups: the response body was not recorded"
	if !strings.Contains(stdout, violation) || !strings.Contains(stdout, "operation GetServiceBackupList") && !strings.Contains(stdout, "used ") || !strings.Contains(stderr, unrecorded) {
		t.Errorf("got %s\n%s", stdout, stderr)
	}

	stdout, _ = check(1, "-format", "json")
	var decoded struct {
		Target     string
		Violations []struct {
			Exchange, Count                  int
			Operation, Location, Rule, Where string
		}
		Errors []string
	}
	if err := json.Unmarshal([]byte(stdout), &decoded); err != nil || decoded.Target != har || len(decoded.Violations) != 1 || len(decoded.Errors) != 1 {
		t.Fatalf("%v: %s", err, stdout)
	}
	if v := decoded.Violations[0]; v.Exchange != 1 || v.Count != 1 || v.Operation != "GetPartitionBackupProgress" || v.Location != "/BackupState" || v.Rule != "enum" || v.Where != "response" {
		t.Errorf("got %+v", v)
	}

	stdout, _ = check(1, "-format", "junit")
	var suite struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Cases    []struct {
			Class   string `xml:"classname,attr"`
			Name    string `xml:"name,attr"`
			Failure string `xml:"failure"`
			Error   string `xml:"error"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal([]byte(stdout), &suite); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	failed := 0
	for _, c := range suite.Cases {
		switch {
		case c.Failure != "":
			failed++
			if c.Class != "GetPartitionBackupProgress" || c.Name != "enum" || !strings.Contains(c.Failure, violation) {
				t.Errorf("got %+v", c)
			}
		case c.Error != "" && c.Error != unrecorded:
			t.Errorf("got %+v", c)
		}
	}
	if failed != 1 || suite.Failures != 1 || suite.Errors != 1 || suite.Tests != len(suite.Cases) || len(suite.Cases) < 100 {
		t.Errorf("%d failed; %d tests, %d failures, %d errors", failed, suite.Tests, suite.Failures, suite.Errors)
	}

	// What is allowed is not reported, but the body that was not recorded still is.
	allowed := writeFile(t, "allow", "* /BackupState enum # known\n")
	if stdout, stderr = check(1, "-allow", allowed); !strings.Contains(stdout, ": 0 violations") || !strings.Contains(stderr, unrecorded) {
		t.Errorf("got %s\n%s", stdout, stderr)
	}
	stale := writeFile(t, "allow", "* /BackupState enum\n* /Duration undocumented-property\n")
	if _, stderr = check(1, "-allow", stale); !strings.Contains(stderr, "allowed, but did not occur: * /Duration undocumented-property") {
		t.Errorf("got %s", stderr)
	}
	for want, args := range map[string][]string{
		"there is no rule": {"-allow", writeFile(t, "allow", "* / nonsense")},
		"no such file":     {"-allow", har + "x"},
		"is text, json":    {"-format", "xml"},
		"no -endpoint":     {"-endpoint", "http://h"},
	} {
		if _, stderr := check(2, args...); !strings.Contains(stderr, want) {
			t.Errorf("%q: got %s", args, stderr)
		}
	}
	har += "x"
	if _, stderr := check(1); !strings.Contains(stderr, "no such file") {
		t.Errorf("got %s", stderr)
	}
}
