package sfbackuptest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// This file has the faults of pages.

// DuplicatePage serves the previous page again: it responds to a request for a further page with the page
// that was requested before. It hits only list requests with a continuation token and MaxResults, if an
// earlier page of the same list was requested.
func DuplicatePage() Fault {
	return Fault{
		name:        "DuplicatePage",
		times:       1,
		replaysPage: true,
		conditions: []condition{isContinuation, func(in *injector, _ Operation, r *http.Request) bool {
			_, ok := in.pages[listKey(r)]
			return ok
		}},
		wrap: func(c *Cluster, w http.ResponseWriter, r *http.Request) {
			previous := r.Clone(r.Context())
			c.injector.mu.Lock()
			previous.URL.RawQuery = c.injector.pages[listKey(r)]
			c.injector.mu.Unlock()
			c.serveGateway(w, previous, nil)
		},
	}
}

// RepeatToken serves the right page, but with the continuation token of the request, so that a client that
// follows the token gets the same page again. It hits only list requests with a continuation token.
func RepeatToken() Fault {
	return Fault{name: "RepeatToken", times: 1, conditions: []condition{isContinuation}, wrap: func(c *Cluster, w http.ResponseWriter, r *http.Request) {
		token := continuationToken(r)
		c.serveGateway(w, r, func(p *page) { p.token = token })
	}}
}

// EndlessPages always serves the first page, whatever the token of the request, and each time with a new
// token. It hits all lists unless [Fault.Times] sets a limit.
func EndlessPages() Fault {
	return Fault{
		name:       "EndlessPages",
		conditions: []condition{func(_ *injector, op Operation, _ *http.Request) bool { return op.isList() }},
		wrap: func(c *Cluster, w http.ResponseWriter, r *http.Request) {
			first := r.Clone(r.Context())
			first.URL.RawQuery = withoutToken(r)
			c.serveGateway(w, first, func(p *page) {
				p.token = fmt.Sprintf("00000000-0000-4000-8000-%012x", c.injector.tokens.Add(1))
			})
		},
	}
}

// isContinuation reports whether a request is for a further page of a list.
func isContinuation(_ *injector, op Operation, r *http.Request) bool {
	return op.isList() && continuationToken(r) != ""
}

func continuationToken(r *http.Request) string {
	token, _ := parseQuery(r.URL.RawQuery).get("ContinuationToken")
	return token
}

// listKey identifies the list that a request is for a page of.
func listKey(r *http.Request) string { return r.URL.Path + "?" + withoutToken(r) }

// withoutToken returns a request's query without its continuation token.
func withoutToken(r *http.Request) string {
	values := make(url.Values)
	for _, p := range parseQuery(r.URL.RawQuery) {
		if !strings.EqualFold(p.name, "ContinuationToken") {
			values.Add(p.name, p.value)
		}
	}
	return values.Encode()
}

// recordPage records a request for a page. A list that is requested without MaxResults has one page only,
// so there is nothing to record.
func (in *injector) recordPage(r *http.Request) {
	if _, paged := parseQuery(r.URL.RawQuery).get("MaxResults"); !paged {
		return
	}
	if in.pages == nil || len(in.pages) == maxRequests {
		in.pages = make(map[string]string) // bounds the memory of a long run
	}
	in.pages[listKey(r)] = r.URL.RawQuery
}
