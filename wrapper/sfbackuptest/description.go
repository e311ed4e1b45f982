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

	// NoPolicy makes a service without a backup policy: its backups cannot be
	// listed, and a backup must name its storage.
	NoPolicy bool

	// MaxIncrementalBackups is how many incremental backups the policy allows
	// after a full one before the next full one. Zero: 5. Negative: none, all
	// backups are full.
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

	// Backups are what the policy's storage holds at the start, in any order.
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
	// Accepted is how long the request waits before it reaches the
	// partition's node. Zero: one second. Negative: not at all. A wait up to
	// the request's BackupTimeout or beyond is a request that is never
	// delivered: it stays Accepted until it is a Timeout, and no backup is
	// made.
	Accepted time.Duration

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

// Chain describes the history of a partition that is backed up regularly: n
// backups, the first at start and each of the others the given time after the
// one before it. Every fullEvery-th backup is full, beginning with the first,
// and the others are incremental; with a fullEvery of zero or less only the
// first is full.
//
// The identities and LSNs are left to be derived from the seed.
func Chain(start time.Time, every time.Duration, fullEvery, n int) []Backup {
	backups := make([]Backup, n)
	for i := range backups {
		b := Backup{Type: BackupTypeIncremental, Time: start.Add(time.Duration(i) * every)}
		if i == 0 || fullEvery > 0 && i%fullEvery == 0 {
			b.Type = BackupTypeFull
		}
		backups[i] = b
	}
	return backups
}

// documentedServices is the cluster that the documents' examples talk of.
func documentedServices() []Service {
	full, incremental := BackupTypeFull, BackupTypeIncremental
	backup := func(id, chain string, kind BackupType, made time.Time, lsn int64) Backup {
		return Backup{ID: uuid.MustParse(id), ChainID: uuid.MustParse(chain), Type: kind, Time: made, LSN: lsn}
	}
	at := func(day, hour, minute, second int) time.Time {
		return time.Date(2018, time.January, day, hour, minute, second, 0, time.UTC)
	}
	const (
		first  = "3a056ac9-7206-43c3-8424-6f6103003eba"
		second = "be06a49c-be67-4eb1-a602-b983605be862"
		other  = "0ff4fdbe-131c-4dfb-8249-7b4029ddc014"
	)
	return []Service{{
		Name:            "fabric:/CalcApp/CalcService",
		ManifestVersion: "1.0.0",
		Partitions: []Partition{
			{
				ID:   uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d"),
				Kind: PartitionKindInt64Range,
				Backups: []Backup{
					backup(first, first, full, at(1, 9, 0, 55), 261),
					backup("7903dc2a-228d-44b0-b7c8-a13a6c9b46bd", first, incremental, at(1, 17, 1, 2), 446),
					backup(second, second, full, at(2, 8, 59, 53), 639),
				},
			},
			{
				ID:   uuid.MustParse("81645ec7-d260-4c59-9533-8f129bde8e83"),
				Kind: PartitionKindInt64Range,
				Backups: []Backup{
					backup(other, other, full, at(1, 9, 1, 2), 161),
					backup("d55a2d98-258b-4a34-8fe5-2063e81af9dc", other, incremental, at(1, 17, 0, 34), 246),
				},
			},
		},
	}}
}
