package sfbackuptest

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/servicefabric-go/backup/internal/handlertransport"
)

// Request is a request that was sent to the cluster, and its result. It contains tokens and passwords as they
// were sent, so do not log it.
type Request struct {
	// Operation is the operation that the path and the method select. Empty: none.
	Operation Operation

	Method string

	// Path is the path as it was sent, with escapes.
	Path string

	// RawQuery is the query as it was sent, and Query its parsed form.
	RawQuery string
	Query    url.Values

	Header http.Header

	// Body is the part of the body that was read. If the request was rejected early, the rest may be
	// missing.
	Body []byte

	// Time is when the request arrived, by the cluster's clock.
	Time time.Time

	// Status is the status of the response. Zero: none was sent, or not yet.
	Status int

	// Mistakes says what the client did wrong in a request for a list that succeeds nevertheless, with the
	// wrong backups: a continuation token that names no storage, such as one whose '+' was not escaped and
	// arrived as a space, and a time filter without a zone, which is in the time zone of the cluster's nodes
	// ([WithTimeZone]). Each text begins with the name of the parameter and a colon.
	Mistakes []string

	// Fault is the fault that hit the request, see [Fault.String]. Empty: none.
	Fault string
}

// maxRequests is how many requests are kept, which bounds the memory of a long run.
const maxRequests = 10_000

// Requests returns the last 10,000 requests that were sent to the cluster, in the order in which they
// arrived. They include requests that a fault kept from taking effect. The caller must not modify their
// headers, queries and bodies.
func (c *Cluster) Requests() []Request {
	c.requestLog.mu.Lock()
	defer c.requestLog.mu.Unlock()
	kept := c.requestLog.requests[max(len(c.requestLog.requests)-maxRequests, 0):]
	requests := make([]Request, len(kept))
	for i, r := range kept {
		requests[i] = *r
	}
	return requests
}

// requestKey is the key of a request's record in its context.
type requestKey struct{}

// requestLog records the requests.
type requestLog struct {
	mu       sync.Mutex
	requests []*Request
}

// add records a request.
func (l *requestLog) add(r *http.Request, op Operation, now time.Time) *Request {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if path == "" {
		path = r.URL.EscapedPath()
	}
	request := &Request{
		Operation: op,
		Method:    r.Method,
		Path:      path,
		RawQuery:  r.URL.RawQuery,
		Query:     r.URL.Query(),
		Header:    r.Header.Clone(),
		Time:      now,
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.requests) >= 2*maxRequests {
		// Drops half of them at a time, because copying is slow.
		l.requests = slices.Clone(l.requests[len(l.requests)-maxRequests:])
	}
	l.requests = append(l.requests, request)
	return request
}

// update changes a recorded request. Everything is recorded before the client can see it, so that a test
// that has its response finds the result here.
func (l *requestLog) update(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// bodyRecorder records a request body while it is read.
type bodyRecorder struct {
	io.ReadCloser
	requestLog *requestLog
	request    *Request
	copy       bytes.Buffer
}

func (b *bodyRecorder) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.copy.Write(p[:min(n, maxEntityBody-min(b.copy.Len(), maxEntityBody))])
	b.requestLog.update(func() { b.request.Body = b.copy.Bytes() })
	return n, err
}

// statusRecorder is a ResponseWriter that records the status.
type statusRecorder struct {
	http.ResponseWriter
	r          *http.Request
	requestLog *requestLog
	request    *Request
	written    bool
}

func (w *statusRecorder) WriteHeader(status int) {
	w.record(status)
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusRecorder) Write(p []byte) (int, error) {
	w.record(http.StatusOK)
	return w.ResponseWriter.Write(p)
}

func (w *statusRecorder) WriteStatusLine(status int, reason string) {
	w.record(status)
	handlertransport.WriteStatusLine(w.ResponseWriter, w.r, status, reason)
}

// record records the first status that is not informational.
func (w *statusRecorder) record(status int) {
	if !w.written && status >= http.StatusOK {
		w.written = true
		w.requestLog.update(func() { w.request.Status = status })
	}
}

func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
