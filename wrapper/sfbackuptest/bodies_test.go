package sfbackuptest_test

import (
	"math"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// calcService is the service of the documents' examples. The service lists in the documents omit the third
// backup of the first partition, which the partition lists include.
func calcService(backups int) sfbackuptest.Option {
	c := sfbackuptest.NewCluster()
	return sfbackuptest.WithServices(sfbackuptest.Service{
		Name:            "fabric:/CalcApp/CalcService",
		ManifestVersion: "1.0.0",
		Partitions: []sfbackuptest.Partition{
			{ID: firstID, Kind: sfbackuptest.PartitionKindInt64Range, Backups: c.Backups(firstID)[:backups]},
			{ID: secondID, Kind: sfbackuptest.PartitionKindInt64Range, Backups: c.Backups(secondID)},
		},
	})
}

// TestDocumentedExamples: with ProfileDocumented the responses equal the documents' examples, apart from
// white space.
func TestDocumentedExamples(t *testing.T) {
	t.Parallel()
	const (
		version   = "GetBackups?api-version=6.4"
		timeRange = "&StartDateTimeFilter=2018-01-01T00:00:00Z&EndDateTimeFilter=2018-01-01T23:59:59Z"
		token     = "&ContinuationToken=fabric:/CalcApp/CalcService%231daae3f5-7fd6-42e9-b1ba-8c05f873994d%237903dc2a-228d-44b0-b7c8-a13a6c9b46bd"
	)
	for _, tt := range []struct {
		file, target string
		backups      int
	}{
		{"get-partition-backup-list-time-range", first + version + timeRange, 3},
		{"get-partition-backup-list-latest", first + version + "&Latest=True", 3},
		{"get-partition-backup-list-max-results", first + version + "&MaxResults=2", 3},
		{"get-partition-backup-list-continuation-token", first + version + "&MaxResults=2" + token, 3},
		{"get-service-backup-list-time-range", calc + version + timeRange, 3},
		{"get-service-backup-list-latest", calc + version + "&Latest=True", 2},
		{"get-service-backup-list-max-results", calc + version + "&MaxResults=2", 3},
		{"get-service-backup-list-continuation-token", calc + version + "&MaxResults=2" + token, 2},
	} {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			c := sfbackuptest.NewCluster(sfbackuptest.WithProfile(sfbackuptest.ProfileDocumented), calcService(tt.backups))
			a := get(t, c, tt.target)
			if a.StatusCode != http.StatusOK {
				t.Errorf("status %s", a.Status)
			}
			if diff := cmp.Diff(documented(t, tt.file), a.body); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

var (
	progressID  = regexp.MustCompile(`"BackupId":"[^"]*"`)
	progressLSN = regexp.MustCompile(`"LsnOfLastBackupRecord":("?)\d+("?)`)
	token       = regexp.MustCompile(`"ContinuationToken":"[0-9a-f-]{36}\+Primary\+2![0-9]+!([^"=]*)"`)
)

// adopt copies the ID and the LSN of another progress, which a cluster derives, into a progress. Their
// form stays.
func adopt(want, got string) string {
	got = progressID.ReplaceAllLiteralString(got, progressID.FindString(want))
	lsn := regexp.MustCompile(`\d+`).FindString(progressLSN.FindString(want))
	return progressLSN.ReplaceAllString(got, `"LsnOfLastBackupRecord":${1}`+lsn+`${2}`)
}

// progressCluster returns a cluster with one partition and the given clock.
func progressCluster(clock *time.Time, profile sfbackuptest.Profile, service string, id uuid.UUID, dataLoss int64) *sfbackuptest.Cluster {
	before := sfbackuptest.Backup{Time: clock.Add(-time.Hour), DataLossVersion: dataLoss}
	return sfbackuptest.NewCluster(
		sfbackuptest.WithProfile(profile),
		sfbackuptest.WithClock(func() time.Time { return *clock }),
		sfbackuptest.WithServices(sfbackuptest.Service{
			Name:       service,
			Partitions: []sfbackuptest.Partition{{ID: id, Backups: []sfbackuptest.Backup{before}}},
		}))
}

// TestReconstructedProgress: with ProfileRuntime the progress in each state equals the reconstructed one,
// apart from white space.
func TestReconstructedProgress(t *testing.T) {
	t.Parallel()
	const generic = "An error occurred during this operation.  Please check the trace logs for more details."
	for _, tt := range []struct {
		file    string
		request string // its query; empty: no request
		outcome sfbackuptest.Outcome
		after   time.Duration
	}{
		{file: "progress_never_requested"},
		{file: "progress_accepted", request: "?"},
		{file: "progress_success", request: "?", after: time.Minute},
		{
			file:    "progress_failure",
			request: "?",
			outcome: sfbackuptest.Outcome{Code: "FABRIC_E_BACKUPCOPIER_UNEXPECTED_ERROR", Message: generic},
			after:   time.Minute,
		},
		{file: "progress_timeout", request: "?BackupTimeout=0&", after: time.Second},
	} {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			clock := time.Date(2018, 11, 21, 19, 59, 58, 900, time.UTC)
			id := uuid.MustParse("974bd92a-b395-4631-8a7f-53bd4ae9cf22")
			c := progressCluster(&clock, sfbackuptest.ProfileRuntime, "fabric:/SampleApp/MyStatefulService", id, 131873018908156893)
			c.SetOutcome(id, tt.outcome)
			if tt.request != "" {
				start(t, c, "/Partitions/"+id.String()+"/$/Backup"+tt.request+"api-version=6.4", "")
			}
			clock = clock.Add(tt.after)
			a := get(t, c, "/Partitions/"+id.String()+"/$/GetBackupProgress?api-version=6.4")
			want := reconstructed(t, tt.file)
			if diff := cmp.Diff(want, adopt(want, a.body)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestDocumentedProgress: the documents' example, and what they say about the other states.
func TestDocumentedProgress(t *testing.T) {
	t.Parallel()
	clock := time.Date(2018, 1, 1, 9, 0, 52, 0, time.UTC)
	c := progressCluster(&clock, sfbackuptest.ProfileDocumented, "fabric:/CalcApp/CalcService", firstID, 0)
	progress := func() string { return get(t, c, first+"GetBackupProgress?api-version=6.4").body }
	check := func(want string) {
		t.Helper()
		if diff := cmp.Diff(want, adopt(want, progress())); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}

	check(`{"BackupState":"Invalid"}`)
	start(t, c, first+"Backup?api-version=6.4", "{}")
	check(`{"BackupState":"Accepted"}`)
	clock = clock.Add(time.Second)
	check(`{"BackupState":"BackupInProgress"}`)
	clock = clock.Add(time.Minute)
	check(documented(t, "get-partition-backup-progress-success"))

	c.SetOutcome(firstID, sfbackuptest.Outcome{Code: "E_FAIL", Message: "no"})
	start(t, c, first+"Backup?api-version=6.4", "{}")
	clock = clock.Add(time.Minute)
	check(`{"BackupState":"Failure","TimeStampUtc":"2018-01-01T09:01:56Z","FailureError":{"Code":"E_FAIL","Message":"no"}}`)

	start(t, c, first+"Backup?api-version=6.4&BackupTimeout=0", "{}")
	clock = clock.Add(time.Second)
	check(`{"BackupState":"Timeout","TimeStampUtc":"2018-01-01T09:02:54Z",` +
		`"FailureError":{"Code":"FABRIC_E_TIMEOUT","Message":"The request of backup has timed out."}}`)
}

// TestReconstructedList: the reconstructed page is from a cluster whose storage is in Azure, which shows
// only in the token. Its marker is from Azure.
func TestReconstructedList(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.Service{
		Name:            "fabric:/CalcApp/CalcService",
		ManifestVersion: "1.0.0",
		Policy:          &sfbackuptest.Policy{Storage: containerC},
		Partitions: []sfbackuptest.Partition{{
			ID:      firstID,
			Name:    "P0",
			Backups: sfbackuptest.NewCluster().Backups(firstID),
		}},
	}))
	want := reconstructed(t, "list_page_azure_token")
	got := get(t, c, first+"GetBackups?api-version=6.4&MaxResults=1").body
	if diff := cmp.Diff(token.ReplaceAllString(want, "token"), token.ReplaceAllString(got, "token")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestReconstructedErrors(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster(sfbackuptest.WithServices(
		sfbackuptest.Service{
			Name:       "fabric:/CalcApp/CalcService",
			Partitions: []sfbackuptest.Partition{{ID: firstID}},
		},
		sfbackuptest.Service{
			Name:       "fabric:/CalcApp/Unprotected",
			NoPolicy:   true,
			Partitions: []sfbackuptest.Partition{{ID: secondID}},
		},
	))
	start(t, c, first+"Backup?api-version=6.4", "")
	for file, target := range map[string]string{
		"error_backup_in_progress": first + "Backup?api-version=6.4",
		"error_backup_not_enabled": second + "Backup?api-version=6.4",
	} {
		want := reconstructed(t, file)
		if diff := cmp.Diff(want, send(t, c.Transport(), http.MethodPost, target, "").body); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", file, diff)
		}
	}
}

// TestGolden: every kind of partition, names with several levels, limits of values, and characters that
// must or must not be escaped.
func TestGolden(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 7, 1, 12, 0, 0, 999999999, time.FixedZone("", 2*60*60))
	service := sfbackuptest.Service{
		Name:            "fabric:/Shop/Europe/Orders/Store",
		ApplicationName: "fabric:/Shop/Europe",
		Partitions: []sfbackuptest.Partition{
			{
				ID:      uuid.MustParse("00000000-0000-4000-8000-000000000001"),
				LowKey:  -5,
				HighKey: 5,
				Backups: sfbackuptest.Chain(at, time.Hour, 2, 3),
			},
			{
				ID:      uuid.MustParse("00000000-0000-4000-8000-000000000002"),
				Name:    "<a&b> \"c\\d\"\t\r\n\u0001\u2028\u0085 Grüße 🎉",
				Backups: []sfbackuptest.Backup{{Time: at, DataLossVersion: -1, ConfigurationVersion: -1, LSN: -1}},
			},
			{
				ID:      uuid.MustParse("00000000-0000-4000-8000-000000000003"),
				Backups: []sfbackuptest.Backup{{Time: at, LSN: math.MaxInt64}},
			},
		},
	}
	for name, profile := range map[string]sfbackuptest.Profile{
		"runtime": sfbackuptest.ProfileRuntime, "documented": sfbackuptest.ProfileDocumented,
	} {
		c := sfbackuptest.NewCluster(sfbackuptest.WithProfile(profile), sfbackuptest.WithServices(service))
		golden(t, "list_"+name+".json", get(t, c, "/Services/Shop/Europe/Orders/Store/$/GetBackups?api-version=6.4").body)
		golden(t, "page_"+name+".json", get(t, c, "/Services/Shop/Europe/Orders/Store/$/GetBackups?api-version=6.4&MaxResults=1").body)
	}
}
