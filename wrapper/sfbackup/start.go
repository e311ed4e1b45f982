package sfbackup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/generated"
)

// A request that starts a backup has no identity, so nothing tells the server that it has had it before,
// and nothing tells the client that a backup which runs is its own. What became of a request whose
// answer is lost is read off the progress of the partition: its latest request is in it for good, so
// that one which was accepted changes it.

const operationBackup = "BackupPartition"

// A start is one call that starts a backup: a look at the progress before it, attempts, and a look after
// each attempt of which it is not certain what it did. It goes on step by step, so that whoever drives it
// decides where the time between the steps is spent.
type start struct {
	client    *Client
	partition uuid.UUID
	timeout   *generated.BackupTimeout
	body      []byte // nil: nothing has to be said

	before, after look
	attempts      int
	doubtful      bool      // the last attempt may have started the backup
	earlier       bool      // one before it may have, though the progress says that it has not
	abandoned     bool      // an attempt was given up by somebody, and may be under way still
	since         time.Time // when the first doubtful attempt was sent
	failure       error     // of the last attempt
	again         bool      // another attempt makes sense, if the last one did nothing
}

// newStart checks the arguments.
func (c *Client) newStart(partition uuid.UUID, opts *BackupOptions) (*start, error) {
	s := &start{client: c, partition: partition}
	err := requireID(partition)
	if err == nil {
		err = s.describe(opts)
	}
	if err != nil {
		return nil, fmt.Errorf("sfbackup: %s: %w", operationBackup, err)
	}
	return s, nil
}

// step goes on until there is a result or until there is something to wait for. The context is one that
// was made by withWait.
func (s *start) step(ctx context.Context) (ended bool, wait time.Duration, err error) {
	switch {
	case s.doubtful:
		if wait, again := s.after.read(ctx, s.client, s.partition); again {
			return false, wait, nil
		}
		if ctx.Err() != nil {
			break
		}
		switch s.outcome() {
		case outcomeStarted:
			return true, 0, nil
		case outcomeUnknown:
			return true, 0, s.unknown(s.failure)
		case outcomeNotStarted:
			if !s.again {
				return true, 0, s.failure
			}
			// What is after this attempt is before the next.
			s.before, s.after = s.after, look{}
			s.doubtful, s.earlier = false, true
		}
	case s.before.tries == 0 || s.before.again:
		if wait, again := s.before.read(ctx, s.client, s.partition); again {
			return false, wait, nil
		}
		if lasting, ok := errors.AsType[*lastingError](s.before.err); ok {
			return true, 0, fmt.Errorf("sfbackup: %s: %w", operationBackup, withoutURLs(lasting)) // the start would fail alike
		}
		// Without the progress only fewer outcomes are certain.
	}
	if ctx.Err() != nil {
		return true, 0, s.interrupted(ctx)
	}
	return s.attempt(ctx)
}

// attempt sends the request.
func (s *start) attempt(ctx context.Context) (ended bool, wait time.Duration, err error) {
	s.attempts++
	at := time.Now()
	sent := new(sentTrace)
	err = s.send(withAttempt(withSent(ctx, sent), s.attempts))
	if err == nil {
		return true, 0, nil
	}
	s.failure = err
	var refused, transient, gaveUp bool
	var asked time.Duration
	if apiErr, answered := errors.AsType[*APIError](err); answered {
		_, cut := errors.AsType[*cutError](err)
		withItself := s.earlier && isConflict(apiErr)
		refused = isRefusedStart(apiErr) && !cut && !sent.repeatedly() && !withItself
		transient = isTransient(apiErr.StatusCode, apiErr.Code)
		gaveUp = isGivenUp(apiErr) && time.Since(at) > instantly
		asked = min(apiErr.RetryAfter, maxAskedDelay)
	} else {
		refused = sent.nothing(err) || isLasting(err)
		transient = isTransientFailure(err)
		timeout, ok := errors.AsType[net.Error](err)
		gaveUp = ok && timeout.Timeout() || errors.Is(err, context.Canceled)
	}
	if !refused {
		s.doubtful, s.abandoned = true, s.abandoned || gaveUp
		if s.since.IsZero() {
			s.since = at
		}
	}
	if ctx.Err() != nil {
		return true, 0, s.interrupted(ctx)
	}
	policy := s.client.retry
	s.again = transient && s.attempts < policy.MaxAttempts
	wait = max(policy.delay(s.attempts), asked)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		// There is no time for another attempt, but still for a look at what this one did.
		s.again, wait = false, 0
	}
	if !s.doubtful {
		if !s.again {
			return true, 0, err
		}
		if s.before.known {
			s.before = look{} // somebody else may start a backup in the meantime
		}
	}
	return false, wait, nil
}

// send sends the request once and returns nil when it was accepted.
func (s *start) send(ctx context.Context) error {
	req, err := s.newRequest(ctx)
	if err != nil {
		return fmt.Errorf("sfbackup: %s: %w", operationBackup, err)
	}
	resp, err := s.client.do(ctx, operationBackup, req, http.StatusAccepted)
	if err != nil {
		return err
	}
	// There is no body. Somebody who sends one all the same is not waited for.
	_ = resp.Body.Close()
	return nil
}

func (s *start) newRequest(ctx context.Context) (*http.Request, error) {
	if s.body == nil {
		return s.client.newPlainBackupRequest(ctx, s.partition)
	}
	// A reader of bytes has a length, so the body is never chunked: the gateway breaks chunked
	// bodies on their way to the backup service.
	return generated.NewBackupPartitionRequestWithBody(s.client.server, s.partition, &generated.BackupPartitionParams{
		APIVersion: apiVersion, Timeout: serverTimeout(ctx), BackupTimeout: s.timeout,
	}, "application/json", bytes.NewReader(s.body))
}

// interrupted is the error of a start whose context has ended before there was a result.
func (s *start) interrupted(ctx context.Context) error {
	if s.doubtful {
		return s.unknown(contextError(ctx))
	}
	return callError(ctx, operationBackup, ctx.Err())
}

func (s *start) unknown(err error) error {
	return &OutcomeUnknownError{Before: s.before.seen(), After: s.after.seen(), Err: err}
}

// A look is what the progress of a partition was found to be.
type look struct {
	progress *Progress
	known    bool // otherwise it could not be read
	err      error
	tries    int
	again    bool // the server has asked to look again later
}

// read reads the progress. Where it reports that it should be read again later, the server has asked for
// that.
func (l *look) read(ctx context.Context, c *Client, partition uuid.UUID) (wait time.Duration, again bool) {
	progress, _, err := c.progress(ctx, partition)
	l.tries++
	l.err, l.again = err, false
	if err == nil && progress.BackupState == "" {
		return 0, false // an answer that says nothing
	}
	l.progress, l.known = progress, err == nil || errors.Is(err, ErrNoBackup)
	asked, later := comeBackLater(err)
	if !later || l.tries >= c.retry.MaxAttempts || ctx.Err() != nil {
		return 0, false
	}
	wait = max(c.retry.delay(l.tries), min(asked, maxAskedDelay))
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return 0, false
	}
	l.again = true
	return wait, true
}

// seen returns the progress as an OutcomeUnknownError has it.
func (l *look) seen() *Progress {
	if l.known && l.progress == nil {
		return &Progress{}
	}
	return l.progress
}
