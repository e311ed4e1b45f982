package sfbackuptest

import (
	"time"

	"github.com/google/uuid"
)

// Service describes a service of the cluster.
type Service struct {
	// Name is the full name with its scheme: fabric:/CalcApp/CalcService.
	Name string

	// ApplicationName is the name of the service's application, fabric:/CalcApp, with which Name begins.
	// Empty: Name without its last segment.
	ApplicationName string

	// ManifestVersion is the version of the service manifest with which the backups were made. Empty:
	// unknown, which a 6.4 cluster shows as null.
	ManifestVersion string

	// Stateless means that the service has no state. Requests for its lists fail, but the cluster accepts
	// a backup of its partitions, as real clusters do. The backup stays Accepted until it times out,
	// unless an [Outcome] says otherwise.
	Stateless bool

	// NoPolicy means that the service has no backup policy, even if its application has one, unless
	// Policy or [Cluster.SetPolicy] sets one: its backups cannot be listed, and a request for a backup
	// must name a storage. Its partitions may have their own policies.
	NoPolicy bool

	// Policy is the service's backup policy. Nil: that of the application.
	Policy *Policy

	// MaxIncrementalBackups is how many incremental backups are made between two full ones, unless the
	// policy says it. Zero: 5. Negative: none, all backups are full.
	MaxIncrementalBackups int

	// Partitions are the service's partitions.
	Partitions []Partition
}

// PartitionKind is how a service divides its state.
type PartitionKind string

// The kinds of partitions.
const (
	PartitionKindInt64Range PartitionKind = "Int64Range"
	PartitionKindNamed      PartitionKind = "Named"
	PartitionKindSingleton  PartitionKind = "Singleton"
)

// Partition describes a partition of a [Service].
type Partition struct {
	// ID is the partition ID. Zero: derived from the seed, the name of the service and the index of
	// the partition; see [Cluster.Partitions].
	ID uuid.UUID

	// Kind is the kind of the partition. Empty: Named with a Name, Int64Range with a LowKey or
	// HighKey, otherwise Singleton.
	Kind PartitionKind

	// LowKey and HighKey are the inclusive bounds of an Int64Range partition. Both zero: the whole
	// range of int64.
	LowKey, HighKey int64

	// Name is the name of a Named partition.
	Name string

	// Policy is the partition's backup policy. Nil: that of the service.
	Policy *Policy

	// Series describes the backups that the policy's storage holds at the start. They are computed on
	// demand and take no memory.
	Series Series

	// Backups are further backups that the policy's storage holds at the start, in any order, all
	// later than those of Series.
	Backups []Backup
}

// BackupType is full, or incremental if the backup continues another one.
type BackupType string

// The types of backups.
const (
	BackupTypeFull        BackupType = "Full"
	BackupTypeIncremental BackupType = "Incremental"
)

// Backup describes a backup in the policy's storage. It has no location, because that follows from the
// partition and the time: CalcApp\CalcService\<partition>\2018-01-01 09.00.55.zip.
type Backup struct {
	// ID is the backup ID. Zero: derived from the seed.
	ID uuid.UUID

	// ChainID is the ID of the full backup with which the chain starts. Zero: the backup's own ID if
	// it is full, else the chain of the backup before, which must exist.
	ChainID uuid.UUID

	// Type is the type of the backup. Empty: full.
	Type BackupType

	// Time is when the backup was made. It is required, and truncated to whole seconds, the precision
	// of the file names in the storage. No two backups of a partition may have the same time.
	Time time.Time

	// DataLossVersion and ConfigurationVersion are the epoch of the last record in the backup. Zero:
	// those of the backup before, and for the first one those of the documentation's examples,
	// 131462452931584510 and 8589934592.
	DataLossVersion, ConfigurationVersion int64

	// LSN is the logical sequence number of the last record in the backup. Zero: somewhat greater than
	// that of the backup before.
	LSN int64
}

// Outcome describes the course of a requested backup. The zero value is a backup that succeeds after three
// seconds.
type Outcome struct {
	// Accepted is how long the request waits before it is first sent to the partition's node. Zero:
	// one second. Negative: not at all. If it is not less than the request's BackupTimeout, the
	// request never reaches its node: it stays Accepted until it times out, and no backup is made. A
	// BackupTimeout that is not positive expires after Accepted, but at most after five seconds.
	Accepted time.Duration

	// Undelivered is how many times sending the request to the node fails. The request is sent again a
	// minute after each failure, and the backup stays Accepted meanwhile.
	Undelivered int

	// Running is how long the backup itself takes after that. Zero: two seconds. Negative: no time. If
	// BackupTimeout expires meanwhile, the progress becomes Timeout and stays so, but unless Code or State
	// is set the backup is still made, and lists show it when it is complete.
	Running time.Duration

	// State is the state in which the backup ends, such as one that only newer servers have. Empty: Failure
	// if Code is set, otherwise Success. A backup is made only with Success. With a state that is not final,
	// the backup stays in it.
	State string

	// Code is the error code with which the backup ends, such as
	// FABRIC_E_BACKUPCOPIER_UNEXPECTED_ERROR. Empty: it succeeds. A 6.4 cluster sends a code without a
	// name as a number, 2148734496 for an IOException, and so does this one if Code has only digits.
	Code string

	// Message is the message of the error.
	Message string
}
