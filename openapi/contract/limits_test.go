package contract_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
)

// checkBody checks a response to a list of a partition.
func checkBody(t *testing.T, v *contract.Validator, body string) error {
	t.Helper()
	req, resp := readExchange(t, withResponse(listOf, ok(body)))
	return v.CheckResponse(req, resp)
}

// Violations that differ only in indices are one, and different mistakes are different violations.
func TestGrouping(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Runtime)
	items := make([]string, 2000)
	for i := range items {
		items[i] = fmt.Sprintf(`{"LsnOfLastBackupRecord":%d,"CreationTimeUtc":"day %d"}`, i, i)
	}
	err := checkBody(t, v, `{"Items":[`+strings.Join(items, ",")+`]}`)
	want := []string{
		`GetPartitionBackupList: response /Items/0/CreationTimeUtc: date-time: expected an RFC 3339 date-time with a time zone, found "day 0"` +
			" … and 1,999 more like it (/Items/1/CreationTimeUtc, /Items/2/CreationTimeUtc, …)",
		"GetPartitionBackupList: response /Items/0/LsnOfLastBackupRecord: type: expected a string, found the number 0" +
			" … and 1,999 more like it (/Items/1/LsnOfLastBackupRecord, /Items/2/LsnOfLastBackupRecord, …)",
	}
	if diff := cmp.Diff(want, lines(err)); diff != "" {
		t.Error(diff)
	}
	if got := contract.Violations(err)[0]; got.Count != 2000 || !slices.Equal(got.More, []string{"/Items/1/CreationTimeUtc", "/Items/2/CreationTimeUtc"}) {
		t.Errorf("%d places, more: %q", got.Count, got.More)
	}
	// The same names at another place, and another kind of mistake at the same place, are others.
	err = checkBody(t, v, `{"Items":[{"BackupId":1,"X":{"BackupId":1}},{"BackupId":null},{"BackupId":"x"},{"BackupId":2},{"BackupId":3,"BackupId":3}]}`)
	var got []string
	for _, v := range contract.Violations(err) {
		got = append(got, fmt.Sprintf("%s %s ×%d", v.Location, v.Rule, v.Count))
	}
	want = []string{
		"/Items/0/BackupId type ×3", "/Items/0/X undocumented-property ×1", "/Items/1/BackupId null ×1",
		"/Items/2/BackupId uuid ×1", "/Items/4/BackupId duplicate-key ×1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// At most 1,000 violations are kept, and the text of an error is limited.
func TestTooManyViolations(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, `,"%s%d":1`, strings.Repeat("property", 7), i)
	}
	err := checkBody(t, newValidator(t, openapi.Runtime), `{"Items":[]`+b.String()+`}`)
	got := contract.Violations(err)
	if len(got) != 1001 || got[1000].Rule != contract.RuleLimit || !strings.Contains(got[1000].Error(), "4000 violations more") {
		t.Errorf("%d violations, the last is %v", len(got), got[len(got)-1])
	}
	text := err.Error()
	if lines := strings.Split(text, "\n"); len(text) > 64<<10 || len(text) < 60<<10 || !strings.HasSuffix(text, fmt.Sprintf("… and %d more", 1001-len(lines)+1)) {
		t.Errorf("%d bytes that end in %q", len(text), text[len(text)-40:])
	}
}

// A body beyond the limit is not kept and not checked, but it passes unchanged, and a violation says so. The limit also
// holds for what a compressed body becomes.
func TestBodyLimit(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Runtime).WithBodyLimit(100)
	long := `{"Items":[` + strings.Repeat(" ", 100) + `]}`
	for name, tt := range map[string]struct {
		encoding string
		body     []byte
		want     string
	}{
		"long":                         {"", []byte(long), "response body: limit: expected at most 100 bytes, found more, which were not checked"},
		"long when it is decompressed": {"gzip", gzipped(long), "response body: limit: expected at most 100 bytes, found more after decompression, which were not checked"},
		"short enough":                 {"", []byte(`{"Items":[` + strings.Repeat(" ", 88) + `]}`), ""},
		"corrupt":                      {"gzip", gzipped(long)[:20], `response header.Content-Encoding: content-encoding: expected a body that is encoded as "gzip", found a corrupt one`},
		"not compressed":               {"gzip", []byte("{}"), `response header.Content-Encoding: content-encoding: expected a body that is encoded as "gzip", found a corrupt one`},
		"a corrupt checksum":           {"deflate", []byte("x\x9c\xab\xae\x05\x00\x01\xff\x00\xf8"), `response header.Content-Encoding: content-encoding: expected a body that is encoded as "deflate", found a corrupt one`},
		"zlib":                         {"deflate", []byte("x\x9c\xab\xae\x05\x00\x01u\x00\xf9"), ""},
		"an encoding of the client":    {"br", []byte("\x00"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{"Content-Type": {"application/json"}}
			if tt.encoding != "" {
				header.Set("Content-Encoding", tt.encoding)
			}
			served := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for name := range header {
					w.Header().Set(name, header.Get(name))
				}
				w.Write(tt.body) //nolint:errcheck // a test
			})
			newRequest := func() *http.Request {
				req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://h"+strings.TrimPrefix(listOf, "GET "), nil)
				req.Header.Set("Accept-Encoding", "gzip, deflate, br")
				return req
			}
			report := func(got []string, body []byte) {
				t.Helper()
				if tt.want == "" && got != nil || tt.want != "" && (len(got) != 1 || got[0] != "GetPartitionBackupList: "+tt.want) {
					t.Errorf("got %q", got)
				}
				if !bytes.Equal(body, tt.body) {
					t.Errorf("the body became %q", body)
				}
			}

			resp := &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(bytes.NewReader(tt.body))}
			got := lines(v.CheckResponse(newRequest(), resp))
			body, _ := io.ReadAll(resp.Body)
			report(got, body)

			got = nil
			w := httptest.NewRecorder()
			v.Handler(served, func(_ *http.Request, err error) { got = lines(err) }).ServeHTTP(w, newRequest())
			report(got, w.Body.Bytes())

			got = nil
			transport := v.Transport(roundTripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(bytes.NewReader(tt.body)), ContentLength: -1}, nil
			}), func(_ *http.Request, err error) { got = lines(err) })
			resp, err := transport.RoundTrip(newRequest())
			if err != nil {
				t.Fatal(err)
			}
			body, _ = io.ReadAll(resp.Body)
			report(got, body)
		})
	}
}

// A compressed request is a violation, because servers do not decompress it, and its body is checked.
func TestCompressedRequest(t *testing.T) {
	t.Parallel()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, onPartition+"Backup?api-version=6.4", bytes.NewReader(gzipped(`{"Storage":{}}`)))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Content-Encoding", "gzip")
	want := []string{
		"BackupPartition: request /Storage: undocumented-property: expected no property with this name, found an object",
		`BackupPartition: request header.Content-Encoding: content-encoding: expected no encoding, found "gzip"`,
	}
	if diff := cmp.Diff(want, lines(newValidator(t, openapi.Runtime).CheckRequest(req))); diff != "" {
		t.Error(diff)
	}
}

// unreadable is a body that fails the test if it is read.
type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func (unreadable) Close() error { return nil }

// The bodies of requests that match no operation are not read.
func TestOtherRequestsPassUnread(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Runtime)
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://h/Nodes?api-version=6.4", unreadable{t})
	_ = v.CheckRequest(req)
	reports := 0
	report := func(*http.Request, error) { reports++ }
	v.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := r.Body.(unreadable); !ok {
			t.Errorf("the body is a %T", r.Body)
		}
		w.WriteHeader(http.StatusNoContent)
	}), report).ServeHTTP(httptest.NewRecorder(), req)
	transport := v.Transport(roundTripper(func(sent *http.Request) (*http.Response, error) {
		if sent != req {
			t.Error("another request was sent")
		}
		return &http.Response{StatusCode: http.StatusOK, Body: unreadable{t}}, nil
	}), report)
	if resp, err := transport.RoundTrip(req); err != nil || resp.Body != (unreadable{t}) {
		t.Errorf("got %v, %v", resp, err)
	}
	if reports != 2 {
		t.Errorf("%d reports", reports)
	}
}

// A server answers a request that waits for 100 Continue without its body, as it would alone.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	for _, reads := range []bool{false, true} {
		reported := make(chan []string, 1)
		server := httptest.NewServer(newValidator(t, openapi.Runtime).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if reads {
				_, _ = io.Copy(io.Discard, r.Body)
			}
			w.WriteHeader(http.StatusConflict)
		}), func(_ *http.Request, err error) { reported <- lines(err) }))
		defer server.Close()
		conn, err := net.Dial("tcp", server.Listener.Addr().String()) //nolint:noctx // a test
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // a test
		fmt.Fprintf(conn, "POST %sBackup?api-version=6.4 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n", onPartition)
		answers := bufio.NewReader(conn)
		if reads {
			resp, err := http.ReadResponse(answers, nil)
			if err != nil || resp.StatusCode != http.StatusContinue {
				t.Fatalf("got %v, %v", resp, err)
			}
			_, _ = io.WriteString(conn, `{"Storage":1}`)
		}
		resp, err := http.ReadResponse(answers, nil) // without the body, if it was not asked for
		if err != nil || resp.StatusCode != http.StatusConflict {
			t.Fatalf("got %v, %v", resp, err)
		}
		resp.Body.Close()
		if !reads {
			conn.Close() //nolint:errcheck // a test
			continue     // nothing is wrong
		}
		if got := <-reported; len(got) != 1 || !strings.Contains(got[0], "request /Storage: undocumented-property") {
			t.Errorf("got %q", got)
		}
	}
}

// A request body that the handler does not read is checked, as far as net/http would read it.
func TestHandlerThatDoesNotRead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"HTTP/1": {func(*http.Request) {}, 1},
		"HTTP/2": {func(r *http.Request) { r.ProtoMajor = 2 }, 0},
		"long":   {func(r *http.Request) { r.ContentLength = 1 << 20 }, 0},
	} {
		got := 0
		handler := newValidator(t, openapi.Runtime).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
		}), func(_ *http.Request, err error) { got += len(contract.Violations(err)) })
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, onPartition+"Backup?api-version=6.4", strings.NewReader(`{"Storage":1}`))
		req.Header.Set("Content-Type", "application/json")
		tt.change(req)
		handler.ServeHTTP(httptest.NewRecorder(), req)
		if got != tt.want {
			t.Errorf("%s: %d violations", name, got)
		}
	}
}

// A handler may read the request body after it has written the status, until the header is sent.
func TestHandlerThatReadsLate(t *testing.T) {
	t.Parallel()
	for _, flushes := range []bool{false, true} {
		read := make(chan string, 1)
		reported := make(chan []string, 1)
		server := httptest.NewServer(newValidator(t, openapi.Runtime).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			if flushes {
				w.(http.Flusher).Flush()
			}
			body, _ := io.ReadAll(r.Body)
			read <- string(body)
		}), func(_ *http.Request, err error) { reported <- lines(err) }))
		defer server.Close()
		const body = `{"Storage":1}`
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+onPartition+"Backup?api-version=6.4", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got, want := <-read, map[bool]string{false: body}[flushes]; got != want {
			t.Errorf("flushes %t: read %q", flushes, got)
		}
		if got := <-reported; len(got) != 1 || !strings.Contains(got[0], "request /Storage") {
			t.Errorf("flushes %t: got %q", flushes, got)
		}
	}
}

// A stream is not held back: the server gets each part of a request when the client sends it, and the client each
// part of the response.
func TestStreams(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Runtime)
	server := httptest.NewServer(v.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		part := make([]byte, 1)
		if _, err := io.ReadFull(r.Body, part); err != nil || part[0] != '{' {
			t.Errorf("read %q, %v", part, err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
		_ = control.Flush()
	}), func(_ *http.Request, err error) { t.Errorf("reported: %v", err) }))
	defer server.Close()
	r, w := io.Pipe()
	reported := 0
	client := &http.Client{Transport: v.Transport(server.Client().Transport, func(*http.Request, error) { reported++ })}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+onPartition+"Backup?api-version=6.4", r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	go func() {
		_, _ = io.WriteString(w, "{") // returns when it has been read
		_, _ = io.WriteString(w, "}")
		_ = w.Close()
	}()
	resp, err := client.Do(req)
	if err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("got %v, %v", resp, err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if reported != 0 {
		t.Errorf("%d reports", reported)
	}
}

// The body of a request that next does not read is checked if it can be read again.
func TestTransportWithGetBody(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Runtime)
	for _, replayable := range []bool{true, false} {
		got := 0
		transport := v.Transport(roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("early") }),
			func(_ *http.Request, err error) { got += len(contract.Violations(err)) })
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://h"+onPartition+"Backup?api-version=6.4", strings.NewReader(`{"Storage":1}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if !replayable {
			req.GetBody = nil
		}
		if _, err := transport.RoundTrip(req); err == nil {
			t.Error("no error")
		}
		if want := map[bool]int{true: 1}[replayable]; got != want {
			t.Errorf("replayable %t: %d violations", replayable, got)
		}
	}
}

// A violation marshals to JSON under stable names.
func TestViolationJSON(t *testing.T) {
	t.Parallel()
	err := checkBody(t, newValidator(t, openapi.Runtime), `{"Items":[{"X":1},{"X":1}]}`)
	data, _ := json.Marshal(contract.Violations(err))
	const want = `[{"operation":"GetPartitionBackupList","where":"response","location":"/Items/0/X","rule":"undocumented-property",` +
		`"message":"expected no property with this name, found the number 1","count":2,"more":["/Items/1/X"]}]`
	if string(data) != want {
		t.Errorf("got %s", data)
	}
}

// A recording in which nothing was checked, or not everything, is an error that names what was not.
func TestRecordingThatChecksNothing(t *testing.T) {
	t.Parallel()
	entry := func(request, response string) string {
		return `{"request":{"method":"POST","url":"http://h` + onPartition + `Backup?api-version=6.4",` + request + `},"response":{"status":202,"content":{` + response + `}}}`
	}
	v := newValidator(t, openapi.Runtime)
	for entries, want := range map[string]string{
		``: "contract: nothing was checked: the HAR file has no entries",
		`{"request":{"method":"GET","url":"http://h/Nodes"},"response":{"status":200}}`: "contract: nothing was checked: no entry is of an operation of the document\n" +
			"exchange 1: unknown operation: request path: operation: expected the path of a documented operation, found \"/Nodes\"",
		entry(`"bodySize":12`, ``):            "exchange 1: POST " + onPartition + "Backup: the request body was not recorded",
		entry(`"postData":{"params":[]}`, ``): "exchange 1: POST " + onPartition + "Backup: the request body was not recorded",
		entry(`"bodySize":0`, `"size":812`):   "exchange 1: POST " + onPartition + "Backup: the response body was not recorded",
		entry(`"bodySize":-1`, `"size":-1`):   "exchange 1: POST " + onPartition + "Backup: the response body was not recorded",
		entry(`"bodySize":0`, `"size":0`):     "",
		`{"request":{}}`:                      "contract: nothing was checked: no entry is of an operation of the document",
	} {
		err := v.Recording(strings.NewReader("\ufeff" + `{"log":{"pages":[{}],"entries":[` + entries + `]}}`))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v", entries, err)
		}
	}
	// The numbers are those of the entries, and an entry that cannot be read does not hide the others.
	err := v.Recording(strings.NewReader(`{"log":{"entries":[1,` + entry(`"bodySize":0`, ``) + `,` +
		entry(`"postData":{"mimeType":"application/json","text":"{\"X\":1}"}`, ``) + `]}}`))
	if got := contract.Violations(err); len(got) != 1 || got[0].Exchange != 3 || !strings.HasPrefix(err.Error(), "exchange 1: not a valid entry with a method and a URL\n") {
		t.Errorf("got %v", err)
	}
}

// No limit at all is a limit as well, and the body stays.
func TestBodyWithoutLimit(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Runtime).WithBodyLimit(math.MaxInt64)
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, startURL, strings.NewReader(`{"Storage":1}`))
	req.Header.Set("Content-Type", "application/json")
	if got := lines(v.CheckRequest(req)); len(got) != 1 {
		t.Errorf("got %q", got)
	}
	if body, _ := io.ReadAll(req.Body); string(body) != `{"Storage":1}` {
		t.Errorf("the body became %q", body)
	}
}

// A long name of a parameter costs what reading it costs.
func TestLongParameterName(t *testing.T) { //nolint:paralleltest // it measures allocations
	const size = 1 << 20
	v := newValidator(t, openapi.Runtime)
	x := hostileExchange{target: listOf + "&" + strings.Repeat("N", size) + "=1"}
	var c cost
	c.add(func() error { x.check(v); return nil })
	if c.bytes > 16*size {
		t.Errorf("a name of %d bytes allocates %d", size, c.bytes)
	}
}
