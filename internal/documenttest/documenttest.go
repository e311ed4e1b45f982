// Package documenttest lets tests ask the document of the API, so that they need no lists of their own.
package documenttest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/servicefabric-go/backup/openapi"
)

// ReplacedMark is the extension of a property that is read, but never written: the name of the property that has
// replaced it.
const ReplacedMark = "x-replaced-by"

var runtimeDocument, documented = parse(openapi.Runtime), parse(openapi.Documented)

// parse returns a function that parses a document once.
func parse(data []byte) func() (*openapi3.T, error) {
	return sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromData(data) })
}

// Load returns the document with the deviations of clusters, which has everything that clients need. Tests share it.
func Load(t testing.TB) *openapi3.T {
	t.Helper()
	return must(t, runtimeDocument)
}

// LoadDocumented returns the document as the documentation has it. Tests share it.
func LoadDocumented(t testing.TB) *openapi3.T {
	t.Helper()
	return must(t, documented)
}

func must(t testing.TB, parsed func() (*openapi3.T, error)) *openapi3.T {
	t.Helper()
	doc, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// An Operation is an operation of the document with the parameters of its path.
type Operation struct {
	*openapi3.Operation

	Method, Path string
	Parameters   []*openapi3.Parameter
}

// Operations returns all operations, sorted by their names.
func Operations(doc *openapi3.T) (all []Operation) {
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			o := Operation{Operation: op, Method: method, Path: path}
			for _, ref := range slices.Concat(item.Parameters, op.Parameters) {
				o.Parameters = append(o.Parameters, ref.Value)
			}
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b Operation) int { return cmp.Compare(a.OperationID, b.OperationID) })
	return all
}

// Matches reports whether a request is one of the operation. The parameter in the path can span several segments.
func (o Operation) Matches(req *http.Request) bool {
	head, rest, _ := strings.Cut(o.Path, "{")
	_, tail, _ := strings.Cut(rest, "}")
	return req.Method == o.Method && strings.HasPrefix(req.URL.Path, head) && strings.HasSuffix(req.URL.Path, tail)
}

// Query returns the names of the parameters in the query.
func (o Operation) Query() (names []string) {
	for _, p := range o.Parameters {
		if p.In == openapi3.ParameterInQuery {
			names = append(names, p.Name)
		}
	}
	return names
}

// BodyProperties returns the paths of the properties of the request body. It does not look into unions.
func (o Operation) BodyProperties() (paths []string) {
	var walk func(prefix string, ref *openapi3.SchemaRef)
	walk = func(prefix string, ref *openapi3.SchemaRef) {
		for name, p := range ref.Value.Properties {
			if len(p.Value.Properties) > 0 {
				walk(prefix+name+".", p)
			} else {
				paths = append(paths, prefix+name)
			}
		}
	}
	if o.RequestBody != nil {
		if schema := JSONSchema(o.RequestBody.Value.Content); schema != nil {
			walk("", schema)
		}
	}
	return paths
}

// Successes returns the responses that are documented for single statuses.
func (o Operation) Successes() map[string]*openapi3.Response {
	all := map[string]*openapi3.Response{}
	for status, ref := range o.Responses.Map() {
		if status != "default" {
			all[status] = ref.Value
		}
	}
	return all
}

// JSONSchema returns the schema of JSON content, nil if there is none.
func JSONSchema(content openapi3.Content) *openapi3.SchemaRef {
	if media := content["application/json"]; media != nil {
		return media.Schema
	}
	return nil
}

// A Sampler makes values of schemas. Each value has every property, and no two strings are equal if the schema
// allows that.
type Sampler struct {
	T       testing.TB
	Kinds   map[string]string // the kind to make, by the discriminator; otherwise the first one
	Secrets []string          // those in the values that were made

	n int
}

// JSON returns the JSON of a value.
func (s *Sampler) JSON(ref *openapi3.SchemaRef) []byte {
	s.T.Helper()
	data, err := json.Marshal(s.Value(ref))
	if err != nil {
		s.T.Fatal(err)
	}
	return data
}

// Value returns a value as package json decodes it, with a json.Number for a number.
func (s *Sampler) Value(ref *openapi3.SchemaRef) any {
	s.T.Helper()
	schema := ref.Value
	switch {
	case schema.Discriminator != nil:
		mapping := schema.Discriminator.Mapping
		kind := cmp.Or(s.Kinds[schema.Discriminator.PropertyName], slices.Min(slices.Collect(maps.Keys(mapping))))
		for _, member := range schema.OneOf {
			if member.Ref == mapping[kind].Ref {
				return s.Value(member)
			}
		}
		s.T.Fatalf("openapi/backup.yaml: the union has no kind %s", kind)
	case schema.Extensions["x-final"] != nil: // or a wait would go on for ever
		final, _ := schema.Extensions["x-final"].([]any)
		return final[len(final)-1]
	case len(schema.Enum) > 0:
		return schema.Enum[len(schema.Enum)-1]
	case len(schema.OneOf)+len(schema.AnyOf) > 0:
		return s.Value(slices.Concat(schema.OneOf, schema.AnyOf)[0])
	case len(schema.Properties) > 0 || len(schema.AllOf) > 0:
		object := map[string]any{}
		for _, part := range schema.AllOf {
			if properties, ok := s.Value(part).(map[string]any); ok {
				maps.Copy(object, properties)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
			if p := schema.Properties[name]; p.Value.Extensions[ReplacedMark] == nil {
				object[name] = s.Value(p)
			}
		}
		return object
	case schema.Type.Is("array"):
		return []any{s.Value(schema.Items)}
	case schema.Type.Is("boolean"):
		return true
	case schema.Type.Is("integer"), schema.Type.Is("number"):
		s.n++
		number := float64(1000 + s.n)
		if schema.Max != nil {
			number = min(number, *schema.Max)
		}
		return json.Number(fmt.Sprintf("%.0f", number))
	case schema.AdditionalProperties.Schema != nil:
		return map[string]any{"name": s.Value(schema.AdditionalProperties.Schema)}
	case schema.Type.Is("string"):
		return s.text(schema)
	}
	s.T.Fatalf("internal/documenttest/documenttest.go: write what a value of %v is like", schema)
	return nil
}

// text returns the first candidate that has the format and the pattern.
func (s *Sampler) text(schema *openapi3.Schema) string {
	s.T.Helper()
	s.n++
	candidates := map[string]string{
		"uuid":      fmt.Sprintf("00000000-0000-4000-8000-%012d", s.n),
		"date-time": fmt.Sprintf("2018-01-02T03:%02d:%02dZ", s.n/60%60, s.n%60),
		"int64":     fmt.Sprint(9000000000000000000 + s.n),
		"password":  fmt.Sprintf("s3cret-%d-s3cret", s.n),
		"uri":       fmt.Sprintf("https://host-%d/path", s.n),
		"":          fmt.Sprintf("text %d", s.n),
		"name":      fmt.Sprintf("fabric:/App%d/Service", s.n),
	}
	for _, format := range append([]string{schema.Format}, slices.Sorted(maps.Keys(candidates))...) {
		text, ok := candidates[format]
		if ok && schema.VisitJSON(text) == nil {
			if schema.Format == "password" {
				s.Secrets = append(s.Secrets, text)
			}
			return text
		}
	}
	s.T.Fatalf("internal/documenttest/documenttest.go: write a text with the format %q and the pattern %q", schema.Format, schema.Pattern)
	return ""
}

// Request returns a request of the operation with every parameter, for the given path parameters.
func (o Operation) Request(t testing.TB, path map[string]string) *http.Request {
	t.Helper()
	s := &Sampler{T: t}
	target := o.Path
	query := url.Values{}
	for _, p := range o.Parameters {
		switch p.In {
		case openapi3.ParameterInPath:
			target = strings.ReplaceAll(target, "{"+p.Name+"}", path[p.Name])
		case openapi3.ParameterInQuery:
			value := fmt.Sprint(s.Value(p.Schema))
			if p.Name == "api-version" {
				value = "6.4"
			}
			query.Set(p.Name, value)
		}
	}
	var body string
	if o.RequestBody != nil {
		body = string(s.JSON(JSONSchema(o.RequestBody.Value.Content)))
	}
	req, err := http.NewRequestWithContext(t.Context(), o.Method, "http://localhost:19080"+target+"?"+query.Encode(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

// File returns the name of the file in the directory of the test, without tests, that has a text. It returns other
// if there is none.
func File(t testing.TB, text, other string) string {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name) //nolint:gosec // of the package
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "_test.go") && strings.Contains(string(data), text) {
			return name
		}
	}
	return other
}
