package sfbackuptest_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// fakeTB is a test that ends when its method end is called.
type fakeTB struct {
	testing.TB
	cleanups []func()
	errors   []string
}

func (*fakeTB) Helper()            {}
func (t *fakeTB) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *fakeTB) Errorf(format string, args ...any) {
	t.errors = append(t.errors, fmt.Sprintf(format, args...))
}

func (t *fakeTB) end() {
	for _, f := range t.cleanups {
		f()
	}
}

// statuses sends some requests and returns their statuses.
func statuses(t *testing.T, c *sfbackuptest.Cluster, targets ...string) string {
	t.Helper()
	var all []string
	for _, target := range targets {
		method := http.MethodGet
		if strings.Contains(target, "/$/Backup") {
			method = http.MethodPost
		}
		all = append(all, fmt.Sprint(send(t, c.Transport(), method, target, "").StatusCode))
	}
	return strings.Join(all, " ")
}

// TestScript: which fault hits which request.
func TestScript(t *testing.T) {
	t.Parallel()
	const progress, list, services, backup = first + "GetBackupProgress" + v, first + "GetBackups" + v, calc + "GetBackups" + v, first + "Backup" + v
	answer := func(status int) sfbackuptest.Fault { return sfbackuptest.Answer(status, "") }
	for _, tt := range []struct {
		name    string
		faults  []sfbackuptest.Fault
		targets []string
		want    string
		unused  []string
	}{
		{
			name:    "in order",
			faults:  []sfbackuptest.Fault{answer(501), answer(502), answer(503)},
			targets: []string{progress, list, services, backup},
			want:    "501 502 503 202",
		},
		{
			name:    "by operation",
			faults:  []sfbackuptest.Fault{answer(501).On(sfbackuptest.OpBackupPartition), answer(502).On(sfbackuptest.OpGetServiceBackupList, sfbackuptest.OpGetPartitionBackupProgress)},
			targets: []string{list, services, backup, progress},
			want:    "200 502 501 200",
		},
		{
			name:    "operations add up",
			faults:  []sfbackuptest.Fault{answer(501).On(sfbackuptest.OpBackupPartition).On(sfbackuptest.OpGetPartitionBackupList).Times(2)},
			targets: []string{services, list, backup, list},
			want:    "200 501 501 200",
		},
		{
			name: "by predicate",
			faults: []sfbackuptest.Fault{
				answer(501).When(func(r *http.Request) bool { return r.URL.Query().Get("Latest") == "true" }).When(func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/Services") }),
			},
			targets: []string{services, list + "&Latest=true", services + "&Latest=true", services + "&Latest=true"},
			want:    "200 200 501 200",
		},
		{
			name:    "several times",
			faults:  []sfbackuptest.Fault{answer(501).Times(2)},
			targets: []string{progress, progress, progress},
			want:    "501 501 200",
		},
		{
			name:    "always",
			faults:  []sfbackuptest.Fault{answer(501).Times(0)},
			targets: []string{progress, progress, progress},
			want:    "501 501 501",
		},
		{
			name:    "no operation",
			faults:  []sfbackuptest.Fault{answer(501)},
			targets: []string{"/Nope"},
			want:    "501",
		},
		{
			name:    "unused",
			faults:  []sfbackuptest.Fault{answer(501).Times(3), answer(502).Times(0), answer(503).On(sfbackuptest.OpBackupPartition)},
			targets: []string{progress, progress},
			want:    "501 501",
			unused: []string{
				"the fault Answer(501) has hit 2 requests, want 3",
				"the fault Answer(502) has hit 0 requests, want 1",
				"the fault Answer(503) has hit 0 requests, want 1",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, tb := sfbackuptest.NewCluster(), &fakeTB{}
			_, _, line, _ := runtime.Caller(0)
			c.Script(tb, tt.faults...)
			if got := statuses(t, c, tt.targets...); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			for i := range tt.unused {
				tt.unused[i] = fmt.Sprintf("script_test.go:%d: %s", line+1, tt.unused[i])
			}
			if diff := cmp.Diff(tt.unused, c.Missed()); diff != "" {
				t.Errorf("missed: (-want +got)\n%s", diff)
			}
			tb.end()
			if missed := c.Missed(); missed != nil {
				t.Errorf("missed after the test: %q", missed)
			}
			for i := range tt.unused {
				tt.unused[i] = "sfbackuptest: " + tt.unused[i]
			}
			if diff := cmp.Diff(tt.unused, tb.errors); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			// The faults are removed when the test ends.
			if got := statuses(t, c, progress); got != "200" {
				t.Errorf("after the test: %s", got)
			}
		})
	}
}

// TestFaultsAreCopies: a method changes only the fault that it returns.
func TestFaultsAreCopies(t *testing.T) {
	t.Parallel()
	base := sfbackuptest.Answer(503, "").When(func(*http.Request) bool { return true })
	_ = base.When(func(*http.Request) bool { return false })
	_ = base.On(sfbackuptest.OpBackupPartition)
	_ = base.Times(5)
	_ = base.AfterEffect()
	header := base.Header("Retry-After", "1")
	_ = header.Header("Retry-After", "2")
	c := sfbackuptest.NewCluster()
	c.Script(t, header)
	if a := get(t, c, first+"GetBackupProgress"+v); a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") != "1" {
		t.Errorf("%s %v", a.Status, a.Header)
	}
}

// TestInject: injected faults replace those that were injected before, but not those of a script.
func TestInject(t *testing.T) {
	t.Parallel()
	const progress = first + "GetBackupProgress" + v
	c := sfbackuptest.NewCluster()
	c.Inject(sfbackuptest.Answer(501, ""))
	if got := statuses(t, c, progress, progress); got != "501 200" {
		t.Error(got)
	}
	c.Inject(sfbackuptest.Answer(501, "").Times(0))
	c.Script(t, sfbackuptest.Answer(502, "").Times(2))
	c.Inject(sfbackuptest.Answer(503, "").Times(2), sfbackuptest.Answer(504, ""))
	if got := statuses(t, c, progress, progress, progress, progress, progress, progress); got != "502 502 503 503 504 200" {
		t.Error(got)
	}
	c.Inject(sfbackuptest.Answer(501, "").Times(0))
	if got := statuses(t, c, progress, progress); got != "501 501" {
		t.Error(got)
	}
	c.Inject()
	if got := statuses(t, c, progress); got != "200" {
		t.Error(got)
	}
}

// TestSchedule: the same seed hits the same requests, about as many as the rate says, and none after the
// schedule is removed.
func TestSchedule(t *testing.T) {
	t.Parallel()
	const n = 400
	run := func(seed uint64, rate float64) (hits string, count int) {
		c := sfbackuptest.NewCluster()
		c.Schedule(seed, rate,
			sfbackuptest.Answer(502, ""), sfbackuptest.Answer(503, "").Times(1),
			sfbackuptest.Answer(504, "").On(sfbackuptest.OpBackupPartition))
		var b strings.Builder
		for range n {
			status := get(t, c, first+"GetBackupProgress"+v).StatusCode
			fmt.Fprintln(&b, status)
			if status != http.StatusOK {
				count++
			}
			if status == http.StatusGatewayTimeout {
				t.Error("a fault has hit another operation")
			}
		}
		c.Schedule(seed, rate)
		if got := statuses(t, c, first+"GetBackupProgress"+v); got != "200" {
			t.Errorf("without a schedule: %s", got)
		}
		return b.String(), count
	}
	one, count := run(7, 0.25)
	again, _ := run(7, 0.25)
	other, _ := run(8, 0.25)
	if one != again {
		t.Error("the same seed hits other requests")
	}
	if one == other {
		t.Error("another seed hits the same requests")
	}
	if count < n/8 || count > n/2 {
		t.Errorf("%d of %d requests were hit, want about a quarter", count, n)
	}
	if strings.Count(one, "503") < 2 {
		t.Error("Times has limited the faults of a schedule")
	}
	if _, count := run(7, 0); count != 0 {
		t.Errorf("%d hits at a rate of zero", count)
	}
	if _, count := run(7, 1); count != n {
		t.Errorf("%d hits at a rate of one", count)
	}

	// The schedule does not hit a request that no fault matches, or that the script hits.
	c := sfbackuptest.NewCluster()
	c.Schedule(1, 1, sfbackuptest.Answer(504, "").On(sfbackuptest.OpBackupPartition))
	c.Script(t, sfbackuptest.Answer(501, "").On(sfbackuptest.OpBackupPartition))
	if got := statuses(t, c, first+"GetBackups"+v, first+"Backup"+v, first+"Backup"+v); got != "200 501 504" {
		t.Error(got)
	}
}

// TestImpossibleFaults: an impossible fault is a mistake in the test.
func TestImpossibleFaults(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(){
		"takes no effect": func() { sfbackuptest.Refuse().AfterEffect() },
		"never ends":      func() { sfbackuptest.SlowBody(0, 0) },
	} {
		func() {
			defer func() {
				if message, _ := recover().(string); !strings.Contains(message, name) {
					t.Errorf("panic %q, want one with %q", message, name)
				}
			}()
			do()
		}()
	}
}
