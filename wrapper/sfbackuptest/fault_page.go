package sfbackuptest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// This file is what goes wrong with pages.

// DuplicatePage serves the page before once more: it answers a request for a
// further page with what the request before it was answered with. It hits lists
// that go on by a continuation token.
func DuplicatePage() Fault {
	return Fault{
		name:             "DuplicatePage",
		times:            1,
		servesPageBefore: true,
		fits: func(line *faults, op Operation, r *http.Request) bool {
			_, ok := line.pages[walk(r)]
			return goesOn(nil, op, r) && ok
		},
		through: func(c *Cluster, w http.ResponseWriter, r *http.Request) {
			before := r.Clone(r.Context())
			before.URL.RawQuery = c.faults.pageBefore(walk(r))
			c.serveGateway(w, before, nil)
		},
	}
}

// RepeatToken serves the right page with the token that it was asked for by, so
// that a client which follows it gets the same page again. It hits lists that
// go on by a continuation token.
func RepeatToken() Fault {
	return Fault{name: "RepeatToken", times: 1, fits: goesOn, through: func(c *Cluster, w http.ResponseWriter, r *http.Request) {
		token := continuationToken(r)
		c.serveGateway(w, r, func(p *page) { p.token = token })
	}}
}

// EndlessPages serves the first page again and again, whatever the token in the
// request, and each time with a token that was never seen before. It hits all
// lists unless [Fault.Times] says otherwise.
func EndlessPages() Fault {
	return Fault{
		name: "EndlessPages",
		fits: func(_ *faults, op Operation, _ *http.Request) bool { return op.isList() },
		through: func(c *Cluster, w http.ResponseWriter, r *http.Request) {
			first := r.Clone(r.Context())
			first.URL.RawQuery = withoutToken(r)
			c.serveGateway(w, first, func(p *page) { p.token = c.faults.freshToken() })
		},
	}
}

// goesOn reports whether a request is for a further page of a list.
func goesOn(_ *faults, op Operation, r *http.Request) bool {
	return op.isList() && continuationToken(r) != ""
}

func continuationToken(r *http.Request) string {
	token, _ := parseQuery(r.URL.RawQuery).get("ContinuationToken")
	return token
}

// walk names the list that a request is for a page of.
func walk(r *http.Request) string { return r.URL.Path + "?" + withoutToken(r) }

// withoutToken returns a request's query without its token.
func withoutToken(r *http.Request) string {
	values := make(url.Values)
	for _, p := range parseQuery(r.URL.RawQuery) {
		if !strings.EqualFold(p.name, "ContinuationToken") {
			values.Add(p.name, p.value)
		}
	}
	return values.Encode()
}

// turnPage notes a request for a page. A list that is not asked for in pages has
// none that could be served again.
func (line *faults) turnPage(r *http.Request) {
	if _, paged := parseQuery(r.URL.RawQuery).get("MaxResults"); !paged {
		return
	}
	if line.pages == nil || len(line.pages) == maxRequests {
		line.pages = make(map[string]string) // a long run should not fill the memory
	}
	line.pages[walk(r)] = r.URL.RawQuery
}

// pageBefore returns the query of the page before the one that is asked for.
func (line *faults) pageBefore(walk string) string {
	line.mu.Lock()
	defer line.mu.Unlock()
	return line.pages[walk]
}

// freshToken returns a token that was never seen before.
func (line *faults) freshToken() string {
	line.mu.Lock()
	defer line.mu.Unlock()
	line.tokens++
	return fmt.Sprintf("00000000-0000-4000-8000-%012x", line.tokens)
}
