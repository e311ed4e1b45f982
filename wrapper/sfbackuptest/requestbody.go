package sfbackuptest

import (
	"encoding/binary"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/servicefabric-go/backup/internal/document"
)

// runtimeKinds are the kinds of storage that the service of 6.4 knows.
var runtimeKinds = []string{"AzureBlobStore", "FileShare", "DsmsAzureBlobStore"}

// bodyArgument is the name of the body in the messages.
const bodyArgument = "backupStorage"

// storage parses the body of a backup request and reports whether it names a storage. No body, {} and null
// all mean the storage of the policy. Only the form of a storage is checked: a wrong password would fail
// when the backup is made.
//
// The messages name members and never quote their values.
func (b *binder) storage(req *forwardedRequest) (named bool, failed *errorResponse) {
	if len(req.body) == 0 {
		return false, nil
	}
	mediaType, parameters, err := mime.ParseMediaType(req.contentType)
	if err != nil || !strings.Contains(mediaType, "/") {
		return false, frameworkError(http.StatusUnsupportedMediaType, "The request contains an entity body but no Content-Type header. "+
			"The inferred media type 'application/octet-stream' is not supported for this resource.")
	}
	switch mediaType {
	case "application/json", "text/json", "application/*", "text/*", "*/*":
		return b.jsonStorage(decodeText(req.body, parameters["charset"])), nil
	case "application/xml", "text/xml":
		b.fail(bodyArgument, anError) // no JSON is a document of XML, and nothing else is sent
	case "application/x-www-form-urlencoded":
		if len(parseQuery(string(req.body)).all("BackupStorage")) > 0 {
			b.fail(bodyArgument+".BackupStorage.StorageKind", "The StorageKind property is required.")
		}
	default:
		written, _, _ := strings.Cut(req.contentType, ";")
		return false, frameworkError(http.StatusUnsupportedMediaType,
			"The request entity's media type '"+strings.TrimSpace(written)+"' is not supported for this resource.")
	}
	return false, nil
}

// decodeText decodes a body. The service knows UTF-8 and UTF-16.
func decodeText(body []byte, charset string) string {
	if !strings.EqualFold(charset, "utf-16") {
		return strings.TrimPrefix(string(body), "\ufeff")
	}
	units := make([]uint16, len(body)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(body[2*i:])
	}
	return strings.TrimPrefix(string(utf16.Decode(units)), "\ufeff")
}

// jsonStorage reads the JSON of a body and reports whether it names a storage. An error in the syntax is
// reported once, and once more if it is within a member, because the service tries to skip that.
func (b *binder) jsonStorage(body string) (named bool) {
	r := &jsonReader{text: body}
	switch r.next() {
	case 0:
		return false
	case '{':
	default:
		if v, ok := r.value(); !ok || v.kind != jsonNull && (v.kind != jsonText || v.text != "") {
			b.fail(bodyArgument, anError)
		}
		return false
	}
	var storage *jsonValue
	within := false
	for name := range r.members() {
		within = true
		v, ok := r.value()
		if !ok {
			break
		}
		within = false
		if strings.EqualFold(name, "BackupStorage") {
			storage = b.convertStorage(name, v)
		}
	}
	if r.failed {
		key := strings.Join(append([]string{bodyArgument}, r.path...), ".")
		b.fail(key, anError)
		if within {
			b.fail(key, anError)
		}
		return false
	}
	if storage == nil {
		return false
	}
	for _, field := range document.BackupStorageDescription[storage.member("StorageKind", exactly).text].Required {
		if strings.TrimSpace(storage.member(field, strings.EqualFold).text) == "" {
			b.fail(bodyArgument+".BackupStorage."+field, "The "+field+" field is required.")
		}
	}
	return true
}

// convertStorage checks the types of a storage's members. It returns nil for null and for an error.
func (b *binder) convertStorage(name string, v jsonValue) *jsonValue {
	if v.kind == jsonNull {
		return nil
	}
	// StorageKind is the only member whose name must match exactly.
	kindName := v.member("StorageKind", exactly).text
	kind, known := document.BackupStorageDescription[kindName]
	known = known && (b.behavior.newKinds || slices.Contains(runtimeKinds, kindName))
	if v.kind != jsonObject || !known {
		b.fail(bodyArgument+"."+name, anError)
		return nil
	}
	for _, m := range v.members {
		isField := func(field string) bool { return strings.EqualFold(field, m.name) }
		switch {
		case isField("ManagedIdentityType") && b.behavior.newKinds && !slices.Contains(document.ManagedIdentityType[1:], m.value.text),
			m.value.kind >= jsonArray && slices.ContainsFunc(slices.Concat(kind.Required, kind.Optional), isField):
			// The service reads a storage by itself, so that its name is missing in the path.
			b.fail(bodyArgument+"."+m.name, anError)
		}
	}
	return &v
}
