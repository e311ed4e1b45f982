package sfbackup_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/internal/documenttest"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

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
