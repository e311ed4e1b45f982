package sfbackuptest_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// repeatedRun sends many requests to a new cluster under a schedule of faults. It returns all bytes that the
// cluster sent, and its journal. A request depends on the responses before it: lists follow their tokens.
func repeatedRun(t *testing.T, seed uint64, profile sfbackuptest.Profile, exchange func(*sfbackuptest.Cluster) func(method, target, body string) string) (sent []string, journal []sfbackuptest.Request) {
	t.Helper()
	start := time.Date(2020, 1, 1, 10, 0, 0, 0, time.UTC)
	var elapsed atomic.Int64
	c := sfbackuptest.NewCluster(
		sfbackuptest.WithProfile(profile), sfbackuptest.WithSeed(seed),
		sfbackuptest.WithClock(func() time.Time { return start.Add(time.Duration(elapsed.Load())) }),
		sfbackuptest.WithServices(
			sfbackuptest.Service{
				Name:   "fabric:/Shop/Orders",
				Policy: &sfbackuptest.Policy{Every: time.Hour, Start: start.Add(-5 * time.Hour)},
				Partitions: []sfbackuptest.Partition{
					{LowKey: 0, HighKey: 9},
					{LowKey: 10, HighKey: 19, Policy: &sfbackuptest.Policy{Storage: containerC}, Backups: sfbackuptest.Chain(start.Add(-24*time.Hour), time.Hour, 3, 9)},
				},
			},
			sfbackuptest.LargeCluster(1, 2, 9)[0]))
	faults, err := sfbackuptest.ParseFaults("faults", []byte(`
Answer(503, "").Header("Retry-After", "1")
CutBody(300)
DenyAccess()
DuplicatePage()
EndlessPages()
Gzip()
HTMLError(503)
HangUp().AfterEffect()
Redirect("http://192.0.2.1/")
Refuse()
RefuseCredentials()
RepeatToken()
Reset()
TruncateBody(30)
`))
	if err != nil {
		t.Fatal(err)
	}
	c.Schedule(seed, 0.4, faults...)
	do := exchange(c)
	tokenOf := regexp.MustCompile(`"ContinuationToken":"(.+?)"`)
	for range 20 {
		for _, id := range c.Partitions() {
			partition := "/Partitions/" + id.String() + "/$/"
			sent = append(sent,
				do(http.MethodPost, partition+"Backup"+v, `{"BackupStorage":{"StorageKind":"FileShare","Path":"\\\\share"}}`),
				do(http.MethodGet, partition+"GetBackupProgress"+v, ""))
			elapsed.Add(int64(1700 * time.Millisecond))
			sent = append(sent,
				do(http.MethodPost, partition+"Backup"+v, ""),
				do(http.MethodGet, partition+"GetBackups"+v, ""))
			elapsed.Add(int64(1900 * time.Millisecond))
		}
		for _, service := range []string{"/Services/Shop/Orders/$/GetBackups", "/Services/App000/Service000/$/GetBackups", "/Services/Nope/Nope/$/GetBackups"} {
			target := service + v + "&MaxResults=3"
			for range 12 {
				answer := do(http.MethodGet, target, "")
				sent = append(sent, answer)
				if match := tokenOf.FindStringSubmatch(answer); match != nil {
					target = service + v + "&MaxResults=3&ContinuationToken=" + url.QueryEscape(match[1])
				}
			}
		}
	}
	return sent, c.Requests()
}

// overSocket returns a function that sends a request to the cluster over a connection of its own, and returns all
// bytes that come back.
func overSocket(t *testing.T) func(*sfbackuptest.Cluster) func(method, target, body string) string {
	return func(c *sfbackuptest.Cluster) func(method, target, body string) string {
		server := newServer(t, c)
		return func(method, target, body string) string {
			connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(server.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = connection.Close() }()
			if _, err := fmt.Fprintf(connection, "%s %s HTTP/1.1\r\nHost: cluster\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", method, target, len(body), body); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(connection)
			return fmt.Sprint(string(answer), err != nil) // a reset names the ports
		}
	}
}

// overTransport does what overSocket does, without a socket.
func overTransport(t *testing.T) func(*sfbackuptest.Cluster) func(method, target, body string) string {
	return func(c *sfbackuptest.Cluster) func(method, target, body string) string {
		return func(method, target, body string) string {
			req, err := http.NewRequestWithContext(t.Context(), method, "http://cluster"+target, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			resp, err := c.Transport().RoundTrip(req)
			if err != nil {
				return err.Error()
			}
			defer resp.Body.Close()
			header, err := httputil.DumpResponse(resp, false)
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(resp.Body)
			return fmt.Sprint(string(header), string(content), err)
		}
	}
}

// TestRepeat: two runs with one seed and one schedule differ in no byte of the responses, whose dates are those of
// the clock, and in nothing of the journal. With another seed they differ.
func TestRepeat(t *testing.T) {
	t.Parallel()
	for name, exchange := range map[string]func(*sfbackuptest.Cluster) func(method, target, body string) string{
		"socket": overSocket(t), "transport": overTransport(t),
	} {
		for _, profile := range []sfbackuptest.Profile{sfbackuptest.ProfileRuntime, sfbackuptest.ProfileDocumented} {
			t.Run(name+" "+profile.String(), func(t *testing.T) {
				t.Parallel()
				sent, journal := repeatedRun(t, 5, profile, exchange)
				again, journalAgain := repeatedRun(t, 5, profile, exchange)
				if diff := cmp.Diff(sent, again); diff != "" {
					t.Errorf("sent: (-first +second)\n%s", diff)
				}
				if diff := cmp.Diff(journal, journalAgain); diff != "" {
					t.Errorf("journal: (-first +second)\n%s", diff)
				}
				hit := make(map[string]bool)
				for i, r := range journal {
					hit[r.Fault] = true
					if strings.HasPrefix(sent[i], "HTTP/1.1") && !strings.Contains(sent[i], "\r\nDate: Wed, 01 Jan 2020 10:") {
						t.Errorf("%s %s: not the date of the clock: %s", r.Path, r.Fault, sent[i])
					}
				}
				if len(hit) != 15 || len(journal) != len(sent) {
					t.Errorf("%d responses, %d requests, with the faults %v", len(sent), len(journal), hit)
				}
				if other, _ := repeatedRun(t, 6, profile, exchange); cmp.Equal(sent, other) {
					t.Error("another seed makes no difference")
				}
			})
		}
	}
}
