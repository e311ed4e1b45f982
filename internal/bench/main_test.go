package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// TestMain runs a server if the test binary is started as a child process.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-serve" {
		if err := serve(os.Args[2:], os.Stdin, os.Stdout); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

func TestPayload(t *testing.T) {
	t.Parallel()
	const n = 2000
	data := preparePage(n)
	if len(data) != pageLength(n) {
		t.Errorf("the page has %d bytes, want %d", len(data), pageLength(n))
	}
	var page struct {
		Items []struct {
			BackupID             string `json:"BackupId"`
			BackupChainID        string `json:"BackupChainId"`
			PartitionInformation struct {
				ID string `json:"Id"`
			}
			BackupLocation        string
			LSNOfLastBackupRecord string    `json:"LsnOfLastBackupRecord"`
			CreationTimeUTC       time.Time `json:"CreationTimeUtc"`
		}
	}
	if err := json.Unmarshal(data, &page); err != nil || len(page.Items) != n {
		t.Fatalf("%d items, %v", len(page.Items), err)
	}
	seen := map[string]bool{}
	for i, item := range page.Items {
		seen[item.BackupID] = true
		if item.BackupChainID != page.Items[i-i%6].BackupID {
			t.Errorf("item %d is in chain %s", i, item.BackupChainID)
		}
		location := `CalcApp\CalcService\` + item.PartitionInformation.ID + `\` + item.CreationTimeUTC.Format("2006-01-02 15.04.05") + ".zip"
		if item.BackupLocation != location || len(location) != locationLength {
			t.Errorf("item %d is at %s, not %s", i, item.BackupLocation, location)
		}
		if !item.CreationTimeUTC.Equal(firstBackup.Add(time.Duration(i) * time.Minute)) {
			t.Errorf("item %d was made at %v", i, item.CreationTimeUTC)
		}
	}
	if len(seen) != n {
		t.Errorf("%d identities", len(seen))
	}
	if empty := preparePage(0); len(empty) != pageLength(0) || !json.Valid(empty) {
		t.Errorf("got %s", empty)
	}
}

// All peers read the same backups, however the page is sent.
func TestPeers(t *testing.T) {
	t.Parallel()
	server, err := startChild("pages")
	if err != nil {
		t.Fatal(err)
	}
	defer server.stop()
	peers, err := newPeers(server.state.URL, &http.Transport{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range peers {
		for _, how := range []string{sendPrepared, sendGenerated, sendSlow} {
			for _, n := range []int{1, 500} {
				if err := o.listAll(t.Context(), how, n); err != nil {
					t.Error(how, n, err)
				}
			}
		}
	}
}

// The pages whose items differ are valid, and each is read completely.
func TestShapes(t *testing.T) {
	t.Parallel()
	for _, s := range shapes {
		if page := s.page(); !json.Valid(page) {
			t.Errorf("%s: %.2000s", s.name, page)
		}
	}
	results, err := measureShapes(t.Context(), 1)
	if err != nil || len(results) != len(shapes)+1 {
		t.Errorf("%d results, %v", len(results), err)
	}
	for _, r := range results {
		if len(r.own) != 1 || len(r.scan) != 1 || r.own[0].elapsed <= 0 {
			t.Errorf("%s: %+v", r.name, r)
		}
	}
}

func TestBytesToFirst(t *testing.T) {
	t.Parallel()
	const n = 200
	for name, most := range map[string]int64{iterator: 2 << 10, pageCall: int64(pageLength(n)), stockClient: int64(pageLength(n))} {
		sent, err := bytesToFirst(t.Context(), name, n)
		if err != nil {
			t.Fatal(err)
		}
		if least := most; name != iterator && sent < least || sent > most || sent <= 0 {
			t.Errorf("%s: %d bytes", name, sent)
		}
	}
}

func TestFleets(t *testing.T) {
	t.Parallel()
	for _, server := range []string{"cluster", "echo"} {
		r, err := measureFleets(t.Context(), server, 100, 8, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fleets {
			if n := r.connections[f.name]; n < 1 {
				t.Errorf("%s: %s has opened %d connections", server, f.name, n)
			}
		}
	}
}

// The bare loop reports errors.
func TestBareLoopFails(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	if err := backUpBare(t.Context(), server.URL, make([]uuid.UUID, 3), 2, func() {}); err == nil {
		t.Error("got no error")
	}
}

func TestServeRefuses(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"pages", "1"}, {"cluster"}, {"cluster", "many"}} {
		if err := serve(args, strings.NewReader(""), io.Discard); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func TestFigures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ got, want string }{
		{figure(0), "0.00"},
		{figure(9.876), "9.88"},
		{figure(98.76), "98.8"},
		{figure(987.6), "988"},
		{figure(1234567), "1,234,567"},
		{duration(1.5), "1.50 s"},
		{duration(0.0123), "12.3 ms"},
		{duration(0.000012), "12.0 µs"},
		{duration(0.0000001), "100 ns"},
		{duration(0.0000009999), "1.00 µs"},
		{megabytes(1 << 19), "0.50 MiB"},
		{percent(0.876), "88 %"},
		{thousands(100), "100"},
		{thousands(1000), "1,000"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
	if m := median([]float64{5, 1, 3, 2}); m != 2.5 {
		t.Errorf("the median is %v", m)
	}
	twice := series{{elapsed: 4}, {elapsed: 20}, {elapsed: 8}}
	once := series{{elapsed: 2}, {elapsed: 10}, {elapsed: 1}}
	if r := twice.ratio(once); r != 2 {
		t.Errorf("the ratio is %v", r)
	}
	table := table{header: []string{"a", "b µ"}}
	table.add("long", "1")
	if got, want := table.String(), "| a    | b µ |\n|------|----:|\n| long |   1 |\n"; got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	if b := atLeast("", 12, 11.99, figure); b.passed {
		t.Error("a result below the minimum passes")
	}
	if b := atMost("", 6, 6.01, figure); b.passed {
		t.Error("a result above the maximum passes")
	}
	g := &growth{sizes: []int{100, 1000, 10_000}, perItem: map[string][]float64{iterator: {9, 2, 2.5}}}
	if s := g.spread(iterator, 1000); math.Abs(s-0.25) > 1e-9 {
		t.Errorf("the spread is %v", s)
	}
}

func TestPlots(t *testing.T) {
	t.Parallel()
	g := &growth{
		sizes: []int{100, 1000, 10_000}, names: []string{azureSDK, iterator},
		perItem: map[string][]float64{azureSDK: {22e-6, 21e-6}, iterator: {3e-6, 2e-6, 1.9e-6}},
	}
	chart := g.plot().svg()
	for decoder := xml.NewDecoder(strings.NewReader(chart)); ; {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{azureSDK, iterator, "10,000", "20 µs"} {
		if !strings.Contains(chart, ">"+want+"<") {
			t.Errorf("the chart lacks %s", want)
		}
	}
	// The labels of lines that end at the same height do not overlap.
	g.perItem[azureSDK] = g.perItem[iterator]
	if h := g.plot().labelHeights(); math.Abs(h[0]-h[1]) < labelHeight-1 {
		t.Errorf("the labels are at %v", h)
	}
}
