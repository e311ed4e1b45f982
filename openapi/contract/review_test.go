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
	"sync"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/internal/handlertransport"
	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
)

const startURL = onPartition + "Backup?api-version=6.4"

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

// A request of a client without a method is a GET.
func TestRequestWithoutMethod(t *testing.T) {
	t.Parallel()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://h"+progressURL, nil)
	req.Method = ""
	if err := newValidator(t, openapi.Runtime).CheckRequest(req); err != nil {
		t.Error(err)
	}
}

// A handler may read the body on another goroutine while it responds, as a reverse proxy and TimeoutHandler do.
func TestHandlerThatReadsAndWrites(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	server := httptest.NewServer(newValidator(t, openapi.Runtime).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := make(chan struct{})
		wg.Go(func() {
			part := make([]byte, 16)
			for i := 0; ; i++ {
				if i == 8 {
					close(started)
				}
				if _, err := r.Body.Read(part); err != nil {
					return
				}
			}
		})
		<-started
		w.WriteHeader(http.StatusBadRequest)
		w.(http.Flusher).Flush()
	}), func(_ *http.Request, err error) {
		for _, line := range lines(err) {
			if strings.Contains(line, ": request ") {
				t.Error(line)
			}
		}
	}))
	body := `{"BackupStorage":{"StorageKind":"FileShare","Path":"` + strings.Repeat("path", 30000) + `"}}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+startURL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if resp, err := server.Client().Do(req); err == nil {
		resp.Body.Close()
	}
	server.Close()
	wg.Wait()
}

// A hijacked connection may be closed while another goroutine writes to it.
func TestHijackedConnectionClosedWhileWritten(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	server := httptest.NewServer(newValidator(t, openapi.Runtime).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		written := make(chan struct{})
		wg.Go(func() {
			for i := 0; ; i++ {
				if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
					return
				}
				if i == 0 {
					close(written)
				}
			}
		})
		<-written
		_ = conn.Close()
	}), func(*http.Request, error) {}))
	resp, err := server.Client().Get(server.URL + progressURL) //nolint:noctx // a test
	if err == nil {
		resp.Body.Close()
	}
	server.Close()
	wg.Wait()
}

// A server answers before it has the whole body: if the client waits for 100 Continue, and if the server closes the
// connection afterwards. The answer is not held back.
func TestEarlyAnswers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		header  string
		handler http.HandlerFunc
	}{
		"100 Continue": {"Expect: 100-continue\r\n", func(w http.ResponseWriter, r *http.Request) {
			_, _ = r.Body.Read(make([]byte, 1))
			w.WriteHeader(http.StatusBadRequest)
		}},
		"Connection: close": {"", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusBadRequest)
		}},
	} {
		for _, checked := range []bool{false, true} {
			var handler http.Handler = tt.handler
			if checked {
				handler = newValidator(t, openapi.Runtime).Handler(handler, func(*http.Request, error) {})
			}
			server := httptest.NewServer(handler)
			conn, err := net.Dial("tcp", server.Listener.Addr().String()) //nolint:noctx // a test
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, "POST "+startURL+" HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"+tt.header+"\r\n{")
			_ = conn.SetReadDeadline(time.Now().Add(3 * time.Second))
			r := bufio.NewReader(conn)
			line := ""
			for line == "" || strings.Contains(line, " 100 ") || line == "\r\n" {
				if line, err = r.ReadString('\n'); err != nil {
					t.Errorf("%s, checked %t: no answer: %v", name, checked, err)
					break
				}
			}
			_ = conn.Close()
			server.Close()
		}
	}
}

// brokenWriter is the ResponseWriter of a client that has gone.
type brokenWriter struct{ *httptest.ResponseRecorder }

func (brokenWriter) Write([]byte) (int, error) { return 10, errors.New("broken pipe") }

// A response that the client no longer receives is not a violation of the server.
func TestHandlerWhoseClientHasGone(t *testing.T) {
	t.Parallel()
	handler := newValidator(t, openapi.Runtime).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"BackupState":"Success"}`) //nolint:errcheck // a test
	}), func(_ *http.Request, err error) { t.Error(err) })
	handler.ServeHTTP(brokenWriter{httptest.NewRecorder()}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, progressURL, nil))
}

// lockedTB is a recordingTB for several goroutines.
type lockedTB struct {
	recordingTB
	mu sync.Mutex
}

func (l *lockedTB) Errorf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recordingTB.Errorf(format, args...)
}

// An exchange is reported once, even if its body is read while or after the test ends.
func TestForTestReportsOnce(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Runtime)
	for range 20 {
		tb := &lockedTB{recordingTB: recordingTB{TB: t}}
		transport := contract.ForTest(tb, v, roundTripper(func(req *http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
				Body: io.NopCloser(strings.NewReader(invalidProgress)), ContentLength: -1, Request: req,
			}, nil
		}))
		send := func() *http.Response {
			resp, err := transport.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://h"+progressURL+"&x=1", nil))
			if err != nil {
				t.Fatal(err)
			}
			return resp
		}
		resp := send()
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.Copy(io.Discard, resp.Body) })
		for _, f := range tb.cleanups {
			f()
		}
		wg.Wait()
		_, _ = io.Copy(io.Discard, send().Body)
		if len(tb.errors) != 1 {
			t.Fatalf("got %q", tb.errors)
		}
	}
}

// The title does not claim that a server sent no response.
func TestForTestHandlerTitle(t *testing.T) {
	t.Parallel()
	tb := &recordingTB{TB: t}
	handler := contract.ForTestHandler(tb, newValidator(t, openapi.Runtime), http.NotFoundHandler())
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/Nodes", nil))
	if len(tb.errors) != 1 || strings.Contains(tb.errors[0], "no response") {
		t.Errorf("got %q", tb.errors)
	}
}

// What a client sends after the body arrives.
func TestTrailersOfRequests(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Runtime)
	for name, checked := range map[string][2]bool{"alone": {}, "Handler": {true, false}, "Transport": {false, true}} {
		var got http.Header
		var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			got = r.Trailer
			w.WriteHeader(http.StatusAccepted)
		})
		if checked[0] {
			handler = v.Handler(handler, func(*http.Request, error) {})
		}
		server := httptest.NewServer(handler)
		client := server.Client()
		if checked[1] {
			client.Transport = v.Transport(client.Transport, func(*http.Request, error) {})
		}
		body, w := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+startURL, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Trailer = http.Header{"Checksum": nil}
		go func() {
			_, _ = io.WriteString(w, "{}")
			req.Trailer["Checksum"] = []string{"7"}
			_ = w.Close()
		}()
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		server.Close()
		if got.Get("Checksum") != "7" {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

type idleTransport struct {
	http.RoundTripper
	closed int
}

func (t *idleTransport) CloseIdleConnections() { t.closed++ }

func TestCloseIdleConnections(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Runtime)
	next := &idleTransport{}
	(&http.Client{Transport: v.Transport(next, nil)}).CloseIdleConnections()
	(&http.Client{Transport: contract.ForTest(t, v, next)}).CloseIdleConnections()
	if next.closed != 2 {
		t.Errorf("closed %d times", next.closed)
	}
}

// The length 0 of a request with a body means that the length is not known.
func TestTransportWithUnknownLength(t *testing.T) {
	t.Parallel()
	got := 0
	transport := newValidator(t, openapi.Runtime).Transport(roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("early") }),
		func(_ *http.Request, err error) { got += len(contract.Violations(err)) })
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://h"+startURL, strings.NewReader(`{"Storage":1}`))
	req.Header.Set("Content-Type", "application/json")
	req.ContentLength = 0
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(`{"Storage":1}`)), nil }
	if _, err := transport.RoundTrip(req); err == nil || got != 1 {
		t.Errorf("%v, %d violations", err, got)
	}
}

// next may read more of a body than its length, also after it has returned.
func TestTransportWithWrongLength(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	transport := newValidator(t, openapi.Runtime).Transport(roundTripper(func(req *http.Request) (*http.Response, error) {
		_, _ = io.ReadFull(req.Body, make([]byte, 2))
		wg.Go(func() { _, _ = io.Copy(io.Discard, req.Body) })
		return nil, errors.New("early")
	}), func(*http.Request, error) {})
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://h"+startURL, strings.NewReader("{}"+strings.Repeat(" ", 100000)))
	req.ContentLength = 2
	_, _ = transport.RoundTrip(req)
	wg.Wait()
}

// A ResponseWriter that cannot flush gets no header from Flush.
func TestHandlerThatCannotFlush(t *testing.T) {
	t.Parallel()
	handler := newValidator(t, openapi.Runtime).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"Error":{"Code":"E"}}`) //nolint:errcheck // a test
	}), func(_ *http.Request, err error) { t.Error(err) })
	w := httptest.NewRecorder()
	handler.ServeHTTP(struct{ http.ResponseWriter }{w}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, progressURL, nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("the status became %d", w.Code)
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

// Many entries that cannot be checked do not hide that the rest is missing, and those that are not named are counted.
func TestRecordingWithManyErrors(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Runtime)
	entry := `{"request":{"method":"GET","url":"http://h` + progressURL + `"},"response":{"status":200,"content":{"size":1}}}`
	text := fmt.Sprint(v.Recording(strings.NewReader(`{"log":{"entries":[` + strings.Repeat(entry+",", 1500))))
	if !strings.Contains(text, "not a valid HAR file") {
		t.Errorf("the error of the file is missing in an error of %d bytes", len(text))
	}
	err := v.Recording(strings.NewReader(`{"log":{"entries":[` + strings.Repeat(entry+",", 1499) + entry + `]}}`))
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined); len(joined.Unwrap()) != 1001 {
		t.Errorf("%d errors", len(joined.Unwrap()))
	}
}

// An error of a recording is one line.
func TestRecordingErrorIsOneLine(t *testing.T) {
	t.Parallel()
	err := newValidator(t, openapi.Runtime).Recording(strings.NewReader(
		`{"log":{"entries":[{"request":{"method":"GET","url":"http://h/a%0Ab` + progressURL + `"},"response":{"status":200,"content":{"size":1}}}]}}`))
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

// Playwright records a request without a response with the status -1.
func TestRecordingWithoutResponse(t *testing.T) {
	t.Parallel()
	if err := newValidator(t, openapi.Runtime).Recording(strings.NewReader(
		`{"log":{"entries":[{"request":{"method":"GET","url":"http://h` + progressURL + `","bodySize":-1},"response":{"status":-1,"headers":[],"content":{"size":-1,"mimeType":"x-unknown"}}}]}}`)); err != nil {
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

func hijacking(t *testing.T, v *contract.Validator, response string) []string {
	t.Helper()
	reported := make(chan []string, 1)
	done := make(chan struct{})
	checked := v.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close() //nolint:errcheck // a test
		_, _ = rw.WriteString(response)
		_ = rw.Flush()
	}), func(_ *http.Request, err error) { reported <- lines(err) })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		checked.ServeHTTP(w, r)
	}))
	defer server.Close()
	if resp, err := server.Client().Get(server.URL + progressURL); err == nil { //nolint:noctx // a test
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	<-done
	select {
	case got := <-reported:
		return got
	default:
		return nil
	}
}

func TestHijackedResponses(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Runtime)
	const notFound = "HTTP/1.1 404 FABRIC_E_X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	if got := hijacking(t, v, "HTTP/1.1 100 Continue\r\n\r\n"+notFound); got != nil {
		t.Errorf("after 100 Continue: %q", got)
	}
	if got := hijacking(t, v.WithBodyLimit(100), "HTTP/1.1 404 X\r\nConnection: close\r\nContent-Type: text/html\r\n\r\n"+strings.Repeat("x", 200)); len(got) != 1 || !strings.Contains(got[0], ": limit: ") {
		t.Errorf("beyond the limit: %q", got)
	}
}

// The cluster of this project resets a connection through Handler too.
func TestHandlerBeforeBrokenConnection(t *testing.T) {
	t.Parallel()
	for _, checked := range []bool{false, true} {
		var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			handlertransport.BreakConnection(w, io.EOF)
		})
		if checked {
			handler = newValidator(t, openapi.Runtime).Handler(handler, func(_ *http.Request, err error) { t.Error(err) })
		}
		server := httptest.NewServer(handler)
		conn, err := net.Dial("tcp", server.Listener.Addr().String()) //nolint:noctx // a test
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET "+progressURL+" HTTP/1.1\r\nHost: h\r\n\r\n")
		if _, err := conn.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
			t.Errorf("checked %t: got %v instead of a reset", checked, err)
		}
		_ = conn.Close()
		server.Close()
	}
}

// A handler that decodes a value and closes the body has not seen its end. The server of net/http reads it then.
func TestHandlerThatClosesTheBody(t *testing.T) {
	t.Parallel()
	reported := make(chan []string, 1)
	server := httptest.NewServer(newValidator(t, openapi.Runtime).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.Body.Close()
		w.WriteHeader(http.StatusAccepted)
	}), func(_ *http.Request, err error) { reported <- lines(err) }))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+startURL, io.MultiReader(strings.NewReader(`{"Storage":1}`)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	server.Close()
	select {
	case got := <-reported:
		if len(got) != 1 {
			t.Errorf("got %q", got)
		}
	default:
		t.Error("nothing was reported")
	}
}

// A client that decodes a value and closes the body has not seen its end, but all of the value.
func TestClientThatClosesTheBody(t *testing.T) {
	t.Parallel()
	tb := &recordingTB{TB: t}
	transport := contract.ForTest(tb, newValidator(t, openapi.Runtime), roundTripper(func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(strings.NewReader(invalidProgress)), ContentLength: -1, Request: req,
		}, nil
	}))
	resp, err := transport.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://h"+progressURL, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(resp.Body).Decode(new(any)); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if len(tb.errors) != 1 {
		t.Errorf("got %q", tb.errors)
	}
}

const otherDocument = `
openapi: 3.0.3
info: {title: T, version: '1'}
paths:
  /x/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string, format: uuid}}]
    get:
      operationId: Get
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses:
        '200': {description: d, content: {application/json: {schema: {$ref: '#/components/schemas/Node'}}}}
        4XX: {description: d}
components:
  schemas:
    Node:
      oneOf: [{type: string}, {type: object, properties: {child: {$ref: '#/components/schemas/Node'}}}]
`

// The cost of a value of a union that contains itself is linear too, or New says that it is not supported.
func TestUnionThatContainsItself(t *testing.T) { //nolint:paralleltest // it counts allocations
	v, err := contract.New([]byte(otherDocument))
	if err != nil {
		return
	}
	allocs := func(depth int) float64 {
		body := strings.Repeat(`{"child":`, depth) + `""` + strings.Repeat("}", depth)
		return testing.AllocsPerRun(1, func() {
			req, resp := readExchange(t, withResponse("GET /x/1", ok(body)))
			if err := v.CheckResponse(req, resp); err != nil {
				t.Error(err)
			}
		})
	}
	if short, long := allocs(8), allocs(16); long > 2.2*short+100 {
		t.Errorf("%.0f allocations for a depth of 8, %.0f for 16", short, long)
	}
}

// An operation overrides the parameters of its path.
func TestParameterOfOperationAndPath(t *testing.T) {
	t.Parallel()
	v, err := contract.New([]byte(strings.ReplaceAll(otherDocument, "properties: {child: {$ref: '#/components/schemas/Node'}}", "")))
	if err != nil {
		t.Fatal(err)
	}
	req, resp := readExchange(t, withResponse("GET /x/1", "404 Not Found\n\n"))
	if err := v.CheckRequest(req); err != nil {
		t.Error(err)
	}
	if err := v.CheckResponse(req, resp); err != nil {
		t.Error(err)
	}
}

// A title shows values of documented parameters, and no others.
func TestNoSecretInTitle(t *testing.T) {
	t.Parallel()
	tb := &recordingTB{TB: t}
	transport := contract.ForTest(tb, newValidator(t, openapi.Runtime), roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("none") }))
	_, _ = transport.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://h"+progressURL+";sig="+secretText, nil))
	if len(tb.errors) != 1 || strings.Contains(tb.errors[0], secretText) {
		t.Errorf("got %q", tb.errors)
	}
}

// Playwright writes the text of a request body that it keeps elsewhere, or not at all, as "".
func TestRecordingWithEmptyText(t *testing.T) {
	t.Parallel()
	err := newValidator(t, openapi.Runtime).Recording(strings.NewReader(
		`{"log":{"entries":[{"request":{"method":"POST","url":"http://h` + startURL + `","bodySize":13,"postData":{"mimeType":"application/json","text":"","params":[],"_file":"a.json"}},"response":{"status":202,"content":{"size":0}}}]}}`))
	if err == nil || !strings.Contains(err.Error(), "the request body was not recorded") {
		t.Errorf("got %v", err)
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
