package contract_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
)

// An allowance fits an operation, a location and a rule, and nothing else. Those that were not needed are listed.
func TestAllow(t *testing.T) {
	t.Parallel()
	const body = `{"Items":[{"BackupId":"x","A/B":1},{"BackupId":"y"},{"BackupId":7}],"X":1}`
	const all = "/Items/0/A~1B undocumented-property, /Items/0/BackupId uuid, /Items/2/BackupId type, /X undocumented-property, query.Y undocumented-parameter"
	base := newValidator(t, openapi.Runtime)
	list := func(v *contract.Validator) string {
		req, resp := readExchange(t, withResponse(listOf+"&Y=1", ok(body)))
		var found []string
		for _, v := range append(contract.Violations(v.CheckRequest(req)), contract.Violations(v.CheckResponse(req, resp))...) {
			found = append(found, v.Location+" "+string(v.Rule))
		}
		slices.Sort(found)
		return strings.Join(found, ", ")
	}
	if got := list(base); got != all {
		t.Fatalf("without an allowance: %s", got)
	}
	for _, tt := range []struct {
		operation, location string
		rule                contract.Rule
		hides               string // "": the allowance does not fit
	}{
		{"GetPartitionBackupList", "/Items/*/BackupId", contract.RuleUUID, "/Items/0/BackupId uuid, "},
		{"GetPartitionBackupList", "/Items/2/BackupId", contract.RuleType, "/Items/2/BackupId type, "},
		{"*", "/Items/*/A~1B", contract.RuleProperty, "/Items/0/A~1B undocumented-property, "},
		{"*", "/*", contract.RuleProperty, "/X undocumented-property, "},
		{"GetPartitionBackupList", "query.Y", contract.RuleParameter, ", query.Y undocumented-parameter"},
		{"GetPartitionBackupList", "query.*", contract.RuleParameter, ", query.Y undocumented-parameter"},
		{"GetServiceBackupList", "/Items/*/BackupId", contract.RuleUUID, ""},
		{"GetPartitionBackupList", "/Items/*/BackupId", contract.RuleNull, ""},
		{"GetPartitionBackupList", "/Items/*", contract.RuleUUID, ""},
		{"GetPartitionBackupList", "/Items/1/A~1B", contract.RuleProperty, ""},
		{"GetPartitionBackupList", "", contract.RuleProperty, ""},
		{"GetPartitionBackupList", "path.Y", contract.RuleParameter, ""},
	} {
		allowing := base.Allow(tt.operation, tt.location, tt.rule)
		if got, want := list(allowing), strings.Replace(all, tt.hides, "", 1); got != want {
			t.Errorf("%+v: got %s", tt, got)
		}
		if unused := allowing.Unused(); len(unused) != map[bool]int{true: 1}[tt.hides == ""] {
			t.Errorf("%+v: unused: %q", tt, unused)
		}
	}
	if got := list(base); got != all || base.Unused() != nil {
		t.Errorf("afterwards: %s", got)
	}
	// Other allowances are kept.
	two := base.Allow("*", "/X", contract.RuleProperty).Without(contract.RuleUUID, contract.RuleType).Allow("*", "/Items/*/*", contract.RuleProperty).Strict()
	if got := list(two.Without(contract.RuleRequired)); got != "query.Y undocumented-parameter" {
		t.Errorf("two allowances: %s", got)
	}
}

// The lines of a list are allowances. Those that were not needed are returned as lines.
func TestAllowFrom(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Documented)
	const list = "# known\n\nGetPartitionBackupProgress body null # no backup\n \t*   /Items/*/X undocumented-property\r\nGetServiceBackupList status undocumented-status"
	allowing, err := v.AllowFrom(strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	req, resp := readExchange(t, withResponse(progressOf, ok("null")))
	if err := allowing.CheckResponse(req, resp); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"* /Items/*/X undocumented-property", "GetServiceBackupList status undocumented-status"}, allowing.Unused()); diff != "" {
		t.Error(diff)
	}
	for list, want := range map[string]string{
		"\nGetBackups body null":                    `contract: line 2: the document has no operation "GetBackups"`,
		"GetPartitionBackupList body nul":           `contract: line 1: there is no rule "nul"`,
		"GetPartitionBackupList null":               "contract: line 1: expected an operation, a location and a rule, found 2 words",
		"GetPartitionBackupList body null null # x": "contract: line 1: expected an operation, a location and a rule, found 4 words",
	} {
		if _, err := v.AllowFrom(strings.NewReader(list)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v", list, err)
		}
	}
	if _, err := v.AllowFrom(errReader{io.ErrUnexpectedEOF}); err == nil {
		t.Error("no error of the reader")
	}
}

// Rules returns every constant.
func TestRulesAreComplete(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "violation.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var constants []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Names) == 1 && strings.HasPrefix(spec.Names[0].Name, "Rule") {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Error(err)
			}
			constants = append(constants, value)
		}
		return true
	})
	var got []string
	for _, r := range contract.Rules() {
		got = append(got, string(r))
	}
	if diff := cmp.Diff(constants, got); diff != "" || len(got) < 25 {
		t.Errorf("%d rules:\n%s", len(got), diff)
	}
}

// A test names its line, the number of the exchange and the query without values that may be secrets.
func TestForTestNames(t *testing.T) {
	t.Parallel()
	tb := &recordingTB{TB: t}
	v := newValidator(t, openapi.Runtime).Allow("*", "/X", contract.RuleProperty)
	transport := contract.ForTest(tb, v, roundTripper(func(req *http.Request) (*http.Response, error) {
		_, resp := readExchange(t, withResponse(progressOf, ok(`{"X":1}`)))
		resp.Request = req
		return resp, nil
	}))
	send := func(query string, read bool) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://h"+progressURL+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if read {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}
	send("", true)
	send("&timeout=5&sig=s3cret&a%62c", true)
	send("&Unread=1", false)
	for _, f := range tb.cleanups {
		f()
	}
	target := "allow_test.go:LINE: GET " + progressURL
	want := []string{
		target + "&timeout=5&sig=…&a%62c=…, status 200:\n\t" +
			"exchange 2: GetPartitionBackupProgress: request query.abc: undocumented-parameter: expected no parameter with this name, found one\n\t" +
			"exchange 2: GetPartitionBackupProgress: request query.sig: undocumented-parameter: expected no parameter with this name, found one",
		target + "&Unread=…, whose response body was neither read to its end nor closed and is not checked:\n\t" +
			"exchange 3: GetPartitionBackupProgress: request query.Unread: undocumented-parameter: expected no parameter with this name, found one",
	}
	if diff := cmp.Diff(want, tb.errors); diff != "" {
		t.Error(diff)
	}
}

// ForTestHandler names the line where it was called if the server has its own goroutine.
func TestForTestHandler(t *testing.T) {
	t.Parallel()
	tb := &recordingTB{TB: t}
	fake := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"BackupState":"Success","Duration":5}`) //nolint:errcheck // a test
	})
	handler := contract.ForTestHandler(tb, newValidator(t, openapi.Runtime).Allow("*", "/Y", contract.RuleProperty), fake)
	server := httptest.NewServer(handler)
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+progressURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	server.Close() // waits for the handler
	handler.ServeHTTP(httptest.NewRecorder(), getRequest(progressPath+"&x=1"))
	want := []string{
		"allow_test.go:LINE: GET " + progressURL + ", status 200:\n\t" +
			"exchange 1: GetPartitionBackupProgress: response /Duration: undocumented-property: expected no property with this name, found the number 5",
		"allow_test.go:LINE: GET " + progressURL + "&x=…, status 200:\n\t" +
			"exchange 2: GetPartitionBackupProgress: request query.x: undocumented-parameter: expected no parameter with this name, found one\n\t" +
			"exchange 2: GetPartitionBackupProgress: response /Duration: undocumented-property: expected no property with this name, found the number 5",
	}
	if diff := cmp.Diff(want, tb.errors); diff != "" {
		t.Error(diff)
	}
}

// The cost of a violation does not depend on allowances of other places.
func TestAllowancesOfOtherPlacesCostNothing(t *testing.T) { //nolint:paralleltest // it counts allocations
	v := newValidator(t, openapi.Runtime)
	body := `{"X":` + strings.Repeat("[", 100) + `{"a":1` + strings.Repeat(`,"a":1`, 1000) + `}` + strings.Repeat("]", 100) + `}`
	req, resp := readExchange(t, withResponse(progressOf, ok(body)))
	allocs := func(v *contract.Validator) float64 {
		return testing.AllocsPerRun(5, func() {
			resp.Body = io.NopCloser(strings.NewReader(body))
			_ = v.CheckResponse(req, resp)
		})
	}
	plain, allowing := allocs(v), allocs(v.Allow("*", "", contract.RuleDuplicate).Allow("*", "query.x", contract.RuleDuplicate))
	if allowing > plain+100 {
		t.Errorf("%.0f allocations instead of %.0f", allowing, plain)
	}
}

// What Unused returns can be read by AllowFrom.
func TestUnusedCanBeAllowed(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Runtime)
	want := v.Allow("*", "/a b", contract.RuleProperty).Allow("*", "/#c", contract.RuleProperty).Unused()
	read, err := v.AllowFrom(strings.NewReader(strings.Join(want, "\n") + " # known\n#all"))
	if err != nil {
		t.Fatal(err)
	}
	if got := read.Unused(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
