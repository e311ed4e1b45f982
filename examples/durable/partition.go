package durable

import (
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// activities names the activities to the engine.
var activities *Activities

// BackupPartition is the workflow that backs up one partition. A start is not idempotent, so its steps are activities
// of their own, and the history has what was observed before each. Whatever was lost, the record in the history tells
// whether the start took effect, and only a start that certainly had none is followed by another.
func BackupPartition(ctx workflow.Context, backup Backup) (Result, error) {
	pace := backup.Pace.withDefaults()
	for starts := 1; ; starts++ {
		var record sfbackup.StartRecord
		if err := workflow.ExecuteActivity(readOnly(ctx, pace, pace.Observe), activities.Observe, backup).Get(ctx, &record); err != nil {
			return result(ctx, backup, NotStarted, err.Error())
		}
		step, err := start(ctx, pace, record)
		switch {
		case err != nil:
			return result(ctx, backup, Unknown, err.Error())
		case step.Outcome == sfbackup.Started:
			return wait(ctx, pace, backup, record)
		case step.Outcome == sfbackup.StartUnknown:
			return result(ctx, backup, Unknown, step.Reason)
		case step.Lasting || starts >= pace.Starts:
			return result(ctx, backup, NotStarted, step.Reason)
		}
		if err := workflow.Sleep(ctx, time.Duration(starts)*time.Second); err != nil {
			return Result{}, err
		}
	}
}

// start sends a start, and finds out whether it took effect.
func start(ctx workflow.Context, pace Pace, record sfbackup.StartRecord) (Step, error) {
	once := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 4 * time.Minute, // longer than a gateway holds a request
		HeartbeatTimeout:    pace.Heartbeat,
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: 1},
	})
	var step Step
	err := workflow.ExecuteActivity(once, activities.Send, record).Get(ctx, &step)
	if err == nil && step.Outcome != sfbackup.StartUnknown {
		return step, nil
	}
	// The answer was lost, or the worker that got it.
	for delay := 30 * time.Second; ; delay = min(2*delay, 10*time.Minute) {
		step = Step{} // the fields that JSON leaves out
		if err := workflow.ExecuteActivity(readOnly(ctx, pace, time.Minute), activities.Resolve, record).Get(ctx, &step); err != nil {
			return step, err
		}
		if step.Outcome != sfbackup.StartUnknown || step.Again == 0 {
			return step, nil
		}
		// Where the time alone decides, once more is enough. Where the cluster cannot be reached, it may last.
		if err := workflow.Sleep(ctx, max(step.Again, delay-30*time.Second)); err != nil {
			return step, err
		}
	}
}

// wait polls until a backup has ended.
func wait(ctx workflow.Context, pace Pace, backup Backup, record sfbackup.StartRecord) (Result, error) {
	for delay := pace.MinPoll; ; delay = min(2*delay, pace.MaxPoll) {
		if err := workflow.Sleep(ctx, delay); err != nil {
			return Result{}, err
		}
		var poll Poll
		if err := workflow.ExecuteActivity(readOnly(ctx, pace, pollTime+time.Minute), activities.Poll, record).Get(ctx, &poll); err != nil {
			return result(ctx, backup, NoResult, err.Error())
		}
		if poll.Ended {
			return poll.Result, nil
		}
	}
}

// readOnly has the options of the activities that may be repeated, for as long as the cluster cannot be reached.
func readOnly(ctx workflow.Context, pace Pace, limit time.Duration) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: limit,
		HeartbeatTimeout:    pace.Heartbeat,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: time.Minute},
	})
}

// result is that of a backup without one of the cluster, unless the workflow was cancelled.
func result(ctx workflow.Context, backup Backup, state, reason string) (Result, error) {
	return Result{Partition: backup.Partition, State: state, Reason: reason}, ctx.Err()
}
