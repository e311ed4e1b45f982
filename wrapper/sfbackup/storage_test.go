package sfbackup_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// sentStorage returns the request body that a storage is sent in.
func sentStorage(t testing.TB, s sfbackup.BackupStorage) (string, error) {
	t.Helper()
	sent := &cannedResponses{list: []canned{{status: "202 Accepted"}}}
	err := newClient(t, noBackupBefore(sent)).BackupPartition(t.Context(), partition1, &sfbackup.BackupOptions{Storage: s})
	if err != nil {
		if len(sent.requests) > 0 {
			t.Errorf("a request was sent although %v", err)
		}
		return "", err
	}
	return string(sent.bodies[0]), nil
}

// Every field of every kind is sent, the kind first.
func TestStorageRequestBody(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		storage sfbackup.BackupStorage
		want    string
	}{
		{nil, `{}`},
		{
			&sfbackup.AzureBlobStore{FriendlyName: "f", ConnectionString: "<c>&", ContainerName: "n"},
			`{"BackupStorage":{"StorageKind":"AzureBlobStore","ConnectionString":"<c>&","ContainerName":"n","FriendlyName":"f"}}`,
		},
		{
			&sfbackup.FileShare{FriendlyName: "f", Path: `\\s\p`, PrimaryUserName: "pu", PrimaryPassword: "pp", SecondaryUserName: "su", SecondaryPassword: "sp"},
			`{"BackupStorage":{"StorageKind":"FileShare","FriendlyName":"f","Path":"\\\\s\\p","PrimaryPassword":"pp","PrimaryUserName":"pu","SecondaryPassword":"sp","SecondaryUserName":"su"}}`,
		},
		{
			&sfbackup.FileShare{Path: `\\s\p`},
			`{"BackupStorage":{"StorageKind":"FileShare","Path":"\\\\s\\p"}}`,
		},
		{
			&sfbackup.DsmsAzureBlobStore{FriendlyName: "f", StorageCredentialsSourceLocation: "https://d", ContainerName: "n"},
			`{"BackupStorage":{"StorageKind":"DsmsAzureBlobStore","ContainerName":"n","FriendlyName":"f","StorageCredentialsSourceLocation":"https://d"}}`,
		},
		{
			&sfbackup.ManagedIdentityAzureBlobStore{FriendlyName: "f", ManagedIdentityType: sfbackup.ManagedIdentityTypeVMSS, ManagedIdentityClientID: "i", BlobServiceURI: "https://b", ContainerName: "n"},
			`{"BackupStorage":{"StorageKind":"ManagedIdentityAzureBlobStore","BlobServiceUri":"https://b","ContainerName":"n","FriendlyName":"f","ManagedIdentityClientId":"i","ManagedIdentityType":"VMSS"}}`,
		},
		{
			&sfbackup.UnknownStorage{RawKind: "Tape", Raw: json.RawMessage(`{ "Reel" : 1.50, "StorageKind":"Tape",` + "\n" + `"x":"\u0041<" }`)},
			`{"BackupStorage":{ "Reel" : 1.50, "StorageKind":"Tape",` + "\n" + `"x":"\u0041<" }}`,
		},
	} {
		got, err := sentStorage(t, tt.storage)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Error(diff)
		}
		// What was sent is read as the same storage.
		_, inner, ok := strings.Cut(got, `{"BackupStorage":`)
		if !ok {
			continue
		}
		again, err := sfbackup.ParseBackupStorage([]byte(strings.TrimSuffix(inner, "}")))
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(tt.storage, again); diff != "" {
			t.Error(diff)
		}
	}
}

// embeddedStorage implements BackupStorage by embedding a storage. The client does not accept it.
type embeddedStorage struct {
	*sfbackup.FileShare
	note string
}

func TestInvalidStorage(t *testing.T) {
	t.Parallel()
	const prefix = "sfbackup: BackupPartition: "
	for _, tt := range []struct {
		storage sfbackup.BackupStorage
		want    string
	}{
		{(*sfbackup.FileShare)(nil), "the storage is a nil FileShare"},
		{(*sfbackup.UnknownStorage)(nil), "the storage is a nil UnknownStorage"},
		{embeddedStorage{&sfbackup.FileShare{Path: `\\s\p`}, "n"}, "the storage is a sfbackup_test.embeddedStorage, which is none of this package's"},
		{&embeddedStorage{&sfbackup.FileShare{Path: `\\s\p`}, "n"}, "the storage is a *sfbackup_test.embeddedStorage, which is none of this package's"},
		{&sfbackup.AzureBlobStore{}, "AzureBlobStore: not set: ConnectionString, ContainerName"},
		{&sfbackup.AzureBlobStore{ConnectionString: "c"}, "AzureBlobStore: not set: ContainerName"},
		{&sfbackup.FileShare{PrimaryUserName: "u"}, "FileShare: not set: Path"},
		{&sfbackup.DsmsAzureBlobStore{}, "DsmsAzureBlobStore: not set: StorageCredentialsSourceLocation, ContainerName"},
		{&sfbackup.ManagedIdentityAzureBlobStore{}, "ManagedIdentityAzureBlobStore: not set: ManagedIdentityType, BlobServiceURI, ContainerName"},
		{&sfbackup.FileShare{Path: `\\s\p`, PrimaryPassword: "s3cret\xff"}, "FileShare: a value is not UTF-8"},
		{&sfbackup.UnknownStorage{RawKind: "Tape"}, "UnknownStorage: Raw: the storage is not a JSON object"},
		{&sfbackup.UnknownStorage{RawKind: "Tape", Raw: json.RawMessage(`{"StorageKind":"Tape"},{"s3cret":1}`)}, "UnknownStorage: Raw: the storage is not a JSON object"},
		{&sfbackup.UnknownStorage{RawKind: "Tape", Raw: json.RawMessage(`{}`)}, "UnknownStorage: Raw: the storage has no StorageKind"},
		{&sfbackup.UnknownStorage{RawKind: "Tape", Raw: json.RawMessage(`{"StorageKind":"Disk"}`)}, "UnknownStorage: RawKind is not the StorageKind of Raw"},
		{&sfbackup.FileShare{Path: strings.Repeat("x", 4<<20)}, "the storage is longer than the 4 MiB that the gateway accepts"},
	} {
		if _, err := sentStorage(t, tt.storage); err == nil || err.Error() != prefix+tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

func TestParseBackupStorageErrors(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		``:                     "the storage is not a JSON object",
		`"s3cret"`:             "the storage is not a JSON object",
		`{"StorageKind":`:      "the storage is not a JSON object",
		`{"Path":"s3cret"}`:    "the storage has no StorageKind",
		`{"StorageKind":true}`: "StorageKind has the wrong type",
		`{"StorageKind":"FileShare","StorageKind":"Tape"}`:                                     "the storage has its StorageKind twice",
		`{"StorageKind":"FileShare","Path":"s3cret","Path":"s3cret"}`:                          "the storage is not what its kind says",
		`{"StorageKind":"Tape","x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`: "the storage cannot be read: a value is nested more than 64 levels deep",
		"{\"StorageKind\":\"Tape\",\"x\":\"\xff\"}":                                            "the storage is not a JSON object",
		`{"StorageKind":"FileShare","Path":"p","PrimaryPasword":"s3cret"}`:                     "PrimaryPasword is not a property of its kind",
		`{"StorageKind":"FileShare","PrimaryPassword":["s3cret"]}`:                             "PrimaryPassword has the wrong type",
		`{"StorageKind":"AzureBlobStore","ConnectionString":{"s3cret":1}}`:                     "ConnectionString has the wrong type",
		`{"StorageKind":"DsmsAzureBlobStore","ContainerName":1}`:                               "ContainerName has the wrong type",
		`{"StorageKind":"ManagedIdentityAzureBlobStore","ManagedIdentityType":{}}`:             "ManagedIdentityType has the wrong type",
	} {
		s, err := sfbackup.ParseBackupStorage([]byte(data))
		if s != nil || err == nil || err.Error() != "sfbackup: ParseBackupStorage: "+want {
			t.Errorf("%s: got %v, %v", data, s, err)
		}
	}
}

// The cluster reads the storage that is sent: a partition without a policy can be backed up only to a storage of
// the request, of a kind that the cluster knows.
func TestClusterChecksStorage(t *testing.T) {
	t.Parallel()
	client, _ := newClusterClient(t, sfbackuptest.WithServices(sfbackuptest.Service{
		Name: "fabric:/App/Svc", NoPolicy: true, Partitions: []sfbackuptest.Partition{{ID: id1}},
	}))
	err := client.BackupPartition(t.Context(), id1, nil)
	if !errors.Is(err, sfbackup.CodeBackupNotEnabled) {
		t.Errorf("without a storage: %v", err)
	}
	err = client.BackupPartition(t.Context(), id1, &sfbackup.BackupOptions{
		Storage: &sfbackup.ManagedIdentityAzureBlobStore{ManagedIdentityType: "Cluster", BlobServiceURI: "https://b", ContainerName: "n"},
	})
	if !errors.Is(err, sfbackup.CodeInvalidArgument) {
		t.Errorf("a kind that 6.4 does not know: %v", err)
	}
	err = client.BackupPartition(t.Context(), id1, &sfbackup.BackupOptions{
		Storage: &sfbackup.AzureBlobStore{ConnectionString: "c", ContainerName: "n"},
	})
	if err != nil {
		t.Errorf("with a storage: %v", err)
	}
}
