package sfbackuptest

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxEntityBody is the largest request body that the gateway takes.
const maxEntityBody = 4 << 20

// operation is one of the four operations by its place in the gateway's table.
type operation struct {
	method string
	prefix string // first segment of the path
	action string // last segment, after "$"
	serve  func(*Cluster, http.ResponseWriter, *call) *failure
}

// operations are the templates that the gateway registers:
// <prefix>/{id}/$/<action>. The id of a service may have several segments.
var operations = []operation{
	{http.MethodPost, "Partitions", "Backup", (*Cluster).backupPartition},
	{http.MethodGet, "Partitions", "GetBackupProgress", (*Cluster).getPartitionBackupProgress},
	{http.MethodGet, "Partitions", "GetBackups", (*Cluster).getPartitionBackupList},
	{http.MethodGet, "Services", "GetBackups", (*Cluster).getServiceBackupList},
}

// call is a request as the gateway passes it on to the backup service.
type call struct {
	metadata    string // who is meant: Partitions/<id> or Services/<id>
	query       query
	contentType string
	body        []byte
}

// serveGateway does what the HTTP gateway does: it finds the operation by path
// and method, says in a header who is meant, and forwards the rest.
func (c *Cluster) serveGateway(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "Microsoft-HTTPAPI/2.0")
	op, failed := route(r)
	if failed == nil {
		var cl *call
		if cl, failed = c.forward(r); failed == nil {
			w.Header().Set("X-Content-Type-Options", "nosniff")
			failed = op.serve(c, w, cl)
		}
	}
	if failed != nil {
		failed.write(w, r, c.conduct)
	}
}

// route finds the operation. The kernel driver in front of the gateway decodes
// the whole path, so that "%24" is "$" and "%2F" is "/" here.
func route(r *http.Request) (*operation, *failure) {
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	n := len(segments)

	// The handler is looked up by the first segment in any case of letters.
	if !slices.ContainsFunc(operations, func(op operation) bool { return strings.EqualFold(op.prefix, segments[0]) }) {
		return nil, errNoHandler
	}
	// Its templates must match letter by letter.
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

// forward turns the request into what the backup service gets to see.
func (c *Cluster) forward(r *http.Request) (*call, *failure) {
	cl := &call{
		metadata:    requestMetadata(strings.TrimPrefix(r.URL.Path, "/")),
		query:       parseQuery(r.URL.RawQuery),
		contentType: r.Header.Get("Content-Type"),
	}
	// What bounds the gateway's own patience is "Timeout" with a capital T,
	// in seconds. The documented "timeout" goes to the backup service only.
	for _, p := range cl.query {
		if p.name != "Timeout" {
			continue
		}
		if _, err := strconv.ParseInt(p.value, 10, 64); err != nil {
			return nil, errGatewayTimeout
		}
	}
	if r.Method != http.MethodPost {
		return cl, nil
	}
	if r.ContentLength < 0 && !c.conduct.chunkedBodies {
		// The gateway overwrites the beginning of a chunked body and never
		// sends its end. The backup service waits for it until the gateway
		// gives up; this cluster skips the two minutes.
		return nil, errBodyGarbled
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxEntityBody+1))
	switch {
	case err != nil:
		// The client went away in the middle of its request.
		panic(http.ErrAbortHandler)
	case len(body) > maxEntityBody:
		return nil, errBodyTooLarge
	}
	cl.body = body
	return cl, nil
}

// requestMetadata cuts "/$/<action>" off a path, as the gateway does: by the
// last '/' or '$', wherever that is. With a slash at the end of the path it
// cuts in the wrong place.
func requestMetadata(suffix string) string {
	return suffix[:max(strings.LastIndexAny(suffix, "/$")-2, 0)]
}
