package sfbackuptest

import (
	"fmt"
	"net/http"
	"strings"
)

// StorageKind is a kind of storage.
type StorageKind string

// The kinds of storage that a policy of this cluster can have.
const (
	StorageKindFileShare      StorageKind = "FileShare"
	StorageKindAzureBlobStore StorageKind = "AzureBlobStore"
)

// Storage is where backups are stored. Each value is a place of its own, but the service of 6.4 searches
// only the first of several places that it takes for one storage: shares with the same Path, and
// containers with the same ConnectionString.
type Storage struct {
	// Kind is the kind of the storage. It shows in the continuation tokens of a 6.4 cluster: those of
	// a file share contain a space, those of Azure a '!'. Empty: a file share.
	Kind StorageKind

	// Path is the path of the share, or the name of the container. All policies without a Path share one
	// storage of each kind; the default policy has that file share.
	Path string

	// ConnectionString identifies the account of a container. It is not parsed.
	ConnectionString string
}

// StorageFault is a reason why a storage cannot be listed.
type StorageFault int

// The faults of a storage. Without MaxResults, all but [ShareUnreachable] fail a list with the status 500.
// With MaxResults they fail it with 400, or if an earlier storage had backups for the same page, with the true
// message, whose status is 500 except for [ContainerMissing]. In [ProfileDocumented] the message is always
// the true one.
const (
	NoStorageFault          StorageFault = iota
	ShareUnreachable                     // the storage looks empty; so do wrong credentials of a share
	ContainerMissing                     // the container does not exist
	ConnectionStringInvalid              // the connection string cannot be parsed
	MetadataBroken                       // a metadata file of the storage cannot be read
)

// SetStorageFault makes all lists that search a storage go wrong from now on, until [NoStorageFault] is set.
// The backups that the storage holds stay there. What happens to a backup that is made meanwhile is for
// [Cluster.SetOutcome] to say.
//
// It panics if no policy has the storage.
func (c *Cluster) SetStorageFault(storage Storage, fault StorageFault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	storage = storage.withDefaults()
	known := storage == c.defaultPolicy.Storage
	for _, p := range c.policies {
		known = known || storage == p.Storage
	}
	if !known {
		panic(fmt.Sprintf("sfbackuptest: SetStorageFault: no policy has the storage %s %q", storage.Kind, storage.Path))
	}
	c.storageFaults[storage] = fault
}

// withDefaults returns the storage with its kind.
func (s Storage) withDefaults() Storage {
	if s.Kind == "" {
		s.Kind = StorageKindFileShare
	}
	return s
}

// sameStorage reports whether the service takes two storages for one.
func (b *behavior) sameStorage(x, y Storage) bool {
	switch {
	case !b.accountIsStorage || x.Kind != y.Kind:
		return x == y
	case x.Kind == StorageKindFileShare:
		return x.Path == y.Path
	default:
		return x.ConnectionString == y.ConnectionString
	}
}

// failure returns the error of reading the storage, or nil.
func (s *storageView) failure() *errorResponse {
	f := serviceError(http.StatusInternalServerError, "E_UNEXPECTED", "")
	switch s.fault {
	case ContainerMissing:
		return invalidRequest(fmt.Sprintf("Given container %s doesn't exist.\r\nParameter name: containerName", s.storage.Path))
	case ConnectionStringInvalid:
		f.hresult, f.message = hresultFormat, `Settings must be of the form "name=value".`
	case MetadataBroken:
		f.hresult, f.message = hresultIO, "Unable to get recovery point details."
	case NoStorageFault, ShareUnreachable:
		return nil
	}
	return f
}

// fileNameFormat is the format of the time in the names of a backup's files, the archive and its metadata.
// A list takes the time from the name, so that its precision is a second.
const fileNameFormat = "2006-01-02 15.04.05"

const (
	archiveExtension  = ".zip"
	metadataExtension = ".bkmetadata"
)

// folderName returns the folder for a name without its scheme. A name with several parts is one folder.
func folderName(name string) string {
	return strings.ReplaceAll(strings.Trim(strings.TrimPrefix(name, fabricScheme), "/"), "/", "$")
}

// location returns the path of a backup, relative to the root of its storage. It has backslashes in all
// kinds of storage, also in Azure.
func (p *partition) location(b *Backup) string {
	return p.folder() + `\` + b.fileName() + archiveExtension
}

// fileName returns the name of the backup's files without an extension.
func (b *Backup) fileName() string { return b.Time.Format(fileNameFormat) }

// folder returns the folder of the partition in a storage.
func (p *partition) folder() string {
	return p.service.folder + `\` + p.ID.String()
}
