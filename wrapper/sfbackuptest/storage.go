package sfbackuptest

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// fileNameFormat is how the time of a backup names its files, the archive as
// well as the metadata beside it. A list reads the time from there, which is
// why it knows whole seconds only.
const fileNameFormat = "2006-01-02 15.04.05"

const (
	archiveExtension  = ".zip"
	metadataExtension = ".bkmetadata"
)

// record is a backup in a store, complete and never changed.
type record struct{ Backup }

// fileName returns the name of the backup's files without an extension.
func (r *record) fileName() string { return r.Time.Format(fileNameFormat) }

// history is what a store holds for one partition, in the order of the file
// names, which is that of time. It only ever grows at its end, so that a list
// that is being written keeps the history it started with.
type history []*record

// after returns the part of the history that is later than t.
func (h history) after(t time.Time) history {
	i, _ := slices.BinarySearchFunc(h, t, func(r *record, t time.Time) int {
		if r.Time.After(t) {
			return 1
		}
		return -1
	})
	return h[i:]
}

// last returns the latest backup, or nil.
func (h history) last() *record {
	if len(h) == 0 {
		return nil
	}
	return h[len(h)-1]
}

// chain returns the identity of the chain that the next incremental backup
// belongs to and how many incremental backups it has already. The identity is
// zero if there is no chain to continue.
func (h history) chain() (id uuid.UUID, incremental int) {
	last := h.last()
	if last == nil {
		return uuid.Nil, 0
	}
	for _, r := range slices.Backward(h) {
		if r.ChainID != last.ChainID {
			break
		}
		if r.Type == BackupTypeIncremental {
			incremental++
		}
	}
	return last.ChainID, incremental
}

// folderName returns a name without its scheme as a store writes it: one
// folder, whatever its depth.
func folderName(name string) string {
	return strings.ReplaceAll(strings.Trim(strings.TrimPrefix(name, fabricScheme), "/"), "/", "$")
}
