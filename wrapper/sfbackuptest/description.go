package sfbackuptest

import (
	"time"

	"github.com/google/uuid"
)

// Service describes a service of the cluster.
type Service struct {
	// Name is the full name with its scheme: fabric:/CalcApp/CalcService.
	Name string

	// ApplicationName is the name of the service's application,
	// fabric:/CalcApp. Empty: Name without its last segment.
	ApplicationName string

	// ManifestVersion is the version of the service manifest that backups
	// were made with. Empty: not known, which a 6.4 cluster shows as null.
	ManifestVersion string

	// Stateless makes a service that has nothing to back up. Its lists are
	// refused, but a backup of its partitions is accepted, as clusters do, and
	// stays Accepted until it is a Timeout, unless an [Outcome] says otherwise.
	Stateless bool

	// NoPolicy makes a service without a backup policy, whatever that of its
	// application: its backups cannot be listed, and a backup must name its
	// storage. Its partitions may have policies of their own.
	NoPolicy bool

	// Policy is the service's backup policy. Nil: that of the application.
	Policy *Policy

	// MaxIncrementalBackups is how many incremental backups are made after a
	// full one before the next full one, where the policy does not say. Zero:
	// 5. Negative: none, all backups are full.
	MaxIncrementalBackups int

	// Partitions are the service's partitions.
	Partitions []Partition
}

// PartitionKind is the way in which a service divides its state.
type PartitionKind string

// The kinds of partitions.
const (
	PartitionKindInt64Range PartitionKind = "Int64Range"
	PartitionKindNamed      PartitionKind = "Named"
	PartitionKindSingleton  PartitionKind = "Singleton"
)

// Partition describes a partition of a [Service].
type Partition struct {
	// ID is the partition's identity. Zero: derived from the seed, the
	// service's name and the partition's place; [Cluster.Partitions] tells it.
	ID uuid.UUID

	// Kind is the partition's kind. Empty: Named with a Name, Int64Range with
	// a LowKey or HighKey, otherwise Singleton.
	Kind PartitionKind

	// LowKey and HighKey are the inclusive bounds of an Int64Range partition.
	// Both zero: all of int64.
	LowKey, HighKey int64

	// Name is the name of a Named partition.
	Name string

	// Policy is the partition's backup policy. Nil: that of the service.
	Policy *Policy

	// Series is what the policy's storage holds at the start, computed when it
	// is asked for.
	Series Series

	// Backups are what the policy's storage holds at the start beside Series,
	// in any order, but later than that.
	Backups []Backup
}

// BackupType tells a full backup from one that continues another.
type BackupType string

// The types of backups.
const (
	BackupTypeFull        BackupType = "Full"
	BackupTypeIncremental BackupType = "Incremental"
)

// Backup describes a backup in the policy's storage. Its location is not part
// of it, because it follows from the partition and the time:
// CalcApp\CalcService\<partition>\2018-01-01 09.00.55.zip.
type Backup struct {
	// ID is the backup's identity. Zero: derived from the seed.
	ID uuid.UUID

	// ChainID is the identity of the full backup that the chain starts with.
	// Zero: the backup's own if it is full, else that of the backup before it.
	ChainID uuid.UUID

	// Type is the backup's type. Empty: full.
	Type BackupType

	// Time is when the backup was made. It is cut to whole seconds, the
	// precision of the file names it is kept under, and must be given. No two
	// backups of a partition have the same.
	Time time.Time

	// DataLossVersion and ConfigurationVersion are the epoch of the last
	// record in the backup. Zero: those of the backup before it, and for the
	// first one those of the documents' examples, 131462452931584510 and
	// 8589934592.
	DataLossVersion, ConfigurationVersion int64

	// LSN is the log sequence number of the last record in the backup. Zero:
	// some more than that of the backup before it.
	LSN int64
}

// Outcome says how a requested backup goes. The zero value is a backup that
// succeeds after about three seconds.
type Outcome struct {
	// Accepted is how long the request waits before it is first sent to the
	// partition's node. Zero: one second. Negative: not at all. A wait up to
	// the request's BackupTimeout or beyond is a request that is never
	// delivered: it stays Accepted until it is a Timeout, and no backup is
	// made.
	Accepted time.Duration

	// Undelivered is how often the node cannot be reached, after which the
	// request is tried again a minute later. It stays Accepted meanwhile.
	Undelivered int

	// Running is how long the backup itself takes after that. Zero: two
	// seconds. Negative: no time. If BackupTimeout passes meanwhile, the
	// progress is a Timeout for good, but the backup is made all the same
	// and lists show it once it is complete.
	Running time.Duration

	// Code is the error that the backup ends with, such as
	// FABRIC_E_BACKUPCOPIER_UNEXPECTED_ERROR. Empty: it succeeds.
	Code string

	// Message is the text that goes with Code.
	Message string
}
