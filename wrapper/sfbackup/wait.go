package sfbackup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/internal/text"
	"github.com/servicefabric-go/backup/internal/transport"
)

// WaitOptions says how to wait for a backup. A nil or zero WaitOptions is the default.
type WaitOptions struct {
	// MinDelay is the time between the first two polls of the progress; 0 is 2 seconds. Each
	// further delay is about twice as long, up to MaxDelay; 0 is 30 seconds, or MinDelay if that is
	// longer. A server that asks for a longer delay gets it, up to five minutes. The server itself checks
	// a running backup every 30 seconds, so short delays gain little.
	MinDelay, MaxDelay time.Duration
	// OnProgress is called with every progress that is read, the last one included, on the goroutine
	// that waits. Its error ends the wait and is returned as it is.
	OnProgress func(*Progress) error
	// JoinRunning lets BackupAndWait wait for a backup that is already running, instead of failing with
	// CodeBackupInProgress, or with ErrOutcomeUnknown while one is running. The result is then that of
	// the running backup, which may have another storage and another timeout. WaitForBackup ignores it.
	JoinRunning bool
}

const (
	defaultMinPoll = 2 * time.Second
	defaultMaxPoll = 30 * time.Second
)

// WaitForBackup waits until the latest backup that was requested for a partition has ended. It polls the
// progress, for the first time at once, until the context ends.
//
// A success returns the progress. A failure and a timeout of the backup return it with a
// [*BackupFailedError]. A state that this package does not know is waited on.
//
// Every other error ends the wait, but not the backup, which goes on in the cluster; wait again to
// learn what became of it. The statuses 429 and 503 do not end the wait: the backup service sends them
// while it moves to another node. The last progress that was read, if any, is returned with the error.
// If the context ended, the error names the last state and wraps the cause of the context. For a
// partition without any requested backup the error is [ErrNoBackup].
func (c *Client) WaitForBackup(ctx context.Context, partition uuid.UUID, opts *WaitOptions) (*Progress, error) {
	w, err := newWait(partition, opts)
	if err != nil {
		return nil, fmt.Errorf("sfbackup: WaitForBackup: %w", err)
	}
	for {
		progress, retryAfter, err := c.progress(ctx, partition, true)
		done, delay, err := w.evaluatePoll(ctx, progress, retryAfter, err)
		if done {
			return w.last, err
		}
		if transport.Sleep(ctx, delay) != nil {
			return w.last, w.interrupted(ctx)
		}
	}
}

// BackupAndWait starts a backup as [Client.BackupPartition] does and waits for it as
// [Client.WaitForBackup] does. Nil options are the defaults. To tell an error of the start from one
// of the wait, call the two one after the other.
func (c *Client) BackupAndWait(ctx context.Context, partition uuid.UUID, b *BackupOptions, w *WaitOptions) (*Progress, error) {
	if _, err := newWait(partition, w); err != nil { // before anything is sent
		return nil, fmt.Errorf("sfbackup: BackupAndWait: %w", err)
	}
	err := c.BackupPartition(ctx, partition, b)
	if err != nil && (w == nil || !w.JoinRunning || !meansRunning(err)) {
		return nil, err
	}
	return c.WaitForBackup(ctx, partition, w)
}

// meansRunning reports whether the error of a start says that a backup is running, this one or another.
func meansRunning(err error) bool {
	if e, ok := errors.AsType[*OutcomeUnknownError](err); ok {
		return e.After.Err == nil && e.After.Progress != nil && !e.After.Progress.BackupState.Final()
	}
	return errors.Is(err, CodeBackupInProgress)
}

// wait is one wait for a backup: its schedule, and the last progress that was read.
type wait struct {
	partition      uuid.UUID
	base, min, max time.Duration // of the delays; base is the next one
	onProgress     func(*Progress) error
	last           *Progress
}

func newWait(partition uuid.UUID, opts *WaitOptions) (*wait, error) {
	if opts == nil {
		opts = &WaitOptions{}
	}
	shortest, longest, err := transport.DelayRange(opts.MinDelay, opts.MaxDelay, defaultMinPoll, defaultMaxPoll)
	return &wait{partition: partition, base: shortest, min: shortest, max: longest, onProgress: opts.OnProgress}, err
}

// evaluatePoll decides after each poll whether the wait is done, and with which error, or else how long to
// wait before the next poll.
func (w *wait) evaluatePoll(ctx context.Context, progress *Progress, retryAfter time.Duration, err error) (done bool, delay time.Duration, _ error) {
	if progress != nil {
		w.last = progress
	}
	switch {
	case ctx.Err() != nil:
		return true, 0, w.interrupted(ctx)
	case err != nil:
		var unavailable bool
		if retryAfter, unavailable = retryAfterOf(err); !unavailable {
			return true, 0, err
		}
	default:
		if w.onProgress != nil {
			if err := w.onProgress(progress); err != nil {
				return true, 0, err
			}
		}
		switch {
		case ctx.Err() != nil:
			return true, 0, w.interrupted(ctx)
		case progress.BackupState == BackupStateSuccess:
			return true, 0, nil
		case progress.BackupState.Final():
			return true, 0, &BackupFailedError{Progress: progress}
		case progress.BackupState == "":
			return true, 0, fmt.Errorf("sfbackup: %s: %w", operationProgress, errNoState)
		}
	}
	return false, max(w.next(), retryAfter), nil
}

// next returns the delay before the next poll. Random jitter spreads polls that began together: up to a
// quarter is added to the delay or, at the end of the range, subtracted.
func (w *wait) next() time.Duration {
	base := w.base
	w.base = w.max
	if base <= w.max/2 {
		w.base = 2 * base
	}
	jitter := rand.N(base/4 + 1) //nolint:gosec // jitter is no secret
	if jitter > w.max-base {
		return max(w.max-jitter, w.min)
	}
	return base + jitter
}

// interrupted is the error of a wait whose context has ended.
func (w *wait) interrupted(ctx context.Context) error {
	state := "no state read"
	if w.last != nil {
		state = "last state " + text.OneLine(string(w.last.BackupState))
	}
	return fmt.Errorf("sfbackup: waiting for the backup of partition %s: %s: %w", w.partition, state, transport.ContextError(ctx))
}

// retryAfterOf reports whether an error is that of a server which asks to come back later: too many
// requests, or a service that moves to another node. It also returns the delay that the server asks for.
func retryAfterOf(err error) (retryAfter time.Duration, unavailable bool) {
	e, ok := errors.AsType[*APIError](err)
	if !ok || !transport.IsUnavailable(e.StatusCode) {
		return 0, false
	}
	return e.RetryAfter, true
}
