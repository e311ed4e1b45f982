package sfbackuptest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// scenario is a sequence of requests whose responses are checked against the document of the profile.
type scenario struct {
	name string
	opts []sfbackuptest.Option
	run  func(t *testing.T, s *stage)
}

// stage is what a scenario runs against: a cluster with a validator between it and its client.
type stage struct {
	cluster *sfbackuptest.Cluster
	clock   time.Time
	rt      http.RoundTripper
}

func (s *stage) get(t *testing.T, target string) answer {
	t.Helper()
	return send(t, s.rt, http.MethodGet, target, "")
}

// post sends a POST. A body is sent as JSON.
func (s *stage) post(t *testing.T, target, body string) {
	t.Helper()
	send(t, s.rt, http.MethodPost, target, body)
}

// walk follows the tokens of a list to its end.
func (s *stage) walk(t *testing.T, target string) {
	t.Helper()
	for token := ""; ; {
		a := s.get(t, target+"&ContinuationToken="+url.QueryEscape(token))
		_, rest, _ := strings.Cut(a.body, `"ContinuationToken":"`)
		if token, _, _ = strings.Cut(rest, `"`); token == "" || a.StatusCode != http.StatusOK {
			return
		}
	}
}

const (
	progress = first + "GetBackupProgress" + v
	lists    = first + "GetBackups" + v
	services = calc + "GetBackups" + v
	backup   = first + "Backup" + v
)

// scenarios run with both profiles.
var scenarios = []scenario{
	{name: "lists", run: func(t *testing.T, s *stage) {
		for _, query := range []string{"", "&Latest=true", "&MaxResults=2", "&StartDateTimeFilter=2018-01-01T00:00:00Z&EndDateTimeFilter=2018-01-01T23:59:59Z", "&EndDateTimeFilter=2000-01-01T00:00:00Z"} {
			s.walk(t, lists+query)
			s.walk(t, services+query)
		}
	}},
	{name: "pages of nothing", run: func(t *testing.T, s *stage) { s.get(t, lists+"&MaxResults=2&EndDateTimeFilter=2000-01-01T00:00:00Z") }},
	{name: "never requested", run: func(t *testing.T, s *stage) { s.get(t, progress) }},
	{name: "states", run: func(t *testing.T, s *stage) {
		s.cluster.SetOutcome(firstID, sfbackuptest.Outcome{}, sfbackuptest.Outcome{Code: "FABRIC_E_BACKUPCOPIER_ACCESS_DENIED", Message: "no"}, sfbackuptest.Outcome{Undelivered: 100})
		for range 3 {
			s.post(t, backup, "{}")
			for range 4 {
				s.get(t, progress)
				s.post(t, backup, "")
				s.clock = s.clock.Add(1500 * time.Millisecond)
			}
			s.clock = s.clock.Add(time.Hour)
			s.get(t, progress)
		}
		s.get(t, lists)
	}},
	{name: "storages", run: func(t *testing.T, s *stage) {
		for _, body := range []string{
			`{"BackupStorage":{"StorageKind":"AzureBlobStore","ConnectionString":"s","ContainerName":"c"}}`,
			`{"BackupStorage":{"StorageKind":"FileShare","Path":"p"}}`,
			`{"BackupStorage":{"StorageKind":"DsmsAzureBlobStore","StorageCredentialsSourceLocation":"l","ContainerName":"c"}}`,
			`{"BackupStorage":{"StorageKind":"ManagedIdentityAzureBlobStore","BlobServiceUri":"https://b/","ContainerName":"c","ManagedIdentityType":"Cluster"}}`,
		} {
			s.post(t, backup, body)
			s.clock = s.clock.Add(time.Hour)
		}
	}},
	{
		name: "partitions of all kinds, policies of both storages",
		opts: []sfbackuptest.Option{sfbackuptest.WithServices(sfbackuptest.Service{
			Name:   "fabric:/CalcApp/CalcService",
			Policy: &sfbackuptest.Policy{Storage: shareA, Start: day, Every: time.Hour, Retention: 5 * time.Hour},
			Partitions: []sfbackuptest.Partition{
				{ID: firstID, LowKey: -1, HighKey: 1, Policy: &sfbackuptest.Policy{Storage: containerC}, Backups: sfbackuptest.Chain(day, time.Minute, 2, 5)},
				{ID: secondID, Name: "second"},
				{Series: sfbackuptest.Series{Start: day.Add(-time.Hour), Every: time.Minute, N: 10}},
			},
		})},
		run: func(t *testing.T, s *stage) {
			for _, query := range []string{"", "&MaxResults=1", "&MaxResults=3&Latest=true", "&Latest=true"} {
				s.walk(t, services+query)
			}
			s.post(t, backup, "")
			s.clock = s.clock.Add(time.Hour)
			s.walk(t, lists+"&MaxResults=1")
			s.cluster.SetPolicy(firstID.String(), &sfbackuptest.Policy{Storage: shareB})
			s.walk(t, services+"&MaxResults=3")
		},
	},
	{
		name: "no policy, no state",
		opts: []sfbackuptest.Option{sfbackuptest.WithServices(
			sfbackuptest.Service{Name: "fabric:/CalcApp/CalcService", NoPolicy: true, Partitions: []sfbackuptest.Partition{{ID: firstID}}},
			sfbackuptest.Service{Name: "fabric:/CalcApp/Stateless", Stateless: true, Partitions: []sfbackuptest.Partition{{ID: secondID}}})},
		run: func(t *testing.T, s *stage) {
			s.get(t, lists)
			s.get(t, services)
			s.post(t, backup, "{}")
			s.get(t, second+"GetBackups"+v)
		},
	},
	{name: "what is not there", run: func(t *testing.T, s *stage) {
		for _, partition := range []string{uuid.Max.String(), "x"} {
			path := "/Partitions/" + partition + "/$/"
			s.get(t, path+"GetBackups"+v)
			s.get(t, path+"GetBackupProgress"+v)
			s.post(t, path+"Backup"+v, "")
		}
		s.get(t, "/Services/CalcApp/Other/$/GetBackups"+v)
		s.get(t, "/Services/CalcApp~CalcService/$/GetBackups"+v)
	}},
	{name: "arguments", run: func(t *testing.T, s *stage) {
		for _, query := range []string{
			"?api-version=6.3", "?", v + "&timeout=0", v + "&timeout=4294967295", v + "&timeout=4294967296", v + "&Latest=1",
			v + "&MaxResults=-1", v + "&MaxResults=9999999999", v + "&StartDateTimeFilter=x", v + "&Timeout=x", v + "&ContinuationToken=x",
		} {
			s.get(t, first+"GetBackups"+query)
			s.get(t, calc+"GetBackups"+query)
			s.get(t, first+"GetBackupProgress"+query)
			s.post(t, first+"Backup"+query, "")
		}
		s.post(t, backup+"&BackupTimeout=2147483648", "")
		s.post(t, backup+"&BackupTimeout=2147483647", "")
	}},
	{name: "bodies", run: func(t *testing.T, s *stage) {
		for _, body := range []string{"null", "[]", "{", `{"BackupStorage":{}}`, `{"x":"` + strings.Repeat("x", 4<<20) + `"}`} {
			s.post(t, backup, body)
		}
		for _, contentType := range []string{"", "text/plain"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://cluster"+backup, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", contentType)
			do(t, s.rt, req)
		}
	}},
	{
		name: "epoch names of 6.2",
		opts: []sfbackuptest.Option{sfbackuptest.WithQuirk(sfbackuptest.QuirkEpochNames62, true)},
		run: func(t *testing.T, s *stage) {
			s.get(t, services)
			s.post(t, backup, "")
			s.clock = s.clock.Add(time.Hour)
			s.get(t, progress)
		},
	},
	{
		name: "no backup service",
		opts: []sfbackuptest.Option{sfbackuptest.WithQuirk(sfbackuptest.QuirkNoBackupService, true)},
		run: func(t *testing.T, s *stage) {
			s.get(t, services)
			s.post(t, backup, "")
		},
	},
	{name: "credentials", run: func(t *testing.T, s *stage) {
		s.cluster.AcceptToken("user", sfbackuptest.RoleUser, s.clock.Add(time.Hour))
		for range 2 {
			for method, target := range map[string]string{http.MethodGet: progress, http.MethodPost: backup} {
				for _, token := range []string{"user", "other"} {
					req := mustRequest(t, method, "http://cluster"+target)
					req.Header.Set("Authorization", "Bearer "+token)
					do(t, s.rt, req)
				}
			}
			s.clock = s.clock.Add(time.Hour)
		}
	}},
}

// TestContract: every response of a cluster, errors included, conforms to the document of its profile.
// Some requests of the scenarios are wrong on purpose, so only responses are checked.
func TestContract(t *testing.T) {
	t.Parallel()
	for profile, document := range map[sfbackuptest.Profile][]byte{
		sfbackuptest.ProfileRuntime:    openapi.Runtime,
		sfbackuptest.ProfileDocumented: openapi.Documented,
	} {
		validator, err := contract.New(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range scenarios {
			if tt.name == "epoch names of 6.2" && profile == sfbackuptest.ProfileDocumented {
				continue // which no document of 6.4 has
			}
			t.Run(fmt.Sprintf("%s/%s", profile, tt.name), func(t *testing.T) {
				t.Parallel()
				s := &stage{clock: day.Add(10 * time.Hour)}
				s.cluster = sfbackuptest.NewCluster(append([]sfbackuptest.Option{
					sfbackuptest.WithProfile(profile),
					sfbackuptest.WithClock(func() time.Time { return s.clock }),
				}, tt.opts...)...)
				s.rt = validator.Transport(s.cluster.Transport(), func(req *http.Request, err error) {
					for _, violation := range contract.Violations(err) {
						if violation.Where == contract.InResponse {
							t.Errorf("%s %s: %v", req.Method, req.URL.RequestURI(), violation)
						}
					}
				})
				tt.run(t, s)
			})
		}
	}
}

// TestDeviations: the responses of ProfileRuntime violate the documents, with the expected rules.
func TestDeviations(t *testing.T) {
	t.Parallel()
	validator, err := contract.New(openapi.Documented)
	if err != nil {
		t.Fatal(err)
	}
	for target, rule := range map[string]contract.Rule{
		progress:                contract.RuleNull,
		services:                contract.RuleNull,
		lists + "&MaxResults=x": contract.RuleContentType,
		lists + "&Timeout=x":    contract.RuleMissingBody,
	} {
		found := false
		rt := validator.Transport(sfbackuptest.NewCluster().Transport(), func(_ *http.Request, err error) {
			for _, violation := range contract.Violations(err) {
				found = found || violation.Where == contract.InResponse && violation.Rule == rule
			}
		})
		send(t, rt, http.MethodGet, target, "")
		if !found {
			t.Errorf("%s: no violation of the rule %s", target, rule)
		}
	}
}
