package sfbackup

import (
	"fmt"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/servicefabric-go/backup/generated"
	"github.com/servicefabric-go/backup/internal/wire"
)

// What the server answers can be kept as JSON in the form of the documentation, and read again. What
// was read tolerantly is written so too: an unknown partition may hold anything that was read.

// MarshalJSON writes a progress as the documentation has it. What is not set is left out.
func (p Progress) MarshalJSON() ([]byte, error) {
	return jsonv2.Marshal(wireProgress(&p), wire.Tolerant)
}

// UnmarshalJSON reads what MarshalJSON writes, and what servers send.
func (p *Progress) UnmarshalJSON(data []byte) error {
	var w generated.BackupProgressInfo
	if err := wire.ReadStored(data, (*progressFields)(&w)); err != nil {
		return fmt.Errorf("sfbackup: Progress: %w", err)
	}
	*p = *newProgress(&w)
	return nil
}

// MarshalJSON writes a backup as the documentation has it. What is not set is left out.
func (b Backup) MarshalJSON() ([]byte, error) { return jsonv2.Marshal(wireBackup(&b), wire.Tolerant) }

// UnmarshalJSON reads what MarshalJSON writes, and what servers send.
func (b *Backup) UnmarshalJSON(data []byte) error {
	var w generated.BackupInfo
	if err := wire.ReadStored(data, (*backupFields)(&w)); err != nil {
		return fmt.Errorf("sfbackup: Backup: %w", err)
	}
	*b = newBackup(&w)
	return nil
}
