package sfbackuptest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// outcome is what a client gets: an error, or a response whose body may end with an error.
type outcome struct {
	err     error
	status  string
	header  http.Header
	body    string
	bodyErr error
}

// attempt sends a request without following redirects.
func attempt(t *testing.T, rt http.RoundTripper, method, url string) outcome {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return outcome{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return outcome{status: resp.Status, header: resp.Header, body: string(b), bodyErr: err}
}

// isNetworkError reports whether an error is a net.OpError with a system error.
func isNetworkError(err error, errno syscall.Errno) bool {
	var op *net.OpError
	return errors.As(err, &op) && errors.Is(err, errno)
}

// TestFaults: every fault on a list, over the transport and over a socket.
func TestFaults(t *testing.T) {
	t.Parallel()
	const list = calc + "GetBackups" + v
	whole := get(t, sfbackuptest.NewCluster(), list).body
	for _, tt := range []struct {
		name  string
		fault sfbackuptest.Fault
		check func(o outcome, socket bool) bool
	}{
		{"Refuse", sfbackuptest.Refuse(), func(o outcome, socket bool) bool {
			if socket {
				return isNetworkError(o.err, syscall.ECONNRESET)
			}
			return isNetworkError(o.err, syscall.ECONNREFUSED)
		}},
		{"Reset", sfbackuptest.Reset(), func(o outcome, _ bool) bool { return isNetworkError(o.err, syscall.ECONNRESET) }},
		{"HangUp", sfbackuptest.HangUp(), func(o outcome, _ bool) bool { return errors.Is(o.err, io.EOF) }},
		{"Stall(1ms)", sfbackuptest.Stall(time.Millisecond), func(o outcome, _ bool) bool { return o.body == whole }},
		{
			"Answer(503)", sfbackuptest.Answer(503, "").Header("Retry-After", "7"),
			func(o outcome, _ bool) bool {
				return o.status == "503 Service Unavailable" && o.body == "" && o.header.Get("Retry-After") == "7" && o.header.Get("Content-Type") == ""
			},
		},
		{"Answer(200)", sfbackuptest.Answer(200, "null"), func(o outcome, _ bool) bool {
			return o.status == "200 OK" && o.body == "null" && o.header.Get("Content-Type") == jsonText
		}},
		{"HTMLError(502)", sfbackuptest.HTMLError(502), func(o outcome, _ bool) bool {
			return o.status == "502 Bad Gateway" && strings.Contains(o.body, "<h2>Bad Gateway</h2>") && strings.HasPrefix(o.header.Get("Content-Type"), "text/html")
		}},
		{"RefuseCredentials", sfbackuptest.RefuseCredentials(), func(o outcome, _ bool) bool {
			return o.status == "403 Client certificate required" && o.body == ""
		}},
		{"DenyAccess", sfbackuptest.DenyAccess(), func(o outcome, _ bool) bool {
			return o.status == "403 Forbidden" && o.body == accessDenied && o.header.Get("Content-Type") == plainText
		}},
		{"Redirect", sfbackuptest.Redirect("https://elsewhere.example/"), func(o outcome, _ bool) bool {
			return o.status == "307 Temporary Redirect" && o.header.Get("Location") == "https://elsewhere.example/"
		}},
		{"CutBody(0)", sfbackuptest.CutBody(0), func(o outcome, _ bool) bool {
			return o.status == "200 OK" && o.body == "" && errors.Is(o.bodyErr, io.ErrUnexpectedEOF)
		}},
		{"CutBody(1000)", sfbackuptest.CutBody(1000), func(o outcome, _ bool) bool {
			return o.body == whole[:1000] && errors.Is(o.bodyErr, io.ErrUnexpectedEOF)
		}},
		{"CutBody(1000000)", sfbackuptest.CutBody(1_000_000), func(o outcome, _ bool) bool {
			return o.body == whole[:len(whole)-1] && errors.Is(o.bodyErr, io.ErrUnexpectedEOF)
		}},
		{"TruncateBody(1000)", sfbackuptest.TruncateBody(1000), func(o outcome, _ bool) bool {
			return o.body == whole[:1000] && o.bodyErr == nil
		}},
		{"SlowBody(500, 1ms)", sfbackuptest.SlowBody(500, time.Millisecond), func(o outcome, _ bool) bool { return o.body == whole }},
		{"Gzip", sfbackuptest.Gzip(), func(o outcome, socket bool) bool {
			if socket { // a client of net/http asks for it and decodes it
				return o.body == whole
			}
			z, err := gzip.NewReader(bytes.NewReader([]byte(o.body)))
			if err != nil {
				return false
			}
			b, err := io.ReadAll(z)
			return err == nil && string(b) == whole && o.header.Get("Content-Encoding") == "gzip"
		}},
		{
			"Teapot", sfbackuptest.Custom("Teapot", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				w.Header().Set("X-Tea", "hot")
				next.ServeHTTP(w, r)
			}),
			func(o outcome, _ bool) bool { return o.body == whole && o.header.Get("X-Tea") == "hot" },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.fault.String(); got != tt.name {
				t.Errorf("the name of the fault is %s", got)
			}
			for _, socket := range []bool{false, true} {
				c := sfbackuptest.NewCluster()
				rt, url := c.Transport(), "http://cluster"
				if socket {
					server := newServer(t, c)
					rt, url = server.Client().Transport, server.URL
				}
				c.Script(t, tt.fault)
				if o := attempt(t, rt, http.MethodGet, url+list); !tt.check(o, socket) {
					t.Errorf("socket %t: %+v", socket, o)
				}
				// The fault does not hit the next request.
				if o := attempt(t, rt, http.MethodGet, url+list); o.body != whole {
					t.Errorf("socket %t: the next: %+v", socket, o)
				}
				requests := c.Requests()
				if len(requests) != 2 || requests[0].Fault != tt.name || requests[1].Fault != "" {
					t.Errorf("socket %t: %d requests, hit by %q and %q", socket, len(requests), requests[0].Fault, requests[1].Fault)
				}
			}
		})
	}
}

// TestEffect: which faults let the backup start.
func TestEffect(t *testing.T) {
	t.Parallel()
	backup := first + "Backup" + v
	for _, tt := range []struct {
		fault sfbackuptest.Fault
		want  bool
	}{
		{sfbackuptest.Refuse(), false},
		{sfbackuptest.Reset(), false},
		{sfbackuptest.Reset().AfterEffect(), true},
		{sfbackuptest.HangUp(), false},
		{sfbackuptest.HangUp().AfterEffect(), true},
		{sfbackuptest.Answer(504, ""), false},
		{sfbackuptest.Answer(504, "").AfterEffect(), true},
		{sfbackuptest.RefuseCredentials(), false},
		{sfbackuptest.CutBody(0), true},
		{sfbackuptest.TruncateBody(0), true},
		{sfbackuptest.SlowBody(1, time.Hour), true},
		{sfbackuptest.Gzip(), true},
		{sfbackuptest.Stall(time.Millisecond), true},
		{sfbackuptest.Stall(time.Millisecond).AfterEffect(), true},
	} {
		for _, socket := range []bool{false, true} {
			c := sfbackuptest.NewCluster()
			rt, url := c.Transport(), "http://cluster"
			if socket {
				server := newServer(t, c)
				rt, url = server.Client().Transport, server.URL
			}
			c.Script(t, tt.fault.On(sfbackuptest.OpBackupPartition))
			o := attempt(t, rt, http.MethodPost, url+backup)
			if strings.HasPrefix(tt.fault.String(), "CutBody") && !errors.Is(o.err, io.EOF) {
				t.Errorf("%s, socket %t: a response without a body arrived: %+v", tt.fault, socket, o)
			}
			if got := state(t, c) != "null"; got != tt.want {
				t.Errorf("%s, socket %t: effect %t, want %t", tt.fault, socket, got, tt.want)
			}
		}
	}
	if got := sfbackuptest.Reset().AfterEffect().String(); got != "Reset after effect" {
		t.Error(got)
	}
}

// TestEffectOfReason: AfterEffect also discards a response that consists of a reason phrase.
func TestEffectOfReason(t *testing.T) {
	t.Parallel()
	c := sfbackuptest.NewCluster()
	c.Script(t, sfbackuptest.Answer(200, "").AfterEffect())
	if a := get(t, c, "/Nope"); a.Status != "200 OK" {
		t.Error(a.Status)
	}
}

// TestStall: a client that gives up ends the request immediately, over the transport and over a socket.
func TestStall(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]sfbackuptest.Fault{
		"forever":   sfbackuptest.Stall(0),
		"an hour":   sfbackuptest.Stall(time.Hour),
		"a trickle": sfbackuptest.SlowBody(1, time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := sfbackuptest.NewCluster()
				c.Script(t, fault)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				began := time.Now()
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://cluster"+calc+"GetBackups"+v, nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := c.Transport().RoundTrip(req)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
					t.Errorf("after %s: %v", time.Since(began), err)
				}
			})
		})
	}
	for _, fault := range []sfbackuptest.Fault{sfbackuptest.Stall(0), sfbackuptest.Stall(time.Hour)} {
		t.Run("socket, "+fault.String(), func(t *testing.T) {
			t.Parallel()
			c := sfbackuptest.NewCluster()
			server := newServer(t, c)
			arrived := make(chan context.Context, 1)
			c.Script(t, fault.When(func(r *http.Request) bool { arrived <- r.Context(); return true }))
			ctx, cancel := context.WithCancel(t.Context())
			gone := make(chan bool)
			go func() {
				handling := <-arrived
				cancel()
				<-handling.Done() // the cluster notices that the client has gone
				close(gone)
			}()
			body := strings.NewReader(strings.Repeat(" ", 8<<10))
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+calc+"Backup"+v, body)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := server.Client().Do(req); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			<-gone
		})
	}
}

// TestSlowBody: a slow body takes the expected time.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := sfbackuptest.NewCluster()
		c.Script(t, sfbackuptest.SlowBody(100, time.Second), sfbackuptest.Stall(time.Hour))
		began := time.Now()
		body := get(t, c, calc+"GetBackups"+v).body
		if took := time.Since(began); !json.Valid([]byte(body)) || took < time.Duration(len(body)/100)*time.Second || took > time.Minute {
			t.Errorf("%d bytes took %s", len(body), took)
		}
		began = time.Now()
		get(t, c, calc+"GetBackups"+v)
		if took := time.Since(began); took != time.Hour {
			t.Errorf("the stalled response took %s", took)
		}
	})
}

// TestCloseSlowBody: a client that closes a slow body does not wait for the rest.
func TestCloseSlowBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, fault := range []sfbackuptest.Fault{
			sfbackuptest.SlowBody(10, time.Second), sfbackuptest.CutBody(1 << 40), sfbackuptest.TruncateBody(1 << 40), sfbackuptest.Gzip(),
		} {
			c := sfbackuptest.NewCluster()
			c.Script(t, fault)
			resp, err := c.Transport().RoundTrip(mustRequest(t, http.MethodGet, "http://cluster"+calc+"GetBackups"+v))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(resp.Body, make([]byte, 10)); err != nil {
				t.Errorf("%s: %v", fault, err)
			}
			resp.Body.Close()
		}
	})
}

func mustRequest(t testing.TB, method, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}
