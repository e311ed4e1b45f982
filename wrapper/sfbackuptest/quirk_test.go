package sfbackuptest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// TestEpochNames62: the names of the 6.2 preview, in lists and in the progress, with both profiles.
func TestEpochNames62(t *testing.T) {
	t.Parallel()
	for _, profile := range []sfbackuptest.Profile{sfbackuptest.ProfileRuntime, sfbackuptest.ProfileDocumented} {
		for on, want := range map[bool]string{
			true:  `"EpochOfLastBackupRecord":{"DataLossNumber":"131462452931584510","ConfigurationNumber":"8589934592"}`,
			false: `"EpochOfLastBackupRecord":{"DataLossVersion":"131462452931584510","ConfigurationVersion":"8589934592"}`,
		} {
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			c := sfbackuptest.NewCluster(
				sfbackuptest.WithProfile(profile), sfbackuptest.WithQuirk(sfbackuptest.QuirkEpochNames62, on),
				sfbackuptest.WithClock(func() time.Time { return now }))
			start(t, c, first+"Backup"+v, "")
			now = now.Add(time.Minute)
			if got := get(t, c, first+"GetBackupProgress"+v).body; !strings.Contains(got, want) {
				t.Errorf("%s, %t: progress %s", profile, on, got)
			}
			if got := get(t, c, calc+"GetBackups"+v).body; strings.Count(got, want) != 6 {
				t.Errorf("%s, %t: list %s", profile, on, got)
			}
			if a := get(t, c, calc+"GetBackups?api-version=6.2-preview"); (a.StatusCode == http.StatusOK) != on {
				t.Errorf("%s, %t: the preview: %s", profile, on, a.Status)
			}
		}
	}
}

// TestNoBackupService: the response looks like that for a service that does not exist.
func TestNoBackupService(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster(sfbackuptest.WithQuirk(sfbackuptest.QuirkNoBackupService, true))
	for target, method := range map[string]string{
		first + "Backup" + v: http.MethodPost, first + "GetBackupProgress": http.MethodGet, calc + "GetBackups" + v: http.MethodGet,
	} {
		a := send(t, c.Transport(), method, target, "")
		if a.Status != "404 FABRIC_E_SERVICE_DOES_NOT_EXIST" || a.body != "" || a.Header.Get("X-ServiceFabric") != "" {
			t.Errorf("%s: %s %v %s", target, a.Status, a.Header, a.body)
		}
	}
	if a := get(t, c, "/Partitions/x/GetBackups"); a.body != noTemplate {
		t.Errorf("a path without an operation has another error: %s", a.body)
	}
}

// TestEmptyPageOfOneStorage: the quirk is on by default only with ProfileRuntime.
func TestEmptyPageOfOneStorage(t *testing.T) {
	t.Parallel()
	const nothing = first + "GetBackups" + v + "&MaxResults=2&EndDateTimeFilter=2000-01-01"
	for _, tt := range []struct {
		opts   []sfbackuptest.Option
		status int
	}{
		{nil, 400},
		{[]sfbackuptest.Option{sfbackuptest.WithQuirk(sfbackuptest.QuirkEmptyPageFails, false)}, 200},
		{[]sfbackuptest.Option{sfbackuptest.WithProfile(sfbackuptest.ProfileDocumented)}, 200},
	} {
		if a := get(t, sfbackuptest.NewCluster(tt.opts...), nothing); a.StatusCode != tt.status {
			t.Errorf("%s, want %d", a.Status, tt.status)
		}
	}
}

// TestProxyParameters: parameters of the reverse proxy are not forwarded to the backup service, which
// would parse some of them.
func TestProxyParameters(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster()
	for _, target := range []string{
		"&PartitionKey=1&PartitionKind=Int64Range&ServiceName=x&TargetReplicaSelector=PrimaryReplica&ListenerName=&_cacheToken=1",
		"&Timeout=300",
	} {
		if got := getList(t, c, calc+"GetBackups"+v+target).ids(); got != everything {
			t.Errorf("%s: %s", target, got)
		}
	}
}

// TestManagedIdentity: the storage kind that came after 6.4.
func TestManagedIdentity(t *testing.T) {
	t.Parallel()
	const storage = `{"BackupStorage":{"StorageKind":"ManagedIdentityAzureBlobStore","ManagedIdentityType":"VMSS","BlobServiceUri":"https://b/","ContainerName":"c"}}`
	for _, profile := range []sfbackuptest.Profile{sfbackuptest.ProfileRuntime, sfbackuptest.ProfileDocumented} {
		for on, want := range map[bool]int{true: http.StatusAccepted, false: http.StatusBadRequest} {
			c := sfbackuptest.NewCluster(sfbackuptest.WithProfile(profile), sfbackuptest.WithQuirk(sfbackuptest.QuirkManagedIdentity, on))
			if a := send(t, c.Transport(), http.MethodPost, first+"Backup"+v, storage); a.StatusCode != want {
				t.Errorf("%s, %t: %s %s", profile, on, a.Status, a.body)
			}
		}
	}
}

// TestFailureCodes: in a progress of 6.4, a code without a name is a number.
func TestFailureCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[string][2]string{
		"2148734496":  {`{"Code":2148734496,`, `{"Code":"2148734496",`},
		"E_FAIL":      {`{"Code":"E_FAIL",`, `{"Code":"E_FAIL",`},
		"99999999999": {`{"Code":"99999999999",`, `{"Code":"99999999999",`},
	} {
		for i, profile := range []sfbackuptest.Profile{sfbackuptest.ProfileRuntime, sfbackuptest.ProfileDocumented} {
			c := sfbackuptest.NewCluster(sfbackuptest.WithProfile(profile))
			c.SetOutcome(c.Partitions()[0], sfbackuptest.Outcome{Accepted: -1, Running: -1, Code: code})
			start(t, c, first+"Backup"+v, "")
			if got := get(t, c, first+"GetBackupProgress"+v).body; !strings.Contains(got, want[i]) {
				t.Errorf("%s: %s, want %s", profile, got, want[i])
			}
		}
	}
}

// TestTimesThatAreNotSet: the time of a backup that did not succeed is the first that there is, converted to
// UTC from the zone of the node, without the daylight saving of any year.
func TestTimesThatAreNotSet(t *testing.T) {
	t.Parallel()
	zone := func(name string) *time.Location {
		l, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for name, want := range map[string]string{
		"UTC": "0001-01-01T00:00:00Z", "America/Los_Angeles": "0001-01-01T08:00:00Z", "Asia/Tokyo": "0001-01-01T00:00:00Z",
		"America/Santiago": "0001-01-01T04:00:00Z", // summer in January
	} {
		c := sfbackuptest.NewCluster(sfbackuptest.WithTimeZone(zone(name)))
		start(t, c, first+"Backup"+v, "")
		if got := get(t, c, first+"GetBackupProgress"+v).body; !strings.Contains(got, `"TimeStampUtc":"`+want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}
