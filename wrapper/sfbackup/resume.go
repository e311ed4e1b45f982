package sfbackup

import (
	"bufio"
	"context"
	"errors"
	"hash/maphash"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
)

// A connection can break in the middle of a page that is the whole list. The page is then asked for
// again, and what was read before is passed over.

// maxIdentities is how many identities of a page are kept. The page after a break may have another
// order, so the identities tell what was read. Beyond that a longer page has to begin as it did
// before: a list of a million backups must not cost the memory of a million identities.
const maxIdentities = 1 << 16

// readBefore is what of a page was read before its connection broke.
type readBefore struct {
	n      int           // how many backups
	ids    [][]uuid.UUID // theirs, up to maxIdentities, in parts
	noID   bool          // one had none
	prefix maphash.Hash
}

func (r *readBefore) add(id uuid.UUID) {
	r.n++
	if r.n <= maxIdentities {
		r.keep(id)
	}
	r.noID = r.noID || id == uuid.Nil
	_, _ = r.prefix.Write(id[:]) // never fails
}

// partLength is how many identities are kept in one piece. A single one would be copied as it grows,
// and its old and new copy together are more than all else that a long list needs.
const partLength = 4096

func (r *readBefore) keep(id uuid.UUID) {
	last := len(r.ids) - 1
	switch {
	case last < 0:
		r.ids, last = append(r.ids, nil), 0 // most pages are short, and need no more than they need
	case len(r.ids[last]) == partLength:
		r.ids, last = append(r.ids, make([]uuid.UUID, 0, partLength)), last+1
	}
	r.ids[last] = append(r.ids[last], id)
}

// errReordered is the error of a long page that is not what it was before the break.
var errReordered = errors.New("the connection broke, and the list has changed since")

// A repetition is a page that is asked for again, beside what was read of it before.
type repetition struct {
	before map[uuid.UUID]bool // what was read and has not come again; nil: it goes by its beginning
	n      int                // how many backups of its beginning have still to come
	want   uint64
	hash   maphash.Hash
}

func (r *readBefore) repeated() *repetition {
	again := &repetition{}
	if r.n <= maxIdentities && !r.noID {
		again.before = make(map[uuid.UUID]bool, r.n)
		for _, id := range slices.Concat(r.ids...) {
			again.before[id] = true
		}
		return again
	}
	again.n, again.want = r.n, r.prefix.Sum64()
	again.hash.SetSeed(r.prefix.Seed())
	return again
}

// passed reports whether a backup was read before.
func (r *repetition) passed(id uuid.UUID) (bool, error) {
	if r.before != nil {
		passed := r.before[id]
		delete(r.before, id)
		return passed, nil
	}
	if r.n == 0 {
		return false, nil
	}
	_, _ = r.hash.Write(id[:])
	if r.n--; r.n == 0 && r.hash.Sum64() != r.want {
		return false, errReordered
	}
	return true, nil
}

// end is called at the end of the page. What was read before and has not come again may have moved to
// the next page, and is returned.
func (r *repetition) end() (moved map[uuid.UUID]bool, err error) {
	if r.n > 0 {
		return nil, errReordered
	}
	return r.before, nil
}

// broken reports whether a page ended because its connection broke, or because somebody on the way
// cut it off, and not because its reader had enough or its bytes make no sense.
func (b *pageBody) broken(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() != nil || errors.Is(err, errStopped) {
		return false
	}
	if e, ok := errors.AsType[net.Error](b.err); ok && e.Timeout() {
		return false // the time of the caller's http.Client is over
	}
	return b.err != nil || errors.Is(err, io.ErrUnexpectedEOF)
}

// pageBody is the body of a page. It knows how far it was read.
type pageBody struct {
	resp *http.Response
	read int64
	err  error // other than the end
}

func (b *pageBody) Read(p []byte) (int, error) {
	n, err := b.resp.Body.Read(p)
	b.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// maxBuffer is how much of a page is read at a time. A decoder by itself reads little at a time, and each
// time is a system call.
const maxBuffer = 32 << 10

// buffered returns a reader of the body that reads more at a time, as far as there is more.
func (b *pageBody) buffered() io.Reader {
	size := maxBuffer
	if length := b.resp.ContentLength; 0 <= length && length < maxBuffer {
		size = int(length)
	}
	return bufio.NewReaderSize(b, size)
}

// cheapRest is how many bytes are sooner read than a new connection is made.
const cheapRest = 32 << 10

// restPatience is how long to wait for it, if it has not even arrived.
const restPatience = 10 * time.Millisecond

// close ends the transfer. Where little is left it is read, so that the connection can be used again;
// where it is not known how much is left, or nothing comes, nobody waits for it.
func (b *pageBody) close() {
	if rest := b.resp.ContentLength - b.read; b.err == nil && rest > 0 && rest <= cheapRest {
		timer := time.AfterFunc(restPatience, func() { _ = b.resp.Body.Close() })
		_, _ = io.CopyN(io.Discard, b.resp.Body, rest)
		timer.Stop()
	}
	_ = b.resp.Body.Close()
}
