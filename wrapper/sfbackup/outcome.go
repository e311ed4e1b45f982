package sfbackup

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/internal/text"
	"github.com/servicefabric-go/backup/internal/transport"
)

// This file decides what became of a start.

// A StartOutcome says whether a call started a backup.
type StartOutcome int

// The outcomes of a start.
const (
	StartUnknown StartOutcome = iota // it may have started one
	NotStarted                       // it certainly started none
	Started                          // it started one
)

// String returns "unknown", "not started" or "started".
func (o StartOutcome) String() string {
	switch o {
	case Started:
		return "started"
	case NotStarted:
		return "not started"
	case StartUnknown:
	}
	return "unknown"
}

// ErrOutcomeUnknown reports that a call cannot tell whether it started a backup. It always comes in an
// [*OutcomeUnknownError].
var ErrOutcomeUnknown = errors.New("it is not known whether the backup was started")

// An Observation is the progress of a partition at one moment. Both fields are nil if it was not read.
type Observation struct {
	Progress *Progress
	Err      error // ErrNoBackup if the server said so, or why the progress could not be read
}

// known reports whether the progress was read.
func (o Observation) known() bool {
	return o.Progress != nil && o.Err == nil || errors.Is(o.Err, ErrNoBackup)
}

// String returns the state, "no backup" or "not read".
func (o Observation) String() string {
	switch {
	case errors.Is(o.Err, ErrNoBackup):
		return "no backup"
	case o.Progress == nil || o.Err != nil:
		return "not read"
	default:
		return text.OneLine(string(o.Progress.BackupState))
	}
}

// An OutcomeUnknownError says what is known about a start that may have started a backup. The progress of the
// partition may tell later: a backup that runs now and did not run before is most likely this one.
type OutcomeUnknownError struct {
	Before, After Observation // of the progress, before and after the start
	Err           error       // how the start itself failed, or why [Client.ResolveStart] cannot tell
	// DecidableAt is when ResolveStart can tell more, if the program has the StartRecord. Zero means never, unless
	// what Err says is remedied.
	DecidableAt time.Time
}

// Error returns one line: that the outcome is not known, both observed states, and how the start failed.
func (e *OutcomeUnknownError) Error() string {
	const prefix = "sfbackup: " + operationBackup + ": "
	return fmt.Sprintf("%s%v (before: %v, after: %v): %s", prefix, ErrOutcomeUnknown,
		e.Before, e.After, strings.TrimPrefix(fmt.Sprint(e.Err), prefix))
}

// Unwrap returns [ErrOutcomeUnknown] and Err.
func (e *OutcomeUnknownError) Unwrap() []error { return []error{ErrOutcomeUnknown, e.Err} }

// result returns what the error of the start says about its outcome.
func (s *start) result(err error) StartOutcome {
	switch {
	case err == nil:
		return Started
	case errors.Is(err, ErrOutcomeUnknown):
		return StartUnknown
	case errors.Is(err, CodeBackupInProgress):
		if p := s.first.Progress; p == nil || p.BackupState.Final() {
			// The running backup began after the first observation. It is another's or, if something on
			// the way has repeated a request, that of this start.
			return StartUnknown
		}
	}
	return NotStarted
}

// instantly is how long a response takes at most if nobody on the way waited for it.
const instantly = 250 * time.Millisecond

// isGivenUp reports whether a response says that a gateway or the backup service gave up waiting, or may say so:
// without a code of the cluster, a failure of any server can mean that. What it waited for may still take effect.
func isGivenUp(f *transport.Failure) bool {
	return f.StatusCode == http.StatusRequestTimeout || f.StatusCode == http.StatusBadGateway ||
		f.StatusCode == http.StatusGatewayTimeout || ErrorCode(f.Code) == CodeTimeout ||
		f.StatusCode >= http.StatusInternalServerError && !transport.IsClusterCode(f.Code)
}

func isConflict(f *transport.Failure) bool {
	return ErrorCode(f.Code) == CodeBackupInProgress || f.StatusCode == http.StatusConflict
}

// isRefusedStart reports whether a response makes it certain that the request started no backup. The code
// counts before the status: a cluster that is reconfiguring may fail after it has accepted a request, with
// any status. So may a server that fails for reasons of its own.
func isRefusedStart(f *transport.Failure) bool {
	switch {
	case transport.IsTransientCode(f.Code):
		return false
	case slices.Contains(nonRetriableCodes, ErrorCode(f.Code)):
		return true
	}
	switch f.StatusCode {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusSeeOther, 499:
		// Whoever sends one of these without a code may have passed the request on before.
		return false
	case http.StatusNotImplemented:
		return true
	}
	return f.StatusCode >= http.StatusMultipleChoices && f.StatusCode < http.StatusInternalServerError
}

// judge compares the progress before an attempt with that after it. Settled means that nothing can be in flight any
// more, and age is how long ago the first ambiguous attempt was sent. A backup that somebody else
// started in between counts as started by this call: the server does not tell them apart.
func (r StartRecord) judge(observed Observation, settled bool, age time.Duration) StartOutcome {
	before, after := r.before.Progress, observed.Progress
	unchanged := StartUnknown
	if settled {
		unchanged = NotStarted
	}
	switch {
	case !observed.known():
		return StartUnknown
	case after == nil && before == nil:
		return unchanged // whatever was there before, a started backup would be there now
	case after == nil || !r.before.known():
		return StartUnknown
	case before == nil:
		return Started
	case !before.BackupState.Final():
		// Another backup was running. It goes from Accepted to BackupInProgress and never back. That it
		// has ended says nothing about what came after it.
		if before.BackupState == BackupStateInProgress && after.BackupState == BackupStateAccepted {
			return Started
		}
		return StartUnknown
	}
	switch same, known := sameBackup(before, after); {
	case known && same:
		return unchanged
	case known:
		return Started
	case before.BackupState == BackupStateTimeout && age < r.allowed()-settleMargin:
		return unchanged // a new backup could not have timed out yet
	default:
		// Servers of 6.4 report nothing about a failure that tells it from another one like it.
		return StartUnknown
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
		// The message of a failure says nothing: it may change with the version of the service.
		return false, failureCode(a) != failureCode(b)
	}
}

func failureCode(p *Progress) ErrorCode {
	if p.FailureError == nil || !transport.IsClusterCode(string(p.FailureError.Code)) {
		return "" // a text may repeat a secret, which not every client redacts
	}
	return p.FailureError.Code
}

// allowed returns how long the backup itself may take.
func (r StartRecord) allowed() time.Duration {
	if r.data.BackupTimeout == 0 {
		return 10 * time.Minute // the server's default
	}
	return time.Duration(r.data.BackupTimeout) * time.Minute
}
