package contract_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
)

// bounded calls check and fails the test if it allocates more than an input of a size may, or if its error is long or
// not made of lines.
func bounded(t *testing.T, size int, check func() error) error {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := check()
	runtime.ReadMemStats(&after)
	if used, limit := after.TotalAlloc-before.TotalAlloc, uint64(100*size+8<<20); used > limit {
		t.Errorf("%d bytes allocated %d, which is more than %d", size, used, limit)
	}
	if err == nil {
		return nil
	}
	if text := err.Error(); len(text) > 64<<10 {
		t.Errorf("%d bytes have an error of %d", size, len(text))
	}
	for _, v := range contract.Violations(err) {
		if line := v.Error(); strings.ContainsAny(line, "\r\n") || v.Rule == "" || v.Message == "" || v.Count < 1 {
			t.Errorf("%+v", v)
		}
	}
	return err
}

// fuzzBody checks an exchange with one body, and compares the result with the oracle.
func fuzzBody(t *testing.T, c *comparer, x *exchange, side contract.Side) {
	t.Helper()
	body := x.body
	if side == contract.InRequest {
		body = x.requestBody
	}
	var found []*contract.Violation
	var invalid error
	_ = bounded(t, len(body), func() error {
		if side == contract.InRequest {
			return c.validator.CheckRequest(x.request())
		}
		return c.validator.CheckResponse(x.request(), x.response())
	})
	found, invalid = c.compare(x, side)
	// See disagreements. The oracle also reads values that are deeper than the validator does.
	if bytes.Contains(bytes.ToLower(body), []byte(`\ud`)) || bytes.Count(body, []byte("["))+bytes.Count(body, []byte("{")) > 9000 {
		return
	}
	if (invalid != nil) != (len(found) > 0) {
		t.Errorf("%s: the oracle reports %v, the validator %v\n\t%s", c.profile, invalid, found, x)
	}
}

func comparers(t testing.TB) []*comparer {
	t.Helper()
	var list []*comparer
	for _, name := range sortedProfiles {
		list = append(list, newComparer(t, name))
	}
	return list
}

// FuzzRequest checks requests with any body.
func FuzzRequest(f *testing.F) {
	for _, x := range validExchanges(f) {
		if len(x.requestBody) > 0 {
			f.Add(x.requestBody)
		}
	}
	for _, body := range secretBodies {
		f.Add([]byte(body))
	}
	list := comparers(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, c := range list {
			x := newExchange("BackupPartition", "fuzz")
			x.requestType, x.requestBody = "application/json", body
			fuzzBody(t, c, &x, contract.InRequest)
		}
	})
}

// FuzzAnswer checks answers with any status, content type and body.
func FuzzAnswer(f *testing.F) {
	operations := []string{"BackupPartition", "GetPartitionBackupList", "GetPartitionBackupProgress", "GetServiceBackupList"}
	for _, x := range validExchanges(f) {
		for i, operation := range operations {
			if x.operation == operation {
				f.Add(uint8(i), x.status, x.contentType, x.body)
			}
		}
	}
	list := comparers(f)
	f.Fuzz(func(t *testing.T, operation uint8, status int, contentType string, body []byte) {
		if status < 100 || status > 999 {
			return // net/http does not have them
		}
		for _, c := range list {
			x := newExchange(operations[int(operation)%len(operations)], "fuzz").withResponse(status, contentType, body)
			fuzzBody(t, c, &x, contract.InResponse)
		}
	})
}

// FuzzPath checks requests with any method, path and query.
func FuzzPath(f *testing.F) {
	for _, x := range parameterExchanges("Documented") {
		f.Add(x.method, x.path, x.request().URL.RawQuery)
	}
	f.Add("GET", strings.Repeat("/Services", 9)+"/$/GetBackups", "a=1;b&&=&%zz&+=+")
	v := newValidator(f, openapi.Runtime)
	f.Fuzz(func(t *testing.T, method, path, query string) {
		req := &http.Request{Method: method, URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}"))}
		err := bounded(t, len(method)+len(path)+len(query), func() error { return v.CheckRequest(req) })
		if err != nil && len(contract.Violations(err)) == 0 {
			t.Errorf("an error without violations: %v", err)
		}
	})
}

// FuzzRecording checks recordings.
func FuzzRecording(f *testing.F) {
	for i, x := range validExchanges(f) {
		if i%20 == 0 {
			f.Add(fmt.Appendf(nil, `{"log":{"entries":[{"request":{"method":%q,"url":%q,"postData":{"mimeType":%q,"text":%q}},"response":{"status":%d,"content":{"mimeType":%q,"text":%q}}}]}}`,
				x.method, x.request().URL, x.requestType, x.requestBody, x.status, x.contentType, x.body))
		}
	}
	f.Add([]byte("\ufeff" + `{"LOG":{"entries":[{},[],{"request":{"url":"/","method":"get","headers":[{"name":"\n"}]},"response":{"content":{"encoding":"base64","text":"?"}}}]}}`))
	v := newValidator(f, openapi.Runtime)
	f.Fuzz(func(t *testing.T, har []byte) {
		_ = bounded(t, len(har), func() error { return v.Recording(bytes.NewReader(har)) })
	})
}
