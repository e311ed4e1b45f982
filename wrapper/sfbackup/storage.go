package sfbackup

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/servicefabric-go/backup/generated"
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
	switch kind := StorageKind(head.Kind.Symbol); kind {
	case "":
		return nil, errors.New("the storage has no StorageKind")
	case StorageKindAzureBlobStore:
		var w generated.AzureBlobBackupStorageDescription
		err := decodeStorage(raw, &w, jsonv2.RejectUnknownMembers(true))
		return &AzureBlobStore{w.FriendlyName, Secret(w.ConnectionString), w.ContainerName}, err
	case StorageKindFileShare:
		var w generated.FileShareBackupStorageDescription
		err := decodeStorage(raw, &w, jsonv2.RejectUnknownMembers(true))
		return &FileShare{
			w.FriendlyName, w.Path,
			w.PrimaryUserName, Secret(w.PrimaryPassword),
			w.SecondaryUserName, Secret(w.SecondaryPassword),
		}, err
	case StorageKindDsmsAzureBlobStore:
		var w generated.DsmsAzureBlobBackupStorageDescription
		err := decodeStorage(raw, &w, jsonv2.RejectUnknownMembers(true))
		return &DsmsAzureBlobStore{w.FriendlyName, w.StorageCredentialsSourceLocation, w.ContainerName}, err
	case StorageKindManagedIdentityAzureBlobStore:
		var w generated.ManagedIdentityAzureBlobBackupStorageDescription
		err := decodeStorage(raw, &w, jsonv2.RejectUnknownMembers(true))
		return &ManagedIdentityAzureBlobStore{
			w.FriendlyName, ManagedIdentityType(w.ManagedIdentityType),
			w.ManagedIdentityClientID, w.BlobServiceURI, w.ContainerName,
		}, err
	default:
		return &UnknownStorage{RawKind: kind, Raw: json.RawMessage(raw)}, nil
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
	kind := wire.Symbol(s.Kind())
	var w any
	var required []field
	switch s := s.(type) {
	case *AzureBlobStore:
		required = []field{{"ConnectionString", string(s.ConnectionString)}, {"ContainerName", s.ContainerName}}
		w = generated.AzureBlobBackupStorageDescription{
			StorageKind:      kind,
			FriendlyName:     s.FriendlyName,
			ConnectionString: string(s.ConnectionString),
			ContainerName:    s.ContainerName,
		}
	case *FileShare:
		required = []field{{"Path", s.Path}}
		w = generated.FileShareBackupStorageDescription{
			StorageKind:       kind,
			FriendlyName:      s.FriendlyName,
			Path:              s.Path,
			PrimaryUserName:   s.PrimaryUserName,
			PrimaryPassword:   string(s.PrimaryPassword),
			SecondaryUserName: s.SecondaryUserName,
			SecondaryPassword: string(s.SecondaryPassword),
		}
	case *DsmsAzureBlobStore:
		required = []field{{"StorageCredentialsSourceLocation", s.StorageCredentialsSourceLocation}, {"ContainerName", s.ContainerName}}
		w = generated.DsmsAzureBlobBackupStorageDescription{
			StorageKind:                      kind,
			FriendlyName:                     s.FriendlyName,
			StorageCredentialsSourceLocation: s.StorageCredentialsSourceLocation,
			ContainerName:                    s.ContainerName,
		}
	case *ManagedIdentityAzureBlobStore:
		required = []field{{"ManagedIdentityType", string(s.ManagedIdentityType)}, {"BlobServiceURI", s.BlobServiceURI}, {"ContainerName", s.ContainerName}}
		w = generated.ManagedIdentityAzureBlobBackupStorageDescription{
			StorageKind:             kind,
			FriendlyName:            s.FriendlyName,
			ManagedIdentityType:     wire.Symbol(s.ManagedIdentityType),
			ManagedIdentityClientID: s.ManagedIdentityClientID,
			BlobServiceURI:          s.BlobServiceURI,
			ContainerName:           s.ContainerName,
		}
	case *UnknownStorage:
		return appendUnknown(b, s)
	default:
		// A type of another package can embed a storage. What it would send is not known.
		return nil, fmt.Errorf("the storage is a %T, which is none of this package's", s)
	}
	if err := require(required); err != nil {
		return nil, fmt.Errorf("%s: %w", typeName(s), err)
	}
	encoded, err := jsonv2.Marshal(w)
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

// A field is a required field of a storage.
type field struct{ name, value string }

// require checks that fields are set.
func require(fields []field) error {
	var missing []string
	for _, f := range fields {
		if f.value == "" {
			missing = append(missing, f.name)
		}
	}
	if missing == nil {
		return nil
	}
	return errors.New("not set: " + strings.Join(missing, ", "))
}

// typeName returns the name of the type of a storage, without its package.
func typeName(s BackupStorage) string {
	return strings.TrimPrefix(fmt.Sprintf("%T", s), "*sfbackup.")
}
