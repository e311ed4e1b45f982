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
	"github.com/servicefabric-go/backup/internal/wire"
)

// BackupType is what a backup holds. The set is open.
type BackupType string

// The backup types of the documentation.
const (
	BackupTypeInvalid     BackupType = "Invalid"     // not a type
	BackupTypeFull        BackupType = "Full"        // the whole state; begins a chain
	BackupTypeIncremental BackupType = "Incremental" // what changed since the backup before it in its chain
)

// Backup is a backup that a storage holds.
type Backup struct {
	BackupID, BackupChainID uuid.UUID // the chain has the id of the full backup that begins it
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
	// whole seconds, so the client asks for a range that is wide enough and leaves out what is not
	// within the exact one. Backups carry the server's clock, cut to whole seconds: to find one that
	// was just taken, let Since be a little earlier than its start.
	Since, Until time.Time
	// PageSize is how many backups the server puts into one page; 0, all into one. With a size,
	// servers of 6.4 answer with CodeInvalidArgument where a page would be empty: when the storage,
	// or the range of time, has no more backups. So set it only where it is needed. It is not needed
	// to keep memory low.
	PageSize int
	// ContinuationToken is where to go on, from a Page of the same list.
	ContinuationToken string
}

// Page is one page of a list.
type Page struct {
	Backups           []Backup
	ContinuationToken string // "" at the end
}

// PartitionBackups lists the backups of a partition. Nothing is sent before the loop begins; a loop
// over the result a second time lists anew. An error is the last element. Leaving the loop ends the
// transfer.
func (c *Client) PartitionBackups(ctx context.Context, partition uuid.UUID, opts *ListOptions) iter.Seq2[Backup, error] {
	return c.partitionList(partition, opts).all(ctx)
}

// ServiceBackups lists the backups of all partitions of a service, like [Client.PartitionBackups].
//
// Servers of 6.4 know an Azure storage by its connection string alone. If the partitions of a service have
// policies with two containers of the same account, the list lacks the backups in one of them, without an
// error. List the partitions of such a service one by one.
func (c *Client) ServiceBackups(ctx context.Context, service ServiceName, opts *ListOptions) iter.Seq2[Backup, error] {
	return c.serviceList(service, opts).all(ctx)
}

// PartitionBackupsPage returns one page of the backups of a partition. To get the next one, set
// ContinuationToken in the same options. A page may be empty and not the last; with Latest, a
// partition may be on several pages. [Client.PartitionBackups] takes care of both.
func (c *Client) PartitionBackupsPage(ctx context.Context, partition uuid.UUID, opts *ListOptions) (*Page, error) {
	return c.partitionList(partition, opts).page(ctx)
}

// ServiceBackupsPage returns one page of the backups of a service, like
// [Client.PartitionBackupsPage].
func (c *Client) ServiceBackupsPage(ctx context.Context, service ServiceName, opts *ListOptions) (*Page, error) {
	return c.serviceList(service, opts).page(ctx)
}

// A list is a list of backups that was asked for; it stays as it is and can be read many times.
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
		// The builder escapes the whole service id as one segment, because OpenAPI has no parameter
		// that spans several. The slashes in it separate segments.
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

// latest returns an iterator over the most recent backup of each partition. The server finds the
// most recent one of each partition in each page, and in each storage, so the same partition can
// come several times.
func (l *list) latest(ctx context.Context) iter.Seq2[Backup, error] {
	return func(yield func(Backup, error) bool) {
		var backups []Backup
		index := map[uuid.UUID]int{}
		err := l.eachPage(ctx, func(b Backup) bool {
			id := b.PartitionInformation.PartitionID()
			i, ok := index[id]
			switch {
			case !ok || id == uuid.Nil: // without an identity there is nothing to compare by
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
				yield(Backup{}, callError(ctx, l.operation, ctx.Err()))
				return
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

// errStopped says that the receiver of the backups wants no more.
var errStopped = errors.New("stopped")

// eachPage reads page after page.
func (l *list) eachPage(ctx context.Context, receive func(Backup) bool) error {
	r := &reading{list: l, token: l.opts.ContinuationToken, receive: receive}
	var circle circle
	begins := map[uuid.UUID]bool{} // the first backups of the pages so far
	for {
		next, err := r.read(ctx)
		if err == nil && circle.closes(next) {
			err = fmt.Errorf("sfbackup: %s: %w", l.operation, errRepeatedToken)
		}
		if err != nil || next == "" {
			return err
		}
		if r.first != uuid.Nil && len(begins) < maxIdentities {
			begins[r.first] = true
		}
		r = &reading{list: l, token: next, receive: receive, moved: r.moved, begins: begins, previous: r.before.ids}
	}
}

// page reads one page.
func (l *list) page(ctx context.Context) (*Page, error) {
	page := &Page{}
	r := &reading{
		list: l, token: l.opts.ContinuationToken,
		receive: func(b Backup) bool {
			page.Backups = append(page.Backups, b)
			return true
		},
		// Nobody has seen the page yet, so that it can begin anew, whatever it is then.
		restart: func() { page.Backups = nil },
	}
	token, err := r.read(ctx)
	if err != nil {
		return nil, err
	}
	page.ContinuationToken = token
	return page, nil
}

// A reading is one page while it is read.
type reading struct {
	list    *list
	token   string
	receive func(Backup) bool
	restart func()             // nil: what was handed out stays handed out
	before  readBefore         // what was
	moved   map[uuid.UUID]bool // what the page before had, and this one may have again
	begins  map[uuid.UUID]bool // the first backups of earlier pages, which this one must not begin with
	first   uuid.UUID          // its own

	previous [][]uuid.UUID // the identities of the page before, in parts
}

// read reads the page, hands out its backups as they arrive, and returns the token of the next page.
// Its error is errStopped if receive returned false. A page whose connection breaks is asked for again,
// and goes on where it was.
func (r *reading) read(ctx context.Context) (next string, err error) {
	l := r.list
	if l.err != nil {
		return "", fmt.Errorf("sfbackup: %s: %w", l.operation, l.err)
	}
	policy := l.client.retry
	for all, tries := 1, 1; ; all++ {
		n := r.before.n
		next, again, err := r.readOnce(ctx)
		if !again {
			return next, err
		}
		if tries++; r.before.n > n {
			tries = 2
		}
		if tries > policy.MaxAttempts || policy.MaxAttempts == 1 || all >= 8*policy.MaxAttempts {
			return "", err
		}
		if tries > 2 {
			if err := sleep(ctx, policy.delay(tries-2)); err != nil {
				return "", callError(ctx, l.operation, err)
			}
		}
		if r.restart != nil {
			r.restart()
			r.before = readBefore{}
		}
	}
}

// readOnce is read without a second try; again reports whether one makes sense.
func (r *reading) readOnce(ctx context.Context) (next string, again bool, err error) {
	l := r.list
	req, err := l.newRequest(l.params(ctx, r.token))
	if err != nil {
		return "", false, fmt.Errorf("sfbackup: %s: %w", l.operation, err)
	}
	resp, err := l.client.do(ctx, l.operation, req, http.StatusOK) //nolint:bodyclose // pageBody closes it
	if err != nil {
		return "", false, err
	}
	body := &pageBody{resp: resp}
	defer body.close()
	next, err = r.readPage(ctx, body.buffered())
	if err == nil && next == r.token && next != "" {
		err = errRepeatedToken
	}
	if err != nil && !errors.Is(err, errStopped) {
		err = callError(ctx, l.operation, err)
	}
	return next, body.broken(ctx, err), err
}

// readPage reads the body of the page and hands out what was not read before.
func (r *reading) readPage(ctx context.Context, body io.Reader) (next string, err error) {
	page := wire.NewPageDecoder[backupFields](body)
	repetition := r.before.repeated()
	var info backupFields
	begins := true
	for {
		err := page.Next(&info)
		if errors.Is(err, io.EOF) {
			r.moved, err = repetition.end()
			return page.ContinuationToken(), err
		}
		if err == nil {
			err = ctx.Err() // what is buffered could be handed out for long
		}
		if err != nil {
			return "", err
		}
		if begins && !r.moved[info.BackupID] {
			if r.begins[info.BackupID] {
				return "", errRepeatedPage // before any of it is handed out once more
			}
			if overlap := r.overlap(info.BackupID); overlap != nil {
				r.moved = overlap
			}
		}
		begins = false
		if passed, err := repetition.passed(info.BackupID); err != nil {
			return "", err
		} else if passed {
			continue
		}
		if r.before.n == 0 {
			r.first = info.BackupID
		}
		r.before.add(info.BackupID)
		if r.moved[info.BackupID] {
			continue
		}
		if b := newBackup((*generated.BackupInfo)(&info)); r.list.inRange(&b) && !r.receive(b) {
			return "", errStopped
		}
	}
}

// params returns the query of one page. Every page repeats all of it: the server keeps nothing
// between two pages.
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
		// Backups are made at whole seconds as far as the server knows, so the truncated limit has
		// them all. A wider one is safe, except with Latest: there, a backup beyond the limit would
		// be sent instead of the one before it.
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

// inRange reports whether a backup is within the exact range of time. The server knows better about
// a backup without a time.
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
