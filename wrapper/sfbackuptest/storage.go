package sfbackuptest

import "strings"

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
