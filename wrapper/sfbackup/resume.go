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

// A connection can break in the middle of a page that is the whole list. The page is then requested again,
// and what was delivered before is skipped.

// maxIdentities is how many identities of a page are kept. A page that is requested again may have another
// order, so the identities tell what was delivered. Beyond that number a page has to begin as it did
// before: a list of a million backups must not cost the memory of a million identities.
const maxIdentities = 1 << 16

// delivered records the backups of a page that were delivered before its connection broke.
type delivered struct {
	n      int              // how many
	ids    parts[uuid.UUID] // theirs, up to maxIdentities
	prefix maphash.Hash
}

func (d *delivered) add(id uuid.UUID) {
	d.n++
	if d.n <= maxIdentities {
		d.ids.add(id)
	}
	_, _ = d.prefix.Write(id[:]) // never fails
}

// identitySet returns identities as a set.
func identitySet(ids parts[uuid.UUID]) map[uuid.UUID]bool {
	set := map[uuid.UUID]bool{}
	for _, id := range ids.join() {
		set[id] = true
	}
	return set
}

// overlap returns the backups of the previous page if that has the one that a page begins with: the page is
// another one, but backups of the previous one come again in it. It may also be the same page, whose first
// backups have been deleted.
func overlap(previous parts[uuid.UUID], first uuid.UUID) map[uuid.UUID]bool {
	if !slices.ContainsFunc(previous, func(part []uuid.UUID) bool { return slices.Contains(part, first) }) {
		return nil
	}
	return identitySet(previous)
}

// errReordered is the error of a long page that is not what it was before its connection broke.
var errReordered = errors.New("the connection broke, and the list has changed since")

// A replay compares a page that was requested again with what was delivered of it before.
type replay struct {
	missing map[uuid.UUID]bool // delivered, and not seen again yet; nil: the order counts
	n       int                // how many backups of the beginning are still to come
	want    uint64
	hash    maphash.Hash
}

func (d *delivered) replay() *replay {
	if d.n <= maxIdentities {
		return &replay{missing: identitySet(d.ids)}
	}
	r := &replay{n: d.n, want: d.prefix.Sum64()}
	r.hash.SetSeed(d.prefix.Seed())
	return r
}

// skip reports whether a backup was delivered before.
func (r *replay) skip(id uuid.UUID) (bool, error) {
	if r.missing != nil {
		skip := r.missing[id]
		delete(r.missing, id)
		return skip, nil
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

// end is called at the end of the page. It returns what was delivered and has not come again, because that
// may have moved to the next page.
func (r *replay) end() (moved map[uuid.UUID]bool, err error) {
	if r.n > 0 {
		return nil, errReordered
	}
	return r.missing, nil
}

// pageBody is the body of a page. It knows how far it was read.
type pageBody struct {
	resp *http.Response
	read int64
	err  error // other than io.EOF
}

func (b *pageBody) Read(p []byte) (int, error) {
	n, err := b.resp.Body.Read(p)
	b.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// broken reports whether a page ended with an error because its connection broke, and not because its
// reader stopped or its content is invalid.
func (b *pageBody) broken(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() != nil || errors.Is(err, errStopped) {
		return false
	}
	if e, ok := errors.AsType[net.Error](b.err); ok && e.Timeout() {
		return false // the timeout of the caller's http.Client
	}
	return b.err != nil || errors.Is(err, io.ErrUnexpectedEOF)
}

// maxBuffer is how much of a page is read at a time. The decoder itself reads little at a time, and each
// read is a system call.
const maxBuffer = 32 << 10

// buffered returns a buffered reader of the body. The buffer is no larger than the body.
func (b *pageBody) buffered() io.Reader {
	size := maxBuffer
	if length := b.resp.ContentLength; 0 <= length && length < maxBuffer {
		size = int(length)
	}
	return bufio.NewReaderSize(b, size)
}

// maxDrain is how many bytes are read sooner than a new connection is made.
const maxDrain = 32 << 10

// drainTimeout is how long to wait for them.
const drainTimeout = 10 * time.Millisecond

// close ends the transfer. It reads a short rest, so that the connection can be reused, but not a rest of
// unknown length or one that does not arrive.
func (b *pageBody) close() {
	if rest := b.resp.ContentLength - b.read; b.err == nil && rest > 0 && rest <= maxDrain {
		timer := time.AfterFunc(drainTimeout, func() { _ = b.resp.Body.Close() })
		_, _ = io.CopyN(io.Discard, b.resp.Body, rest)
		timer.Stop()
	}
	_ = b.resp.Body.Close()
}
