package contract_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/openapi"
)

// The two documents by their names in the tests.
var (
	profiles       = map[string][]byte{"Documented": openapi.Documented, "Runtime": openapi.Runtime}
	sortedProfiles = []string{"Documented", "Runtime"}
)

// An exchange is a request and its response, in parts that can be changed one at a time.
type exchange struct {
	name       string
	operation  string
	validUnder []string // the profiles under which it is valid

	method, path string // the path is not escaped
	query        []parameter
	requestType  string
	requestBody  []byte

	status      int
	contentType string // "": none
	body        []byte
}

type parameter struct{ name, value string }

func (x exchange) String() string {
	return fmt.Sprintf("%s: %s %s %v [%s] %s -> %d [%s] %s",
		x.name, x.method, x.path, x.query, x.requestType, x.requestBody, x.status, x.contentType, x.body)
}

func (x exchange) request() *http.Request {
	values := make([]string, len(x.query))
	for i, p := range x.query {
		values[i] = url.QueryEscape(p.name) + "=" + url.QueryEscape(p.value)
	}
	return &http.Request{
		Method: x.method,
		URL:    &url.URL{Scheme: "http", Host: "localhost:19080", Path: x.path, RawQuery: strings.Join(values, "&")},
		Header: header(x.requestType),
		Body:   io.NopCloser(bytes.NewReader(x.requestBody)),
	}
}

func (x exchange) response() *http.Response {
	return &http.Response{
		StatusCode: x.status, Header: header(x.contentType), Body: io.NopCloser(bytes.NewReader(x.body)),
	}
}

func header(contentType string) http.Header {
	h := http.Header{}
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	return h
}

const (
	aPartition = "1daae3f5-7fd6-42e9-b1ba-8c05f873994d"
	jsonType   = "application/json; charset=utf-8"
	textType   = "text/plain; charset=utf-8"
)

// newExchange returns a minimal request of an operation, with an empty response body.
func newExchange(operation, name string) exchange {
	x := exchange{
		name: name, operation: operation, validUnder: sortedProfiles, method: http.MethodGet,
		query: []parameter{{"api-version", "6.4"}}, status: http.StatusOK, contentType: jsonType,
	}
	switch operation {
	case "BackupPartition":
		x.method, x.path = http.MethodPost, "/Partitions/"+aPartition+"/$/Backup"
		x.status, x.contentType = http.StatusAccepted, ""
	case "GetPartitionBackupProgress":
		x.path = "/Partitions/" + aPartition + "/$/GetBackupProgress"
	case "GetPartitionBackupList":
		x.path = "/Partitions/" + aPartition + "/$/GetBackups"
	case "GetServiceBackupList":
		x.path = "/Services/CalcApp/CalcService/$/GetBackups"
	}
	return x
}

func (x exchange) withResponse(status int, contentType string, body []byte) exchange {
	x.status, x.contentType, x.body = status, contentType, body
	return x
}

// validExchanges returns the exchanges to mutate: the documentation's examples, responses of a 6.4 cluster,
// and generated ones, with each alternative in the schemas at least once.
func validExchanges(t testing.TB) []exchange {
	t.Helper()
	return append(append(exampleExchanges(t), errorExchanges()...), generatedExchanges(t)...)
}

// exampleExchanges returns the documented and the reconstructed examples.
func exampleExchanges(t testing.TB) []exchange {
	t.Helper()
	files, err := filepath.Glob("../testdata/documented/*.http")
	if err != nil || len(files) != 14 {
		t.Fatalf("%d transcripts, %v", len(files), err)
	}
	var all []exchange
	for _, file := range files {
		text := string(readFile(t, file))
		req, resp := readExchange(t, text)
		x := exchange{
			name: filepath.Base(file), validUnder: sortedProfiles, method: req.Method, path: req.URL.Path,
			requestType: req.Header.Get("Content-Type"), status: resp.StatusCode, contentType: resp.Header.Get("Content-Type"),
		}
		for pair := range strings.SplitSeq(req.URL.RawQuery, "&") {
			name, value, _ := strings.Cut(pair, "=")
			value, err := url.QueryUnescape(value)
			if err != nil {
				t.Fatal(err)
			}
			x.query = append(x.query, parameter{name, value})
		}
		x.requestBody, _ = io.ReadAll(req.Body)
		x.body, _ = io.ReadAll(resp.Body)
		for _, operation := range []string{"BackupPartition", "GetPartitionBackupProgress", "GetPartitionBackupList", "GetServiceBackupList"} {
			if strings.HasPrefix(x.name, kebab(operation)) {
				x.operation = operation
			}
		}
		all = append(all, x)
	}
	for name, file := range map[string]string{
		"GetPartitionBackupProgress": "progress_*", "GetPartitionBackupList": "list_*", "BackupPartition": "error_*",
	} {
		files, err := filepath.Glob("../testdata/reconstructed/" + file + ".json")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", file, err)
		}
		for _, file := range files {
			x := newExchange(name, filepath.Base(file)).withResponse(http.StatusOK, jsonType, readFile(t, file))
			if strings.HasPrefix(x.name, "error_") {
				x.status, x.contentType = http.StatusConflict, textType
			}
			if name != "GetPartitionBackupList" {
				x.validUnder = []string{"Runtime"}
			}
			all = append(all, x)
		}
	}
	return all
}

func readFile(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// kebab converts GetPartitionBackupList to get-partition-backup-list.
func kebab(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('-')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

// errorExchanges returns an exchange for each form of an error response.
func errorExchanges() []exchange {
	const fabricError = `{"Error":{"Code":"FABRIC_E_TIMEOUT","Message":"Timeout for the request happened"}}`
	documented := newExchange("GetPartitionBackupList", "error").withResponse(504, jsonType, []byte(fabricError))
	all := []exchange{documented}
	for name, response := range map[string]struct {
		status            int
		contentType, body string
	}{
		"error as text":           {504, textType, fabricError},
		"error with a number":     {500, textType, `{"Error":{"Code":2148734263,"Message":"Guid should contain 32 digits"}}`},
		"error with a number too": {500, jsonType, `{"Error":{"Code":-2147024809}}`},
		"error of Web API":        {500, jsonType, `{"Message":"An error has occurred."}`},
		"error as a page":         {503, "text/html", `<html><h1>Service Unavailable</h1></html>`},
		"error without a body":    {404, "", ""},
	} {
		x := documented.withResponse(response.status, response.contentType, []byte(response.body))
		x.name, x.validUnder = name, []string{"Runtime"}
		all = append(all, x)
	}
	// Every operation has error responses, and the status does not determine the body.
	for _, operation := range []string{"BackupPartition", "GetPartitionBackupProgress", "GetServiceBackupList"} {
		all = append(all, newExchange(operation, operation+" error").withResponse(400, jsonType, []byte(fabricError)))
	}
	return all
}

// generatedExchanges returns requests and responses with every alternative in the schemas.
func generatedExchanges(t testing.TB) []exchange {
	t.Helper()
	var all []exchange
	for _, profile := range sortedProfiles {
		o := newOracle(t, profiles[profile])
		add := func(x exchange) {
			x.name = profile + " " + x.name
			x.validUnder = []string{profile}
			all = append(all, x)
		}
		for i, body := range o.variants("#/components/schemas/BackupPartitionDescription") {
			x := newExchange("BackupPartition", fmt.Sprint("request ", i))
			x.requestType, x.requestBody = "application/json", body.json()
			add(x)
		}
		schemas := map[string]string{"GetPartitionBackupProgress": "BackupProgressInfo", "GetPartitionBackupList": "PagedBackupInfoList"}
		for operation, schema := range schemas {
			for i, body := range o.variants("#/components/schemas/" + schema) {
				add(newExchange(operation, fmt.Sprint(schema, " ", i)).withResponse(http.StatusOK, "application/json", body.json()))
			}
		}
		for i, body := range o.variants("#/components/schemas/FabricError") {
			add(newExchange("GetServiceBackupList", fmt.Sprint("FabricError ", i)).withResponse(404, "application/json", body.json()))
		}
		for _, x := range parameterExchanges(profile) {
			add(x)
		}
	}
	return all
}

// parameterExchanges returns requests with every parameter, at the limits of its values.
func parameterExchanges(profile string) []exchange {
	values := map[string][]string{
		"timeout": {"1", "2147483"}, "BackupTimeout": {"1", "35791"}, "MaxResults": {"0", "2147483647"},
		"Latest": {"true", "false", "True", "False"}, "ContinuationToken": {"a+b c#%&=é/'\""},
		"StartDateTimeFilter": {"2018-01-01T00:00:00Z", "2018-01-01T00:00:00.1234567+02:00"},
		"EndDateTimeFilter":   {"2018-12-31T23:59:59Z"},
	}
	if profile == "Documented" {
		values["ContinuationToken"] = append(values["ContinuationToken"], "")
		values["timeout"] = append(values["timeout"], "4294967295")
		values["BackupTimeout"] = append(values["BackupTimeout"], "0", "-1", "9223372036854775807", "9223372036854775808")
		values["MaxResults"] = append(values["MaxResults"], "9223372036854775807")
	}
	var all []exchange
	for operation, names := range map[string][]string{
		"BackupPartition":            {"timeout", "BackupTimeout"},
		"GetPartitionBackupProgress": {"timeout"},
		"GetPartitionBackupList":     {"timeout", "Latest", "StartDateTimeFilter", "EndDateTimeFilter", "ContinuationToken", "MaxResults"},
		"GetServiceBackupList":       {"timeout", "Latest", "StartDateTimeFilter", "EndDateTimeFilter", "ContinuationToken", "MaxResults"},
	} {
		x := newExchange(operation, operation+" with all parameters")
		if x.method == http.MethodGet {
			x.body = []byte("{}")
		}
		for _, name := range names {
			x.query = append(x.query, parameter{name, values[name][0]})
		}
		all = append(all, x)
		for _, name := range names {
			for _, value := range values[name][1:] {
				y := x
				y.name = fmt.Sprintf("%s with %s=%s", operation, name, value)
				y.query = []parameter{{"api-version", "6.4"}, {name, value}}
				all = append(all, y)
			}
		}
	}
	// The document allows these forms of a service id.
	for _, id := range []string{"A", "CalcApp~CalcService", "A/B/C/D", "Größe/Dienst 1", "a/$/b"} {
		x := newExchange("GetServiceBackupList", "the service "+id).withResponse(http.StatusOK, jsonType, []byte("{}"))
		x.path = "/Services/" + id + "/$/GetBackups"
		all = append(all, x)
	}
	return all
}
