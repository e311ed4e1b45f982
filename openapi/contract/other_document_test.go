package contract_test

import (
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/openapi/contract"
)

const otherDocument = `
openapi: 3.0.3
info: {title: T, version: '1'}
paths:
  /x/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string, format: uuid}}]
    get:
      operationId: Get
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses:
        '200': {description: d, content: {application/json: {schema: {$ref: '#/components/schemas/Node'}}}}
        4XX: {description: d}
components:
  schemas:
    Node:
      oneOf: [{type: string}, {type: object, properties: {child: {$ref: '#/components/schemas/Node'}}}]
`

// The cost of a value of a union that contains itself is linear too, or New says that it is not supported.
func TestUnionThatContainsItself(t *testing.T) { //nolint:paralleltest // it counts allocations
	v, err := contract.New([]byte(otherDocument))
	if err != nil {
		return
	}
	allocs := func(depth int) float64 {
		body := strings.Repeat(`{"child":`, depth) + `""` + strings.Repeat("}", depth)
		return testing.AllocsPerRun(1, func() {
			req, resp := readExchange(t, withResponse("GET /x/1", ok(body)))
			if err := v.CheckResponse(req, resp); err != nil {
				t.Error(err)
			}
		})
	}
	if short, long := allocs(8), allocs(16); long > 2.2*short+100 {
		t.Errorf("%.0f allocations for a depth of 8, %.0f for 16", short, long)
	}
}

// An operation overrides the parameters of its path.
func TestParameterOfOperationAndPath(t *testing.T) {
	t.Parallel()
	v, err := contract.New([]byte(strings.ReplaceAll(otherDocument, "properties: {child: {$ref: '#/components/schemas/Node'}}", "")))
	if err != nil {
		t.Fatal(err)
	}
	req, resp := readExchange(t, withResponse("GET /x/1", "404 Not Found\n\n"))
	if err := v.CheckRequest(req); err != nil {
		t.Error(err)
	}
	if err := v.CheckResponse(req, resp); err != nil {
		t.Error(err)
	}
}
