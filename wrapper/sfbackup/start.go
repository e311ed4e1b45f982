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
	"github.com/servicefabric-go/backup/internal/document"
	"github.com/servicefabric-go/backup/internal/transport"
)

// A request that starts a backup has no identity. The server cannot tell that it has seen it before, and the
// client cannot tell that a running backup is its own. If a response is lost, the progress of the partition
// tells what became of the request: it describes the latest request for good, so an accepted one changes it.

const operationBackup = document.OpBackupPartition

// A start is one call that starts a backup: an observation of the progress, attempts, and another
// observation after each attempt with an ambiguous outcome. With n as MaxAttempts, each observation takes at
// most n requests, so a start takes at most n + n(1+n). It goes on step by step, so that its caller
// decides how to spend the time between the steps.
type start struct {
	encodedBackup

	client    *Client
	partition uuid.UUID
	record    StartRecord // of the next attempt, or of the last

	first          Observation // of the call
	before, after  observation
	attempts       int
	ambiguous      bool      // the last attempt may have started the backup
	priorAmbiguous bool      // an earlier attempt may have, though the progress says that it has not
	maybeInFlight  bool      // somebody gave up on an attempt that may still take effect
	once           bool      // it is one attempt of a given record
	sendBy         time.Time // until when the request may be written; zero: nobody else has the record
	failure        error     // of the last attempt
	retriable      bool      // the last attempt can be retried if it did nothing
}

// newStart returns the start of a backup with encoded options.
func (c *Client) newStart(partition uuid.UUID, opts encodedBackup) *start {
	return &start{client: c, partition: partition, encodedBackup: opts}
}

// run takes steps until one is the last.
func (s *start) run(ctx context.Context, step func(context.Context) (done bool, wait time.Duration, err error)) error {
	for {
		done, wait, err := step(ctx)
		if done {
			return err
		}
		if transport.Sleep(ctx, wait) != nil {
			return s.interrupted(ctx)
		}
	}
}

// step goes on until there is a result, or until there is something to wait for.
func (s *start) step(ctx context.Context) (done bool, wait time.Duration, err error) {
	switch {
	case s.ambiguous:
		if wait, pending := s.after.read(ctx, s.client, s.partition); pending {
			return false, wait, nil
		}
		if ctx.Err() != nil {
			break
		}
		switch s.record.judge(s.after.Observation, !s.maybeInFlight, time.Since(s.record.data.FirstSent)) {
		case Started:
			return true, 0, nil
		case StartUnknown:
			return true, 0, s.unknown(s.failure)
		case NotStarted:
			if !s.retriable {
				return true, 0, s.failure
			}
			// What was observed after this attempt was observed before the next.
			s.before, s.after = s.after, observation{}
			s.newRecord(ctx)
			s.ambiguous, s.priorAmbiguous = false, true
		}
	case s.before.tries == 0 || s.before.pending:
		if done, wait, err := s.observe(ctx); !done || err != nil {
			return done, wait, err
		}
		// Without the progress fewer outcomes are certain.
	}
	if ctx.Err() != nil {
		return true, 0, s.interrupted(ctx)
	}
	return s.attempt(ctx)
}

// observe reads the progress before an attempt. Done means that there is a record, or an error.
func (s *start) observe(ctx context.Context) (done bool, wait time.Duration, err error) {
	if err := requireID(s.partition); err != nil {
		return true, 0, fmt.Errorf("sfbackup: %s: %w", operationBackup, err)
	}
	if wait, pending := s.before.read(ctx, s.client, s.partition); pending {
		return false, wait, nil
	}
	if s.attempts == 0 {
		s.first = s.before.Observation
	}
	if err := transport.NonRetriable(s.before.Err); err != nil {
		return true, 0, fmt.Errorf("sfbackup: %s: %w", operationBackup, err) // the attempt would fail alike
	}
	s.newRecord(ctx)
	return true, 0, nil
}

// maySend reports whether the request may be written now. A clock that does not run while a machine is suspended says
// less than the time of day.
func (s *start) maySend() error {
	if now := time.Now(); now.After(s.sendBy) || now.Round(0).After(s.sendBy.Round(0)) {
		return errStartExpired
	}
	return nil
}

// attempt sends the request.
func (s *start) attempt(ctx context.Context) (done bool, wait time.Duration, err error) {
	s.attempts++
	sent := time.Now()
	trace := new(transport.ConnTrace)
	req, err := s.newRequest(ctx)
	if err != nil {
		return true, 0, fmt.Errorf("sfbackup: %s: %w", operationBackup, err)
	}
	call := transport.Call{Operation: operationBackup, Want: wantAccepted, Attempt: s.attempts, Trace: trace, Secrets: s.secrets}
	if s.onSend != nil {
		if !s.once {
			if !s.record.before.known() {
				// Without a result an observation does not grow old. What the server's clock says at this attempt
				// is not known.
				s.record.data.SendBy, s.record.data.ServerSendBy = sent.Add(startWindow), time.Time{}
			}
			s.sendBy = s.record.data.SendBy
		}
		if err := s.onSend(s.record); err != nil {
			return true, 0, fmt.Errorf("sfbackup: %s: OnSend: %w", operationBackup, err)
		}
	}
	if !s.sendBy.IsZero() {
		call.MaySend = s.maySend
	}
	resp, err := s.client.send(ctx, req, call)
	if err == nil {
		// A 202 has no body. If there is one all the same, it is not waited for.
		_ = resp.Body.Close()
		return true, 0, nil
	}
	retriable := errors.Is(err, errStartExpired) || transport.IsRetriable(err)
	var refused, gaveUp bool
	var retryAfter time.Duration
	if f, ok := err.(*transport.Failure); ok { //nolint:errorlint // it comes as it is
		conflictsWithOwnAttempt := s.priorAmbiguous && isConflict(f)
		cut := f.Cut && f.Code == ""
		refused = isRefusedStart(f) && !cut && !trace.Repeated() && !conflictsWithOwnAttempt
		gaveUp = isGivenUp(f) && trace.Waited() > instantly
		retryAfter = f.RetryAfter
	} else {
		refused = trace.NothingSent(err)
		timeout, ok := errors.AsType[net.Error](err)
		gaveUp = ok && timeout.Timeout() || errors.Is(err, context.Canceled)
	}
	s.failure = callError(operationBackup, req, err)
	if !refused {
		s.ambiguous, s.maybeInFlight = true, s.maybeInFlight || gaveUp
		if s.record.data.FirstSent.IsZero() {
			s.record.data.FirstSent = sent
		}
	}
	switch {
	case !s.ambiguous && !retriable:
		return true, 0, s.failure // which says more than that the context has ended, if it has
	case ctx.Err() != nil:
		return true, 0, s.interrupted(ctx)
	}
	// If there is no time for another attempt, there is still time to observe what this one did.
	wait, inTime := s.client.retry.Backoff(ctx, s.attempts, retryAfter)
	s.retriable = retriable && inTime && s.attempts < s.client.retry.MaxAttempts
	if !s.ambiguous {
		if !s.retriable {
			return true, 0, s.failure
		}
		if s.before.known() {
			s.before = observation{} // somebody else may start a backup in the meantime
		}
	}
	return false, wait, nil
}

var wantAccepted = []int{http.StatusAccepted}

func (s *start) newRequest(ctx context.Context) (*http.Request, error) {
	timeout := serverTimeout(ctx)
	if limit := generated.Timeout(s.record.data.Timeout); timeout != nil && *timeout > limit || timeout == nil && limit < startTimeout { //nolint:gosec // it is at most 60
		timeout = &limit
	}
	if s.body == nil {
		return s.client.newPlainBackupRequest(s.partition, timeout)
	}
	// A reader of bytes has a length, so the body is never chunked: the gateway corrupts chunked bodies on
	// their way to the backup service.
	return generated.NewBackupPartitionRequestWithBody(s.client.server, s.partition, &generated.BackupPartitionParams{
		APIVersion: apiVersion, Timeout: timeout, BackupTimeout: s.timeout,
	}, "application/json", bytes.NewReader(s.body))
}

// interrupted is the error of a start whose context has ended before there was a result.
func (s *start) interrupted(ctx context.Context) error {
	err := transport.ContextError(ctx)
	if s.ambiguous {
		return s.unknown(err)
	}
	return fmt.Errorf("sfbackup: %s: %w", operationBackup, err)
}

func (s *start) unknown(err error) error {
	now, date := time.Now(), s.record.data.ServerSendBy
	if !date.IsZero() {
		date = date.Add(now.Sub(s.record.data.SendBy)) // about what ResolveStart will read
	}
	left, age := s.record.timeLeft(now, date, 0, s.client.gatewayHold)
	after := s.after.Observation
	return &OutcomeUnknownError{Before: s.record.before, After: after, Err: err, DecidableAt: s.record.decidableAt(left, age, after)}
}

// An observation is an [Observation] that may take several tries.
type observation struct {
	Observation

	asked   time.Time // when the last request for it was sent
	date    time.Time // of the response, on the server's clock; zero: it has none
	tries   int
	pending bool // it failed, and is worth another try
}

// read reads the progress with one request. If it reports that the observation is pending, read has to be called
// again after the wait.
func (o *observation) read(ctx context.Context, c *Client, partition uuid.UUID) (wait time.Duration, pending bool) {
	o.tries++
	o.pending = false
	p := c.readProgress(ctx, partition, o.tries)
	o.Observation, o.asked, o.date = p.observed(), p.asked, p.date
	if !p.transient || o.tries >= c.retry.MaxAttempts || ctx.Err() != nil {
		return 0, false
	}
	wait, o.pending = c.retry.Backoff(ctx, o.tries, p.retryAfter)
	return wait, o.pending
}
