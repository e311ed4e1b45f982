package sfbackup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// WaitOptions says how to wait for a backup. A nil or zero WaitOptions is the default.
type WaitOptions struct {
	// MinDelay is the time from the first look at the progress to the second; 0 is 2 seconds. Each
	// further one is about twice as long, up to MaxDelay; 0 is 30 seconds, or MinDelay if that is
	// longer. A server that asks for more time gets it. The server itself looks after a running
	// backup every 30 seconds, so short delays gain little.
	MinDelay, MaxDelay time.Duration
	// OnProgress is called with every progress that is read, the last one included, on the goroutine
	// that waits. Its error ends the wait and is returned as it is.
	OnProgress func(*Progress) error
	// JoinRunning lets BackupAndWait wait for a backup that runs already, instead of failing with
	// CodeBackupInProgress, or with ErrOutcomeUnknown while one runs. The result is then that of the
	// running backup, which may have another storage and another timeout. WaitForBackup ignores it.
	JoinRunning bool
}

const (
	defaultMinDelay = 2 * time.Second
	defaultMaxDelay = 30 * time.Second
)

// WaitForBackup waits until the latest backup that was requested for a partition has ended. It
// looks at the progress at once, and then again and again until the context ends.
//
// Success returns the progress. A failure and a timeout of the backup return it with a
// [*BackupFailedError]. A state that this package does not know is waited on.
//
// Every other error ends the wait and not the backup, which goes on in the cluster; wait again to
// learn what became of it. Only the statuses 429 and 503 are waited out: the backup service answers
// so while it moves to another node. The last progress that was read, if any, comes with the error.
// When the context ended, the error names the last state and wraps the cause of the context. A
// partition without any requested backup is [ErrNoBackup].
func (c *Client) WaitForBackup(ctx context.Context, partition uuid.UUID, opts *WaitOptions) (*Progress, error) {
	w, err := newWait(opts)
	if err != nil {
		return nil, fmt.Errorf("sfbackup: WaitForBackup: %w", err)
	}
	var last *Progress
	ctx = withWait(ctx)
	for {
		progress, ask, err := c.progress(ctx, partition)
		if progress != nil {
			last = progress
		}
		if err == nil && ctx.Err() == nil && w.onProgress != nil {
			if err := w.onProgress(progress); err != nil {
				return progress, err
			}
		}
		ended, ask, err := judge(ctx, partition, last, ask, err)
		if ended {
			return last, err
		}
		if sleep(ctx, max(w.next(), ask)) != nil {
			return last, waitError(ctx, partition, last)
		}
	}
}

// judge decides after each look at a backup whether the wait for it has ended, and how; or else how
// long to wait at least before the next look. last is the last progress that was read, and that of
// this look if err is nil.
func judge(ctx context.Context, partition uuid.UUID, last *Progress, ask time.Duration, err error) (ended bool, atLeast time.Duration, _ error) {
	switch {
	case ctx.Err() != nil:
		return true, 0, waitError(ctx, partition, last)
	case err != nil:
		if atLeast, later := comeBackLater(err); later {
			return false, atLeast, nil
		}
		return true, 0, err
	case last.BackupState == BackupStateSuccess:
		return true, 0, nil
	case last.BackupState.Final():
		return true, 0, &BackupFailedError{Progress: last}
	case last.BackupState == "":
		return true, 0, errors.New("sfbackup: GetPartitionBackupProgress: the answer has no BackupState")
	}
	return false, ask, nil
}

// BackupAndWait starts a backup as [Client.BackupPartition] does and waits for it as
// [Client.WaitForBackup] does. Nil options are the defaults. To tell an error of the start from one
// of the wait, call the two one after the other.
func (c *Client) BackupAndWait(ctx context.Context, partition uuid.UUID, b *BackupOptions, w *WaitOptions) (*Progress, error) {
	if _, err := newWait(w); err != nil { // before anything is sent
		return nil, fmt.Errorf("sfbackup: BackupAndWait: %w", err)
	}
	err := c.BackupPartition(ctx, partition, b)
	if err != nil && (w == nil || !w.JoinRunning || !meansRunning(err)) {
		return nil, err
	}
	return c.WaitForBackup(ctx, partition, w)
}

// meansRunning reports whether the error of a start says that a backup is running, be it this one or another.
func meansRunning(err error) bool {
	if e, ok := errors.AsType[*OutcomeUnknownError](err); ok {
		return e.After != nil && e.After.BackupState != "" && !e.After.BackupState.Final()
	}
	return errors.Is(err, CodeBackupInProgress)
}

// wait is the schedule of one wait.
type wait struct {
	base, min, max time.Duration
	onProgress     func(*Progress) error
}

func newWait(opts *WaitOptions) (*wait, error) {
	if opts == nil {
		opts = &WaitOptions{}
	}
	w := &wait{min: opts.MinDelay, max: opts.MaxDelay, onProgress: opts.OnProgress}
	if w.min < 0 || w.max < 0 {
		return nil, errors.New("a delay is negative")
	}
	if w.min == 0 {
		w.min = defaultMinDelay
		if w.max > 0 {
			w.min = min(w.min, w.max)
		}
	}
	if w.max == 0 {
		w.max = max(defaultMaxDelay, w.min)
	}
	if w.min > w.max {
		return nil, fmt.Errorf("MinDelay %v is longer than MaxDelay %v", w.min, w.max)
	}
	w.base = w.min
	return w, nil
}

// next returns the delay before the next look. It is up to a quarter longer than it would be, or at
// the end of the range shorter, so that many waits that began together spread out.
func (w *wait) next() time.Duration {
	base := w.base
	w.base = w.max
	if base <= w.max/2 {
		w.base = 2 * base
	}
	spread := rand.N(base/4 + 1) //nolint:gosec // spreading needs no secrecy
	if spread > w.max-base {
		return max(w.max-spread, w.min)
	}
	return base + spread
}

// comeBackLater reports whether an answer says that it is only for now: too many requests, or a
// service that is moving to another node; and how long to wait at least.
func comeBackLater(err error) (atLeast time.Duration, ok bool) {
	e, ok := errors.AsType[*APIError](err)
	if !ok || !isLater(e.StatusCode) {
		return 0, false
	}
	return e.RetryAfter, true
}

func isLater(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

func waitError(ctx context.Context, partition uuid.UUID, last *Progress) error {
	state := "no state read"
	if last != nil {
		state = "last state " + oneLine(string(last.BackupState))
	}
	return fmt.Errorf("sfbackup: waiting for the backup of partition %s: %s: %w", partition, state, contextError(ctx))
}
