package sfbackup_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/internal/documenttest"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// A sampleStorage is a storage with every property of its kind.
type sampleStorage struct {
	kind    string
	json    []byte
	secrets []string
	parsed  sfbackup.BackupStorage
}

// sampleStorages returns a storage of each kind. A kind that the package does not know is an error.
func sampleStorages(t *testing.T) (all []sampleStorage) {
	t.Helper()
	union := documenttest.Load(t).Components.Schemas["BackupStorageDescription"]
	for _, kind := range slices.Sorted(maps.Keys(union.Value.Discriminator.Mapping)) {
		s := &documenttest.Sampler{T: t, Kinds: map[string]string{"StorageKind": kind}}
		sample := sampleStorage{kind: kind, json: s.JSON(union), secrets: s.Secrets}
		var err error
		sample.parsed, err = sfbackup.ParseBackupStorage(sample.json)
		if err != nil {
			t.Errorf("wrapper/sfbackup/storage.go: a %s with all its properties cannot be parsed: %v", kind, err)
			continue
		}
		if _, unknown := sample.parsed.(*sfbackup.UnknownStorage); unknown {
			t.Errorf("wrapper/sfbackup/storage.go: no type has the kind %s: write the constant, a struct with its fields and its four methods, and its line in storageTypes", kind)
			continue
		}
		all = append(all, sample)
	}
	return all
}

// Every storage of the document goes through the parser, a request and a cluster with all its properties.
func TestDocumentStorages(t *testing.T) {
	t.Parallel()
	for _, s := range sampleStorages(t) {
		typ := reflect.TypeOf(s.parsed).Elem()
		v := reflect.ValueOf(s.parsed).Elem()
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("wrapper/sfbackup/storage.go: the field %s of %s gets no property: give it the name and the type of a field of the generated struct, or remove it", typ.Field(i).Name, typ.Name())
			}
		}
		if documenttest.File(t, "[*"+typ.Name()+"]", "") == "" {
			t.Errorf("wrapper/sfbackup/storage.go: the comment of BackupStorage does not name %s: write [*%[1]s]", typ.Name())
		}
		cluster := sfbackuptest.NewCluster(sfbackuptest.WithProfile(sfbackuptest.ProfileDocumented))
		client := newClient(t, cluster.Transport())
		if err := client.BackupPartition(t.Context(), partition1, &sfbackup.BackupOptions{Storage: s.parsed}); err != nil {
			t.Errorf("wrapper/sfbackuptest/requestbody.go: a cluster does not accept a %s: %v", s.kind, err)
			continue
		}
		requests := cluster.Requests()
		var body struct{ BackupStorage json.RawMessage }
		if err := json.Unmarshal(requests[len(requests)-1].Body, &body); err != nil {
			t.Error(err)
			continue
		}
		arrived := jsonLeaves(t, body.BackupStorage)
		for path, value := range jsonLeaves(t, s.json) {
			if arrived[path] != value {
				t.Errorf("wrapper/sfbackup/storage.go: %s loses the property %s on the way to the cluster: write a field into it with the name that the property has in the generated struct", typ.Name(), path[1:])
			}
		}
		again, err := sfbackup.ParseBackupStorage(body.BackupStorage)
		if diff := cmp.Diff(s.parsed, again); err != nil || diff != "" {
			t.Errorf("wrapper/sfbackup/storage.go: a %s is not the same after parse, send and parse: %v\n%s", s.kind, err, diff)
		}
	}
}

// Every partition of the document has a type, and a list of a cluster has partitions of that type.
func TestDocumentPartitions(t *testing.T) {
	t.Parallel()
	union := documenttest.Load(t).Components.Schemas["PartitionInformation"].Value
	for _, kind := range slices.Sorted(maps.Keys(union.Discriminator.Mapping)) {
		var b sfbackup.Backup
		if err := json.Unmarshal([]byte(`{"PartitionInformation":{"ServicePartitionKind":"`+kind+`","Id":"`+partition1.String()+`"}}`), &b); err != nil {
			t.Fatal(err)
		}
		name := reflect.TypeOf(b.PartitionInformation).Elem().Name()
		if name == "UnknownPartition" {
			t.Errorf("wrapper/sfbackup/partition.go: no type has the kind %s: write a struct with its fields and methods, and its cases in newPartition and wirePartition; in internal/wire/partition.go, write its constant and properties", kind)
			continue
		}
		if documenttest.File(t, "[*"+name+"]", "") == "" {
			t.Errorf("wrapper/sfbackup/partition.go: the comment of PartitionInformation does not name %s: write [*%[1]s]", name)
		}
	}
}

// A storage without a required property is not sent, and the error names the property.
func TestDocumentRequiredProperties(t *testing.T) {
	t.Parallel()
	for _, s := range sampleStorages(t) {
		schema := documenttest.Load(t).Components.Schemas["BackupStorageDescription"].Value.Discriminator.Mapping[s.kind].Ref
		for _, property := range documenttest.Load(t).Components.Schemas[schema[strings.LastIndex(schema, "/")+1:]].Value.Required {
			if property == "StorageKind" {
				continue
			}
			object := map[string]any{}
			if err := json.Unmarshal(s.json, &object); err != nil {
				t.Fatal(err)
			}
			if _, isText := object[property].(string); !isText {
				continue // a zero may be meant
			}
			delete(object, property)
			data, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			storage, err := sfbackup.ParseBackupStorage(data)
			if err != nil {
				t.Error(err)
				continue
			}
			err = newClient(t, neverSent(t)).BackupPartition(t.Context(), partition1, &sfbackup.BackupOptions{Storage: storage})
			if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(property)) {
				t.Errorf("wrapper/sfbackup/storage.go: a %s without the required %s: got %v, want an error that names it", s.kind, property, err)
			}
		}
	}
}

// Every secret of the document is a Secret, and nothing that can hold it shows it.
func TestDocumentSecrets(t *testing.T) {
	t.Parallel()
	for _, s := range sampleStorages(t) {
		v := reflect.ValueOf(s.parsed).Elem()
		for i := range v.NumField() {
			secret := v.Type().Field(i).Type == reflect.TypeFor[sfbackup.Secret]()
			if want := slices.Contains(s.secrets, v.Field(i).String()); secret != want {
				t.Errorf("wrapper/sfbackup/storage.go: the field %s of %s: give it the type Secret if its format is password, and string if it is not", v.Type().Field(i).Name, v.Type().Name())
			}
		}
		for name, holder := range secretHolders(s.parsed) {
			for _, secret := range s.secrets {
				if where := shown(holder, secret); where != "" {
					t.Errorf("wrapper/sfbackup/storage.go: %s shows a secret of %s, with %s: write a method Format for %[2]s, as the other storages have, and give its secrets the type Secret", name, v.Type().Name(), where)
				}
			}
		}
	}
	// Every other type of the package that can hold a secret.
	for typ := range holderTypes() {
		v := reflect.New(typ)
		if !fillSecrets(v.Elem()) {
			continue
		}
		for _, holder := range []any{v.Interface(), v.Elem().Interface(), struct{ V any }{v.Interface()}, []any{v.Interface()}} {
			if where := shown(holder, "s3cret"); where != "" {
				t.Errorf("wrapper/sfbackup/%s: %s shows its secret, with %s: write a method Format for it", documenttest.File(t, "type "+typ.Name()+" struct", "secret.go"), typ.Name(), where)
			}
		}
	}
}

// secretHolders returns what can hold a storage.
func secretHolders(s sfbackup.BackupStorage) map[string]any {
	value := reflect.ValueOf(s).Elem().Interface()
	return map[string]any{
		"a pointer": s, "a value": value, "a slice": []any{s, value}, "a map": map[string]any{"k": s},
		"a struct with a pointer": struct{ P any }{s}, "a struct with a value": struct{ V any }{value},
		"BackupOptions": sfbackup.BackupOptions{Storage: s}, "a pointer to BackupOptions": &sfbackup.BackupOptions{Storage: s},
		"BackupManyOptions": sfbackup.BackupManyOptions{Backup: sfbackup.BackupOptions{Storage: s}},
		"an error":          fmt.Errorf("wrapped: %v %w", s, errors.New(fmt.Sprint(value))),
	}
}

// shown returns how a value shows a secret, "" if it does not.
func shown(holder any, secret string) string {
	forms := []string{
		secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), strings.Trim(fmt.Sprintf("%d", []byte(secret)), "[]"),
		fmt.Sprintf("% x", secret), strings.Trim(fmt.Sprintf("%q", []rune(secret)), "[]"),
	}
	check := func(how, text string) string {
		if slices.ContainsFunc(forms, func(form string) bool { return strings.Contains(text, form) }) {
			return how
		}
		return ""
	}
	for _, verb := range "vsqxXdobcetTUgGfFEO" { // all but %p, for which package fmt calls no method
		for _, flag := range []string{"", "+", "#", "-10", "010", " "} {
			how := "%" + flag + string(verb)
			if where := check(how, fmt.Sprintf(how, holder)); where != "" {
				return where
			}
		}
	}
	var text, logged bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("m", "h", holder)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("m", "h", holder)
	v1, _ := json.Marshal(holder)
	v2, _ := jsonv2.Marshal(holder)
	x, _ := xml.Marshal(holder)
	for how, text := range map[string]string{"slog text": text.String(), "slog JSON": logged.String(), "JSON": string(v1), "JSON v2": string(v2), "XML": string(x)} {
		if where := check(how, text); where != "" {
			return where
		}
	}
	return ""
}

// holderTypes returns the structs of the package that can be reached from the methods of a client and the functions
// that options call.
func holderTypes() map[reflect.Type]bool {
	found, seen := map[reflect.Type]bool{}, map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(t reflect.Type) {
		if seen[t] {
			return
		}
		seen[t] = true
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			visit(t.Elem())
		case reflect.Func:
			for in := range t.Ins() {
				visit(in)
			}
			for out := range t.Outs() {
				visit(out)
			}
		case reflect.Struct:
			if t.PkgPath() == reflect.TypeFor[sfbackup.Client]().PkgPath() && t.Name() != "Client" {
				found[t] = true
			}
			for f := range t.Fields() {
				if f.IsExported() {
					visit(f.Type)
				}
			}
		default:
		}
	}
	for m := range reflect.TypeFor[*sfbackup.Client]().Methods() {
		visit(m.Type)
	}
	for _, t := range []reflect.Type{reflect.TypeFor[sfbackup.TokenSource](), reflect.TypeFor[sfbackup.APIError](), reflect.TypeFor[sfbackup.OutcomeUnknownError]()} {
		visit(t)
	}
	return found
}

// fillSecrets sets every Secret in v, and reports whether there is one.
func fillSecrets(v reflect.Value) (found bool) {
	switch {
	case !v.CanSet():
		return false
	case v.Type() == reflect.TypeFor[sfbackup.Secret]():
		v.SetString("s3cret")
		return true
	case v.Type() == reflect.TypeFor[sfbackup.BackupStorage]():
		v.Set(reflect.ValueOf(&sfbackup.FileShare{PrimaryPassword: "s3cret"}))
		return true
	case v.Kind() == reflect.Struct:
		for _, field := range v.Fields() {
			found = fillSecrets(field) || found
		}
	case v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Struct:
		p := reflect.New(v.Type().Elem())
		if found = fillSecrets(p.Elem()); found {
			v.Set(p)
		}
	}
	return found
}

// Every property of an error response is in the APIError.
func TestDocumentErrors(t *testing.T) {
	t.Parallel()
	for _, o := range documenttest.Operations(documenttest.Load(t)) {
		ref := documenttest.JSONSchema(o.Responses.Default().Value.Content)
		bodies := ref.Value.OneOf
		if bodies == nil {
			bodies = append(bodies, ref)
		}
		for _, schema := range bodies {
			body := (&documenttest.Sampler{T: t}).JSON(schema)
			response := canned{status: "400 Bad Request", contentType: jsonType, body: string(body)}
			_, err := newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) { return response.response(req), nil })).BackupProgress(t.Context(), partition1)
			e, ok := errors.AsType[*sfbackup.APIError](err)
			if !ok {
				t.Errorf("wrapper/sfbackup/errors.go: the error response %s is not an APIError: %v", body, err)
				continue
			}
			values := map[string]bool{}
			goLeaves(reflect.ValueOf(*e), values, 0)
			for path, value := range jsonLeaves(t, body) {
				if !values[strings.Trim(value, `"`)] {
					t.Errorf("wrapper/sfbackup/errors.go: APIError loses %s of an error response: write a field for it", path[1:])
				}
			}
		}
	}
}
