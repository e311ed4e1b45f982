package contract_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

const progressPath = "/Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/GetBackupProgress?api-version=6.4"

var partition = uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")

func mustNew(document []byte) *contract.Validator {
	validator, err := contract.New(document)
	if err != nil {
		panic(err)
	}
	return validator
}

// getRequest returns a request as a server receives it.
func getRequest(target string) *http.Request {
	return httptest.NewRequestWithContext(context.Background(), http.MethodGet, target, nil)
}

// A cluster responds with null if no backup of the partition was requested. The documentation does not
// mention that; openapi.Runtime describes it.
func ExampleNew() {
	for _, document := range [][]byte{openapi.Documented, openapi.Runtime} {
		validator, err := contract.New(document)
		if err != nil {
			panic(err)
		}
		resp := &http.Response{
			StatusCode: http.StatusOK,
			Header:     http.Header{"Content-Type": {"application/json"}},
			Body:       io.NopCloser(strings.NewReader("null")),
		}
		fmt.Println(validator.CheckResponse(getRequest(progressPath), resp))
	}
	// Output:
	// GetPartitionBackupProgress: response body: null: expected a value, found null
	// <nil>
}

// CheckRequest is for programs that build requests without a client.
func ExampleValidator_CheckRequest() {
	validator := mustNew(openapi.Documented)
	const target = "http://localhost:19080/Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/Backup?timeout=60s"
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, target, strings.NewReader(
		`{"BackupStorage":{"StorageKind":"FileShare","path":"\\\\server\\share"}}`))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	fmt.Println(validator.CheckRequest(req))
	// Output:
	// BackupPartition: request /BackupStorage/Path: required: expected the required property, found none
	// BackupPartition: request /BackupStorage/path: undocumented-property: expected no property with this name, found a string of 14 bytes; did you mean Path?
	// BackupPartition: request query.api-version: api-version: expected 6.4, found none
	// BackupPartition: request query.timeout: int64: expected an integer, found "60s"
}

// CheckResponse is for a response and its request, for example in a middleware.
func ExampleValidator_CheckResponse() {
	validator := mustNew(openapi.Documented)
	resp := &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(strings.NewReader(`{"TimeStampUtc":"2018-01-01","LsnOfLastBackupRecord":3552}`)),
	}
	fmt.Println(validator.CheckResponse(getRequest(progressPath), resp))
	body, err := io.ReadAll(resp.Body) // the body can still be read
	fmt.Println(len(body), err)
	// Output:
	// GetPartitionBackupProgress: response /LsnOfLastBackupRecord: type: expected a string, found the number 3552
	// GetPartitionBackupProgress: response /TimeStampUtc: date-time: expected an RFC 3339 date-time with a time zone, found "2018-01-01"
	// 58 <nil>
}

// Transport is for clients outside tests, for example to log the deviations of a new cluster version. It does
// not affect the client.
func ExampleValidator_Transport() {
	validator := mustNew(openapi.Documented)
	cluster := sfbackuptest.NewCluster() // with a real cluster, pass nil to Transport
	client, err := sfbackup.NewClient("http://localhost:19080", sfbackup.WithHTTPClient(&http.Client{
		Transport: validator.Transport(cluster.Transport(), func(_ *http.Request, err error) { fmt.Println("violation:", err) }),
	}))
	if err != nil {
		panic(err)
	}
	_, err = client.BackupProgress(context.Background(), partition)
	fmt.Println("no backup:", errors.Is(err, sfbackup.ErrNoBackup))
	// Output:
	// violation: GetPartitionBackupProgress: response body: null: expected a value, found null
	// no backup: true
}

// Handler is for servers: it checks whether a fake conforms to the document, whichever client calls it.
func ExampleValidator_Handler() {
	validator := mustNew(openapi.Documented)
	fake := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"BackupState":"Success"}`) // without a content type
	})
	handler := validator.Handler(fake, func(_ *http.Request, err error) { fmt.Println(err) })
	handler.ServeHTTP(httptest.NewRecorder(), getRequest(progressPath))
	// Output:
	// GetPartitionBackupProgress: response header.Content-Type: content-type: expected application/json, found "text/plain; charset=utf-8"
}

// ForTest is for tests of a client. It fails the test if the client sends or receives anything that the
// document does not allow.
func ExampleForTest() {
	testProgress := func(t testing.TB) { // in a test file: func TestProgress(t *testing.T)
		validator, err := contract.New(openapi.Documented)
		if err != nil {
			t.Fatal(err)
		}
		cluster := sfbackuptest.NewCluster() // responds as a 6.4 cluster, not as documented
		client, err := sfbackup.NewClient("http://localhost:19080", sfbackup.WithHTTPClient(&http.Client{
			Transport: contract.ForTest(t, validator, cluster.Transport()),
		}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.BackupProgress(context.Background(), partition); !errors.Is(err, sfbackup.ErrNoBackup) {
			t.Error(err)
		}
	}
	testProgress(printingTB{})
	// Output:
	// example_test.go:LINE: GET /Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/GetBackupProgress?api-version=6.4, status 200:
	// 	exchange 1: GetPartitionBackupProgress: response body: null: expected a value, found null
}

// ForTestHandler is for tests with a fake server. With Strict it also finds what the fake forgets, although it is
// optional in the document.
func ExampleForTestHandler() {
	testFake := func(t testing.TB) { // in a test file: func TestFake(t *testing.T)
		validator, err := contract.New(openapi.Runtime)
		if err != nil {
			t.Fatal(err)
		}
		fake := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"BackupState":"Accepted","TimeStampUtc":"0001-01-01T00:00:00Z","BackupId":"00000000-0000-0000-0000-000000000000",
				"BackupLocation":null,"EpochOfLastBackupRecord":null,"FailureError":null}`)
		})
		handler := contract.ForTestHandler(t, validator.Strict(), fake)
		handler.ServeHTTP(httptest.NewRecorder(), getRequest(progressPath))
	}
	testFake(printingTB{})
	// Output:
	// example_test.go:LINE: GET /Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/GetBackupProgress?api-version=6.4, status 200:
	// 	exchange 1: GetPartitionBackupProgress: response /LsnOfLastBackupRecord: required: expected the property, which every known server sends, found none
}

// Allow is for deviations that are known. Unused tells which of them are no longer needed.
func ExampleValidator_Allow() {
	validator := mustNew(openapi.Documented).
		Allow("GetPartitionBackupProgress", "/LsnOfLastBackupRecord", contract.RuleType).
		Allow("GetPartitionBackupList", "/Items/*/ServiceManifestVersion", contract.RuleNull)
	resp := &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(strings.NewReader(`{"BackupState":"Success","LsnOfLastBackupRecord":3552}`)),
	}
	fmt.Println(validator.CheckResponse(getRequest(progressPath), resp))
	fmt.Println(validator.Unused())
	// Output:
	// <nil>
	// [GetPartitionBackupList /Items/*/ServiceManifestVersion null]
}

// printingTB prints the failures of a test.
type printingTB struct{ testing.TB }

func (printingTB) Helper()        {}
func (printingTB) Cleanup(func()) {}
func (printingTB) Errorf(format string, args ...any) {
	fmt.Println(lineNumber.ReplaceAllString(fmt.Sprintf(format, args...), "_test.go:LINE"))
}

// A client for clusters of another version sends another api-version. Without disables the rule for it.
func ExampleValidator_Without() {
	validator := mustNew(openapi.Documented)
	req := getRequest(strings.ReplaceAll(progressPath, "6.4", "6.2-preview"))
	fmt.Println(validator.CheckRequest(req))
	fmt.Println(validator.Without(contract.RuleAPIVersion).CheckRequest(req))
	// Output:
	// GetPartitionBackupProgress: request query.api-version: api-version: expected 6.4, found "6.2-preview"
	// <nil>
}

// Recording is for traffic that a browser or a proxy saved as a HAR file.
func ExampleValidator_Recording() {
	validator := mustNew(openapi.Documented)
	const har = `{"log": {"version": "1.2", "entries": [{
		"request": {
			"method": "GET",
			"url": "http://localhost:19080/Services/CalcApp/CalcService/$/GetBackups?api-version=6.4&PageSize=10",
			"headers": []
		},
		"response": {
			"status": 200,
			"headers": [{"name": "Content-Type", "value": "application/json"}],
			"content": {"mimeType": "application/json", "text": "{\"Items\":[],\"ContinuationToken\":null}"}
		}
	}]}}`
	fmt.Println(validator.Recording(strings.NewReader(har)))
	// Output:
	// exchange 1: GetServiceBackupList: request query.PageSize: undocumented-parameter: expected no parameter with this name, found one
	// exchange 1: GetServiceBackupList: response /ContinuationToken: null: expected a value, found null
}

// Coverage tells, for example at the end of a test run, which operations were never called.
func ExampleValidator_Coverage() {
	validator := mustNew(openapi.Documented)
	if err := validator.CheckRequest(getRequest(progressPath)); err != nil {
		panic(err)
	}
	for _, item := range validator.Coverage().Missing() {
		if item.Kind == contract.CoverageOperation && strings.HasSuffix(item.Name, "List") {
			fmt.Println(item.Name)
		}
	}
	// Output:
	// GetPartitionBackupList
	// GetServiceBackupList
}

// Violations returns the fields of each violation, for example to ignore those of requests.
func ExampleViolations() {
	validator := mustNew(openapi.Documented)
	report := func(_ *http.Request, err error) {
		for _, v := range contract.Violations(err) {
			if v.Where == contract.InResponse {
				fmt.Printf("%s at %q\n", v.Rule, v.Location)
			}
		}
	}
	fake := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"BackupState":"Success","Duration":5}`)
	})
	req := getRequest(progressPath + "&verbose=true")
	validator.Handler(fake, report).ServeHTTP(httptest.NewRecorder(), req)
	// Output:
	// undocumented-property at "/Duration"
}
