package sfbackuptest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// walkPages follows the tokens, for at most the given number of pages.
func walkPages(t *testing.T, c *sfbackuptest.Cluster, target string, most int) (ids, tokens []string) {
	t.Helper()
	for token := ""; len(ids) < most; {
		page := target
		if token != "" {
			page += "&continuationtoken=" + url.QueryEscape(token)
		}
		l := getList(t, c, page)
		ids, tokens = append(ids, l.ids()), append(tokens, l.token())
		if token = l.token(); token == "null" || token == "" {
			return ids, tokens
		}
	}
	return ids, tokens
}

// TestPageFaults: the pages that a client gets if it follows the tokens.
func TestPageFaults(t *testing.T) {
	t.Parallel()
	const list = calc + "GetBackups" + v + "&MaxResults=2"
	for _, tt := range []struct {
		name  string
		fault sfbackuptest.Fault
		want  string
	}{
		{"the second page is the first", sfbackuptest.DuplicatePage(), "3a056ac9 7903dc2a | 3a056ac9 7903dc2a | be06a49c 0ff4fdbe | d55a2d98"},
		{"twice the page before", sfbackuptest.DuplicatePage().Times(2), "3a056ac9 7903dc2a | 3a056ac9 7903dc2a | 3a056ac9 7903dc2a | be06a49c 0ff4fdbe | d55a2d98"},
		{
			"the last page is the one before",
			sfbackuptest.DuplicatePage().When(secondTime()),
			"3a056ac9 7903dc2a | be06a49c 0ff4fdbe | be06a49c 0ff4fdbe | d55a2d98",
		},
		{"the token of the page before", sfbackuptest.RepeatToken(), "3a056ac9 7903dc2a | be06a49c 0ff4fdbe | be06a49c 0ff4fdbe | d55a2d98"},
		{"no end", sfbackuptest.EndlessPages(), strings.Repeat("3a056ac9 7903dc2a | ", 9) + "3a056ac9 7903dc2a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, profile := range []sfbackuptest.Profile{sfbackuptest.ProfileRuntime, sfbackuptest.ProfileDocumented} {
				c := sfbackuptest.NewCluster(sfbackuptest.WithProfile(profile))
				c.Script(t, tt.fault)
				ids, tokens := walkPages(t, c, list, 10)
				if got := strings.Join(ids, " | "); got != tt.want {
					t.Errorf("%s: %s\nwant %s", profile, got, tt.want)
				}
				seen := make(map[string]bool)
				for _, token := range tokens {
					if seen[token] && tt.name == "no end" {
						t.Errorf("%s: the token %s came twice", profile, token)
					}
					seen[token] = true
				}
			}
		})
	}
}

// secondTime returns a predicate that is true for every second request.
func secondTime() func(*http.Request) bool {
	n := 0
	return func(*http.Request) bool {
		n++
		return n%2 == 0
	}
}

// TestPageFaultsFit: a fault of pages hits only matching requests.
func TestPageFaultsFit(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster()
	tb := &fakeTB{}
	c.Script(tb, sfbackuptest.DuplicatePage(), sfbackuptest.RepeatToken(), sfbackuptest.EndlessPages())
	get(t, c, first+"GetBackupProgress"+v)
	tb.end()
	if len(tb.errors) != 3 {
		t.Errorf("faults of pages have hit a progress: %s", tb.errors)
	}

	// A list without MaxResults has no previous page, nor has a list whose first page was not
	// requested from this cluster.
	c.Script(t, sfbackuptest.DuplicatePage())
	if got := getList(t, c, calc+"GetBackups"+v).ids(); got != everything {
		t.Error(got)
	}
	if got := getList(t, c, calc+"GetBackups"+v+"&ContinuationToken=0").ids(); got != everything {
		t.Error(got)
	}
	getList(t, c, calc+"GetBackups"+v+"&MaxResults=4")
	if got := getList(t, c, calc+"GetBackups"+v+"&MaxResults=4&ContinuationToken=f").ids(); got != "3a056ac9 7903dc2a be06a49c 0ff4fdbe" {
		t.Error(got)
	}
}
