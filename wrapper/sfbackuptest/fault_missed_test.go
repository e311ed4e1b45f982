package sfbackuptest_test

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// scriptReset is a helper of tests.
func scriptReset(t testing.TB, c *sfbackuptest.Cluster) (line int) {
	t.Helper()
	_, _, line, _ = runtime.Caller(0)
	c.Script(t, sfbackuptest.Reset())
	return line + 1
}

// TestMissedInHelper: the line of a fault is one of a test, also through helpers and other packages, in a goroutine, and with faults
// on several lines.
func TestMissedInHelper(t *testing.T) {
	t.Parallel()
	c, tb := sfbackuptest.NewCluster(), &fakeTB{}
	lines := []int{scriptReset(tb, c)}
	func() {
		_, _, line, _ := runtime.Caller(0)
		c.Script(tb,
			sfbackuptest.Reset(),
			sfbackuptest.Reset())
		lines = append(lines, line+1, line+1)
	}()
	done := make(chan int)
	go func() {
		_, _, line, _ := runtime.Caller(0)
		c.Inject(sfbackuptest.Reset())
		done <- line + 1
	}()
	lines = append(lines, <-done)
	// A line of another package is not one of the test.
	_, _, line, _ := runtime.Caller(0)
	reflect.ValueOf(c.Script).Call([]reflect.Value{reflect.ValueOf(tb), reflect.ValueOf(sfbackuptest.Reset())})
	lines = append(lines, line+1)
	var want []string
	for _, line := range lines {
		want = append(want, fmt.Sprintf("fault_missed_test.go:%d: the fault Reset has hit 0 requests, want 1", line))
	}
	if got := c.Missed(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q\nwant %q", got, want)
	}
}
