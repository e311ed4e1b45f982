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

// Request is a request that was sent to the cluster, and what became of it.
// Nothing is left out, secrets included: it is for the test that sent it.
type Request struct {
	// Operation is the operation that the path and the method name. Empty:
	// they name none.
	Operation Operation

	Method string

	// Path is the path as it was sent, with its escapes.
	Path string

	// RawQuery is the query as it was sent, and Query what it says.
	RawQuery string
	Query    url.Values

	Header http.Header

	// Body is as much of the body as was read. A request that was refused or
	// answered early may have had more.
	Body []byte

	// Time is when the request arrived, by the cluster's clock.
	Time time.Time

	// Status is the status of the answer. Zero: none was sent, or not yet.
	Status int

	// Fault is the fault that has hit the request, see [Fault.String]. Empty:
	// none.
	Fault string
}

// maxRequests is how many requests are kept. A long run should not fill the
// memory with them.
const maxRequests = 10_000

// Requests returns the requests that were sent to the cluster, in the order in
// which they arrived, those included that a fault has kept from it. Of more
// than 10,000 it has the latest. Their headers and bodies are not to be changed.
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

// requestLog is the list of all requests.
type requestLog struct {
	mu       sync.Mutex
	requests []*Request
}

// arrive notes a request.
func (j *requestLog) arrive(r *http.Request, op Operation, now time.Time) *Request {
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
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.requests) >= 2*maxRequests {
		// Half of them at a time, so that it does not happen often.
		j.requests = slices.Clone(j.requests[len(j.requests)-maxRequests:])
	}
	j.requests = append(j.requests, request)
	return request
}

// note changes what is known of a request. All of it is noted before the client
// can know it, so that a test which has its answer finds it here.
func (j *requestLog) note(change func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change()
}

// bodyRecorder is a request body of which a copy is kept.
type bodyRecorder struct {
	io.ReadCloser
	requestLog *requestLog
	request    *Request
	copy       bytes.Buffer
}

func (b *bodyRecorder) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.copy.Write(p[:min(n, maxEntityBody-min(b.copy.Len(), maxEntityBody))])
	b.requestLog.note(func() { b.request.Body = b.copy.Bytes() })
	return n, err
}

// statusRecorder is a ResponseWriter that notes the status it is given.
type statusRecorder struct {
	http.ResponseWriter
	r          *http.Request
	requestLog *requestLog
	request    *Request
	written    bool
}

func (w *statusRecorder) WriteHeader(status int) {
	w.note(status)
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusRecorder) Write(p []byte) (int, error) {
	w.note(http.StatusOK)
	return w.ResponseWriter.Write(p)
}

func (w *statusRecorder) WriteStatusLine(status int, reason string) {
	w.note(status)
	handlertransport.WriteStatusLine(w.ResponseWriter, w.r, status, reason)
}

// note notes the first status that is one of a response.
func (w *statusRecorder) note(status int) {
	if !w.written && status >= http.StatusOK {
		w.written = true
		w.requestLog.note(func() { w.request.Status = status })
	}
}

func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
