package contract_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// An oracle checks exchanges against the document without any code of this package or of kin-openapi. It
// converts the schemas to JSON Schema 2020-12 and has its own code for what JSON Schema cannot express. It
// defines which exchanges are valid in the tests of this package.
type oracle struct {
	doc        map[string]any
	compiler   *jsonschema.Compiler
	compiled   map[string]*jsonschema.Schema // by the pointer to the schema
	operations []*oracleOperation
	// plain: only what OpenAPI itself defines is invalid, not what a contract excludes beyond that, such as
	// undocumented properties.
	plain bool
}

type oracleOperation struct {
	id, method string
	path       *regexp.Regexp // its only group is the parameter
	parameters []string       // pointers
	body       map[string]any // nil: none is documented
	responses  map[string]any
}

const resource = "https://localhost/openapi.json"

func newOracle(t testing.TB, document []byte) *oracle {
	t.Helper()
	return loadOracle(t, document, false)
}

func loadOracle(t testing.TB, document []byte, plain bool) *oracle {
	t.Helper()
	o := &oracle{compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}, plain: plain}
	if err := yaml.Unmarshal(document, &o.doc); err != nil {
		t.Fatal(err)
	}
	schemas := toJSONSchema(t, o.doc, !plain).(map[string]any)
	data, err := json.Marshal(schemas)
	if err != nil {
		t.Fatal(err)
	}
	// The whole document is one resource, so that its references stay valid. Only its schemas are compiled.
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	o.compiler.DefaultDraft(jsonschema.Draft2020)
	o.compiler.AssertFormat()
	for name, bits := range map[string]int{"int32": 32, "int64": 64, "integer": 0} {
		o.compiler.RegisterFormat(&jsonschema.Format{Name: name, Validate: func(v any) error { return integer(v, bits) }})
	}
	if err := o.compiler.AddResource(resource, root); err != nil {
		t.Fatal(err)
	}
	for template, item := range o.doc["paths"].(map[string]any) {
		item := item.(map[string]any)
		for method, op := range item {
			op, ok := op.(map[string]any)
			if !ok {
				continue // the parameters of the path
			}
			pattern := regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(regexp.QuoteMeta(template), "(.+)")
			operation := &oracleOperation{
				id: op["operationId"].(string), method: strings.ToUpper(method), path: regexp.MustCompile("^" + pattern + "$"),
			}
			place := "#/paths/" + strings.ReplaceAll(template, "/", "~1")
			for from, list := range map[string]any{place: item["parameters"], place + "/" + method: op["parameters"]} {
				parameters, _ := list.([]any)
				for i := range parameters {
					_, ref := o.resolve(fmt.Sprintf("%s/parameters/%d", from, i))
					operation.parameters = append(operation.parameters, ref)
				}
			}
			slices.Sort(operation.parameters)
			operation.body, _ = op["requestBody"].(map[string]any)
			operation.responses = op["responses"].(map[string]any)
			o.operations = append(o.operations, operation)
		}
	}
	return o
}

// toJSONSchema converts every schema of an OpenAPI 3.0.3 document to JSON Schema. The rest of the document
// has none of the keywords that it converts. Closed schemas allow no undocumented properties.
func toJSONSchema(t testing.TB, value any, closed bool) any {
	switch value := value.(type) {
	case []any:
		list := make([]any, len(value))
		for i, v := range value {
			list[i] = toJSONSchema(t, v, closed)
		}
		return list
	case map[string]any:
		if ref, ok := value["$ref"].(string); ok {
			return map[string]any{"$ref": ref} // OpenAPI 3.0 ignores its siblings
		}
		schema := map[string]any{}
		for key, v := range value {
			schema[key] = toJSONSchema(t, v, closed)
		}
		// The enumerations in the members of the union, each with one value, have the same meaning.
		delete(schema, "discriminator")
		if closed && schema["type"] == "object" && schema["additionalProperties"] == nil {
			if schema["allOf"] != nil {
				t.Fatal("the oracle does not support properties in allOf: add unevaluatedProperties")
			}
			// A contract does not allow undocumented properties.
			schema["additionalProperties"] = false
		}
		if schema["type"] == "integer" && schema["format"] == nil {
			schema["format"] = "integer"
		}
		if schema["format"] == "date-time" {
			// The library accepts a sign in place of a digit, as in 09:+1:00Z.
			schema["allOf"] = []any{map[string]any{
				"pattern": `^[0-9]{4}(-[0-9]{2}){2}[Tt]([0-9]{2}:){2}[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$`,
			}}
		}
		if name, ok := schema["type"].(string); ok && schema["nullable"] == true {
			schema["type"] = []any{name, "null"}
			if enum, ok := schema["enum"].([]any); ok {
				schema["enum"] = append(enum, nil)
			}
		}
		return schema
	}
	return value
}

var (
	decimal       = regexp.MustCompile(`^-?[0-9]+$`)
	number        = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
	integerNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
)

// integer checks an integer with a number of bits, or of any size if bits is 0. It is a string, or a JSON
// number without fraction and exponent, as in OpenAPI 3.0 (only later JSON Schema accepts 1.0). A string may
// have leading zeros, because the document's pattern allows them.
func integer(value any, bits int) error {
	text, pattern := fmt.Sprint(value), integerNumber
	switch value.(type) {
	case string:
		pattern = decimal
	case json.Number:
	default:
		return nil // the type keyword reports it
	}
	if !pattern.MatchString(text) {
		return errors.New("not an integer")
	}
	n, _ := new(big.Int).SetString(text, 10)
	limit := new(big.Int).Lsh(big.NewInt(1), uint(max(bits, 1)-1))
	if bits > 0 && (n.Cmp(limit) >= 0 || n.Cmp(limit.Neg(limit)) < 0) {
		return fmt.Errorf("not an int%d", bits)
	}
	return nil
}

// resolve returns the object at a pointer, and its pointer. It follows references.
func (o *oracle) resolve(ref string) (map[string]any, string) {
	var value any = o.doc
	for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		if list, ok := value.([]any); ok {
			i, _ := strconv.Atoi(step)
			value = list[i]
			continue
		}
		value = value.(map[string]any)[strings.ReplaceAll(step, "~1", "/")]
	}
	object := value.(map[string]any)
	if next, ok := object["$ref"].(string); ok {
		return o.resolve(next)
	}
	return object, ref
}

func (o *oracle) schema(ref string) *jsonschema.Schema {
	if s := o.compiled[ref]; s != nil {
		return s
	}
	s := o.compiler.MustCompile(resource + ref)
	o.compiled[ref] = s
	return s
}

// request returns the first violation in the request of an exchange.
func (o *oracle) request(x *exchange) error {
	for _, op := range o.operations {
		path := op.path.FindStringSubmatch(x.path)
		if path == nil || op.method != x.method {
			continue
		}
		if err := o.parameters(op, path[1], x.query); err != nil {
			return err
		}
		switch {
		case len(x.requestBody) == 0 && (op.body == nil || op.body["required"] != true):
			return nil
		case op.body == nil && o.plain:
			return nil
		case op.body == nil || len(x.requestBody) == 0:
			return errors.New("an undocumented body or a missing one")
		}
		return o.body("", op.body, x.requestType, x.requestBody)
	}
	return errors.New("no operation")
}

func (o *oracle) parameters(op *oracleOperation, path string, query []parameter) error {
	values := map[string][]string{}
	for _, p := range query {
		values[p.name] = append(values[p.name], p.value)
	}
	for _, ref := range op.parameters {
		p, ref := o.resolve(ref)
		name := p["name"].(string)
		given := values[name]
		delete(values, name)
		if p["in"] == "path" {
			given = []string{path}
		}
		if len(given) > 1 && !o.plain || len(given) == 0 && p["required"] == true {
			return fmt.Errorf("%d values of %s", len(given), name)
		}
		schema, ref := o.resolve(ref + "/schema")
		for _, text := range given {
			var value any = text
			switch {
			case schema["type"] == "integer" && integerNumber.MatchString(text):
				value = json.Number(text)
			case schema["type"] == "number" && number.MatchString(text):
				value = json.Number(strings.TrimLeft(text, "0")) // the server parses 06.4 as a double
			case schema["type"] == "boolean" && (strings.EqualFold(text, "true") || strings.EqualFold(text, "false")):
				value = true // the documentation's own examples have True
			}
			if err := o.schema(ref).Validate(value); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	for name := range values {
		if o.plain {
			break
		}
		return fmt.Errorf("the parameter %s is not documented", name)
	}
	return nil
}

// response returns the first violation in the response of an exchange to its operation.
func (o *oracle) response(x *exchange) error {
	for _, op := range o.operations {
		if op.id != x.operation {
			continue
		}
		ref, ok := op.responses[strconv.Itoa(x.status)].(map[string]any)
		if !ok && (x.status >= 400 || o.plain) {
			ref, ok = op.responses["default"].(map[string]any) // the document describes errors only by it
		}
		if !ok {
			return errors.New("the status is not documented")
		}
		pointer := ""
		if shared, ok := ref["$ref"].(string); ok {
			ref, pointer = o.resolve(shared)
		}
		content, _ := ref["content"].(map[string]any)
		switch {
		case len(x.body) == 0 && (len(content) == 0 || ref["x-empty-body"] == true):
			return nil
		case len(content) == 0 && o.plain:
			return nil
		case len(x.body) == 0 || len(content) == 0:
			return errors.New("an undocumented body or a missing one")
		}
		return o.body(pointer, ref, x.contentType, x.body)
	}
	panic("no operation " + x.operation)
}

// body checks a body against the content of a request body or of a response. The pointer is that of a shared
// response, empty if the response is inline.
func (o *oracle) body(pointer string, message map[string]any, contentType string, body []byte) error {
	mediaType, _, err := mime.ParseMediaType(contentType)
	media, ok := message["content"].(map[string]any)[mediaType].(map[string]any)
	if err != nil || !ok {
		return errors.New("the content type is not documented")
	}
	if media["schema"].(map[string]any)["type"] == "string" {
		return nil // any text is valid
	}
	value, err := decode(body, !o.plain)
	if err != nil {
		return err
	}
	ref, ok := media["schema"].(map[string]any)["$ref"].(string)
	if !ok {
		ref = pointer + "/content/" + strings.ReplaceAll(mediaType, "/", "~1") + "/schema"
	}
	return o.schema(ref).Validate(value)
}

// decode decodes JSON. Unlike the decoder, it rejects trailing data, invalid UTF-8 and, if keys have to be
// unique, duplicate keys.
func decode(body []byte, unique bool) (any, error) {
	if !utf8.Valid(body) {
		return nil, errors.New("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := checkKeys(dec, unique); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("trailing data")
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(body))
}

func checkKeys(dec *json.Decoder, unique bool) error {
	tok, err := dec.Token()
	delim, ok := tok.(json.Delim)
	if err != nil || !ok {
		return err
	}
	names := map[json.Token]bool{}
	for dec.More() {
		if delim == '{' {
			name, err := dec.Token()
			if err != nil || unique && names[name] {
				return errors.Join(err, fmt.Errorf("the key %v is duplicate or invalid", name))
			}
			names[name] = true
		}
		if err := checkKeys(dec, unique); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}
