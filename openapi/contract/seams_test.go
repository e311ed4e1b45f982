package contract_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// The same response has the same violations through every seam, and it passes unchanged.
func TestSeams(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Documented)
	const body = `{"BackupState":"Lost"}`
	want := `GetPartitionBackupProgress: response /BackupState: enum: ` + expectedStates + `, found "Lost"`
	fake := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, body) //nolint:errcheck // a test
	})
	get := func(client *http.Client, url string) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+onPartition+"GetBackupProgress?api-version=6.4", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}

	t.Run("Handler", func(t *testing.T) {
		t.Parallel()
		reported := make(chan error, 1)
		server := httptest.NewServer(v.Handler(fake, func(_ *http.Request, err error) { reported <- err }))
		defer server.Close()
		if got := get(server.Client(), server.URL); got != body {
			t.Errorf("got %s", got)
		}
		if got := lines(<-reported); !slices.Equal(got, []string{want}) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("Transport", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(fake)
		defer server.Close()
		var got []string
		client := &http.Client{Transport: v.Transport(server.Client().Transport, func(_ *http.Request, err error) { got = append(got, lines(err)...) })}
		if body2 := get(client, server.URL); body2 != body || !slices.Equal(got, []string{want}) {
			t.Errorf("got %s, %q", body2, got)
		}
	})
	t.Run("ForTest", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(fake)
		defer server.Close()
		tb := &recordingTB{TB: t}
		get(&http.Client{Transport: contract.ForTest(tb, v, nil)}, server.URL)
		if diff := cmp.Diff([]string{"seams_test.go:LINE: GET " + onPartition + "GetBackupProgress?api-version=6.4, status 200:\n\texchange 1: " + want}, tb.errors); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("Recording", func(t *testing.T) {
		t.Parallel()
		har := func(content string) string {
			return `{"log":{"version":"1.2","entries":[
				{"request":{"method":"GET","url":"http://h` + onPartition + `GetBackups?api-version=6.4","headers":[]},
				 "response":{"status":200,"headers":[{"name":"content-type","value":"application/json"}],"content":{"text":"{\"Items\":[]}"}}},
				{"request":{"method":"GET","url":"http://h` + onPartition + `GetBackupProgress?api-version=6.4","headers":[]},
				 "response":{"status":200,"headers":[{"name":"Content-Encoding","value":"gzip"}],"content":` + content + `}},
				{"request":{"method":"POST","url":"http://h` + onPartition + `Backup?api-version=6.4","headers":[],"postData":{"mimeType":"application/json","text":"{}"}},
				 "response":{"status":0,"headers":[],"content":{}}}]}}`
		}
		for _, content := range []string{
			`{"mimeType":"application/json","text":"{\"BackupState\":\"Lost\"}"}`,
			`{"mimeType":"application/json","encoding":"base64","text":"eyJCYWNrdXBTdGF0ZSI6Ikxvc3QifQ=="}`,
		} {
			err := v.Recording(strings.NewReader(har(content)))
			if err == nil || err.Error() != "exchange 2: "+want || !slices.Equal(lines(err), []string{"exchange 2: " + want}) {
				t.Errorf("got %v", err)
			}
		}
		for _, broken := range []string{"", "[]", `{"log":{"entries":[{"request":{"method":"GET","url":"%"}}]}}`, har(`{"encoding":"base64","text":"?"}`)} {
			if err := v.Recording(strings.NewReader(broken)); err == nil {
				t.Errorf("no error for %.40s", broken)
			}
		}
	})
}

// The two seams find the same in front of a cluster, also in a response that is only a status line, which a handler
// sends through a hijacked connection.
func TestSeamsAgree(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Documented)
	for name, cluster := range map[string]*sfbackuptest.Cluster{
		"no backup":         sfbackuptest.NewCluster(),
		"no backup service": sfbackuptest.NewCluster(sfbackuptest.WithQuirk(sfbackuptest.QuirkNoBackupService, true)),
	} {
		reported := make(chan []string, 1)
		server, err := sfbackuptest.NewServer(cluster, sfbackuptest.WithHandler(func(next http.Handler) http.Handler {
			return v.Handler(next, func(_ *http.Request, err error) { reported <- lines(err) })
		}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Close)
		var received []string
		client := &http.Client{Transport: v.Transport(server.Client().Transport, func(_ *http.Request, err error) { received = lines(err) })}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+progressURL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if sent := <-reported; len(sent) == 0 || !slices.Equal(sent, received) {
			t.Errorf("%s: Handler reports %q, Transport %q", name, sent, received)
		}
	}
}

var lineNumber = regexp.MustCompile(`_test\.go:\d+`)

// recordingTB keeps the failures of a test instead of failing it.
type recordingTB struct {
	testing.TB
	errors   []string
	cleanups []func()
}

func (r *recordingTB) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *recordingTB) Errorf(format string, args ...any) {
	r.errors = append(r.errors, lineNumber.ReplaceAllString(fmt.Sprintf(format, args...), "_test.go:LINE"))
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// A response streams through the transport, and its body is not checked if it is closed early.
func TestTransportStreams(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Documented)
	body, w := io.Pipe()
	tb := &recordingTB{TB: t}
	client := &http.Client{Transport: contract.ForTest(tb, v, roundTripper(func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, ContentLength: -1, Request: req,
		}, nil
	}))}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://h"+onPartition+"GetBackups?api-version=6.4", nil)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	go io.WriteString(w, `{"Items":[`) //nolint:errcheck // the reader gets the error
	half := make([]byte, 10)
	if _, err := io.ReadFull(resp.Body, half); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if len(tb.errors) > 0 {
		t.Errorf("reported: %q", tb.errors)
	}
	for _, i := range v.Coverage().Items {
		if i.Name == "GetPartitionBackupList" && i.Value == "200" && i.Count != 1 {
			t.Errorf("counted %d times", i.Count)
		}
	}
}

// A request is checked even if it gets no response, and next receives its body.
func TestTransportWithoutResponse(t *testing.T) {
	t.Parallel()
	tb := &recordingTB{TB: t}
	errBroken := errors.New("broken")
	client := &http.Client{Transport: contract.ForTest(tb, newValidator(t, openapi.Documented), roundTripper(func(req *http.Request) (*http.Response, error) {
		if data, _ := io.ReadAll(req.Body); string(data) != "{}" {
			t.Errorf("the body is %q", data)
		}
		return nil, errBroken
	}))}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://h"+onPartition+"Backup?api-version=6.4", strings.NewReader("{}"))
	if _, err := client.Do(req); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	want := []string{"seams_test.go:LINE: POST " + onPartition + "Backup?api-version=6.4, no response:\n\texchange 1: BackupPartition: request header.Content-Type: content-type: expected application/json, found none"}
	if diff := cmp.Diff(want, tb.errors); diff != "" {
		t.Error(diff)
	}
}

// A handler works the same behind Handler.
func TestHandlerIsTransparent(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Documented)
	serve := func(handler http.HandlerFunc, body io.Reader) (*httptest.ResponseRecorder, []string) {
		var got []string
		w := httptest.NewRecorder()
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, onPartition+"Backup?api-version=6.4", body)
		req.Header.Set("Content-Type", "application/json")
		v.Handler(handler, func(_ *http.Request, err error) { got = append(got, lines(err)...) }).ServeHTTP(w, req)
		return w, got
	}
	w, got := serve(func(w http.ResponseWriter, r *http.Request) {
		if data, _ := io.ReadAll(r.Body); string(data) != "{}" {
			t.Errorf("the body is %q", data)
		}
		r.URL.Path = "/elsewhere"
		w.WriteHeader(http.StatusAccepted)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	}, strings.NewReader("{}"))
	if w.Code != http.StatusAccepted || !w.Flushed || got != nil {
		t.Errorf("got %d, %q", w.Code, got)
	}
	if _, got = serve(func(http.ResponseWriter, *http.Request) {}, http.NoBody); len(got) != 1 || !strings.Contains(got[0], "found 200") {
		t.Errorf("a response that net/http writes: %q", got)
	}
	if _, got = serve(func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		w.Write([]byte("<html>")) //nolint:errcheck // a test
	}, http.NoBody); len(got) != 1 {
		t.Errorf("a flush before the first write: %q", got)
	}

	errBroken := errors.New("broken")
	if _, got = serve(func(w http.ResponseWriter, r *http.Request) {
		if data, err := io.ReadAll(r.Body); !errors.Is(err, errBroken) || string(data) != "{" {
			t.Errorf("the handler reads %q, %v from a truncated body", data, err)
		}
		r.Body.Close()
		w.WriteHeader(http.StatusBadRequest)
	}, io.MultiReader(strings.NewReader("{"), errReader{errBroken})); len(got) != 1 || !strings.Contains(got[0], "response body: empty-body") {
		t.Errorf("a request whose connection broke: %q", got) // it is not checked, the response is
	}

	// What a handler sends through a hijacked connection is checked as well.
	reported := make(chan error, 1)
	server := httptest.NewServer(v.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()                                                    //nolint:errcheck // a test
		io.WriteString(rw, "HTTP/1.1 299 Taken\r\nConnection: close\r\n\r\n") //nolint:errcheck // a test
		rw.Flush()                                                            //nolint:errcheck // a test
	}), func(_ *http.Request, err error) { reported <- err }))
	defer server.Close()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+onPartition+"GetBackups?api-version=6.4", nil)
	resp, err := server.Client().Do(req)
	if err != nil || resp.StatusCode != 299 {
		t.Errorf("got %v, %v", resp, err)
	}
	resp.Body.Close()
	if got := lines(<-reported); len(got) != 1 || !strings.Contains(got[0], "response status: undocumented-status") {
		t.Errorf("a hijacked connection: %q", got)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestBodiesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Documented)
	errBroken := errors.New("broken")
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, onPartition+"Backup?api-version=6.4", errReader{errBroken})
	if err := v.CheckRequest(req); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	req, resp := readExchange(t, withResponse(progressOf, succeeded))
	resp.Body = io.NopCloser(errReader{errBroken})
	if err := v.CheckResponse(req, resp); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	post := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://h"+onPartition+"Backup?api-version=6.4", errReader{errBroken})
	transport := v.Transport(roundTripper(func(sent *http.Request) (*http.Response, error) {
		_, err := io.Copy(io.Discard, sent.Body)
		return nil, err
	}), func(_ *http.Request, err error) { t.Errorf("reported: %v", err) })
	post.Header.Set("Content-Type", "application/json")
	if _, err := transport.RoundTrip(post); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

// invalidProgress is a progress with one violation.
const (
	invalidProgress = `{"BackupState":"Lost"}`
	progressURL     = onPartition + "GetBackupProgress?api-version=6.4"
)

// Handler does not change the content type of a response, and checks the one that net/http detects.
func TestHandlerContentType(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Documented)
	for name, tt := range map[string]struct {
		handler     http.HandlerFunc
		contentType string
	}{
		"detected": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusOK)
			io.WriteString(w, invalidProgress) //nolint:errcheck // a test
		}, "text/plain; charset=utf-8"},
		"compressed": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(gzipped(invalidProgress)) //nolint:errcheck // a test
		}, ""},
		"suppressed": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			io.WriteString(w, invalidProgress) //nolint:errcheck // a test
		}, ""},
		"flushed": {func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			io.WriteString(w, invalidProgress) //nolint:errcheck // a test
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reported := make(chan error, 1)
			server := httptest.NewServer(v.Handler(tt.handler, func(_ *http.Request, err error) { reported <- err }))
			defer server.Close()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+progressURL, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept-Encoding", "gzip")
			resp, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got := resp.Header.Get("Content-Type"); got != tt.contentType {
				t.Errorf("the client got %q", got)
			}
			found := "found none"
			if tt.contentType != "" {
				found = fmt.Sprintf("found %q", tt.contentType)
			}
			got := lines(<-reported)
			if len(got) != 2 || !strings.HasSuffix(got[0], found) && !strings.HasSuffix(got[1], found) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// The request is checked even if the handler panics.
func TestHandlerThatPanics(t *testing.T) {
	t.Parallel()
	reported := make(chan error, 1)
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	server := httptest.NewServer(newValidator(t, openapi.Documented).Handler(next, func(_ *http.Request, err error) { reported <- err }))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+progressURL+"&x=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := server.Client().Do(req); err == nil {
		resp.Body.Close()
		t.Error("there was a response")
	}
	if got := lines(<-reported); len(got) != 1 || !strings.Contains(got[0], "query.x") {
		t.Errorf("got %q", got)
	}
}

// A compressed response is valid if the request accepts it.
func TestEncoding(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Documented)
	for _, tt := range []struct {
		accept, encoding string
		want             int
	}{
		{"", "gzip", 2}, {"gzip", "gzip", 1}, {"br;q=1.0, GZIP;q=0.8", "gzip", 1}, {"gzip;q=0", "gzip", 2}, {"", "identity", 1},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://h"+progressURL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if tt.accept != "" {
			req.Header.Set("Accept-Encoding", tt.accept)
		}
		body := []byte(invalidProgress)
		if tt.encoding == "gzip" {
			body = gzipped(invalidProgress)
		}
		resp := &http.Response{
			StatusCode: http.StatusOK,
			Header:     http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {tt.encoding}},
			Body:       io.NopCloser(strings.NewReader(string(body))),
		}
		if got := lines(v.CheckResponse(req, resp)); len(got) != tt.want {
			t.Errorf("%s for %s: got %q", tt.encoding, tt.accept, got)
		}
	}
}

// A HAR file may have the sizes of bodies without the bodies.
func TestRecordingWithoutBodies(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Documented)
	for content, want := range map[string]int{`{"size":812,"mimeType":"application/json"}`: 0, `{"size":-1}`: 0, `{"size":0}`: 1} {
		har := `{"log":{"entries":[{"request":{"method":"GET","url":"http://h` + progressURL + `"},"response":{"status":200,"content":` + content + `}}]}}`
		if got := lines(v.Recording(strings.NewReader(har))); len(got) != want {
			t.Errorf("%s: got %q", content, got)
		}
	}
}

// A service name may contain segments of another operation's path.
func TestServiceNamedLikeAPath(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Documented)
	for _, name := range []string{"Partitions/Svc", "Shop/Services/Partitions/00000000-0000-4000-8000-000000000001", "Applications/Services"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://h/Services/"+name+"/$/GetBackups?api-version=6.4&x=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := lines(v.CheckRequest(req)); len(got) != 1 || !strings.HasPrefix(got[0], "GetServiceBackupList: request query.x:") {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// A violation is one line, whatever the names in the exchange are.
func TestNamesInViolations(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Documented)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://h"+progressURL+"&a%0Ab=1&"+strings.Repeat("n", 1000)+"=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	body := `{"BackupState":"Success","a\nb":1,"` + strings.Repeat("n", 1000) + `":1}`
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}
	got := append(lines(v.CheckRequest(req)), lines(v.CheckResponse(req, resp))...)
	if len(got) != 4 {
		t.Fatalf("got %q", got)
	}
	for i, want := range []string{"query.(a name of 1000 bytes)", "query.(a name of 3 bytes)", "/(a name of 1000 bytes)", "/(a name of 3 bytes)"} {
		if !strings.Contains(got[i], want+": ") || strings.Contains(got[i], "\n") {
			t.Errorf("got %q", got[i])
		}
	}
}

// A body can be closed while it is read, as net/http does when a context is canceled.
func TestBodyClosedWhileRead(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	transport := newValidator(t, openapi.Documented).Transport(roundTripper(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: r, ContentLength: -1, Request: req}, nil
	}), func(_ *http.Request, err error) { t.Errorf("reported: %v", err) })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://h"+progressURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error)
	go func() {
		_, err := io.Copy(io.Discard, resp.Body)
		read <- err
	}()
	_, _ = io.WriteString(w, invalidProgress)
	_ = resp.Body.Close()
	if err := <-read; err == nil {
		t.Error("reading the closed body returned no error")
	}
}
