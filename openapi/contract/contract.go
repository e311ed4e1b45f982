package contract

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"
)

// A Validator checks exchanges against one document. It is safe for concurrent use.
type Validator struct {
	operations []*operation
	off        map[Rule]bool
	covered    *coverage
}

// New returns a validator for an OpenAPI 3.0 document in YAML or JSON: openapi.Documented,
// openapi.Runtime, or one of your own that describes the same kind of API.
func New(document []byte) (*Validator, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	operations, err := newOperations(doc)
	if err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	return &Validator{operations: operations, covered: newCoverage(doc, operations)}, nil
}

// Without returns a validator that does not report violations of the given rules. It counts its
// coverage together with v.
func (v *Validator) Without(rules ...Rule) *Validator {
	w := *v
	w.off = maps.Clone(v.off)
	if w.off == nil {
		w.off = map[Rule]bool{}
	}
	for _, r := range rules {
		w.off[r] = true
	}
	return &w
}

// CheckRequest checks a request, one that a client sends or one that a server received. The error
// joins all violations, see [Violations]. The body is read and can be read again afterwards.
func (v *Validator) CheckRequest(req *http.Request) error {
	body, err := readBody(&req.Body)
	if err != nil {
		return fmt.Errorf("contract: the request body: %w", err)
	}
	return joined(v.checkRequest(req, body))
}

// CheckResponse checks the answer to a request, without checking the request again. The error joins
// all violations, see [Violations]. The body of the answer is read, and can be read again
// afterwards.
//
// The answer to a request that fits no operation cannot be checked; the violation says so.
func (v *Validator) CheckResponse(req *http.Request, resp *http.Response) error {
	body, err := readBody(&resp.Body)
	if err != nil {
		return fmt.Errorf("contract: the response body: %w", err)
	}
	route := v.route(req)
	if route.operation == nil {
		return joined(route.violations)
	}
	return joined(v.checkResponse(route.operation, req, resp, body))
}

// readBody reads a body to its end and puts it back, also as far as it could be read.
func readBody(body *io.ReadCloser) ([]byte, error) {
	if *body == nil || *body == http.NoBody {
		return nil, nil
	}
	data, err := io.ReadAll(*body)
	closeErr := (*body).Close()
	*body = io.NopCloser(bytes.NewReader(data))
	if err != nil {
		*body = brokenBody{bytes.NewReader(data), err}
	}
	return data, errors.Join(err, closeErr)
}

// brokenBody is a body that ends with an error.
type brokenBody struct {
	*bytes.Reader
	err error
}

func (b brokenBody) Read(p []byte) (int, error) {
	if b.Len() == 0 {
		return 0, b.err
	}
	return b.Reader.Read(p)
}

func (brokenBody) Close() error { return nil }

// A check collects the violations of one side of an exchange.
type check struct {
	operation string
	where     string
	off       map[Rule]bool
	covered   *coverage
	list      []*Violation
}

func (c *check) add(at string, rule Rule, format string, args ...any) {
	c.list = append(c.list, &Violation{
		Operation: c.operation, Where: c.where, Pointer: at, Rule: rule, Message: fmt.Sprintf(format, args...),
	})
}

// gunzip returns what a compressed body holds.
func gunzip(body []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
