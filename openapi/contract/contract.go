package contract

import (
	"bytes"
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
	disabled   map[Rule]bool
	coverage   *coverage
}

// New returns a validator for an OpenAPI 3.0 document in YAML or JSON: openapi.Documented, openapi.Runtime,
// or another document of an API with JSON bodies. It returns an error if the document is not valid or if an
// operation has no operationId.
func New(document []byte) (*Validator, error) {
	var operations []*operation
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err == nil {
		err = doc.Validate(context.Background())
	}
	if err == nil {
		operations, err = newOperations(doc)
	}
	if err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	return &Validator{operations: operations, coverage: newCoverage(doc, operations)}, nil
}

// Without returns a validator that reports what v reports, except for violations of the given rules. The
// two validators share their coverage: exchanges that either of them checks count for both.
func (v *Validator) Without(rules ...Rule) *Validator {
	w := *v
	w.disabled = map[Rule]bool{}
	maps.Copy(w.disabled, v.disabled)
	for _, r := range rules {
		w.disabled[r] = true
	}
	return &w
}

// CheckRequest checks a request that a client sends or that a server received. The error joins all
// violations; [Violations] returns them. An error without violations means that the body could not be read.
// CheckRequest reads the body and replaces it, so that it can be read again.
func (v *Validator) CheckRequest(req *http.Request) error {
	body, err := readBody(&req.Body)
	if err != nil {
		return fmt.Errorf("contract: reading the request body: %w", err)
	}
	return joinViolations(v.checkRequest(req, body))
}

// CheckResponse checks the response to a request. It does not check the request. The error joins all
// violations; [Violations] returns them. An error without violations means that the body could not be read.
// CheckResponse reads the body of the response and replaces it, so that it can be read again. A body that is
// encoded, but not as valid gzip, is not checked.
//
// If the request matches no operation, the response is not checked, and the error has the violation of
// [RuleOperation] or [RuleMethod] by the request. If that rule is disabled, nothing reports this.
func (v *Validator) CheckResponse(req *http.Request, resp *http.Response) error {
	body, err := readBody(&resp.Body)
	if err != nil {
		return fmt.Errorf("contract: reading the response body: %w", err)
	}
	route := v.route(req)
	if route.operation == nil {
		return joinViolations(route.violations)
	}
	return joinViolations(v.checkResponse(route.operation, req, resp, body))
}

// readBody reads a body to its end and replaces it with one that reads the same, its error included.
func readBody(body *io.ReadCloser) ([]byte, error) {
	if *body == nil || *body == http.NoBody {
		return nil, nil
	}
	data, err := io.ReadAll(*body)
	closeErr := (*body).Close()
	*body = io.NopCloser(bytes.NewReader(data))
	if err != nil {
		*body = io.NopCloser(io.MultiReader(bytes.NewReader(data), errorReader{err}))
	}
	return data, errors.Join(err, closeErr)
}

// errorReader is a reader that returns an error.
type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

// A check collects the violations of a request or of a response.
type check struct {
	operation  string
	side       Side
	disabled   map[Rule]bool
	coverage   *coverage
	violations []*Violation
}

func (c *check) add(location string, rule Rule, format string, args ...any) {
	c.violations = append(c.violations, &Violation{
		Operation: c.operation, Where: c.side, Location: location, Rule: rule, Message: fmt.Sprintf(format, args...),
	})
}
