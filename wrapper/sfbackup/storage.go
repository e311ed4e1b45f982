package sfbackup

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/servicefabric-go/backup/generated"
	"github.com/servicefabric-go/backup/internal/document"
	"github.com/servicefabric-go/backup/internal/wire"
)

// StorageKind is the kind of a backup storage. Servers may know kinds that are not listed here.
type StorageKind string

// The storage kinds of the documentation.
const (
	StorageKindInvalid                       StorageKind = "Invalid" // not a kind
	StorageKindFileShare                     StorageKind = "FileShare"
	StorageKindAzureBlobStore                StorageKind = "AzureBlobStore"
	StorageKindDsmsAzureBlobStore            StorageKind = "DsmsAzureBlobStore"
	StorageKindManagedIdentityAzureBlobStore StorageKind = "ManagedIdentityAzureBlobStore"
)

// ManagedIdentityType says which managed identity reaches a storage. Servers may know types that are not
// listed here.
type ManagedIdentityType string

// The managed identity types of the documentation.
const (
	ManagedIdentityTypeInvalid ManagedIdentityType = "Invalid" // not a type
	ManagedIdentityTypeVMSS    ManagedIdentityType = "VMSS"    // of the virtual machine scale set
	ManagedIdentityTypeCluster ManagedIdentityType = "Cluster" // of the Service Fabric cluster
)

// A BackupStorage is where a backup is stored: one of [*AzureBlobStore], [*FileShare],
// [*DsmsAzureBlobStore], [*ManagedIdentityAzureBlobStore] and [*UnknownStorage].
//
// A server checks the form of the storage when a backup is started, but accesses the storage only later, so
// wrong credentials show as a failed backup. The client checks required fields before it sends anything.
//
//sumtype:decl
type BackupStorage interface {
	// Kind returns the kind of the storage.
	Kind() StorageKind

	backupStorage() // seals the union
}

// An AzureBlobStore is a container of Azure blob storage, reached with a connection string. Both are required.
type AzureBlobStore struct {
	FriendlyName     string // for display; may be empty
	ConnectionString Secret
	ContainerName    string
}

// A FileShare is a file share that all nodes of the cluster can reach. Path is required. If PrimaryUserName is
// empty, the server accesses the share with the account that the server runs as. If the share refuses the
// primary credentials, the server tries the secondary ones.
type FileShare struct {
	FriendlyName      string // for display; may be empty
	Path              string // UNC, `\\server\share`
	PrimaryUserName   string
	PrimaryPassword   Secret
	SecondaryUserName string
	SecondaryPassword Secret
}

// A DsmsAzureBlobStore is a container of Azure blob storage whose credentials are kept by dSMS, a secret store
// that Microsoft uses. Both other fields than FriendlyName are required.
type DsmsAzureBlobStore struct {
	FriendlyName                     string // for display; may be empty
	StorageCredentialsSourceLocation string // the URL of the credentials
	ContainerName                    string
}

// A ManagedIdentityAzureBlobStore is a container of Azure blob storage, reached with a managed identity. Its
// type, BlobServiceURI and ContainerName are required. Servers of 6.4 do not know this kind.
type ManagedIdentityAzureBlobStore struct {
	FriendlyName            string // for display; may be empty
	ManagedIdentityType     ManagedIdentityType
	ManagedIdentityClientID string // of a user-assigned identity; empty for the system-assigned one
	BlobServiceURI          string // the URL of the blob service
	ContainerName           string
}

// An UnknownStorage is a storage of a kind that this package does not know. Raw is sent byte for byte.
type UnknownStorage struct { //nolint:recvcheck // a copy keeps the secret too, see Format
	RawKind StorageKind     // the StorageKind in Raw
	Raw     json.RawMessage // the whole object; redacted when the UnknownStorage is printed or marshalled
}

// Kind returns [StorageKindAzureBlobStore].
func (*AzureBlobStore) Kind() StorageKind { return StorageKindAzureBlobStore }

// Kind returns [StorageKindFileShare].
func (*FileShare) Kind() StorageKind { return StorageKindFileShare }

// Kind returns [StorageKindDsmsAzureBlobStore].
func (*DsmsAzureBlobStore) Kind() StorageKind { return StorageKindDsmsAzureBlobStore }

// Kind returns [StorageKindManagedIdentityAzureBlobStore].
func (*ManagedIdentityAzureBlobStore) Kind() StorageKind {
	return StorageKindManagedIdentityAzureBlobStore
}

// Kind returns RawKind.
func (s *UnknownStorage) Kind() StorageKind { return s.RawKind }

// The storages print themselves. For a verb that does not fit, package fmt would print what a pointer in a
// struct points to, without calling the methods of the secrets in it.

// Format prints the storage with its secrets redacted, whatever the verb is.
func (s *AzureBlobStore) Format(f fmt.State, _ rune) { printStorage(f, s) }

// Format prints the storage with its secrets redacted, whatever the verb is.
func (s *FileShare) Format(f fmt.State, _ rune) { printStorage(f, s) }

// Format prints the storage with its secrets redacted, whatever the verb is.
func (s *DsmsAzureBlobStore) Format(f fmt.State, _ rune) { printStorage(f, s) }

// Format prints the storage with its secrets redacted, whatever the verb is.
func (s *ManagedIdentityAzureBlobStore) Format(f fmt.State, _ rune) { printStorage(f, s) }

func (*AzureBlobStore) backupStorage()                {}
func (*FileShare) backupStorage()                     {}
func (*DsmsAzureBlobStore) backupStorage()            {}
func (*ManagedIdentityAzureBlobStore) backupStorage() {}
func (*UnknownStorage) backupStorage()                {}

// ParseBackupStorage parses a storage from JSON in the form that the documentation gives for the BackupStorage
// property of a request body. It is meant for configuration files. A kind that this package does not know
// becomes an [*UnknownStorage]. A property that the kind does not have is an error. Required properties are
// checked when the storage is used. Errors do not contain values of the JSON, which may be secrets.
func ParseBackupStorage(data []byte) (BackupStorage, error) {
	s, err := parseStorage(data)
	if err != nil {
		return nil, fmt.Errorf("sfbackup: ParseBackupStorage: %w", err)
	}
	return s, nil
}

func parseStorage(data []byte) (BackupStorage, error) {
	raw := jsontext.Value(data).Clone()
	if err := wire.CheckLimits(raw); err != nil {
		return nil, fmt.Errorf("the storage cannot be read: %w", err)
	}
	// Properties that a known kind does not have are an error below. To remember all names of an unknown
	// kind would take many times its size.
	duplicates := jsontext.AllowDuplicateNames(true)
	if !raw.IsValid(duplicates) || raw.Kind() != '{' {
		return nil, errors.New("the storage is not a JSON object")
	}
	var head struct {
		Kind storageKindOnce `json:"StorageKind"`
	}
	if err := decodeStorage(raw, &head, duplicates); err != nil {
		return nil, err
	}
	if head.Kind.times > 1 {
		return nil, errors.New("the storage has its StorageKind twice")
	}
	kind := StorageKind(head.Kind.Symbol)
	if kind == "" {
		return nil, errors.New("the storage has no StorageKind")
	}
	for known, sent := range storageTypes {
		if known.Kind() == kind {
			w := reflect.New(sent)
			err := decodeStorage(raw, w.Interface(), jsonv2.RejectUnknownMembers(true))
			s := reflect.New(reflect.TypeOf(known).Elem())
			copyFields(s.Elem(), w.Elem(), s.Elem().Type())
			return s.Interface().(BackupStorage), err
		}
	}
	return &UnknownStorage{RawKind: kind, Raw: json.RawMessage(raw)}, nil
}

// storageTypes has the generated struct of each storage, in which it is sent. Their fields have the same names,
// so that a property is a field of the storage and nothing else.
var storageTypes = map[BackupStorage]reflect.Type{
	(*AzureBlobStore)(nil):                reflect.TypeFor[generated.AzureBlobBackupStorageDescription](),
	(*FileShare)(nil):                     reflect.TypeFor[generated.FileShareBackupStorageDescription](),
	(*DsmsAzureBlobStore)(nil):            reflect.TypeFor[generated.DsmsAzureBlobBackupStorageDescription](),
	(*ManagedIdentityAzureBlobStore)(nil): reflect.TypeFor[generated.ManagedIdentityAzureBlobBackupStorageDescription](),
}

// copyFields copies the fields of a storage, a struct of type t, from or to its generated struct. TestDocumentStorages
// finds a field that has no counterpart of its kind.
func copyFields(to, from reflect.Value, t reflect.Type) {
	for field := range t.Fields() {
		target, source := to.FieldByName(field.Name), from.FieldByName(field.Name)
		if target.Kind() == source.Kind() && target.IsValid() && source.CanConvert(target.Type()) {
			target.Set(source.Convert(target.Type()))
		}
	}
}

// storageKindOnce is a StorageKind that counts its occurrences.
type storageKindOnce struct {
	wire.Symbol
	times int
}

func (k *storageKindOnce) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	k.times++
	return k.Symbol.UnmarshalJSONFrom(dec)
}

// decodeStorage decodes into a generated struct. Its error names the property, but not the value, which may be
// a secret.
func decodeStorage(raw jsontext.Value, v any, opts ...jsonv2.Options) error {
	err := jsonv2.Unmarshal(raw, v, opts...)
	if err == nil {
		return nil
	}
	if errors.Is(err, jsonv2.ErrUnknownName) {
		// Most likely a misspelled name, for example that of a password.
		e, _ := errors.AsType[*jsonv2.SemanticError](err)
		return fmt.Errorf("%s is not a property of its kind", strings.TrimPrefix(string(e.JSONPointer), "/"))
	}
	if e, ok := errors.AsType[*jsonv2.SemanticError](err); ok && e.JSONPointer != "" {
		return fmt.Errorf("%s has the wrong type", strings.TrimPrefix(string(e.JSONPointer), "/"))
	}
	return errors.New("the storage is not what its kind says")
}

// appendStorage appends the JSON of a storage, its kind first.
func appendStorage(b []byte, s BackupStorage) ([]byte, error) {
	if v := reflect.ValueOf(s); v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, fmt.Errorf("the storage is a nil %s", typeName(s))
	}
	if unknown, ok := s.(*UnknownStorage); ok {
		return appendUnknown(b, unknown)
	}
	v := reflect.ValueOf(s)
	sent := storageTypes[reflect.Zero(v.Type()).Interface().(BackupStorage)]
	if sent == nil {
		// A type of another package can embed a storage. What it would send is not known.
		return nil, fmt.Errorf("the storage is a %T, which is none of this package's", s)
	}
	v = v.Elem()
	w := reflect.New(sent).Elem()
	w.FieldByName("StorageKind").SetString(string(s.Kind()))
	copyFields(w, v, v.Type())
	if missing := missingFields(s.Kind(), w, v.Type()); missing != nil {
		return nil, fmt.Errorf("%s: not set: %s", typeName(s), strings.Join(missing, ", "))
	}
	encoded, err := jsonv2.Marshal(w.Interface())
	if err != nil {
		// The text of the error may quote the value.
		return nil, fmt.Errorf("%s: a value is not UTF-8", typeName(s))
	}
	return append(b, encoded...), nil
}

// appendUnknown appends a storage of an unknown kind as it is. An encoder would reformat it.
func appendUnknown(b []byte, s *UnknownStorage) ([]byte, error) {
	parsed, err := parseStorage(s.Raw)
	if err != nil {
		return nil, fmt.Errorf("UnknownStorage: Raw: %w", err)
	}
	if parsed.Kind() != s.RawKind {
		return nil, errors.New("UnknownStorage: RawKind is not the StorageKind of Raw")
	}
	return append(b, s.Raw...), nil
}

// missingFields returns the names of the required fields of a storage of type t that are empty in w.
func missingFields(kind StorageKind, w reflect.Value, t reflect.Type) (missing []string) {
	required := document.BackupStorageDescription[string(kind)].Required
	for field := range t.Fields() {
		sent, _ := w.Type().FieldByName(field.Name)
		property, _, _ := strings.Cut(sent.Tag.Get("json"), ",")
		if v := w.FieldByName(field.Name); v.Kind() == reflect.String && v.Len() == 0 && slices.Contains(required, property) {
			missing = append(missing, field.Name)
		}
	}
	return missing
}

// typeName returns the name of the type of a storage, without its package.
func typeName(s BackupStorage) string {
	return strings.TrimPrefix(fmt.Sprintf("%T", s), "*sfbackup.")
}
