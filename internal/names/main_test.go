package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const documentPath, runtimePath = "../../openapi/backup.yaml", "../../openapi/runtime.gen.yaml"

func TestNamesAreUpToDate(t *testing.T) {
	t.Parallel()
	got, err := generate(documentPath, runtimePath)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../document/document.gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Error(`internal/document/document.gen.go is not up to date: run "make generate"`)
	}
}

// A mark that is missing is an error of one line with the file and the text to write.
func TestMarks(t *testing.T) {
	t.Parallel()
	read := func(path string) string {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	document, runtime := read(documentPath), read(runtimePath)
	const (
		path   = "openapi/backup.yaml: FileShareBackupStorageDescription.Path"
		state  = "openapi/backup.yaml: BackupState: "
		secret = ": write format: password and writeOnly: true if it is a secret, otherwise x-public: true"
	)
	// The schema of Path, which each of these replaces.
	before := "type: string\n          minLength: 1\n          x-public: true\n          description: The UNC"
	after := func(text string) string { return text + "\n          description: The UNC" }
	for name, tt := range map[string]struct{ old, new, want string }{
		"a state without a mark":  {"x-final: [Success, ", "x-final: [", state + "write the state Success into x-final if nothing follows it, otherwise into x-running"},
		"a state with both":       {"x-final: [Success,", "x-final: [Accepted, Success,", state + "write the state Accepted into x-final if nothing follows it, otherwise into x-running"},
		"a mark for no state":     {"x-final: [Success,", "x-final: [Nothing, Success,", state + "remove Nothing from x-final and x-running, or write it into the enum"},
		"a string without a mark": {before, after("type: string"), path + secret},
		"a string of the overlay": {
			"x-public: true\n          description: |\n            The client id", "description: |\n            The client id",
			"openapi/runtime.overlay.yaml: ManagedIdentityAzureBlobBackupStorageDescription.ManagedIdentityClientId" + secret,
		},
		"a string with both":             {before, after("type: string\n          x-public: true\n          format: password\n          writeOnly: true"), path + secret},
		"a secret that is not writeOnly": {before, after("type: string\n          format: password"), path + ": write writeOnly: true beside format: password"},
		"an object without properties":   {before, after("type: object"), path + ": write its type and properties, because what has none may hold a secret"},
		"an object with any properties":  {before, after("type: object\n          properties: {n: {type: integer}}\n          additionalProperties: true"), path + ": write its type and properties, because what has none may hold a secret"},
		"an enumeration without a name":  {before, after("type: string\n          enum: [A, B]"), path + ": write the enumeration as a schema of its own, which gets constants, and refer to it"},
		"strings in a map":               {before, after("type: object\n          additionalProperties: {type: string}"), path + ".items" + secret},
		"strings in a list":              {before, after("type: array\n          items: {type: string}"), path + ".items" + secret},
		"strings in an object":           {before, after("type: object\n          properties: {s: {type: string}}"), path + ".s" + secret},
		"a kind outside the mapping": {
			"          FileShare: '#/components/schemas/FileShareBackupStorageDescription'\n", "",
			"openapi/backup.yaml: BackupStorageDescription: write the kind FileShare into the mapping, or remove it from the enumeration of StorageKind",
		},
		"a kind outside the enumeration": {
			"enum: [Invalid, FileShare,", "enum: [Invalid,",
			"openapi/backup.yaml: BackupStorageDescription: write the kind FileShare into the enumeration of StorageKind",
		},
		"a kind outside the union": {
			"        - $ref: '#/components/schemas/FileShareBackupStorageDescription'\n", "",
			"openapi/backup.yaml: BackupStorageDescription: write the schema of the kind FileShare into oneOf",
		},
		"an operation without a name": {"operationId: BackupPartition\n", "x-other: 1\n", "openapi/backup.yaml: /Partitions/{partitionId}/$/Backup POST: write its operationId"},
		"a union without a type":      {"x-go-type: jsontext.Value", "x-other: 1", "openapi/runtime.overlay.yaml: BackupStorageDescription: write an action with the x-go-type of the union"},
	} {
		text := strings.ReplaceAll(runtime, tt.old, tt.new)
		if text == runtime {
			t.Fatalf("%s: the document has no %q", name, tt.old)
		}
		dir := t.TempDir()
		paths := []string{filepath.Join(dir, "document.yaml"), filepath.Join(dir, "runtime.yaml")}
		for i, text := range []string{document, text} {
			if err := os.WriteFile(paths[i], []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := generate(paths[0], paths[1])
		if err == nil || !strings.Contains("\n"+err.Error()+"\n", "\n"+tt.want+"\n") {
			t.Errorf("%s:\ngot  %v\nwant %s", name, err, tt.want)
		}
	}
}
