// Command drill changes the document in a temporary copy of the repository, one sample change at a time, and shows
// what make generate and make adopt say. For a change that can be adopted it applies the kept patch, after which
// everything has to be green, and then each patch without one of its hunks, which has to be red again.
//
//	go run ./internal/drill [-only NAME] [-tests=false] [-hunks=false] [-update]
//
// A sample change is a folder of changes: change.yaml, an OpenAPI Overlay for openapi/backup.yaml with a header of
// its own; adopt.patch, what to write by hand; and probe.go.txt, a test that uses what is new through the client, a
// cluster and the contract kit.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gopkg.in/yaml.v3"
)

const changesDir = "internal/drill/changes"

func main() {
	only := flag.String("only", "", "the name of the one change to try")
	tests := flag.Bool("tests", true, "run all tests with each patch")
	hunks := flag.Bool("hunks", true, "leave out each hunk of a patch")
	update := flag.Bool("update", false, "write the table into openapi/README.md instead of comparing it")
	flag.Parse()
	if err := run(*only, *tests, *hunks, *update); err != nil {
		fmt.Fprintln(os.Stderr, "drill:", err)
		os.Exit(1)
	}
}

// A change is a sample change of the document.
type change struct {
	name string
	Info struct{ Title string }
	// Stage is what fails first: "generate", "adopt", or "none" if nothing has to be written by hand.
	Stage string `yaml:"x-stage"`
	// Says is in the text of the failure: the file to open, and what to write there.
	Says string `yaml:"x-says"`
	// Before is how many files had to be touched by hand before the document was asked; 0 is not known.
	Before int `yaml:"x-before"`

	patch []hunk // empty: the change is not additive
	probe []byte
}

// A hunk is one hunk of a patch, with the header of its file.
type hunk struct{ file, header, text string }

func run(only string, tests, hunks, update bool) error {
	changes, err := load(only)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "drill")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	rows, errs := make([]string, len(changes)), make([]error, len(changes))
	var next atomic.Int64
	var workers sync.WaitGroup
	for i := range min(2, len(changes)) { // the tools of a change use little more than one core
		c := &copied{dir: filepath.Join(dir, fmt.Sprint(i))}
		if err := c.make(); err != nil {
			return err
		}
		workers.Go(func() {
			for n := next.Add(1) - 1; int(n) < len(changes); n = next.Add(1) - 1 {
				begun := time.Now()
				rows[n], errs[n] = c.try(changes[n], tests, hunks)
				fmt.Printf("%s %s: %v\n", time.Since(begun).Round(time.Second), changes[n].name, cmp.Or(rows[n], fmt.Sprint(errs[n])))
			}
		})
	}
	workers.Wait()
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("%s: %w", changes[i].name, errors.Join(errs[i:]...))
		}
	}
	if only == "" && hunks {
		return compareTable(rows, update)
	}
	return nil
}

// load reads the sample changes.
func load(only string) (changes []*change, err error) {
	dirs, err := filepath.Glob(filepath.Join(changesDir, cmp.Or(only, "*")))
	if err != nil || dirs == nil {
		return nil, fmt.Errorf("there is no change %s: %w", only, err)
	}
	for _, dir := range dirs {
		ch := &change{name: filepath.Base(dir)}
		data, err := os.ReadFile(filepath.Join(dir, "change.yaml")) //nolint:gosec // of the repository
		if err == nil {
			err = yaml.Unmarshal(data, ch)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		if patch, err := os.ReadFile(filepath.Join(dir, "adopt.patch")); err == nil { //nolint:gosec // as above
			ch.patch = hunks(string(patch))
			if ch.probe, err = os.ReadFile(filepath.Join(dir, "probe.go.txt")); err != nil { //nolint:gosec // as above
				return nil, err
			}
		}
		changes = append(changes, ch)
	}
	return changes, nil
}

// hunks splits a patch of git diff.
func hunks(patch string) (all []hunk) {
	for _, file := range strings.Split("\n"+patch, "\ndiff --git ")[1:] {
		header, rest, _ := strings.Cut(file, "\n@@")
		_, name, _ := strings.Cut(strings.Fields(header)[1], "/")
		for text := range strings.SplitSeq(rest, "\n@@") {
			all = append(all, hunk{name, "diff --git " + header + "\n", "@@" + strings.TrimSuffix(text, "\n") + "\n"})
		}
	}
	return all
}

// files returns the files of a patch.
func files(patch []hunk) (names []string) {
	for _, h := range patch {
		names = append(names, h.file)
	}
	return slices.Compact(names)
}

// A copied is a copy of the repository.
type copied struct{ dir string }

func (c *copied) make() error {
	out, err := exec.Command("git", "ls-files", "-co", "--exclude-standard", "-z").Output() //nolint:noctx // it is short
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.Trim(string(out), "\x00"), "\x00") {
		data, err := os.ReadFile(name) //nolint:gosec // as above
		if errors.Is(err, os.ErrNotExist) {
			continue // it was deleted
		}
		if err == nil {
			err = c.write(name, data)
		}
		if err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "user.name=drill", "-c", "user.email=drill@localhost", "commit", "-qm", "copy"}} {
		if out, err := c.command("git", args...); err != nil {
			return errors.New(out)
		}
	}
	return nil
}

func (c *copied) write(name string, data []byte) error {
	name = filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // a copy of source code
		return err
	}
	return os.WriteFile(name, data, 0o644) //nolint:gosec // as above
}

// command runs a command in the copy and returns what it writes.
func (c *copied) command(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...) //nolint:gosec,noctx // of this program
	cmd.Dir = c.dir
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// begin resets the copy, changes its document, and applies hunks.
func (c *copied) begin(ch *change, patch []hunk) error {
	for _, args := range [][]string{{"checkout", "-qf", "."}, {"clean", "-fdq"}} {
		if out, err := c.command("git", args...); err != nil {
			return errors.New(out)
		}
	}
	overlay := "openapi/runtime.overlay.yaml"
	if out, err := c.command("go", "run", "./internal/overlay", "openapi/backup.yaml", filepath.Join(changesDir, ch.name, "change.yaml")); err != nil {
		return errors.New(out)
	} else if err := c.write("openapi/backup.yaml", []byte(out+"\n")); err != nil {
		return err
	}
	if data, err := os.ReadFile(filepath.Join(changesDir, ch.name, "overlay.patch")); err == nil {
		if err := c.apply(string(data)); err != nil {
			return fmt.Errorf("%s: %w", overlay, err)
		}
	}
	var text strings.Builder
	for i, h := range patch {
		if i == 0 || patch[i-1].file != h.file {
			text.WriteString(h.header)
		}
		text.WriteString(h.text)
	}
	if text.Len() == 0 {
		return nil
	}
	return c.apply(text.String())
}

func (c *copied) apply(patch string) error {
	if err := c.write("drill.tmp", []byte(patch)); err != nil {
		return err
	}
	if out, err := c.command("git", "apply", "--recount", "--unidiff-zero", "drill.tmp"); err != nil {
		return fmt.Errorf("the patch does not apply: %s", out)
	}
	return nil
}

// failure runs make generate, make adopt and the probe, and returns the first that fails with what it says.
func (c *copied) failure(ch *change) (stage, says string) {
	if out, err := c.command("make", "-s", "generate"); err != nil {
		return "generate", out
	}
	if out, err := c.command("make", "-s", "adopt"); err != nil {
		return "adopt", out
	}
	if ch.probe != nil {
		if err := c.write("internal/probe/probe_test.go", ch.probe); err != nil {
			return "probe", err.Error()
		}
		if out, err := c.command("go", "test", "-timeout", "60s", "./internal/probe"); err != nil {
			return "probe", out
		}
	}
	return "none", ""
}

// try tries a change, and returns its row of the table.
func (c *copied) try(ch *change, tests, hunks bool) (row string, err error) {
	if err := c.begin(ch, nil); err != nil {
		return "", err
	}
	stage, says := c.failure(&change{})
	if stage != ch.Stage || !strings.Contains(says, ch.Says) || stage != "none" && !c.namesFile(says) {
		return "", fmt.Errorf("make %s says:\n%s\nwant make %s to say %q, with a file", stage, says, ch.Stage, ch.Says)
	}
	fails, touched, left := "make "+stage+": "+ch.Says, "", ""
	if stage == "none" {
		fails, touched = "nothing", "0"
	}
	if ch.patch != nil {
		names := files(ch.patch)
		touched = fmt.Sprintf("%d: %s", len(names), strings.Join(names, ", "))
		if ch.Before > 0 {
			touched = fmt.Sprintf("%d before, now %s", ch.Before, touched)
		}
		if err := c.adopted(ch, tests, hunks); err != nil {
			return "", err
		}
		left = fmt.Sprintf("%d of %d red", len(ch.patch), len(ch.patch))
	}
	return fmt.Sprintf("| %s | %s | %s | %s |", ch.Info.Title, strings.ReplaceAll(fails, "|", `\|`), touched, left), nil
}

// adopted checks that the patch makes everything green, and that it does not without any of its hunks.
func (c *copied) adopted(ch *change, tests, hunks bool) error {
	if err := c.begin(ch, ch.patch); err != nil {
		return err
	}
	if stage, says := c.failure(ch); stage != "none" {
		return fmt.Errorf("with its patch, %s says:\n%s", stage, says)
	}
	if tests {
		// The table of faults is written by a command, not by hand.
		if out, err := c.command("go", "test", "-timeout", "160s", "./wrapper/sfbackup", "-run", "^TestFaultMatrix$", "-update"); err != nil {
			return fmt.Errorf("with its patch, make fault-report says:\n%s", out)
		}
		if out, err := c.command("go", "test", "-short", "-vet=off", "-timeout", "300s", "./..."); err != nil {
			return fmt.Errorf("with its patch, the tests say:\n%s", strings.Join(regexp.MustCompile(`(?m)^(ok|\?) .*\n`).Split(out, -1), ""))
		}
	}
	for i, h := range ch.patch {
		if !hunks {
			break
		}
		if err := c.begin(ch, slices.Delete(slices.Clone(ch.patch), i, i+1)); err != nil {
			return err
		}
		if stage, _ := c.failure(ch); stage == "none" {
			return fmt.Errorf("without this hunk of %s nothing fails:\n%s", h.file, h.text)
		}
	}
	return nil
}

var fileName = regexp.MustCompile(`[\w./-]+/[\w./-]+`)

// namesFile reports whether a text names a file or a folder of the repository.
func (c *copied) namesFile(text string) bool {
	return slices.ContainsFunc(fileName.FindAllString(text, -1), func(name string) bool {
		_, err := os.Stat(filepath.Join(c.dir, strings.TrimRight(name, ".:")))
		return err == nil
	})
}

// compareTable compares the table with that of openapi/README.md, or writes it there.
func compareTable(rows []string, update bool) error {
	const readme, begin, end = "openapi/README.md", "<!-- drill -->\n", "<!-- /drill -->"
	data, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(data), begin)
	old, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return errors.New(readme + " has no place for the table")
	}
	table := "| change of the document | what fails first, and says | files to write by hand | left-out hunks |\n|---|---|---|---|\n" + strings.Join(rows, "\n") + "\n"
	if update {
		return os.WriteFile(readme, []byte(head+begin+table+end+tail), 0o644) //nolint:gosec // it is public
	}
	if old != table {
		return errors.New("the table in " + readme + " differs: go run ./internal/drill -update writes it")
	}
	return nil
}
