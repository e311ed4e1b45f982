package sfbackup_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

var (
	id1 = uuid.MustParse("00000000-0000-4000-8000-000000000001")
	id2 = uuid.MustParse("00000000-0000-4000-8000-000000000002")
	id3 = uuid.MustParse("00000000-0000-4000-8000-000000000003")
)

func ids(backups []sfbackup.Backup) []uuid.UUID {
	var list []uuid.UUID
	for _, b := range backups {
		list = append(list, b.BackupID)
	}
	return list
}

// manyServices returns the option for services with partitions of all kinds and chains of backups.
func manyServices() []sfbackuptest.Option {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return []sfbackuptest.Option{sfbackuptest.WithServices(
		sfbackuptest.Service{Name: "fabric:/Shop/Orders/Archive", ManifestVersion: "2.0", Partitions: []sfbackuptest.Partition{
			{ID: id1, Kind: sfbackuptest.PartitionKindSingleton, Backups: sfbackuptest.Chain(start, time.Hour, 4, 10)},
			{ID: id2, Name: "Süd #1", Backups: sfbackuptest.Chain(start, time.Hour, 3, 7)},
			{ID: id3, LowKey: math.MinInt64, HighKey: -1, Backups: sfbackuptest.Chain(start, time.Hour, 0, 5)},
		}},
		sfbackuptest.Service{Name: "fabric:/Shop/Web", Stateless: true, Partitions: []sfbackuptest.Partition{{}}},
		sfbackuptest.Service{Name: "fabric:/Shop/Cart", NoPolicy: true, Partitions: []sfbackuptest.Partition{{}}},
	)}
}

// Every page size lists the same backups, in both profiles and with both forms of tokens.
func TestListPageSizes(t *testing.T) {
	t.Parallel()
	type newClient = func(testing.TB, ...sfbackuptest.Option) (*sfbackup.Client, *sfbackuptest.Cluster)
	for profile, newClient := range map[string]newClient{"Runtime": newClusterClient, "Documented": newDocumentedClient} {
		for _, size := range []int{0, 1, 2, 7, 22, 1000} {
			client, cluster := newClient(t, manyServices()...)
			opts := &sfbackup.ListOptions{PageSize: size}

			got, err := collect(client.ServiceBackups(t.Context(), "fabric:/Shop/Orders/Archive", opts))
			if err != nil {
				t.Errorf("%s, pages of %d: %v", profile, size, err)
			}
			var want []uuid.UUID
			for _, id := range []uuid.UUID{id1, id2, id3} {
				for _, b := range cluster.Backups(id) {
					want = append(want, b.ID)
				}
			}
			if diff := cmp.Diff(want, ids(got)); diff != "" {
				t.Errorf("%s, pages of %d:\n%s", profile, size, diff)
			}

			got, err = collect(client.PartitionBackups(t.Context(), id2, opts))
			if err != nil || len(got) != 7 {
				t.Errorf("%s, pages of %d: %d backups of the partition, %v", profile, size, len(got), err)
			}
		}
	}
}

func TestListedBackup(t *testing.T) {
	t.Parallel()
	client, cluster := newClusterClient(t, manyServices()...)
	got, err := collect(client.PartitionBackups(t.Context(), id2, nil))
	if err != nil {
		t.Fatal(err)
	}
	made := cluster.Backups(id2)
	want := sfbackup.Backup{
		BackupID:                made[1].ID,
		BackupChainID:           made[0].ID,
		ApplicationName:         "fabric:/Shop/Orders",
		ServiceName:             "fabric:/Shop/Orders/Archive",
		ServiceManifestVersion:  "2.0",
		PartitionInformation:    &sfbackup.NamedPartition{ID: id2, Name: "Süd #1"},
		BackupLocation:          got[1].BackupLocation,
		BackupType:              sfbackup.BackupTypeIncremental,
		EpochOfLastBackupRecord: sfbackup.Epoch{DataLossVersion: 131462452931584510, ConfigurationVersion: 8589934592},
		LSNOfLastBackupRecord:   made[1].LSN,
		CreationTimeUTC:         time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC),
	}
	if diff := cmp.Diff(want, got[1]); diff != "" {
		t.Error(diff)
	}
	if !strings.HasSuffix(got[1].BackupLocation, id2.String()+`\2026-01-01 01.00.00.zip`) {
		t.Errorf("location %q", got[1].BackupLocation)
	}
}

func TestListErrors(t *testing.T) {
	t.Parallel()
	client, _ := newClusterClient(t, manyServices()...)
	for service, code := range map[sfbackup.ServiceName]sfbackup.ErrorCode{
		"fabric:/Shop/Nothing": sfbackup.CodeServiceNotFound,
		"fabric:/Shop/Web":     sfbackup.CodeStatelessService,
		"fabric:/Shop/Cart":    sfbackup.CodeBackupNotEnabled,
	} {
		if _, err := client.ServiceBackupsPage(t.Context(), service, nil); !errors.Is(err, code) {
			t.Errorf("%s: got %v, want %s", service, err, code)
		}
		if backups, err := collect(client.ServiceBackups(t.Context(), service, nil)); !errors.Is(err, code) || backups != nil {
			t.Errorf("%s: got %v, %v, want %s", service, backups, err, code)
		}
	}
	if _, err := collect(client.PartitionBackups(t.Context(), partition1, nil)); !errors.Is(err, sfbackup.CodePartitionNotFound) {
		t.Errorf("got %v", err)
	}
}

// Continuation tokens are sent unchanged, encoded once. The request of every page has the whole query.
func TestContinuationTokens(t *testing.T) {
	t.Parallel()
	for _, token := range []string{
		"fabric:/CalcApp/CalcService#1daae3f5-7fd6-42e9-b1ba-8c05f873994d#7903dc2a-228d-44b0-b7c8-a13a6c9b46bd",
		"5f0c3a52-7f0e-4b0c-9a57-0f6c7d0c9f11+Primary+2!136!MDAwMDYzIUNhbGNBcHA-",
		"5f0c3a52-7f0e-4b0c-9a57-0f6c7d0c9f11+App+App$Svc+1daae3f5+2018-01-01 09.00.55.bkmetadata",
		`+ !#/:$=&%?;,"\%2B%20é` + "\x01",
	} {
		t.Run(token, func(t *testing.T) {
			t.Parallel()
			quoted, err := json.Marshal(token)
			if err != nil {
				t.Fatal(err)
			}
			sent := &cannedResponses{list: []canned{
				ok(page(string(quoted), id1)), ok(page(`"another"`, id2)), ok(page(`null`, id3)),
			}}
			opts := sfbackup.ListOptions{PageSize: 1, Since: day, Until: endOfDay}
			got, err := collect(newClient(t, sent).ServiceBackups(t.Context(), calcService, &opts))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]uuid.UUID{id1, id2, id3}, ids(got)); diff != "" {
				t.Error(diff)
			}
			for i, req := range sent.requests {
				// The query is read as the server reads it: split at '&', then decoded once.
				query, err := url.ParseQuery(req.URL.RawQuery)
				if err != nil {
					t.Fatal(err)
				}
				want := url.Values{
					"api-version": {"6.4"}, "MaxResults": {"1"},
					"StartDateTimeFilter": {"2018-01-01T00:00:00Z"}, "EndDateTimeFilter": {"2018-01-01T23:59:59Z"},
				}
				if i > 0 {
					want.Set("ContinuationToken", []string{token, "another"}[i-1])
				}
				if diff := cmp.Diff(want, query); diff != "" {
					t.Errorf("page %d:\n%s", i, diff)
				}
			}
		})
	}
}

func TestEndOfPages(t *testing.T) {
	t.Parallel()
	for _, body := range []string{page(`null`, id1), page(`""`, id1), `{"Items":[]}`, `{"Items":null}`, `{"ContinuationToken":""}`, `{}`} {
		sent := &cannedResponses{list: []canned{ok(body)}}
		_, err := collect(newClient(t, sent).PartitionBackups(t.Context(), partition1, nil))
		if err != nil || len(sent.requests) != 1 {
			t.Errorf("%s: %d requests, %v", body, len(sent.requests), err)
		}
	}
}

// The server compares whole seconds. The client requests a wide enough range and filters it exactly.
func TestTimesAreExact(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 2*60*60)
	at := func(nanoseconds int) time.Time { return time.Date(2018, 1, 1, 11, 0, 55, nanoseconds, zone) }
	const body = `{"Items":[
		{"BackupId":"00000000-0000-4000-8000-000000000001","CreationTimeUtc":"2018-01-01T09:00:55Z"},
		{"BackupId":"00000000-0000-4000-8000-000000000002","CreationTimeUtc":"2018-01-01T09:00:55.5Z"},
		{"BackupId":"00000000-0000-4000-8000-000000000003","CreationTimeUtc":"2018-01-01T09:00:56Z"},
		{"BackupId":"00000000-0000-4000-8000-000000000004"}]}`
	none := uuid.MustParse("00000000-0000-4000-8000-000000000004") // without a time: the client leaves it to the server
	for _, tt := range []struct {
		name         string
		opts         sfbackup.ListOptions
		since, until string
		want         []uuid.UUID
	}{
		{"both ends are included", sfbackup.ListOptions{Since: at(0), Until: at(0)}, "2018-01-01T09:00:55Z", "2018-01-01T09:00:55Z", []uuid.UUID{id1, none}},
		{"a fraction in both", sfbackup.ListOptions{Since: at(1), Until: at(5e8)}, "2018-01-01T09:00:55Z", "2018-01-01T09:00:56Z", []uuid.UUID{id2, none}},
		{"only since", sfbackup.ListOptions{Since: at(999999999)}, "2018-01-01T09:00:55Z", "", []uuid.UUID{id3, none}},
		{"only until", sfbackup.ListOptions{Until: at(499999999)}, "", "2018-01-01T09:00:56Z", []uuid.UUID{id1, none}},
		{"none", sfbackup.ListOptions{}, "", "", []uuid.UUID{id1, id2, id3, none}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sent := &cannedResponses{list: []canned{ok(body)}}
			got, err := newClient(t, sent).PartitionBackupsPage(t.Context(), partition1, &tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, ids(got.Backups)); diff != "" {
				t.Error(diff)
			}
			query := sent.requests[0].URL.Query()
			if query.Get("StartDateTimeFilter") != tt.since || query.Get("EndDateTimeFilter") != tt.until {
				t.Errorf("sent %v", query)
			}
		})
	}
}

// The latest backup of each partition is listed once, although servers send one for each page. A limit within a
// second does not hide the backup before it.
func TestLatest(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 2, 5} {
		client, cluster := newClusterClient(t, manyServices()...)
		got, err := collect(client.ServiceBackups(t.Context(), "Shop/Orders/Archive", &sfbackup.ListOptions{Latest: true, PageSize: size}))
		if err != nil {
			t.Fatal(err)
		}
		latest := func(id uuid.UUID) uuid.UUID { b := cluster.Backups(id); return b[len(b)-1].ID }
		if diff := cmp.Diff([]uuid.UUID{latest(id1), latest(id2), latest(id3)}, ids(got)); diff != "" {
			t.Errorf("pages of %d:\n%s", size, diff)
		}
	}

	client, cluster := newClusterClient(t, manyServices()...)
	last := cluster.Backups(id1)[9]
	got, err := collect(client.PartitionBackups(t.Context(), id1, &sfbackup.ListOptions{
		Latest: true, Until: last.Time.Add(-time.Millisecond),
	}))
	if err != nil || len(got) != 1 || got[0].BackupID != cluster.Backups(id1)[8].ID {
		t.Errorf("just before the last backup: got %v, %v", ids(got), err)
	}

	// The loop may be left early, and the list may end with an error.
	for _, err := range client.ServiceBackups(t.Context(), "Shop/Orders/Archive", &sfbackup.ListOptions{Latest: true}) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	failing := &cannedResponses{list: []canned{ok(page(`"a"`, id1)), {status: "500 Internal Server Error"}}}
	got, err = collect(newClient(t, failing).PartitionBackups(t.Context(), partition1, &sfbackup.ListOptions{Latest: true}))
	if got != nil || err == nil {
		t.Errorf("a list with an error: got %v, %v", got, err)
	}
}

// stream returns a response whose body is written while it is read.
func stream(req *http.Request) (*http.Response, *io.PipeWriter) {
	r, w := io.Pipe()
	resp := ok("").response(req)
	resp.Body, resp.ContentLength = r, -1
	return resp, w
}

// A backup reaches the loop before the rest of the page has been sent, and leaving the loop ends the transfer.
func TestListsStream(t *testing.T) {
	t.Parallel()
	first, _, _ := strings.Cut(page(`null`, id1, id2), "},")
	first += "}"
	stopped := make(chan error)
	reached := make(chan bool)
	client := newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, w := stream(req)
		go func() {
			_, _ = io.WriteString(w, first)
			<-reached // blocks forever if the client waits for the rest of the page
			_, err := io.WriteString(w, strings.Repeat(" ", 1<<20))
			stopped <- err
		}()
		return resp, nil
	}))
	for b, err := range client.PartitionBackups(t.Context(), partition1, nil) {
		if err != nil || b.BackupID != id1 {
			t.Fatalf("got %v, %v", b, err)
		}
		break
	}
	close(reached)
	if err := <-stopped; !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("writing after the break: %v", err)
	}
}

func TestListsStopWithTheContext(t *testing.T) {
	t.Parallel()
	for _, latest := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		client, _ := newClusterClient(t, manyServices()...)
		n := 0
		var last error
		for _, err := range client.ServiceBackups(ctx, "Shop/Orders/Archive", &sfbackup.ListOptions{Latest: latest}) {
			cancel()
			n++
			last = err
		}
		if n != 2 || !errors.Is(last, context.Canceled) {
			t.Errorf("latest %v: %d elements, %v", latest, n, last)
		}
	}
}

func TestListsAreLazyAndRepeatable(t *testing.T) {
	t.Parallel()
	sent := &cannedResponses{list: []canned{ok(page(`null`, id1))}}
	opts := &sfbackup.ListOptions{PageSize: 1}
	list := newClient(t, sent).PartitionBackups(t.Context(), partition1, opts)
	opts.PageSize = 2 // has no effect
	if len(sent.requests) != 0 {
		t.Error("a request was sent before the loop")
	}
	for range 2 {
		if got, err := collect(list); len(got) != 1 || err != nil {
			t.Errorf("got %v, %v", got, err)
		}
	}
	if len(sent.requests) != 2 || sent.requests[1].URL.Query().Get("MaxResults") != "1" {
		t.Errorf("%d requests", len(sent.requests))
	}
}

func TestInvalidPages(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty":              ``,
		"null":               `null`,
		"an array":           `[]`,
		"HTML":               `<html>Sign in</html>`,
		"another object":     `{"Message":"Sign in"}`,
		"truncated item":     `{"Items":[{"BackupId":"00000000-0000-4000-8000-000000000001"},{"Back`,
		"truncated page":     `{"Items":[{"BackupId":"00000000-0000-4000-8000-000000000001"}]`,
		"items not an array": `{"Items":{}}`,
		"a null item":        `{"Items":[null]}`,
		"token not a string": `{"Items":[],"ContinuationToken":{}}`,
		"two pages":          `{"Items":[]}{"Items":[]}`,
		"an invalid id":      `{"Items":[{"BackupId":"?"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, &cannedResponses{list: []canned{ok(body)}})
			_, err := collect(client.PartitionBackups(t.Context(), partition1, nil))
			if err == nil || !strings.HasPrefix(err.Error(), "sfbackup: GetPartitionBackupList: ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v", err)
			}
			if page, err := client.PartitionBackupsPage(t.Context(), partition1, nil); page != nil || err == nil {
				t.Errorf("got %v, %v", page, err)
			}
		})
	}
}

// A page may have its token before its items, names in another case, and unknown properties everywhere.
func TestPageVariants(t *testing.T) {
	t.Parallel()
	const body = `{"Node":[{"Items":[1]}],"continuationtoken":"t","items":[
		{"Extra":{"a":[null]},"backupid":"00000000-0000-4000-8000-000000000001","LsnOfLastBackupRecord":7,
		 "PartitionInformation":{"Id":"1daae3f5-7fd6-42e9-b1ba-8c05f873994d","Weight":3,"ServicePartitionKind":"Singleton"},
		 "BackupType":3,"FailureError":{"Code":5,"Message":"no"},"CreationTimeUtc":null,"ServiceManifestVersion":null}
	],"Count":1}`
	client := newClient(t, &cannedResponses{list: []canned{ok(body)}})
	got, err := client.PartitionBackupsPage(t.Context(), partition1, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &sfbackup.Page{
		ContinuationToken: "t",
		Backups: []sfbackup.Backup{{
			BackupID: id1, LSNOfLastBackupRecord: 7, BackupType: "3",
			PartitionInformation: &sfbackup.SingletonPartition{ID: partition1},
			FailureError:         &sfbackup.FabricError{Code: "5", Message: "no"},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReconstructedPage(t *testing.T) {
	t.Parallel()
	client := newClient(t, &cannedResponses{list: []canned{ok(reconstructed(t, "list_page_azure_token"))}})
	got, err := client.PartitionBackupsPage(t.Context(), partition1, nil)
	if err != nil {
		t.Fatal(err)
	}
	full := uuid.MustParse("3a056ac9-7206-43c3-8424-6f6103003eba")
	want := &sfbackup.Page{
		ContinuationToken: "5f0c3a52-7f0e-4b0c-9a57-0f6c7d0c9f11+Primary+2!136!MDAwMDYzIUNhbGNBcHA-",
		Backups: []sfbackup.Backup{{
			BackupID:                full,
			BackupChainID:           full,
			ApplicationName:         "fabric:/CalcApp",
			ServiceName:             calcService,
			ServiceManifestVersion:  "1.0.0",
			PartitionInformation:    &sfbackup.NamedPartition{ID: partition1, Name: "P0"},
			BackupLocation:          `CalcApp\CalcService\1daae3f5-7fd6-42e9-b1ba-8c05f873994d\2018-01-01 09.00.55.zip`,
			BackupType:              sfbackup.BackupTypeFull,
			EpochOfLastBackupRecord: sfbackup.Epoch{DataLossVersion: 131462452931584510, ConfigurationVersion: 8589934592},
			LSNOfLastBackupRecord:   261,
			CreationTimeUTC:         time.Date(2018, 1, 1, 9, 0, 55, 0, time.UTC),
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestListInvalidArguments(t *testing.T) {
	t.Parallel()
	client := newClient(t, neverSent(t))
	tooMany := math.MaxInt32
	tooMany++ // on platforms where an int has 64 bits
	for _, tt := range []struct {
		opts sfbackup.ListOptions
		want string
	}{
		{sfbackup.ListOptions{Until: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, "sfbackup: GetPartitionBackupList: a time before the year 1 or after the year 9998 cannot be sent"},
		{sfbackup.ListOptions{Since: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)}, "sfbackup: GetPartitionBackupList: a time before the year 1 or after the year 9998 cannot be sent"},
		{sfbackup.ListOptions{PageSize: -1}, "sfbackup: GetPartitionBackupList: the page size -1 is negative"},
		{sfbackup.ListOptions{PageSize: tooMany}, "sfbackup: GetPartitionBackupList: the page size 2147483648 is greater than the 2147483647 that the server can count"},
		{sfbackup.ListOptions{Since: endOfDay, Until: day}, "sfbackup: GetPartitionBackupList: since 2018-01-01T23:59:59Z is after until 2018-01-01T00:00:00Z"},
	} {
		if _, err := client.PartitionBackupsPage(t.Context(), partition1, &tt.opts); err == nil || err.Error() != tt.want {
			t.Errorf("page: got %v, want %s", err, tt.want)
		}
		if _, err := collect(client.PartitionBackups(t.Context(), partition1, &tt.opts)); err == nil || err.Error() != tt.want {
			t.Errorf("list: got %v, want %s", err, tt.want)
		}
	}
	_, err := client.PartitionBackupsPage(t.Context(), uuid.Nil, &sfbackup.ListOptions{PageSize: -1})
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("the nil partition id: %v", err)
	}
	if _, err := client.PartitionBackupsPage(t.Context(), uuid.Nil, nil); err == nil {
		t.Error("no error for the nil partition id")
	}
	for _, service := range []sfbackup.ServiceName{"", "fabric:/", "fabric:/App/", "App//Svc"} {
		if _, err := client.ServiceBackupsPage(t.Context(), service, nil); err == nil {
			t.Errorf("no error for the service name %q", service)
		}
	}
}
