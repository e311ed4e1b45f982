package sfbackuptest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// TestMistakes: what a client did wrong although the response is a 200.
func TestMistakes(t *testing.T) {
	t.Parallel()
	const (
		noStorage = "ContinuationToken: "
		unescaped = "ContinuationToken: a '+' was not escaped and arrived as a space, so that the token names no storage"
		noZone    = " has no time zone"
	)
	for _, c := range []*sfbackuptest.Cluster{sfbackuptest.NewCluster(), azure()} {
		token := getList(t, c, calc+"GetBackups"+v+"&MaxResults=2").token()
		storage, _, _ := strings.Cut(token, "+")
		for _, tt := range []struct {
			query string
			want  []string
		}{
			{"", nil},
			{"&ContinuationToken=" + url.QueryEscape(token), nil},
			{"&ContinuationToken=" + storage, nil},
			{"&continuationtoken=" + strings.ReplaceAll(token, " ", "%20"), []string{unescaped}},
			{"&ContinuationToken=" + strings.NewReplacer("+", "%20", " ", "%20").Replace(token), []string{unescaped}},
			{"&ContinuationToken=" + strings.ToUpper(storage), []string{noStorage + `"` + strings.ToUpper(storage) + `" names no storage`}},
			{"&ContinuationToken=" + secondID.String(), []string{noStorage + `"` + secondID.String() + `" names no storage`}},
			{"&StartDateTimeFilter=2018-01-01T00:00:00Z&EndDateTimeFilter=2018-01-02T00:00:00Z", nil},
			{"&StartDateTimeFilter=2018-01-01T00:00:00.25%2B02:00&EndDateTimeFilter=2018-01-02T00:00-08:00", nil},
			{"&StartDateTimeFilter=2018-01-01T00:00:00", []string{`StartDateTimeFilter: "2018-01-01T00:00:00"` + noZone}},
			{"&EndDateTimeFilter=2018-01-02T00:00", []string{`EndDateTimeFilter: "2018-01-02T00:00"` + noZone}},
			{
				"&StartDateTimeFilter=2018-01-01&EndDateTimeFilter=2018-01-02T00:00:00.5&ContinuationToken=" + strings.ReplaceAll(token, " ", "+"),
				[]string{unescaped, `StartDateTimeFilter: "2018-01-01"` + noZone, `EndDateTimeFilter: "2018-01-02T00:00:00.5"` + noZone},
			},
		} {
			for _, list := range []string{calc, first} {
				if a := get(t, c, list+"GetBackups"+v+tt.query); a.StatusCode != http.StatusOK {
					t.Errorf("%s: %s %s", tt.query, a.Status, a.body)
				}
				requests := c.Requests()
				if diff := cmp.Diff(tt.want, requests[len(requests)-1].Mistakes); diff != "" {
					t.Errorf("%s: (-want +got)\n%s", tt.query, diff)
				}
			}
		}
	}
}

// TestMistakesOfOtherRequests: a request that fails has no mistakes, because its response shows them, and neither
// has one for another operation.
func TestMistakesOfOtherRequests(t *testing.T) {
	t.Parallel()
	for _, profile := range []sfbackuptest.Profile{sfbackuptest.ProfileRuntime, sfbackuptest.ProfileDocumented} {
		c := sfbackuptest.NewCluster(sfbackuptest.WithProfile(profile))
		const filter = "&StartDateTimeFilter=2018-01-01T00:00:00"
		for _, target := range []string{
			calc + "GetBackups?x=y" + filter,
			"/Services/Nope/Nope/$/GetBackups" + v + filter,
			first + "GetBackupProgress" + v + filter,
		} {
			get(t, c, target)
		}
		// The documented tokens have no storage, and a wrong one is an error.
		token := getList(t, c, calc+"GetBackups"+v+"&MaxResults=2").token()
		if a := get(t, c, calc+"GetBackups"+v+"&ContinuationToken="+url.QueryEscape(token)); a.StatusCode != http.StatusOK {
			t.Error(a.Status)
		}
		for _, r := range c.Requests() {
			if r.Mistakes != nil {
				t.Errorf("%s: %s?%s: %q", profile, r.Path, r.RawQuery, r.Mistakes)
			}
		}
	}
}

// TestMistakeWithFault: a mistake is recorded also if a fault hits the request, and before the response is sent.
func TestMistakeWithFault(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster()
	const target = "http://cluster" + calc + "GetBackups" + v + "&EndDateTimeFilter=2018-01-02"
	for _, fault := range []sfbackuptest.Fault{sfbackuptest.CutBody(1), sfbackuptest.Reset().AfterEffect(), sfbackuptest.SlowBody(10, time.Nanosecond)} {
		c.Script(t, fault)
		resp, err := c.Transport().RoundTrip(mustRequest(t, http.MethodGet, target))
		requests := c.Requests()
		if got := requests[len(requests)-1].Mistakes; len(got) != 1 {
			t.Errorf("%s: %q", fault, got)
		}
		if err == nil {
			resp.Body.Close()
		}
	}
}
