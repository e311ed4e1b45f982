package sfbackuptest

import (
	"encoding/hex"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// This file writes the JSON of the responses by hand, because the package must reproduce its details: the
// order of the members, which nulls are written, and which numbers are strings.

const jsonType = "application/json; charset=utf-8"

// timeFormat is the format of times: UTC, in whole seconds.
const timeFormat = "2006-01-02T15:04:05Z"

// appendBackup appends a BackupInfo, the item of a list.
func appendBackup(b []byte, behavior *behavior, p *partition, r *Backup) []byte {
	b = appendUUID(append(b, `{"BackupId":`...), r.ID)
	b = appendUUID(append(b, `,"BackupChainId":`...), r.ChainID)
	b = appendString(append(b, `,"ApplicationName":`...), p.service.ApplicationName)
	if !behavior.fullRecords && p.service.ManifestVersion != "" {
		b = appendString(append(b, `,"ServiceManifestVersion":`...), p.service.ManifestVersion)
	}
	b = appendString(append(b, `,"ServiceName":`...), p.service.Name)
	b = appendPartition(append(b, `,"PartitionInformation":`...), behavior, p)
	b = appendString(append(b, `,"BackupLocation":`...), p.location(r))
	b = appendString(append(b, `,"BackupType":`...), string(r.Type))
	b = appendEpoch(append(b, `,"EpochOfLastBackupRecord":`...), behavior, r)
	b = appendInt64Text(append(b, `,"LsnOfLastBackupRecord":`...), r.LSN)
	b = appendTime(append(b, `,"CreationTimeUtc":`...), r.Time)
	b = append(b, `,"FailureError":null`...)
	if behavior.fullRecords {
		b = append(b, `,"ServiceManifestVersion":`...)
		if p.service.ManifestVersion == "" {
			b = append(b, "null"...)
		} else {
			b = appendString(b, p.service.ManifestVersion)
		}
	}
	return append(b, '}')
}

// appendPartition appends a PartitionInformation. The kind is the first member in 6.4; in the
// documentation it follows the keys.
func appendPartition(b []byte, behavior *behavior, p *partition) []byte {
	b = append(b, '{')
	if behavior.fullRecords {
		b = appendKind(b, p)
	}
	switch p.Kind {
	case PartitionKindInt64Range:
		b = appendInt64Text(append(b, `"LowKey":`...), p.LowKey)
		b = appendInt64Text(append(b, `,"HighKey":`...), p.HighKey)
		b = append(b, ',')
	case PartitionKindNamed:
		b = appendString(append(b, `"Name":`...), p.Name)
		b = append(b, ',')
	case PartitionKindSingleton:
	}
	if !behavior.fullRecords {
		b = appendKind(b, p)
	}
	b = appendUUID(append(b, `"Id":`...), p.ID)
	return append(b, '}')
}

func appendKind(b []byte, p *partition) []byte {
	return append(appendString(append(b, `"ServicePartitionKind":`...), string(p.Kind)), ',')
}

// appendProgress appends the BackupProgressInfo of the partition's latest request. In 6.4 it has all its
// members, and those that are not set have the zero values of their .NET types, also for a failed backup. In
// the documentation it has only the members that are set. The LSN is a number in 6.4.
func appendProgress(b []byte, behavior *behavior, p spelling, now time.Time, zone *time.Location) []byte {
	request := p.latest[p.text]
	switch {
	case request == nil && behavior.fullRecords:
		return append(b, "null"...)
	case request == nil:
		// The documentation does not say what the progress is before the first request. Its state
		// Invalid is the closest, and it is valid.
		return append(b, `{"BackupState":"Invalid"}`...)
	}
	state := request.state(now)
	b = appendString(append(b, `{"BackupState":`...), string(state))
	switch {
	case state == stateSuccess:
		r := request.finished
		b = appendTime(append(b, `,"TimeStampUtc":`...), r.Time)
		b = appendUUID(append(b, `,"BackupId":`...), r.ID)
		b = appendString(append(b, `,"BackupLocation":`...), p.location(r))
		b = appendEpoch(append(b, `,"EpochOfLastBackupRecord":`...), behavior, r)
		b = append(b, `,"LsnOfLastBackupRecord":`...)
		if behavior.fullRecords {
			b = strconv.AppendInt(b, r.LSN, 10)
		} else {
			b = appendInt64Text(b, r.LSN)
		}
	case behavior.fullRecords:
		b = appendTime(append(b, `,"TimeStampUtc":`...), noTime(zone))
		b = appendUUID(append(b, `,"BackupId":`...), uuid.Nil)
		b = append(b, `,"BackupLocation":null,"EpochOfLastBackupRecord":null,"LsnOfLastBackupRecord":0`...)
	case state == stateTimeout:
		b = appendTime(append(b, `,"TimeStampUtc":`...), request.timeoutAt)
	case state.ended():
		b = appendTime(append(b, `,"TimeStampUtc":`...), request.ends)
	default:
		return append(b, '}')
	}
	b = appendFailure(append(b, `,"FailureError":`...), behavior, request, state)
	return append(b, '}')
}

// noTime returns the time that stands for none. The service converts it to UTC, although it has no zone, and
// stops at the year 1.
func noTime(zone *time.Location) time.Time {
	winter := time.Date(2018, time.January, 1, 0, 0, 0, 0, zone)
	if winter.IsDST() {
		winter = winter.AddDate(0, 6, 0)
	}
	_, offset := winter.Zone()
	return time.Time{}.Add(time.Duration(max(-offset, 0)) * time.Second)
}

// appendFailure appends the error with which a backup ended, or null. Unlike the error of a response it is
// not wrapped in another object.
func appendFailure(b []byte, behavior *behavior, r *onDemandBackup, state backupState) []byte {
	code, message := r.code, r.message
	switch {
	case state == stateSuccess || state != stateTimeout && code == "":
		return append(b, "null"...)
	case state == stateTimeout && behavior.fullRecords:
		code, message = "FABRIC_E_TIMEOUT", "The Request for backup has timeout"
	case state == stateTimeout:
		code, message = "FABRIC_E_TIMEOUT", "The request of backup has timed out."
	}
	b = append(b, `{"Code":`...)
	if _, err := strconv.ParseUint(code, 10, 32); err == nil && behavior.numericCodes {
		b = append(b, code...)
	} else {
		b = appendString(b, code)
	}
	b = appendString(append(b, `,"Message":`...), message)
	return append(b, '}')
}

func appendEpoch(b []byte, behavior *behavior, r *Backup) []byte {
	b = appendString(append(b, '{'), behavior.epochNames[0])
	b = appendInt64Text(append(b, ':'), r.DataLossVersion)
	b = appendString(append(b, ','), behavior.epochNames[1])
	b = appendInt64Text(append(b, ':'), r.ConfigurationVersion)
	return append(b, '}')
}

// appendInt64Text appends a number as a string, because it may exceed the precision of a JavaScript number.
func appendInt64Text(b []byte, n int64) []byte {
	b = append(b, '"')
	b = strconv.AppendInt(b, n, 10)
	return append(b, '"')
}

func appendUUID(b []byte, id uuid.UUID) []byte {
	b = append(b, '"')
	for i, group := range [][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, group)
	}
	return append(b, '"')
}

func appendTime(b []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(b, `"`+timeFormat+`"`)
}

// appendString appends a string with the escapes of the cluster's JSON writer. It does not escape '<',
// '>', '&' or characters beyond ASCII, except for the three other line terminators of Unicode.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r < ' ', r == '\u0085', r == '\u2028', r == '\u2029':
			b = append(b, '\\', 'u', hex[r>>12&0xf], hex[r>>8&0xf], hex[r>>4&0xf], hex[r&0xf])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
