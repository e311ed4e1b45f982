package sfbackup_test

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/internal/documenttest"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

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
