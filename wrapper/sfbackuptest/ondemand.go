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

// onDemandBackup is one requested backup. All that will become of it is decided when
// it is accepted; what of it has happened is a question of the time.
type onDemandBackup struct {
	starts   time.Time // reaches the node: Accepted until then
	ends     time.Time // the node is done with it
	expires  time.Time // BackupTimeout after the request
	timesOut time.Time // is seen to have expired, if it does
	code     string    // of the failure; empty: none
	message  string
	place    *Storage // of the policy; nil: a storage of its own, which no list shows
	record   *record  // the backup, once it is made
}

// delivered reports whether the request ever reaches its node. One that is
// still waiting when it expires is taken from the queue and dropped.
func (r *onDemandBackup) delivered() bool { return r.starts.Before(r.expires) }

// late reports whether the request expires before it ends.
func (r *onDemandBackup) late() bool { return !r.delivered() || r.ends.After(r.expires) }

// state returns the state at a time. A request that has expired stays a
// Timeout, whatever its node reports later.
func (r *onDemandBackup) state(now time.Time) backupState {
	switch {
	case r.late() && !now.Before(r.timesOut):
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

// request accepts a backup of the partition into a storage of its policy, or
// into another if that is nil, unless one is under way. Only the latest request
// is remembered. The timeout is in minutes; one that is not positive has passed
// at once.
func (p *partition) request(now time.Time, timeout int64, place *Storage, longest time.Duration) *errorResponse {
	p.settle(now)
	if p.latest != nil && !p.latest.state(now).ended() {
		return errBackupInProgress
	}
	outcome := p.nextOutcome()
	r := &onDemandBackup{
		expires: now.Add(minutes(timeout)),
		code:    outcome.Code,
		message: outcome.Message,
		place:   place,
	}
	r.timesOut = r.expires
	r.starts = r.deliver(now.Add(orDefault(outcome.Accepted, defaultAccepted)), outcome.Undelivered, longest)
	r.ends = r.starts.Add(orDefault(outcome.Running, defaultRunning))
	p.latest = r
	if r.delivered() && r.code == "" {
		i, _ := slices.BinarySearchFunc(p.pending, r.ends, func(r *onDemandBackup, t time.Time) int {
			if r.ends.After(t) {
				return 1
			}
			return -1
		})
		p.pending = slices.Insert(p.pending, i, r)
	}
	return nil
}

// deliveryRetry is how long a request waits that could not be sent to its node.
const deliveryRetry = time.Minute

// deliver returns when a request reaches its node that is first sent at a given
// time and fails to arrive so many times. Meanwhile nobody looks whether it has
// expired but at its next turn, so that it may stay Accepted for longer.
//
// A request that may still take longer than the longest time fails to be sent
// as well, until there is less left of its time.
func (r *onDemandBackup) deliver(first time.Time, failures int, longest time.Duration) time.Time {
	failures = max(failures, turns(r.expires.Sub(first)-longest))
	if failures <= 0 {
		return first
	}
	if left := r.expires.Sub(first); left > 0 {
		r.timesOut = first.Add(deliveryRetry * time.Duration(min(turns(left), failures)))
	}
	return first.Add(minutes(int64(failures)))
}

// turns returns after how many retries a time has passed.
func turns(d time.Duration) int {
	if d <= 0 {
		return 0
	}
	return int((d-1)/deliveryRetry) + 1
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
		made := p.makeBackup(r)
		r.record = &made
	}
}

func (p *partition) makeBackup(r *onDemandBackup) record {
	b := Backup{ID: newUUID(&p.source), Time: r.ends.UTC().Truncate(time.Second)}
	if r.place == nil {
		// A store that has nothing to continue gets a full backup.
		b.ChainID, b.Type = b.ID, BackupTypeFull
		return p.complete(b, p.latestRecord(r.ends))
	}
	st := p.store(*r.place)
	h := st.settle(r.ends)
	last := h.last()
	if last != nil {
		// Each backup needs a file name of its own, and the store of a
		// test may hold backups of a time that its clock has not reached.
		if next := last.Time.Add(time.Second); next.After(b.Time) {
			b.Time = next
		}
	}
	chain, incremental := h.chain()
	if chain == uuid.Nil || incremental+1 >= p.chainLength {
		b.ChainID, b.Type = b.ID, BackupTypeFull
	} else {
		b.ChainID, b.Type = chain, BackupTypeIncremental
	}
	made := p.complete(b, last)
	st.add(made)
	if st.schedule != nil {
		st.schedule.continueAfter(newHistory(st.parts, st.from), p.chainLength, p.lastLSN)
	}
	return made
}

// latestRecord returns the last backup in the storage of the partition's policy.
func (p *partition) latestRecord(now time.Time) *record {
	return p.history(&p.follows, now).last()
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
