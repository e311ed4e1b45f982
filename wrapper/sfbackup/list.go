package sfbackup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/generated"
	"github.com/servicefabric-go/backup/internal/transport"
	"github.com/servicefabric-go/backup/internal/wire"
)

// BackupType is what a backup holds. The set is open.
type BackupType string

// The backup types of the documentation.
const (
	BackupTypeInvalid     BackupType = "Invalid"     // not a type
	BackupTypeFull        BackupType = "Full"        // the whole state; begins a chain
	BackupTypeIncremental BackupType = "Incremental" // the changes since the previous backup of its chain
)

// Backup is a backup in a storage.
type Backup struct {
	BackupID, BackupChainID uuid.UUID // a chain has the id of the full backup that begins it
	ApplicationName         string    // "fabric:/App"
	ServiceName             ServiceName
	ServiceManifestVersion  string
	PartitionInformation    PartitionInformation // never nil
	BackupLocation          string               // relative to the root of the storage; its form depends on the storage
	BackupType              BackupType
	EpochOfLastBackupRecord Epoch
	LSNOfLastBackupRecord   int64 // logical sequence number
	CreationTimeUTC         time.Time
	FailureError            *FabricError // nil unless the backup failed
}

// ListOptions says which backups to list. A nil or zero ListOptions lists all.
type ListOptions struct {
	// Latest lists only the most recent backup of each partition within the range of time.
	Latest bool
	// Since and Until are the range of time, both included; zero is no limit. The server compares
	// whole seconds, so the client requests a range that is wide enough and leaves out backups outside
	// the exact one. The time of a backup is that of the server's clock, cut to whole seconds: to find
	// a backup that was just taken, let Since be a little earlier than its start.
	Since, Until time.Time
	// PageSize is how many backups the server puts into one page; with 0 one page has all of them. With
	// a size, servers of 6.4 answer with CodeInvalidArgument if a page would be empty, because the
	// storage or the range of time has no more backups. So set it only if you need pages. Memory stays
	// low without it.
	PageSize int
	// ContinuationToken is where to go on: that of a Page of the same list. It is opaque.
	ContinuationToken string
}

// Page is one page of a list.
type Page struct {
	Backups           []Backup
	ContinuationToken string // "" at the end
}

// PartitionBackups lists the backups of a partition. Nothing is sent before the loop begins; ranging
// over the result a second time lists again. An error is the last element. Leaving the loop ends the
// transfer.
func (c *Client) PartitionBackups(ctx context.Context, partition uuid.UUID, opts *ListOptions) iter.Seq2[Backup, error] {
	return c.partitionList(partition, opts).all(ctx)
}

// ServiceBackups lists the backups of all partitions of a service, like [Client.PartitionBackups].
//
// Servers of 6.4 identify an Azure storage by its connection string alone. If the partitions of a service
// have policies with two containers of the same account, the list lacks the backups in one of them, without
// an error. List the partitions of such a service one by one.
func (c *Client) ServiceBackups(ctx context.Context, service ServiceName, opts *ListOptions) iter.Seq2[Backup, error] {
	return c.serviceList(service, opts).all(ctx)
}

// PartitionBackupsPage returns one page of the backups of a partition. To get the next page, set
// ContinuationToken in the same options. A page may be empty without being the last; with Latest, a
// partition may be on several pages. [Client.PartitionBackups] handles both.
func (c *Client) PartitionBackupsPage(ctx context.Context, partition uuid.UUID, opts *ListOptions) (*Page, error) {
	return c.partitionList(partition, opts).page(ctx)
}

// ServiceBackupsPage returns one page of the backups of a service, like
// [Client.PartitionBackupsPage].
func (c *Client) ServiceBackupsPage(ctx context.Context, service ServiceName, opts *ListOptions) (*Page, error) {
	return c.serviceList(service, opts).page(ctx)
}

// A list is a request for a list of backups. It does not change, and can be read many times.
type list struct {
	client     *Client
	operation  string
	opts       ListOptions
	newRequest func(generated.GetPartitionBackupListParams) (*http.Request, error)
	err        error // what is wrong with the arguments
}

func (c *Client) partitionList(partition uuid.UUID, opts *ListOptions) *list {
	l := c.newList("GetPartitionBackupList", opts)
	if l.err == nil {
		l.err = requireID(partition)
	}
	l.newRequest = func(params generated.GetPartitionBackupListParams) (*http.Request, error) {
		return generated.NewGetPartitionBackupListRequest(c.server, partition, &params)
	}
	return l
}

func (c *Client) serviceList(service ServiceName, opts *ListOptions) *list {
	l := c.newList("GetServiceBackupList", opts)
	name, err := ParseServiceName(string(service))
	if l.err == nil {
		l.err = err
	}
	l.newRequest = func(p generated.GetPartitionBackupListParams) (*http.Request, error) {
		params := generated.GetServiceBackupListParams(p)
		req, err := generated.NewGetServiceBackupListRequest(c.server, c.serviceID(name), &params)
		if err != nil {
			return nil, err
		}
		// The builder escapes the whole service id as one segment, because in OpenAPI no parameter spans
		// several. The slashes in it separate segments.
		base, path := len(c.basePath), req.URL.EscapedPath()
		req.URL.RawPath = path[:base] + strings.ReplaceAll(path[base:], "%2F", "/")
		return req, nil
	}
	return l
}

func (c *Client) newList(operation string, opts *ListOptions) *list {
	l := &list{client: c, operation: operation}
	if opts != nil {
		l.opts = *opts
	}
	o := &l.opts
	switch {
	case o.PageSize < 0:
		l.err = fmt.Errorf("the page size %d is negative", o.PageSize)
	case o.PageSize > math.MaxInt32:
		l.err = fmt.Errorf("the page size %d is greater than the %d that the server can count", o.PageSize, math.MaxInt32)
	case !inDocument(o.Since) || !inDocument(o.Until):
		l.err = errors.New("a time before the year 1 or after the year 9998 cannot be sent")
	case !o.Since.IsZero() && !o.Until.IsZero() && o.Since.After(o.Until):
		l.err = fmt.Errorf("since %v is after until %v", o.Since.Format(time.RFC3339Nano), o.Until.Format(time.RFC3339Nano))
	}
	return l
}

// inDocument reports whether a time has a year of four digits, rounded up as well.
func inDocument(t time.Time) bool {
	year := t.UTC().Year()
	return 1 <= year && year <= 9998
}

// all returns an iterator over the backups of all pages.
func (l *list) all(ctx context.Context) iter.Seq2[Backup, error] {
	if l.opts.Latest {
		return l.latest(ctx)
	}
	return func(yield func(Backup, error) bool) {
		err := l.eachPage(ctx, func(b Backup) bool { return yield(b, nil) })
		if err != nil && !errors.Is(err, errStopped) {
			yield(Backup{}, err)
		}
	}
}

// latest returns an iterator over the most recent backup of each partition. The server selects the most
// recent backup of each partition in each page, and in each storage, so a partition can come several
// times.
func (l *list) latest(ctx context.Context) iter.Seq2[Backup, error] {
	return func(yield func(Backup, error) bool) {
		var backups []Backup
		index := map[uuid.UUID]int{}
		err := l.eachPage(ctx, func(b Backup) bool {
			id := b.PartitionInformation.PartitionID()
			i, ok := index[id]
			switch {
			case !ok || id == uuid.Nil: // without an identity nothing can be compared
				index[id] = len(backups)
				backups = append(backups, b)
			case b.CreationTimeUTC.After(backups[i].CreationTimeUTC):
				backups[i] = b
			}
			return true
		})
		if err != nil {
			yield(Backup{}, err)
			return
		}
		for _, b := range backups {
			if ctx.Err() != nil {
				yield(Backup{}, fmt.Errorf("sfbackup: %s: %w", l.operation, transport.ContextError(ctx)))
				return
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

// errStopped reports that the receiver of the backups wants no more.
var errStopped = errors.New("stopped")

// eachPage reads page after page.
func (l *list) eachPage(ctx context.Context, receive func(Backup) bool) error {
	r := &pageReader{list: l, token: l.opts.ContinuationToken, receive: receive}
	var cycle tokenCycle
	begins := map[uuid.UUID]bool{} // the first backups of the pages so far
	for {
		next, err := r.read(ctx)
		if err == nil && cycle.seen(next) {
			err = fmt.Errorf("sfbackup: %s: %w", l.operation, errRepeatedToken)
		}
		if err != nil || next == "" {
			return err
		}
		if r.first != uuid.Nil && len(begins) < maxIdentities {
			begins[r.first] = true
		}
		r = &pageReader{list: l, token: next, receive: receive, moved: r.moved, begins: begins, previous: r.delivered.ids}
	}
}

// page reads one page.
func (l *list) page(ctx context.Context) (*Page, error) {
	page := &Page{}
	r := &pageReader{
		list: l, token: l.opts.ContinuationToken,
		receive: func(b Backup) bool {
			page.Backups = append(page.Backups, b)
			return true
		},
		// The caller has not seen the page yet, so it can begin again, even if it has changed.
		restart: func() { page.Backups = nil },
	}
	token, err := r.read(ctx)
	if err != nil {
		return nil, err
	}
	page.ContinuationToken = token
	return page, nil
}

// A pageReader reads one page.
type pageReader struct {
	list      *list
	token     string
	receive   func(Backup) bool
	restart   func()             // nil: what was delivered cannot be taken back
	delivered delivered          // of this page
	moved     map[uuid.UUID]bool // backups of the previous page that may come again in this one
	begins    map[uuid.UUID]bool // the first backups of earlier pages, with which this one must not begin
	first     uuid.UUID          // its own first backup
	previous  [][]uuid.UUID      // the identities of the previous page, in parts
}

// read reads the page, delivers its backups as they arrive, and returns the token of the next page. Its
// error is errStopped if receive returned false. If the connection breaks, it requests the page again and
// goes on where it was.
func (r *pageReader) read(ctx context.Context) (next string, err error) {
	l := r.list
	if l.err != nil {
		return "", fmt.Errorf("sfbackup: %s: %w", l.operation, l.err)
	}
	policy := l.client.retry
	for all, tries := 1, 1; ; all++ {
		n := r.delivered.n
		next, broken, err := r.readOnce(ctx)
		if !broken {
			return next, err
		}
		if tries++; r.delivered.n > n {
			tries = 2
		}
		if tries > policy.MaxAttempts || policy.MaxAttempts == 1 || all >= 8*policy.MaxAttempts {
			return "", err
		}
		if tries > 2 {
			if transport.Sleep(ctx, policy.Delay(tries-2)) != nil {
				return "", fmt.Errorf("sfbackup: %s: %w", l.operation, transport.ContextError(ctx))
			}
		}
		if r.restart != nil {
			r.restart()
			r.delivered = delivered{}
		}
	}
}

// readOnce requests the page once. It also reports whether the connection broke.
func (r *pageReader) readOnce(ctx context.Context) (next string, broken bool, err error) {
	l := r.list
	req, err := l.newRequest(l.params(ctx, r.token))
	if err != nil {
		return "", false, fmt.Errorf("sfbackup: %s: %w", l.operation, err)
	}
	resp, err := l.client.do(ctx, req, transport.Call{Operation: l.operation, Want: wantOK}) //nolint:bodyclose // pageBody closes it
	if err != nil {
		return "", false, err
	}
	body := &pageBody{resp: resp}
	defer body.close()
	next, err = r.readBody(ctx, body.buffered())
	if err == nil && next == r.token && next != "" {
		err = errRepeatedToken
	}
	if err != nil && !errors.Is(err, errStopped) {
		err = fmt.Errorf("sfbackup: %s: %w", l.operation, transport.CallError(ctx, err))
	}
	return next, body.broken(ctx, err), err
}

var wantOK = []int{http.StatusOK}

// readBody reads the body of the page and delivers what was not delivered before.
func (r *pageReader) readBody(ctx context.Context, body io.Reader) (next string, err error) {
	page := wire.NewPageDecoder[backupFields](body)
	replay := r.delivered.replay()
	var info backupFields
	begins := true
	for {
		err := page.Next(&info)
		if errors.Is(err, io.EOF) {
			r.moved, err = replay.end()
			return page.ContinuationToken(), err
		}
		if err == nil {
			err = ctx.Err() // or a long buffer would still be delivered
		}
		if err != nil {
			return "", err
		}
		if begins && !r.moved[info.BackupID] {
			if r.begins[info.BackupID] {
				return "", errRepeatedPage // before any of it is delivered a second time
			}
			if overlap := overlap(r.previous, info.BackupID); overlap != nil {
				r.moved = overlap
			}
		}
		begins = false
		if skip, err := replay.skip(info.BackupID); err != nil {
			return "", err
		} else if skip {
			continue
		}
		if r.delivered.n == 0 {
			r.first = info.BackupID
		}
		r.delivered.add(info.BackupID)
		if r.moved[info.BackupID] {
			continue
		}
		if b := newBackup((*generated.BackupInfo)(&info)); r.list.inRange(&b) && !r.receive(b) {
			return "", errStopped
		}
	}
}

// params returns the query of one page. Every page repeats all of it: the server keeps no state between two
// pages.
func (l *list) params(ctx context.Context, token string) generated.GetPartitionBackupListParams {
	params := generated.GetPartitionBackupListParams{APIVersion: apiVersion, Timeout: serverTimeout(ctx)}
	o := &l.opts
	if o.Latest {
		params.Latest = new(true)
	}
	if !o.Since.IsZero() {
		params.StartDateTimeFilter = new(o.Since.UTC().Truncate(time.Second))
	}
	if !o.Until.IsZero() {
		until := o.Until.UTC().Truncate(time.Second)
		// The server knows the times of backups in whole seconds, so the truncated limit includes
		// them all. A wider limit is safe, except with Latest: the server would send a backup beyond
		// the limit instead of the one before it.
		if until.Before(o.Until) && !o.Latest {
			until = until.Add(time.Second)
		}
		params.EndDateTimeFilter = new(until)
	}
	if token != "" {
		params.ContinuationToken = new(token)
	}
	if o.PageSize > 0 {
		params.MaxResults = new(generated.MaxResults(o.PageSize)) //nolint:gosec // newList checked the range
	}
	return params
}

// inRange reports whether a backup is within the exact range of time. One without a time is: the server
// has selected it.
func (l *list) inRange(b *Backup) bool {
	t := b.CreationTimeUTC
	return t.IsZero() ||
		(l.opts.Since.IsZero() || !t.Before(l.opts.Since)) &&
			(l.opts.Until.IsZero() || !t.After(l.opts.Until))
}

func newBackup(w *generated.BackupInfo) Backup {
	return Backup{
		BackupID:                w.BackupID,
		BackupChainID:           w.BackupChainID,
		ApplicationName:         w.ApplicationName,
		ServiceName:             ServiceName(w.ServiceName),
		ServiceManifestVersion:  w.ServiceManifestVersion,
		PartitionInformation:    newPartition(&w.PartitionInformation),
		BackupLocation:          w.BackupLocation,
		BackupType:              BackupType(w.BackupType),
		EpochOfLastBackupRecord: newEpoch(w.EpochOfLastBackupRecord),
		LSNOfLastBackupRecord:   int64(w.LSNOfLastBackupRecord),
		CreationTimeUTC:         w.CreationTimeUTC.Time,
		FailureError:            newFabricError(w.FailureError),
	}
}

func wireBackup(b *Backup) *generated.BackupInfo {
	return &generated.BackupInfo{
		BackupID:                b.BackupID,
		BackupChainID:           b.BackupChainID,
		ApplicationName:         b.ApplicationName,
		ServiceName:             string(b.ServiceName),
		ServiceManifestVersion:  b.ServiceManifestVersion,
		PartitionInformation:    wirePartition(b.PartitionInformation),
		BackupLocation:          b.BackupLocation,
		BackupType:              wire.Symbol(b.BackupType),
		EpochOfLastBackupRecord: wireEpoch(b.EpochOfLastBackupRecord),
		LSNOfLastBackupRecord:   wire.Int64(b.LSNOfLastBackupRecord),
		CreationTimeUTC:         wire.Time{Time: b.CreationTimeUTC},
		FailureError:            wireFabricError(b.FailureError),
	}
}
