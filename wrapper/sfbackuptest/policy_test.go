package sfbackuptest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

var (
	shareA     = sfbackuptest.Storage{Path: `\\a\backups`}
	shareB     = sfbackuptest.Storage{Path: `\\b\backups`}
	containerC = sfbackuptest.Storage{Kind: sfbackuptest.StorageKindAzureBlobStore, Path: "c"}
)

// day is when the backups of the tests were made.
var day = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestPolicyLookup: a partition has its own policy, else that of its service, else that of the
// application. An application has a policy unless it is described without one.
func TestPolicyLookup(t *testing.T) {
	t.Parallel()
	policy := &sfbackuptest.Policy{Storage: shareA}
	without := []sfbackuptest.Application{{Name: "fabric:/App"}}
	with := []sfbackuptest.Application{{Name: "fabric:/App", Policy: policy}}
	for _, tt := range []struct {
		name         string
		applications []sfbackuptest.Application
		service      *sfbackuptest.Policy
		noPolicy     bool
		partition    *sfbackuptest.Policy
		list, lists  int // of the partition and of the service
	}{
		{name: "by default", list: 200, lists: 200},
		{name: "application", applications: with, list: 200, lists: 200},
		{name: "application without", applications: without, list: 404, lists: 404},
		{name: "service", applications: without, service: policy, list: 200, lists: 200},
		{name: "partition", applications: without, partition: policy, list: 200, lists: 200},
		{name: "service that is left out", applications: with, noPolicy: true, list: 404, lists: 404},
		{name: "partition of a service that is left out", noPolicy: true, partition: policy, list: 200, lists: 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := sfbackuptest.NewCluster(
				sfbackuptest.WithApplications(tt.applications...),
				sfbackuptest.WithServices(sfbackuptest.Service{
					Name: "fabric:/App/Svc", NoPolicy: tt.noPolicy, Policy: tt.service,
					Partitions: []sfbackuptest.Partition{{ID: firstID, Policy: tt.partition, Backups: sfbackuptest.Chain(day, time.Hour, 2, 3)}},
				}))
			if a := get(t, c, first+"GetBackups"+v); a.StatusCode != tt.list || tt.list == 404 && a.body != notEnabled {
				t.Errorf("list: %s %s", a.Status, a.body)
			} else if tt.list == 200 && strings.Count(a.body, "BackupId") != 3 {
				t.Errorf("list: %s", a.body)
			}
			if a := get(t, c, "/Services/App/Svc/$/GetBackups"+v); a.StatusCode != tt.lists {
				t.Errorf("service list: %s %s", a.Status, a.body)
			}
			backup := http.StatusAccepted
			if tt.list == http.StatusNotFound {
				backup = http.StatusNotFound
			}
			if a := send(t, c.Transport(), http.MethodPost, first+"Backup"+v, ""); a.StatusCode != backup {
				t.Errorf("backup: %s", a.Status)
			}
			if got := len(c.Backups(firstID)); got != 3 {
				t.Errorf("%d backups are held", got)
			}
		})
	}
}

// TestSearchedStorages: a list of a service in 6.4 searches the storages of all policies whose names begin
// with the service's, and that of the application. The documentation promises only the backups of the service.
// The default policy is searched only where it applies.
func TestSearchedStorages(t *testing.T) {
	t.Parallel()
	at := func(path string) *sfbackuptest.Policy {
		return &sfbackuptest.Policy{Storage: sfbackuptest.Storage{Path: path}}
	}
	backups := sfbackuptest.Chain(day, time.Hour, 2, 3)
	own := sfbackuptest.Service{Name: "fabric:/App/Svc", Policy: at("own"), Partitions: []sfbackuptest.Partition{{ID: firstID, Backups: backups}}}
	other := func(name string, service, partition *sfbackuptest.Policy) sfbackuptest.Service {
		return sfbackuptest.Service{Name: name, ApplicationName: "fabric:/App", Policy: service, Partitions: []sfbackuptest.Partition{{ID: secondID, Policy: partition}}}
	}
	for _, tt := range []struct {
		name        string
		other       sfbackuptest.Service
		application *sfbackuptest.Policy
		empty       bool // a storage without backups is searched as well
	}{
		{"alone", other("fabric:/App/A", nil, nil), nil, false},
		{"application", other("fabric:/App/A", nil, nil), at("app"), true},
		{"application with the same storage", other("fabric:/App/A", nil, nil), at("own"), false},
		{"longer name", other("fabric:/App/Svc2", at("other"), nil), nil, true},
		{"longer name of a partition's service", other("fabric:/App/Svc2", nil, at("other")), nil, true},
		{"name with more parts", other("fabric:/App/Svc/More", at("other"), nil), nil, true},
		{"longer name without a policy", other("fabric:/App/Svc2", nil, nil), nil, false},
		{"shorter name", other("fabric:/App/Sv", at("other"), nil), nil, false},
		{"name in another case", other("fabric:/App/svc2", at("other"), nil), nil, false},
	} {
		for _, profile := range []sfbackuptest.Profile{sfbackuptest.ProfileRuntime, sfbackuptest.ProfileDocumented} {
			opts := []sfbackuptest.Option{sfbackuptest.WithProfile(profile), sfbackuptest.WithServices(own, tt.other)}
			if tt.application != nil {
				opts = append(opts, sfbackuptest.WithApplications(sfbackuptest.Application{Name: "fabric:/App", Policy: tt.application}))
			}
			c := sfbackuptest.NewCluster(opts...)
			if got := len(getList(t, c, "/Services/App/Svc/$/GetBackups"+v).Items); got != 3 {
				t.Errorf("%s: %s: %d backups", profile, tt.name, got)
			}
			a := get(t, c, "/Services/App/Svc/$/GetBackups"+v+"&MaxResults=2")
			if empty := a.StatusCode == http.StatusBadRequest; empty != (tt.empty && profile == sfbackuptest.ProfileRuntime) {
				t.Errorf("%s: %s: %s %s", profile, tt.name, a.Status, a.body)
			}
		}
	}
}

// TestAccounts: 6.4 searches only the first of several containers of one account.
func TestAccounts(t *testing.T) {
	t.Parallel()
	container := func(path, account string) *sfbackuptest.Policy {
		return &sfbackuptest.Policy{Storage: sfbackuptest.Storage{Kind: sfbackuptest.StorageKindAzureBlobStore, Path: path, ConnectionString: account}}
	}
	for _, tt := range []struct {
		profile sfbackuptest.Profile
		second  *sfbackuptest.Policy
		want    int
	}{
		{sfbackuptest.ProfileRuntime, container("b", "x"), 3},
		{sfbackuptest.ProfileRuntime, container("b", "y"), 5},
		{sfbackuptest.ProfileRuntime, container("a", "y"), 5},
		{sfbackuptest.ProfileDocumented, container("b", "x"), 5},
	} {
		c := sfbackuptest.NewCluster(sfbackuptest.WithProfile(tt.profile), sfbackuptest.WithServices(sfbackuptest.Service{
			Name: "fabric:/App/Svc", NoPolicy: true,
			Partitions: []sfbackuptest.Partition{
				{ID: firstID, Policy: container("a", "x"), Backups: sfbackuptest.Chain(day, time.Hour, 2, 3)},
				{ID: secondID, Policy: tt.second, Backups: sfbackuptest.Chain(day, time.Hour, 2, 2)},
			},
		}))
		if got := len(getList(t, c, "/Services/App/Svc/$/GetBackups"+v).Items); got != tt.want {
			t.Errorf("%s, %+v: %d backups, want %d", tt.profile, tt.second.Storage, got, tt.want)
		}
		if got := len(getList(t, c, second+"GetBackups"+v).Items); got != 2 {
			t.Errorf("%s, %+v: the partition has %d backups", tt.profile, tt.second.Storage, got)
		}
	}
}

// severalStorages returns a cluster with a service whose first partition has its own policy, with a
// storage of the given kind, and whose second partition has the policy of the service.
func severalStorages(profile sfbackuptest.Profile, own sfbackuptest.Storage) *sfbackuptest.Cluster {
	return sfbackuptest.NewCluster(
		sfbackuptest.WithProfile(profile),
		sfbackuptest.WithServices(sfbackuptest.Service{
			Name:   "fabric:/CalcApp/CalcService",
			Policy: &sfbackuptest.Policy{Storage: shareA},
			Partitions: []sfbackuptest.Partition{
				{ID: firstID, Policy: &sfbackuptest.Policy{Storage: own}, Backups: sfbackuptest.Chain(day, time.Hour, 2, 3)},
				{ID: secondID, Backups: sfbackuptest.Chain(day, time.Hour, 2, 2)},
			},
		}))
}

// TestSeveralStorages: a service whose backups are in two storages is listed one storage after the other,
// and all pages together are the complete list.
func TestSeveralStorages(t *testing.T) {
	t.Parallel()
	for _, profile := range []sfbackuptest.Profile{sfbackuptest.ProfileRuntime, sfbackuptest.ProfileDocumented} {
		for _, own := range []sfbackuptest.Storage{shareB, containerC} {
			c := severalStorages(profile, own)
			var want []string
			for _, id := range []uuid.UUID{firstID, secondID} {
				for _, b := range c.Backups(id) {
					want = append(want, b.ID.String()[:8])
				}
			}
			all := getList(t, c, calc+"GetBackups"+v)
			if len(all.Items) != 5 {
				t.Fatalf("%s: %d items", profile, len(all.Items))
			}
			for _, id := range want {
				if !strings.Contains(all.ids(), id) {
					t.Errorf("%s: %s is missing in %s", profile, id, all.ids())
				}
			}
			for size := 1; size <= 7; size++ {
				got := strings.ReplaceAll(pages(t, c, fmt.Sprintf("%sGetBackups%s&MaxResults=%d", calc, v, size)), " | ", " ")
				if got != all.ids() {
					t.Errorf("%s: pages of %d are %s, not %s", profile, size, got, all.ids())
				}
			}
			if got := len(getList(t, c, calc+"GetBackups"+v+"&Latest=true").Items); got != 2 {
				t.Errorf("%s: the latest are %d", profile, got)
			}
			if got := len(getList(t, c, first+"GetBackups"+v).Items); got != 3 {
				t.Errorf("%s: the first partition has %d", profile, got)
			}
		}
	}
}

// TestSameStorage: two policies with the same storage are one storage. A service list has each backup once,
// and each partition keeps the retention of its own policy.
func TestSameStorage(t *testing.T) {
	t.Parallel()
	for _, profile := range []sfbackuptest.Profile{sfbackuptest.ProfileRuntime, sfbackuptest.ProfileDocumented} {
		c := sfbackuptest.NewCluster(
			sfbackuptest.WithProfile(profile),
			sfbackuptest.WithClock(func() time.Time { return day.Add(3 * time.Hour) }),
			sfbackuptest.WithServices(sfbackuptest.Service{
				Name: "fabric:/CalcApp/CalcService",
				Partitions: []sfbackuptest.Partition{
					{ID: firstID, Policy: &sfbackuptest.Policy{Retention: 90 * time.Minute}, Backups: sfbackuptest.Chain(day, time.Hour, 1, 4)},
					{ID: secondID, Backups: sfbackuptest.Chain(day, time.Hour, 1, 4)},
				},
			}))
		a := get(t, c, calc+"GetBackups"+v)
		ofFirst, ofSecond := strings.Count(a.body, `"Id":"`+firstID.String()), strings.Count(a.body, `"Id":"`+secondID.String())
		if ofFirst != 2 || ofSecond != 4 {
			t.Errorf("%s: %d and %d backups, want 2 and 4: %s", profile, ofFirst, ofSecond, a.body)
		}
	}
}

// TestTokenOfStorage: if a page ends where a storage ends and another storage follows, the token has no
// position.
func TestTokenOfStorage(t *testing.T) {
	t.Parallel()
	c := severalStorages(sfbackuptest.ProfileRuntime, shareB)
	all := getList(t, c, calc+"GetBackups"+v)
	ends := 3
	if all.Items[0].PartitionInformation.ID == secondID {
		ends = 2
	}
	token := getList(t, c, fmt.Sprintf("%sGetBackups%s&MaxResults=%d", calc, v, ends)).token()
	if _, err := uuid.Parse(token); err != nil {
		t.Errorf("token %s", token)
	}
	if rest := getList(t, c, calc+"GetBackups"+v+"&ContinuationToken="+token); len(rest.Items) != 5-ends || rest.Items[0].BackupID != all.Items[ends].BackupID {
		t.Errorf("the rest is %s of %s", rest.ids(), all.ids())
	}
	// A storage that no longer exists counts as finished if its ID sorts first.
	if got := getList(t, c, calc+"GetBackups"+v+"&ContinuationToken=00000000-0000-4000-8000-000000000000").ids(); got != all.ids() {
		t.Errorf("by the token of an old storage: %s", got)
	}
}

// TestEmptyStorage: a page fails if a storage has no backups for it. The error differs if an earlier
// storage has some.
func TestEmptyStorage(t *testing.T) {
	t.Parallel()
	const pointer = `{"Error":{"Code":"E_POINTER","Message":"Value cannot be null.\r\nParameter name: collection"}}`
	outcomes := make(map[string]bool)
	for seed := range uint64(8) { // the storages are in any order
		for _, fails := range []bool{true, false} {
			c := sfbackuptest.NewCluster(
				sfbackuptest.WithSeed(seed),
				sfbackuptest.WithQuirk(sfbackuptest.QuirkEmptyPageFails, fails),
				sfbackuptest.WithServices(sfbackuptest.Service{
					Name:   "fabric:/CalcApp/CalcService",
					Policy: &sfbackuptest.Policy{Storage: shareA},
					Partitions: []sfbackuptest.Partition{
						{ID: firstID, Policy: &sfbackuptest.Policy{Storage: containerC}},
						{ID: secondID, Backups: sfbackuptest.Chain(day, time.Hour, 2, 2)},
					},
				}))
			if got := len(getList(t, c, calc+"GetBackups"+v).Items); got != 2 {
				t.Errorf("%d items without pages", got)
			}
			a := get(t, c, calc+"GetBackups"+v+"&MaxResults=5")
			switch {
			case !fails && a.StatusCode == http.StatusOK && strings.Count(a.body, "BackupId") == 2:
				outcomes["right"] = true
			case fails && a.StatusCode == http.StatusInternalServerError && a.body == pointer:
				outcomes["500"] = true
			case fails && a.StatusCode == http.StatusBadRequest && a.body == pageFailed:
				outcomes["400"] = true
			default:
				t.Errorf("fails %t: %s %s", fails, a.Status, a.body)
			}
		}
	}
	if len(outcomes) != 3 {
		t.Errorf("of the three outcomes there were %v", outcomes)
	}
}

// TestSetPolicy: lists after a change of policies, and with earlier tokens.
func TestSetPolicy(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster()
	const list = first + "GetBackups" + v
	token := getList(t, c, list+"&MaxResults=1").token()

	// With another storage, the backups in the old one are not listed.
	c.SetPolicy(firstID.String(), &sfbackuptest.Policy{Name: "P", Storage: shareA})
	if got := getList(t, c, list).ids(); got != "" {
		t.Errorf("in the new storage: %s", got)
	}
	if got := len(c.Backups(firstID)); got != 0 {
		t.Errorf("%d backups are held", got)
	}
	// The old storage again, and the same for the service.
	c.SetPolicy(firstID.String(), nil)
	if got := getList(t, c, list+"&ContinuationToken="+url.QueryEscape(token)).ids(); got != "7903dc2a be06a49c" {
		t.Errorf("back in the old storage: %s", got)
	}
	c.SetPolicy("fabric:/CalcApp/CalcService", &sfbackuptest.Policy{Name: "P", Storage: shareA})
	if got := getList(t, c, calc+"GetBackups"+v).ids(); got != "" {
		t.Errorf("the service in its own storage: %s", got)
	}
	c.SetPolicy("fabric:/CalcApp/CalcService", nil)
	c.SetPolicy("fabric:/CalcApp", &sfbackuptest.Policy{Name: "P", Storage: shareB})
	if got := getList(t, c, calc+"GetBackups"+v).ids(); got != "" {
		t.Errorf("the application in its own storage: %s", got)
	}
	c.SetPolicy("fabric:/CalcApp", nil)
	if a := get(t, c, list); a.StatusCode != http.StatusNotFound {
		t.Errorf("without a policy: %s", a.Status)
	}
	for want, do := range map[string]func(){
		`has no "fabric:/Other"`: func() { c.SetPolicy("fabric:/Other", nil) },
		"less than a second":     func() { c.SetPolicy("fabric:/CalcApp", &sfbackuptest.Policy{Every: 1}) },
		`storage FileShare "x"`:  func() { c.SetStorageFault(sfbackuptest.Storage{Path: "x"}, sfbackuptest.ShareUnreachable) },
	} {
		func() {
			defer func() {
				if message, _ := recover().(string); !strings.Contains(message, want) {
					t.Errorf("panic %q, want one with %q", message, want)
				}
			}()
			do()
		}()
	}
}

// TestStaleToken: after a policy's storage is replaced, an earlier token either lists nothing more or
// starts from the beginning, depending only on the order of the IDs. It is never an error.
func TestStaleToken(t *testing.T) {
	t.Parallel()
	outcomes := make(map[string]int)
	for seed := range uint64(16) {
		policy := sfbackuptest.Policy{Name: "P", Storage: shareA}
		c := sfbackuptest.NewCluster(sfbackuptest.WithSeed(seed), sfbackuptest.WithServices(sfbackuptest.Service{
			Name: "fabric:/CalcApp/CalcService", Policy: &policy,
			Partitions: []sfbackuptest.Partition{{ID: firstID, Backups: sfbackuptest.Chain(day, time.Hour, 2, 3)}},
		}))
		all := getList(t, c, calc+"GetBackups"+v).ids()
		token := getList(t, c, calc+"GetBackups"+v+"&MaxResults=1").token()

		// To another storage and back: the same backups with a new storage ID.
		policy.Storage = shareB
		c.SetPolicy("fabric:/CalcApp/CalcService", &policy)
		policy.Storage = shareA
		c.SetPolicy("fabric:/CalcApp/CalcService", &policy)
		switch got := getList(t, c, calc+"GetBackups"+v+"&ContinuationToken="+url.QueryEscape(token)).ids(); got {
		case "":
			outcomes["nothing"]++
		case all:
			outcomes["all"]++
		default:
			t.Errorf("seed %d: %s", seed, got)
		}
	}
	if outcomes["nothing"] == 0 || outcomes["all"] == 0 {
		t.Errorf("outcomes %v", outcomes)
	}
}
