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

const (
	pageFailed = `{"Error":{"Code":"E_INVALIDARG","Message":"Index was out of range. Must be non-negative and less than the size of the collection.\r\nParameter name: index"}}`
	listFailed = `{"Error":{"Code":"E_UNEXPECTED","Message":"Index was out of range. Must be non-negative and less than the size of the collection.\r\nParameter name: index ,\r\n"}}`
)

// everything is the complete list of the documents' service.
const everything = "3a056ac9 7903dc2a be06a49c 0ff4fdbe d55a2d98"

// storageID returns the storage ID in the cluster's tokens.
func storageID(t *testing.T, c *sfbackuptest.Cluster) string {
	t.Helper()
	id, _, ok := strings.Cut(getList(t, c, calc+"GetBackups"+v+"&MaxResults=1").token(), "+")
	if !ok {
		t.Fatal("no token")
	}
	return id
}

// pages follows the tokens and returns the backup IDs of each page. A failed page is shown by its status
// and ends the list.
func pages(t *testing.T, c *sfbackuptest.Cluster, target string) string {
	t.Helper()
	var all []string
	for token := ""; ; {
		page := target
		if token != "" {
			page += "&ContinuationToken=" + url.QueryEscape(token)
		}
		if a := get(t, c, page); a.StatusCode != http.StatusOK {
			if a.body != pageFailed {
				t.Errorf("%s: %s", page, a.body)
			}
			return strings.Join(append(all, a.Status), " | ")
		}
		l := getList(t, c, page)
		all = append(all, l.ids())
		if l.token() == "null" || l.token() == "" {
			return strings.Join(all, " | ")
		}
		token = l.token()
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	const firstDay = "&EndDateTimeFilter=2018-01-01T23:59:59Z"
	for _, tt := range []struct {
		name, target        string
		runtime, documented string
	}{
		{
			"everything", calc + "GetBackups" + v,
			"3a056ac9 7903dc2a be06a49c 0ff4fdbe d55a2d98",
			"3a056ac9 7903dc2a be06a49c 0ff4fdbe d55a2d98",
		},
		{
			"pages of two", calc + "GetBackups" + v + "&MaxResults=2",
			"3a056ac9 7903dc2a | be06a49c 0ff4fdbe | d55a2d98",
			"3a056ac9 7903dc2a | be06a49c 0ff4fdbe | d55a2d98",
		},
		{
			"pages of three, the first of which ends with a folder", calc + "GetBackups" + v + "&MaxResults=3",
			"3a056ac9 7903dc2a be06a49c | 0ff4fdbe d55a2d98",
			"3a056ac9 7903dc2a be06a49c | 0ff4fdbe d55a2d98",
		},
		{
			"a page of all", calc + "GetBackups" + v + "&MaxResults=5",
			"3a056ac9 7903dc2a be06a49c 0ff4fdbe d55a2d98",
			"3a056ac9 7903dc2a be06a49c 0ff4fdbe d55a2d98",
		},
		{
			"pages of a partition", first + "GetBackups" + v + "&MaxResults=1",
			"3a056ac9 | 7903dc2a | be06a49c",
			"3a056ac9 | 7903dc2a | be06a49c",
		},
		{
			// The remaining files are counted before the filter.
			"a full page with nothing left for the filter", first + "GetBackups" + v + "&MaxResults=2" + firstDay,
			"3a056ac9 7903dc2a | 400 Bad Request",
			"3a056ac9 7903dc2a",
		},
		{
			"a page with nothing in it", first + "GetBackups" + v + "&MaxResults=2&EndDateTimeFilter=2000-01-01",
			"400 Bad Request",
			"",
		},
		{
			"nothing without pages", first + "GetBackups" + v + "&EndDateTimeFilter=2000-01-01",
			"",
			"",
		},
		{
			"latest", calc + "GetBackups" + v + "&Latest=true",
			"be06a49c d55a2d98",
			"be06a49c d55a2d98",
		},
		{
			// With Latest a page is full at the first file of its last partition.
			"pages of latest", calc + "GetBackups" + v + "&Latest=true&MaxResults=1",
			"3a056ac9 | 7903dc2a | be06a49c | 0ff4fdbe | d55a2d98",
			"be06a49c | d55a2d98",
		},
		{
			"the same partition on two pages", calc + "GetBackups" + v + "&Latest=true&MaxResults=2",
			"be06a49c 0ff4fdbe | d55a2d98",
			"be06a49c d55a2d98",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := pages(t, sfbackuptest.NewCluster(), tt.target); got != tt.runtime {
				t.Errorf("Runtime: %s\nwant %s", got, tt.runtime)
			}
			if got := pages(t, sfbackuptest.NewCluster(sfbackuptest.WithProfile(sfbackuptest.ProfileDocumented)), tt.target); got != tt.documented {
				t.Errorf("Documented: %s\nwant %s", got, tt.documented)
			}
		})
	}
}

// TestNegativePage: a negative MaxResults is no limit for a file share.
func TestNegativePage(t *testing.T) {
	t.Parallel()
	if got := pages(t, sfbackuptest.NewCluster(), first+"GetBackups"+v+"&MaxResults=-2"); got != "3a056ac9 7903dc2a be06a49c" {
		t.Error(got)
	}
}

// TestTokens: how a 6.4 cluster interprets tokens.
func TestTokens(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster()
	l := getList(t, c, calc+"GetBackups"+v+"&MaxResults=2")
	storage := storageID(t, c)
	if want := storage + "+CalcApp+CalcService+" + firstID.String() + "+2018-01-01 17.01.02.bkmetadata"; l.token() != want {
		t.Fatalf("token %s, want %s", l.token(), want)
	}
	const rest = "be06a49c 0ff4fdbe d55a2d98"
	position := func(partition uuid.UUID, file string) string {
		return url.QueryEscape(storage + "+CalcApp+CalcService+" + partition.String() + "+" + file)
	}
	for _, tt := range []struct {
		name, token string
		want        string
	}{
		{"escaped", url.QueryEscape(l.token()), rest},
		{"not escaped", strings.ReplaceAll(l.token(), " ", "%20"), ""},
		{"escaped twice", url.QueryEscape(url.QueryEscape(l.token())), ""},
		{"of a storage that is finished", storage, ""},
		{"of a storage that sorts after", "ffffffff-0000-4000-8000-000000000000%2BCalcApp", ""},
		{"of a storage that sorts before", "00000000-0000-4000-8000-000000000000%2Bnonsense", everything},
		{"not a token", "zzz", ""},
		{"not a token that sorts before", "~", everything},
		{"storage in capitals", strings.ToUpper(storage) + "%2BCalcApp", ""},
		{"folders in another case", strings.ReplaceAll(position(secondID, "x"), "CalcApp", "calcapp"), "0ff4fdbe d55a2d98"},
		{"a file that was deleted", position(firstID, "2018-01-01 12.00.00.bkmetadata"), "7903dc2a " + rest},
		{"the last file of a folder", position(firstID, "2018-01-02 08.59.53.bkmetadata"), "0ff4fdbe d55a2d98"},
		{"a folder between", position(uuid.MustParse("50000000-0000-4000-8000-000000000000"), "x"), "0ff4fdbe d55a2d98"},
		{"too few parts", url.QueryEscape(storage + "+CalcApp"), "error"},
		{"no time", position(firstID, "yesterday.bkmetadata"), "error"},
		{"no time without an extension", position(firstID, "2018-01-02 08.59.53"), "error"},
		{"no metadata file", position(firstID, "2018-01-02 08.59.53.zip"), "0ff4fdbe d55a2d98"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all, page := calc+"GetBackups"+v+"&ContinuationToken="+tt.token, calc+"GetBackups"+v+"&MaxResults=9&ContinuationToken="+tt.token
			if tt.want == "error" {
				if a := get(t, c, all); a.StatusCode != http.StatusInternalServerError || a.body != listFailed {
					t.Errorf("the list: %s %s", a.Status, a.body)
				}
				if a := get(t, c, page); a.StatusCode != http.StatusBadRequest || a.body != pageFailed {
					t.Errorf("a page: %s %s", a.Status, a.body)
				}
				return
			}
			for _, target := range []string{all, page} {
				if l := getList(t, c, target); l.ids() != tt.want || l.token() != "null" {
					t.Errorf("%s: %s and token %s, want %s and null", target, l.ids(), l.token(), tt.want)
				}
			}
		})
	}

	// A list of a partition has only one folder, whatever the token says.
	other := first + "GetBackups" + v + "&ContinuationToken=" + position(secondID, "2018-01-01 12.00.00.bkmetadata")
	if got := getList(t, c, other).ids(); got != "3a056ac9 7903dc2a be06a49c" {
		t.Errorf("by the token of another partition: %s", got)
	}
}

// TestDocumentedTokens: how a cluster with ProfileDocumented interprets tokens.
func TestDocumentedTokens(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster(sfbackuptest.WithProfile(sfbackuptest.ProfileDocumented))
	for _, tt := range []struct{ token, want string }{
		{"fabric:/CalcApp/CalcService#" + firstID.String() + "#7903dc2a-228d-44b0-b7c8-a13a6c9b46bd", "be06a49c 0ff4fdbe d55a2d98"},
		{"fabric:/CalcApp/CalcService#" + secondID.String() + "#d55a2d98-258b-4a34-8fe5-2063e81af9dc", ""},
		{"fabric:/CalcApp/CalcService#" + secondID.String() + "#7903dc2a-228d-44b0-b7c8-a13a6c9b46bd", "error"},
		{"fabric:/CalcApp/CalcService#" + uuid.NewString() + "#7903dc2a-228d-44b0-b7c8-a13a6c9b46bd", "error"},
		{"fabric:/CalcApp/CalcService#x#y", "error"},
	} {
		target := calc + "GetBackups" + v + "&ContinuationToken=" + url.QueryEscape(tt.token)
		if tt.want == "error" {
			if a := get(t, c, target); a.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %s %s", tt.token, a.Status, a.body)
			}
		} else if got := getList(t, c, target).ids(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.token, got, tt.want)
		}
	}
}

// TestManyBackups: all pages together are the complete list.
func TestManyBackups(t *testing.T) {
	t.Parallel()
	service := sfbackuptest.Service{Name: "fabric:/Shop/Orders"}
	for i := range 5 {
		service.Partitions = append(service.Partitions, sfbackuptest.Partition{
			Name:    fmt.Sprintf("P%d", i),
			Backups: sfbackuptest.Chain(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Hour, 24, 40*(i+1)),
		})
	}
	for _, profile := range []sfbackuptest.Profile{sfbackuptest.ProfileRuntime, sfbackuptest.ProfileDocumented} {
		c := sfbackuptest.NewCluster(sfbackuptest.WithServices(service), sfbackuptest.WithProfile(profile))
		target := "/Services/Shop/Orders/$/GetBackups" + v
		all := getList(t, c, target)
		if len(all.Items) != 40*(1+2+3+4+5) {
			t.Fatalf("%s: %d backups", profile, len(all.Items))
		}
		for _, size := range []int{1, 7, 100, 599, 600, 601} {
			got := strings.ReplaceAll(pages(t, c, fmt.Sprintf("%s&MaxResults=%d", target, size)), " | ", " ")
			if got != all.ids() {
				t.Errorf("%s: pages of %d are not the list", profile, size)
			}
		}
	}
}
