package sfbackuptest_test

import (
	"fmt"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// TestLargeCluster: the shape of a large cluster.
func TestLargeCluster(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		partitions int
		kinds      []sfbackuptest.PartitionKind
	}{
		{1, []sfbackuptest.PartitionKind{sfbackuptest.PartitionKindSingleton, sfbackuptest.PartitionKindSingleton}},
		{3, []sfbackuptest.PartitionKind{sfbackuptest.PartitionKindInt64Range, sfbackuptest.PartitionKindNamed}},
	} {
		services := sfbackuptest.LargeCluster(12, tt.partitions, 7)
		c := sfbackuptest.NewCluster(sfbackuptest.WithServices(services...))
		if got := len(c.Partitions()); got != 12*tt.partitions {
			t.Errorf("%d partitions", got)
		}
		if services[11].Name != "fabric:/App001/Service011" {
			t.Errorf("the last service is %s", services[11].Name)
		}
		for i, want := range tt.kinds {
			if got := services[i].Partitions[0].Kind; got != want {
				t.Errorf("service %d has %s partitions, want %s", i, got, want)
			}
		}
		for _, id := range c.Partitions() {
			if got := kinds(t, c, id); got != "FIIIIIF" {
				t.Errorf("%s: %s", id, got)
			}
		}
	}
}

// TestKeyRanges: the ranges of a service are adjacent and cover int64.
func TestKeyRanges(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 3, 10, 1000} {
		partitions := sfbackuptest.LargeCluster(1, n, 0)[0].Partitions
		if partitions[0].LowKey != math.MinInt64 || partitions[n-1].HighKey != math.MaxInt64 {
			t.Errorf("%d ranges from %d to %d", n, partitions[0].LowKey, partitions[n-1].HighKey)
		}
		for i, p := range partitions[1:] {
			if before := partitions[i]; before.LowKey > before.HighKey || before.HighKey+1 != p.LowKey {
				t.Errorf("%d ranges: [%d, %d] is followed by %d", n, before.LowKey, before.HighKey, p.LowKey)
			}
		}
	}
}

// TestSeries: a Series has the same backups as Chain, apart from IDs and LSNs.
func TestSeries(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, fullEvery := range []int{-1, 0, 1, 2, 5, 100} {
		c := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.Service{
			Name: "fabric:/CalcApp/CalcService",
			Partitions: []sfbackuptest.Partition{
				{ID: firstID, Backups: sfbackuptest.Chain(at, time.Hour, fullEvery, 24)},
				{ID: secondID, Series: sfbackuptest.Series{Start: at, Every: time.Hour, FullEvery: fullEvery, N: 24}},
			},
		}))
		stored, computed := c.Backups(firstID), c.Backups(secondID)
		if diff := cmp.Diff(stored, computed, cmpopts.IgnoreFields(sfbackuptest.Backup{}, "ID", "ChainID", "LSN")); diff != "" {
			t.Errorf("every %d: (-stored +computed)\n%s", fullEvery, diff)
		}
		if got, want := kinds(t, c, secondID), kinds(t, c, firstID); got != want {
			t.Errorf("every %d: %s, want %s", fullEvery, got, want)
		}
		if diff := cmp.Diff(computed, c.Backups(secondID)); diff != "" {
			t.Errorf("every %d: the second time:\n%s", fullEvery, diff)
		}
		for size := range 5 {
			target := fmt.Sprintf("%sGetBackups%s&MaxResults=%d", second, v, size+1)
			if got := pages(t, c, target); len(got) != 24*9-1+2*((24+size)/(size+1)-1) {
				t.Errorf("every %d: pages of %d: %s", fullEvery, size+1, got)
			}
		}
	}
}

// TestSeriesContinues: requested backups follow a series, which does not change.
func TestSeriesContinues(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := sfbackuptest.NewCluster(
		sfbackuptest.WithClock(func() time.Time { return now }),
		sfbackuptest.WithServices(sfbackuptest.LargeCluster(1, 1, 100)...))
	id := c.Partitions()[0]
	before := c.Backups(id)
	for range 3 {
		if a := send(t, c.Transport(), http.MethodPost, "/Partitions/"+id.String()+"/$/Backup"+v, ""); a.StatusCode != http.StatusAccepted {
			t.Fatal(a.Status)
		}
		now = now.Add(time.Minute)
	}
	after := c.Backups(id)
	if diff := cmp.Diff(before, after[:100]); diff != "" {
		t.Errorf("the history has changed:\n%s", diff)
	}
	if got := kinds(t, c, id)[90:]; got != "FIIIIIFIIIFFF" {
		t.Errorf("%s at the end", got)
	}
}
