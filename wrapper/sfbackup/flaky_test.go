package sfbackup_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// flaky is a transport that fails at random. It records which starts the server has accepted, which its client
// cannot know.
type flaky struct {
	next   http.RoundTripper
	rate   float64 // of requests that are hit by a fault
	faults []flakyFault

	mu       sync.Mutex
	random   *rand.Rand
	accepted int    // how many starts the server has accepted
	repeated int    // how many starts were sent twice on the way
	stale    int    // how many progresses were those of before a start that was accepted
	before   []byte // the progress before the last start
	trace    []string
}

// A flakyFault responds to a request in place of the server. effect sends the request to the server, and returns
// its response.
type flakyFault struct {
	name string
	do   func(f *flaky, req *http.Request, effect func() *http.Response) (*http.Response, error)
}

func newFlaky(next http.RoundTripper, random *rand.Rand, rate float64, faults ...flakyFault) *flaky {
	return &flaky{next: next, rate: rate, faults: faults, random: random}
}

func (f *flaky) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
		_ = req.Body.Close()
	}
	effect := func() *http.Response {
		if req.Method == http.MethodPost {
			f.keepProgress(req)
		}
		sent := req.Clone(context.WithoutCancel(req.Context()))
		sent.Body = io.NopCloser(bytes.NewReader(body))
		resp, err := f.next.RoundTrip(sent)
		if err != nil {
			panic(err) // the transport below does not fail
		}
		if resp.StatusCode == http.StatusAccepted {
			f.mu.Lock()
			f.accepted++
			f.mu.Unlock()
		}
		// The client may be gone and not read the body.
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(body))
		return resp
	}
	name, do := f.choose()
	f.record(req.Method, req.URL.Path[strings.LastIndexByte(req.URL.Path, '/'):], name)
	if do == nil {
		return effect(), nil
	}
	return do(f, req, effect)
}

// keepProgress records the progress before a start.
func (f *flaky) keepProgress(start *http.Request) {
	get, err := http.NewRequest(http.MethodGet, strings.Replace(start.URL.String(), "/Backup?", "/GetBackupProgress?", 1), nil) //nolint:noctx // no socket
	if err != nil {
		panic(err)
	}
	resp, err := f.next.RoundTrip(get)
	if err != nil {
		panic(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = body
}

func (f *flaky) choose() (string, func(*flaky, *http.Request, func() *http.Response) (*http.Response, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.faults) == 0 || f.random.Float64() >= f.rate {
		return "", nil
	}
	fault := f.faults[f.random.IntN(len(f.faults))]
	return fault.name, fault.do
}

func (f *flaky) record(what ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trace = append(f.trace, strings.TrimSpace(strings.Join(what, " ")))
}

// backups returns how many starts the server has accepted.
func (f *flaky) backups() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.accepted
}

// int64N returns a random number below n.
func (f *flaky) int64N(n int64) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.Int64N(n)
}

func errReset() error {
	return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
}

// failWith loses the request, or its response.
func failWith(name string, err func() error, takesEffect bool) flakyFault {
	return flakyFault{name, func(_ *flaky, _ *http.Request, effect func() *http.Response) (*http.Response, error) {
		if takesEffect {
			effect()
		}
		return nil, err()
	}}
}

// respondWith returns its own response, with or without sending the request to the server.
func respondWith(a canned, takesEffect bool) flakyFault {
	name := fmt.Sprint(a.status, " ", a.body, a.header)
	if takesEffect {
		name += " after effect"
	}
	return flakyFault{name, func(_ *flaky, req *http.Request, effect func() *http.Response) (*http.Response, error) {
		if takesEffect {
			effect()
		}
		return a.response(req), nil
	}}
}

// delayed lets the request take effect after a random time below upTo, whether the client still waits or not.
func delayed(upTo time.Duration) flakyFault {
	return flakyFault{"delayed", func(f *flaky, req *http.Request, effect func() *http.Response) (*http.Response, error) {
		d := time.Duration(f.int64N(int64(upTo)))
		done := make(chan *http.Response, 1)
		time.AfterFunc(d, func() { done <- effect() })
		select {
		case resp := <-done:
			return resp, nil
		case <-req.Context().Done():
			return nil, context.Cause(req.Context())
		}
	}}
}

// abandoned responds like a proxy that has stopped waiting for the server. The request takes effect up to a minute
// after that.
func abandoned(a canned) flakyFault {
	return flakyFault{"abandoned: " + a.status, func(f *flaky, req *http.Request, effect func() *http.Response) (*http.Response, error) {
		timeout := 2*time.Second + time.Duration(f.int64N(int64(time.Minute)))
		time.AfterFunc(timeout+time.Duration(f.int64N(int64(time.Minute))), func() { effect() })
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		select {
		case <-timer.C:
			return a.response(req), nil
		case <-req.Context().Done():
			return nil, context.Cause(req.Context())
		}
	}}
}

// ambiguousFaults are faults after which a client does not know whether its request took effect. After a few of
// them it does.
func ambiguousFaults() []flakyFault {
	eof := func() error { return io.EOF }
	faults := []flakyFault{
		failWith("refused", func() error { return errRefused }, false),
		failWith("reset", errReset, false), failWith("reset after effect", errReset, true),
		failWith("EOF", eof, false), failWith("EOF after effect", eof, true),
		respondWith(canned{status: "429 Too Many Requests", header: http.Header{"Retry-After": {"3"}}}, false),
		delayed(3 * time.Minute), delayed(3 * time.Minute), delayed(3 * time.Second),
		abandoned(canned{status: "504 Gateway Timeout"}), abandoned(canned{status: "408 Request Timeout"}),
	}
	for _, a := range []canned{
		{status: "408 Request Timeout"},
		{status: "500 Internal Server Error", body: `{"Error":{"Code":"E_UNEXPECTED","Message":"m"}}`},
		{status: "502 Bad Gateway"},
		{status: "503 Service Unavailable", header: http.Header{"Retry-After": {"7"}}},
		{status: "503 Service Unavailable", body: `{"Error":{"Code":"FABRIC_E_NOT_PRIMARY","Message":"m"}}`},
		{status: "400 FABRIC_E_RECONFIGURATION_PENDING"},
		{status: "504 FABRIC_E_TIMEOUT"},
	} {
		faults = append(faults, respondWith(a, false), respondWith(a, true))
	}
	return faults
}

// unreliableFaults are the ambiguous faults and those of servers and intermediaries whose responses are wrong: the
// progress of before, an empty progress, a request that is sent twice, and a failure without a code of somebody who
// gave up.
func unreliableFaults() []flakyFault {
	on := func(method, name string, do func(f *flaky, req *http.Request, effect func() *http.Response) (*http.Response, error)) flakyFault {
		return flakyFault{name, func(f *flaky, req *http.Request, effect func() *http.Response) (*http.Response, error) {
			if req.Method != method {
				return effect(), nil
			}
			return do(f, req, effect)
		}}
	}
	stale := on(http.MethodGet, "stale", func(f *flaky, req *http.Request, effect func() *http.Response) (*http.Response, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.accepted == 0 {
			f.mu.Unlock()
			defer f.mu.Lock()
			return effect(), nil
		}
		f.stale++
		return ok(string(f.before)).response(req), nil
	})
	empty := on(http.MethodGet, "empty", func(f *flaky, req *http.Request, _ func() *http.Response) (*http.Response, error) {
		if f.int64N(2) == 0 {
			return canned{status: "204 No Content"}.response(req), nil
		}
		return ok("").response(req), nil
	})
	twice := on(http.MethodPost, "twice", func(f *flaky, _ *http.Request, effect func() *http.Response) (*http.Response, error) {
		f.mu.Lock()
		f.repeated++
		f.mu.Unlock()
		effect()
		time.Sleep(time.Duration(f.int64N(int64(10 * time.Second))))
		return effect(), nil
	})
	faults := append(ambiguousFaults(), stale, stale, empty, empty, twice)
	for _, status := range []string{"500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable", "520 ", "524 "} {
		faults = append(faults, abandoned(canned{status: status}))
	}
	return faults
}
