package contract

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// An operation is an operation of the document with all its parameters.
type operation struct {
	id         string
	method     string
	path       string
	segments   []string // of the path
	parameters openapi3.Parameters
	body       *openapi3.RequestBody // nil: none is documented
	responses  *openapi3.Responses
}

func newOperations(doc *openapi3.T) ([]*operation, error) {
	var operations []*operation
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.OperationID == "" {
				return nil, fmt.Errorf("%s %s has no operationId", method, path)
			}
			o := &operation{
				id: op.OperationID, method: method, path: path, segments: strings.Split(strings.Trim(path, "/"), "/"),
				parameters: slices.Concat(item.Parameters, op.Parameters), responses: op.Responses,
			}
			if op.RequestBody != nil {
				o.body = op.RequestBody.Value
			}
			operations = append(operations, o)
		}
	}
	slices.SortFunc(operations, func(a, b *operation) int { return strings.Compare(a.id, b.id) })
	return operations, nil
}

// A route is the operation that a request matches, its path parameters, and the violations in its path
// and method.
type route struct {
	operation      *operation // nil: none
	pathParameters map[string]string
	violations     []*Violation
}

// route finds the operation of a request. Most routers match a path parameter with one segment, but a
// service id may have several. So a parameter matches all segments up to the next literal one, and its
// schema decides whether they are valid. Segments before the first literal one are the path under which
// a gateway serves the API.
func (v *Validator) route(req *http.Request) route {
	// The path is split before its segments are unescaped, so that an escaped slash does not separate
	// segments. It can only be part of a parameter.
	escaped := req.URL.EscapedPath()
	trimmed := strings.TrimRight(escaped, "/")
	var segments []string
	for s := range strings.SplitSeq(strings.TrimPrefix(trimmed, "/"), "/") {
		if u, err := url.PathUnescape(s); err == nil {
			s = u
		}
		segments = append(segments, s)
	}

	var best *match
	for _, o := range v.operations {
		if m := o.match(segments); m != nil && (best == nil || m.better(best, req.Method)) {
			best = m
		}
	}
	var r route
	add := func(rule Rule, message string) {
		if v.disabled[rule] {
			return
		}
		violation := &Violation{Where: InRequest, Location: "path", Rule: rule, Message: message}
		if best != nil {
			violation.Operation = best.operation.id
		}
		r.violations = append(r.violations, violation)
	}
	if best == nil {
		add(RuleOperation, "expected the path of a documented operation, found another path")
		return r
	}
	r.operation, r.pathParameters = best.operation, best.pathParameters
	if best.differentCase {
		add(RulePathCase, "expected "+best.operation.path+", found different capitalization")
	}
	if trimmed != escaped {
		add(RuleTrailingSlash, "expected "+best.operation.path+", found a trailing slash")
	}
	if best.operation.method != req.Method {
		add(RuleMethod, "expected "+best.operation.method+", found "+quote(req.Method))
		r.operation = nil // the response is not one of this operation
	}
	return r
}

// A match is an operation whose path matches that of a request.
type match struct {
	operation      *operation
	pathParameters map[string]string
	prefix         int  // the number of segments before the operation's path
	differentCase  bool // the literal segments differ in case from the document
}

// better reports whether m is a better match than n for a request with the given method. A service name
// may contain segments of another operation's path, so the match with the shorter prefix is better.
func (m *match) better(n *match, method string) bool {
	if sameMethod := m.operation.method == method; sameMethod != (n.operation.method == method) {
		return sameMethod
	}
	if m.prefix != n.prefix {
		return m.prefix < n.prefix
	}
	return n.differentCase && !m.differentCase
}

// match matches the path of the operation with the end of a path.
func (o *operation) match(segments []string) *match {
	for prefix := range segments {
		if m := o.matchAll(segments[prefix:]); m != nil {
			m.prefix = prefix
			return m
		}
	}
	return nil
}

// matchAll matches the path of the operation, ignoring case, with all of the given segments.
func (o *operation) matchAll(segments []string) *match {
	m := &match{operation: o, pathParameters: map[string]string{}}
	for i, want := range o.segments {
		// A parameter takes all segments except one for each segment that follows it in the document.
		n := len(segments) - (len(o.segments) - i - 1)
		if !strings.HasPrefix(want, "{") {
			n = min(n, 1)
		}
		switch {
		case n < 1:
			return nil
		case strings.HasPrefix(want, "{"):
			m.pathParameters[strings.Trim(want, "{}")] = strings.Join(segments[:n], "/")
		case !strings.EqualFold(segments[0], want):
			return nil
		default:
			m.differentCase = m.differentCase || segments[0] != want
		}
		segments = segments[n:]
	}
	if len(segments) > 0 {
		return nil
	}
	return m
}
