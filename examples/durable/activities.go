package durable

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
)

// Activities are what a worker does with a cluster. The client has the credentials, and the options may have those of a
// storage; neither goes into the history of a workflow.
type Activities struct {
	Client  *sfbackup.Client
	Options sfbackup.BackupOptions
}

// A Step is what an activity has found out about a start.
type Step struct {
	Outcome sfbackup.StartOutcome
	Reason  string        `json:",omitempty"`
	Lasting bool          `json:",omitempty"` // another start would fail alike
	Again   time.Duration `json:",omitempty"` // when to resolve an unknown outcome; 0: it cannot become known
}

// Observe takes the first step of a start. It sends no request that starts a backup, so it can be repeated.
func (a *Activities) Observe(ctx context.Context, backup Backup) (sfbackup.StartRecord, error) {
	defer beat(ctx)()
	record, err := a.Client.ObserveStart(ctx, backup.Partition, &a.Options)
	return record, engineError(err)
}

// Send takes the second step. It must not be repeated.
func (a *Activities) Send(ctx context.Context, record sfbackup.StartRecord) (Step, error) {
	defer beat(ctx)()
	err := a.Client.SendStart(ctx, record, &a.Options)
	switch {
	case err == nil:
		return Step{Outcome: sfbackup.Started}, nil
	case errors.Is(err, sfbackup.ErrOutcomeUnknown):
		return Step{Outcome: sfbackup.StartUnknown, Reason: err.Error()}, nil
	}
	return Step{Outcome: sfbackup.NotStarted, Reason: err.Error(), Lasting: lasts(err)}, nil
}

// Resolve takes the third step. It can be repeated.
func (a *Activities) Resolve(ctx context.Context, record sfbackup.StartRecord) (Step, error) {
	defer beat(ctx)()
	outcome, err := a.Client.ResolveStart(ctx, record)
	step := Step{Outcome: outcome}
	if unknown, ok := errors.AsType[*sfbackup.OutcomeUnknownError](err); ok {
		step.Reason = err.Error()
		if at := unknown.DecidableAt; !at.IsZero() {
			step.Again = max(time.Until(at), time.Second)
		}
		return step, nil
	}
	return step, engineError(err)
}

// A Poll is what an activity has found out about a backup.
type Poll struct {
	Ended  bool
	Result Result
}

// pollTime is how long a poll takes at most. It takes that long only if the server may still report the backup before,
// and must be longer than the minute after which WaitForBackup takes its answer all the same.
const pollTime = 90 * time.Second

var errRuns = errors.New("the backup is running")

// Poll reads the progress of a backup that was started. It can be repeated.
func (a *Activities) Poll(ctx context.Context, record sfbackup.StartRecord) (Poll, error) {
	defer beat(ctx)()
	limited, cancel := context.WithTimeout(ctx, pollTime)
	defer cancel()
	progress, err := a.Client.WaitForBackup(limited, record.Partition(), &sfbackup.WaitOptions{
		Started: &record,
		OnProgress: func(p *sfbackup.Progress) error {
			if p.BackupState.Final() {
				return nil
			}
			return errRuns
		},
	})
	switch failed, ended := errors.AsType[*sfbackup.BackupFailedError](err); {
	case err == nil:
		return Poll{true, Result{record.Partition(), string(progress.BackupState), progress.BackupID, ""}}, nil
	case ended:
		return Poll{true, Result{Partition: record.Partition(), State: string(failed.Progress.BackupState), Reason: err.Error()}}, nil
	case errors.Is(err, errRuns), limited.Err() != nil && ctx.Err() == nil:
		return Poll{}, nil
	}
	return Poll{}, engineError(err)
}

// beat sends heartbeats until it is stopped, so that the engine soon notices a lost worker.
func beat(ctx context.Context) (stop context.CancelFunc) {
	ctx, stop = context.WithCancel(ctx)
	go func() {
		for ticker := time.NewTicker(time.Second); ; {
			select {
			case <-ticker.C:
				activity.RecordHeartbeat(ctx)
			case <-ctx.Done():
				ticker.Stop()
				return
			}
		}
	}()
	return stop
}

// engineError tells the engine not to repeat an activity that would fail alike.
func engineError(err error) error {
	if err == nil || !lasts(err) {
		return err
	}
	return temporal.NewNonRetryableApplicationError(err.Error(), "lasting", nil)
}

// lasts reports whether an error is one that the next attempt would get again: a refusal by a cluster that answers.
func lasts(err error) bool {
	refused, ok := errors.AsType[*sfbackup.APIError](err)
	if !ok || refused.StatusCode == http.StatusRequestTimeout || refused.StatusCode == http.StatusTooManyRequests {
		return false
	}
	return refused.StatusCode < http.StatusInternalServerError && !errors.Is(err, sfbackup.CodeNotPrimary) && !errors.Is(err, sfbackup.CodeTimeout)
}
