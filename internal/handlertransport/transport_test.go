package handlertransport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/internal/handlertransport"
)

// handled runs a test with a transport to a handler, in a bubble that fails if a goroutine is left.
func handled(t *testing.T, handler http.HandlerFunc, f func(t *testing.T, rt http.RoundTripper)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f(t, handlertransport.New(handler, time.Now))
	})
}

func newRequest(ctx context.Context, t *testing.T, method, target string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func roundTrip(t *testing.T, rt http.RoundTripper, req *http.Request) *http.Response {
	t.Helper()
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func readAll(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// seen is what a handler sees of a request.
type seen struct {
	Method, RequestURI, Path, RawPath, RawQuery, Host string

	ContentLength    int64
	TransferEncoding []string
	Header           http.Header
	Body             string
}

// TestLikeNetHTTP sends the same requests over a socket and over the transport. Handlers and clients must
// see the same.
func TestLikeNetHTTP(t *testing.T) {
	t.Parallel()
	var got seen
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = seen{
			r.Method, r.RequestURI, r.URL.Path, r.URL.RawPath, r.URL.RawQuery, r.Host,
			r.ContentLength, r.TransferEncoding, r.Header, string(body),
		}
		switch r.Header.Get("Answer") {
		case "nothing":
		case "no content":
			w.WriteHeader(http.StatusNoContent)
			if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrBodyNotAllowed) {
				t.Errorf("writing a body: %v", err)
			}
		case "long":
			w.Header().Set("Content-Type", "text/plain")
			for range 1000 {
				_, _ = fmt.Fprintln(w, "line")
			}
		case "long with a length":
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", "5000")
			for range 1000 {
				_, _ = fmt.Fprintln(w, "line")
			}
			if _, err := w.Write([]byte("more")); !errors.Is(err, http.ErrContentLength) && r.Method != http.MethodHead {
				t.Errorf("writing too much: %v", err)
			}
		default:
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", "4")
			w.WriteHeader(http.StatusTeapot)
			w.WriteHeader(http.StatusOK) // too late, which net/http logs
			w.Header().Set("Late", "too")
			_, _ = w.Write(nil)
			_, _ = io.WriteString(w, "body")
		}
	})
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	base := &http.Transport{DisableCompression: true}
	t.Cleanup(base.CloseIdleConnections)

	type result struct {
		Seen             seen
		Status, Proto    string
		Header           http.Header
		ContentLength    int64
		TransferEncoding []string
		Body             string
	}
	send := func(rt http.RoundTripper, makeRequest func(url string) *http.Request) result {
		got = seen{}
		req := makeRequest(server.URL)
		resp := roundTrip(t, rt, req)
		if resp.Request != req {
			t.Error("the response is not of the request")
		}
		body := readAll(t, resp)
		header := resp.Header.Clone()
		if header.Get("Date") == "" {
			t.Error("the response has no date")
		}
		header.Del("Date")
		return result{got, resp.Status, resp.Proto, header, resp.ContentLength, resp.TransferEncoding, body}
	}

	request := func(method, target, body string, header ...string) func(url string) *http.Request {
		return func(url string) *http.Request {
			var reader io.Reader
			if body != "" {
				reader = strings.NewReader(body)
			}
			req := newRequest(t.Context(), t, method, url+target, reader)
			for i := 0; i < len(header); i += 2 {
				req.Header.Set(header[i], header[i+1])
			}
			return req
		}
	}
	unknownLength := func(body string) func(url string) *http.Request {
		return func(url string) *http.Request {
			req := newRequest(t.Context(), t, http.MethodPost, url+"/", strings.NewReader(body))
			req.ContentLength = -1
			return req
		}
	}
	for _, tt := range []struct {
		name string
		make func(url string) *http.Request
	}{
		{"GET", request("GET", "/a/b?x=1&y=%2B+z", "", "Accept", "application/json")},
		{"escaped path", request("GET", "/a%2Fb/%24/$/c%20d", "")},
		{"no path", request("GET", "?q", "")},
		{"POST without a body", request("POST", "/", "")},
		{"POST with a body", request("POST", "/", "{}", "Content-Type", "application/json")},
		{"POST with a large body", request("POST", "/", strings.Repeat("x", 1<<20))},
		{"chunked", unknownLength("{}")},
		{"chunked and empty", unknownLength("")},
		{"host", func(url string) *http.Request {
			req := request("GET", "/", "")(url)
			req.Host = "cluster.example:19080"
			return req
		}},
		{"user agent", request("GET", "/", "", "User-Agent", "test/1")},
		{"no user agent", request("GET", "/", "", "User-Agent", "")},
		{"headers that the caller cannot set", request("GET", "/", "", "Host", "x", "Content-Length", "9", "Transfer-Encoding", "chunked")},
		{"default method", func(url string) *http.Request {
			req := request("GET", "/", "")(url)
			req.Method = ""
			return req
		}},
		{"nothing", request("GET", "/", "", "Answer", "nothing")},
		{"no content", request("GET", "/", "", "Answer", "no content")},
		{"long", request("GET", "/", "", "Answer", "long")},
		{"long with a length", request("GET", "/", "", "Answer", "long with a length")},
		{"HEAD", request("HEAD", "/", "")},
		{"HEAD with a length", request("HEAD", "/", "", "Answer", "long with a length")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := send(base, tt.make)
			if diff := cmp.Diff(want, send(handlertransport.New(handler, time.Now), tt.make)); diff != "" {
				t.Errorf("(-net/http +transport)\n%s", diff)
			}
		})
	}
}

// TestRequestUntouched: the handler's request shares no data with the client's request.
func TestRequestUntouched(t *testing.T) {
	handled(t, func(_ http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Handler", "was here")
		r.URL.Path = "/elsewhere"
	}, func(t *testing.T, rt http.RoundTripper) {
		req := newRequest(t.Context(), t, "GET", "http://cluster/here", nil)
		roundTrip(t, rt, req).Body.Close()
		if len(req.Header) != 0 || req.URL.Path != "/here" {
			t.Errorf("the request is now %s %v", req.URL, req.Header)
		}
	})
}

func TestStreaming(t *testing.T) {
	handled(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first")
		<-r.Context().Done()
	}, func(t *testing.T, rt http.RoundTripper) {
		resp := roundTrip(t, rt, newRequest(t.Context(), t, "GET", "http://cluster/", nil))
		b := make([]byte, 100)
		n, err := resp.Body.Read(b)
		if string(b[:n]) != "first" || err != nil {
			t.Errorf("read %q, %v before the handler has ended", b[:n], err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if _, err := resp.Body.Read(b); !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("reading a closed body: %v", err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Errorf("closing it again: %v", err)
		}
	})
}

// TestFlush: a handler can send its header before its body.
func TestFlush(t *testing.T) {
	handled(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints) // not a response
		w.WriteHeader(http.StatusCreated)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		<-r.Context().Done()
	}, func(t *testing.T, rt http.RoundTripper) {
		resp := roundTrip(t, rt, newRequest(t.Context(), t, "GET", "http://cluster/", nil))
		defer resp.Body.Close()
		if resp.Status != "201 Created" {
			t.Error(resp.Status)
		}
	})
}

// TestCloseEarly: when Close returns, the handler has ended, even if it had more to write.
func TestCloseEarly(t *testing.T) {
	ended := false
	handled(t, func(w http.ResponseWriter, r *http.Request) {
		defer func() { ended = true }()
		for {
			if _, err := io.WriteString(w, "again and again\n"); err != nil {
				if r.Context().Err() == nil {
					t.Error("the client has closed the body, but the request is not canceled")
				}
				return
			}
		}
	}, func(t *testing.T, rt http.RoundTripper) {
		resp := roundTrip(t, rt, newRequest(t.Context(), t, "GET", "http://cluster/", nil))
		if _, err := io.ReadFull(resp.Body, make([]byte, 1000)); err != nil {
			t.Error(err)
		}
		resp.Body.Close()
		if !ended {
			t.Error("the handler is still running")
		}
	})
}

// TestEndedAtEOF: when the client reads the end of the body, the handler has returned.
func TestEndedAtEOF(t *testing.T) {
	ended := false
	handled(t, func(w http.ResponseWriter, _ *http.Request) {
		defer func() { ended = true }()
		_, _ = io.WriteString(w, "body")
	}, func(t *testing.T, rt http.RoundTripper) {
		resp := roundTrip(t, rt, newRequest(t.Context(), t, "GET", "http://cluster/", nil))
		if got := readAll(t, resp); got != "body" || !ended {
			t.Errorf("read %q, ended %t", got, ended)
		}
	})
}

// TestAbort: a handler that breaks the connection, before and after it sends its header.
func TestAbort(t *testing.T) {
	t.Parallel()
	t.Run("before", func(t *testing.T) {
		handled(t, func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}, func(t *testing.T, rt http.RoundTripper) {
			_, err := rt.RoundTrip(newRequest(t.Context(), t, "GET", "http://cluster/", nil))
			if !errors.Is(err, io.EOF) {
				t.Errorf("%v, want io.EOF", err)
			}
		})
	})
	for name, length := range map[string]string{"after": "", "after, with a length": "100"} {
		t.Run(name, func(t *testing.T) {
			handled(t, func(w http.ResponseWriter, _ *http.Request) {
				if length != "" {
					w.Header().Set("Content-Length", length)
				}
				_, _ = io.WriteString(w, "begin")
				panic(http.ErrAbortHandler)
			}, func(t *testing.T, rt http.RoundTripper) {
				resp := roundTrip(t, rt, newRequest(t.Context(), t, "GET", "http://cluster/", nil))
				defer resp.Body.Close()
				b, err := io.ReadAll(resp.Body)
				if string(b) != "begin" || !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("read %q, %v", b, err)
				}
			})
		})
	}
}

// TestShortResponse: a handler that writes less than its Content-Length.
func TestShortResponse(t *testing.T) {
	handled(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "short")
	}, func(t *testing.T, rt http.RoundTripper) {
		resp := roundTrip(t, rt, newRequest(t.Context(), t, "GET", "http://cluster/", nil))
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); string(b) != "short" || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("read %q, %v", b, err)
		}
	})
}

// wrapped is a ResponseWriter of middleware.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestReasonPhrase: through middleware, over the transport and over a socket.
func TestReasonPhrase(t *testing.T) {
	t.Parallel()
	const date = "Wed, 01 Jan 2020 00:00:00 GMT"
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/dated" {
			w.Header().Set("Date", date)
		}
		handlertransport.WriteStatusLine(wrapped{w}, r, http.StatusNotFound, "FABRIC_E_SERVICE_DOES_NOT_EXIST")
	})
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	for name, rt := range map[string]http.RoundTripper{
		"transport": handlertransport.New(handler, time.Now),
		"server":    server.Client().Transport,
	} {
		resp := roundTrip(t, rt, newRequest(t.Context(), t, "POST", server.URL, strings.NewReader("{}")))
		if got := readAll(t, resp); resp.Status != "404 FABRIC_E_SERVICE_DOES_NOT_EXIST" || got != "" || resp.ContentLength != 0 {
			t.Errorf("%s: %s %q %d", name, resp.Status, got, resp.ContentLength)
		}
		if resp.Header.Get("Date") == "" {
			t.Errorf("%s: no date", name)
		}
		resp = roundTrip(t, rt, newRequest(t.Context(), t, "GET", server.URL+"/dated", nil))
		if readAll(t, resp); resp.Header.Get("Date") != date {
			t.Errorf("%s: the date is %s, not that of the handler", name, resp.Header.Get("Date"))
		}
	}
}

// TestRejected: requests that a client of net/http does not send either.
func TestRejected(t *testing.T) {
	t.Parallel()
	rt := handlertransport.New(http.NotFoundHandler(), time.Now)
	for name, change := range map[string]func(*http.Request){
		"no URL":       func(r *http.Request) { r.URL = nil },
		"no header":    func(r *http.Request) { r.Header = nil },
		"scheme":       func(r *http.Request) { r.URL.Scheme = "ftp" },
		"no host":      func(r *http.Request) { r.URL.Host = "" },
		"no such verb": func(r *http.Request) { r.Method = "GET /" },
	} {
		body := &closeCounter{Reader: strings.NewReader("x")}
		req := newRequest(t.Context(), t, "POST", "http://cluster/", body)
		change(req)
		if _, err := rt.RoundTrip(req); err == nil {
			t.Errorf("%s: sent", name)
		}
	}
}

// TestBreakConnection: through middleware, over the transport, over a socket with and without TLS, and
// without a connection.
func TestBreakConnection(t *testing.T) {
	t.Parallel()
	broken := errors.New("the connection is broken")
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		handlertransport.BreakConnection(wrapped{w}, broken)
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	for _, tt := range []struct {
		name, url string
		rt        http.RoundTripper
		want      error
	}{
		{"transport", "http://cluster", handlertransport.New(handler, time.Now), broken},
		{"socket", plain.URL, plain.Client().Transport, syscall.ECONNRESET},
		{"TLS", secure.URL, secure.Client().Transport, syscall.ECONNRESET},
	} {
		if _, err := tt.rt.RoundTrip(newRequest(t.Context(), t, "POST", tt.url, nil)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}

	defer func() {
		if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("panic %v", err)
		}
	}()
	handler(httptest.NewRecorder(), newRequest(t.Context(), t, "GET", "http://cluster", nil))
}
