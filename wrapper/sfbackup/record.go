package sfbackup

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/google/uuid"
)

// A StartRecord is what has to survive a crash, so that another process can tell whether a start took effect. It
// comes from [Client.ObserveStart] or BackupOptions.OnSend, marshals to JSON and holds no secret. JSON of another
// version of the format, or that has been changed, is an error. The zero StartRecord cannot be used.
type StartRecord struct {
	data   recordData
	before Observation // that of the data, and all of it in the process that has made it
	local  bool        // the times have monotonic readings of this process
}

// recordData is the JSON form of a StartRecord.
type recordData struct {
	Version       int
	Partition     uuid.UUID
	Known         bool      // whether the progress before the start is
	Before        *Progress // as far as it is judged: the rest could name a storage; nil: none, or not known
	FirstSent     time.Time `json:",omitzero"` // the first ambiguous attempt; zero: there was none before this one
	SendBy        time.Time // startWindow after the observation
	ServerSendBy  time.Time `json:",omitzero"` // the same on the clock of the server; zero: its responses had no Date
	Timeout       int       // of the request, in seconds, at most
	BackupTimeout int       // in minutes; 0: the server's default
	Sum           uint32    // CRC-32 of the JSON with a Sum of 0
}

const (
	recordVersion = 1
	// startWindow is how long after its observation a start may be sent.
	startWindow = time.Minute
	// startTimeout is the longest timeout of a start, in seconds, and the server's default. A longer one would only
	// keep the outcome unknown for longer.
	startTimeout = 60
	// settleMargin covers what a Date is inexact by, and what a request needs from the client to the gateway.
	settleMargin = 30 * time.Second
	// clockDifference is the most that the clocks of two machines may differ by.
	clockDifference = 5 * time.Minute
	// lookAgain is when to look again after a look that failed.
	lookAgain = 30 * time.Second
)

var (
	errStartExpired = errors.New("the observation is too old: a start has to be sent within a minute of it")
	errNoRecord     = errors.New("the StartRecord is empty")
)

// Partition returns the partition that the record is about.
func (r StartRecord) Partition() uuid.UUID { return r.data.Partition }

// MarshalJSON writes the record on one line. Only UnmarshalJSON has to understand it.
func (r StartRecord) MarshalJSON() (data []byte, err error) {
	if r.data.Partition == uuid.Nil {
		return nil, fmt.Errorf("sfbackup: %w", errNoRecord)
	}
	if r.data.Sum, err = r.data.sum(); err != nil {
		return nil, fmt.Errorf("sfbackup: StartRecord: %w", err)
	}
	return jsonv2.Marshal(&r.data)
}

// UnmarshalJSON reads what MarshalJSON writes. JSON whose values were changed is an error.
func (r *StartRecord) UnmarshalJSON(data []byte) error {
	var d recordData
	if err := jsonv2.Unmarshal(data, &d); err != nil {
		return fmt.Errorf("sfbackup: StartRecord: %w", err)
	}
	if d.Version != recordVersion {
		return fmt.Errorf("sfbackup: StartRecord: its version is %d, and this program knows only %d", d.Version, recordVersion)
	}
	if sum, err := d.sum(); err != nil || sum != d.Sum || d.Partition == uuid.Nil {
		return errors.New("sfbackup: StartRecord: it is damaged")
	}
	*r = StartRecord{data: d, before: Observation{Progress: d.Before}}
	if d.Known && d.Before == nil {
		r.before.Err = ErrNoBackup
	}
	return nil
}

func (d recordData) sum() (uint32, error) {
	d.Sum = 0
	data, err := jsonv2.Marshal(&d)
	return crc32.ChecksumIEEE(data), err
}

// newRecord makes the record of the next attempt from the observation before it.
func (s *start) newRecord(ctx context.Context) {
	s.record = StartRecord{before: s.before.Observation, local: true, data: recordData{
		Version: recordVersion, Partition: s.partition, Known: s.before.known(), FirstSent: s.record.data.FirstSent,
		SendBy: s.before.asked.Add(startWindow), Timeout: startTimeout, BackupTimeout: s.minutes(),
	}}
	d := &s.record.data
	if p := s.before.Progress; p != nil && d.Known {
		d.Before = &Progress{BackupState: p.BackupState, TimeStampUTC: p.TimeStampUTC, BackupID: p.BackupID}
		if code := failureCode(p); code != "" {
			d.Before.FailureError = &FabricError{Code: code}
		}
	}
	if !s.before.date.IsZero() {
		d.ServerSendBy = s.before.date.Add(startWindow)
	}
	if timeout := serverTimeout(ctx); timeout != nil {
		d.Timeout = min(int(*timeout), startTimeout)
	}
}

// ObserveStart is the first of the three steps that BackupPartition is made of: it reads the progress before a start,
// and sends no request that starts one. The record may be sent for one minute. Keep it where it survives this process,
// and then give it to [Client.SendStart]. As with BackupPartition, it is no error if the progress cannot be
// read, unless the start would fail alike; the outcome of the start is then less often certain.
//
// If the context has a deadline, the server is told to handle the start in the time that is left now, of at most a
// minute. The shorter it is, the earlier a start without an effect can be told, but a server that needs longer fails
// the start. Leave it a minute, also where an engine limits the time of a step.
func (c *Client) ObserveStart(ctx context.Context, partition uuid.UUID, opts *BackupOptions) (StartRecord, error) {
	encoded, err := encodeBackup(opts)
	if err != nil {
		return StartRecord{}, fmt.Errorf("sfbackup: %s: %w", operationBackup, err)
	}
	s := c.newStart(partition, encoded)
	if err = s.run(ctx, s.observe); err == nil && ctx.Err() != nil {
		err = s.interrupted(ctx)
	}
	if err != nil {
		return StartRecord{}, err
	}
	return s.record, nil
}

// SendStart is the second step: it sends the request at most once. The options are those of ObserveStart: a record
// does not have them. Nil means that the server has accepted the start, which can then be waited for with
// WaitOptions.Started. If the error is [ErrOutcomeUnknown], or if SendStart did not return at all, ask
// [Client.ResolveStart]. Any other error means that this call started no backup.
//
// Call SendStart once for each record. It sends nothing if the request cannot be written within one minute of the
// observation. If the record comes from another process, SendStart first reads the progress once more, to get the time
// of the server, and sends nothing if that fails, or if another backup is there now: then the start has most likely
// been sent before, and the error is ErrOutcomeUnknown.
func (c *Client) SendStart(ctx context.Context, record StartRecord, opts *BackupOptions) error {
	encoded, err := encodeBackup(opts)
	if err == nil && (record.data.Partition == uuid.Nil || record.data.BackupTimeout != encoded.minutes()) {
		err = errors.New("the StartRecord is empty, or of a start with another Timeout")
	}
	if err != nil {
		return fmt.Errorf("sfbackup: %s: %w", operationBackup, err)
	}
	s := c.newStart(record.data.Partition, encoded)
	s.record, s.once, s.sendBy = record, true, record.data.SendBy
	// A conflict may be with the same start, if it was sent before.
	s.priorAmbiguous = record.before.Progress == nil || record.before.Progress.BackupState.Final()
	if !record.local {
		if err := s.lookBeforeSending(ctx); err != nil {
			return err
		}
	}
	done, _, err := s.attempt(ctx)
	switch {
	case done:
		return err
	case s.ambiguous:
		return s.unknown(s.failure)
	}
	return s.failure
}

// lookBeforeSending sets until when the record of another process may be sent. Its clock may not be that of this
// machine, but both can read the server's.
func (s *start) lookBeforeSending(ctx context.Context) error {
	p := s.client.readProgress(ctx, s.partition, 0)
	if err := p.err; err != nil && !errors.Is(err, ErrNoBackup) && !errors.Is(err, errEmptyProgress) {
		return fmt.Errorf("sfbackup: %s: %w", operationBackup, err)
	}
	if now := p.observed(); s.record.judge(now, false, 0) == Started {
		s.after.Observation = now
		return s.unknown(errors.New("the progress has changed since the observation, so nothing was sent"))
	}
	sendBy := s.record.data.ServerSendBy
	if sendBy.IsZero() {
		return nil
	}
	left := sendBy.Sub(p.date) - time.Second // of which a Date has no fractions
	if p.date.IsZero() || left > startWindow {
		return fmt.Errorf("sfbackup: %s: the clock of the server has gone back or is not known, so nothing was sent", operationBackup)
	}
	s.sendBy = p.asked.Add(left)
	return nil
}

// ResolveStart is the third step: it reads the progress once, with one request, and tells whether the start of a
// record took effect. It does not wait, and can be called at any time, by any process.
//
//   - Started: it did, and can be waited for with WaitOptions.Started.
//   - NotStarted: it did not and will not, so a new start is safe. Nothing less than the time is sufficient for this:
//     the request can no longer be sent, the gateway does not hold it any more ([WithGatewayHold]), and
//     the server has given up on it. With a context without a deadline in ObserveStart this takes
//     four and a half minutes on the clock of the server. Without Date headers, or if they contradict
//     the clocks of the machines, five minutes are added, by which those may differ.
//   - StartUnknown: the error is an [*OutcomeUnknownError]. Ask again at its DecidableAt.
//
// The client must be one of the same cluster, which a record does not name.
//
// A backup that somebody else has started since the observation counts as started by this start. The outcome can be
// wrong in the cases that [Client.BackupPartition] names, and in these:
//
//   - The clocks of the machines differ by more than five minutes, or those of the cluster's nodes, which the Date
//     headers show, by more than half a minute.
//   - A network, or middleware that has read the body, delivers the request later than that.
//   - A process is stopped between the last check of the time and writing the request.
func (c *Client) ResolveStart(ctx context.Context, record StartRecord) (StartOutcome, error) {
	if record.data.Partition == uuid.Nil {
		return StartUnknown, fmt.Errorf("sfbackup: ResolveStart: %w", errNoRecord)
	}
	p := c.readProgress(ctx, record.data.Partition, 1)
	outcome, unknown := record.resolve(&p, c.gatewayHold)
	if unknown != nil {
		return outcome, unknown
	}
	return outcome, nil
}

// resolve judges a start by a poll. Unknown is nil unless the outcome is.
func (r StartRecord) resolve(p *poll, hold time.Duration) (outcome StartOutcome, unknown *OutcomeUnknownError) {
	after := p.observed()
	left, age := r.timeLeft(p.asked, p.date, p.took, hold)
	if outcome = r.judge(after, left <= 0, age); outcome != StartUnknown {
		return outcome, nil
	}
	unknown = &OutcomeUnknownError{Before: r.before, After: after, Err: after.Err, DecidableAt: r.decidableAt(left, age, after)}
	if _, refused := errors.AsType[*APIError](p.err); after.known() {
		unknown.Err = errors.New("the progress does not tell")
	} else if refused && !p.worthRepeating() {
		unknown.DecidableAt = time.Time{}
	}
	return StartUnknown, unknown
}

// timeLeft returns how long the request of a record may still take effect, given when the progress was requested, the
// Date of the response and how long it took, and how long ago its first attempt was sent at most.
func (r StartRecord) timeLeft(asked, date time.Time, took, hold time.Duration) (left, age time.Duration) {
	sendBy, first := r.data.SendBy.Round(0), r.data.FirstSent.Round(0)
	if first.IsZero() {
		first = sendBy.Add(-startWindow)
	}
	least := between(sendBy, asked.Round(0)) - clockDifference
	most := least + 2*clockDifference
	if !date.IsZero() && !r.data.ServerSendBy.IsZero() {
		passed := between(r.data.ServerSendBy, date) - took // what a response says may be as old as its request
		if passed >= least && passed <= most {
			least, most = passed, passed
		}
		least, most = min(passed, least), max(passed, most) // else a clock is wrong, and it may be any
	}
	left = hold + time.Duration(r.data.Timeout)*time.Second + settleMargin - least
	return left, most + took + settleMargin + sendBy.Sub(first)
}

// between returns the time from t to u, of at most a century, so that sums do not overflow.
func between(t, u time.Time) time.Duration {
	const century = 100 * 365 * 24 * time.Hour
	return min(max(u.Sub(t), -century), century)
}

// decidableAt returns when to look again, given what timeLeft returns and what was observed now.
func (r StartRecord) decidableAt(left, age time.Duration, after Observation) time.Time {
	switch {
	case !after.known():
		left = lookAgain // there may be a backup by now
	case r.judge(after, left <= 0, age) != StartUnknown:
		left = 0 // what a start does not tell by itself, because it may be in flight, or was sent by another
	case left <= 0:
		return time.Time{}
	}
	return time.Now().Add(left).Round(0)
}
