package contract

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/getkin/kin-openapi/openapi3"
)

// defaultLimit is the limit of [Validator.WithBodyLimit].
const defaultLimit = 32 << 20

// A Validator checks exchanges against one document. It is safe for concurrent use. Validators that are derived from
// one another, by its methods that return one, share their coverage, and which allowances were needed.
type Validator struct {
	operations []*operation
	disabled   map[Rule]bool
	allowed    []*allowance
	strict     bool
	limit      int64
	coverage   *coverage
}

// New returns a validator for an OpenAPI 3.0 document in YAML or JSON: openapi.Documented, openapi.Runtime,
// or another document of an API with JSON bodies. It returns an error if the document is not valid, if an
// operation has no operationId, if a schema contains itself, or if it has something that is not checked, such as
// uniqueItems.
func New(document []byte) (*Validator, error) {
	v := &Validator{limit: defaultLimit, coverage: &coverage{counts: map[CoverageItem]*atomic.Int64{}}}
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err == nil {
		err = doc.Validate(context.Background())
	}
	if err == nil && !strings.HasPrefix(doc.OpenAPI, "3.0.") {
		err = fmt.Errorf("OpenAPI %s is not supported, only 3.0", doc.OpenAPI)
	}
	if err == nil {
		c := &compiler{schemas: map[*openapi3.Schema]*schema{}, coverage: v.coverage}
		v.operations, err = c.operations(doc)
	}
	if err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	return v, nil
}

// Without returns a validator that reports what v reports, except for violations of the given rules.
func (v *Validator) Without(rules ...Rule) *Validator {
	w := *v
	w.disabled = map[Rule]bool{}
	maps.Copy(w.disabled, v.disabled)
	for _, r := range rules {
		w.disabled[r] = true
	}
	return &w
}

// Strict returns a validator that reports what v reports, and in responses also the lack of properties that are
// optional, but that every known server sends. A fake that forgets one of them behaves like no server.
func (v *Validator) Strict() *Validator {
	w := *v
	w.strict = true
	return &w
}

// WithBodyLimit returns a validator that keeps at most a number of bytes of a body, compressed or not, while it
// checks the body. A longer body passes as it is, but is not checked: it is a violation of [RuleLimit]. The default
// is 32 MiB.
func (v *Validator) WithBodyLimit(bytes int64) *Validator {
	w := *v
	w.limit = min(max(bytes, 0), math.MaxInt64-1) // one byte more is read
	return &w
}

// CheckRequest checks a request that a client sends or that a server received. The error joins all
// violations; [Violations] returns them. If it returns none, the body could not be read.
// CheckRequest reads the body and replaces it, so that it can be read again. It does not read the body of a request
// that matches no operation.
func (v *Validator) CheckRequest(req *http.Request) error {
	x := v.exchange(req, &report{})
	var body *message
	if x.matched() {
		var err error
		if body, err = v.readBody(&req.Body); err != nil {
			return fmt.Errorf("contract: reading the request body: %w", err)
		}
	}
	x.checkRequest(body)
	return x.out.err()
}

// CheckResponse checks the response to a request. It does not check the request. The error joins all
// violations; [Violations] returns them. If it returns none, the body could not be read.
// CheckResponse reads the body of the response and replaces it, so that it can be read again.
//
// If the request matches no operation, the response is not checked, and the error has the violation of
// [RuleOperation] or [RuleMethod] by the request. If that rule is disabled, nothing reports this.
func (v *Validator) CheckResponse(req *http.Request, resp *http.Response) error {
	x := v.exchange(req, &report{})
	if !x.matched() {
		x.checkRequest(nil)
		return x.out.err()
	}
	body, err := v.readBody(&resp.Body)
	if err != nil {
		return fmt.Errorf("contract: reading the response body: %w", err)
	}
	x.checkResponse(resp.StatusCode, resp.Header, body)
	return x.out.err()
}
