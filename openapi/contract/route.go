package contract

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/getkin/kin-openapi/openapi3"
)

// An operation is an operation of the document with all its parameters.
type operation struct {
	id         string
	method     string
	path       string
	segments   []string // of the path
	parameters []*parameter
	body       *documentedBody // nil: none is documented
	responses  map[string]*documentedBody
	used       *atomic.Int64
	statuses   map[string]*atomic.Int64
}

// A parameter is a parameter in the path or in the query.
type parameter struct {
	name     string
	inPath   bool
	required bool
	schema   *schema
	used     *atomic.Int64
}

// A documentedBody is what the document says of the body of a request or of a response.
type documentedBody struct {
	required bool
	content  map[string]*schema // by media type; nil: any text
}

// emptyBodyExtension is the extension of a response object whose body may be missing. OpenAPI has no
// keyword for that.
const emptyBodyExtension = "x-empty-body"

func (c *compiler) operations(doc *openapi3.T) ([]*operation, error) {
	var operations []*operation
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.OperationID == "" {
				return nil, fmt.Errorf("%s %s has no operationId", method, path)
			}
			o := &operation{
				id: op.OperationID, method: method, path: path, segments: strings.Split(strings.Trim(path, "/"), "/"),
				responses: map[string]*documentedBody{}, statuses: map[string]*atomic.Int64{},
				used: c.coverage.counter(CoverageOperation, op.OperationID, ""),
			}
			if err := c.operation(o, op, item.Parameters); err != nil {
				return nil, fmt.Errorf("%s: %w", o.id, err)
			}
			operations = append(operations, o)
		}
	}
	slices.SortFunc(operations, func(a, b *operation) int { return strings.Compare(a.id, b.id) })
	return operations, nil
}

// operation adds the parts of an operation of the document to o.
func (c *compiler) operation(o *operation, op *openapi3.Operation, shared openapi3.Parameters) (err error) {
	for i, ref := range slices.Concat(shared, op.Parameters) {
		p := ref.Value
		if i < len(shared) && op.Parameters.GetByInAndName(p.In, p.Name) != nil {
			continue // the operation has its own
		}
		if p.In != openapi3.ParameterInPath && p.In != openapi3.ParameterInQuery {
			continue
		}
		if p.Schema == nil || p.Schema.Value.Type.Is("array") || p.Schema.Value.Type.Is("object") {
			return fmt.Errorf("the parameter %s is not a single value, which is not supported", p.Name)
		}
		compiled := &parameter{
			name: p.Name, inPath: p.In == openapi3.ParameterInPath, required: p.Required,
			used: c.coverage.counter(CoverageParameter, o.id, p.Name),
		}
		if compiled.schema, err = c.schema(p.Schema, o.id+"."+p.Name); err != nil {
			return err
		}
		o.parameters = append(o.parameters, compiled)
	}
	if op.RequestBody != nil {
		if o.body, err = c.body(op.RequestBody.Value.Content, o.id+".request"); err != nil {
			return err
		}
		o.body.required = op.RequestBody.Value.Required
	}
	for status, ref := range op.Responses.Map() {
		if o.responses[status], err = c.body(ref.Value.Content, o.id+"."+status); err != nil {
			return err
		}
		o.responses[status].required = ref.Value.Extensions[emptyBodyExtension] == nil
		counted := []string{strings.ToLower(status)} // "4XX" too
		if status == "default" {
			counted = []string{"4xx", "5xx"}
		}
		for _, status := range counted {
			o.statuses[status] = c.coverage.counter(CoverageStatus, o.id, status)
		}
	}
	return nil
}

func (c *compiler) body(content openapi3.Content, name string) (*documentedBody, error) {
	b := &documentedBody{content: map[string]*schema{}}
	for mediaType, media := range content {
		b.content[mediaType] = nil
		if media.Schema == nil || media.Schema.Value.Type.Is("string") {
			continue
		}
		s, err := c.schema(media.Schema, name)
		if err != nil {
			return nil, err
		}
		b.content[mediaType] = s
	}
	return b, nil
}

// A route is the operation that a request matches, its path parameters, and the violations in its path
// and method.
type route struct {
	operation      *operation // nil: none
	matched        *operation // with the method of another
	pathParameters map[string]string
	problems       []problem
}

// A problem is a violation of the path or of the method.
type problem struct {
	rule    Rule
	message string
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
	segments := strings.Split(strings.TrimPrefix(trimmed, "/"), "/")
	for i, s := range segments {
		if u, err := url.PathUnescape(s); err == nil {
			segments[i] = u
		}
	}

	method := cmp.Or(req.Method, http.MethodGet) // a client may leave it empty
	var best *match
	for _, o := range v.operations {
		if m := o.match(segments); m != nil && (best == nil || m.better(best, method)) {
			best = m
		}
	}
	if best == nil {
		return route{problems: []problem{{RuleOperation, "expected the path of a documented operation, found " + quote(escaped)}}}
	}
	r := route{operation: best.operation, matched: best.operation, pathParameters: map[string]string{}}
	for name, s := range best.values {
		r.pathParameters[name] = strings.Join(s, "/")
	}
	add := func(rule Rule, format string, args ...any) {
		r.problems = append(r.problems, problem{rule, fmt.Sprintf(format, args...)})
	}
	if best.differentCase {
		add(RulePathCase, "expected %s, found different capitalization", best.operation.path)
	}
	if trimmed != escaped {
		add(RuleTrailingSlash, "expected %s, found a trailing slash", best.operation.path)
	}
	if best.operation.method != method {
		add(RuleMethod, "expected %s, found %s", best.operation.method, quote(method))
		r.operation = nil // the response is not one of this operation
	}
	return r
}

// A match is an operation whose path matches that of a request.
type match struct {
	operation     *operation
	values        map[string][]string // the segments of the path parameters
	prefix        int                 // the number of segments before the operation's path
	differentCase bool                // the literal segments differ in case from the document
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

// match matches the path of the operation, ignoring case, with the end of a path. The first parameter takes all
// segments that the others leave.
func (o *operation) match(segments []string) *match {
	first := slices.IndexFunc(o.segments, isParameter)
	if first < 0 {
		first = len(o.segments)
	}
	tail := o.segments[first:]
	end := len(segments) - len(tail) // the head is before it
	for prefix := 0; prefix+first <= end; prefix++ {
		if !equalFold(o.segments[:first], segments[prefix:]) {
			continue
		}
		begin := prefix + first // of the first parameter
		if len(tail) == 0 && begin < len(segments) {
			continue // the path goes on
		}
		m := &match{operation: o, prefix: prefix, values: map[string][]string{}}
		m.differentCase = !slices.Equal(o.segments[:first], segments[prefix:begin])
		for i, want := range tail {
			have := segments[end+i : end+i+1]
			if i == 0 {
				have = segments[begin : end+1]
			}
			switch {
			case isParameter(want):
				m.values[strings.Trim(want, "{}")] = have
			case !strings.EqualFold(want, have[0]):
				return nil // it is the same with any other prefix
			default:
				m.differentCase = m.differentCase || want != have[0]
			}
		}
		return m
	}
	return nil
}

func isParameter(segment string) bool { return strings.HasPrefix(segment, "{") }

// equalFold reports whether the first of some segments equal others, ignoring case.
func equalFold(want, have []string) bool {
	for i, w := range want {
		if !strings.EqualFold(w, have[i]) {
			return false
		}
	}
	return true
}
