package sfbackup

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"net/http"

	"github.com/google/uuid"
)

// A connection can break in the middle of a page that is the whole list. The page is then asked for
// again, and what was read before is passed over.

// maxResumes is how often a page is asked for again without getting any further.
const maxResumes = 3

// maxIdentities is how many identities of a page are kept. The page after a break may have another
// order, so the identities tell what was read. Beyond that a longer page has to begin as it did
// before: a list of a million backups must not cost the memory of a million identities.
const maxIdentities = 1 << 16

// readBefore is what of a page was read before its connection broke.
type readBefore struct {
	n      int         // how many backups
	ids    []uuid.UUID // theirs, up to maxIdentities
	noID   bool        // one had none
	prefix maphash.Hash
}

func (r *readBefore) add(id uuid.UUID) {
	r.n++
	if len(r.ids) < maxIdentities {
		r.ids = append(r.ids, id)
	}
	r.noID = r.noID || id == uuid.Nil
	_, _ = r.prefix.Write(id[:]) // never fails
}

// errReordered is the error of a long page that is not what it was before the break.
var errReordered = errors.New("the connection broke, and the list has changed since")

// passOver returns a function that reports for each backup of the page, when it is asked for again,
// whether it was read before.
func (r *readBefore) passOver() func(uuid.UUID) (bool, error) {
	if r.n <= maxIdentities && !r.noID {
		before := make(map[uuid.UUID]bool, r.n)
		for _, id := range r.ids {
			before[id] = true
		}
		return func(id uuid.UUID) (bool, error) { return before[id], nil }
	}
	var again maphash.Hash
	again.SetSeed(r.prefix.Seed())
	n, want := r.n, r.prefix.Sum64()
	return func(id uuid.UUID) (bool, error) {
		if n == 0 {
			return false, nil
		}
		_, _ = again.Write(id[:])
		if n--; n == 0 && again.Sum64() != want {
			return false, errReordered
		}
		return true, nil
	}
}

// broken reports whether a page ended because its connection broke, or because somebody on the way
// cut it off, and not because its reader had enough or its bytes make no sense.
func (b *pageBody) broken(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() == nil && !errors.Is(err, errStopped) &&
		(b.err != nil || errors.Is(err, io.ErrUnexpectedEOF))
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

// cheapRest is how many bytes are sooner read than a new connection is made.
const cheapRest = 32 << 10

// close ends the transfer. Where little is left it is read, so that the connection can be used again;
// where it is not known how much is left, nobody waits for it.
func (b *pageBody) close() {
	if rest := b.resp.ContentLength - b.read; b.err == nil && rest > 0 && rest <= cheapRest {
		_, _ = io.CopyN(io.Discard, b.resp.Body, rest)
	}
	_ = b.resp.Body.Close()
}
