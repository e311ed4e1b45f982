package contract_test

import (
	"errors"
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

// The same answer through every seam gives the same violations, and passes unchanged.
func TestSeams(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Documented)
	const body = `{"BackupState":"Lost"}`
	const want = `GetPartitionBackupProgress: response /BackupState: enum: expected one of Invalid, Accepted, BackupInProgress, Success, Failure, Timeout, found "Lost"`
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
		tb := &recordingTB{}
		get(&http.Client{Transport: contract.ForTest(tb, v, nil)}, server.URL)
		if diff := cmp.Diff([]string{"GET " + onPartition + "GetBackupProgress, 200:\n\t" + want}, tb.errors); diff != "" {
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
			if err == nil || err.Error() != "entry 1: "+want || !slices.Equal(lines(err), []string{want}) {
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

type recordingTB struct{ errors []string }

func (*recordingTB) Helper() {}
func (r *recordingTB) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// An answer streams through the transport, and one that is closed early is not judged by its half.
func TestTransportStreams(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Documented)
	body, w := io.Pipe()
	tb := &recordingTB{}
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
	go io.WriteString(w, `{"Items":[`) //nolint:errcheck // the reader sees it
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

// A request is reported although it gets no answer, and its body arrives.
func TestTransportWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	tb := &recordingTB{}
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
	want := []string{"POST " + onPartition + "Backup, no answer:\n\tBackupPartition: request header.Content-Type: content-type: expected application/json, found none"}
	if diff := cmp.Diff(want, tb.errors); diff != "" {
		t.Error(diff)
	}
}

// The handler behind Handler can do what it can do without it.
func TestHandlerPassesEverythingOn(t *testing.T) {
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
		t.Errorf("an answer that is left to net/http: %q", got)
	}
	if _, got = serve(func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		w.Write([]byte("<html>")) //nolint:errcheck // a test
	}, http.NoBody); len(got) != 1 {
		t.Errorf("a flush before anything else: %q", got)
	}

	errBroken := errors.New("broken")
	if _, got = serve(func(w http.ResponseWriter, r *http.Request) {
		if data, err := io.ReadAll(r.Body); !errors.Is(err, errBroken) || string(data) != "{" {
			t.Errorf("a body that breaks off arrives as %q, %v", data, err)
		}
		r.Body.Close()
		w.WriteHeader(http.StatusBadRequest)
	}, io.MultiReader(strings.NewReader("{"), errReader{errBroken})); len(got) != 1 || !strings.Contains(got[0], "request: json") {
		t.Errorf("a request that breaks off: %q", got)
	}

	// Who takes over the connection answers alone.
	server := httptest.NewServer(v.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()                                                    //nolint:errcheck // a test
		io.WriteString(rw, "HTTP/1.1 299 Taken\r\nConnection: close\r\n\r\n") //nolint:errcheck // a test
		rw.Flush()                                                            //nolint:errcheck // a test
	}), func(_ *http.Request, err error) { t.Errorf("reported: %v", err) }))
	defer server.Close()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+onPartition+"GetBackups?api-version=6.4", nil)
	resp, err := server.Client().Do(req)
	if err != nil || resp.StatusCode != 299 {
		t.Errorf("got %v, %v", resp, err)
	}
	resp.Body.Close()
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
	req, resp := readExchange(t, answered(progressOf, done))
	resp.Body = io.NopCloser(errReader{errBroken})
	if err := v.CheckResponse(req, resp); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	post := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://h"+onPartition+"Backup?api-version=6.4", errReader{errBroken})
	transport := v.Transport(roundTripper(func(*http.Request) (*http.Response, error) { panic("sent") }), nil)
	if _, err := transport.RoundTrip(post); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}
