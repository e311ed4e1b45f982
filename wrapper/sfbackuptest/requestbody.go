package sfbackuptest

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// storageKinds has the members that the backup service checks, by the value of StorageKind.
var storageKinds = map[string]struct{ required, optional []string }{
	"AzureBlobStore": {required: []string{"ConnectionString", "ContainerName"}},
	"FileShare": {
		required: []string{"Path"},
		optional: []string{"PrimaryUserName", "PrimaryPassword", "SecondaryUserName", "SecondaryPassword"},
	},
	"DsmsAzureBlobStore": {required: []string{"StorageCredentialsSourceLocation", "ContainerName"}},
	managedIdentityKind: {
		required: []string{"ManagedIdentityType", "BlobServiceUri", "ContainerName"},
		optional: []string{"ManagedIdentityClientId"},
	},
}

const managedIdentityKind = "ManagedIdentityAzureBlobStore"

// storage parses the body of a backup request and reports whether it names a storage. No body, {} and null
// all mean the storage of the policy. Only the form of a storage is checked: a wrong password would fail
// when the backup is made.
//
// The messages name members and never quote their values.
func (b *binder) storage(req *forwardedRequest) (named bool, failed *errorResponse) {
	if len(req.body) == 0 {
		return false, nil
	}
	if failed := checkContentType(req.contentType); failed != nil {
		return false, failed
	}
	var description map[string]json.RawMessage
	if err := json.Unmarshal(req.body, &description); err != nil {
		b.fail("backupStorage", "The body is not a JSON object.")
		return false, nil
	}
	raw := member(description, "BackupStorage")
	if isNull(raw) {
		return false, nil
	}
	var storage map[string]json.RawMessage
	if err := json.Unmarshal(raw, &storage); err != nil {
		b.fail("backupStorage.BackupStorage", "The value is not a JSON object.")
		return false, nil
	}
	b.checkStorage(storage)
	return true, nil
}

func (b *binder) checkStorage(storage map[string]json.RawMessage) {
	const path = "backupStorage.BackupStorage."
	// The framework selects the type by the kind before it binds the members. StorageKind is the only
	// member whose name must match exactly.
	name, ok := text(storage["StorageKind"])
	kind, known := storageKinds[name]
	if !ok || !known || name == managedIdentityKind && !b.behavior.managedIdentity {
		b.fail(path+"StorageKind", "The StorageKind field is missing or not of a known kind.")
		return
	}
	for _, field := range kind.required {
		switch value, ok := text(member(storage, field)); {
		case !ok:
			b.fail(path+field, "The "+field+" field is not a string.")
		case value == "":
			b.fail(path+field, "The "+field+" field is required.")
		case field == "ManagedIdentityType" && !slices.Contains([]string{"VMSS", "Cluster"}, value):
			b.fail(path+field, "The "+field+" field is not of a known type.")
		}
	}
	for _, field := range append([]string{"FriendlyName"}, kind.optional...) {
		if _, ok := text(member(storage, field)); !ok {
			b.fail(path+field, "The "+field+" field is not a string.")
		}
	}
}

// checkContentType returns the framework's error for a body of an unsupported content type. A body without
// a content type is not supported.
func checkContentType(contentType string) *errorResponse {
	if contentType == "" {
		return frameworkError(http.StatusUnsupportedMediaType, "The request contains an entity body but no Content-Type header. "+
			"The inferred media type 'application/octet-stream' is not supported for this resource.")
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil || mediaType != "application/json" && mediaType != "text/json" {
		return frameworkError(http.StatusUnsupportedMediaType, "The request entity's media type is not supported for this resource.")
	}
	return nil
}

// member returns a member of an object by its name, ignoring letter case if no member matches exactly. It
// returns nil if there is no such member.
func member(object map[string]json.RawMessage, name string) json.RawMessage {
	if value, ok := object[name]; ok {
		return value
	}
	for key, value := range object {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return nil
}

// text returns the value of a string member. A missing or null member is empty.
func text(raw json.RawMessage) (value string, ok bool) {
	if isNull(raw) {
		return "", true
	}
	err := json.Unmarshal(raw, &value)
	return value, err == nil
}

func isNull(raw json.RawMessage) bool {
	return len(raw) == 0 || string(raw) == "null"
}
