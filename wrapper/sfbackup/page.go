package sfbackup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/generated"
	"github.com/servicefabric-go/backup/internal/transport"
	"github.com/servicefabric-go/backup/internal/wire"
)

// errStopped reports that the receiver of the backups wants no more.
var errStopped = errors.New("stopped")

// eachPage reads page after page.
func (l *list) eachPage(ctx context.Context, receive func(Backup) bool) error {
	r := &pageReader{
		list: l, token: l.opts.ContinuationToken, receive: receive,
		resumer: &resumer{limit: maxIdentities}, begins: map[uuid.UUID]bool{},
	}
	var cycle tokenCycle
	empty := 0 // the number of pages without a backup in a row
	for {
		next, err := r.read(ctx)
		if err == nil && cycle.seen(next) {
			err = fmt.Errorf("sfbackup: %s: %w", l.operation, errRepeatedToken)
		}
		if err != nil || next == "" {
			return err
		}
		if r.first != uuid.Nil {
			empty = 0
			if len(r.begins) < maxIdentities {
				r.begins[r.first] = true
			}
		} else if empty++; empty == maxEmptyPages {
			return fmt.Errorf("sfbackup: %s: %w", l.operation, errEmptyPages)
		} else if transport.Sleep(ctx, l.client.retry.Delay(empty)) != nil {
			return fmt.Errorf("sfbackup: %s: %w", l.operation, transport.ContextError(ctx))
		}
		r.token = next
	}
}

// page reads one page.
func (l *list) page(ctx context.Context) (*Page, error) {
	var backups parts[Backup]
	r := &pageReader{
		list: l, token: l.opts.ContinuationToken,
		receive: func(b Backup) bool {
			backups.add(b)
			return true
		},
		// The caller has not seen the page yet, so it can begin again, even if it has changed.
		restart: func() { backups = nil },
	}
	token, err := r.read(ctx)
	if err != nil {
		return nil, err
	}
	return &Page{Backups: backups.join(), ContinuationToken: token}, nil
}

// A pageReader reads one page, or one after the other.
type pageReader struct {
	list    *list
	token   string // of the page
	receive func(Backup) bool
	restart func()             // nil: what was delivered cannot be taken back
	resumer *resumer           // nil: the page is delivered from its beginning again
	begins  map[uuid.UUID]bool // the first backups of earlier pages, with which the page must not begin

	// Of the last response:
	first uuid.UUID // its first backup; zero if it has none
	fresh int       // how many backups were not delivered before
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
		next, broken, err := r.readOnce(ctx)
		if !broken {
			return next, err
		}
		if tries++; r.fresh > 0 {
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
		}
		if r.resumer != nil {
			r.resumer.broke()
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
	resp, err := l.client.do(ctx, req, transport.Call{Operation: l.operation, Want: wantOK}) //nolint:bodyclose // the stream closes it
	if err != nil {
		return "", false, err
	}
	body := transport.NewStream(resp)
	defer body.Close()
	next, err = r.readBody(ctx, body.Buffered())
	if err == nil && next == r.token && next != "" {
		err = errRepeatedToken
	}
	if err != nil && !errors.Is(err, errStopped) {
		err = fmt.Errorf("sfbackup: %s: %w", l.operation, l.client.transport.RedactError(transport.CallError(ctx, err)))
	}
	return next, !isFinal(err) && body.Broken(ctx, err), err
}

var wantOK = []int{http.StatusOK}

// errNoID is the error of an item that is no backup: nobody could restore it, delete it or tell it from another.
var errNoID = errors.New("the backup has no BackupId")

// readBody reads the body of the page and delivers what was not delivered before.
func (r *pageReader) readBody(ctx context.Context, body io.Reader) (next string, err error) {
	page := wire.NewPageDecoder[generated.BackupInfo](body)
	r.first, r.fresh = uuid.Nil, 0
	if r.resumer != nil {
		r.resumer.begin()
	}
	var info generated.BackupInfo
	for n := 0; ; n++ {
		err := page.Next(&info)
		if errors.Is(err, io.EOF) {
			return page.ContinuationToken(), r.end()
		}
		if err == nil {
			err = ctx.Err() // or a long buffer would still be delivered
		}
		if err == nil && info.BackupID == uuid.Nil {
			err = fmt.Errorf("item %d: %w", n, errNoID)
		}
		if err != nil {
			return "", err
		}
		if skip, err := r.skip(info.BackupID); err != nil {
			return "", err
		} else if skip {
			continue
		}
		r.fresh++
		b := newBackup(&info)
		if b.FailureError != nil {
			r.list.client.redactFailure(b.FailureError)
		}
		if r.list.inRange(&b) && !r.receive(b) {
			return "", errStopped
		}
	}
}

// skip reports whether the next backup of the page is not delivered, because it was before.
func (r *pageReader) skip(id uuid.UUID) (bool, error) {
	if r.first == uuid.Nil {
		if r.begins[id] {
			return false, errRepeatedPage // before any of it is delivered a second time
		}
		r.first = id
	}
	if r.resumer == nil {
		return false, nil
	}
	return r.resumer.skip(id)
}

// end is called at the end of the complete page.
func (r *pageReader) end() error {
	if r.resumer == nil {
		return nil
	}
	return r.resumer.end()
}

// isFinal reports whether an error is one of the list itself, which ends it even if its connection broke as well.
func isFinal(err error) bool {
	for _, final := range []error{errStopped, errReordered, errRepeatedPage, errNoID} {
		if errors.Is(err, final) {
			return true
		}
	}
	return false
}
