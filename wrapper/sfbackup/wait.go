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
	// MinDelay is the time between the first two polls of the progress (0 means 2 seconds). Each further
	// delay is about twice as long, up to MaxDelay (0 means 30 seconds, or MinDelay if that is longer). If
	// the server asks for a longer delay, the client waits that long, up to five minutes. The server itself
	// checks a running backup every 30 seconds, so short delays gain little.
	MinDelay, MaxDelay time.Duration
	// OnProgress is called with every progress of the backup, the last one included, on the goroutine that
	// waits. A progress that may be that of the previous backup is left out. If OnProgress returns an error,
	// the wait ends with that error.
	OnProgress func(*Progress) error
	// JoinRunning makes BackupAndWait wait for the running backup if the start fails with
	// CodeBackupInProgress, or with ErrOutcomeUnknown and a backup is running. That backup may not be the
	// caller's, and may have another storage and timeout. WaitForBackup ignores JoinRunning.
	JoinRunning bool
	// MaxUnreachable is how long polls may fail in a row with transient errors, or report the previous
	// backup, before the wait ends with an error; 0 is 10 minutes. A wait has to outlast a restart of the gateway. The first polls
	// that fail are retried after the delays of the RetryPolicy, the further ones after those above.
	MaxUnreachable time.Duration
	// OnRetry is called with the error of every poll that failed and will be repeated, on the goroutine
	// that waits.
	OnRetry func(error)
	// Started is the start whose backup WaitForBackup waits for: what was there before it is not taken for its result, as
	// in BackupAndWait. It must be a record of the partition, and nil for BackupAndWait and BackupMany, which wait for
	// their own starts.
	Started *StartRecord
}

const (
	defaultMinPoll        = 2 * time.Second
	defaultMaxPoll        = 30 * time.Second
	defaultMaxUnreachable = 10 * time.Minute
)

// WaitForBackup waits until the latest backup that was requested for a partition has ended. It polls the
// progress, for the first time immediately.
//
// If the backup succeeded, WaitForBackup returns its progress. If it failed or timed out, WaitForBackup returns
// the progress and a [*BackupFailedError]. It keeps waiting if it does not know the state.
//
// Transient errors, such as those of a gateway that restarts, and responses that are no progress, such as a
// page for maintenance, do not end the wait until polls have failed
// for WaitOptions.MaxUnreachable. Every other error ends the wait, but not the backup, which goes on in the
// cluster; wait again to learn what became of it. The last progress that was read, if any, is returned with
// the error. If the context ended, the error names the last state and wraps the cause of the context. For a
// partition without any requested backup the error is [ErrNoBackup].
//
// Without WaitOptions.Started, WaitForBackup does not know which backup it waits for. A server that still reports the
// previous backup makes it return the result of that one; [Client.BackupAndWait] does not have this problem.
func (c *Client) WaitForBackup(ctx context.Context, partition uuid.UUID, opts *WaitOptions) (*Progress, error) {
	w, err := c.newWait(partition, opts)
	if started := w.opts.Started; err == nil && started != nil {
		if started.data.Partition != partition || partition == uuid.Nil {
			err = errors.New("the record in Started is of another partition")
		}
		w.startedAfter(started.before, Observation{}, false)
	}
	if err != nil {
		return nil, fmt.Errorf("sfbackup: WaitForBackup: %w", err)
	}
	return w.run(ctx)
}

// BackupAndWait starts a backup as [Client.BackupPartition] does and waits for it as
// [Client.WaitForBackup] does. Nil options are the defaults.
//
// For a while after it has accepted a backup, a server may still report the previous one, or none.
// BackupAndWait ignores that, for at most WaitOptions.MaxUnreachable. If the two results cannot be told apart,
// because they are two failures on a server of 6.4 for example, or because the progress could not be read before
// the start, it accepts a result once it has seen the backup begin, or after a minute.
//
// To tell an error of the start from one of the wait, use [Client.BackupMany], whose BackupResult.Start says
// whether the backup was started.
func (c *Client) BackupAndWait(ctx context.Context, partition uuid.UUID, b *BackupOptions, w *WaitOptions) (*Progress, error) {
	wait, err := c.newWait(partition, w) // before anything is sent
	if err == nil && wait.opts.Started != nil {
		err = errStartedIsSet
	}
	if err != nil {
		return nil, fmt.Errorf("sfbackup: BackupAndWait: %w", err)
	}
	s, err := c.backup(ctx, partition, b)
	if err != nil && (w == nil || !w.JoinRunning || !meansRunning(err)) {
		return nil, err
	}
	wait.startedAfter(s.record.before, s.after.Observation, err != nil)
	return wait.run(ctx)
}

// meansRunning reports whether the error of a start says that a backup is running, this one or another.
func meansRunning(err error) bool {
	if e, ok := errors.AsType[*OutcomeUnknownError](err); ok {
		return e.After.Err == nil && e.After.Progress != nil && !e.After.Progress.BackupState.Final()
	}
	return errors.Is(err, CodeBackupInProgress)
}

// wait is one wait for a backup.
type wait struct {
	client    *Client
	partition uuid.UUID
	opts      WaitOptions   // with the defaults
	base      time.Duration // of the next delay
	last      *Progress     // that was read

	failures    int       // polls that failed in a row
	unreachable time.Time // since when; zero: the last poll did not fail

	started    bool      // a backup was started before the wait
	before     *Progress // that was read before the start; nil: none
	unsure     bool      // before does not tell the backup from an earlier one
	joined     bool      // it is not known to be this call's backup
	stale      time.Time // since when the previous backup is reported; zero: it is not
	running    bool      // the backup was seen running
	unverified time.Time // since when a final state is read that may be that of before; zero: it is not
}

func (c *Client) newWait(partition uuid.UUID, opts *WaitOptions) (*wait, error) {
	w := &wait{client: c, partition: partition}
	if opts != nil {
		w.opts = *opts
	}
	o := &w.opts
	var err error
	o.MinDelay, o.MaxDelay, err = transport.DelayRange(o.MinDelay, o.MaxDelay, defaultMinPoll, defaultMaxPoll)
	if o.MaxUnreachable < 0 {
		err = errors.New("MaxUnreachable is negative")
	}
	if o.MaxUnreachable == 0 {
		o.MaxUnreachable = defaultMaxUnreachable
	}
	w.base = o.MinDelay
	return w, err
}

var errStartedIsSet = errors.New("options have Started set, which is for WaitForBackup")

// startedAfter makes it a wait for a backup that was started between two observations, or that is joined.
func (w *wait) startedAfter(before, after Observation, joined bool) {
	w.started, w.joined, w.before = true, joined, before.Progress
	// Nothing tells a result from that of a backup that was not seen to end, unless the server said that there was none.
	// (The state Invalid says that too: the documentation has no other way.)
	w.unsure = !joined && !errors.Is(before.Err, ErrNoBackup) &&
		(w.before == nil || !w.before.BackupState.Final() && w.before.BackupState != BackupStateInvalid)
	if after.Progress != nil && after.Progress.BackupState == BackupStateAccepted {
		w.unsure = false // the outcome was judged by it
	}
}

func (w *wait) run(ctx context.Context) (*Progress, error) {
	for {
		done, delay, err := w.evaluatePoll(ctx, w.read(ctx))
		if done {
			return w.last, err
		}
		if transport.Sleep(ctx, delay) != nil {
			return w.last, w.interrupted(ctx)
		}
	}
}

// read polls the progress.
func (w *wait) read(ctx context.Context) poll {
	p := w.client.readProgress(ctx, w.partition, w.failures+1)
	if w.started && (errors.Is(p.err, ErrNoBackup) || errors.Is(p.err, errEmptyProgress)) {
		p.transient = true // there is a backup, which the server does not know yet
	}
	p.transient = p.worthRepeating()
	return p
}

// evaluatePoll decides after each poll whether the wait is done, and with which error, or else how long to
// wait before the next poll.
func (w *wait) evaluatePoll(ctx context.Context, p poll) (done bool, delay time.Duration, err error) {
	stale := p.err == nil && w.isStale(p.progress)
	if p.err == nil && !stale {
		w.last = p.progress
	}
	switch {
	case ctx.Err() != nil:
		return true, 0, w.interrupted(ctx)
	case p.err != nil:
		return w.evaluateFailure(p)
	}
	w.failures, w.unreachable = 0, time.Time{}
	if !stale {
		w.stale = time.Time{}
	} else {
		if w.stale.IsZero() {
			w.stale = time.Now()
		}
		if took := time.Since(w.stale); took >= w.opts.MaxUnreachable {
			return true, 0, fmt.Errorf("sfbackup: waiting for the backup of partition %s: the server has reported the previous one for %v", w.partition, took)
		}
		return false, max(w.next(), p.retryAfter), nil
	}
	if w.opts.OnProgress != nil {
		if err := w.opts.OnProgress(p.progress); err != nil {
			return true, 0, err
		}
	}
	switch state := p.progress.BackupState; {
	case ctx.Err() != nil:
		return true, 0, w.interrupted(ctx)
	case state == BackupStateSuccess:
		return true, 0, nil
	case state.Final():
		return true, 0, &BackupFailedError{Progress: p.progress}
	case state == "":
		return true, 0, fmt.Errorf("sfbackup: %s: %w", operationProgress, errNoState)
	}
	return false, max(w.next(), p.retryAfter), nil
}

// evaluateFailure is evaluatePoll for a poll that failed.
func (w *wait) evaluateFailure(p poll) (done bool, delay time.Duration, err error) {
	if !p.transient {
		return true, 0, p.publicErr()
	}
	now := time.Now()
	if w.failures++; w.failures == 1 {
		w.unreachable = now
	}
	left := w.opts.MaxUnreachable - now.Sub(w.unreachable)
	if left <= 0 {
		return true, 0, fmt.Errorf("sfbackup: waiting for the backup of partition %s: %s: polls have failed for %v: %w",
			w.partition, w.state(), now.Sub(w.unreachable), p.publicErr())
	}
	if w.opts.OnRetry != nil {
		w.opts.OnRetry(p.publicErr())
	}
	// The first failures are retried like those of any request, the further ones polled.
	if policy := w.client.retry; w.failures < policy.MaxAttempts {
		delay = policy.Delay(w.failures)
	} else {
		delay = w.next()
	}
	return false, min(max(delay, p.retryAfter), left), nil
}

// staleAfter is how long a final state counts as that of the previous backup if nothing tells the two apart.
const staleAfter = time.Minute

// isStale reports whether a progress is, or may be, that of the backup before the one that is waited for: a
// server can report that for a while after it has accepted a new one.
func (w *wait) isStale(p *Progress) bool {
	if !p.BackupState.Final() {
		w.running = p.BackupState != ""
		if p.BackupState == BackupStateAccepted || w.before == nil {
			w.unsure = false
		}
		return false
	}
	if !w.unsure {
		if w.before == nil || !w.before.BackupState.Final() {
			return false
		}
		switch same, known := sameBackup(w.before, p); {
		case known && same && w.joined: // the running backup may have been this one
		case known || w.running:
			return known && same
		}
	}
	if w.unverified.IsZero() {
		w.unverified = time.Now()
	}
	return time.Since(w.unverified) < staleAfter
}

// next returns the delay before the next poll. Random jitter spreads polls that began together: up to a
// quarter is added to the delay or, at the end of the range, subtracted.
func (w *wait) next() time.Duration {
	base := w.base
	w.base = w.opts.MaxDelay
	if base <= w.opts.MaxDelay/2 {
		w.base = 2 * base
	}
	jitter := rand.N(base/4 + 1) //nolint:gosec // jitter is no secret
	if jitter > w.opts.MaxDelay-base {
		return max(w.opts.MaxDelay-jitter, w.opts.MinDelay)
	}
	return base + jitter
}

// interrupted is the error of a wait whose context has ended.
func (w *wait) interrupted(ctx context.Context) error {
	return fmt.Errorf("sfbackup: waiting for the backup of partition %s: %s: %w", w.partition, w.state(), transport.ContextError(ctx))
}

func (w *wait) state() string {
	if w.last == nil {
		return "no state read"
	}
	return "last state " + text.OneLine(string(w.last.BackupState))
}
