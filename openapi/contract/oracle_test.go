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
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// An oracle judges exchanges by the document without any code of this package or of kin-openapi: the
// schemas are turned into JSON Schema 2020-12, and what JSON Schema cannot express is checked by
// hand. What it says is what "breaks the document" means in the tests of this package.
type oracle struct {
	doc        map[string]any
	compiler   *jsonschema.Compiler
	compiled   map[string]*jsonschema.Schema // by the pointer of the schema
	operations []*oracleOperation
}

type oracleOperation struct {
	id, method string
	path       *regexp.Regexp // its one group is the parameter
	parameters []string       // pointers
	body       map[string]any // nil: none
	responses  map[string]any
}

const resource = "https://localhost/openapi.json"

func newOracle(t testing.TB, document []byte) *oracle {
	t.Helper()
	o := &oracle{compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	if err := yaml.Unmarshal(document, &o.doc); err != nil {
		t.Fatal(err)
	}
	schemas := toJSONSchema(t, o.doc).(map[string]any)
	data, err := json.Marshal(schemas)
	if err != nil {
		t.Fatal(err)
	}
	// The whole document is one resource, so that the references in it stay as they are. Only those
	// places of it that are schemas are ever compiled.
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
				continue // the parameters
			}
			pattern := regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(regexp.QuoteMeta(template), "(.+)")
			operation := &oracleOperation{
				id: op["operationId"].(string), method: strings.ToUpper(method), path: regexp.MustCompile("^" + pattern + "$"),
			}
			for _, list := range []any{item["parameters"], op["parameters"]} {
				for _, p := range list.([]any) {
					operation.parameters = append(operation.parameters, p.(map[string]any)["$ref"].(string))
				}
			}
			operation.body, _ = op["requestBody"].(map[string]any)
			operation.responses = op["responses"].(map[string]any)
			o.operations = append(o.operations, operation)
		}
	}
	return o
}

// toJSONSchema translates every schema of an OpenAPI 3.0.3 document. What is no schema has no
// keywords that mean anything here, and stays as it is.
func toJSONSchema(t testing.TB, value any) any {
	switch value := value.(type) {
	case []any:
		list := make([]any, len(value))
		for i, v := range value {
			list[i] = toJSONSchema(t, v)
		}
		return list
	case map[string]any:
		if ref, ok := value["$ref"].(string); ok {
			return map[string]any{"$ref": ref} // 3.0 ignores what stands beside
		}
		schema := map[string]any{}
		for key, v := range value {
			schema[key] = toJSONSchema(t, v)
		}
		// The one-value enumerations of the members say the same.
		delete(schema, "discriminator")
		if schema["type"] == "object" && schema["additionalProperties"] == nil {
			if schema["allOf"] != nil {
				t.Fatal("properties that come from an allOf: let the oracle know of unevaluatedProperties")
			}
			// Properties that are not in the document are what a contract is there to find.
			schema["additionalProperties"] = false
		}
		if schema["type"] == "integer" && schema["format"] == nil {
			schema["format"] = "integer"
		}
		if schema["format"] == "date-time" {
			// The library reads a sign where a digit has to be, as in 09:+1:00Z.
			schema["pattern"] = `^[0-9]{4}(-[0-9]{2}){2}[Tt]([0-9]{2}:){2}[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$`
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
	integerNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
)

// integer checks a whole number of so many bits, or of any size: a JSON number without fraction and
// exponent, as OpenAPI 3.0 has it (1.0 is an integer only in later JSON Schema), or a string. The
// document's pattern lets a string begin with zeros, so they are no mistake.
func integer(value any, bits int) error {
	text, form := fmt.Sprint(value), integerNumber
	switch value.(type) {
	case string:
		form = decimal
	case json.Number:
	default:
		return nil // the type says more
	}
	if !form.MatchString(text) {
		return errors.New("no whole number")
	}
	n, _ := new(big.Int).SetString(text, 10)
	limit := new(big.Int).Lsh(big.NewInt(1), uint(max(bits, 1)-1))
	if bits > 0 && (n.Cmp(limit) >= 0 || n.Cmp(limit.Neg(limit)) < 0) {
		return fmt.Errorf("no int%d", bits)
	}
	return nil
}

// resolve follows a pointer, and the references at its end. It returns the pointer it ended with.
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

// request returns what is wrong with the request of an exchange.
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
		case op.body == nil || len(x.requestBody) == 0:
			return errors.New("a body where none belongs, or none where one does")
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
		if len(given) > 1 || len(given) == 0 && p["required"] == true {
			return fmt.Errorf("%d values of %s", len(given), name)
		}
		schema, ref := o.resolve(ref + "/schema")
		for _, text := range given {
			var value any = text
			switch {
			case schema["type"] == "integer" && integerNumber.MatchString(text):
				value = json.Number(text)
			case schema["type"] == "boolean" && (strings.EqualFold(text, "true") || strings.EqualFold(text, "false")):
				value = true // the documentation's own examples write True
			}
			if err := o.schema(ref).Validate(value); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	for name := range values {
		return fmt.Errorf("the parameter %s is not documented", name)
	}
	return nil
}

// response returns what is wrong with the answer of an exchange to the operation of the given name.
func (o *oracle) response(x *exchange) error {
	for _, op := range o.operations {
		if op.id != x.operation {
			continue
		}
		ref, ok := op.responses[strconv.Itoa(x.status)].(map[string]any)
		if !ok && x.status >= 400 {
			ref, ok = op.responses["default"].(map[string]any) // which describes failures
		}
		if !ok {
			return errors.New("the status is not documented")
		}
		at := ""
		if pointer, ok := ref["$ref"].(string); ok {
			ref, at = o.resolve(pointer)
		}
		content, _ := ref["content"].(map[string]any)
		switch {
		case len(x.body) == 0 && (len(content) == 0 || ref["x-empty-body"] == true):
			return nil
		case len(x.body) == 0 || len(content) == 0:
			return errors.New("a body where none belongs, or none where one does")
		}
		return o.body(at, ref, x.contentType, x.body)
	}
	panic("no operation " + x.operation)
}

// body checks a body against the content of a request body or a response, which is inline or at a
// pointer.
func (o *oracle) body(at string, message map[string]any, contentType string, body []byte) error {
	mediaType, _, err := mime.ParseMediaType(contentType)
	media, ok := message["content"].(map[string]any)[mediaType].(map[string]any)
	if err != nil || !ok {
		return errors.New("the content type is not documented")
	}
	if media["schema"].(map[string]any)["type"] == "string" {
		return nil // any text
	}
	value, err := decode(body)
	if err != nil {
		return err
	}
	ref, ok := media["schema"].(map[string]any)["$ref"].(string)
	if !ok {
		ref = at + "/content/" + strings.ReplaceAll(mediaType, "/", "~1") + "/schema"
	}
	return o.schema(ref).Validate(value)
}

// decode reads JSON, and finds what is lost in reading: keys that come twice, bytes that follow.
func decode(body []byte) (any, error) {
	if !utf8.Valid(body) {
		return nil, errors.New("no UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := unique(dec); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows")
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(body))
}

func unique(dec *json.Decoder) error {
	tok, err := dec.Token()
	delim, ok := tok.(json.Delim)
	if err != nil || !ok {
		return err
	}
	names := map[json.Token]bool{}
	for dec.More() {
		if delim == '{' {
			name, err := dec.Token()
			if err != nil || names[name] {
				return errors.Join(err, fmt.Errorf("the key %v, twice or broken", name))
			}
			names[name] = true
		}
		if err := unique(dec); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}
