package sfbackuptest_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// azure returns the documents' cluster with its backups in a container.
func azure() *sfbackuptest.Cluster {
	documented := sfbackuptest.NewCluster()
	return sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.Service{
		Name:   "fabric:/CalcApp/CalcService",
		Policy: &sfbackuptest.Policy{Storage: containerC},
		Partitions: []sfbackuptest.Partition{
			{ID: firstID, Backups: documented.Backups(firstID)},
			{ID: secondID, Backups: documented.Backups(secondID)},
		},
	}))
}

// TestContainerPages: the same rules as for a share, except for how the remaining files are counted.
func TestContainerPages(t *testing.T) {
	t.Parallel()
	const firstDay = "&EndDateTimeFilter=2018-01-01T23:59:59Z"
	for _, tt := range []struct{ name, target, want string }{
		{"pages of two", calc + "GetBackups" + v + "&MaxResults=2", "3a056ac9 7903dc2a | be06a49c 0ff4fdbe | d55a2d98"},
		{"pages of three", calc + "GetBackups" + v + "&MaxResults=3", "3a056ac9 7903dc2a be06a49c | 0ff4fdbe d55a2d98"},
		{"a page of all", calc + "GetBackups" + v + "&MaxResults=5", everything},
		{"a page of more", calc + "GetBackups" + v + "&MaxResults=9", everything},
		{"pages of a partition", first + "GetBackups" + v + "&MaxResults=1", "3a056ac9 | 7903dc2a | be06a49c"},
		{"nothing left for the filter", first + "GetBackups" + v + "&MaxResults=2" + firstDay, "3a056ac9 7903dc2a | 400 Bad Request"},
		{"a page below its size", calc + "GetBackups" + v + "&MaxResults=3" + firstDay, "3a056ac9 7903dc2a 0ff4fdbe | d55a2d98"},
		{"the same partition on two pages", calc + "GetBackups" + v + "&Latest=true&MaxResults=2", "be06a49c 0ff4fdbe | d55a2d98"},
		{"negative page", calc + "GetBackups" + v + "&MaxResults=-1", "400 Bad Request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := pages(t, azure(), tt.target); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// TestContainerTokens: the form of a token, and the effect of other tokens.
func TestContainerTokens(t *testing.T) {
	t.Parallel()
	c := azure()
	token := getList(t, c, calc+"GetBackups"+v+"&MaxResults=2").token()
	storage, position, _ := strings.Cut(token, "+")
	if !strings.HasPrefix(position, "Primary+2!") || strings.Contains(position, "=") {
		t.Fatalf("token %s", token)
	}
	marker := func(blob string) string {
		return storage + "+Null+2!0!" + strings.ReplaceAll(base64.StdEncoding.EncodeToString([]byte(blob)), "=", "-")
	}
	const folder = "CalcApp/CalcService/"
	for _, tt := range []struct{ name, token, want string }{
		{"unchanged", token, "be06a49c 0ff4fdbe d55a2d98"},
		{"of the other location", strings.Replace(token, "Primary", "Secondary", 1), "be06a49c 0ff4fdbe d55a2d98"},
		{"a blob that was deleted", marker(folder + firstID.String() + "/2018-01-01 09.00.56.bkmetadata"), "7903dc2a be06a49c 0ff4fdbe d55a2d98"},
		{"the next folder", marker(folder + secondID.String() + "/2000-01-01 00.00.00.bkmetadata"), "0ff4fdbe d55a2d98"},
		{"after all", marker(folder + "f/2000-01-01 00.00.00.bkmetadata"), ""},
		{"before all", marker("A/2000-01-01 00.00.00.bkmetadata"), everything},
		{"no location", storage + "+Somewhere+2!0!", "error"},
		{"no marker", storage + "+Primary", "error"},
		{"no length", storage + "+Primary+2!x", "error"},
		{"no base64", storage + "+Primary+2!1!?", "error"},
		{"no folder", marker("x"), "error"},
		{"no time", marker(folder + "x/y.bkmetadata"), "error"},
		{"no metadata", marker(folder + "x/2018-01-01 09.00.56.zip"), "error"},
	} {
		target := calc + "GetBackups" + v + "&ContinuationToken=" + url.QueryEscape(tt.token)
		if tt.want == "error" {
			if a := get(t, c, target); a.StatusCode != http.StatusInternalServerError || a.body != listFailed {
				t.Errorf("%s: %s %s", tt.name, a.Status, a.body)
			}
			if a := get(t, c, target+"&MaxResults=2"); a.StatusCode != http.StatusBadRequest || a.body != pageFailed {
				t.Errorf("%s: %s %s", tt.name, a.Status, a.body)
			}
			continue
		}
		if got := getList(t, c, target).ids(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	// A '+' that was not escaped is a space, and the rest of the list is missing.
	if l := getList(t, c, calc+"GetBackups"+v+"&ContinuationToken="+token); l.ids() != "" || l.token() != "null" {
		t.Errorf("not escaped: %s", l.ids())
	}
}

// TestNegativePageOfTwo: a negative MaxResults fails for a container that is listed after a share.
func TestNegativePageOfTwo(t *testing.T) {
	t.Parallel()
	const io = `{"Error":{"Code":2148734496,"Message":"Unable to enumerate metadata files from the container."}}`
	outcomes := make(map[string]bool)
	for seed := range uint64(8) {
		c := sfbackuptest.NewCluster(sfbackuptest.WithSeed(seed), sfbackuptest.WithServices(sfbackuptest.Service{
			Name: "fabric:/CalcApp/CalcService",
			Partitions: []sfbackuptest.Partition{
				{ID: firstID, Backups: sfbackuptest.NewCluster().Backups(firstID)},
				{ID: secondID, Policy: &sfbackuptest.Policy{Storage: containerC}},
			},
		}))
		outcomes[get(t, c, calc+"GetBackups"+v+"&MaxResults=-1").body] = true
	}
	if len(outcomes) != 2 || !outcomes[io] || !outcomes[pageFailed] {
		t.Errorf("%v", outcomes)
	}
}
