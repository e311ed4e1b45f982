package sfbackuptest

import (
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/internal/document"
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

// ended reports whether a state is final. Of one that is not in the document nothing else is known.
func (s backupState) ended() bool {
	return slices.Contains(document.FinalBackupState, string(s)) || !slices.Contains(document.BackupState, string(s))
}

// onDemandBackup is a requested backup. Its whole course is decided when it is accepted. Its state depends
// only on the time.
type onDemandBackup struct {
	stuck     bool        // it is Accepted for good, because the service cannot process it
	lost      bool        // its result is stored under another spelling of the partition's ID
	starts    time.Time   // when it reaches the node; until then it is Accepted
	ends      time.Time   // when the node has finished
	expires   time.Time   // BackupTimeout after the request
	timeoutAt time.Time   // when the service notices that it has expired, if it expires
	last      backupState // in which it ends, unless it times out
	code      string      // of the failure; empty: none
	message   string
	storage   *Storage // of the policy; nil: a storage of the request, which no list shows
	finished  *Backup  // nil: not yet
}

// reachesNode reports whether the request reaches its node at all. A request that expires while it is
// queued is dropped.
func (r *onDemandBackup) reachesNode() bool { return r.starts.Before(r.expires) }

// timesOut reports whether the request expires before its result is known.
func (r *onDemandBackup) timesOut() bool {
	return r.lost || !r.reachesNode() || r.ends.After(r.expires)
}

// state returns the state at a time. An expired request stays a Timeout, whatever its node reports later.
func (r *onDemandBackup) state(now time.Time) backupState {
	switch {
	case r.stuck:
		return stateAccepted
	case r.timesOut() && !now.Before(r.timeoutAt):
		return stateTimeout
	case now.Before(r.starts):
		return stateAccepted
	case r.lost || now.Before(r.ends):
		return stateInProgress
	default:
		return r.last
	}
}

// maxDequeue is how long it may take until the service looks at a request for the first time.
const maxDequeue = 5 * time.Second

// requestBackup accepts a backup of the partition, unless another is running. The storage is that of the
// policy, or nil if the request names its own. The timeout is in minutes; if it is not positive, the
// request expires when the service first looks at it. Only the latest request is remembered.
func (p spelling) requestBackup(now time.Time, timeout int64, storage *Storage, behavior *behavior) *errorResponse {
	p.completeBackups(now)
	if latest := p.latest[p.text]; latest != nil && !latest.state(now).ended() {
		return errBackupInProgress
	}
	outcome := p.nextOutcome()
	sinceYear1 := (now.Unix() - time.Time{}.Unix()) / 60
	uri, _ := p.inURI() // an ID that is another one in the URI is never found again
	first := now.Add(orDefault(outcome.Accepted, defaultAccepted))
	r := &onDemandBackup{
		stuck:   uri != p.text || behavior.timeoutsOverflow && (timeout > math.MaxInt32/60_000 || timeout < -sinceYear1),
		lost:    !p.canonical(),
		expires: now.Add(minutes(timeout)),
		last:    backupState(outcome.State),
		code:    outcome.Code,
		message: outcome.Message,
		storage: storage,
	}
	switch {
	case r.last != "":
	case r.code != "":
		r.last = stateFailure
	default:
		r.last = stateSuccess
	}
	r.timeoutAt = r.expires
	if dequeued := now.Add(min(first.Sub(now), maxDequeue)); dequeued.After(r.expires) {
		r.timeoutAt = dequeued
	}
	r.starts = r.deliver(first, outcome.Undelivered)
	r.ends = r.starts.Add(orDefault(outcome.Running, defaultRunning))
	if p.latest == nil {
		p.latest = make(map[string]*onDemandBackup)
	}
	p.latest[p.text] = r
	if !r.stuck && r.reachesNode() && r.last == stateSuccess {
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
func (r *onDemandBackup) deliver(first time.Time, failures int) time.Time {
	if failures <= 0 {
		return first
	}
	if left := r.expires.Sub(first); left > 0 {
		r.timeoutAt = first.Add(deliveryRetry * time.Duration(min(int((left-1)/deliveryRetry)+1, failures)))
	}
	return first.Add(minutes(int64(failures)))
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

// makeBackup makes a requested backup. It is full and begins a chain of its own, which nothing continues: the
// next periodic backup is full as well.
func (p *partition) makeBackup(r *onDemandBackup) Backup {
	id := newUUID(&p.source)
	b := Backup{ID: id, ChainID: id, Type: BackupTypeFull, Time: r.ends.UTC().Truncate(time.Second)}
	p.ownChain = id
	storage := p.applied.Storage
	if r.storage != nil {
		storage = *r.storage
	}
	st := p.store(storage)
	last := st.advance(r.ends).last()
	if r.storage != nil && last != nil && !last.Time.Before(b.Time) {
		// Each backup needs its own file name, and the store of a test may hold backups of a time
		// that the clock has not reached.
		b.Time = last.Time.Add(time.Second)
	}
	made := p.complete(b, last)
	if r.storage != nil {
		st.add(made)
	}
	if applied := p.store(p.applied.Storage); applied.schedule != nil {
		applied.schedule.continueAfter(applied.advance(r.ends), p)
		applied.schedule.chain, applied.schedule.used = uuid.Nil, 0
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
