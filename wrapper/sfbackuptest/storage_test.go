package sfbackuptest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// TestStorageFaults: what a list says of a storage that cannot be read, alone, before another storage and
// behind one, in one page and with MaxResults.
func TestStorageFaults(t *testing.T) {
	t.Parallel()
	const (
		list, page = "", "&MaxResults=9"
		missing    = `Given container c doesn't exist.\r\nParameter name: containerName`
		invalid    = `Settings must be of the form \"name=value\".`
		broken     = "Unable to get recovery point details."
		empty      = "Value cannot be null.\\r\\nParameter name: collection"
		ofFirst    = "3 backups"
	)
	fabricError := func(status int, code, message string) string {
		return fmt.Sprintf(`%d {"Error":{"Code":%s,"Message":"%s"}}`, status, code, message)
	}
	listFails, pageFails := "500 "+listFailed, "400 "+pageFailed
	for _, tt := range []struct {
		fault        sfbackuptest.StorageFault
		query        string
		alone, first string // of the faulty storage
		second       string
		documented   string // in all places
	}{
		{sfbackuptest.ShareUnreachable, list, "0 backups", ofFirst, ofFirst, ""},
		{sfbackuptest.ShareUnreachable, page, pageFails, pageFails, fabricError(500, `"E_POINTER"`, empty), ""},
		{sfbackuptest.ContainerMissing, list, listFails, listFails, fabricError(500, "2148734208", missing), fabricError(400, `"E_INVALIDARG"`, missing)},
		{sfbackuptest.ContainerMissing, page, pageFails, pageFails, fabricError(400, `"E_INVALIDARG"`, missing), fabricError(400, `"E_INVALIDARG"`, missing)},
		{sfbackuptest.ConnectionStringInvalid, list, listFails, listFails, fabricError(500, "2148734208", invalid), fabricError(500, `"E_UNEXPECTED"`, invalid)},
		{sfbackuptest.ConnectionStringInvalid, page, pageFails, pageFails, fabricError(500, "2148734263", invalid), fabricError(500, `"E_UNEXPECTED"`, invalid)},
		{sfbackuptest.MetadataBroken, list, listFails, listFails, fabricError(500, "2148734208", broken), fabricError(500, `"E_UNEXPECTED"`, broken)},
		{sfbackuptest.MetadataBroken, page, pageFails, pageFails, fabricError(500, "2148734496", broken), fabricError(500, `"E_UNEXPECTED"`, broken)},
		{sfbackuptest.NoStorageFault, list, ofFirst, "6 backups", "6 backups", ""},
	} {
		for _, profile := range []sfbackuptest.Profile{sfbackuptest.ProfileRuntime, sfbackuptest.ProfileDocumented} {
			// The storage that is described last comes first in a list, by the IDs of this seed.
			container := sfbackuptest.Storage{Kind: sfbackuptest.StorageKindAzureBlobStore, Path: "c", ConnectionString: "x=y"}
			share := sfbackuptest.Storage{Path: "s"}
			for _, place := range []struct {
				want     string
				storages []sfbackuptest.Storage
			}{
				{tt.alone, []sfbackuptest.Storage{container}},
				{tt.first, []sfbackuptest.Storage{share, container}},
				{tt.second, []sfbackuptest.Storage{container, share}},
			} {
				s := sfbackuptest.Service{Name: "fabric:/CalcApp/CalcService", NoPolicy: true}
				for i, storage := range place.storages {
					s.Partitions = append(s.Partitions, sfbackuptest.Partition{
						Name: fmt.Sprint(i), Policy: &sfbackuptest.Policy{Storage: storage}, Backups: sfbackuptest.Chain(day, time.Hour, 2, 3),
					})
				}
				c := sfbackuptest.NewCluster(sfbackuptest.WithProfile(profile), sfbackuptest.WithServices(s))
				c.SetStorageFault(container, sfbackuptest.MetadataBroken)
				c.SetStorageFault(container, tt.fault)
				want := place.want
				if profile == sfbackuptest.ProfileDocumented {
					if want = tt.documented; want == "" {
						continue
					}
				}
				a := get(t, c, calc+"GetBackups"+v+tt.query)
				got := fmt.Sprintf("%d %s", a.StatusCode, a.body)
				if a.StatusCode == http.StatusOK {
					got = fmt.Sprintf("%d backups", strings.Count(a.body, "BackupId"))
				}
				if got != want {
					t.Errorf("%s, fault %d, %d storages, %q:\n%s\nwant %s", profile, tt.fault, len(place.storages), tt.query, got, want)
				}
			}
		}
	}
}

// TestSpelling: the service of 6.4 takes the ID of a partition as it is spelt for a key, and for the name of a
// folder. Shares ignore letter case.
func TestSpelling(t *testing.T) {
	t.Parallel()
	id := firstID.String()
	for _, tt := range []struct {
		kind       sfbackuptest.StorageKind
		spelling   string
		backups    int    // in the list; less than zero: it fails
		after1s    string // the state
		after9min  string
		after10min string
	}{
		{sfbackuptest.StorageKindFileShare, id, 3, "BackupInProgress", "Success", "Success"},
		{sfbackuptest.StorageKindFileShare, strings.ToUpper(id), 3, "BackupInProgress", "BackupInProgress", "Timeout"},
		{sfbackuptest.StorageKindAzureBlobStore, strings.ToUpper(id), 0, "BackupInProgress", "BackupInProgress", "Timeout"},
		{sfbackuptest.StorageKindFileShare, strings.ReplaceAll(id, "-", ""), 0, "BackupInProgress", "BackupInProgress", "Timeout"},
		{sfbackuptest.StorageKindFileShare, "%7B" + id + "%7D", -1, "Accepted", "Accepted", "Accepted"},
	} {
		for _, profile := range []sfbackuptest.Profile{sfbackuptest.ProfileRuntime, sfbackuptest.ProfileDocumented} {
			now := day
			c := sfbackuptest.NewCluster(
				sfbackuptest.WithProfile(profile), sfbackuptest.WithClock(func() time.Time { return now }),
				sfbackuptest.WithServices(sfbackuptest.Service{
					Name: "fabric:/CalcApp/CalcService", Policy: &sfbackuptest.Policy{Storage: sfbackuptest.Storage{Kind: tt.kind}},
					Partitions: []sfbackuptest.Partition{{ID: firstID, Backups: sfbackuptest.Chain(day.Add(-3*time.Hour), time.Hour, 1, 3)}},
				}))
			path, documented := "/Partitions/"+tt.spelling+"/$/", profile == sfbackuptest.ProfileDocumented
			if got := strings.Count(get(t, c, path+"GetBackups"+v).body, "BackupId"); got != max(tt.backups, 0) && !documented || got != 3 && documented {
				t.Errorf("%s: %s: %d backups", profile, tt.spelling, got)
			}
			start(t, c, first+"Backup"+v, "")
			now = now.Add(3 * time.Second)
			check := func(after time.Duration, want string) {
				t.Helper()
				now = day.Add(3*time.Second + after)
				if documented {
					want = "Success"
				}
				if got := get(t, c, path+"GetBackupProgress"+v).body; !strings.Contains(got, want) {
					t.Errorf("%s: %s after %s: %s", profile, tt.spelling, after, got)
				}
			}
			if tt.spelling != id {
				check(0, "null")
			}
			start(t, c, path+"Backup"+v, "")
			if !documented {
				check(time.Second, tt.after1s)
			}
			check(9*time.Minute, tt.after9min)
			check(10*time.Minute, tt.after10min)
			if got := get(t, c, first+"GetBackupProgress"+v).body; !strings.Contains(got, "Success") {
				t.Errorf("%s: %s changes %s", profile, tt.spelling, got)
			}
		}
	}
}

// TestPolicyOfASpelling: the service finds a partition's own policy only under the canonical form of its ID.
func TestPolicyOfASpelling(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.Service{
		Name: "fabric:/CalcApp/CalcService", NoPolicy: true,
		Partitions: []sfbackuptest.Partition{{ID: firstID, Policy: &sfbackuptest.Policy{}}},
	}))
	capitals := "/Partitions/" + strings.ToUpper(firstID.String()) + "/$/"
	if a := get(t, c, capitals+"GetBackups"+v); a.body != notEnabled {
		t.Errorf("list: %s", a.body)
	}
	if a := send(t, c.Transport(), http.MethodPost, capitals+"Backup"+v, ""); a.body != notEnabled {
		t.Errorf("backup: %s", a.body)
	}
}
