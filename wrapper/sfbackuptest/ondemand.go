package sfbackuptest

import (
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
)

const (
	defaultAccepted = time.Second
	defaultRunning  = 2 * time.Second
)

// backupState is the state of a requested backup.
type backupState string

const (
	stateInvalid    backupState = "Invalid"
	stateAccepted   backupState = "Accepted"
	stateInProgress backupState = "BackupInProgress"
	stateSuccess    backupState = "Success"
	stateFailure    backupState = "Failure"
	stateTimeout    backupState = "Timeout"
)

// ended reports whether a state is for good.
func (s backupState) ended() bool {
	return s == stateSuccess || s == stateFailure || s == stateTimeout
}

// request is one requested backup. All that will become of it is decided when
// it is accepted; what of it has happened is a question of the time.
type request struct {
	starts    time.Time // reaches the node: Accepted until then
	ends      time.Time // the node is done with it
	expires   time.Time // BackupTimeout after the request
	code      string    // of the failure; empty: none
	message   string
	elsewhere bool    // into a storage that is not the policy's
	record    *record // the backup, once it is made
}

// delivered reports whether the request ever reaches its node. One that is
// still waiting when it expires is taken from the queue and dropped.
func (r *request) delivered() bool { return r.starts.Before(r.expires) }

// late reports whether the request expires before it ends.
func (r *request) late() bool { return !r.delivered() || r.ends.After(r.expires) }

// state returns the state at a time. A request that has expired stays a
// Timeout, whatever its node reports later.
func (r *request) state(now time.Time) backupState {
	switch {
	case r.late() && !now.Before(r.expires):
		return stateTimeout
	case now.Before(r.starts):
		return stateAccepted
	case now.Before(r.ends):
		return stateInProgress
	case r.code != "":
		return stateFailure
	default:
		return stateSuccess
	}
}

// request accepts a backup of the partition, unless one is under way.
// Only the latest request is remembered. The timeout is in minutes; one that
// is not positive has passed at once.
func (p *partition) request(now time.Time, timeout int64, elsewhere bool) *failure {
	p.settle(now)
	if p.latest != nil && !p.latest.state(now).ended() {
		return errBackupInProgress
	}
	outcome := p.nextOutcome()
	r := &request{
		starts:    now.Add(orDefault(outcome.Accepted, defaultAccepted)),
		expires:   now.Add(minutes(timeout)),
		code:      outcome.Code,
		message:   outcome.Message,
		elsewhere: elsewhere,
	}
	r.ends = r.starts.Add(orDefault(outcome.Running, defaultRunning))
	p.latest = r
	if r.delivered() && r.code == "" {
		i, _ := slices.BinarySearchFunc(p.pending, r.ends, func(r *request, t time.Time) int {
			if r.ends.After(t) {
				return 1
			}
			return -1
		})
		p.pending = slices.Insert(p.pending, i, r)
	}
	return nil
}

// nextOutcome takes the outcome of the request that is being accepted.
func (p *partition) nextOutcome() Outcome {
	if len(p.outcomes) > 1 {
		next := p.outcomes[0]
		p.outcomes = p.outcomes[1:]
		return next
	}
	if len(p.outcomes) == 1 {
		return p.outcomes[0]
	}
	if p.service.stateless {
		// No replica is there to deliver to.
		return Outcome{Accepted: math.MaxInt64}
	}
	return Outcome{}
}

// settle makes the backups that have ended by now, in the order in which they
// ended.
func (p *partition) settle(now time.Time) {
	for len(p.pending) > 0 && !p.pending[0].ends.After(now) {
		r := p.pending[0]
		p.pending = p.pending[1:]
		b := Backup{ID: newUUID(p.source), Time: r.ends.UTC().Truncate(time.Second)}
		if r.elsewhere {
			// A store that has nothing to continue gets a full backup. It is
			// not the policy's store, so that no list shows it.
			b.ChainID, b.Type = b.ID, BackupTypeFull
			r.record = p.complete(b)
			continue
		}
		if last := p.backups.last(); last != nil {
			// Each backup needs a file name of its own, and the store of a
			// test may hold backups of a time that its clock has not reached.
			if next := last.Time.Add(time.Second); next.After(b.Time) {
				b.Time = next
			}
		}
		chain, incremental := p.backups.chain()
		if chain == uuid.Nil || incremental >= p.service.maxIncremental {
			b.ChainID, b.Type = b.ID, BackupTypeFull
		} else {
			b.ChainID, b.Type = chain, BackupTypeIncremental
		}
		r.record = p.store(b)
	}
}

// orDefault reads a duration of an Outcome.
func orDefault(d, zero time.Duration) time.Duration {
	if d == 0 {
		return zero
	}
	return max(d, 0)
}

// minutes returns n minutes, or the longest time there is.
func minutes(n int64) time.Duration {
	if n > int64(math.MaxInt64/time.Minute) {
		return math.MaxInt64
	}
	return max(time.Duration(n), 0) * time.Minute
}
