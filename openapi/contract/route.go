package contract

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// An operation is one operation of the document with all its parameters.
type operation struct {
	id         string
	method     string
	path       string
	segments   []string // of the path
	parameters openapi3.Parameters
	body       *openapi3.RequestBody // nil: none
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

// A route is the operation that a request means, the parameters in its path, and what is wrong with
// the way it says so.
type route struct {
	operation  *operation // nil: none
	path       map[string]string
	violations []*Violation
}

// route finds the operation of a request. Routers want a path parameter to be one segment; a service
// id may have several, so a parameter here takes all segments up to the next literal one, and its
// schema judges what it took. What comes before the first literal segment is where a gateway puts
// the API.
func (v *Validator) route(req *http.Request) route {
	// Segments are cut before they are unescaped, except where an escaped slash stands for one: that
	// is within a parameter and does no harm.
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
	if best == nil {
		if !v.off[RuleOperation] {
			r.violations = []*Violation{{
				Where: InRequest, Pointer: "path", Rule: RuleOperation, Message: "no operation of the document has this path",
			}}
		}
		return r
	}
	r.operation, r.path = best.operation, best.path
	add := func(rule Rule, message string) {
		if v.off[rule] {
			return
		}
		r.violations = append(r.violations, &Violation{
			Operation: best.operation.id, Where: InRequest, Pointer: "path", Rule: rule, Message: message,
		})
	}
	if best.folded {
		add(RulePathCase, "expected "+best.operation.path+", found the same in another case")
	}
	if trimmed != escaped {
		add(RuleTrailingSlash, "expected "+best.operation.path+", found a slash after it")
	}
	if best.operation.method != req.Method {
		add(RuleMethod, "expected "+best.operation.method+", found "+show(req.Method))
		r.operation = nil // whatever it is answered with, it is not this operation's
	}
	return r
}

// A match is an operation whose path fits.
type match struct {
	operation *operation
	path      map[string]string // its parameters
	begin     int               // how many segments a gateway put before it
	folded    bool              // not in the document's case
}

// better reports whether a request with the given method means m sooner than n. A service may be
// called like the segments of another operation, so what explains more of the path is right.
func (m *match) better(n *match, method string) bool {
	if right := m.operation.method == method; right != (n.operation.method == method) {
		return right
	}
	if m.begin != n.begin {
		return m.begin < n.begin
	}
	return n.folded && !m.folded
}

// match finds the path of the operation, in any case of letters, at the end of a path.
func (o *operation) match(segments []string) *match {
	for begin := range segments {
		path, folded, ok := map[string]string{}, false, true
		rest := segments[begin:]
		for i, want := range o.segments {
			if !strings.HasPrefix(want, "{") {
				if len(rest) == 0 || !strings.EqualFold(rest[0], want) {
					ok = false
					break
				}
				folded = folded || rest[0] != want
				rest = rest[1:]
				continue
			}
			// As much as leaves one segment for each that is to come.
			n := len(rest) - (len(o.segments) - i - 1)
			if n < 1 {
				ok = false
				break
			}
			path[strings.Trim(want, "{}")] = strings.Join(rest[:n], "/")
			rest = rest[n:]
		}
		if ok && len(rest) == 0 {
			return &match{o, path, begin, folded}
		}
	}
	return nil
}
