package sfbackup

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/generated"
	"github.com/servicefabric-go/backup/internal/document"
	"github.com/servicefabric-go/backup/internal/transport"
	"github.com/servicefabric-go/backup/internal/wire"
)

// BackupType is what a backup contains. Servers may send types that are not listed here.
type BackupType string

// The backup types of the documentation.
const (
	BackupTypeInvalid     BackupType = "Invalid"     // not a type
	BackupTypeFull        BackupType = "Full"        // the whole state; begins a chain
	BackupTypeIncremental BackupType = "Incremental" // the changes since the previous backup of its chain
)

// Backup is a backup in a storage. In a list its BackupID is never zero: an item without one is an error.
type Backup struct {
	BackupID, BackupChainID uuid.UUID // a chain has the id of the full backup that begins it
	ApplicationName         string    // "fabric:/App"
	ServiceName             ServiceName
	ServiceManifestVersion  string
	PartitionInformation    PartitionInformation // never nil in a list
	BackupLocation          string               // relative to the root of the storage; its form depends on the storage
	BackupType              BackupType
	EpochOfLastBackupRecord Epoch
	LSNOfLastBackupRecord   int64 // logical sequence number
	CreationTimeUTC         time.Time
	FailureError            *FabricError // nil unless the backup failed
}

// ListOptions says which backups to list. A nil or zero ListOptions lists all.
type ListOptions struct {
	// Latest lists only the most recent backup of each partition within the range of time. Iterators then
	// read the whole list before they yield the first backup.
	Latest bool
	// Since and Until are the range of time, both included; zero is no limit. The server compares
	// whole seconds, so the client requests a range that is wide enough and drops the backups outside
	// the exact range. The time of a backup is that of the server's clock, cut to whole seconds: to find
	// a backup that was just taken, let Since be a little earlier than its start.
	Since, Until time.Time
	// PageSize is how many backups the server puts into one page; with 0 one page has all of them. With
	// a size, servers of 6.4 fail if a page would be empty, because a storage or the range of time has no
	// more backups: with CodeInvalidArgument, or with a status of 500. So set it only if you need pages.
	// Iterators need little memory without it.
	PageSize int
	// ContinuationToken continues a list after a Page: it is the token of that page. It is opaque.
	ContinuationToken string
}

// Page is one page of a list.
type Page struct {
	Backups           []Backup
	ContinuationToken string // "" at the end
}

// PartitionBackups lists the backups of a partition. Nothing is sent before the loop begins; ranging
// over the result a second time lists again. If the list fails, the last element is a zero Backup with the
// error. Leaving the loop ends the transfer. Options are copied at the call.
//
// If a connection breaks, its page is requested again and the loop goes on where it was. It gets each backup as
// often as without the break, even if the list has changed in between. If a long page has changed too much to
// tell, the list ends with an error.
//
// Pages may be empty. The next page after an empty one is requested after a delay of the [RetryPolicy], and
// 100 empty pages in a row are an error.
//
// An item without a BackupId, or with one of zeros, is an error that names it by its index in its page.
// Everything else that is missing in an item is zero in its Backup.
func (c *Client) PartitionBackups(ctx context.Context, partition uuid.UUID, opts *ListOptions) iter.Seq2[Backup, error] {
	return c.partitionList(partition, opts).all(ctx)
}

// ServiceBackups lists the backups of all partitions of a service, like [Client.PartitionBackups].
//
// Servers of 6.4 identify an Azure storage by its connection string alone. If the partitions of a service
// have policies with two containers of the same account, the list lacks the backups in one of them, without
// an error. List the partitions of such a service one by one. A file share that the server cannot reach is
// listed as empty, also without an error.
func (c *Client) ServiceBackups(ctx context.Context, service ServiceName, opts *ListOptions) iter.Seq2[Backup, error] {
	return c.serviceList(service, opts).all(ctx)
}

// PartitionBackupsPage returns one page of the backups of a partition. To get the next page, call it
// again with the same options and the ContinuationToken of the page; the last page has none. A page may be
// empty without being the last. With Latest, a partition may be on several pages; [Client.PartitionBackups]
// yields only the most recent backup of each. An item without a BackupId is an
// error that names it by its index, and there is no page.
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
	l := c.newList(document.OpGetPartitionBackupList, opts)
	if l.err == nil {
		l.err = requireID(partition)
	}
	l.newRequest = func(params generated.GetPartitionBackupListParams) (*http.Request, error) {
		return generated.NewGetPartitionBackupListRequest(c.server, partition, &params)
	}
	return l
}

func (c *Client) serviceList(service ServiceName, opts *ListOptions) *list {
	l := c.newList(document.OpGetServiceBackupList, opts)
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
		var backups parts[Backup]
		latest := map[uuid.UUID]*Backup{} // of each partition
		err := l.eachPage(ctx, func(b Backup) bool {
			id := b.PartitionInformation.PartitionID()
			before := latest[id]
			switch {
			case id == uuid.Nil: // without an identity nothing can be compared
				backups.add(b)
			case before == nil:
				latest[id] = backups.add(b)
			case b.CreationTimeUTC.After(before.CreationTimeUTC):
				*before = b
			}
			return true
		})
		if err != nil {
			yield(Backup{}, err)
			return
		}
		for _, part := range backups {
			for i := range part {
				if ctx.Err() != nil {
					yield(Backup{}, fmt.Errorf("sfbackup: %s: %w", l.operation, transport.ContextError(ctx)))
					return
				}
				if !yield(part[i], nil) {
					return
				}
			}
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
