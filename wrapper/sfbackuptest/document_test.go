package sfbackuptest_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/servicefabric-go/backup/internal/documenttest"
	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// The tests of this file ask the document what a cluster has to have, and say which file lacks it and what to write
// there. make adopt runs them after make generate.

// pathParameters name a partition and a service of a cluster without options.
var pathParameters = map[string]string{"partitionId": firstID.String(), "serviceId": "CalcApp/CalcService"}

// Every operation has a handler.
func TestDocumentOperations(t *testing.T) {
	t.Parallel()
	for _, o := range documenttest.Operations(documenttest.Load(t)) {
		for _, p := range o.Parameters {
			if p.In == openapi3.ParameterInPath && pathParameters[p.Name] == "" {
				t.Fatalf("wrapper/sfbackuptest/document_test.go: pathParameters: write a value for the parameter %s of %s", p.Name, o.OperationID)
			}
		}
		cluster := sfbackuptest.NewCluster()
		do(t, cluster.Transport(), o.Request(t, pathParameters))
		if got := cluster.Requests()[0].Operation; string(got) != o.OperationID {
			t.Errorf("wrapper/sfbackuptest/gateway.go: a cluster takes %s %s for the operation %q: write Op%s, and its line with a handler into operations", o.Method, o.Path, got, o.OperationID)
		}
	}
}

// Every parameter is read. A handler that reads one rejects a value of the wrong type.
func TestDocumentParameters(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var source []byte
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			source = append(source, data...)
		}
	}
	for _, o := range documenttest.Operations(documenttest.Load(t)) {
		for _, p := range o.Parameters {
			if p.In != openapi3.ParameterInQuery {
				continue
			}
			advice := fmt.Sprintf("wrapper/sfbackuptest/backupservice.go: the handler of %s does not read the parameter %s: bind it before check is called", o.OperationID, p.Name)
			if !regexp.MustCompile(`(?i)"` + regexp.QuoteMeta(p.Name) + `"`).Match(source) {
				t.Error(advice)
				continue
			}
			if p.Schema.Value.Type.Is("string") && p.Schema.Value.Format == "" {
				continue // every value is of the right type
			}
			req := o.Request(t, pathParameters)
			query := req.URL.Query()
			query.Set(p.Name, "x")
			req.URL.RawQuery = query.Encode()
			query.Del("ContinuationToken") // which may be wrong, too
			if a := do(t, sfbackuptest.NewCluster(sfbackuptest.WithProfile(sfbackuptest.ProfileDocumented)).Transport(), req); a.StatusCode != http.StatusBadRequest {
				t.Errorf("%s (the response to the value x is %d)", advice, a.StatusCode)
			}
		}
	}
}

// A cluster as documented sends every response, every property, every kind and every value of an enumeration.
func TestDocumentResponses(t *testing.T) {
	t.Parallel()
	doc := documenttest.Load(t)
	documentedOnly := documenttest.LoadDocumented(t)
	validator, err := contract.New(openapi.Documented)
	if err != nil {
		t.Fatal(err)
	}
	enum := func(name string) (values []string) {
		for _, v := range documentedOnly.Components.Schemas[name].Value.Enum {
			if v != "Invalid" {
				values = append(values, fmt.Sprint(v))
			}
		}
		return values
	}
	for _, kind := range enum("ServicePartitionKind") {
		for _, state := range enum("BackupState") {
			useDocumentedCluster(t, validator, doc, kind, enum("BackupType"), state)
		}
	}

	inResponses := map[string]bool{} // the names of schemas
	for _, o := range documenttest.Operations(documentedOnly) {
		for _, response := range o.Successes() {
			if schema := documenttest.JSONSchema(response.Content); schema != nil {
				noteSchemas(schema, inResponses)
			}
		}
	}
	for _, missing := range validator.Coverage().Missing() {
		switch missing.Kind {
		case contract.CoverageProperty, contract.CoverageEnum, contract.CoverageUnion:
			if inResponses[missing.Name] && missing.Value != "Invalid" {
				t.Errorf("wrapper/sfbackuptest/json.go: a cluster as documented does not send %s of %s, of the kind %s: write it, or give it a value in useDocumentedCluster of document_test.go", missing.Value, missing.Name, missing.Kind)
			}
		case contract.CoverageStatus:
			if missing.Value < "4" {
				t.Errorf("wrapper/sfbackuptest/backupservice.go: a cluster does not send the response %s of %s: let its handler write it", missing.Value, missing.Name)
			}
		case contract.CoverageOperation, contract.CoverageParameter: // those are requests
		}
	}
}

// useDocumentedCluster sends the requests of every operation to a cluster with a partition of a kind.
func useDocumentedCluster(t *testing.T, validator *contract.Validator, doc *openapi3.T, kind string, types []string, state string) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("wrapper/sfbackuptest/partition.go: newPartition: a cluster cannot have a partition of the kind %s: write the constant in description.go, its properties in Partition, and send them in json.go: %v", kind, p)
		}
	}()
	clock := day
	partition := sfbackuptest.Partition{ID: firstID, Kind: sfbackuptest.PartitionKind(kind)}
	for i, typ := range types {
		b := sfbackuptest.Backup{Type: sfbackuptest.BackupType(typ), Time: day.Add(time.Duration(i-100) * time.Minute)}
		fillZeros(reflect.ValueOf(&b).Elem())
		partition.Backups = append(partition.Backups, b)
	}
	fillZeros(reflect.ValueOf(&partition).Elem())
	cluster := sfbackuptest.NewCluster(
		sfbackuptest.WithProfile(sfbackuptest.ProfileDocumented), sfbackuptest.WithClock(func() time.Time { return clock }),
		sfbackuptest.WithServices(sfbackuptest.Service{Name: "fabric:/CalcApp/CalcService", ManifestVersion: "1", Partitions: []sfbackuptest.Partition{partition}}),
	)
	rt := validator.Transport(cluster.Transport(), func(req *http.Request, err error) {
		for _, violation := range contract.Violations(err) {
			if violation.Where == contract.InResponse {
				t.Errorf("wrapper/sfbackuptest: %s %s: %v", req.Method, req.URL.Path, violation)
			}
		}
	})
	cluster.SetOutcome(firstID, sfbackuptest.Outcome{State: state}, sfbackuptest.Outcome{State: state, Code: "E_FAIL", Message: "text"})
	for range 2 {
		for second := range 5 {
			for _, o := range documenttest.Operations(doc) {
				if second > 0 && o.Method != http.MethodGet {
					continue // it runs
				}
				req := o.Request(t, pathParameters)
				req.URL.RawQuery = "api-version=6.4"
				do(t, rt, req)
			}
			clock = clock.Add(time.Second)
		}
		clock = clock.Add(time.Hour)
	}
}

// fillZeros sets the numbers, texts and flags of a description that are zero, so that a cluster has values to send.
func fillZeros(v reflect.Value) {
	for _, field := range v.Fields() {
		switch {
		case !field.IsZero():
		case field.CanInt():
			field.SetInt(7)
		case field.Kind() == reflect.String:
			field.SetString("text")
		case field.Kind() == reflect.Bool:
			field.SetBool(true)
		}
	}
}

// noteSchemas notes the names of a schema and of all in it.
func noteSchemas(ref *openapi3.SchemaRef, names map[string]bool) {
	name := strings.TrimPrefix(ref.Ref, "#/components/schemas/")
	if ref.Ref != "" && names[name] {
		return
	}
	names[name] = true
	s := ref.Value
	parts := slices.Concat(s.OneOf, s.AnyOf, s.AllOf, slices.Collect(maps.Values(s.Properties)))
	for _, part := range append(parts, s.Items, s.AdditionalProperties.Schema) {
		if part != nil {
			noteSchemas(part, names)
		}
	}
}
