package sfbackup_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
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

// Every operation has a method that sends it, a row in the fault matrix and an example.
func TestDocumentOperations(t *testing.T) {
	methods := callMethods(t, callSetup{})
	for name, m := range methods {
		for _, s := range m.sent {
			if s.operation == "" {
				t.Errorf("wrapper/sfbackup: %s sends %s, which is no operation of the document: remove it, or give it the path of an operation", name, s.url.Path)
			}
		}
	}
	var examples []byte
	files, err := filepath.Glob("example*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		examples = append(examples, data...)
	}
	for _, o := range documenttest.Operations(documenttest.Load(t)) {
		var senders []string
		for name, m := range methods {
			if m.sends(o.OperationID) {
				senders = append(senders, name)
			}
		}
		if senders == nil {
			t.Errorf("wrapper/sfbackup: no method of Client sends %s: write one, in a new file, that calls generated.New%[1]sRequest", o.OperationID)
			continue
		}
		if !slices.ContainsFunc(senders, func(name string) bool { return bytes.Contains(examples, []byte("func ExampleClient_"+name+"(")) }) {
			t.Errorf("wrapper/sfbackup/example_test.go: no example shows a method that sends %s: write ExampleClient_%s", o.OperationID, slices.Min(senders))
		}
		if !slices.ContainsFunc(matrixOperations(t), func(m matrixOperation) bool { return string(m.api) == o.OperationID }) {
			t.Errorf("wrapper/sfbackup/fault_matrix_test.go: no row of matrixOperations sends %s: write one for %s, then run make fault-report", o.OperationID, slices.Min(senders))
		}
	}
}

// localOptions are the options that say what the client does, not what it sends.
var localOptions = []reflect.Type{reflect.TypeFor[sfbackup.WaitOptions](), reflect.TypeFor[sfbackup.BackupManyOptions]()}

// Every field of the options arrives in a request, and every parameter of the document is reached.
func TestDocumentParameters(t *testing.T) {
	base := callMethods(t, callSetup{})
	values := map[string]map[string]bool{} // by "operation parameter" and "operation body property"
	note := func(methods map[string]*called) {
		for _, m := range methods {
			for _, s := range m.sent {
				s.note(t, values)
			}
		}
	}
	note(base)
	note(callMethods(t, callSetup{timeout: 30 * time.Second, text: "other"}))
	for _, f := range optionFields() {
		if f.field.Type.Kind() == reflect.Func || slices.Contains(localOptions, f.options) {
			continue
		}
		with := callMethods(t, callSetup{options: f.with(sampleField(t, f))})
		note(with)
		changed := map[string]bool{} // by operation, whether the field changes what a method sends that sends it
		for _, method := range f.methods {
			for _, s := range base[method].sent {
				changed[s.operation] = changed[s.operation] || fmt.Sprint(with[method].sent) != fmt.Sprint(base[method].sent)
			}
		}
		for operation, ok := range changed {
			if !ok {
				t.Errorf("wrapper/sfbackup/%s: %s changes nothing that the methods of %s send: set its parameter in the request, or remove it", f.file(t), f, operation)
			}
		}
	}
	reportWrong(t, base, "without options")
	version := documenttest.LoadDocumented(t).Components.Parameters["api-version"].Value.Schema.Value.Enum // clusters accept more
	for name, m := range base {
		for _, s := range m.sent {
			if !slices.Contains(version, any(s.url.Query().Get("api-version"))) {
				t.Errorf("wrapper/sfbackup/client.go: %s does not send the api-version of the document: let apiVersion be one of %v", name, version)
			}
		}
	}
	for _, o := range documenttest.Operations(documenttest.Load(t)) {
		if len(reachedBy(base, o.OperationID)) == 0 {
			continue // TestDocumentOperations says it
		}
		for _, name := range o.Query() {
			if len(values[o.OperationID+" "+name]) < 2 && name != "api-version" {
				t.Errorf("wrapper/sfbackup/%s: nothing sends the parameter %s of %s: write a field into the options, and set the parameter from it",
					documenttest.File(t, "document.Op"+o.OperationID, "client.go"), name, o.OperationID)
			}
		}
		for _, path := range o.BodyProperties() {
			if len(values[o.OperationID+" body "+path]) < 2 {
				t.Errorf("wrapper/sfbackup/%s: nothing sends the property %s of the body of %s: write a field into the options, and write the property from it",
					documenttest.File(t, "document.Op"+o.OperationID, "client.go"), path, o.OperationID)
			}
		}
	}
}

// note notes the values of all parameters of the operation and of the properties of its body, which may be missing. What
// always has the same value does not depend on anything that a caller says.
func (s sent) note(t *testing.T, values map[string]map[string]bool) {
	t.Helper()
	add := func(key, value string) {
		if values[key] == nil {
			values[key] = map[string]bool{}
		}
		values[key][value] = true
	}
	for _, o := range documenttest.Operations(documenttest.Load(t)) {
		if o.OperationID != s.operation {
			continue
		}
		for _, name := range o.Query() {
			add(o.OperationID+" "+name, fmt.Sprint(s.url.Query()[name]))
		}
		leaves := jsonLeaves(t, []byte(s.body))
		for _, path := range o.BodyProperties() {
			text := ""
			for leaf, value := range leaves {
				if leaf == "."+path || strings.HasPrefix(leaf, "."+path+".") {
					text += leaf + value
				}
			}
			add(o.OperationID+" body "+path, text)
		}
	}
}

func reachedBy(methods map[string]*called, operation string) (names []string) {
	for name, m := range methods {
		if m.sends(operation) {
			names = append(names, name)
		}
	}
	return names
}

// reportWrong reports requests that are not those of the document.
func reportWrong(t *testing.T, methods map[string]*called, how string) {
	t.Helper()
	for name, m := range methods {
		if len(m.wrong) > 0 {
			operation := m.sent[len(m.sent)-1].operation
			t.Errorf("wrapper/sfbackup/%s: %s sends, %s, what the document does not allow: check it before, or leave it out: %v",
				documenttest.File(t, "document.Op"+operation, "client.go"), name, how, m.wrong[0])
		}
	}
}

// No field of the options, and no deadline, makes a request exceed a bound of the document.
func TestDocumentBounds(t *testing.T) {
	bounds := map[float64]bool{}
	for _, o := range documenttest.Operations(documenttest.Load(t)) {
		for _, p := range o.Parameters {
			if s := p.Schema.Value; s.Max != nil {
				bounds[*s.Max] = true
			}
			if s := p.Schema.Value; s.Min != nil {
				bounds[*s.Min-2] = true // so that one more is one less than the bound
			}
		}
	}
	for bound := range bounds {
		beyond := int64(bound) + 1
		for _, unit := range []time.Duration{time.Second, time.Minute} {
			long := time.Duration(beyond) * unit
			if long <= 0 || long/unit != time.Duration(beyond) {
				continue // no duration is that long
			}
			reportWrong(t, callMethods(t, callSetup{timeout: long}), fmt.Sprintf("with a deadline in %v", long))
			for _, f := range optionFields() {
				if f.field.Type == reflect.TypeFor[time.Duration]() {
					reportWrong(t, callMethods(t, callSetup{options: f.with(reflect.ValueOf(long))}), fmt.Sprintf("with %v as %s", long, f))
				}
			}
		}
		for _, f := range optionFields() {
			if f.field.Type.Kind() == reflect.Int {
				reportWrong(t, callMethods(t, callSetup{options: f.with(reflect.ValueOf(beyond).Convert(f.field.Type))}), fmt.Sprintf("with %d as %s", beyond, f))
			}
		}
	}
}

// An optionField is a field of options that methods have.
type optionField struct {
	options reflect.Type
	field   reflect.StructField
	methods []string
}

func (f optionField) String() string { return f.options.Name() + "." + f.field.Name }

// file returns the file of the options.
func (f optionField) file(t *testing.T) string {
	t.Helper()
	return documenttest.File(t, "type "+f.options.Name()+" struct", "")
}

// with returns options with a value in the field.
func (f optionField) with(value reflect.Value) any {
	v := reflect.New(f.options)
	v.Elem().FieldByIndex(f.field.Index).Set(value)
	return v.Interface()
}

// optionFields returns the exported fields of all options.
func optionFields() (all []optionField) {
	methods := map[reflect.Type][]string{}
	for m := range reflect.TypeFor[*sfbackup.Client]().Methods() {
		for in := range m.Type.Ins() {
			if in.Kind() == reflect.Pointer && in.Elem().Kind() == reflect.Struct && in.Elem() != reflect.TypeFor[sfbackup.Client]() {
				methods[in.Elem()] = append(methods[in.Elem()], m.Name)
			}
		}
	}
	for options, names := range methods {
		for field := range options.Fields() {
			if field.IsExported() {
				all = append(all, optionField{options, field, names})
			}
		}
	}
	return all
}

// sampleField returns a value for a field of options, other than zero.
func sampleField(t *testing.T, f optionField) reflect.Value {
	t.Helper()
	v := reflect.New(f.field.Type).Elem()
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.Date(2018, 1, 1, 9, 0, 0, 0, time.UTC)
		return v
	case *time.Duration:
		*x = 7 * time.Minute
		return v
	case *sfbackup.BackupStorage:
		*x = &sfbackup.FileShare{Path: `\\s\p`}
		return v
	case *uuid.UUID:
		*x = partition2
		return v
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("text")
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	default:
		t.Fatalf("wrapper/sfbackup/document_test.go: sampleField: write a value for %s", f)
	}
	return v
}

// Every property of every response is in what a method returns, and in the JSON of it.
func TestDocumentResponses(t *testing.T) {
	doc := documenttest.Load(t)
	said := map[string]bool{} // whatever the kinds are
	for _, kinds := range append(responseKinds(t), nil) {
		for _, o := range documenttest.Operations(doc) {
			for status, response := range o.Successes() {
				answer := canned{status: status + " " + http.StatusText(atoi(status))}
				schema := documenttest.JSONSchema(response.Content)
				if schema != nil {
					s := &documenttest.Sampler{T: t, Kinds: kinds}
					answer.contentType, answer.body = jsonType, string(lastPage(s.JSON(schema)))
				}
				methods := callMethods(t, callSetup{respond: func(other documenttest.Operation) canned {
					if other.OperationID == o.OperationID {
						return answer
					}
					return sampleResponse(t, other, kinds)
				}})
				for _, advice := range checkResponse(t, o, status, answer.body, methods) {
					if !said[advice] {
						t.Error(advice)
					}
					said[advice] = true
				}
			}
		}
	}
}

// responseKinds returns every kind of the unions in responses.
func responseKinds(t *testing.T) (all []map[string]string) {
	t.Helper()
	for _, ref := range documenttest.Load(t).Components.Schemas {
		if d := ref.Value.Discriminator; d != nil && d.PropertyName != "StorageKind" {
			for _, kind := range slices.Sorted(maps.Keys(d.Mapping)) {
				all = append(all, map[string]string{d.PropertyName: kind})
			}
		}
	}
	return all
}

// checkResponse checks that the methods that send an operation accept a response and return all of it, and returns
// what to write if they do not.
func checkResponse(t *testing.T, o documenttest.Operation, status, body string, methods map[string]*called) (advice []string) {
	t.Helper()
	accepted := false
	values, written := map[string]bool{}, map[string]string{}
	for _, m := range methods {
		if !m.sends(o.OperationID) {
			continue
		}
		accepted = accepted || m.ok
		for _, v := range m.values {
			goLeaves(v, values, 0)
			if _, ok := reflect.TypeAssert[json.Marshaler](v); ok {
				data, err := json.Marshal(v.Interface())
				if err == nil {
					maps.Copy(written, jsonLeaves(t, data))
				}
			}
		}
	}
	file := "wrapper/sfbackup/" + documenttest.File(t, "document.Op"+o.OperationID, "client.go")
	if !accepted && len(reachedBy(methods, o.OperationID)) > 0 {
		return []string{fmt.Sprintf("%s: every method that sends %s fails with the documented response %s: accept its status and its body", file, o.OperationID, status)}
	}
	for path, value := range jsonLeaves(t, []byte(body)) {
		switch {
		case value == `""` || len(reachedBy(methods, o.OperationID)) == 0:
		case !values[strings.Trim(value, `"`)]:
			advice = append(advice, fmt.Sprintf("%s: the response %s of %s has %s, which no method returns: write a field for it into the struct of %s, and set it from the generated struct",
				fileOf(t, path, file), status, o.OperationID, path, ownerOf(t, path)))
		case strings.Trim(written[path], `"`) != strings.Trim(value, `"`):
			advice = append(advice, fmt.Sprintf("%s: the response %s of %s has %s, which MarshalJSON does not write: set it in the generated struct",
				fileOf(t, path, file), status, o.OperationID, path))
		}
	}
	slices.Sort(advice)
	return advice
}

// ownerOf returns the name of a schema with the property at the end of a path.
func ownerOf(t *testing.T, path string) (name string) {
	t.Helper()
	schemas := documenttest.Load(t).Components.Schemas
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		if schemas[name].Value.Properties[path[strings.LastIndex(path, ".")+1:]] != nil &&
			(name == "PagedBackupInfoList" || strings.Count(path, ".") > 1 == (name != "BackupProgressInfo")) {
			return name
		}
	}
	return "the response"
}

// fileOf returns the file with the struct of the schema that has the property at the end of a path.
func fileOf(t *testing.T, path, other string) string {
	t.Helper()
	if strings.Contains(path, "PartitionInformation") {
		return "internal/wire/partition.go and wrapper/sfbackup/partition.go"
	}
	if file := documenttest.File(t, "generated."+ownerOf(t, path)+"{", ""); file != "" {
		return "wrapper/sfbackup/" + file
	}
	return other
}

// goLeaves adds the texts of all values in v, but not of raw JSON.
func goLeaves(v reflect.Value, leaves map[string]bool, depth int) {
	if !v.IsValid() || depth > 20 {
		return
	}
	switch x := v.Interface().(type) {
	case json.RawMessage, http.Header:
		return
	case sfbackup.Secret:
		leaves[string(x)] = true
		return
	case time.Time:
		leaves[x.UTC().Format(time.RFC3339)] = true
		return
	case encoding.TextMarshaler:
		if v.Kind() != reflect.Pointer {
			text, _ := x.MarshalText()
			leaves[string(text)] = true
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			if kind := v.MethodByName("Kind"); kind.IsValid() {
				leaves[fmt.Sprint(kind.Call(nil)[0])] = true
			}
			goLeaves(v.Elem(), leaves, depth+1)
		}
	case reflect.Struct:
		for field, value := range v.Fields() {
			if field.IsExported() {
				goLeaves(value, leaves, depth+1)
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			goLeaves(v.Index(i), leaves, depth+1)
		}
	case reflect.Map:
		for _, value := range v.Seq2() {
			goLeaves(value, leaves, depth+1)
		}
	default:
		leaves[fmt.Sprint(v)] = true
	}
}

// jsonLeaves returns the JSON of all values in a document that are no objects and arrays, by their paths.
func jsonLeaves(t *testing.T, data []byte) map[string]string {
	t.Helper()
	leaves := map[string]string{}
	var walk func(path string, value any)
	walk = func(path string, value any) {
		switch value := value.(type) {
		case map[string]any:
			for name, v := range value {
				walk(path+"."+name, v)
			}
		case []any:
			for _, v := range value {
				walk(path, v)
			}
		default:
			text, _ := json.Marshal(value)
			leaves[path] = string(text)
		}
	}
	if len(data) > 0 {
		var value any
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		if err := dec.Decode(&value); err != nil {
			t.Fatal(err)
		}
		walk("", value)
	}
	return leaves
}
