package contract_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
)

// A recordedAnswer is an answer of the backup service itself to a request.
type recordedAnswer struct {
	method, target string
	Status         int
	Type, Body     string
}

func (a recordedAnswer) request(t *testing.T) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), a.method, "http://h"+a.target, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func (a recordedAnswer) response() *http.Response {
	return &http.Response{StatusCode: a.Status, Header: header(a.Type), Body: io.NopCloser(strings.NewReader(a.Body))}
}

// recordedAnswers returns all answers that were recorded.
func recordedAnswers(t *testing.T) (all []recordedAnswer) {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(readFile(t, "../../wrapper/sfbackuptest/testdata/recorded.json.gz")))
	if err != nil {
		t.Fatal(err)
	}
	var recorded struct {
		Walks []struct {
			Path    string
			Answers []recordedAnswer
		}
		Requests []struct {
			Method, Path string
			Answer       recordedAnswer
		}
	}
	if err := json.NewDecoder(plain).Decode(&recorded); err != nil {
		t.Fatal(err)
	}
	for _, w := range recorded.Walks {
		for _, a := range w.Answers {
			a.method, a.target = http.MethodGet, w.Path
			all = append(all, a)
		}
	}
	for _, r := range recorded.Requests {
		r.Answer.method, r.Answer.target = r.Method, r.Path
		all = append(all, r.Answer)
	}
	if len(all) < 2700 {
		t.Fatalf("%d answers", len(all))
	}
	return all
}

// The answers of the 6.4 service are valid under Runtime, also if the properties are required that every server sends.
// Where they are invalid under Documented, the file lists it, like the overlay. It lists nothing else.
func TestRecordedAnswers(t *testing.T) {
	t.Parallel()
	list := bytes.NewReader(readFile(t, "testdata/deviations.allow"))
	documented, err := newValidator(t, openapi.Documented).Strict().AllowFrom(list)
	if err != nil {
		t.Fatal(err)
	}
	runtime := newValidator(t, openapi.Runtime).Strict()
	checked := map[int]int{}
	for _, a := range recordedAnswers(t) {
		req := a.request(t)
		if slices.ContainsFunc(contract.Violations(runtime.CheckRequest(req)), func(v *contract.Violation) bool {
			return v.Rule == contract.RuleOperation
		}) {
			continue // such as a partition without an id
		}
		checked[a.Status]++
		if err := runtime.CheckResponse(req, a.response()); err != nil {
			t.Errorf("%s %s, Runtime: %v", a.method, a.target, err)
		}
		if err := documented.CheckResponse(req, a.response()); err != nil {
			t.Errorf("%s %s, Documented: %v", a.method, a.target, err)
		}
	}
	for _, unused := range documented.Unused() {
		t.Errorf("testdata/deviations.allow: no recorded answer needs %s", unused)
	}
	t.Logf("answers by status: %v", checked)
	for status, least := range map[int]int{200: 2000, 202: 40, 400: 100, 404: 20, 409: 20, 500: 20} {
		if checked[status] < least {
			t.Errorf("%d answers with status %d, want %d at least", checked[status], status, least)
		}
	}
}

// The document says of no property that it is always sent unless all recorded answers and all examples have it, and it
// forgets none.
func TestAlwaysSent(t *testing.T) {
	t.Parallel()
	sent := map[string][]string{} // by schema
	see := func(schema string, object map[string]any) {
		if object == nil {
			return
		}
		names := slices.Collect(func(yield func(string) bool) {
			for name := range object {
				if !yield(name) {
					return
				}
			}
		})
		if before, ok := sent[schema]; ok {
			names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(before, name) })
		}
		slices.Sort(names)
		sent[schema] = names
	}
	object := func(v any) map[string]any { o, _ := v.(map[string]any); return o }
	answer := func(target string, body []byte) {
		var value map[string]any
		if json.Unmarshal(body, &value) != nil || value == nil {
			return
		}
		items, isPage := value["Items"].([]any)
		switch {
		case value["Error"] != nil:
			see("FabricErrorError", object(value["Error"]))
		case isPage:
			see("PagedBackupInfoList", value)
		case strings.Contains(target, "Progress"):
			see("BackupProgressInfo", value)
			see("BackupEpoch", object(value["EpochOfLastBackupRecord"]))
		}
		for _, item := range items {
			see("BackupInfo", object(item))
			see("BackupEpoch", object(object(item)["EpochOfLastBackupRecord"]))
			partition := object(object(item)["PartitionInformation"])
			see(partition["ServicePartitionKind"].(string)+"PartitionInformation", partition)
		}
	}
	for _, a := range recordedAnswers(t) {
		if a.Status == http.StatusOK || strings.HasPrefix(a.Body, `{"Error"`) {
			answer(a.target, []byte(a.Body))
		}
	}
	for _, x := range exampleExchanges(t) {
		if x.name[0] == 'g' { // of the documents
			answer(x.path, x.body)
		}
	}
	marked := map[string][]string{}
	o := newOracle(t, openapi.Documented)
	for name, schema := range o.doc["components"].(map[string]any)["schemas"].(map[string]any) {
		s := schema.(map[string]any)
		if list, ok := s["x-always-sent"].([]any); ok {
			required, _ := s["required"].([]any)
			for _, n := range append(list, required...) {
				marked[name] = append(marked[name], n.(string))
			}
			slices.Sort(marked[name])
		}
	}
	if diff := cmp.Diff(sent, marked); diff != "" {
		t.Errorf("x-always-sent of openapi/backup.yaml (-sent +marked):\n%s", diff)
	}
}

// Strict finds a fake that forgets an identity.
func TestStrict(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Runtime)
	req, _ := readExchange(t, withResponse(listOf, empty))
	response := func() *http.Response {
		_, resp := readExchange(t, withResponse(listOf, ok(`{"Items":[{"BackupType":"Full"}],"ContinuationToken":null}`)))
		return resp
	}
	if err := v.CheckResponse(req, response()); err != nil {
		t.Error(err)
	}
	got := lines(v.Strict().CheckResponse(req, response()))
	const want = "GetPartitionBackupList: response /Items/0/BackupId: required: expected the property, which every known server sends, found none"
	if len(got) != 11 || !slices.Contains(got, want) {
		t.Errorf("got %q", got)
	}
}
