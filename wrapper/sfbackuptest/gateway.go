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

// call is a request as the gateway passes it on to the backup service.
type forwardedRequest struct {
	metadata    string // who is meant: Partitions/<id> or Services/<id>
	query       query
	contentType string
	body        []byte
	adjust      func(*page) // does something wrong to a page; nil: nothing
}

// serveGateway does what the HTTP gateway does: it finds the operation by path
// and method, says in a header who is meant, and forwards the rest. A page that
// is not nil is adjusted before it is sent.
func (c *Cluster) serveGateway(w http.ResponseWriter, r *http.Request, adjust func(*page)) {
	w.Header().Set("Server", "Microsoft-HTTPAPI/2.0")
	if lengthMissing(r) {
		errLengthRequired.write(w, r, c.behavior)
		return
	}
	role, failed := c.authenticator.authenticate(r, c.now())
	var op *operation
	if failed == nil {
		op, failed = route(r)
	}
	if failed == nil {
		failed = c.checkAccess(role, op)
	}
	if failed == nil {
		var req *forwardedRequest
		if req, failed = c.forward(r); failed == nil {
			req.adjust = adjust
			w.Header().Set("X-Content-Type-Options", "nosniff")
			failed = op.serve(c, w, req)
		}
	}
	if failed != nil {
		failed.write(w, r, c.behavior)
	}
}

// lengthMissing reports whether a POST says nothing about the length of its
// body, which the kernel driver does not let pass. Only a server knows: a
// request that a test hands to the handler itself has had no headers yet.
func lengthMissing(r *http.Request) bool {
	return r.Method == http.MethodPost && r.ContentLength == 0 &&
		r.Header.Get("Content-Length") == "" && len(r.TransferEncoding) == 0 &&
		r.Context().Value(http.ServerContextKey) != nil
}

// checkAccess is what stands between the gateway and an operation of the backup
// service: that the service exists, and the role of the client.
func (c *Cluster) checkAccess(role Role, op *operation) *errorResponse {
	switch {
	case c.behavior.noBackupService:
		return errNoBackupService
	case role != RoleAdmin && op.method != http.MethodGet:
		return errAccessDenied
	default:
		return nil
	}
}

// route finds the operation. The kernel driver in front of the gateway decodes
// the whole path, so that "%24" is "$" and "%2F" is "/" here.
func route(r *http.Request) (*operation, *errorResponse) {
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

// proxyParameters are the names of parameters that tell the gateway's reverse
// proxy which replica to forward a request to. It keeps them to itself.
var proxyParameters = []string{"PartitionKey", "PartitionKind", "ServiceName", "TargetReplicaSelector", "ListenerName"}

// forward turns the request into what the backup service gets to see.
func (c *Cluster) forward(r *http.Request) (*forwardedRequest, *errorResponse) {
	req := &forwardedRequest{
		metadata:    requestMetadata(strings.TrimPrefix(r.URL.Path, "/")),
		query:       parseQuery(r.URL.RawQuery),
		contentType: r.Header.Get("Content-Type"),
	}
	req.query = slices.DeleteFunc(req.query, func(p parameter) bool { return slices.Contains(proxyParameters, p.name) })
	// What bounds the gateway's own patience is "Timeout" with a capital T,
	// in seconds. The documented "timeout" goes to the backup service only.
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
	req.body = body
	return req, nil
}

// requestMetadata cuts "/$/<action>" off a path, as the gateway does: by the
// last '/' or '$', wherever that is. With a slash at the end of the path it
// cuts in the wrong place.
func requestMetadata(suffix string) string {
	return suffix[:max(strings.LastIndexAny(suffix, "/$")-2, 0)]
}
