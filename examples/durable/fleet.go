package durable

import (
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

const (
	// MaxFleet is how many partitions one workflow can have, because its input has to fit into a request of the engine.
	MaxFleet = 20_000
	// maxProblems is how many results without success a summary has. The others are in the workflows of their partitions.
	maxProblems = 100
)

// A Fleet is the input of [BackupFleet].
type Fleet struct {
	Cluster     string
	Partitions  []uuid.UUID // that have no result yet, at most MaxFleet
	Concurrency int         // how many are backed up at a time; 0 is 64
	Batch       int         // after how many it begins a new history; 0 is 500
	Pace        Pace
	Summary     Summary // of the partitions before
}

// A Summary says how far a fleet is.
type Summary struct {
	Total, Running             int
	Succeeded, Failed, Unknown int
	Problems                   []Result // the first of those without success
}

// SummaryQuery is the query for the [Summary] of a fleet.
const SummaryQuery = "summary"

// BackupFleet is the workflow that backs up many partitions, some at a time, each by a [BackupPartition] of its own. It
// goes through them in batches and then continues as new, so that its history stays short.
func BackupFleet(ctx workflow.Context, fleet Fleet) (Summary, error) {
	orDefault(&fleet.Concurrency, 64)
	orDefault(&fleet.Batch, 500)
	summary := &fleet.Summary
	if summary.Total == 0 {
		summary.Total = len(fleet.Partitions)
	}
	if err := workflow.SetQueryHandler(ctx, SummaryQuery, func() (Summary, error) { return *summary, nil }); err != nil {
		return *summary, err
	}
	batch := fleet.Partitions[:min(fleet.Batch, len(fleet.Partitions))]
	for _, partition := range batch {
		if err := workflow.Await(ctx, func() bool { return summary.Running < fleet.Concurrency }); err != nil {
			return *summary, err
		}
		summary.Running++
		workflow.Go(ctx, func(ctx workflow.Context) {
			summary.add(backUp(ctx, fleet, partition))
		})
	}
	if err := workflow.Await(ctx, func() bool { return summary.Running == 0 }); err != nil {
		return *summary, err
	}
	if fleet.Partitions = fleet.Partitions[len(batch):]; len(fleet.Partitions) > 0 {
		return *summary, workflow.NewContinueAsNewError(ctx, BackupFleet, fleet)
	}
	return *summary, nil
}

// backUp runs the workflow of a partition.
func backUp(ctx workflow.Context, fleet Fleet, partition uuid.UUID) Result {
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            WorkflowID(fleet.Cluster, partition),
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON, // who ends a fleet does not lose track of what it has started
		WorkflowTaskTimeout:   10 * time.Second,
	})
	var result Result
	err := workflow.ExecuteChildWorkflow(child, BackupPartition, Backup{partition, fleet.Pace}).Get(ctx, &result)
	running, already := errors.AsType[*temporal.ChildWorkflowExecutionAlreadyStartedError](err)
	switch {
	case already && running != nil:
		return Result{Partition: partition, State: NotStarted, Reason: "another workflow is backing it up"}
	case err != nil:
		return Result{Partition: partition, State: Unknown, Reason: err.Error()}
	}
	return result
}

func (s *Summary) add(result Result) {
	s.Running--
	switch result.State {
	case string(sfbackup.BackupStateSuccess):
		s.Succeeded++
		return
	case Unknown:
		s.Unknown++
	default:
		s.Failed++
	}
	if len(s.Problems) < maxProblems {
		s.Problems = append(s.Problems, result)
	}
}
