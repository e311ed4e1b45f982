package sfbackup_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/internal/documenttest"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// The tests of this file and of document_union_test.go ask the document what the client has to have, and say which
// file lacks it and what to write there. make adopt runs them after make generate.

// sent is a request that a method has sent.
type sent struct {
	operation string // empty: none of the document
	url       *url.URL
	body      string
}

func (s sent) String() string { return s.operation + " " + s.url.RequestURI() + " " + s.body }

// called is what a method of a client sent and returned.
type called struct {
	sent   []sent
	wrong  []error         // what of it is not in the document
	values []reflect.Value // other than errors
	ok     bool            // there was no error
}

func (c *called) sends(operation string) bool {
	return slices.ContainsFunc(c.sent, func(s sent) bool { return s.operation == operation })
}

// A callSetup says how to call methods.
type callSetup struct {
	respond func(documenttest.Operation) canned // nil: with samples of the documented responses
	options any                                 // a pointer to a struct, for the methods that have it; nil: all are zero
	timeout time.Duration                       // zero: an hour
	text    string                              // for arguments that are strings; empty: "text"
}

// callMethods calls every method of a client that has a context, and returns what they did by their names.
func callMethods(t *testing.T, c callSetup) map[string]*called {
	t.Helper()
	operations := documenttest.Operations(documenttest.Load(t))
	respond := c.respond
	if respond == nil {
		respond = func(o documenttest.Operation) canned { return sampleResponse(t, o, nil) }
	}
	all := map[string]*called{}
	synctest.Test(t, func(t *testing.T) {
		var current *called
		made := map[reflect.Type]reflect.Value{} // structs that methods have returned, for those that need them
		client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			s := sent{url: req.URL}
			if req.Body != nil {
				body, _ := io.ReadAll(req.Body)
				s.body, req.Body = string(body), io.NopCloser(bytes.NewReader(body))
			}
			if err := runtime.CheckRequest(req); err != nil {
				current.wrong = append(current.wrong, err)
			}
			response := canned{status: "404 Not Found"}
			for _, o := range operations {
				if o.Matches(req) {
					s.operation, response = o.OperationID, respond(o)
				}
			}
			current.sent = append(current.sent, s)
			return response.response(req), nil
		}), sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1}))
		v := reflect.ValueOf(client)
		for m := range v.Type().Methods() {
			if m.Type.NumIn() > 1 && m.Type.In(1) == reflect.TypeFor[context.Context]() {
				current = &called{ok: true}
				all[m.Name] = current
				callMethod(t, current, v, m, c, made)
			}
		}
	})
	return all
}

// callMethod calls a method of a client and notes what it returns.
func callMethod(t *testing.T, c *called, client reflect.Value, m reflect.Method, how callSetup, made map[reflect.Type]reflect.Value) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(how.timeout, time.Hour))
	defer cancel()
	args := []reflect.Value{client, reflect.ValueOf(ctx)}
	for i := 2; i < m.Type.NumIn(); i++ {
		typ := m.Type.In(i)
		arg := reflect.ValueOf(how.options)
		switch {
		case arg.IsValid() && arg.Type() == typ:
		case typ == reflect.TypeFor[uuid.UUID]():
			arg = reflect.ValueOf(partition1)
		case typ == reflect.TypeFor[sfbackup.ServiceName]():
			arg = reflect.ValueOf(calcService)
		case typ == reflect.TypeFor[iter.Seq[uuid.UUID]]():
			arg = reflect.ValueOf(slices.Values([]uuid.UUID{partition1}))
		case typ.Kind() == reflect.Pointer && typ.Elem().Kind() == reflect.Struct:
			arg = reflect.New(typ.Elem())
		case typ.Kind() == reflect.Struct:
			if arg = made[typ]; !arg.IsValid() {
				arg = reflect.Zero(typ)
			}
		case typ.Kind() == reflect.String:
			arg = reflect.New(typ).Elem()
			arg.SetString(cmp.Or(how.text, "text"))
		default:
			t.Fatalf("wrapper/sfbackup/document_test.go: callMethod: write an argument of the type %v, which %s has", typ, m.Name)
		}
		args = append(args, arg)
	}
	note := func(v reflect.Value) {
		if err, isError := reflect.TypeAssert[error](v); isError {
			c.ok = c.ok && err == nil
		} else if v.Type() != reflect.TypeFor[error]() {
			c.values = append(c.values, v)
		}
	}
	for _, result := range m.Func.Call(args) {
		made[result.Type()] = result
		if result.Kind() != reflect.Func || result.IsNil() || !result.Type().CanSeq2() {
			note(result)
			continue
		}
		for x, y := range result.Seq2() {
			note(x)
			note(y)
		}
	}
}

// sampleResponse returns the first documented success of an operation, with a sample as its body.
func sampleResponse(t *testing.T, o documenttest.Operation, kinds map[string]string) canned {
	t.Helper()
	successes := o.Successes()
	status := slices.Min(slices.Collect(maps.Keys(successes)))
	response := canned{status: status + " " + http.StatusText(atoi(status))}
	if schema := documenttest.JSONSchema(successes[status].Content); schema != nil {
		s := &documenttest.Sampler{T: t, Kinds: kinds}
		response.contentType, response.body = jsonType, string(lastPage(s.JSON(schema)))
	}
	return response
}

func atoi(digits string) (n int) {
	_, _ = fmt.Sscan(digits, &n)
	return n
}

// lastPage removes the token of a page, which has no next one.
func lastPage(body []byte) []byte {
	var page map[string]json.RawMessage
	if json.Unmarshal(body, &page) == nil && page["ContinuationToken"] != nil {
		page["ContinuationToken"] = json.RawMessage(`""`)
		body, _ = json.Marshal(page)
	}
	return body
}
