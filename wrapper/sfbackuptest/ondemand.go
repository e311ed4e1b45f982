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
	stateAccepted   backupState = "Accepted"
	stateInProgress backupState = "BackupInProgress"
	stateSuccess    backupState = "Success"
	stateFailure    backupState = "Failure"
	stateTimeout    backupState = "Timeout"
)

// ended reports whether a state is final.
func (s backupState) ended() bool {
	return s == stateSuccess || s == stateFailure || s == stateTimeout
}

// onDemandBackup is a requested backup. Its whole course is decided when it is accepted. Its state depends
// only on the time.
type onDemandBackup struct {
	starts    time.Time // when it reaches the node; until then it is Accepted
	ends      time.Time // when the node has finished
	expires   time.Time // BackupTimeout after the request
	timeoutAt time.Time // when the service notices that it has expired, if it expires
	code      string    // of the failure; empty: none
	message   string
	storage   *Storage // of the policy; nil: a storage of the request, which no list shows
	finished  *Backup  // nil: not yet
}

// reachesNode reports whether the request reaches its node at all. A request that expires while it is
// queued is dropped.
func (r *onDemandBackup) reachesNode() bool { return r.starts.Before(r.expires) }

// timesOut reports whether the request expires before the backup ends.
func (r *onDemandBackup) timesOut() bool { return !r.reachesNode() || r.ends.After(r.expires) }

// state returns the state at a time. An expired request stays a Timeout, whatever its node reports later.
func (r *onDemandBackup) state(now time.Time) backupState {
	switch {
	case r.timesOut() && !now.Before(r.timeoutAt):
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

// requestBackup accepts a backup of the partition, unless another is running. The storage is that of the
// policy, or nil if the request names its own. The timeout is in minutes; if it is not positive, the
// request expires immediately. Only the latest request is remembered.
func (p *partition) requestBackup(now time.Time, timeout int64, storage *Storage, longest time.Duration) *errorResponse {
	p.completeBackups(now)
	if p.latest != nil && !p.latest.state(now).ended() {
		return errBackupInProgress
	}
	outcome := p.nextOutcome()
	r := &onDemandBackup{
		expires: now.Add(minutes(timeout)),
		code:    outcome.Code,
		message: outcome.Message,
		storage: storage,
	}
	r.timeoutAt = r.expires
	r.starts = r.deliver(now.Add(orDefault(outcome.Accepted, defaultAccepted)), outcome.Undelivered, longest)
	r.ends = r.starts.Add(orDefault(outcome.Running, defaultRunning))
	p.latest = r
	if r.reachesNode() && r.code == "" {
		p.pending = append(p.pending, r)
		slices.SortStableFunc(p.pending, func(a, b *onDemandBackup) int { return a.ends.Compare(b.ends) })
	}
	return nil
}

// deliveryRetry is the delay before a request that could not be sent to its node is sent again.
const deliveryRetry = time.Minute

// deliver returns when a request reaches its node, if it is first sent at the given time and fails to
// arrive the given number of times. In between, the service checks only at each retry whether the request
// has expired, so that it may stay Accepted for longer.
//
// While more than the longest timeout is left of its time, sending a request fails as well.
func (r *onDemandBackup) deliver(first time.Time, failures int, longest time.Duration) time.Time {
	failures = max(failures, retriesWithin(r.expires.Sub(first)-longest))
	if failures <= 0 {
		return first
	}
	if left := r.expires.Sub(first); left > 0 {
		r.timeoutAt = first.Add(deliveryRetry * time.Duration(min(retriesWithin(left), failures)))
	}
	return first.Add(minutes(int64(failures)))
}

// retriesWithin returns after how many retries a duration has passed.
func retriesWithin(d time.Duration) int {
	if d <= 0 {
		return 0
	}
	return int((d-1)/deliveryRetry) + 1
}

// nextOutcome returns the outcome of the request that is being accepted.
func (p *partition) nextOutcome() Outcome {
	switch {
	case len(p.outcomes) > 0:
		next := p.outcomes[0]
		if len(p.outcomes) > 1 {
			p.outcomes = p.outcomes[1:]
		}
		return next
	case p.service.Stateless:
		// There is no replica to deliver the request to.
		return Outcome{Accepted: math.MaxInt64}
	default:
		return Outcome{}
	}
}

// completeBackups adds the backups that have ended by now to their stores, in the order in which they
// ended.
func (p *partition) completeBackups(now time.Time) {
	for len(p.pending) > 0 && !p.pending[0].ends.After(now) {
		r := p.pending[0]
		p.pending = p.pending[1:]
		made := p.makeBackup(r)
		r.finished = &made
	}
}

func (p *partition) makeBackup(r *onDemandBackup) Backup {
	b := Backup{ID: newUUID(&p.source), Time: r.ends.UTC().Truncate(time.Second)}
	if r.storage == nil {
		// A storage without a chain to continue gets a full backup.
		b.ChainID, b.Type = b.ID, BackupTypeFull
		return p.complete(b, p.history(&p.applied, r.ends).last())
	}
	st := p.store(*r.storage)
	h := st.advance(r.ends)
	last := h.last()
	if last != nil && !last.Time.Before(b.Time) {
		// Each backup needs its own file name, and the store of a test may hold backups of a time
		// that the clock has not reached.
		b.Time = last.Time.Add(time.Second)
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
		st.schedule.continueAfter(newHistory(st.segments, st.deleted), p.chainLength, p.lastLSN)
	}
	return made
}

// orDefault returns a duration of an Outcome: the default for zero, and zero for less.
func orDefault(d, byDefault time.Duration) time.Duration {
	if d == 0 {
		return byDefault
	}
	return max(d, 0)
}

// minutes returns n minutes, at most the longest duration.
func minutes(n int64) time.Duration {
	if n > int64(math.MaxInt64/time.Minute) {
		return math.MaxInt64
	}
	return max(time.Duration(n), 0) * time.Minute
}
