package transport

import (
	"io"
	"net/http/httptrace"
	"net/url"
	"testing"
)

// A request that got two connections is known to be repeated, however its host is written.
func TestConnTraceHosts(t *testing.T) {
	t.Parallel()
	for to, dialed := range map[string]string{
		"http://localhost":       "localhost:80",
		"https://LocalHost":      "LocalHost:443",
		"https://bücher.example": "xn--bcher-kva.example:443",
		"socks5://proxy":         "proxy:1080",
	} {
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		trace := new(ConnTrace)
		hooks := trace.hooks()
		trace.handOver(u)
		hooks.GetConn(dialed)
		if !trace.NothingSent(io.EOF) {
			t.Errorf("%s: something may have been sent without a connection", to)
		}
		hooks.GotConn(httptrace.GotConnInfo{})
		if trace.NothingSent(io.EOF) || trace.Repeated() {
			t.Errorf("%s: nothing sent %v, repeated %v", to, trace.NothingSent(io.EOF), trace.Repeated())
		}
		hooks.GetConn(dialed)
		hooks.GotConn(httptrace.GotConnInfo{})
		if !trace.Repeated() {
			t.Errorf("%s: two connections are not noticed", to)
		}
	}
}
