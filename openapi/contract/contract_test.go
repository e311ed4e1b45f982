package contract_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
)

const (
	onPartition = "/Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/"
	progressOf  = "GET " + onPartition + "GetBackupProgress?api-version=6.4"
	listOf      = "GET " + onPartition + "GetBackups?api-version=6.4"
	accepted    = "202 Accepted\nContent-Length: 0\n\n"
	succeeded   = "200 OK\nContent-Type: application/json\n\n" + `{"BackupState":"Success"}`
	empty       = "200 OK\nContent-Type: application/json; charset=utf-8\n\n" + `{"Items":[]}`
)

// post returns a request that starts a backup.
func post(body string) string {
	return fmt.Sprintf("POST %sBackup?api-version=6.4 HTTP/1.1\nHost: h\nContent-Type: application/json\nContent-Length: %d\n\n%s", onPartition, len(body), body)
}

// withResponse appends a response to a request, or to the first line of one.
func withResponse(request, response string) string {
	if !strings.Contains(request, "\n") {
		request += " HTTP/1.1\nHost: h\n\n"
	}
	return request + "HTTP/1.1 " + response
}

// ok returns a response 200 with a JSON body.
func ok(body string) string { return "200 OK\nContent-Type: application/json\n\n" + body }

// lines returns the violations in an error, one line each.
func lines(err error) []string {
	var list []string
	for _, v := range contract.Violations(err) {
		list = append(list, v.Error())
	}
	return list
}

// Each rule is broken by an exchange. Every violation is reported once, and nothing else is reported.
func TestRules(t *testing.T) {
	t.Parallel()
	both := []string{"Documented", "Runtime"}
	validators := map[string]*contract.Validator{
		"Documented": newValidator(t, openapi.Documented), "Runtime": newValidator(t, openapi.Runtime),
	}
	for _, tt := range []struct {
		name     string
		profiles []string
		exchange string
		want     []string
	}{
		// The path and the method
		{"a service with slashes", both, withResponse("GET /Services/App/Sub/Svc/$/GetBackups?api-version=6.4", empty), nil},
		{"a service with tildes", both, withResponse("GET /Services/App~Sub~Svc/$/GetBackups?api-version=6.4", empty), nil},
		{"a service with an escaped slash", both, withResponse("GET /Services/App%2FSvc/$/GetBackups?api-version=6.4", empty), nil},
		{"an escaped dollar", both, withResponse("GET /Services/App/Svc/%24/GetBackups?api-version=6.4", empty), nil},
		{"under the path of a gateway", both, withResponse("GET /sf/cluster1/Services/App/Svc/$/GetBackups?api-version=6.4", empty), nil},
		{"an absolute URL", both, withResponse("GET http://h:19080/Services/App/Svc/$/GetBackups?api-version=6.4", empty), nil},
		{
			"another path", both, withResponse("GET /Nodes?api-version=6.4", "200 OK\n\n"),
			[]string{`unknown operation: request path: operation: expected the path of a documented operation, found "/Nodes"`},
		},
		{
			"a path without a service", both, withResponse("GET /Services/$/GetBackups?api-version=6.4", "200 OK\n\n"),
			[]string{`unknown operation: request path: operation: expected the path of a documented operation, found "/Services/$/GetBackups"`},
		},
		{
			"different capitalization", both, withResponse("GET /partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/getbackups?api-version=6.4", empty),
			[]string{"GetPartitionBackupList: request path: path-case: expected /Partitions/{partitionId}/$/GetBackups, found different capitalization"},
		},
		{
			"a trailing slash", both, withResponse("GET /Services/App/Svc/$/GetBackups/?api-version=6.4", empty),
			[]string{"GetServiceBackupList: request path: trailing-slash: expected /Services/{serviceId}/$/GetBackups, found a trailing slash"},
		},
		{
			"another method", both, withResponse("PUT "+onPartition+"Backup?api-version=6.4", accepted),
			[]string{`BackupPartition: request path: method: expected POST, found "PUT"`},
		},
		{
			"an empty segment in a service", both, withResponse("GET /Services/App//Svc/$/GetBackups?api-version=6.4", empty),
			[]string{`GetServiceBackupList: request path.serviceId: pattern: expected a string that matches ^[^/~]*[^/~:]([/~][^/~]+)*$, found "App//Svc"`},
		},
		{
			"an invalid partition id", both, withResponse("GET /Partitions/P0/$/GetBackups?api-version=6.4", empty),
			[]string{`GetPartitionBackupList: request path.partitionId: uuid: expected a UUID in canonical form, found "P0"`},
		},

		{
			"a service with its scheme", both, withResponse("GET /Services/fabric:/App/Svc/$/GetBackups?api-version=6.4", empty),
			[]string{`GetServiceBackupList: request path.serviceId: pattern: expected a string that matches ^[^/~]*[^/~:]([/~][^/~]+)*$, found "fabric:/App/Svc"`},
		},

		// Parameters
		{
			"a date that is encoded twice", both, withResponse(listOf+"&StartDateTimeFilter=2018-01-01T00%253A00%253A00Z", empty),
			[]string{`GetPartitionBackupList: request query.StartDateTimeFilter: date-time: expected an RFC 3339 date-time with a time zone, found "2018-01-01T00%3A00%3A00Z"; it was encoded twice`},
		},
		{
			"an empty token, which clusters reject",
			[]string{"Runtime"},
			withResponse(listOf+"&ContinuationToken=", empty),
			[]string{"GetPartitionBackupList: request query.ContinuationToken: bounds: expected at least 1 character, found a string of 0 bytes"},
		},
		{
			"no version",
			[]string{"Documented"},
			withResponse("GET "+onPartition+"GetBackups", empty),
			[]string{"GetPartitionBackupList: request query.api-version: api-version: expected 6.4, found none"},
		},
		{
			"another version",
			[]string{"Documented"},
			withResponse("GET "+onPartition+"GetBackups?api-version=6.5", empty),
			[]string{"GetPartitionBackupList: request query.api-version: api-version: expected 6.4, found \"6.5\""},
		},
		{
			"no version, which clusters reject",
			[]string{"Runtime"},
			withResponse("GET "+onPartition+"GetBackups", empty),
			[]string{"GetPartitionBackupList: request query.api-version: api-version: expected a number of at least 6.4, found none"},
		},
		{
			"a version that clusters compare as a number",
			[]string{"Runtime"},
			withResponse("GET "+onPartition+"GetBackups?api-version=6.10", empty),
			[]string{"GetPartitionBackupList: request query.api-version: api-version: expected a number of at least 6.4, found \"6.10\""},
		},
		{"a later version, which clusters accept", []string{"Runtime"}, withResponse("GET "+onPartition+"GetBackups?api-version=10.1", empty), nil},
		{"null for what is optional, which clusters accept", []string{"Runtime"}, withResponse(post(`{"BackupStorage":null}`), accepted), nil},
		{
			"null for optional strings, which clusters accept",
			[]string{"Runtime"},
			withResponse(post(`{"BackupStorage":{"StorageKind":"FileShare","Path":"p","FriendlyName":null,"PrimaryUserName":null,"PrimaryPassword":null,"SecondaryUserName":null,"SecondaryPassword":null}}`), accepted), nil,
		},
		{
			"null for what is optional",
			[]string{"Documented"},
			withResponse(post(`{"BackupStorage":null}`), accepted),
			[]string{"BackupPartition: request /BackupStorage: null: expected a value, found null"},
		},
		{
			"null for what is required",
			[]string{"Runtime"},
			withResponse(post(`{"BackupStorage":{"StorageKind":"FileShare","Path":null}}`), accepted),
			[]string{"BackupPartition: request /BackupStorage/Path: null: expected a value, found null"},
		},
		{
			"an empty connection string", both,
			withResponse(post(`{"BackupStorage":{"StorageKind":"AzureBlobStore","ContainerName":"c","ConnectionString":""}}`), accepted),
			[]string{"BackupPartition: request /BackupStorage/ConnectionString: bounds: expected at least 1 character, found a string of 0 bytes"},
		},
		{
			"a time that does not end in Z", both,
			withResponse(progressOf, ok(`{"TimeStampUtc":"2018-01-01T09:00:55+00:00"}`)),
			[]string{`GetPartitionBackupProgress: response /TimeStampUtc: pattern: expected a string that matches Z$, found "2018-01-01T09:00:55+00:00"`},
		},
		{
			"a + that arrives as a space", both, withResponse(listOf+"&EndDateTimeFilter=2018-01-01T00:00:00+02:00", empty),
			[]string{`GetPartitionBackupList: request query.EndDateTimeFilter: date-time: expected an RFC 3339 date-time with a time zone, found "2018-01-01T00:00:00 02:00"; a + in a query is a space: write it as %2B`},
		},
		{
			"an unknown parameter, one with different capitalization, one repeated", both, withResponse(listOf+"&PageSize=2&Timeout=5&Latest=true&Latest=False", empty),
			[]string{
				"GetPartitionBackupList: request query.Latest: repeated-parameter: expected one value, found 2",
				"GetPartitionBackupList: request query.PageSize: undocumented-parameter: expected no parameter with this name, found one",
				"GetPartitionBackupList: request query.Timeout: undocumented-parameter: expected the name timeout, found different capitalization",
			},
		},
		{
			"parameters with the wrong type", both, withResponse(listOf+"&MaxResults=two&Latest=1&StartDateTimeFilter=2018-01-01T00:00:00", empty),
			[]string{
				`GetPartitionBackupList: request query.Latest: type: expected true or false, found "1"`,
				`GetPartitionBackupList: request query.MaxResults: int64: expected an integer, found "two"`,
				"GetPartitionBackupList: request query.StartDateTimeFilter: date-time: expected an RFC 3339 date-time with a time zone, found \"2018-01-01T00:00:00\"",
			},
		},
		{
			"parameters out of bounds",
			[]string{"Documented"},
			withResponse(listOf+"&MaxResults=-1&timeout=0", empty),
			[]string{
				"GetPartitionBackupList: request query.MaxResults: bounds: expected at least 0, found the number -1",
				"GetPartitionBackupList: request query.timeout: bounds: expected at least 1 and at most 4294967295, found the number 0",
			},
		},
		{"parameters beyond int32, as the document allows", []string{"Documented"}, withResponse(listOf+"&MaxResults=2147483648&timeout=4294967295", empty), nil},
		{
			"parameters beyond int32, which clusters reject",
			[]string{"Runtime"},
			withResponse(listOf+"&MaxResults=2147483648&timeout=4294967295", empty),
			[]string{
				"GetPartitionBackupList: request query.MaxResults: int64: expected an int32, found the number 2147483648",
				"GetPartitionBackupList: request query.timeout: int64: expected an int32, found the number 4294967295",
			},
		},
		{
			"an invalid query", both, withResponse(listOf+"&a=%zz", empty),
			[]string{"GetPartitionBackupList: request query: undocumented-parameter: expected a URL-encoded query, found invalid encoding"},
		},

		// Request bodies
		{"no request body", both, withResponse("POST "+onPartition+"Backup?api-version=6.4", accepted), nil},
		{
			"a request body that is not documented", both,
			withResponse("GET "+onPartition+"GetBackups?api-version=6.4 HTTP/1.1\nHost: h\nContent-Length: 2\n\n{}", empty),
			[]string{"GetPartitionBackupList: request body: undocumented-body: expected no body, found 2 bytes"},
		},
		{
			"a request body without a content type", both,
			withResponse("POST "+onPartition+"Backup?api-version=6.4 HTTP/1.1\nHost: h\nContent-Length: 2\n\n{}", accepted),
			[]string{"BackupPartition: request header.Content-Type: content-type: expected application/json, found none"},
		},
		{
			"an unknown storage kind", both, withResponse(post(`{"BackupStorage":{"StorageKind":"Tape","Key":"s3cret"}}`), accepted),
			[]string{`BackupPartition: request /BackupStorage/StorageKind: discriminator: ` + expectedStorageKinds + `, found "Tape"`},
		},
		{
			"a storage without a kind", both, withResponse(post(`{"BackupStorage":{"Path":"s3cret"}}`), accepted),
			[]string{"BackupPartition: request /BackupStorage/StorageKind: required: expected the required property, found none"},
		},
		{
			"a storage with several violations", both,
			withResponse(post(`{"Storage":1,"BackupStorage":{"StorageKind":"AzureBlobStore","connectionString":"s3cret","ContainerName":"","FriendlyName":7}}`), accepted),
			[]string{
				"BackupPartition: request /BackupStorage/ConnectionString: required: expected the required property, found none",
				"BackupPartition: request /BackupStorage/ContainerName: bounds: expected at least 1 character, found a string of 0 bytes",
				"BackupPartition: request /BackupStorage/FriendlyName: type: expected a string, found a number",
				"BackupPartition: request /BackupStorage/connectionString: undocumented-property: expected no property with this name, found a string of 6 bytes; did you mean ConnectionString?",
				"BackupPartition: request /Storage: undocumented-property: expected no property with this name, found a number",
			},
		},
		{
			"a property that is not documented, but known to clusters",
			[]string{"Documented"},
			withResponse(post(`{"BackupStorage":{"StorageKind":"ManagedIdentityAzureBlobStore","ManagedIdentityType":"VMSS","ManagedIdentityClientId":"i","BlobServiceUri":"https://b","ContainerName":"n"}}`), accepted),
			[]string{"BackupPartition: request /BackupStorage/ManagedIdentityClientId: undocumented-property: expected no property with this name, found a string of 1 byte"},
		},
		{
			"an unknown value of an enumeration", both,
			withResponse(post(`{"BackupStorage":{"StorageKind":"ManagedIdentityAzureBlobStore","ManagedIdentityType":"AccountKey=s3cret==","BlobServiceUri":"https://b","ContainerName":"n"}}`), accepted),
			[]string{"BackupPartition: request /BackupStorage/ManagedIdentityType: enum: " + expectedIdentityTypes + ", found a string of 19 bytes"},
		},

		// Responses as a whole
		{
			"an undocumented status", both, withResponse(post("{}"), "200 OK\nContent-Length: 0\n\n"),
			[]string{"BackupPartition: response status: undocumented-status: expected 202 or an error status, found 200"},
		},
		{
			"a response body that is not documented", both, withResponse(post("{}"), "202 Accepted\nContent-Type: application/json\n\n{}"),
			[]string{"BackupPartition: response body: undocumented-body: expected no body, found 2 bytes"},
		},
		{
			"no response body", both, withResponse(progressOf, "200 OK\nContent-Length: 0\n\n"),
			[]string{"GetPartitionBackupProgress: response body: empty-body: expected a body, found none"},
		},
		{
			"an error without a body",
			[]string{"Documented"},
			withResponse(progressOf, "404 FABRIC_E_SERVICE_DOES_NOT_EXIST\nContent-Length: 0\n\n"),
			[]string{"GetPartitionBackupProgress: response body: empty-body: expected a body, found none"},
		},
		{"an error without a body, as clusters respond", []string{"Runtime"}, withResponse(progressOf, "404 FABRIC_E_SERVICE_DOES_NOT_EXIST\nContent-Length: 0\n\n"), nil},
		{
			"another content type", both, withResponse(progressOf, "200 OK\nContent-Type: text/html\n\n<html>"),
			[]string{`GetPartitionBackupProgress: response header.Content-Type: content-type: expected application/json, found "text/html"`},
		},
		{
			"no content type and an invalid body", both, withResponse(progressOf, "200 OK\n\n"+`{"BackupState":"Lost"}`),
			[]string{
				`GetPartitionBackupProgress: response /BackupState: enum: ` + expectedStates + `, found "Lost"`,
				"GetPartitionBackupProgress: response header.Content-Type: content-type: expected application/json, found none",
			},
		},
		{
			"an invalid content type", both, withResponse(progressOf, "200 OK\nContent-Type: ;;\n\n<html>"),
			[]string{`GetPartitionBackupProgress: response header.Content-Type: content-type: expected application/json, found ";;"`},
		},
		{
			"trailing data", both, withResponse(progressOf, ok(`{"BackupState":"Success"} {}`)),
			[]string{"GetPartitionBackupProgress: response body: trailing-bytes: expected the end of the body after byte 25, found more data"},
		},
		{
			"truncated JSON", both, withResponse(progressOf, ok(`{"BackupState":"Succ`)),
			[]string{"GetPartitionBackupProgress: response body: json: expected valid JSON, found the end of the body after byte 20"},
		},
		{
			"duplicate keys", both, withResponse(listOf, ok(`{"Items":[{"BackupType":"Full","BackupType":"Full"}],"Items":[{"BackupType":"Full"}]}`)),
			[]string{
				"GetPartitionBackupList: response /Items/0/BackupType: duplicate-key: expected the key once, found a duplicate",
				"GetPartitionBackupList: response /Items: duplicate-key: expected the key once, found a duplicate",
			},
		},

		// Values in responses
		{
			"null",
			[]string{"Documented"},
			withResponse(progressOf, ok(`null`)),
			[]string{"GetPartitionBackupProgress: response body: null: expected a value, found null"},
		},
		{"null, as clusters respond", []string{"Runtime"}, withResponse(progressOf, ok(`null`)), nil},
		{
			"a progress of a 6.4 cluster",
			[]string{"Documented"},
			withResponse(progressOf, ok(`{"BackupState":"Accepted","TimeStampUtc":"0001-01-01T00:00:00Z","BackupId":"00000000-0000-0000-0000-000000000000","BackupLocation":null,"EpochOfLastBackupRecord":null,"LsnOfLastBackupRecord":0,"FailureError":null}`)),
			[]string{
				"GetPartitionBackupProgress: response /BackupLocation: null: expected a value, found null",
				"GetPartitionBackupProgress: response /EpochOfLastBackupRecord: null: expected a value, found null",
				"GetPartitionBackupProgress: response /LsnOfLastBackupRecord: type: expected a string, found the number 0",
			},
		},
		{
			"formats", both,
			withResponse(listOf, ok(`{"Items":[{"BackupId":"{3a056ac9-7206-43c3-8424-6f6103003eba}","CreationTimeUtc":"2018-02-30T00:00:00Z","LsnOfLastBackupRecord":"9223372036854775808",
				"EpochOfLastBackupRecord":{"DataLossVersion":"1e3"},"PartitionInformation":{"ServicePartitionKind":"Int64Range","LowKey":5}}]}`)),
			[]string{
				`GetPartitionBackupList: response /Items/0/BackupId: uuid: expected a UUID in canonical form, found "{3a056ac9-7206-43c3-8424-6f6103003eba}"`,
				`GetPartitionBackupList: response /Items/0/CreationTimeUtc: date-time: expected an RFC 3339 date-time with a time zone, found "2018-02-30T00:00:00Z"`,
				`GetPartitionBackupList: response /Items/0/EpochOfLastBackupRecord/DataLossVersion: int64: expected an int64, found "1e3"`,
				`GetPartitionBackupList: response /Items/0/LsnOfLastBackupRecord: int64: expected an int64, found "9223372036854775808"`,
				"GetPartitionBackupList: response /Items/0/PartitionInformation/LowKey: type: expected a string, found the number 5",
			},
		},
		{
			"a number out of range",
			[]string{"Runtime"},
			withResponse(progressOf, ok(`{"LsnOfLastBackupRecord":9223372036854775808}`)),
			[]string{"GetPartitionBackupProgress: response /LsnOfLastBackupRecord: int64: expected an int64, found the number 9223372036854775808"},
		},
		{
			"neither a number nor a string",
			[]string{"Runtime"},
			withResponse(progressOf, ok(`{"LsnOfLastBackupRecord":{}}`)),
			[]string{"GetPartitionBackupProgress: response /LsnOfLastBackupRecord: one-of: expected a value that matches one of 2 schemas, found an object"},
		},
		{
			"partition kinds", both,
			withResponse(listOf, ok(`{"Items":[{"PartitionInformation":{"ServicePartitionKind":"Ring"}},{"PartitionInformation":{}},{"PartitionInformation":{"ServicePartitionKind":7}},{"PartitionInformation":"P0"},{"PartitionInformation":{"ServicePartitionKind":"Named","LowKey":"1"}}]}`)),
			[]string{
				`GetPartitionBackupList: response /Items/0/PartitionInformation/ServicePartitionKind: discriminator: ` + expectedPartitionKinds + `, found "Ring" … and 1 more like it (/Items/2/PartitionInformation/ServicePartitionKind)`,
				"GetPartitionBackupList: response /Items/1/PartitionInformation/ServicePartitionKind: required: expected the required property, found none",
				"GetPartitionBackupList: response /Items/3/PartitionInformation: type: expected an object, found \"P0\"",
				"GetPartitionBackupList: response /Items/4/PartitionInformation/LowKey: undocumented-property: expected no property with this name, found a string of 1 byte",
			},
		},
		{
			"an error of the backup service",
			[]string{"Documented"},
			withResponse(progressOf, "404 Not Found\nContent-Type: text/plain; charset=utf-8\n\n"+`{"Error":{"Code":"FABRIC_E_PARTITION_NOT_FOUND","Message":"m"}}`),
			[]string{`GetPartitionBackupProgress: response header.Content-Type: content-type: expected application/json, found "text/plain; charset=utf-8"`},
		},
		{
			"an error with a numeric code, as clusters respond",
			[]string{"Runtime"},
			withResponse(progressOf, "404 Not Found\nContent-Type: text/plain; charset=utf-8\n\n"+`{"Error":{"Code":2148734263,"Message":"m"}}`), nil,
		},
		{"an error of Web API", []string{"Runtime"}, withResponse(progressOf, "500 Internal Server Error\nContent-Type: application/json\n\n"+`{"Message":"An error has occurred."}`), nil},
		{
			"the error of a handler in Go",
			[]string{"Runtime"},
			withResponse(progressOf, "404 Not Found\nContent-Type: text/plain; charset=utf-8\n\n404 page not found\n"),
			[]string{"GetPartitionBackupProgress: response body: json: expected JSON, found other text"},
		},
		{
			"an error of another form",
			[]string{"Runtime"},
			withResponse(progressOf, "404 Not Found\nContent-Type: application/json\n\n"+`{"error":{}}`),
			[]string{"GetPartitionBackupProgress: response body: one-of: expected a value that matches one of FabricError, WebAPIError, found an object"},
		},
		{"an error as HTML", []string{"Runtime"}, withResponse(progressOf, "503 Service Unavailable\nContent-Type: text/html\n\n<html>"), nil},
		{
			"an error without a code",
			[]string{"Documented"},
			withResponse(progressOf, "404 Not Found\nContent-Type: application/json\n\n"+`{"Error":{"Message":"m"},"Time":1}`),
			[]string{
				"GetPartitionBackupProgress: response /Error/Code: required: expected the required property, found none",
				"GetPartitionBackupProgress: response /Time: undocumented-property: expected no property with this name, found the number 1",
			},
		},
	} {
		for _, profile := range tt.profiles {
			t.Run(tt.name+"/"+profile, func(t *testing.T) {
				t.Parallel()
				req, resp := readExchange(t, tt.exchange)
				v := validators[profile]
				got := lines(v.CheckRequest(req))
				if len(got) == 0 || !strings.Contains(got[0], "operation") && !strings.Contains(got[0], ": method: ") {
					got = append(got, lines(v.CheckResponse(req, resp))...)
				}
				slices.Sort(got)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				for _, line := range got {
					if strings.Contains(line, "s3cret") || strings.Contains(line, "\n") {
						t.Errorf("a secret or a line break in %q", line)
					}
				}
			})
		}
	}
}

// Each rule can be disabled.
func TestWithout(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Documented)
	exchange := withResponse(listOf+"&PageSize=2", ok(`{"Count":1,"Items":[{"BackupId":"?"}]}`))
	count := func(v *contract.Validator) int {
		req, resp := readExchange(t, exchange)
		return len(lines(v.CheckRequest(req))) + len(lines(v.CheckResponse(req, resp)))
	}
	if got := count(v); got != 3 {
		t.Errorf("%d violations", got)
	}
	if got := count(v.Without(contract.RuleParameter, contract.RuleProperty)); got != 1 {
		t.Errorf("%d violations without two rules", got)
	}
	if got := count(v.Without(contract.RuleParameter).Without(contract.RuleProperty, contract.RuleUUID)); got != 0 {
		// The schema has a pattern beside the format. Its violation is not reported either.
		t.Errorf("%d violations without three rules", got)
	}
	if got := count(v); got != 3 {
		t.Errorf("%d violations afterwards", got)
	}
}

func TestNewRejectsInvalidDocuments(t *testing.T) {
	t.Parallel()
	for _, document := range []string{"", "{", "openapi: 3.0.3", "openapi: 3.0.3\ninfo: {title: t, version: '1'}\npaths: {/a: {get: {responses: {'200': {description: d}}}}}"} {
		if _, err := contract.New([]byte(document)); err == nil || !strings.HasPrefix(err.Error(), "contract: ") {
			t.Errorf("%q: got %v", document, err)
		}
	}
}

// A document of another API may have array bounds, and no response for all errors.
func TestOtherDocument(t *testing.T) {
	t.Parallel()
	v := newValidator(t, []byte(`{"openapi":"3.0.3","info":{"title":"t","version":"1"},"paths":{"/a":{"get":{"operationId":"GetA","responses":{
		"200":{"description":"d","content":{"application/json":{"schema":{"type":"array","minItems":2,"maxItems":3,"items":{"type":"integer"}}}}},
		"204":{"description":"d"}}}}}}`))
	for response, want := range map[string]string{
		ok("[1]"):                  "GetA: response body: bounds: expected at least 2 items and at most 3 items, found an array of 1 item",
		ok("[1,2.0]"):              "GetA: response /1: int64: expected an integer, found the number 2.0",
		"404 Not Found\n\n":        "GetA: response status: undocumented-status: expected 200 or 204, found 404",
		ok("[1,2,3]"):              "",
		"204 No Content\nX: 1\n\n": "",
	} {
		req, resp := readExchange(t, withResponse("GET /a", response))
		if got := strings.Join(lines(v.CheckResponse(req, resp)), "\n"); got != want {
			t.Errorf("%q: got %s", response, got)
		}
	}
}

// A request of a client without a method is a GET.
func TestRequestWithoutMethod(t *testing.T) {
	t.Parallel()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://h"+progressURL, nil)
	req.Method = ""
	if err := newValidator(t, openapi.Runtime).CheckRequest(req); err != nil {
		t.Error(err)
	}
}

func TestAcceptsAnyEncoding(t *testing.T) {
	t.Parallel()
	req, resp := readExchange(t, withResponse(listOf, ok("")))
	req.Header.Set("Accept-Encoding", "*")
	resp.Header.Set("Content-Encoding", "gzip")
	resp.Body = io.NopCloser(bytes.NewReader(gzipped("{}")))
	if err := newValidator(t, openapi.Runtime).CheckResponse(req, resp); err != nil {
		t.Error(err)
	}
}

// Duplicate properties are found at their place, whatever the kind of the union is.
func TestDuplicatesBesideAnInvalidKind(t *testing.T) {
	t.Parallel()
	err := checkBody(t, newValidator(t, openapi.Runtime), `{"Items":[{"PartitionInformation":{"ServicePartitionKind":{"a":1,"a":1},"Id":1,"Id":2}}]}`)
	var got []string
	for _, v := range contract.Violations(err) {
		got = append(got, v.Location+" "+string(v.Rule))
	}
	const in = "/Items/0/PartitionInformation"
	if want := []string{in + "/Id duplicate-key", in + "/ServicePartitionKind discriminator", in + "/ServicePartitionKind/a duplicate-key"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
