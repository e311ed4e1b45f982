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
