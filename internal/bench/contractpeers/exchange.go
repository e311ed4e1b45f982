package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/servicefabric-go/backup/openapi"
)

var documents = map[string][]byte{"Documented": openapi.Documented, "Runtime": openapi.Runtime}

const (
	request  = "request"
	response = "response"
	// unchanged is the operator of a valid exchange without a change.
	unchanged = "no change"
)

// An exchange is a request and its response, one side of which is checked under one document. The tests of
// package contract write them as lines of JSON: see dumpedExchange in openapi/contract/dump_test.go.
type exchange struct {
	Name     string // of the exchange that was changed
	Operator string // how it was changed
	Profile  string // the name of the document
	Side     string // the changed side
	Valid    bool
	// OpenAPIValid reports whether the side is valid by what OpenAPI itself defines.
	OpenAPIValid bool

	Method, Target, RequestType string
	RequestBody                 []byte
	Status                      int
	ContentType                 string // "": none
	Body                        []byte
}

// key identifies a side of an exchange by the exchange from which it was made.
type key struct{ name, profile, side string }

func (x *exchange) key() key { return key{x.Name, x.Profile, x.Side} }

// readExchanges reads a file of exchanges.
func readExchanges(file string) ([]*exchange, error) {
	f, err := os.Open(file) //nolint:gosec // the user names it
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	var all []*exchange
	originals := map[key]bool{}
	for decoder := json.NewDecoder(bufio.NewReaderSize(f, 1<<20)); ; {
		x := &exchange{}
		switch err := decoder.Decode(x); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("%s: %w", file, err)
		case x.Operator == unchanged && originals[x.key()]:
			return nil, fmt.Errorf("%s: two exchanges are %v", file, x.key())
		case x.Operator == unchanged:
			originals[x.key()] = true
		case !originals[x.key()]:
			return nil, fmt.Errorf("%s: the exchange %v is changed and was not written before", file, x.key())
		}
		all = append(all, x)
	}
}

// request returns the request as sent to a server.
func (x *exchange) request(server string) (*http.Request, error) {
	req, err := http.NewRequest(x.Method, server+x.Target, bytes.NewReader(x.RequestBody)) //nolint:noctx // only some are sent
	if err != nil {
		return nil, err
	}
	if x.RequestType != "" {
		req.Header.Set("Content-Type", x.RequestType)
	}
	return req, nil
}

func (x *exchange) response(req *http.Request) *http.Response {
	resp := &http.Response{
		StatusCode: x.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(bytes.NewReader(x.Body)), ContentLength: int64(len(x.Body)), Request: req,
	}
	if x.ContentType != "" {
		resp.Header.Set("Content-Type", x.ContentType)
	}
	return resp
}

// indescribable reports whether a valid exchange is one that OpenAPI cannot describe: a service id of several path
// segments, a boolean that is not in lower case, as in the examples of the documentation, or a body that may be
// missing. The document describes these in words or with an extension.
func (x *exchange) indescribable() bool {
	path, query, _ := strings.Cut(x.Target, "?")
	if id, ok := strings.CutPrefix(path, "/Services/"); ok && strings.Contains(id[:max(0, strings.LastIndex(id, "/$/"))], "/") {
		return true
	}
	if x.Side == request {
		return strings.Contains(query, "=True") || strings.Contains(query, "=False")
	}
	return len(x.Body) == 0 && (x.Method == http.MethodGet || x.Status >= http.StatusBadRequest)
}

// sample returns all exchanges without a change and, of each operator, every n-th mutant, or more often if that
// gives fewer than 64.
func sample(all []*exchange, n int) []*exchange {
	counts := map[string]int{}
	for _, x := range all {
		counts[x.Operator]++
	}
	var some []*exchange
	seen := map[string]int{}
	for _, x := range all {
		every := max(1, min(n, counts[x.Operator]/64))
		if seen[x.Operator]++; x.Operator == unchanged || seen[x.Operator]%every == 0 {
			some = append(some, x)
		}
	}
	return some
}
