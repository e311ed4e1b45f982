package sfbackup

import "github.com/servicefabric-go/backup/generated"

// The generated structs as package wire fills them: by the names of the document, and without
// reflection. A test finds what is missing here.

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
		return &b.FailureError
	}
	return nil
}

func (*backupFields) Names() []string {
	return []string{
		"BackupId", "BackupChainId", "ApplicationName", "ServiceManifestVersion", "ServiceName",
		"PartitionInformation", "BackupLocation", "BackupType", "EpochOfLastBackupRecord",
		"LsnOfLastBackupRecord", "CreationTimeUtc", "FailureError",
	}
}

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
		return &p.FailureError
	}
	return nil
}

func (*progressFields) Names() []string {
	return []string{
		"BackupState", "TimeStampUtc", "BackupId", "BackupLocation", "EpochOfLastBackupRecord",
		"LsnOfLastBackupRecord", "FailureError",
	}
}

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

func (*epochFields) Names() []string {
	return []string{"DataLossVersion", "ConfigurationVersion", "DataLossNumber", "ConfigurationNumber"}
}
