package contract

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing" // it registers no flags unless testing.Init is called
)

// ForTest returns a [Validator.Transport] through next, which may be nil. It calls t.Errorf once for each
// exchange with violations. The text has the line of the test, the number of the exchange, its method, path, query
// and status, and all violations. Violations that v allows are not reported.
//
// An exchange whose response body is neither read to its end nor closed is reported when the test ends.
func ForTest(t testing.TB, v *Validator, next http.RoundTripper) http.RoundTripper {
	r := newTestReport(t, v)
	return newTransport(v, next, r.begin)
}

// ForTestHandler returns a [Validator.Handler] in front of next that reports as [ForTest] does. The line is that of
// its own call, unless the request is served on the goroutine of the test. Servers must be closed before the test
// ends, for example with t.Cleanup(server.Close): an exchange that ends after that is not reported.
func ForTestHandler(t testing.TB, v *Validator, next http.Handler) http.Handler {
	r := newTestReport(t, v)
	return v.handler(next, r.begin)
}

// A testReport reports the exchanges of a test.
type testReport struct {
	t         testing.TB
	validator *Validator
	line      string // of the test that made it

	mu       sync.Mutex
	count    int
	underway map[*exchange]string // and how it is called; nil: the test has ended
}

func newTestReport(t testing.TB, v *Validator) *testReport {
	r := &testReport{t: t, validator: v, line: testLine(), underway: map[*exchange]string{}}
	t.Cleanup(r.end)
	return r
}

// begin is a beginFunc.
func (r *testReport) begin(x *exchange) func(int) {
	line := testLine()
	if line == "" {
		line = r.line
	}
	r.mu.Lock()
	r.count++
	x.out.exchange = r.count
	title := fmt.Sprintf("%s: %s %s", line, x.req.Method, r.validator.target(x.req.URL))
	if r.underway != nil {
		r.underway[x] = title
	}
	r.mu.Unlock()
	return func(status int) {
		r.t.Helper()
		outcome := fmt.Sprint("status ", status)
		switch status {
		case noResponse:
			outcome = "no response"
		case notChecked:
			outcome = "response not checked"
		}
		r.mu.Lock()
		_, underway := r.underway[x]
		delete(r.underway, x)
		r.mu.Unlock()
		if underway { // otherwise the test has ended
			r.report(x, title+", "+outcome)
		}
	}
}

func (r *testReport) report(x *exchange, title string) {
	r.t.Helper()
	x.mu.Lock() // when the test ends, its response may just be checked
	err := x.out.err()
	x.mu.Unlock()
	if err != nil {
		r.t.Errorf("%s:\n\t%s", title, strings.ReplaceAll(err.Error(), "\n", "\n\t"))
	}
}

// end reports the exchanges that have not ended with the test.
func (r *testReport) end() {
	r.mu.Lock()
	underway := r.underway
	r.underway = nil
	r.mu.Unlock()
	for _, x := range slices.SortedFunc(maps.Keys(underway), func(a, b *exchange) int { return a.out.exchange - b.out.exchange }) {
		r.report(x, underway[x]+", whose response body was neither read to its end nor closed and is not checked")
	}
}

// target returns the path and the query of a URL. It hides the values of parameters that are not in the document,
// which may be secrets.
func (v *Validator) target(u *url.URL) string {
	path := u.EscapedPath()
	if u.RawQuery == "" {
		return path
	}
	documented := map[string]bool{}
	for _, o := range v.operations {
		for _, p := range o.parameters {
			documented[p.name] = !p.inPath
		}
	}
	pairs := strings.Split(u.RawQuery, "&")
	for i, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(name)
		switch {
		case err != nil || printable(plain) != plain:
			pairs[i] = "…"
		case !documented[plain] || strings.Contains(value, ";"):
			pairs[i] = name + "=…"
		}
	}
	return path + "?" + strings.Join(pairs, "&")
}

// testLine returns the file and the line of the innermost caller in a test file, empty if there is none.
func testLine() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.File, "_test.go") {
			return fmt.Sprintf("%s:%d", filepath.Base(frame.File), frame.Line)
		}
		if !more {
			return ""
		}
	}
}
