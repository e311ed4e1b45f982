package contract_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/servicefabric-go/backup/openapi/contract"
)

var dump = flag.String("contract.dump", "", "the `file` to which TestMutations writes the mutants as lines of JSON; make contract-peers uses it")

// A dumpedExchange is a line of the file: an exchange, and whether one side of it is valid under one document.
// internal/bench/contractpeers reads it.
type dumpedExchange struct {
	Name     string // of the exchange that was changed
	Operator string // "no change": the exchange itself
	Profile  string
	Side     string // the changed side: request or response
	Valid    bool
	// OpenAPIValid reports whether this side is valid by what OpenAPI itself defines.
	OpenAPIValid bool

	Method, Target, RequestType string // the target is the path and the query, escaped
	RequestBody                 []byte
	Status                      int
	ContentType                 string // "": none
	Body                        []byte
}

type dumper struct {
	encoder *json.Encoder
	plain   map[string]*oracle // by profile
}

// newDumper returns a dumper that writes to a file, which is complete at the end of the test.
func newDumper(t testing.TB, file string) *dumper {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	t.Cleanup(func() {
		if err := w.Flush(); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	d := &dumper{encoder: json.NewEncoder(w), plain: map[string]*oracle{}}
	for name, document := range profiles {
		d.plain[name] = loadOracle(t, document, true)
	}
	return d
}

// write writes one side of a mutant or of a valid exchange. It omits an unchanged exchange under a document
// under which it is not valid.
func (d *dumper) write(m *measurement, c *comparer, op operator, changed mutant, invalid error) {
	if op.apply == nil && invalid != nil {
		return
	}
	check := d.plain[c.profile].response
	if changed.side == contract.InRequest {
		check = d.plain[c.profile].request
	}
	plain := check(&changed.exchange)
	if invalid == nil && plain != nil {
		m.Errorf("%s, %s: valid, but not by what OpenAPI defines: %v\n\t%s", c.profile, op.name, plain, &changed.exchange)
	}
	x := &changed.exchange
	err := d.encoder.Encode(dumpedExchange{
		Name: x.name, Operator: op.name, Profile: c.profile, Side: string(changed.side),
		Valid: invalid == nil, OpenAPIValid: plain == nil,
		Method: x.method, Target: x.request().URL.RequestURI(), RequestType: x.requestType, RequestBody: x.requestBody,
		Status: x.status, ContentType: x.contentType, Body: x.body,
	})
	if err != nil {
		m.Fatal(err)
	}
}
