package sfbackup

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// This file judges what became of a start.

// ErrOutcomeUnknown is the error of a start of which neither is certain, that it started a backup and that
// it did not. It always comes in an [*OutcomeUnknownError].
var ErrOutcomeUnknown = errors.New("it is not known whether the backup was started")

// An OutcomeUnknownError says what is known of a start that may have started a backup. The progress of the
// partition may tell later: a backup that runs now and did not before is most likely this one.
type OutcomeUnknownError struct {
	// Before and After are the progress before the start and after it; nil if it could not be read, and
	// without a BackupState if no backup was ever requested.
	Before, After *Progress
	// Err is why the outcome is not known: how the start itself failed.
	Err error
}

// Error returns one line: that the outcome is not known, both states, and why.
func (e *OutcomeUnknownError) Error() string {
	const prefix = "sfbackup: " + operationBackup + ": "
	return fmt.Sprintf("%s%v (before: %s, after: %s): %s", prefix, ErrOutcomeUnknown,
		describeState(e.Before), describeState(e.After), strings.TrimPrefix(fmt.Sprint(e.Err), prefix))
}

func describeState(p *Progress) string {
	switch {
	case p == nil:
		return "not read"
	case p.BackupState == "":
		return "no backup"
	default:
		return oneLine(string(p.BackupState))
	}
}

// Unwrap returns [ErrOutcomeUnknown] and Err.
func (e *OutcomeUnknownError) Unwrap() []error { return []error{ErrOutcomeUnknown, e.Err} }

// instantly is how fast an answer comes that nobody has waited for.
const instantly = time.Second

// isGivenUp reports whether an answer says that somebody on the way, or the backup service itself, has given
// up waiting. What was waited for may go on.
func isGivenUp(e *APIError) bool {
	return e.StatusCode == http.StatusRequestTimeout || e.StatusCode == http.StatusBadGateway ||
		e.StatusCode == http.StatusGatewayTimeout || e.Code == CodeTimeout
}

func isConflict(e *APIError) bool {
	return e.Code == CodeBackupInProgress || e.StatusCode == http.StatusConflict
}

// isRefusedStart reports whether an answer makes it certain that the request started no backup. It goes
// by the code first: a cluster that is sorting itself out may fail after it has accepted a request, with
// any status. So may one that fails for a reason of its own.
func isRefusedStart(e *APIError) bool {
	switch {
	case slices.Contains(transientCodes, e.Code):
		return false
	case slices.Contains(lastingCodes, e.Code):
		return true
	}
	switch e.StatusCode {
	case http.StatusRequestTimeout:
		return false
	case http.StatusNotImplemented:
		return true
	}
	return e.StatusCode >= http.StatusMultipleChoices && e.StatusCode < http.StatusInternalServerError
}

// An outcome is what became of the attempts so far.
type outcome int

const (
	outcomeUnknown outcome = iota
	outcomeStarted
	outcomeNotStarted
)

// outcome compares the progress before the last attempt with that after it. A backup that
// somebody else started in between counts as started by this call: the server does not tell them apart.
func (s *start) outcome() outcome {
	before, after := s.before.progress, s.after.progress
	switch {
	case !s.after.known:
		return outcomeUnknown
	case after == nil && before == nil:
		return s.unchanged() // whatever was before, there would be something now
	case after == nil || !s.before.known:
		return outcomeUnknown
	case before == nil:
		return outcomeStarted
	case !before.BackupState.Final():
		// Another backup was running. It goes from Accepted to BackupInProgress and never back, but that it
		// has ended says nothing about what came after it.
		if before.BackupState == BackupStateInProgress && after.BackupState == BackupStateAccepted {
			return outcomeStarted
		}
		return outcomeUnknown
	}
	switch same, known := sameBackup(before, after); {
	case known && same:
		return s.unchanged()
	case known:
		return outcomeStarted
	case before.BackupState == BackupStateTimeout && time.Since(s.since) < s.longest()/2:
		return s.unchanged() // a new one could not have timed out yet
	default:
		// Servers of 6.4 tell nothing of a failure by which it could be told from another like it.
		return outcomeUnknown
	}
}

// sameBackup compares what is known of two backups that have ended.
func sameBackup(a, b *Progress) (same, known bool) {
	switch {
	case a.BackupID != uuid.Nil && b.BackupID != uuid.Nil:
		return a.BackupID == b.BackupID, true
	case a.BackupState != b.BackupState:
		return false, true
	case !a.TimeStampUTC.IsZero() && !b.TimeStampUTC.IsZero():
		return a.TimeStampUTC.Equal(b.TimeStampUTC), true
	default:
		// How a failure is worded says nothing: it may change with the version of the service.
		return false, codeOfFailure(a) != codeOfFailure(b)
	}
}

func codeOfFailure(p *Progress) ErrorCode {
	if p.FailureError == nil {
		return ""
	}
	return p.FailureError.Code
}

// unchanged is the outcome where the progress is certainly the same. Nothing was started, unless the server
// still has an attempt before it.
func (s *start) unchanged() outcome {
	if s.abandoned {
		return outcomeUnknown
	}
	return outcomeNotStarted
}

// longest returns how long the backup itself may take.
func (s *start) longest() time.Duration {
	if s.timeout == nil {
		return 10 * time.Minute // the server's
	}
	return time.Duration(*s.timeout) * time.Minute
}
