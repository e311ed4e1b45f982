package sfbackuptest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// invalid is the body of the error for invalid arguments.
func invalid(modelState string) string {
	return `{"Error":{"Code":"E_INVALIDARG","Message":"{Message:The request is invalid.,ModelState:{` + modelState + `}}"}}`
}

const (
	accessDenied  = `{"Error":{"Code":"E_ACCESSDENIED","Message":"Access Denied."}}`
	internalError = `{"Message":"An error has occurred."}`
	badRequest    = `{"Message":"The request is invalid."}`
	malformedID   = `{"Error":{"Code":2148734263,"Message":"Guid should contain 32 digits with 4 dashes (xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx)."}}`
	noPartition   = `{"Error":{"Code":"FABRIC_E_PARTITION_NOT_FOUND","Message":"The operation failed because the requested partition does not exist."}}`
	stateless     = `{"Error":{"Code":"FABRIC_E_INVALID_FOR_STATELESS_SERVICES","Message":"Not applicable for stateless or non persisted stateful services."}}`
	notEnabled    = `{"Error":{"Code":"FABRIC_E_BACKUP_NOT_ENABLED","Message":"Backup has not been configured/ enabled for this specific partition/ service/ application."}}`
)

// TestArguments: how the backup service of 6.4 parses queries and paths.
func TestArguments(t *testing.T) {
	t.Parallel()
	progress, list, serviceList, backup := first+"GetBackupProgress", first+"GetBackups", calc+"GetBackups", first+"Backup"
	for _, tt := range []struct {
		name   string
		target string // POST if it is a backup
		status int
		body   string // of an error
	}{
		{"version", progress + "?api-version=6.4", 200, ""},
		{"later version", progress + "?api-version=11", 200, ""},
		{"version with spaces", progress + "?api-version=+6.4+", 200, ""},
		{"version in another case of letters", progress + "?API-Version=6.4", 200, ""},
		{"version twice", progress + "?api-version=6.4&api-version=1", 200, ""},
		{"no version", progress, 400, badVersion},
		{"earlier version", serviceList + "?api-version=6.3", 400, badVersion},
		{"major version", list + "?api-version=6", 400, badVersion},
		{"preview", backup + "?api-version=6.4-preview", 400, badVersion},
		{"no number", list + "?api-version=abc", 400, badVersion},
		{"hexadecimal", list + "?api-version=0xFF", 400, badVersion},
		{"too large for a number", list + "?api-version=1e999", 400, badVersion},

		{"timeout", progress + v + "&timeout=60", 200, ""},
		{"longest timeout", progress + v + "&timeout=2147483", 200, ""},
		{"timeout of zero", progress + v + "&timeout=0", 500, internalError},
		{"negative timeout", list + v + "&timeout=-1", 500, internalError},
		{"timeout beyond int32 milliseconds", list + v + "&timeout=2147484", 500, internalError},
		{"timeout beyond int32", list + v + "&timeout=2147483648", 400, invalid("timeout:[An error has occurred.]")},
		{"documented timeout", list + v + "&timeout=4294967295", 400, invalid("timeout:[An error has occurred.]")},
		{"timeout before all other mistakes", list + "?timeout=0&Latest=x", 500, internalError},
		{"capital timeout reaches the service too", list + v + "&Timeout=0", 500, internalError},

		{"latest", list + v + "&Latest=True", 200, ""},
		{"latest in capitals", list + v + "&latest=TRUE", 200, ""},
		{"not latest", list + v + "&Latest=false", 200, ""},
		{"latest by number", list + v + "&Latest=1", 400, invalid("latest:[The value '1' is not valid for Boolean.]")},

		{"page", list + v + "&MaxResults=5", 200, ""},
		{"page beyond int32", list + v + "&MaxResults=2147483648", 400, invalid("MaxResults:[An error has occurred.]")},
		{"page that is no number", serviceList + v + "&MaxResults=all", 400, invalid("MaxResults:[The value 'all' is not valid for Int32.]")},
		{"negative page", list + v + "&MaxResults=-1", 200, ""},

		{"backup timeout", backup + v + "&BackupTimeout=30", 202, ""},
		{"negative backup timeout", backup + v + "&BackupTimeout=-5", 202, ""},
		{"backup timeout at its bound", backup + v + "&BackupTimeout=2147483647", 202, ""},
		{"backup timeout beyond int32", backup + v + "&BackupTimeout=2147483648", 400, invalid("backupTimeout:[An error has occurred.]")},

		{"time", list + v + "&StartDateTimeFilter=2018-01-01T00:00:00Z", 200, ""},
		{"time with a fraction", list + v + "&StartDateTimeFilter=2018-01-01T00:00:00.1234567Z", 200, ""},
		{"time with an offset", list + v + "&StartDateTimeFilter=2018-01-01T00:00:00%2B02:00", 200, ""},
		{"time with an offset that is not escaped", list + v + "&StartDateTimeFilter=2018-01-01T00:00:00+02:00", 400, badRequest},
		{"time without a zone", list + v + "&EndDateTimeFilter=2018-01-02T00:00:00", 200, ""},
		{"date", list + v + "&EndDateTimeFilter=2018-01-02", 200, ""},
		{"fraction after a comma", list + v + "&StartDateTimeFilter=2018-01-01T00:00:00,5Z", 400, badRequest},
		{"time before the year 1", list + v + "&StartDateTimeFilter=0001-01-01T00:00:00%2B01:00", 400, badRequest},
		{"time of another day of the week", list + v + "&StartDateTimeFilter=Tue,+01+Jan+2018+17:01:02+GMT", 400, badRequest},
		{"no time", serviceList + v + "&EndDateTimeFilter=yesterday", 400, badRequest},
		{
			"several mistakes", list + "?api-version=1&Latest=x&MaxResults=y", 400,
			invalid("latest:[The value 'x' is not valid for Boolean.],MaxResults:[The value 'y' is not valid for Int32.]"),
		},
		{"values that are numbers in other ways", list + v + "&MaxResults=%26h7&timeout=0x+3C", 400, invalid("timeout:[The value '0x 3C' is not valid for Int32.]")},
		{"hexadecimal values", list + v + "&MaxResults=%23%2B0x7&timeout=0X3C", 200, ""},
		{"hexadecimal value without digits", list + v + "&MaxResults=%23", 400, invalid("MaxResults:[An error has occurred.]")},
		{"minus one in hexadecimal digits", list + v + "&MaxResults=0xffffffff", 200, ""},
		{"values twice", list + v + "&MaxResults=x&MaxResults=1", 400, invalid("MaxResults:[The value 'x,1' is not valid for Int32.]")},
		{"values of blanks", list + v + "&MaxResults=+&Latest=x", 400, badRequest},
		{"parameter without a name", list + v + "&=5", 400, invalid(":[The value '5' is not valid for Boolean.]")},
		{"parameter without a name that is not needed", list + v + "&=5&timeout=5&latest=true", 200, ""},
		{"nothing before an ampersand", list + v + "&&MaxResults=1", 400, badRequest},
		{"ampersand at the end", list + v + "&", 400, badRequest},
		{"empty token", list + v + "&ContinuationToken=", 400, invalid("ContinuationToken.String:[A value is required but was not present in the request.]")},
		{"empty version", list + "?api-version=&Latest=x", 400, invalid("api-version.String:[A value is required but was not present in the request.],latest:[The value 'x' is not valid for Boolean.]")},
		{"quotes", list + v + `&Latest="x\"`, 400, invalid(`latest:[The value '\\x\\\\\\' is not valid for Boolean.]`)},
		{"escape that is none", list + v + "&Latest=%zz", 400, invalid("latest:[The value '%zz' is not valid for Boolean.]")},

		{"malformed partition of a backup", "/Partitions/x/$/Backup" + v, 400, badArgs},
		{"malformed partition of a progress", "/Partitions/x/$/GetBackupProgress" + v, 400, badArgs},
		{"malformed partition of a list", "/Partitions/x/$/GetBackups" + v, 500, malformedID},
		{"partition as a URN", "/Partitions/urn:uuid:1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/GetBackupProgress" + v, 400, badArgs},
		{"partition in capitals", "/Partitions/1DAAE3F5-7FD6-42E9-B1BA-8C05F873994D/$/GetBackups" + v, 200, ""},
		{"partition without dashes", "/Partitions/1daae3f57fd642e9b1ba8c05f873994d/$/GetBackups" + v, 200, ""},
		{"partition in braces", "/Partitions/%7B1daae3f5-7fd6-42e9-b1ba-8c05f873994d%7D/$/GetBackups" + v, 500, `{"Error":{"Code":"E_UNEXPECTED","Message":"Guid should contain 32 digits with 4 dashes (xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx)."}}`},
		{"partition in parentheses", "/Partitions/(1daae3f5-7fd6-42e9-b1ba-8c05f873994d)/$/GetBackups" + v, 200, ""},
		{"unknown partition of a backup", "/Partitions/0f0f0f0f-0000-4000-8000-000000000001/$/Backup" + v, 404, noPartition},
		{"unknown partition of a progress", "/Partitions/0f0f0f0f-0000-4000-8000-000000000001/$/GetBackupProgress" + v, 404, noPartition},
		{"unknown partition of a list", "/Partitions/0f0f0f0f-0000-4000-8000-000000000001/$/GetBackups" + v, 404, noPartition},
		{"version before the partition", "/Partitions/x/$/GetBackups", 400, badVersion},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			method := http.MethodGet
			if strings.Contains(tt.target, "/$/Backup") {
				method = http.MethodPost
			}
			a := send(t, sfbackuptest.NewCluster().Transport(), method, tt.target, "")
			if a.StatusCode != tt.status {
				t.Errorf("status %s, want %d: %s", a.Status, tt.status, a.body)
			}
			if a.StatusCode < 300 {
				return
			}
			if a.body != tt.body {
				t.Errorf("body %s\nwant %s", a.body, tt.body)
			}
			want := plainText
			if tt.body == internalError || tt.body == badRequest {
				want = jsonText
			}
			if got := a.Header.Get("Content-Type"); got != want {
				t.Errorf("Content-Type %q, want %q", got, want)
			}
			if found := a.Header.Get("X-ServiceFabric") == "ResourceNotFound"; found != (a.StatusCode == http.StatusNotFound) {
				t.Errorf("status %s, X-ServiceFabric %q", a.Status, a.Header.Get("X-ServiceFabric"))
			}
		})
	}
}

// TestServices: what depends on the kind of service and its policy.
func TestServices(t *testing.T) {
	t.Parallel()
	const share = `{"BackupStorage":{"StorageKind":"FileShare","Path":"\\\\share\\backups"}}`
	c := sfbackuptest.NewCluster(sfbackuptest.WithServices(
		sfbackuptest.Service{Name: "fabric:/App/Unprotected", NoPolicy: true, Partitions: []sfbackuptest.Partition{{ID: firstID}}},
		sfbackuptest.Service{Name: "fabric:/App/Stateless", Stateless: true, Partitions: []sfbackuptest.Partition{{ID: secondID}}},
		sfbackuptest.Service{Name: "fabric:/App/Empty"},
	))
	for _, tt := range []struct {
		name, method, target, body string
		status                     int
		want                       string
	}{
		{"backup without a policy", "POST", first + "Backup" + v, "{}", 404, notEnabled},
		{"list without a policy", "GET", first + "GetBackups" + v, "", 404, notEnabled},
		{"service list without a policy", "GET", "/Services/App/Unprotected/$/GetBackups" + v, "", 404, notEnabled},
		{"progress without a policy", "GET", first + "GetBackupProgress" + v, "", 200, "null"},
		{"storage needs no policy", "POST", first + "Backup" + v, share, 202, ""},
		{"one backup at a time", "POST", first + "Backup" + v, share, 409, `{"Error":{"Code":"FABRIC_E_BACKUP_IN_PROGRESS","Message":"Backup already in Progress"}}`},
		{"list of a stateless partition", "GET", second + "GetBackups" + v, "", 400, stateless},
		{"list of a stateless service", "GET", "/Services/App/Stateless/$/GetBackups" + v, "", 400, stateless},
		{"backup does not check for state", "POST", second + "Backup" + v, "", 202, ""},
		{"nothing to list", "GET", "/Services/App/Empty/$/GetBackups" + v, "", 200, `{"Items":[],"ContinuationToken":null}`},
	} {
		a := send(t, c.Transport(), tt.method, tt.target, tt.body)
		if a.StatusCode != tt.status || a.body != tt.want {
			t.Errorf("%s: %s %s\nwant %d %s", tt.name, a.Status, a.body, tt.status, tt.want)
		}
	}
}

// TestRequestBodies: valid and invalid bodies of a backup request.
func TestRequestBodies(t *testing.T) {
	t.Parallel()
	const (
		azure    = `{"BackupStorage":{"StorageKind":"AzureBlobStore","ConnectionString":"s","ContainerName":"c"}}`
		identity = `{"BackupStorage":{"StorageKind":"ManagedIdentityAzureBlobStore","BlobServiceUri":"https://b/","ContainerName":"c","ManagedIdentityType":"Cluster"}}`
		path     = "backupStorage.BackupStorage."
		kind     = "backupStorage.BackupStorage:[An error has occurred.]"
		twice    = "[An error has occurred.,An error has occurred.]"
	)
	storage := func(members string) string { return `{"BackupStorage":{` + members + `}}` }
	for _, tt := range []struct {
		name, body, contentType string
		status, documented      int
		modelState              string
	}{
		{name: "none", status: 202, documented: 202},
		{name: "empty object", body: "{}", status: 202, documented: 202},
		{name: "null", body: "null", status: 202, documented: 202},
		{name: "null storage", body: `{"BackupStorage":null}`, status: 202, documented: 202},
		{name: "unknown members", body: `{"x":1}`, status: 202, documented: 202},
		{name: "Azure", body: azure, status: 202, documented: 202},
		{name: "type with a charset", body: azure, contentType: "application/json; charset=utf-8", status: 202, documented: 202},
		{name: "any order, any case, more members", body: storage(`"x":{},"containername":"c","CONNECTIONSTRING":"s","StorageKind":"AzureBlobStore"`), status: 202, documented: 202},
		{name: "file share", body: storage(`"StorageKind":"FileShare","Path":"p","PrimaryUserName":"u","PrimaryPassword":"p","SecondaryUserName":null,"FriendlyName":"f"`), status: 202, documented: 202},
		{name: "Dsms", body: storage(`"StorageKind":"DsmsAzureBlobStore","StorageCredentialsSourceLocation":"l","ContainerName":"c"`), status: 202, documented: 202},
		{name: "managed identity", body: identity, status: 400, documented: 202, modelState: kind},
		{name: "managed identity of no type", body: strings.Replace(identity, "Cluster", "None", 1), status: 400, documented: 400},

		{name: "no kind", body: storage(`"Path":"p"`), status: 400, documented: 400, modelState: kind},
		{name: "unknown kind", body: storage(`"StorageKind":"Tape"`), status: 400, documented: 400, modelState: kind},
		{name: "kind in another case", body: storage(`"StorageKind":"fileshare","Path":"p"`), status: 400, documented: 400, modelState: kind},
		{name: "name of the kind in another case", body: storage(`"storageKind":"FileShare","Path":"p"`), status: 400, documented: 400, modelState: kind},
		{name: "kind by number", body: storage(`"StorageKind":1`), status: 400, documented: 400, modelState: kind},
		{name: "no path", body: storage(`"StorageKind":"FileShare"`), status: 400, documented: 400, modelState: path + "Path:[The Path field is required.]"},
		{
			name: "nothing for Azure", body: storage(`"StorageKind":"AzureBlobStore","ConnectionString":""`), status: 400, documented: 400,
			modelState: path + "ConnectionString:[The ConnectionString field is required.]," + path + "ContainerName:[The ContainerName field is required.]",
		},
		{name: "path that is no text", body: storage(`"StorageKind":"FileShare","Path":["p"]`), status: 400, documented: 400, modelState: "backupStorage.Path:[An error has occurred.]," + path + "Path:[The Path field is required.]"},
		{name: "password that is a number", body: storage(`"StorageKind":"FileShare","Path":"p","PrimaryPassword":7`), status: 202, documented: 202},
		{name: "password that is no text", body: storage(`"StorageKind":"FileShare","Path":"p","primaryPassword":{}`), status: 400, documented: 400, modelState: "backupStorage.primaryPassword:[An error has occurred.]"},
		{name: "path of blanks", body: storage(`"StorageKind":"FileShare","Path":" \u0020"`), status: 400, documented: 400, modelState: path + "Path:[The Path field is required.]"},
		{name: "storage that is no object", body: `{"BackupStorage":"FileShare"}`, status: 400, documented: 400, modelState: kind},
		{name: "no object", body: `[]`, status: 400, documented: 400, modelState: "backupStorage:[An error has occurred.]"},
		{name: "no JSON", body: `{`, status: 400, documented: 400, modelState: "backupStorage:[An error has occurred.]"},
		{name: "no end", body: `{"x":{"y":[1,{"z":2}`, status: 400, documented: 400, modelState: "backupStorage.x.y:" + twice},
		{name: "no end after a member", body: `{"x":{}`, status: 400, documented: 400, modelState: "backupStorage.x:[An error has occurred.]"},
		{name: "no value", body: `{"x":y}`, status: 400, documented: 400, modelState: "backupStorage.x:" + twice},
		{name: "unknown escape", body: `{"x":"\q"}`, status: 400, documented: 400, modelState: "backupStorage.x:" + twice},
		{name: "too deep", body: `{"x":` + strings.Repeat("[", 4<<20-5), status: 400, documented: 400, modelState: "backupStorage.x:" + twice},
		{name: "two values", body: `{}{}`, status: 202, documented: 202},
		{name: "comments, single quotes, names without quotes, commas at the end", body: "//x\n" + `{BackupStorage:/**/{'StorageKind':'File\u0053hare','Path':[],Path:'it\'s',},}`, status: 202, documented: 202},

		{name: "no type", body: "{}", contentType: "-", status: 415, documented: 415},
		{name: "other type", body: "{}", contentType: "text/plain", status: 415, documented: 415},
		{name: "malformed type", body: "{}", contentType: "/", status: 415, documented: 415},
		{name: "no body needs no type", contentType: "text/plain", status: 202, documented: 202},
		{name: "at the limit", body: `{"x":"` + strings.Repeat("x", 4<<20-8) + `"}`, status: 202, documented: 202},
		{name: "beyond the limit", body: `{"x":"` + strings.Repeat("x", 4<<20-7) + `"}`, status: 413, documented: 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for profile, status := range map[sfbackuptest.Profile]int{
				sfbackuptest.ProfileRuntime: tt.status, sfbackuptest.ProfileDocumented: tt.documented,
			} {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://cluster"+first+"Backup"+v, strings.NewReader(tt.body))
				if err != nil {
					t.Fatal(err)
				}
				switch tt.contentType {
				case "":
					req.Header.Set("Content-Type", "application/json")
				case "-":
				default:
					req.Header.Set("Content-Type", tt.contentType)
				}
				a := do(t, sfbackuptest.NewCluster(sfbackuptest.WithProfile(profile)).Transport(), req)
				if a.StatusCode != status {
					t.Errorf("%s: %s, want %d: %s", profile, a.Status, status, a.body)
				}
				if tt.modelState != "" && status == 400 && a.body != invalid(tt.modelState) {
					t.Errorf("%s: %s\nwant %s", profile, a.body, invalid(tt.modelState))
				}
				if status == 415 && profile == sfbackuptest.ProfileRuntime &&
					(!strings.HasPrefix(a.body, `{"Message":"The request`) || a.Header.Get("Content-Type") != jsonText) {
					t.Errorf("%s: %s", profile, a.body)
				}
			}
		})
	}
}

// TestChunkedBody: the gateway of a 6.4 cluster rejects a body without a length, and no backup starts.
func TestChunkedBody(t *testing.T) {
	t.Parallel()
	for profile, status := range map[sfbackuptest.Profile]string{
		sfbackuptest.ProfileRuntime:    "504 FABRIC_E_TIMEOUT",
		sfbackuptest.ProfileDocumented: "202 Accepted",
	} {
		c := sfbackuptest.NewCluster(sfbackuptest.WithProfile(profile))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://cluster"+first+"Backup"+v, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.ContentLength = -1
		if a := do(t, c.Transport(), req); a.Status != status {
			t.Errorf("%s: %s, want %s", profile, a.Status, status)
		}
		if got := get(t, c, first+"GetBackupProgress"+v).body; profile == sfbackuptest.ProfileRuntime && got != "null" {
			t.Errorf("%s: a backup was started: %s", profile, got)
		}
	}
}

// TestTimeFilters: both limits are inclusive, times are compared in whole seconds, and a time without a
// zone is in the zone of the cluster.
func TestTimeFilters(t *testing.T) {
	t.Parallel()
	const all = "3a056ac9 7903dc2a be06a49c"
	for _, tt := range []struct {
		name, query string
		hours       int // the cluster's offset from UTC
		want        string
	}{
		{"none", "", 0, all},
		{"exactly one", "&StartDateTimeFilter=2018-01-01T17:01:02Z&EndDateTimeFilter=2018-01-01T17:01:02Z", 0, "7903dc2a"},
		{"start with a fraction", "&StartDateTimeFilter=2018-01-01T17:01:02.5Z", 0, "be06a49c"},
		{"end with a fraction", "&EndDateTimeFilter=2018-01-01T17:01:02.5Z", 0, "3a056ac9 7903dc2a"},
		{"start only", "&StartDateTimeFilter=2018-01-01T09:00:56Z", 0, "7903dc2a be06a49c"},
		{"end only", "&EndDateTimeFilter=2018-01-01T17:01:01Z", 0, "3a056ac9"},
		{"offset", "&StartDateTimeFilter=2018-01-01T19:01:02%2B02:00", 0, "7903dc2a be06a49c"},
		{"wrong way round", "&StartDateTimeFilter=2019-01-01T00:00:00Z&EndDateTimeFilter=2018-01-01T00:00:00Z", 0, ""},
		{"no zone, UTC", "&StartDateTimeFilter=2018-01-01T17:01:02", 0, "7903dc2a be06a49c"},
		{"no zone, west of it", "&StartDateTimeFilter=2018-01-01T17:01:02", -1, "be06a49c"},
		{"no zone, east of it", "&StartDateTimeFilter=2018-01-01T17:01:03", 1, "7903dc2a be06a49c"},
		{"blanks between", "&StartDateTimeFilter=++2018-01-01+++17:01:02+", 0, "7903dc2a be06a49c"},
		{"offset without a colon", "&StartDateTimeFilter=2018-01-01T19:01:02%2B0200", 0, "7903dc2a be06a49c"},
		{"numbers with one digit", "&StartDateTimeFilter=1/1/2018+5:1:2+PM", 0, "7903dc2a be06a49c"},
		{"small letters", "&StartDateTimeFilter=2018-01-01t17:01:02z", -1, "7903dc2a be06a49c"},
		{"small letters without a blank", "&StartDateTimeFilter=1+jan+2018+5:01:02pm", 0, "7903dc2a be06a49c"},
		{"names", "&StartDateTimeFilter=January+1,+2018+17:01:02Z", -1, "7903dc2a be06a49c"},
		{"as in a header", "&StartDateTimeFilter=Mon,+01+Jan+2018+17:01:02+GMT", -1, "7903dc2a be06a49c"},
		{"month", "&StartDateTimeFilter=2018-02", 0, ""},
		{"latest in a range", "&Latest=true&EndDateTimeFilter=2018-01-02", 0, "7903dc2a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := sfbackuptest.NewCluster(sfbackuptest.WithTimeZone(time.FixedZone("", tt.hours*60*60)))
			if tt.hours == 0 {
				c = sfbackuptest.NewCluster(sfbackuptest.WithTimeZone(nil))
			}
			if got := getList(t, c, first+"GetBackups"+v+tt.query).ids(); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}
