package sfbackuptest

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/servicefabric-go/backup/internal/document"
)

// Operation is the name of an operation, as in the documentation.
type Operation string

// The operations.
const (
	OpBackupPartition            Operation = document.OpBackupPartition
	OpGetPartitionBackupProgress Operation = document.OpGetPartitionBackupProgress
	OpGetPartitionBackupList     Operation = document.OpGetPartitionBackupList
	OpGetServiceBackupList       Operation = document.OpGetServiceBackupList
)

// operation is an entry in the routing table of the gateway.
type operation struct {
	name   Operation
	method string
	prefix string // first segment of the path
	action string // last segment, after "$"
	serve  func(*Cluster, http.ResponseWriter, *forwardedRequest) *errorResponse
}

// operations has the templates that the gateway registers: <prefix>/{id}/$/<action>. The ID of a service
// may have several segments.
var operations = []operation{
	{OpBackupPartition, http.MethodPost, "Partitions", "Backup", (*Cluster).backupPartition},
	{OpGetPartitionBackupProgress, http.MethodGet, "Partitions", "GetBackupProgress", (*Cluster).getPartitionBackupProgress},
	{OpGetPartitionBackupList, http.MethodGet, "Partitions", "GetBackups", (*Cluster).getPartitionBackupList},
	{OpGetServiceBackupList, http.MethodGet, "Services", "GetBackups", (*Cluster).getServiceBackupList},
}

// isList reports whether an operation returns pages.
func (op Operation) isList() bool {
	return op == OpGetPartitionBackupList || op == OpGetServiceBackupList
}

// maxEntityBody is the largest request body that the gateway accepts.
const maxEntityBody = 4 << 20

// forwardedRequest is a request as the gateway forwards it to the backup service.
type forwardedRequest struct {
	metadata    string // the target: Partitions/<id> or Services/<id>
	query       query
	contentType string
	body        []byte
	adjust      func(*page) // changes a page, for faults; nil: no change
	record      *Request
}

// serveGateway does what the HTTP gateway does: it finds the operation by path and method, puts the target
// into a header, and forwards the rest. If adjust is not nil, it changes a page before it is sent.
func (c *Cluster) serveGateway(w http.ResponseWriter, r *http.Request, adjust func(*page)) {
	w.Header().Set("Server", "Microsoft-HTTPAPI/2.0")
	if failed := c.handle(w, r, adjust); failed != nil {
		failed.write(w, r, c.behavior)
	}
}

// handle responds to a request, unless it returns an error.
func (c *Cluster) handle(w http.ResponseWriter, r *http.Request, adjust func(*page)) *errorResponse {
	if lengthMissing(r) {
		return errLengthRequired
	}
	role, failed := c.authenticator.authenticate(r, c.now())
	if failed != nil {
		return failed
	}
	op, failed := route(r)
	switch {
	case failed != nil:
		return failed
	case c.behavior.noBackupService:
		return errNoBackupService
	case role != RoleAdmin && op.method != http.MethodGet:
		return errAccessDenied
	}
	req, failed := c.forward(r)
	if failed != nil {
		return failed
	}
	req.adjust = adjust
	req.record = r.Context().Value(requestKey{}).(*Request)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	return op.serve(c, w, req)
}

// lengthMissing reports whether a POST has no information on the length of its body. The kernel driver
// rejects such requests. Only requests that came through a server are checked: a test that calls the
// handler directly need not set the header.
func lengthMissing(r *http.Request) bool {
	return r.Method == http.MethodPost && r.ContentLength == 0 &&
		r.Header.Get("Content-Length") == "" && len(r.TransferEncoding) == 0 &&
		r.Context().Value(http.ServerContextKey) != nil
}

// route finds the operation of a request. The kernel driver in front of the gateway decodes the whole
// path, so that "%24" is "$" and "%2F" is "/" here.
func route(r *http.Request) (*operation, *errorResponse) {
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	n := len(segments)

	// The gateway finds the handler by the first segment, ignoring letter case.
	if !slices.ContainsFunc(operations, func(op operation) bool { return strings.EqualFold(op.prefix, segments[0]) }) {
		return nil, errNoHandler
	}
	// The templates of the handler must match exactly.
	for i := range operations {
		op := &operations[i]
		if op.method == r.Method && op.prefix == segments[0] &&
			n >= 4 && (n == 4 || op.prefix == "Services") && !slices.Contains(segments, "") &&
			segments[n-2] == "$" && segments[n-1] == op.action {
			return op, nil
		}
	}
	return nil, errNoTemplate
}

// proxyParameters are the names of parameters that tell the gateway's reverse proxy to which replica it
// should forward a request. It does not forward them.
var proxyParameters = []string{"PartitionKey", "PartitionKind", "ServiceName", "TargetReplicaSelector", "ListenerName"}

// forward returns the request that the backup service gets.
func (c *Cluster) forward(r *http.Request) (*forwardedRequest, *errorResponse) {
	req := &forwardedRequest{
		metadata:    requestMetadata(strings.TrimPrefix(r.URL.Path, "/")),
		query:       parseQuery(r.URL.RawQuery),
		contentType: r.Header.Get("Content-Type"),
	}
	req.query = slices.DeleteFunc(req.query, func(p parameter) bool { return slices.Contains(proxyParameters, p.name) })
	// The timeout of the gateway itself is "Timeout" with a capital T, in seconds. The documented
	// "timeout" is for the backup service only.
	for _, p := range req.query {
		if p.name != "Timeout" {
			continue
		}
		if _, err := strconv.ParseInt(p.value, 10, 64); err != nil {
			return nil, errGatewayTimeout
		}
	}
	if r.Method != http.MethodPost {
		return req, nil
	}
	if r.ContentLength < 0 && !c.behavior.chunkedBodies {
		// The gateway overwrites the beginning of a chunked body and never sends its end. The
		// backup service waits for the end until the gateway gives up after two minutes. This
		// cluster does not wait.
		return nil, errChunkedBody
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxEntityBody+1))
	switch {
	case err != nil:
		// The connection broke in the middle of the request.
		panic(http.ErrAbortHandler)
	case len(body) > maxEntityBody:
		return nil, errBodyTooLarge
	}
	req.body = body
	return req, nil
}

// requestMetadata cuts "/$/<action>" off a path as the gateway does: at the last '/' or '$', wherever that
// is. If the path ends with a slash, it cuts in the wrong place.
func requestMetadata(suffix string) string {
	return suffix[:max(strings.LastIndexAny(suffix, "/$")-2, 0)]
}
