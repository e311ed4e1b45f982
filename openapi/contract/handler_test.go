package contract_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/internal/handlertransport"
	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
)

const startURL = onPartition + "Backup?api-version=6.4"

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
