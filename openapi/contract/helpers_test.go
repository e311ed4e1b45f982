package contract_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/servicefabric-go/backup/internal/document"
)

// What violations say of values that are none of the document's.
var (
	expectedStates         = oneOf(document.BackupState)
	expectedIdentityTypes  = oneOf(document.ManagedIdentityType)
	expectedStorageKinds   = oneOf(slices.Sorted(maps.Keys(document.BackupStorageDescription)))
	expectedPartitionKinds = oneOf(slices.Sorted(maps.Keys(document.PartitionInformation)))
)

func oneOf(values []string) string {
	return "expected one of " + strings.Join(values, ", ")
}

func gzipped(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text) // into memory
	_ = w.Close()
	return b.Bytes()
}
