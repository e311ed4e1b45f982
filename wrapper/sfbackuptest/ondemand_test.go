package sfbackuptest_test

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

const never = time.Duration(math.MaxInt64)

// state returns the state of the first partition's latest backup, or "null".
func state(t *testing.T, c *sfbackuptest.Cluster) string {
	t.Helper()
	var progress *struct{ BackupState string }
	a := get(t, c, first+"GetBackupProgress"+v)
	if err := json.Unmarshal([]byte(a.body), &progress); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	if progress == nil {
		return "null"
	}
	return progress.BackupState
}

// fresh returns a cluster with one partition that has no backup.
func fresh(maxIncremental int) *sfbackuptest.Cluster {
	return sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.Service{
		Name:                  "fabric:/CalcApp/CalcService",
		MaxIncrementalBackups: maxIncremental,
		Partitions:            []sfbackuptest.Partition{{ID: firstID}},
	}))
}

// TestStates: the state at each moment when it changes, and just before.
func TestStates(t *testing.T) {
	t.Parallel()
	failing := sfbackuptest.Outcome{Code: "FABRIC_E_BACKUPCOPIER_ACCESS_DENIED"}
	for _, tt := range []struct {
		name    string
		outcome sfbackuptest.Outcome
		timeout string
		want    string // when:state, in order
		made    string // when the backup is listed; empty: never
	}{
		{
			name: "success",
			want: "0s:Accepted 999ms:Accepted 1s:BackupInProgress 2.999s:BackupInProgress 3s:Success 1000h:Success",
			made: "3s",
		},
		{
			name:    "failure",
			outcome: failing,
			want:    "0s:Accepted 1s:BackupInProgress 3s:Failure 1000h:Failure",
		},
		{
			name:    "other durations",
			outcome: sfbackuptest.Outcome{Accepted: time.Minute, Running: time.Hour},
			timeout: "90",
			want:    "0s:Accepted 59s:Accepted 1m:BackupInProgress 1h:BackupInProgress 61m:Success",
			made:    "61m",
		},
		{
			name:    "at once",
			outcome: sfbackuptest.Outcome{Accepted: -1, Running: -1},
			want:    "0s:Success",
			made:    "0s",
		},
		{
			name:    "done in the last moment",
			outcome: sfbackuptest.Outcome{Accepted: time.Minute, Running: 9 * time.Minute},
			want:    "599s:BackupInProgress 10m:Success",
			made:    "10m",
		},
		{
			name:    "late, but made",
			outcome: sfbackuptest.Outcome{Running: 10 * time.Minute},
			want:    "0s:Accepted 1s:BackupInProgress 599s:BackupInProgress 10m:Timeout 601s:Timeout 1000h:Timeout",
			made:    "601s",
		},
		{
			name:    "late, and failed",
			outcome: sfbackuptest.Outcome{Running: 10 * time.Minute, Code: "E_FAIL"},
			want:    "599s:BackupInProgress 10m:Timeout 1000h:Timeout",
		},
		{
			name:    "not delivered",
			outcome: sfbackuptest.Outcome{Accepted: never, Running: never},
			timeout: "2",
			want:    "0s:Accepted 119s:Accepted 2m:Timeout 1000h:Timeout",
		},
		{
			name:    "delivered too late",
			outcome: sfbackuptest.Outcome{Accepted: 2 * time.Minute, Running: -1},
			timeout: "2",
			want:    "119s:Accepted 2m:Timeout 1000h:Timeout",
		},
		{
			name:    "delivered at the third attempt",
			outcome: sfbackuptest.Outcome{Undelivered: 2},
			want:    "0s:Accepted 1s:Accepted 120s:Accepted 121s:BackupInProgress 123s:Success",
			made:    "123s",
		},
		{
			// The service checks only at the next retry whether the request has expired.
			name:    "expired between two attempts",
			outcome: sfbackuptest.Outcome{Undelivered: 1000},
			timeout: "2",
			want:    "0s:Accepted 120s:Accepted 121s:Timeout 1000h:Timeout",
		},
		{
			name:    "delivered after the attempt that is too late",
			outcome: sfbackuptest.Outcome{Undelivered: 2, Accepted: time.Minute},
			timeout: "3",
			want:    "179s:Accepted 3m:Timeout",
		},
		{
			name:    "the longest time",
			timeout: "35791",
			want:    "0s:Accepted 1s:BackupInProgress 3s:Success",
			made:    "3s",
		},
		{name: "longer than an int32 of milliseconds", timeout: "35792", want: "0s:Accepted 3s:Accepted 1000h:Accepted"},
		{name: "before the year 1", timeout: "-2147483648", want: "0s:Accepted 3s:Accepted 1000h:Accepted"},
		{name: "not before the year 1", timeout: "-1000000000", want: "0s:Accepted 1s:Timeout"},
		{name: "no time at all", timeout: "0", want: "0s:Accepted 999ms:Accepted 1s:Timeout 1000h:Timeout"},
		{name: "no time at all, and a long wait", timeout: "0", outcome: sfbackuptest.Outcome{Accepted: time.Hour}, want: "4999ms:Accepted 5s:Timeout"},
		{name: "negative time", timeout: "-1", outcome: sfbackuptest.Outcome{Accepted: -1, Running: -1}, want: "0s:Timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := fresh(0)
				c.SetOutcome(firstID, tt.outcome)
				if got := state(t, c); got != "null" {
					t.Fatalf("before the request: %s", got)
				}
				target := first + "Backup" + v
				if tt.timeout != "" {
					target += "&BackupTimeout=" + tt.timeout
				}
				begin := time.Now()
				start(t, c, target, "{}")
				for step := range strings.FieldsSeq(tt.want) {
					when, want, _ := strings.Cut(step, ":")
					after, err := time.ParseDuration(when)
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Until(begin.Add(after)))
					if got := state(t, c); got != want {
						t.Errorf("after %s: %s, want %s", when, got, want)
					}
				}
				made := c.Backups(firstID)
				switch {
				case tt.made == "" && len(made) > 0:
					t.Errorf("a backup was made: %+v", made)
				case tt.made != "" && len(made) != 1:
					t.Errorf("%d backups, want 1", len(made))
				case tt.made != "":
					if got := made[0].Time.Sub(begin.UTC()).Round(time.Second).String(); got != mustDuration(t, tt.made).String() {
						t.Errorf("the backup was made after %s, want %s", got, tt.made)
					}
				}
			})
		})
	}
}

func mustDuration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestInProgress: while a backup is accepted or in progress, another request fails. After each of the
// three final states the next one is accepted.
func TestInProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fresh(0)
		c.SetOutcome(firstID,
			sfbackuptest.Outcome{Code: "E_FAIL"},
			sfbackuptest.Outcome{Accepted: never},
			sfbackuptest.Outcome{Running: time.Minute})
		refused := func(when string) {
			t.Helper()
			if a := send(t, c.Transport(), http.MethodPost, first+"Backup"+v, ""); a.StatusCode != http.StatusConflict {
				t.Errorf("%s: %s", when, a.Status)
			}
		}
		start(t, c, first+"Backup"+v, "")
		refused("accepted")
		time.Sleep(2 * time.Second)
		refused("in progress")
		time.Sleep(2 * time.Second)
		if got := state(t, c); got != "Failure" {
			t.Errorf("first: %s", got)
		}
		start(t, c, first+"Backup"+v+"&BackupTimeout=1", "")
		time.Sleep(59 * time.Second)
		refused("not delivered")
		time.Sleep(time.Second)
		if got := state(t, c); got != "Timeout" {
			t.Errorf("second: %s", got)
		}
		// The last outcome applies to all further requests.
		for range 2 {
			start(t, c, first+"Backup"+v, "")
			time.Sleep(time.Minute)
			refused("still in progress")
			time.Sleep(time.Second)
			if got := state(t, c); got != "Success" {
				t.Errorf("third: %s", got)
			}
		}
		c.SetOutcome(firstID)
		start(t, c, first+"Backup"+v, "")
		time.Sleep(3 * time.Second)
		if got := state(t, c); got != "Success" {
			t.Errorf("by the default: %s", got)
		}
	})
}

// TestOverlap: a backup that takes longer than its timeout is still made after another was requested. The
// order of the backups is that of their ends.
func TestOverlap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fresh(0)
		c.SetOutcome(firstID, sfbackuptest.Outcome{Running: 2 * time.Minute}, sfbackuptest.Outcome{})
		start(t, c, first+"Backup"+v+"&BackupTimeout=1", "")
		time.Sleep(time.Minute)
		start(t, c, first+"Backup"+v, "")
		time.Sleep(3 * time.Second)
		if got := state(t, c); got != "Success" {
			t.Errorf("the second is %s", got)
		}
		if got := len(c.Backups(firstID)); got != 1 {
			t.Errorf("%d backups, want that of the second request", got)
		}
		time.Sleep(time.Minute)
		if got := state(t, c); got != "Success" {
			t.Errorf("the second is %s after the first has ended", got)
		}
		made := c.Backups(firstID)
		if len(made) != 2 || made[0].Type != sfbackuptest.BackupTypeFull || made[1].Type != sfbackuptest.BackupTypeFull {
			t.Errorf("backups %+v", made)
		}
	})
}

// TestOwnChains: a requested backup is full and begins a chain of its own, whatever the storage holds. Its
// time and its LSN are later than those of the backups before it, even if they are later than the clock.
func TestOwnChains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // in the year 2000
		c := sfbackuptest.NewCluster()
		for range 3 {
			start(t, c, first+"Backup"+v, "")
			time.Sleep(time.Minute)
		}
		made := c.Backups(firstID)
		if len(made) != 6 {
			t.Fatalf("%d backups", len(made))
		}
		for i, b := range made[3:] {
			before := made[i+2]
			if b.Type != sfbackuptest.BackupTypeFull || b.ChainID != b.ID || b.LSN <= before.LSN || !b.Time.Equal(before.Time.Add(time.Second)) || b.DataLossVersion == 0 {
				t.Errorf("%+v follows %+v", b, before)
			}
		}
	})
}

// TestElsewhere: a backup into a storage that the request names is made but not listed.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := sfbackuptest.NewCluster()
		start(t, c, first+"Backup"+v, `{"BackupStorage":{"StorageKind":"FileShare","Path":"\\\\share\\backups"}}`)
		time.Sleep(time.Minute)
		var progress struct {
			BackupState string
			BackupID    uuid.UUID `json:"BackupId"`
		}
		if err := json.Unmarshal([]byte(get(t, c, first+"GetBackupProgress"+v).body), &progress); err != nil {
			t.Fatal(err)
		}
		if progress.BackupState != "Success" || progress.BackupID == uuid.Nil {
			t.Errorf("progress %+v", progress)
		}
		if got := len(getList(t, c, first+"GetBackups"+v).Items); got != 3 {
			t.Errorf("%d backups are listed, want 3", got)
		}
	})
}

// TestStatelessBackup: the partition has no replica to deliver the request to.
func TestStatelessBackup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.Service{
			Name: "fabric:/App/Svc", Stateless: true, Partitions: []sfbackuptest.Partition{{ID: firstID}},
		}))
		start(t, c, first+"Backup"+v, "")
		time.Sleep(10*time.Minute - 1)
		if got := state(t, c); got != "Accepted" {
			t.Error(got)
		}
		time.Sleep(time.Nanosecond)
		if got := state(t, c); got != "Timeout" {
			t.Error(got)
		}
	})
}
