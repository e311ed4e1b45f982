package sfbackuptest_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	first  = "/Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/"
	second = "/Partitions/81645ec7-d260-4c59-9533-8f129bde8e83/$/"
	calc   = "/Services/CalcApp/CalcService/$/"
)

var (
	firstID  = uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	secondID = uuid.MustParse("81645ec7-d260-4c59-9533-8f129bde8e83")
)

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

// send sends a request over a transport. A body is sent as JSON.
func send(t *testing.T, rt http.RoundTripper, method, target, body string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://localhost:19080"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return do(t, rt, req)
}

func do(t *testing.T, rt http.RoundTripper, req *http.Request) answer {
	t.Helper()
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: reading the body: %v", req.Method, req.URL, err)
	}
	return answer{resp, string(body)}
}

func get(t *testing.T, c *sfbackuptest.Cluster, target string) answer {
	t.Helper()
	return send(t, c.Transport(), http.MethodGet, target, "")
}

// start requests a backup and fails the test unless it is accepted.
func start(t *testing.T, c *sfbackuptest.Cluster, target, body string) {
	t.Helper()
	if a := send(t, c.Transport(), http.MethodPost, target, body); a.StatusCode != http.StatusAccepted || a.body != "" {
		t.Fatalf("POST %s: %s %s, want 202 and no body", target, a.Status, a.body)
	}
}

// compact removes the white space between the tokens of a JSON value.
func compact(t *testing.T, value []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, value); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func readFile(t *testing.T, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// reconstructed returns a response of a 6.4 cluster that was reconstructed from its source.
func reconstructed(t *testing.T, name string) string {
	t.Helper()
	return compact(t, readFile(t, "../../openapi/testdata/reconstructed", name+".json"))
}

// documented returns the body of the response in an example of the documents.
func documented(t *testing.T, name string) string {
	t.Helper()
	r := bufio.NewReader(bytes.NewReader(readFile(t, "../../openapi/testdata/documented", name+".http")))
	req, err := http.ReadRequest(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return compact(t, b)
}

// golden compares a JSON value with a file, member by member in order.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		var b bytes.Buffer
		if err := json.Indent(&b, []byte(got), "", "  "); err != nil {
			t.Fatal(err)
		}
		b.WriteByte('\n')
		if err := os.WriteFile(filepath.Join("testdata", name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(compact(t, readFile(t, "testdata", name)), got); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", name, diff)
	}
}

// list has the members of a list that tests read.
type list struct {
	Items []struct {
		BackupID             uuid.UUID `json:"BackupId"`
		BackupChainID        uuid.UUID `json:"BackupChainId"`
		BackupType           string
		CreationTimeUTC      time.Time `json:"CreationTimeUtc"`
		PartitionInformation struct {
			ID uuid.UUID `json:"Id"`
		}
	}
	ContinuationToken *string
}

func getList(t *testing.T, c *sfbackuptest.Cluster, target string) list {
	t.Helper()
	a := get(t, c, target)
	if a.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s %s", target, a.Status, a.body)
	}
	var l list
	if err := json.Unmarshal([]byte(a.body), &l); err != nil {
		t.Fatalf("GET %s: %v in %s", target, err, a.body)
	}
	return l
}

// ids returns the first part of each backup ID, which is enough to distinguish the backups.
func (l list) ids() string {
	var ids []string
	for _, item := range l.Items {
		ids = append(ids, item.BackupID.String()[:8])
	}
	return strings.Join(ids, " ")
}

// token returns the continuation token, or "null".
func (l list) token() string {
	if l.ContinuationToken == nil {
		return "null"
	}
	return *l.ContinuationToken
}

func TestPartitions(t *testing.T) {
	t.Parallel()
	got := sfbackuptest.NewCluster().Partitions()
	if diff := cmp.Diff([]uuid.UUID{firstID, secondID}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestBackups(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster()
	listed := getList(t, c, first+"GetBackups?api-version=6.4")
	held := c.Backups(firstID)
	if len(held) != 3 || len(listed.Items) != 3 {
		t.Fatalf("%d held and %d listed, want 3", len(held), len(listed.Items))
	}
	for i, b := range held {
		item := listed.Items[i]
		if b.ID != item.BackupID || b.ChainID != item.BackupChainID || string(b.Type) != item.BackupType || !b.Time.Equal(item.CreationTimeUTC) {
			t.Errorf("backup %d is %+v and is listed as %+v", i, b, item)
		}
	}
	if got := c.Backups(uuid.New()); got != nil {
		t.Errorf("an unknown partition has backups: %v", got)
	}
}

// TestSeed: all derived values depend only on the seed.
func TestSeed(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	transcript := func(seed uint64) string {
		clock := now
		c := sfbackuptest.NewCluster(
			sfbackuptest.WithSeed(seed),
			sfbackuptest.WithClock(func() time.Time { return clock }),
			sfbackuptest.WithServices(sfbackuptest.Service{
				Name: "fabric:/Shop/Orders",
				Partitions: []sfbackuptest.Partition{
					{Backups: sfbackuptest.Chain(now.AddDate(0, 0, -3), 8*time.Hour, 3, 9)},
					{Name: "second"},
				},
			}))
		var b strings.Builder
		for _, id := range c.Partitions() {
			start(t, c, "/Partitions/"+id.String()+"/$/Backup?api-version=6.4", "")
		}
		clock = clock.Add(time.Minute)
		b.WriteString(get(t, c, "/Services/Shop/Orders/$/GetBackups?api-version=6.4").body)
		b.WriteString(get(t, c, "/Services/Shop/Orders/$/GetBackups?api-version=6.4&MaxResults=1").body)
		return b.String()
	}
	one, again, two := transcript(1), transcript(1), transcript(2)
	if diff := cmp.Diff(one, again); diff != "" {
		t.Errorf("the same seed gives other responses:\n%s", diff)
	}
	if one == two {
		t.Error("another seed gives the same responses")
	}
}

func TestChain(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		fullEvery, n int
		want         string
	}{
		{3, 7, "FIIFIIF"},
		{1, 3, "FFF"},
		{0, 4, "FIII"},
		{-1, 2, "FI"},
		{3, 0, ""},
	} {
		var got strings.Builder
		for i, b := range sfbackuptest.Chain(at, time.Hour, tt.fullEvery, tt.n) {
			got.WriteString(string(b.Type)[:1])
			if want := at.Add(time.Duration(i) * time.Hour); !b.Time.Equal(want) {
				t.Errorf("Chain(%d, %d): backup %d is of %s, want %s", tt.fullEvery, tt.n, i, b.Time, want)
			}
		}
		if got.String() != tt.want {
			t.Errorf("Chain(%d, %d) = %s, want %s", tt.fullEvery, tt.n, got.String(), tt.want)
		}
	}
}

// TestImpossible: an impossible description of a cluster causes a panic that says what is wrong.
func TestImpossible(t *testing.T) {
	t.Parallel()
	const name = "fabric:/App/Svc"
	id := uuid.MustParse("0f0f0f0f-0000-4000-8000-000000000001")
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	one := func(p sfbackuptest.Partition) func() {
		return func() {
			sfbackuptest.NewCluster(sfbackuptest.WithServices(
				sfbackuptest.Service{Name: name, Partitions: []sfbackuptest.Partition{p}}))
		}
	}
	with := func(services ...sfbackuptest.Service) func() {
		return func() { sfbackuptest.NewCluster(sfbackuptest.WithServices(services...)) }
	}
	for _, tt := range []struct {
		name string
		do   func()
		want string
	}{
		{"no scheme", with(sfbackuptest.Service{Name: "App/Svc"}), "not of the form"},
		{"no service", with(sfbackuptest.Service{Name: "fabric:/App"}), "not of the form"},
		{"empty segment", with(sfbackuptest.Service{Name: "fabric:/App//Svc"}), "not of the form"},
		{"other application", with(sfbackuptest.Service{Name: name, ApplicationName: "fabric:/Other"}), "does not belong"},
		{"no application", with(sfbackuptest.Service{Name: name, ApplicationName: "fabric:/"}), "does not belong"},
		{"service twice", with(sfbackuptest.Service{Name: name}, sfbackuptest.Service{Name: name}), "described twice"},
		{"partition twice", with(sfbackuptest.Service{Name: name, Partitions: []sfbackuptest.Partition{{ID: id}, {ID: id}}}), "described twice"},
		{"kind", one(sfbackuptest.Partition{Kind: "Square"}), "unknown kind"},
		{"keys", one(sfbackuptest.Partition{LowKey: 2, HighKey: 1}), "is greater than the high key"},
		{"no time", one(sfbackuptest.Partition{Backups: []sfbackuptest.Backup{{}}}), "no time"},
		{"same second", one(sfbackuptest.Partition{Backups: []sfbackuptest.Backup{{Time: at}, {Time: at.Add(time.Millisecond)}}}), "have the same time"},
		{"no chain", one(sfbackuptest.Partition{Backups: []sfbackuptest.Backup{{Time: at, Type: sfbackuptest.BackupTypeIncremental}}}), "no chain"},
		{"policy every moment", one(sfbackuptest.Partition{Policy: &sfbackuptest.Policy{Every: time.Millisecond}}), "less than a second"},
		{"policy of no kind", with(sfbackuptest.Service{Name: name, Policy: &sfbackuptest.Policy{Storage: sfbackuptest.Storage{Kind: "Tape"}}}), "of the kind"},
		{"policy in two ways", with(
			sfbackuptest.Service{Name: name, Policy: &sfbackuptest.Policy{Name: "P"}},
			sfbackuptest.Service{Name: name + "2", Policy: &sfbackuptest.Policy{Name: "P", Retention: 1}}), "in two ways"},
		{"unknown application", func() {
			sfbackuptest.NewCluster(sfbackuptest.WithApplications(sfbackuptest.Application{Name: "fabric:/Other"}))
		}, `has no "fabric:/Other"`},
		{"series without a time", one(sfbackuptest.Partition{Series: sfbackuptest.Series{Every: time.Hour, N: 1}}), "is not possible"},
		{"series of less than nothing", one(sfbackuptest.Partition{Series: sfbackuptest.Series{Start: at, Every: time.Hour, N: -1}}), "is not possible"},
		{"backup in a series", one(sfbackuptest.Partition{
			Series:  sfbackuptest.Series{Start: at, Every: time.Hour, N: 2},
			Backups: []sfbackuptest.Backup{{Time: at.Add(time.Hour)}},
		}), "not later than the series"},
		{"quirk", func() { sfbackuptest.NewCluster(sfbackuptest.WithQuirk(9, true)) }, "Quirk(9)"},
		{"profile", func() { sfbackuptest.NewCluster(sfbackuptest.WithProfile(7)) }, "Profile(7)"},
		{"outcome", func() { sfbackuptest.NewCluster().SetOutcome(id) }, "no partition"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if message, _ := recover().(string); !strings.Contains(message, tt.want) {
					t.Errorf("panic %q, want one with %q", message, tt.want)
				}
			}()
			tt.do()
		})
	}
}

func TestProfileString(t *testing.T) {
	t.Parallel()
	for p, want := range map[sfbackuptest.Profile]string{
		sfbackuptest.ProfileRuntime:    "Runtime",
		sfbackuptest.ProfileDocumented: "Documented",
		sfbackuptest.Profile(9):        "Profile(9)",
	} {
		if got := p.String(); got != want {
			t.Errorf("%d is %s, want %s", int(p), got, want)
		}
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			c.SetOutcome(firstID, sfbackuptest.Outcome{Accepted: -1, Running: -1})
			send(t, c.Transport(), http.MethodPost, first+"Backup?api-version=6.4", "{}")
			get(t, c, first+"GetBackupProgress?api-version=6.4")
			get(t, c, calc+"GetBackups?api-version=6.4")
			c.Backups(firstID)
			c.Partitions()
		})
	}
	wg.Wait()
	if got := len(c.Backups(firstID)); got != 3+8 {
		t.Errorf("%d backups, want the 3 of the start and one for each of 8 requests", got)
	}
}

// TestClusterStreams: the client gets the first item of a list before the last is written, and can end the
// list by closing the body.
func TestClusterStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.Service{
			Name:       "fabric:/Shop/Orders",
			Partitions: []sfbackuptest.Partition{{Backups: sfbackuptest.Chain(time.Now(), time.Minute, 10, 1000)}},
		}))
		resp, err := c.Transport().RoundTrip(mustRequest(t, http.MethodGet, "http://cluster/Services/Shop/Orders/$/GetBackups?api-version=6.4"))
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1<<20)
		n, err := resp.Body.Read(b)
		if items := strings.Count(string(b[:n]), "BackupId"); items != 1 || err != nil {
			t.Errorf("%d items in the first read, %v", items, err)
		}
		resp.Body.Close()
	})
}
