package sfbackup

import (
	"github.com/servicefabric-go/backup/generated"
	"github.com/servicefabric-go/backup/internal/wire"
)

// These types implement wire.Object for the generated structs, so that package wire decodes them without
// reflection.

type backupFields generated.BackupInfo

func (b *backupFields) Field(name []byte) any {
	switch string(name) {
	case "BackupId":
		return &b.BackupID
	case "BackupChainId":
		return &b.BackupChainID
	case "ApplicationName":
		return &b.ApplicationName
	case "ServiceManifestVersion":
		return &b.ServiceManifestVersion
	case "ServiceName":
		return &b.ServiceName
	case "PartitionInformation":
		return &b.PartitionInformation
	case "BackupLocation":
		return &b.BackupLocation
	case "BackupType":
		return &b.BackupType
	case "EpochOfLastBackupRecord":
		return (*epochFields)(&b.EpochOfLastBackupRecord)
	case "LsnOfLastBackupRecord":
		return &b.LSNOfLastBackupRecord
	case "CreationTimeUtc":
		return &b.CreationTimeUTC
	case "FailureError":
		return (*backupFailure)(b)
	}
	return nil
}

var backupNames = []string{
	"BackupId", "BackupChainId", "ApplicationName", "ServiceManifestVersion", "ServiceName",
	"PartitionInformation", "BackupLocation", "BackupType", "EpochOfLastBackupRecord",
	"LsnOfLastBackupRecord", "CreationTimeUtc", "FailureError",
}

func (*backupFields) Names() []string { return backupNames }

type progressFields generated.BackupProgressInfo

func (p *progressFields) Field(name []byte) any {
	switch string(name) {
	case "BackupState":
		return &p.BackupState
	case "TimeStampUtc":
		return &p.TimeStampUTC
	case "BackupId":
		return &p.BackupID
	case "BackupLocation":
		return &p.BackupLocation
	case "EpochOfLastBackupRecord":
		return (*epochFields)(&p.EpochOfLastBackupRecord)
	case "LsnOfLastBackupRecord":
		return &p.LSNOfLastBackupRecord
	case "FailureError":
		return (*progressFailure)(p)
	}
	return nil
}

var progressNames = []string{
	"BackupState", "TimeStampUtc", "BackupId", "BackupLocation", "EpochOfLastBackupRecord",
	"LsnOfLastBackupRecord", "FailureError",
}

func (*progressFields) Names() []string { return progressNames }

type epochFields generated.BackupEpoch

func (e *epochFields) Field(name []byte) any {
	switch string(name) {
	case "DataLossVersion":
		return &e.DataLossVersion
	case "ConfigurationVersion":
		return &e.ConfigurationVersion
	case "DataLossNumber":
		return &e.DataLossNumber
	case "ConfigurationNumber":
		return &e.ConfigurationNumber
	}
	return nil
}

var epochNames = []string{"DataLossVersion", "ConfigurationVersion", "DataLossNumber", "ConfigurationNumber"}

func (*epochFields) Names() []string { return epochNames }

// backupFailure is the wire.Optional for the FailureError of a backup, progressFailure for that of a progress.
type (
	backupFailure   generated.BackupInfo
	progressFailure generated.BackupProgressInfo
)

func (b *backupFailure) New() wire.Object {
	b.FailureError = new(generated.FabricErrorError)
	return (*failureFields)(b.FailureError)
}

func (p *progressFailure) New() wire.Object {
	p.FailureError = new(generated.FabricErrorError)
	return (*failureFields)(p.FailureError)
}

type failureFields generated.FabricErrorError

func (e *failureFields) Field(name []byte) any {
	switch string(name) {
	case "Code":
		return &e.Code
	case "Message":
		return &e.Message
	}
	return nil
}

var failureNames = []string{"Code", "Message"}

func (*failureFields) Names() []string { return failureNames }
