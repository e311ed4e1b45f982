// Package durable backs up the partitions of a Service Fabric cluster with workflows of Temporal, which go on when
// the machine of a worker is lost.
//
// Each partition has a workflow of its own, [BackupPartition]. [BackupFleet] goes through many partitions. The activities
// talk to the cluster; only the workers have its credentials. README.md says how to run it.
package durable

import (
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/worker"
)

// TaskQueue is the task queue of the workers of a cluster.
func TaskQueue(cluster string) string { return "sfbackup/" + cluster }

// WorkflowID is the identity of the workflow that backs up a partition. The engine runs one workflow of an identity at a
// time, so two fleets do not start two backups of a partition.
func WorkflowID(cluster string, partition uuid.UUID) string {
	return "sfbackup/" + cluster + "/" + partition.String()
}

// A Backup is the input of [BackupPartition].
type Backup struct {
	Partition uuid.UUID
	Pace      Pace
}

// Pace says how fast to go. A zero field is its default.
type Pace struct {
	// Heartbeat is how long an activity may be silent before its worker counts as lost; 0 is 10 seconds.
	Heartbeat time.Duration
	// MinPoll and MaxPoll limit the time between two polls; 0 are 2 and 30 seconds.
	MinPoll, MaxPoll time.Duration
	// Observe is how long the observation before a start may take, and then the start on the server; 0 is one minute.
	Observe time.Duration
	// Starts is how many starts are made at most, where it is certain that the one before had no effect; 0 is 4.
	Starts int
}

func (p Pace) withDefaults() Pace {
	orDefault(&p.Heartbeat, 10*time.Second)
	orDefault(&p.MinPoll, 2*time.Second)
	orDefault(&p.MaxPoll, 30*time.Second)
	orDefault(&p.Observe, time.Minute)
	orDefault(&p.Starts, 4)
	return p
}

func orDefault[T comparable](value *T, byDefault T) {
	var zero T
	if *value == zero {
		*value = byDefault
	}
}

// The states of a [Result] that are not those of a backup.
const (
	NotStarted = "NotStarted" // no backup was started: see the reason
	Unknown    = "Unknown"    // it is not known whether one was: see the reason, and look at the partition
	NoResult   = "NoResult"   // it was started, and no result could be read
)

// A Result says what became of the backup of a partition.
type Result struct {
	Partition uuid.UUID
	State     string    // Success, Failure or Timeout, or one of those above
	BackupID  uuid.UUID `json:",omitzero"` // of a success
	Reason    string    `json:",omitempty"`
}

// Register registers the workflows and the activities with a worker.
func Register(registry worker.Registry, a *Activities) {
	registry.RegisterWorkflow(BackupPartition)
	registry.RegisterWorkflow(BackupFleet)
	registry.RegisterActivity(a)
}
