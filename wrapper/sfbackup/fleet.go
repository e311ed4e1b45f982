package sfbackup

import (
	"container/heap"
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/google/uuid"
)

// FleetOptions says how to back up many partitions, or to list many services. A nil or zero
// FleetOptions is the default.
type FleetOptions struct {
	// Concurrency is how many backups are under way at a time; 0 is 16. However many these are, no
	// more than 16 requests are, and services are listed 16 at a time at most: more would only wait
	// for the primary of the backup service, which answers them all.
	Concurrency int

	// Backup says how to take each backup.
	Backup BackupOptions
	// MinDelay, MaxDelay and JoinRunning are those of WaitOptions.
	MinDelay, MaxDelay time.Duration
	JoinRunning        bool
	// OnProgress is called on the goroutine of the loop, whenever one of the counts has changed.
	OnProgress func(FleetProgress)

	// List says which backups to list.
	List ListOptions
}

// FleetProgress counts partitions.
type FleetProgress struct {
	Started   int // all that were asked for so far
	InFlight  int // have not ended
	Succeeded int
	Failed    int // in any other way
}

// FleetResult is what became of the backup of one partition.
type FleetResult struct {
	Partition uuid.UUID
	Progress  *Progress // the last one that was read; nil if there is none
}

const (
	defaultConcurrency = 16
	// maxFleetRequests is how many requests are under way at a time. One replica answers them all.
	maxFleetRequests = 16
)

// BackupMany starts a backup of each partition and waits for it, as [Client.BackupAndWait] does. It
// hands out a result for each as it ends: with nil for a success and with an error for anything else,
// after which it goes on with the others.
//
// Partitions are asked for as backups end, so there can be any number of them; while the iterator that
// gives them waits, everything waits. When the context
// ends, every partition that has no result yet gets one, with its last progress and an error that
// says whether its backup was started. Leaving the loop ends the waiting; the backups that were
// started go on in the cluster.
//
// With [WithHTTPClient], let the transport keep 16 idle connections for each host.
func (c *Client) BackupMany(ctx context.Context, partitions iter.Seq[uuid.UUID], opts *FleetOptions) iter.Seq2[FleetResult, error] {
	o, err := opts.checked()
	return func(yield func(FleetResult, error) bool) {
		if err != nil {
			yield(FleetResult{}, fmt.Errorf("sfbackup: BackupMany: %w", err))
			return
		}
		f := &fleet{client: c, opts: o, yield: yield}
		f.run(ctx, partitions)
	}
}

// checked returns a copy of options that makes sense, with its defaults.
func (o *FleetOptions) checked() (FleetOptions, error) {
	var checked FleetOptions
	if o != nil {
		checked = *o
	}
	if checked.Concurrency < 0 {
		return checked, fmt.Errorf("the concurrency %d is negative", checked.Concurrency)
	}
	if checked.Concurrency == 0 {
		checked.Concurrency = defaultConcurrency
	}
	_, err := newWait(checked.wait())
	return checked, err
}

func (o *FleetOptions) wait() *WaitOptions {
	return &WaitOptions{MinDelay: o.MinDelay, MaxDelay: o.MaxDelay}
}

// A fleet is one loop over BackupMany. The goroutine of the loop decides what is to be done and
// hands out results; a few workers send the requests. One timer wakes it for the next look that is
// due, so that waiting costs no goroutine.
type fleet struct {
	client *Client
	opts   FleetOptions
	yield  func(FleetResult, error) bool
	counts FleetProgress

	ready   []*pending // to be sent now
	waiting byDue      // to be looked at later
	sent    int        // how many are with the workers
	work    chan *pending
	back    chan *pending
	workers sync.WaitGroup

	started  int // workers
	answered int // how many came back from them
}

// A pending is the backup of one partition until it has a result.
type pending struct {
	FleetResult
	wait     *wait
	start    *start    // until it has a result
	accepted bool      // the backup was started, or one is running
	due      time.Time // when to look next
	ended    bool
	err      error
}

func (f *fleet) run(ctx context.Context, partitions iter.Seq[uuid.UUID]) {
	requests := min(f.opts.Concurrency, maxFleetRequests)
	f.work = make(chan *pending)
	f.back = make(chan *pending, requests) // no worker waits to give back what it has
	next, stop := iter.Pull(partitions)
	defer stop()
	workCtx, cancel := context.WithCancel(withWait(ctx))
	defer f.workers.Wait()
	defer close(f.work)
	defer cancel()

	timer := time.NewTimer(0)
	defer timer.Stop()
	more := true
	for {
		f.dueNow(time.Now())
		for more && len(f.ready) < requests && f.counts.InFlight < f.opts.Concurrency {
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
		if len(f.ready) > 0 && f.sent < requests { // so that all that the workers have fits into back
			work, first = f.work, f.ready[0]
			// Each answer lets one more begin: so many at once would make twice as many connections as
			// they need, and a cluster that is slow is found out gently.
			if f.sent == f.started && f.started < min(requests, 1+f.answered) {
				f.started++
				f.workers.Go(func() { f.serve(workCtx) })
			}
		}
		if len(f.waiting) > 0 {
			timer.Reset(time.Until(f.waiting[0].due))
		}
		select {
		case work <- first:
			f.ready = f.ready[1:]
			f.sent++
		case b := <-f.back:
			f.sent--
			f.answered++
			if !f.returned(b) {
				return
			}
		case <-timer.C:
		case <-ctx.Done():
			f.abandon(ctx, next)
			return
		}
	}
}

func (f *fleet) admit(partition uuid.UUID) {
	w, _ := newWait(f.opts.wait()) // checked before
	f.ready = append(f.ready, &pending{FleetResult: FleetResult{Partition: partition}, wait: w})
	f.counts.Started++
	f.counts.InFlight++
	f.report()
}

// dueNow moves what is due to what is ready.
func (f *fleet) dueNow(now time.Time) {
	for len(f.waiting) > 0 && !f.waiting[0].due.After(now) {
		f.ready = append(f.ready, heap.Pop(&f.waiting).(*pending))
	}
}

// returned takes a backup back from a worker. It reports whether the loop goes on.
func (f *fleet) returned(b *pending) bool {
	if !b.ended {
		heap.Push(&f.waiting, b)
		return true
	}
	return f.end(b, b.err)
}

// end hands out a result.
func (f *fleet) end(b *pending, err error) bool {
	f.counts.InFlight--
	if err == nil {
		f.counts.Succeeded++
	} else {
		f.counts.Failed++
	}
	f.report()
	return f.yield(b.FleetResult, err)
}

func (f *fleet) report() {
	if f.opts.OnProgress != nil {
		f.opts.OnProgress(f.counts)
	}
}

// abandon hands out a result for every partition when the context has ended.
func (f *fleet) abandon(ctx context.Context, next func() (uuid.UUID, bool)) {
	for ; f.sent > 0; f.sent-- {
		b := <-f.back // soon: its request ends with the context
		if !b.ended {
			b.err = b.interrupted(ctx)
		}
		if !f.end(b, b.err) {
			return
		}
	}
	for _, b := range append(f.waiting, f.ready...) {
		if !f.end(b, b.interrupted(ctx)) {
			return
		}
	}
	for partition, ok := next(); ok; partition, ok = next() {
		f.counts.Started++ // as all others that have a result
		f.counts.Failed++
		f.report()
		if !f.yield(FleetResult{Partition: partition}, notStarted(ctx, partition)) {
			return
		}
	}
}

// interrupted is the error of a backup that had no result when the context ended.
func (b *pending) interrupted(ctx context.Context) error {
	switch {
	case b.accepted:
		return waitError(ctx, b.Partition, b.Progress)
	case b.start != nil && b.start.doubtful:
		return b.start.interrupted(ctx)
	default:
		return notStarted(ctx, b.Partition)
	}
}

func notStarted(ctx context.Context, partition uuid.UUID) error {
	return fmt.Errorf("sfbackup: BackupPartition: the backup of partition %s was not started: %w", partition, contextError(ctx))
}

// serve sends the requests of one backup after the other.
func (f *fleet) serve(ctx context.Context) {
	for b := range f.work {
		f.advance(ctx, b)
		f.back <- b
	}
}

// advance starts a backup, and looks how far it is.
func (f *fleet) advance(ctx context.Context, b *pending) {
	if !b.accepted {
		ended, wait, err := f.startStep(ctx, b)
		switch {
		case !ended:
			b.due = time.Now().Add(wait)
			return
		case err != nil && (!f.opts.JoinRunning || !meansRunning(err)):
			b.ended, b.err = true, err
			return
		}
		b.accepted, b.start = true, nil
	}
	progress, ask, err := f.client.progress(ctx, b.Partition)
	if progress != nil {
		b.Progress = progress
	}
	b.ended, ask, b.err = judge(ctx, b.Partition, b.Progress, ask, err)
	if !b.ended {
		b.due = time.Now().Add(max(b.wait.next(), ask))
	}
}

func (f *fleet) startStep(ctx context.Context, b *pending) (ended bool, wait time.Duration, err error) {
	if b.start == nil {
		if b.start, err = f.client.newStart(b.Partition, &f.opts.Backup); err != nil {
			return true, 0, err
		}
	}
	return b.start.step(ctx)
}

// byDue is a heap of backups that are looked at later, the next one first.
type byDue []*pending

func (h *byDue) Len() int           { return len(*h) }
func (h *byDue) Less(i, j int) bool { return (*h)[i].due.Before((*h)[j].due) }
func (h *byDue) Swap(i, j int)      { (*h)[i], (*h)[j] = (*h)[j], (*h)[i] }

// Push and Pop are for package heap.
func (h *byDue) Push(b any) { *h = append(*h, b.(*pending)) }

// Pop is for package heap.
func (h *byDue) Pop() any {
	last := len(*h) - 1
	b := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return b
}

// ServicesBackups lists the backups of many services, several at a time, as [Client.ServiceBackups]
// does. Backups come in any order. An error is that of one service, which is the only thing that is
// set in the Backup that comes with it; the other services go on. When the context ends, the services
// that were not listed to their end get an error each.
func (c *Client) ServicesBackups(ctx context.Context, services iter.Seq[ServiceName], opts *FleetOptions) iter.Seq2[Backup, error] {
	o, err := opts.checked()
	return func(yield func(Backup, error) bool) {
		if err != nil {
			yield(Backup{}, fmt.Errorf("sfbackup: ServicesBackups: %w", err))
			return
		}
		c.servicesBackups(ctx, services, o, yield)
	}
}

// listed is a backup of a service, or how its list ended.
type listed struct {
	backup  Backup
	service ServiceName
	err     error
	end     bool
}

// maxListed is how many backups wait for the loop at most.
const maxListed = 64

func (c *Client) servicesBackups(ctx context.Context, services iter.Seq[ServiceName], o FleetOptions, yield func(Backup, error) bool) {
	next, stop := iter.Pull(services)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()
	gone := make(chan struct{})
	defer close(gone)

	results := make(chan listed, maxListed)
	running, more := 0, true
	for {
		for more && running < min(o.Concurrency, maxFleetRequests) {
			var service ServiceName
			if service, more = next(); more {
				running++
				workers.Go(func() { c.listInto(ctx, service, &o.List, results, gone) })
			}
		}
		if running == 0 {
			return
		}
		switch l := <-results; {
		case !l.end:
			if !yield(l.backup, nil) {
				return
			}
		case l.err != nil:
			running--
			if !yield(Backup{ServiceName: l.service}, fmt.Errorf("%s: %w", l.service, l.err)) {
				return
			}
		default:
			running--
		}
	}
}

// listInto sends the backups of a service, and how its list ended, until the receiver is gone.
func (c *Client) listInto(ctx context.Context, service ServiceName, opts *ListOptions, results chan<- listed, gone <-chan struct{}) {
	last := listed{service: service, end: true}
	for b, err := range c.ServiceBackups(ctx, service, opts) {
		if err != nil {
			last.err = err
			break
		}
		select {
		case results <- listed{backup: b}:
		case <-gone:
			return
		}
	}
	select {
	case results <- last:
	case <-gone:
	}
}
