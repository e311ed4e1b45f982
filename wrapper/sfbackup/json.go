package sfbackup

import (
	"errors"
	"fmt"
	"io"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/servicefabric-go/backup/generated"
	"github.com/servicefabric-go/backup/internal/wire"
)

// The JSON form of a Progress, a Backup and a Page is that of the documentation, so that programs can store
// them and read them again. They are written with the options of the tolerant decoder, because an unknown
// partition may contain anything that it accepts.

// MarshalJSON writes the progress in the form of the documentation. It leaves out empty strings, a zero
// BackupID, a zero TimeStampUTC, a zero Epoch and an LSN of 0. An Epoch that is written has both its numbers,
// even if one is 0. A nil FailureError is written as null.
func (p Progress) MarshalJSON() ([]byte, error) {
	return jsonv2.Marshal(wireProgress(&p), wire.Tolerant)
}

// UnmarshalJSON reads what MarshalJSON writes and what servers send. Unknown properties are ignored.
func (p *Progress) UnmarshalJSON(data []byte) error {
	var w generated.BackupProgressInfo
	if err := wire.ReadStored(data, &w); err != nil {
		return fmt.Errorf("sfbackup: Progress: %w", err)
	}
	*p = *newProgress(&w)
	return nil
}

// MarshalJSON writes the backup in the form of the documentation. It leaves out empty strings, zero UUIDs
// (also the ID of the partition), a zero CreationTimeUTC, a zero Epoch, an LSN of 0 and a nil
// PartitionInformation. An Epoch that is written has both its numbers, an [Int64RangePartition] has both its
// keys and a [NamedPartition] has its name, even if they are 0 or empty. A nil FailureError is written as
// null. An [UnknownPartition] is written as its Raw JSON. If Raw is empty, it is left out if RawKind is empty
// too, and an error if RawKind is a kind that this package does not know.
func (b Backup) MarshalJSON() ([]byte, error) { return jsonv2.Marshal(wireBackup(&b), wire.Tolerant) }

// UnmarshalJSON reads what MarshalJSON writes and what servers send. Unknown properties are ignored. A backup
// without a partition gets an [UnknownPartition].
func (b *Backup) UnmarshalJSON(data []byte) error {
	var w generated.BackupInfo
	if err := wire.ReadStored(data, &w); err != nil {
		return fmt.Errorf("sfbackup: Backup: %w", err)
	}
	*b = newBackup(&w)
	return nil
}

// MarshalJSON writes the page in the form of the documentation, always with both properties: the
// ContinuationToken, "" on the last page, and the Items, [] if there are no backups.
func (p Page) MarshalJSON() ([]byte, error) {
	w := generated.PagedBackupInfoList{ContinuationToken: p.ContinuationToken}
	for i := range p.Backups {
		w.Items = append(w.Items, *wireBackup(&p.Backups[i]))
	}
	return jsonv2.Marshal(&w, wire.Tolerant)
}

// UnmarshalJSON reads what MarshalJSON writes and what servers send: the token and the items may be absent or
// null, and unknown properties are ignored.
func (p *Page) UnmarshalJSON(data []byte) error {
	page := wire.NewStoredPageDecoder[generated.BackupInfo](data)
	var backups []Backup
	for {
		var info generated.BackupInfo
		err := page.Next(&info)
		if errors.Is(err, io.EOF) {
			*p = Page{Backups: backups, ContinuationToken: page.ContinuationToken()}
			return nil
		}
		if err != nil {
			return fmt.Errorf("sfbackup: Page: %w", err)
		}
		backups = append(backups, newBackup(&info))
	}
}
