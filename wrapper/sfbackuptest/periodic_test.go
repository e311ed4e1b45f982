package sfbackuptest_test

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// kinds returns the types of a partition's backups, and checks their chains.
func kinds(t *testing.T, c *sfbackuptest.Cluster, id uuid.UUID) string {
	t.Helper()
	var all strings.Builder
	var before sfbackuptest.Backup
	for i, b := range c.Backups(id) {
		all.WriteString(string(b.Type)[:1])
		if full := b.Type == sfbackuptest.BackupTypeFull; full != (b.ID == b.ChainID) || i > 0 && !full && b.ChainID != before.ChainID {
			t.Errorf("%+v follows %+v", b, before)
		}
		if i > 0 && (b.LSN <= before.LSN || !b.Time.After(before.Time)) {
			t.Errorf("%+v follows %+v", b, before)
		}
		before = b
	}
	return all.String()
}

// TestPeriodic: periodic backups appear in lists when they are due, not in the progress. A requested backup is
// full, and so is the next periodic one.
func TestPeriodic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.Service{
			Name:       "fabric:/CalcApp/CalcService",
			Policy:     &sfbackuptest.Policy{Every: time.Hour, MaxIncrementalBackups: 3},
			Partitions: []sfbackuptest.Partition{{ID: firstID}, {ID: secondID}},
		}))
		check := func(want string) {
			t.Helper()
			if got := kinds(t, c, firstID); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if got := len(getList(t, c, first+"GetBackups"+v).Items); got != len(want) {
				t.Errorf("%d are listed, want %d", got, len(want))
			}
		}
		check("")
		time.Sleep(time.Hour - 1)
		check("")
		time.Sleep(time.Nanosecond)
		check("F")
		time.Sleep(6 * time.Hour)
		check("FIIIFII")
		if got := state(t, c); got != "null" {
			t.Errorf("the progress is %s", got)
		}
		before := c.Backups(firstID)

		time.Sleep(10 * time.Minute)
		start(t, c, first+"Backup"+v, "")
		time.Sleep(10 * time.Minute)
		check("FIIIFIIF")
		time.Sleep(4 * time.Hour)
		check("FIIIFIIFFIII")
		start(t, c, first+"Backup"+v, "")
		time.Sleep(10 * time.Minute)
		check("FIIIFIIFFIIIF")
		time.Sleep(10 * time.Hour)
		check("FIIIFIIFFIIIFFIIIFIIIFI")
		if diff := cmp.Diff(before, c.Backups(firstID)[:len(before)]); diff != "" {
			t.Errorf("what was listed has changed:\n%s", diff)
		}
		if got, want := kinds(t, c, secondID), "FIIIFIIIFIIIFIIIFIIIF"; got != want {
			t.Errorf("the other partition: %s, want %s", got, want)
		}
		// Without the policy no more are made.
		c.SetPolicy("fabric:/CalcApp/CalcService", &sfbackuptest.Policy{})
		time.Sleep(100 * time.Hour)
		check("FIIIFIIFFIIIFFIIIFIIIFI")
	})
}

// TestPeriodicChange: a new policy makes no backups for the time before it applies, whatever its Start.
func TestPeriodicChange(t *testing.T) {
	t.Parallel()
	now := day.Add(10*time.Hour + time.Minute)
	c := sfbackuptest.NewCluster(
		sfbackuptest.WithClock(func() time.Time { return now }),
		sfbackuptest.WithServices(sfbackuptest.Service{Name: "fabric:/CalcApp/CalcService", Partitions: []sfbackuptest.Partition{{ID: firstID}}}))
	c.SetPolicy(firstID.String(), &sfbackuptest.Policy{Start: day, Every: time.Hour, MaxIncrementalBackups: -1})
	if got := kinds(t, c, firstID); got != "" {
		t.Errorf("at once: %s", got)
	}
	now = now.Add(2 * time.Hour)
	if got := kinds(t, c, firstID); got != "FF" || !c.Backups(firstID)[0].Time.Equal(day.Add(11*time.Hour)) {
		t.Errorf("later: %s", got)
	}
	// Setting the same policy again changes nothing, and another interval does not change the existing
	// backups.
	before := c.Backups(firstID)
	c.SetPolicy(firstID.String(), &sfbackuptest.Policy{Start: day, Every: time.Hour, MaxIncrementalBackups: -1})
	c.SetPolicy(firstID.String(), &sfbackuptest.Policy{Start: day, Every: time.Hour, MaxIncrementalBackups: 1})
	if diff := cmp.Diff(before, c.Backups(firstID)); diff != "" {
		t.Error(diff)
	}
	now = now.Add(3 * time.Hour)
	if got := kinds(t, c, firstID); got != "FFIFI" {
		t.Errorf("with the new interval: %s", got)
	}
}

// TestWhileListing: a list that is being written does not change when backups are added.
func TestWhileListing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.Service{
			Name:       "fabric:/CalcApp/CalcService",
			Policy:     &sfbackuptest.Policy{Start: time.Now().Add(-200 * time.Hour), Every: time.Hour, Retention: 190 * time.Hour},
			Partitions: []sfbackuptest.Partition{{ID: firstID}},
		}))
		want := get(t, c, calc+"GetBackups"+v).body
		resp, err := c.Transport().RoundTrip(mustRequest(t, "GET", "http://cluster"+calc+"GetBackups"+v))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var got strings.Builder
		for range 3 {
			if _, err := io.CopyN(&got, resp.Body, 10_000); err != nil {
				t.Fatal(err)
			}
			start(t, c, first+"Backup"+v, "")
			time.Sleep(100 * time.Hour)
			c.Backups(firstID)
		}
		if _, err := io.Copy(&got, resp.Body); err != nil || got.String() != want {
			t.Errorf("the list has changed while it was written (%v)", err)
		}
	})
}

// TestPeriodicStart: a schedule may start before the cluster is created, and continues after the described
// backups.
func TestPeriodicStart(t *testing.T) {
	t.Parallel()
	now := day.Add(10*time.Hour + time.Minute)
	for _, tt := range []struct {
		name      string
		partition sfbackuptest.Partition
		policy    sfbackuptest.Policy
		want      string
		first     time.Time
	}{
		{"of its own", sfbackuptest.Partition{}, sfbackuptest.Policy{Start: day, Every: time.Hour}, "FIIIIIFIIII", day},
		{"in the future", sfbackuptest.Partition{}, sfbackuptest.Policy{Start: now.Add(time.Second), Every: time.Hour}, "", time.Time{}},
		{"all full", sfbackuptest.Partition{}, sfbackuptest.Policy{Start: day, Every: 5 * time.Hour, MaxIncrementalBackups: -1}, "FFF", day},
		{
			"behind a chain",
			sfbackuptest.Partition{Backups: sfbackuptest.Chain(day, time.Hour, 0, 3)},
			sfbackuptest.Policy{Start: day, Every: time.Hour, MaxIncrementalBackups: 3},
			"FIIIFIIIFII", day,
		},
		{
			"behind a chain that is full",
			sfbackuptest.Partition{Backups: sfbackuptest.Chain(day, time.Hour, 0, 5)},
			sfbackuptest.Policy{Start: day.Add(-30 * time.Minute), Every: time.Hour, MaxIncrementalBackups: 1},
			"FIIIIFIFIFI", day,
		},
		{
			"behind a series",
			sfbackuptest.Partition{Series: sfbackuptest.Series{Start: day, Every: time.Hour, FullEvery: 3, N: 5}},
			sfbackuptest.Policy{Start: day, Every: time.Hour, MaxIncrementalBackups: 2},
			"FIIFIIFIIFI", day,
		},
		{
			"series and backups",
			sfbackuptest.Partition{
				Series:  sfbackuptest.Series{Start: day, Every: time.Hour, N: 3},
				Backups: []sfbackuptest.Backup{{Time: day.Add(3 * time.Hour), Type: sfbackuptest.BackupTypeIncremental}},
			},
			sfbackuptest.Policy{},
			"FIII", day,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.partition.ID = firstID
			c := sfbackuptest.NewCluster(
				sfbackuptest.WithClock(func() time.Time { return now }),
				sfbackuptest.WithServices(sfbackuptest.Service{Name: "fabric:/CalcApp/CalcService", Policy: &tt.policy, Partitions: []sfbackuptest.Partition{tt.partition}}))
			if got := kinds(t, c, firstID); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if b := c.Backups(firstID); len(b) > 0 && !b[0].Time.Equal(tt.first) {
				t.Errorf("the first is of %s", b[0].Time)
			}
		})
	}
}

// TestRetention: old backups are deleted, except those of a chain that is still needed.
func TestRetention(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		policy   sfbackuptest.Policy
		after    time.Duration
		want     string
		earliest time.Duration // after the day
	}{
		{"nothing is old", sfbackuptest.Policy{Retention: 10 * time.Hour}, 8 * time.Hour, "FIIFIIFII", 0},
		{"exactly at the limit", sfbackuptest.Policy{Retention: 5 * time.Hour}, 8 * time.Hour, "FIIFII", 3 * time.Hour},
		{"a chain is kept as a whole", sfbackuptest.Policy{Retention: 4 * time.Hour}, 8 * time.Hour, "FIIFII", 3 * time.Hour},
		{"as long as it is needed", sfbackuptest.Policy{Retention: 2*time.Hour + 1}, 8 * time.Hour, "FII", 6 * time.Hour},
		{"the last chain stays", sfbackuptest.Policy{Retention: time.Hour}, 1000 * time.Hour, "FII", 6 * time.Hour},
		{"a minimum stays", sfbackuptest.Policy{Retention: time.Hour, MinimumBackups: 5}, 1000 * time.Hour, "FIIFII", 3 * time.Hour},
		{"more than there are", sfbackuptest.Policy{Retention: time.Hour, MinimumBackups: 50}, 1000 * time.Hour, "FIIFIIFII", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, p := range []sfbackuptest.Partition{
				{ID: firstID, Backups: sfbackuptest.Chain(day, time.Hour, 3, 9)},
				{ID: firstID, Series: sfbackuptest.Series{Start: day, Every: time.Hour, FullEvery: 3, N: 9}},
			} {
				now := day.Add(tt.after)
				c := sfbackuptest.NewCluster(
					sfbackuptest.WithClock(func() time.Time { return now }),
					sfbackuptest.WithServices(sfbackuptest.Service{Name: "fabric:/CalcApp/CalcService", Policy: &tt.policy, Partitions: []sfbackuptest.Partition{p}}))
				if got := kinds(t, c, firstID); got != tt.want || !c.Backups(firstID)[0].Time.Equal(day.Add(tt.earliest)) {
					t.Errorf("%s from %s on, want %s", got, c.Backups(firstID)[0].Time, tt.want)
				}
				all := getList(t, c, calc+"GetBackups"+v)
				if len(all.Items) != len(tt.want) {
					t.Errorf("%d are listed", len(all.Items))
				}
				if got := strings.ReplaceAll(pages(t, c, calc+"GetBackups"+v+"&MaxResults=2"), " | ", " "); got != all.ids() {
					t.Errorf("pages %s, not %s", got, all.ids())
				}
				// Deleted backups do not come back under another policy.
				c.SetPolicy("fabric:/CalcApp/CalcService", &sfbackuptest.Policy{})
				if got := kinds(t, c, firstID); got != tt.want {
					t.Errorf("%s under another policy, want %s", got, tt.want)
				}
			}
		})
	}
}
