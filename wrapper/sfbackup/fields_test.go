package sfbackup

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/servicefabric-go/backup/generated"
	"github.com/servicefabric-go/backup/internal/wire"
	"github.com/servicefabric-go/backup/openapi"
)

// Every generated struct has a counterpart with the same fields, so that a change of the document cannot be
// adopted only in part.
func TestGeneratedFieldsHaveCounterparts(t *testing.T) {
	t.Parallel()
	pairs := []struct{ generated, ours any }{
		{generated.BackupPartitionDescription{}, BackupOptions{}},
		{generated.AzureBlobBackupStorageDescription{}, AzureBlobStore{}},
		{generated.FileShareBackupStorageDescription{}, FileShare{}},
		{generated.DsmsAzureBlobBackupStorageDescription{}, DsmsAzureBlobStore{}},
		{generated.ManagedIdentityAzureBlobBackupStorageDescription{}, ManagedIdentityAzureBlobStore{}},
		{generated.BackupProgressInfo{}, Progress{}},
		{generated.PagedBackupInfoList{}, Page{}},
		{generated.PagedBackupInfoList{}, wire.PageDecoder[backupFields, *backupFields]{}},
		{generated.BackupInfo{}, Backup{}},
		{generated.BackupEpoch{}, Epoch{}},
		{generated.Int64RangePartitionInformation{}, Int64RangePartition{}},
		{generated.NamedPartitionInformation{}, NamedPartition{}},
		{generated.SingletonPartitionInformation{}, SingletonPartition{}},
		{generated.Int64RangePartitionInformation{}, wire.PartitionInformation{}},
		{generated.NamedPartitionInformation{}, wire.PartitionInformation{}},
		{generated.SingletonPartitionInformation{}, wire.PartitionInformation{}},
		{generated.FabricErrorError{}, FabricError{}},
		{generated.FabricErrorError{}, APIError{}},
		{generated.WebAPIError{}, APIError{}},
		{generated.FabricError{}, struct{ Error APIError }{}},
		{generated.BackupPartitionParams{}, BackupOptions{}},
		{generated.GetPartitionBackupListParams{}, ListOptions{}},
		{generated.GetServiceBackupListParams{}, ListOptions{}},
	}
	// The names that differ, and "" for the fields that the client sets itself.
	renamed := map[string]string{
		"BackupPartitionDescription.BackupStorage": "Storage",
		"BackupPartitionParams.BackupTimeout":      "Timeout",
		"BackupPartitionParams.APIVersion":         "",
		"BackupPartitionParams.Timeout":            "", // from the context
		"StorageKind":                              "Kind()",
		"ServicePartitionKind":                     "Kind",
		"BackupEpoch.DataLossNumber":               "DataLossVersion",
		"BackupEpoch.ConfigurationNumber":          "ConfigurationVersion",
		"PagedBackupInfoList.Items":                "Backups",
		"APIVersion":                               "",
		"Timeout":                                  "",
		"StartDateTimeFilter":                      "Since",
		"EndDateTimeFilter":                        "Until",
		"MaxResults":                               "PageSize",
	}
	covered := map[string]bool{}
	for _, pair := range pairs {
		from, to := reflect.TypeOf(pair.generated), reflect.TypeOf(pair.ours)
		covered[from.Name()] = true
		for field := range from.Fields() {
			field := field.Name
			name, ok := renamed[from.Name()+"."+field]
			if !ok {
				if name, ok = renamed[field]; !ok {
					name = field
				}
			}
			if strings.HasPrefix(to.Name(), "PageDecoder[") {
				name = map[string]string{"Items": "items", "ContinuationToken": "token"}[field]
			}
			_, isField := to.FieldByName(name)
			_, isMethod := reflect.PointerTo(to).MethodByName(strings.TrimSuffix(name, "()"))
			if name != "" && !isField && !isMethod {
				t.Errorf("%s.%s has no counterpart in %s", from.Name(), field, to)
			}
		}
	}
	// The list of pairs has every schema with properties.
	doc := runtimeDocument(t)
	for name, s := range doc.Components.Schemas {
		if len(s.Value.Properties) > 0 && name != "FailureError" && !covered[name] { // FailureError is FabricErrorError
			t.Errorf("the schema %s is not compared", name)
		}
	}
}

// The decoder sets every field of the generated structs, and nothing else.
func TestFieldsAreComplete(t *testing.T) {
	t.Parallel()
	var (
		backup   backupFields
		progress progressFields
		epoch    epochFields
		failure  failureFields
	)
	for _, o := range []wire.Object{&backup, &progress, &epoch, &failure} {
		v := reflect.ValueOf(o).Elem()
		names := o.Names()
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			field := o.Field([]byte(name))
			if optional, ok := field.(wire.Optional); ok {
				if made := optional.New(); reflect.ValueOf(made).Pointer() != v.Field(i).Pointer() {
					t.Errorf("%T.Field(%q) does not allocate the field", o, name)
				}
				continue
			}
			if field == nil || reflect.ValueOf(field).Pointer() != v.Field(i).Addr().Pointer() {
				t.Errorf("%T.Field(%q) is not the field", o, name)
			}
			if !slices.Contains(names, name) {
				t.Errorf("%T.Names lacks %q", o, name)
			}
		}
		if len(names) != v.NumField() || o.Field([]byte("Other")) != nil {
			t.Errorf("%T has properties that are not in the document", o)
		}
	}
}

// Conversions lose nothing in either direction: every field is set, converted and converted back.
func TestConversionsAreComplete(t *testing.T) {
	t.Parallel()
	b := generated.BackupInfo{}
	fill(reflect.ValueOf(&b).Elem())
	b.PartitionInformation = wire.PartitionInformation{Kind: wire.PartitionNamed, Name: "n", ID: b.BackupID}
	b.EpochOfLastBackupRecord.DataLossNumber, b.EpochOfLastBackupRecord.ConfigurationNumber = 0, 0
	ours := newBackup(&b)
	if got := wireBackup(&ours); !reflect.DeepEqual(&b, got) {
		t.Errorf("got %+v, want %+v", got, &b)
	}
	p := generated.BackupProgressInfo{}
	fill(reflect.ValueOf(&p).Elem())
	p.EpochOfLastBackupRecord.DataLossNumber, p.EpochOfLastBackupRecord.ConfigurationNumber = 0, 0
	if got := wireProgress(newProgress(&p)); !reflect.DeepEqual(&p, got) {
		t.Errorf("got %+v, want %+v", got, &p)
	}
}

// fill sets every field to a value other than zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8:
		v.SetUint(7)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[wire.Time]() {
			v.FieldByName("Time").Set(reflect.ValueOf(time.Date(2018, 1, 1, 9, 0, 55, 0, time.UTC)))
			return
		}
		for _, field := range v.Fields() {
			fill(field)
		}
	case reflect.Slice: // the raw JSON of an unknown kind
	default:
		panic("fill: " + v.Kind().String())
	}
}

// The constants are exactly the values of the document's enumerations.
func TestConstantsAreTheEnumerations(t *testing.T) {
	t.Parallel()
	schemas := runtimeDocument(t).Components.Schemas
	for name, want := range map[string][]string{
		"BackupState":          {string(BackupStateInvalid), string(BackupStateAccepted), string(BackupStateInProgress), string(BackupStateSuccess), string(BackupStateFailure), string(BackupStateTimeout)},
		"BackupType":           {string(BackupTypeInvalid), string(BackupTypeFull), string(BackupTypeIncremental)},
		"BackupStorageKind":    {string(StorageKindInvalid), string(StorageKindFileShare), string(StorageKindAzureBlobStore), string(StorageKindDsmsAzureBlobStore), string(StorageKindManagedIdentityAzureBlobStore)},
		"ServicePartitionKind": {string(PartitionKindInvalid), string(PartitionKindSingleton), string(PartitionKindInt64Range), string(PartitionKindNamed)},
		"ManagedIdentityType":  {string(ManagedIdentityTypeInvalid), string(ManagedIdentityTypeVMSS), string(ManagedIdentityTypeCluster)},
	} {
		var got []string
		for _, v := range schemas[name].Value.Enum {
			got = append(got, v.(string))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: the document has %q, the package %q", name, got, want)
		}
	}
	// The kinds of the unions are those of the document, too.
	for union, kinds := range map[string][]StorageKind{
		"BackupStorageDescription": {
			(*AzureBlobStore)(nil).Kind(), (*FileShare)(nil).Kind(),
			(*DsmsAzureBlobStore)(nil).Kind(), (*ManagedIdentityAzureBlobStore)(nil).Kind(),
		},
		"PartitionInformation": {
			StorageKind((*Int64RangePartition)(nil).Kind()), StorageKind((*NamedPartition)(nil).Kind()),
			StorageKind((*SingletonPartition)(nil).Kind()),
		},
	} {
		mapping := schemas[union].Value.Discriminator.Mapping
		if len(mapping) != len(kinds) {
			t.Errorf("%s: %d kinds in the document, %d here", union, len(mapping), len(kinds))
		}
		for _, kind := range kinds {
			if _, ok := mapping[string(kind)]; !ok {
				t.Errorf("%s: the document has no %s", union, kind)
			}
		}
	}
	documented, err := openapi3.NewLoader().LoadFromData(openapi.Documented) // clusters accept more
	if err != nil {
		t.Fatal(err)
	}
	if got := documented.Components.Parameters["api-version"].Value.Schema.Value.Enum; !slices.Equal(got, []any{apiVersion}) {
		t.Errorf("api-version: the document has %v", got)
	}
}

func runtimeDocument(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openapi.Runtime)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
