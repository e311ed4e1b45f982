package sfbackuptest_test

import (
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// recording is what testdata/README.md describes.
type recording struct {
	Walks []struct {
		Layout, Path string
		Answers      []recordedAnswer
	}
	Requests []recordedRequest
}

type recordedRequest struct {
	Layout, Method, Path, Body, ContentType string
	NoContentType                           bool
	Answer                                  recordedAnswer
}

type recordedAnswer struct {
	Status        int
	Type          string // Content-Type
	ServiceFabric string // X-ServiceFabric
	Body          string
}

func readRecording(t *testing.T) *recording {
	t.Helper()
	f, err := os.Open("testdata/recorded.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // only read
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var r recording
	if err := json.NewDecoder(z).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return &r
}

// exception is a group of recorded answers that the cluster does not give, on purpose.
type exception struct {
	pattern        string // matches the layout, the method and the path, separated by spaces
	count          int
	recorded, sent string // what differs in the bodies; empty: all may
	reason         string
}

func (e *exception) allows(text string, recorded, sent []recordedAnswer) bool {
	same := slices.Clone(recorded)
	for i := range same {
		same[i].Body = strings.ReplaceAll(same[i].Body, e.recorded, e.sent)
	}
	return regexp.MustCompile(e.pattern).MatchString(text) && (e.recorded == "" || slices.Equal(same, sent))
}

var exceptions = []exception{
	{
		pattern: `^err (GET|POST) /Partitions//\$/`, count: 3,
		reason: "the gateway answers before the service: no template has an empty segment",
	},
	{
		pattern: `^err GET `, count: 9, recorded: `"ServiceManifestVersion":""`, sent: `"ServiceManifestVersion":null`,
		reason: "the recorder wrote an empty version into its files; a backup without a version has null",
	},
}

// TestReplayWalks reads the recorded lists page by page.
func TestReplayWalks(t *testing.T) {
	t.Parallel()
	clusters := make(map[string]*sfbackuptest.Cluster)
	r := readRecording(t)
	for _, w := range r.Walks {
		c := clusters[w.Layout]
		if c == nil {
			c = replayCluster(t, w.Layout)
			clusters[w.Layout] = c
		}
		onePage := !strings.Contains(w.Path, "MaxResults=")
		want, got := evenOut(w.Answers, onePage), evenOut(walk(c, w.Path), onePage)
		if !slices.Equal(want, got) {
			t.Errorf("%s %s\nrecorded %+v\n     got %+v", w.Layout, w.Path, want, got)
		}
	}
	if len(r.Walks) < 2000 || len(clusters) < 27 {
		t.Errorf("only %d walks of %d layouts were recorded", len(r.Walks), len(clusters))
	}
}

// TestReplayRequests sends the recorded requests.
func TestReplayRequests(t *testing.T) {
	t.Parallel()
	// The tokens of the layout "token" begin with the ID of the recorded storage.
	const recordedStorage = "5d91e3f0-5b05-4576-8ef4-3dac6cbd85f9"
	storage := recordedStorage
	used := make(map[string]int)
	clusters := make(map[string]*sfbackuptest.Cluster)
	r := readRecording(t)
	for _, q := range r.Requests {
		c := clusters[q.Layout]
		if c == nil || q.Layout == "body" {
			c = replayCluster(t, q.Layout)
			clusters[q.Layout] = c
			page := sendRecorded(c, http.MethodGet, "/Services/A/S/$/GetBackups?api-version=6.4&MaxResults=2", "", "")
			if m := storageInToken.FindStringSubmatch(page.Body); m != nil {
				storage = m[1]
			}
		}
		contentType := q.ContentType
		switch {
		case q.NoContentType:
			contentType = ""
		case contentType == "" && q.Body != "":
			contentType = "application/json; charset=utf-8"
		}
		path := strings.NewReplacer(recordedStorage, storage, strings.ToUpper(recordedStorage), strings.ToUpper(storage)).Replace(q.Path)
		want := evenOut([]recordedAnswer{q.Answer}, false)
		got := evenOut([]recordedAnswer{sendRecorded(c, q.Method, path, q.Body, contentType)}, false)
		if slices.Equal(want, got) {
			continue
		}
		text := strings.Join([]string{q.Layout, q.Method, q.Path}, " ")
		i := slices.IndexFunc(exceptions, func(e exception) bool { return e.allows(text, want, got) })
		if i >= 0 {
			used[exceptions[i].pattern]++
			continue
		}
		t.Errorf("%s %s (%s)\nrecorded %+v\n     got %+v", text, q.Body, contentType, want, got)
	}
	for _, e := range exceptions {
		if n := used[e.pattern]; n != e.count {
			t.Errorf("the exception %s is needed %d times, and listed for %d (%s)", e.pattern, n, e.count, e.reason)
		}
	}
	if len(r.Requests) < 500 || len(exceptions) > 20 {
		t.Errorf("%d requests were recorded, with %d exceptions", len(r.Requests), len(exceptions))
	}
}

func sendRecorded(c *sfbackuptest.Cluster, method, path, body, contentType string) recordedAnswer {
	req := httptest.NewRequest(method, "http://localhost:19080"+path, strings.NewReader(body)) //nolint:noctx // not sent
	req.Header.Set("Accept", "application/json")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, req)
	return recordedAnswer{w.Code, w.Header().Get("Content-Type"), w.Header().Get("X-ServiceFabric"), w.Body.String()}
}

func walk(c *sfbackuptest.Cluster, path string) (answers []recordedAnswer) {
	for next := path; len(answers) < 25; {
		a := sendRecorded(c, http.MethodGet, next, "", "")
		answers = append(answers, a)
		var page struct{ ContinuationToken string }
		if a.Status != http.StatusOK || json.Unmarshal([]byte(a.Body), &page) != nil || page.ContinuationToken == "" {
			break
		}
		next = path + "&ContinuationToken=" + url.QueryEscape(page.ContinuationToken)
	}
	return answers
}

var (
	storageInToken = regexp.MustCompile(`"ContinuationToken":"([0-9a-f-]{36})`)
	azureMarker    = regexp.MustCompile(`\+Primary\+2![^"]*`)
	errorNewline   = regexp.MustCompile(`(\\r)?\\n`)
	itemsOfPage    = regexp.MustCompile(`^\{"Items":(\[.*\]),"ContinuationToken":(.*)\}$`)
)

// evenOut removes what is the recorder's own: the identities of storages, the markers of Azure, line ends,
// and the order of several storages in one page, for which the service has no rule.
func evenOut(answers []recordedAnswer, onePage bool) []recordedAnswer {
	storages := make(map[string]string)
	out := slices.Clone(answers)
	for i := range out {
		a := &out[i]
		a.Body = azureMarker.ReplaceAllString(a.Body, "+Primary+MARKER")
		if m := storageInToken.FindStringSubmatch(a.Body); m != nil {
			storages[m[1]] = cmp.Or(storages[m[1]], fmt.Sprintf("storage-%d", len(storages)+1))
			a.Body = strings.Replace(a.Body, `"ContinuationToken":"`+m[1], `"ContinuationToken":"`+storages[m[1]], 1)
		}
		if strings.Contains(a.Body, `"Error"`) {
			a.Body = errorNewline.ReplaceAllString(a.Body, `\r\n`)
		}
		if m := itemsOfPage.FindStringSubmatch(a.Body); onePage && m != nil {
			var items []json.RawMessage
			if json.Unmarshal([]byte(m[1]), &items) == nil {
				slices.SortFunc(items, func(x, y json.RawMessage) int { return cmp.Compare(string(x), string(y)) })
				sorted, _ := json.Marshal(items)
				a.Body = `{"Items":` + string(sorted) + `,"ContinuationToken":` + m[2] + `}`
			}
		}
	}
	return out
}

func replayCluster(t *testing.T, layout string) *sfbackuptest.Cluster {
	t.Helper()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	options, ok := layouts()[layout]
	if !ok {
		t.Fatalf("there is no layout %q", layout)
	}
	return sfbackuptest.NewCluster(append(options, sfbackuptest.WithClock(func() time.Time { return now }))...)
}

// layouts returns the options of the recorded clusters by their names.
func layouts() map[string][]sfbackuptest.Option {
	const as = "fabric:/A/S"
	start := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	id := func(n int) uuid.UUID { return uuid.MustParse(fmt.Sprintf("00000000-0000-0000-0000-0000000000%02x", n)) }
	chain := func(n int) []sfbackuptest.Backup { return sfbackuptest.Chain(start, time.Hour, 3, n) }

	type policies func(i int) *sfbackuptest.Policy
	// in returns a service with one partition for each count of backups.
	in := func(app, name string, own *sfbackuptest.Policy, of policies, counts ...int) sfbackuptest.Service {
		s := sfbackuptest.Service{Name: name, ApplicationName: app, ManifestVersion: "1.0.0", Policy: own}
		for i, n := range counts {
			first := start.Add(time.Duration(i) * 20 * time.Minute)
			p := sfbackuptest.Partition{ID: id(0xa0 + i), Backups: sfbackuptest.Chain(first, time.Hour, 3, n)}
			switch i % 3 {
			case 1:
				p.Name = "n"
			case 2:
				p.LowKey, p.HighKey = -5, 5
			}
			if of != nil {
				p.Policy = of(i)
			}
			s.Partitions = append(s.Partitions, p)
		}
		return s
	}
	of := func(own *sfbackuptest.Policy, counts ...int) sfbackuptest.Service {
		return in("", as, own, nil, counts...)
	}
	each := func(of policies, counts ...int) sfbackuptest.Service {
		s := in("", as, nil, of, counts...)
		s.NoPolicy = true
		return s
	}
	other := func(name string, p *sfbackuptest.Policy) sfbackuptest.Service {
		return sfbackuptest.Service{Name: name, Policy: p, ManifestVersion: "1", Partitions: []sfbackuptest.Partition{{ID: id(0xb0), Backups: chain(2)}}}
	}
	services := func(s ...sfbackuptest.Service) []sfbackuptest.Option {
		return []sfbackuptest.Option{sfbackuptest.WithServices(s...)}
	}
	share := func(name, path string) *sfbackuptest.Policy {
		return &sfbackuptest.Policy{Name: name, Storage: sfbackuptest.Storage{Path: path}}
	}
	blob := func(name, path string) *sfbackuptest.Policy {
		return &sfbackuptest.Policy{Name: name, Storage: sfbackuptest.Storage{Kind: sfbackuptest.StorageKindAzureBlobStore, Path: path}}
	}
	inApp := func(s sfbackuptest.Service) []sfbackuptest.Option {
		return append(services(s), sfbackuptest.WithApplications(sfbackuptest.Application{Name: "fabric:/A", Policy: share("", "app")}))
	}
	twoShares := func(i int) *sfbackuptest.Policy { return share(fmt.Sprintf("P%d", i%2), fmt.Sprintf("s%d", i%2)) }
	part := func(n int, p *sfbackuptest.Policy) sfbackuptest.Partition {
		return sfbackuptest.Partition{ID: id(n), Policy: p, Backups: sfbackuptest.Chain(start, time.Hour, 2, 3)}
	}

	all := map[string][]sfbackuptest.Option{
		"doc":        nil, // the cluster of the documentation
		"body":       nil,
		"share1":     services(of(nil, 5)),
		"share3":     services(of(nil, 3, 1, 4)),
		"share3gap":  services(of(nil, 3, 0, 2)),
		"shareempty": services(of(nil, 0)),
		"hier":       services(in("fabric:/A/B", "fabric:/A/B/C/D", nil, nil, 3, 2)),
		"hier1":      services(in("fabric:/A", "fabric:/A/B/C", nil, nil, 3)),
		"az1":        services(of(blob("", "c"), 5)),
		"az3":        services(of(blob("", "c"), 3, 1, 4)),
		"azempty":    services(of(blob("", "c"), 0)),
		// Those with a p at the end list one partition.
		"share1p":     services(of(nil, 5)),
		"share3p":     services(of(nil, 3, 1, 4)),
		"shareemptyp": services(of(nil, 0, 2)),
		"hierp":       services(in("fabric:/A/B", "fabric:/A/B/C/D", nil, nil, 3, 2)),
		"az1p":        services(of(blob("", "c"), 5)),

		"two-shares":             services(each(twoShares, 3, 2, 1)),
		"two-shares-one-empty":   services(each(twoShares, 3, 0)),
		"two-shares-other-empty": services(each(twoShares, 0, 3)),
		"share+azure": services(each(func(i int) *sfbackuptest.Policy {
			return []*sfbackuptest.Policy{share("PS", "sx"), blob("PA", "cx")}[i%2]
		}, 3, 2, 1)),
		// Two containers of one account, which the service takes for one storage.
		"two-azure": services(each(func(i int) *sfbackuptest.Policy {
			return blob(fmt.Sprintf("A%d", i%2), fmt.Sprintf("c%d", i%2))
		}, 3, 2, 1)),
		"default+share": services(in("", as, nil, func(i int) *sfbackuptest.Policy {
			return []*sfbackuptest.Policy{share("", "own"), nil}[min(i, 1)]
		}, 3, 2)),
		"same-place-two-policies":     services(each(func(i int) *sfbackuptest.Policy { return share(fmt.Sprintf("Q%d", i%2), "same") }, 3, 2)),
		"same-container-two-policies": services(each(func(i int) *sfbackuptest.Policy { return blob(fmt.Sprintf("Q%d", i%2), "same") }, 3, 2)),
		"prefix":                      services(of(share("", "one"), 3), other("fabric:/A/S2", share("", "two"))),
		"prefixapp":                   services(of(nil, 3), other("fabric:/AB/S", nil)),
		"own+app":                     inApp(of(share("", "svc"), 3)),
		"app-only":                    inApp(of(nil, 3)),
		"partition-own+app":           inApp(in("", as, nil, twoShares, 3, 2)),
		"token": services(sfbackuptest.Service{Name: as, ManifestVersion: "1", Partitions: []sfbackuptest.Partition{
			{ID: id(1), Backups: chain(5)}, {ID: id(2), Backups: chain(5)},
		}}),
		"err": services(
			sfbackuptest.Service{Name: "fabric:/A/Ok", Partitions: []sfbackuptest.Partition{part(0xa1, nil)}},
			sfbackuptest.Service{Name: "fabric:/B/None", NoPolicy: true, Partitions: []sfbackuptest.Partition{part(0xb1, nil)}},
			sfbackuptest.Service{Name: "fabric:/C/Web", Stateless: true, Partitions: []sfbackuptest.Partition{{ID: id(0xc1)}}},
			sfbackuptest.Service{Name: "fabric:/D/Own", NoPolicy: true, Partitions: []sfbackuptest.Partition{part(0xd1, share("", "own")), part(0xd2, nil)}},
			sfbackuptest.Service{Name: "fabric:/E/Web2", Stateless: true, NoPolicy: true, Partitions: []sfbackuptest.Partition{{ID: id(0xe1)}}},
		),
	}
	names := map[string][2]string{
		"names00": {"fabric:/A", as}, "names05": {"fabric:/A~B", "fabric:/A~B/S"}, "names06": {"fabric:/A.b_c-d", "fabric:/A.b_c-d/S-1.2_x"},
		"names07": {"fabric:/A+B", "fabric:/A+B/S"}, "names08": {"fabric:/A", "fabric:/A/A"}, "names09": {"fabric:/A", "fabric:/A/S/A"},
		"names10": {"fabric:/A", "fabric:/A/S/x/y/z"}, "names11": {"fabric:/A/B", "fabric:/A/B/A/B"}, "names12": {"fabric:/A", "fabric:/A/fabric:"},
		"names14": {"fabric:/A'B", "fabric:/A'B/(c)"},
	}
	for layout, n := range names {
		all[layout] = services(sfbackuptest.Service{
			Name: n[1], ApplicationName: n[0], ManifestVersion: "1\t\x7f\u0085\u2028\u2029é😀</>'\"\\",
			Partitions: []sfbackuptest.Partition{{ID: id(1), Name: "p\t\x7f\u0085\u2028é😀</>'\"\\", Backups: chain(3)}},
		})
	}
	return all
}

// TestReplayProgress leads a backup into each recorded state.
func TestReplayProgress(t *testing.T) {
	t.Parallel()
	var recorded map[string]string
	if err := json.Unmarshal(readFile(t, "testdata/recorded_progress.json"), &recorded); err != nil {
		t.Fatal(err)
	}
	delete(recorded, "invalid") // which never occurs
	for name, want := range recorded {
		now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
		c := sfbackuptest.NewCluster(sfbackuptest.WithClock(func() time.Time { return now }))
		outcome, timeout, after := sfbackuptest.Outcome{}, "10", 3*time.Second
		switch name {
		case "accepted":
			after = 0
		case "in progress":
			after = time.Second
		case "failure":
			outcome.Code = "E_FAIL"
		case "failure with a code that has no name":
			outcome.Code, outcome.Message = "2147949799", "x"
		case "failure with a code of .NET":
			outcome.Code, outcome.Message = "2148734263", "numeric <&> é \u2028"
		case "timeout":
			timeout = "0"
		}
		c.SetOutcome(c.Partitions()[0], outcome)
		if name != "never" {
			start(t, c, first+"Backup"+v+"&BackupTimeout="+timeout, "")
		}
		now = now.Add(after)
		if got := get(t, c, first+"GetBackupProgress"+v).body; got != want {
			t.Errorf("%s:\nrecorded %s\n     got %s", name, want, got)
		}
	}
	if len(recorded) < 8 {
		t.Errorf("%d states were recorded", len(recorded))
	}
}
