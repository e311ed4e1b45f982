package sfbackuptest

import "strings"

// fileNameFormat is how the time of a backup names its files, the archive as
// well as the metadata beside it. A list reads the time from there, which is
// why it knows whole seconds only.
const fileNameFormat = "2006-01-02 15.04.05"

const (
	archiveExtension  = ".zip"
	metadataExtension = ".bkmetadata"
)

// folderName returns a name without its scheme as a store writes it: one
// folder, whatever its depth.
func folderName(name string) string {
	return strings.ReplaceAll(strings.Trim(strings.TrimPrefix(name, fabricScheme), "/"), "/", "$")
}

// location returns where a store keeps a backup, relative to its root. It has
// backslashes in all stores, those of Azure included.
func (p *partition) location(r *record) string {
	return p.folder() + `\` + r.fileName() + archiveExtension
}

// folder returns the partition's folder in a store.
func (p *partition) folder() string {
	return p.service.folder + `\` + p.id.String()
}
