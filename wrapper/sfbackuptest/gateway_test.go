package sfbackuptest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

const (
	badVersion = `{"Error":{"Code":"E_INVALIDARG","Message":"Invalid API Version"}}`
	badArgs    = `{"Error":{"Code":"E_INVALIDARG","Message":"Invalid Arguments."}}`
	noTemplate = `{"Error":{"Code":"E_INVALIDARG","Message":"The request does not fit the operation."}}`
	noService  = `{"Error":{"Code":"FABRIC_E_SERVICE_DOES_NOT_EXIST","Message":"Service does not exist."}}`
	v          = "?api-version=6.4"

	plainText = "text/plain; charset=utf-8"
	jsonText  = "application/json; charset=utf-8"
)

// TestRouting: how a path and a method select an operation. A status of 200 or 202 is from the operation.
func TestRouting(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, method, target string
		status               string
		body                 string // empty: not looked at if the request succeeds
		contentType          string
	}{
		{name: "progress", target: first + "GetBackupProgress" + v, status: "200 OK"},
		{name: "partition list", target: first + "GetBackups" + v, status: "200 OK"},
		{name: "service list", target: calc + "GetBackups" + v, status: "200 OK"},
		{name: "backup", method: "POST", target: first + "Backup" + v, status: "202 Accepted"},

		{name: "escaped dollar", target: strings.Replace(first, "$", "%24", 1) + "GetBackups" + v, status: "200 OK"},
		{name: "escaped slash", target: "/Services/CalcApp%2FCalcService/$/GetBackups" + v, status: "200 OK"},
		{name: "escaped letter", target: "/Services/%43alcApp/CalcService/$/GetBackups" + v, status: "200 OK"},

		{
			name: "unknown first segment", target: "/Nope/x/$/GetBackups" + v,
			status: "404 NotFound",
		},
		{name: "root", target: "/", status: "404 NotFound"},
		{name: "first segment of another case", target: "/partitions/x/$/GetBackups" + v, status: "400 Bad Request", body: noTemplate, contentType: jsonText},
		{name: "action of another case", target: first + "getBackups" + v, status: "400 Bad Request", body: noTemplate, contentType: jsonText},
		{name: "unknown action", target: first + "GetEverything" + v, status: "400 Bad Request", body: noTemplate, contentType: jsonText},
		{name: "no dollar", target: "/Partitions/x/GetBackups" + v, status: "400 Bad Request", body: noTemplate, contentType: jsonText},
		{name: "no service", target: "/Services/$/GetBackups" + v, status: "400 Bad Request", body: noTemplate, contentType: jsonText},
		{name: "two ids of partitions", target: "/Partitions/a/b/$/GetBackups" + v, status: "400 Bad Request", body: noTemplate, contentType: jsonText},
		{name: "progress of a service", target: calc + "GetBackupProgress" + v, status: "400 Bad Request", body: noTemplate, contentType: jsonText},
		{name: "GET on Backup", target: first + "Backup" + v, status: "400 Bad Request", body: noTemplate, contentType: jsonText},
		{name: "POST on a list", method: "POST", target: first + "GetBackups" + v, status: "400 Bad Request", body: noTemplate, contentType: jsonText},
		{name: "HEAD on a list", method: "HEAD", target: first + "GetBackups" + v, status: "400 Bad Request", contentType: jsonText},

		{name: "backup with a slash at the end", method: "POST", target: first + "Backup/" + v, status: "400 Bad Request", body: badArgs, contentType: plainText},
		{name: "progress with a slash at the end", target: first + "GetBackupProgress/" + v, status: "400 Bad Request", body: badArgs, contentType: plainText},
		{
			name: "partition list with a slash at the end", target: first + "GetBackups/" + v, status: "400 Bad Request",
			body: `{"Error":{"Code":"E_INVALIDARG","Message":"Invalid argument"}}`, contentType: plainText,
		},
		{name: "service list with a slash at the end", target: calc + "GetBackups/" + v, status: "404 Not Found", body: noService, contentType: plainText},

		{name: "service with a scheme", target: "/Services/fabric:/CalcApp/CalcService/$/GetBackups" + v, status: "404 Not Found", body: noService, contentType: plainText},
		{name: "service with tildes", target: "/Services/CalcApp~CalcService/$/GetBackups" + v, status: "404 Not Found", body: noService, contentType: plainText},
		{name: "service of another case", target: "/Services/calcapp/CalcService/$/GetBackups" + v, status: "404 Not Found", body: strings.Replace(noService, "does not exist.", "not found", 1), contentType: plainText},
		{name: "application only", target: "/Services/CalcApp/$/GetBackups" + v, status: "404 Not Found", body: noService, contentType: plainText},

		{name: "gateway timeout that is no number", target: first + "GetBackups" + v + "&Timeout=soon", status: "400 FABRIC_E_INVALID_ADDRESS"},
		{name: "gateway timeout", target: first + "GetBackups" + v + "&Timeout=300", status: "200 OK"},
		{name: "parameters that the gateway does not forward", target: first + "GetBackups" + v + "&PartitionKey=1&ListenerName=&_cacheToken=5", status: "200 OK"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			method := tt.method
			if method == "" {
				method = http.MethodGet
			}
			a := send(t, sfbackuptest.NewCluster().Transport(), method, tt.target, "")
			if a.Status != tt.status {
				t.Errorf("status %q, want %q: %s", a.Status, tt.status, a.body)
			}
			if a.StatusCode < 300 {
				return
			}
			if a.body != tt.body || a.Header.Get("Content-Type") != tt.contentType {
				t.Errorf("%s %s\nwant %s %s", a.Header.Get("Content-Type"), a.body, tt.contentType, tt.body)
			}
			// Only the backup service sends the header that the target does not exist.
			wantHeader := ""
			if strings.Contains(tt.body, "SERVICE_DOES_NOT_EXIST") {
				wantHeader = "ResourceNotFound"
			}
			if got := a.Header.Get("X-ServiceFabric"); got != wantHeader {
				t.Errorf("X-ServiceFabric: %q, want %q", got, wantHeader)
			}
		})
	}
}

// TestDocumentedErrors: with ProfileDocumented every error is a FabricError as application/json.
func TestDocumentedErrors(t *testing.T) {
	t.Parallel()
	large := `{"BackupStorage":null,"x":"` + strings.Repeat("x", 4<<20) + `"}`
	for _, tt := range []struct {
		name, method, target, body string
		status                     int
		code                       string
	}{
		{name: "unknown path", target: "/Nope", status: 404, code: "FABRIC_E_DOES_NOT_EXIST"},
		{name: "wrong verb", target: first + "Backup" + v, status: 400, code: "E_INVALIDARG"},
		{name: "no version", target: first + "GetBackups", status: 400, code: "E_INVALIDARG"},
		{name: "later version", target: first + "GetBackups?api-version=7.0", status: 400, code: "E_INVALIDARG"},
		{name: "timeout of zero", target: first + "GetBackups" + v + "&timeout=0", status: 400, code: "E_INVALIDARG"},
		{name: "longest timeout", target: first + "GetBackups" + v + "&timeout=4294967295", status: 200},
		{name: "timeout too long", target: first + "GetBackups" + v + "&timeout=4294967296", status: 400, code: "E_INVALIDARG"},
		{name: "int64 page", target: first + "GetBackups" + v + "&MaxResults=9223372036854775807", status: 200},
		{name: "negative page", target: first + "GetBackups" + v + "&MaxResults=-1", status: 400, code: "E_INVALIDARG"},
		{name: "malformed partition", target: "/Partitions/x/$/GetBackups" + v, status: 400, code: "E_INVALIDARG"},
		{name: "malformed token", target: first + "GetBackups" + v + "&ContinuationToken=x", status: 400, code: "E_INVALIDARG"},
		{name: "token cut at its '#'", target: first + "GetBackups" + v + "&ContinuationToken=fabric:/CalcApp/CalcService", status: 400, code: "E_INVALIDARG"},
		{name: "gateway timeout that is no number", target: first + "GetBackups" + v + "&Timeout=x", status: 400, code: "FABRIC_E_INVALID_ADDRESS"},
		{name: "service with tildes", target: "/Services/CalcApp~CalcService/$/GetBackups" + v, status: 200},
		{name: "unknown service", target: "/Services/CalcApp~Other/$/GetBackups" + v, status: 404, code: "FABRIC_E_SERVICE_DOES_NOT_EXIST"},
		{name: "large body", method: "POST", target: first + "Backup" + v, body: large, status: 413, code: "E_INVALIDARG"},
		{name: "body that is no JSON", method: "POST", target: first + "Backup" + v, body: "x", status: 400, code: "E_INVALIDARG"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := sfbackuptest.NewCluster(sfbackuptest.WithProfile(sfbackuptest.ProfileDocumented))
			method := tt.method
			if method == "" {
				method = http.MethodGet
			}
			a := send(t, c.Transport(), method, tt.target, tt.body)
			if a.StatusCode != tt.status {
				t.Errorf("status %s, want %d: %s", a.Status, tt.status, a.body)
			}
			if tt.code == "" {
				return
			}
			var e struct {
				Error struct{ Code, Message string }
			}
			if err := json.Unmarshal([]byte(a.body), &e); err != nil || e.Error.Code != tt.code || e.Error.Message == "" {
				t.Errorf("%s is not a FabricError with %s and a message (%v)", a.body, tt.code, err)
			}
			if got := a.Header.Get("Content-Type"); got != jsonText {
				t.Errorf("Content-Type %q", got)
			}
		})
	}
}

// TestServer: requests over a socket, where sending a reason phrase takes over the connection.
func TestServer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(sfbackuptest.NewCluster())
	t.Cleanup(server.Close)
	for _, tt := range []struct {
		method, target, body, status string
		wantBody                     string
	}{
		{"GET", first + "GetBackupProgress" + v, "", "200 OK", "null"},
		{"POST", first + "Backup" + v, "{}", "202 Accepted", ""},
		{"POST", "/Nope", "{}", "404 NotFound", ""},
		{"GET", first + "GetBackups" + v + "&Timeout=x", "", "400 FABRIC_E_INVALID_ADDRESS", ""},
		{"GET", first + "GetBackupProgress", "", "400 Bad Request", badVersion},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, server.URL+tt.target, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		a := do(t, server.Client().Transport, req)
		if a.Status != tt.status || a.body != tt.wantBody {
			t.Errorf("%s %s: %q %s, want %q %s", tt.method, tt.target, a.Status, a.body, tt.status, tt.wantBody)
		}
	}
}

// TestRecorder: a status is sent without its reason phrase if there is no way to send the phrase.
func TestRecorder(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	sfbackuptest.NewCluster().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/Nope", nil))
	if w.Code != http.StatusNotFound || w.Body.Len() != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// FuzzRequest: every request gets a response, and a response with the content type JSON is JSON.
func FuzzRequest(f *testing.F) {
	f.Add("GET", first+"GetBackups", "api-version=6.4&MaxResults=1", "")
	f.Add("POST", first+"Backup", "api-version=6.4&BackupTimeout=5", `{"BackupStorage":{"StorageKind":"FileShare","Path":"\\\\a\\b"}}`)
	f.Add("GET", calc+"GetBackups/", "StartDateTimeFilter=2018-01-01&Latest=true&timeout=%zz", "x")
	f.Fuzz(func(t *testing.T, method, path, rawQuery, body string) {
		for _, profile := range []sfbackuptest.Profile{sfbackuptest.ProfileRuntime, sfbackuptest.ProfileDocumented} {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", strings.NewReader(body))
			req.Method, req.URL.Path, req.URL.RawQuery = method, path, rawQuery
			req.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			sfbackuptest.NewCluster(sfbackuptest.WithProfile(profile)).ServeHTTP(w, req)
			if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s: %d %s", profile, w.Code, w.Body)
			}
			if w.Body.Len() == 0 && profile == sfbackuptest.ProfileDocumented && w.Code != http.StatusAccepted {
				t.Errorf("%s: %d without a body", profile, w.Code)
			}
		}
	})
}
