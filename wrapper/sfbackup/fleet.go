package sfbackup

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/internal/transport"
)

// BackupManyOptions says how to back up many partitions. A nil or zero BackupManyOptions is the default.
type BackupManyOptions struct {
	// Concurrency is how many backups are in flight at a time; 0 is 16. Whatever it is, at most 16 requests
	// are in flight. Further requests would only queue, because one replica of the backup service, the
	// primary, answers all of them.
	Concurrency int
	// Backup says how to take each backup.
	Backup BackupOptions
	// Wait says how to wait for each backup. Its OnProgress has to be nil, otherwise BackupMany returns an
	// error, and so has its Started. Its OnRetry is called on the goroutine of the loop.
	Wait WaitOptions
	// OnProgress is called with every progress of a backup that is waited for, on the goroutine of the loop.
	// If it returns an error, the wait for that partition ends with that error.
	OnProgress func(uuid.UUID, *Progress) error
	// OnCount is called on the goroutine of the loop whenever one of the counts has changed.
	OnCount func(BackupCount)
	// Resume returns the record of a start of an earlier run, or nil to start anew. It is called on the goroutine of
	// the loop. If the start took effect, its backup is waited for; if it did not, another is started. While that is
	// not known, BackupMany asks again, as late as [OutcomeUnknownError] says. If it cannot become known, or looks
	// have failed for Wait.MaxUnreachable, that is the result.
	Resume func(uuid.UUID) *StartRecord
}

// BackupCount counts partitions.
type BackupCount struct {
	Started   int // taken from the iterator so far, whether or not their backups were started
	InFlight  int // without a result yet
	Succeeded int
	Failed    int // with any other result
}

// BackupResult is what became of the backup of one partition.
type BackupResult struct {
	Progress *Progress    // the last one that was read while the backup was waited for; nil if there was none
	Start    StartOutcome // whether this call or the resumed start did it; may be StartUnknown with CodeBackupInProgress
	Err      error        // nil if the backup, which JoinRunning may have joined, ended with success
}

const defaultConcurrency = 16

// growthDelay is how long a request may hang before another worker is started.
const growthDelay = time.Second

// BackupMany returns a sequence that starts a backup of each partition and waits for it, as
// [Client.BackupAndWait] does. Nothing is sent before the loop begins, and ranging over the sequence again
// backs up the partitions again. The sequence has one result for each partition that it takes from the
// iterator, in the order in which the backups end. A failure is in the result of its partition and does not
// end the sequence. If the options are invalid, BackupMany returns an error.
//
// Partitions are taken as backups end, so there can be any number of them. While the iterator blocks, no
// backup is started, no progress is polled and no result is yielded. When the context ends, no further
// partition is taken, and every partition that was taken and has no result gets one: its last progress,
// whether its backup was started, and an error. Leaving the loop ends the waits; the started backups go on
// in the cluster, and what became of a start that was just being sent is not reported.
//
// With [WithHTTPClient], set MaxIdleConnsPerHost of the transport to at least 16.
func (c *Client) BackupMany(ctx context.Context, partitions iter.Seq[uuid.UUID], opts *BackupManyOptions) (iter.Seq2[uuid.UUID, BackupResult], error) {
	o, backup, err := c.checkOptions(opts)
	if err != nil {
		return nil, fmt.Errorf("sfbackup: BackupMany: %w", err)
	}
	return func(yield func(uuid.UUID, BackupResult) bool) {
		f := &fleet{client: c, opts: o, backup: backup, yield: yield}
		f.run(ctx, partitions)
	}, nil
}

// checkOptions returns a copy of the options with the default of Concurrency, and what is sent for each backup.
func (c *Client) checkOptions(o *BackupManyOptions) (checked BackupManyOptions, backup encodedBackup, err error) {
	if o != nil {
		checked = *o
	}
	switch {
	case checked.Concurrency < 0:
		return checked, backup, fmt.Errorf("the concurrency %d is negative", checked.Concurrency)
	case checked.Concurrency == 0:
		checked.Concurrency = defaultConcurrency
	}
	if checked.Wait.OnProgress != nil {
		return checked, backup, errors.New("Wait.OnProgress is set: use the OnProgress of BackupManyOptions")
	}
	if checked.Wait.Started != nil {
		return checked, backup, errors.New("Wait.Started is set: use Resume")
	}
	if _, err := c.newWait(uuid.Nil, &checked.Wait); err != nil {
		return checked, backup, err
	}
	backup, err = encodeBackup(&checked.Backup)
	return checked, backup, err
}

// A fleet is one loop over BackupMany. The goroutine of the loop decides what to do next and yields
// results. A few workers send the requests. One timer wakes the loop for the next poll that is due, so
// waiting costs no goroutine.
type fleet struct {
	client *Client
	opts   BackupManyOptions
	backup encodedBackup
	yield  func(uuid.UUID, BackupResult) bool
	counts BackupCount

	ready    []*pending // to be sent now
	waiting  byDue      // to be sent later
	inFlight int        // how many are with the workers
	work     chan *pending
	back     chan *pending
	workers  sync.WaitGroup

	workerCount int
	answered    int       // how many came back from the workers
	grown       time.Time // when the last worker was started
}

// A pending is the backup of one partition until it has a result. It belongs to the loop or to one worker.
type pending struct {
	partition uuid.UUID
	start     *start
	resume    *StartRecord // of an earlier run, until it is resolved; nil: none
	outcome   StartOutcome
	polling   bool // the start is over, and the backup is waited for
	wait      *wait
	due       time.Time // of the next request

	// What a worker has found, by a step of the start or by a poll.
	delay    time.Duration // before the next step
	failed   bool          // the start is over, and there is nothing to wait for
	err      error         // of the start
	poll     poll
	panicked any  // the value of a panic in the worker
	exited   bool // the worker was ended by runtime.Goexit
}

func (f *fleet) run(ctx context.Context, partitions iter.Seq[uuid.UUID]) {
	requests := min(f.opts.Concurrency, transport.IdleConnsPerHost)
	f.work = make(chan *pending)
	f.back = make(chan *pending, requests) // so that no worker blocks when it returns a backup
	next, stop := iter.Pull(partitions)
	defer stop()
	workCtx, cancel := context.WithCancel(ctx)
	defer f.workers.Wait()
	defer close(f.work)
	defer cancel()

	timer := time.NewTimer(0)
	defer timer.Stop()
	more := true
	for {
		f.collectDue(time.Now())
		for more && len(f.ready) < requests && f.counts.InFlight < f.opts.Concurrency && ctx.Err() == nil {
			var partition uuid.UUID
			if partition, more = next(); more {
				f.admit(partition)
			}
		}
		if f.counts.InFlight == 0 {
			return
		}
		var work chan *pending
		var first *pending
		wake := time.Duration(math.MaxInt64)
		if len(f.ready) > 0 && f.inFlight < requests { // so that all that the workers have fits into back
			work, first = f.work, f.ready[0]
			// Each response allows one more worker, and so does a while without any: starting them all at
			// once would open twice as many connections as they need, and overrun a slow cluster.
			if f.inFlight == f.workerCount && f.workerCount < requests {
				if f.workerCount <= f.answered || time.Since(f.grown) >= growthDelay {
					f.workerCount++
					f.grown = time.Now()
					f.workers.Go(func() { f.serve(workCtx) })
				} else {
					wake = time.Until(f.grown.Add(growthDelay))
				}
			}
		}
		if len(f.waiting) > 0 {
			wake = min(wake, time.Until(f.waiting[0].due))
		}
		timer.Reset(wake)
		select {
		case work <- first:
			f.ready = f.ready[1:]
			f.inFlight++
		case p := <-f.back:
			f.inFlight--
			f.answered++
			if !f.handle(ctx, p) {
				return
			}
		case <-timer.C:
		case <-ctx.Done():
			f.abandon(ctx)
			return
		}
	}
}

func (f *fleet) admit(partition uuid.UUID) {
	w, _ := f.client.newWait(partition, &f.opts.Wait) // checked before
	if f.opts.OnProgress != nil {
		w.opts.OnProgress = func(progress *Progress) error { return f.opts.OnProgress(partition, progress) }
	}
	p := &pending{partition: partition, start: f.client.newStart(partition, f.backup), outcome: NotStarted, wait: w}
	if f.opts.Resume != nil {
		if p.resume = f.opts.Resume(partition); p.resume != nil && (p.resume.data.Partition != partition || partition == uuid.Nil) {
			p.failed, p.outcome, p.err = true, StartUnknown, errors.New("sfbackup: BackupMany: Resume returned the record of another partition")
		}
	}
	f.ready = append(f.ready, p)
	f.counts.Started++
	f.counts.InFlight++
	f.report()
}

// collectDue moves what is due to what is ready.
func (f *fleet) collectDue(now time.Time) {
	for len(f.waiting) > 0 && !f.waiting[0].due.After(now) {
		f.ready = append(f.ready, heap.Pop(&f.waiting).(*pending))
	}
}

// handle evaluates what a worker brought back. It reports whether the loop goes on.
func (f *fleet) handle(ctx context.Context, p *pending) bool {
	delay := p.delay
	switch {
	case p.exited:
		runtime.Goexit()
	case p.panicked != nil:
		panic(p.panicked) // as it would be without workers
	case p.failed:
		return f.finish(p, p.err)
	case p.resume != nil && ctx.Err() == nil:
		var unknown *OutcomeUnknownError
		if delay, unknown = p.resolve(f.client.gatewayHold); unknown != nil {
			return f.finish(p, unknown)
		}
	case p.polling:
		var done bool
		var err error
		if done, delay, err = p.wait.evaluatePoll(ctx, p.poll); done {
			return f.finish(p, err)
		}
	}
	p.due = time.Now().Add(delay)
	heap.Push(&f.waiting, p)
	return true
}

// finish yields a result. It reports whether the loop goes on.
func (f *fleet) finish(p *pending, err error) bool {
	f.counts.InFlight--
	if err == nil {
		f.counts.Succeeded++
	} else {
		f.counts.Failed++
	}
	f.report()
	return f.yield(p.partition, BackupResult{Progress: p.wait.last, Start: p.outcome, Err: err})
}

func (f *fleet) report() {
	if f.opts.OnCount != nil {
		f.opts.OnCount(f.counts)
	}
}

// abandon yields a result for every partition that has none when the context has ended.
func (f *fleet) abandon(ctx context.Context) {
	for ; f.inFlight > 0; f.inFlight-- {
		p := <-f.back // soon: its request ends with the context
		if p.exited {
			runtime.Goexit()
		}
		if p.panicked != nil {
			panic(p.panicked)
		}
		if p.polling && !p.failed {
			_, _, _ = p.wait.evaluatePoll(ctx, p.poll) // keeps the last progress
		}
		f.ready = append(f.ready, p)
	}
	for _, p := range append(f.ready, f.waiting...) {
		if !f.finish(p, p.interrupted(ctx)) {
			return
		}
	}
}

// interrupted returns the error of a backup without a result when the context has ended.
func (p *pending) interrupted(ctx context.Context) error {
	switch {
	case p.failed:
		return p.err
	case p.polling:
		return p.wait.interrupted(ctx)
	case p.resume != nil:
		p.outcome = StartUnknown
		return &OutcomeUnknownError{Before: p.resume.before, Err: transport.ContextError(ctx), DecidableAt: time.Now()}
	case p.start.ambiguous:
		p.outcome = StartUnknown
		return p.start.interrupted(ctx)
	}
	return fmt.Errorf("sfbackup: %s: the backup of partition %s was not started: %w", operationBackup, p.partition, transport.ContextError(ctx))
}

// serve sends the requests of one backup after another.
func (f *fleet) serve(ctx context.Context) {
	for p := range f.work {
		f.advance(ctx, p)
	}
}

// advance takes the next step of a backup. A panic, of a token source for example, is handed to the loop, so that
// whoever ranges over it can recover.
func (f *fleet) advance(ctx context.Context, p *pending) {
	p.exited = true
	defer func() {
		p.panicked = recover()
		p.exited = p.exited && p.panicked == nil
		f.back <- p // also when the goroutine ends here
	}()
	f.step(ctx, p)
	p.exited = false
}

// step takes the next step of a start, and polls the progress once the start is over.
func (f *fleet) step(ctx context.Context, p *pending) {
	if p.failed {
		return // before anything was sent
	}
	if p.resume != nil {
		p.poll = f.client.readProgress(ctx, p.resume.data.Partition, 1)
		return
	}
	if !p.polling {
		done, delay, err := p.start.step(ctx)
		if !done {
			p.delay = delay
			return
		}
		p.outcome = p.start.result(err)
		if err != nil && (!f.opts.Wait.JoinRunning || !meansRunning(err)) {
			p.failed, p.err = true, err
			return
		}
		p.polling = true
		p.wait.startedAfter(p.start.record.before, p.start.after.Observation, err != nil)
	}
	p.poll = p.wait.read(ctx)
}

// resolve judges the start of an earlier run. It returns the delay before the next step, or the error if that cannot
// become known.
func (p *pending) resolve(hold time.Duration) (time.Duration, *OutcomeUnknownError) {
	p.outcome = StartUnknown
	outcome, unknown := p.resume.resolve(&p.poll, hold)
	switch joins := unknown != nil && p.wait.opts.JoinRunning && meansRunning(unknown); {
	case outcome != StartUnknown || joins:
		p.outcome, p.polling = outcome, outcome != NotStarted
		if p.polling {
			p.wait.startedAfter(p.resume.before, Observation{}, joins)
		}
		p.resume, p.wait.unreachable = nil, time.Time{}
		return 0, nil
	case unknown.After.known():
		p.wait.unreachable = time.Time{}
	case p.wait.unreachable.IsZero():
		p.wait.unreachable = time.Now()
	case time.Since(p.wait.unreachable) >= p.wait.opts.MaxUnreachable:
		return 0, unknown
	}
	if unknown.DecidableAt.IsZero() {
		return 0, unknown
	}
	return time.Until(unknown.DecidableAt), nil
}

// byDue is a heap of backups, the one that is due next first.
type byDue []*pending

func (h *byDue) Len() int           { return len(*h) }
func (h *byDue) Less(i, j int) bool { return (*h)[i].due.Before((*h)[j].due) }
func (h *byDue) Swap(i, j int)      { (*h)[i], (*h)[j] = (*h)[j], (*h)[i] }

// Push and Pop are for package heap.
func (h *byDue) Push(p any) { *h = append(*h, p.(*pending)) }

// Pop is for package heap.
func (h *byDue) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return p
}
