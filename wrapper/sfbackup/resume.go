package sfbackup

import (
	"encoding/binary"
	"errors"
	"hash/maphash"
	"slices"

	"github.com/google/uuid"
)

// A connection can break in the middle of a page that is the whole list. The page is then requested again,
// and what was delivered before is skipped. The list may have changed in between, so what was delivered can
// come in another order, on a later page, or never again.

// maxIdentities is how many identities are kept of each page, and how many of backups that were delivered and
// may come again. Beyond that number a page has to begin as it did before its connection broke: a list of a
// million backups must not cost the memory of a million identities.
const maxIdentities = 1 << 16

// errReordered is the error of a long page that is not what it was before its connection broke.
var errReordered = errors.New("the connection broke, and the list has changed since")

// A resumer decides which backups of a list are delivered, so that each is delivered as often as if no
// connection had broken: as often as it is in the pages whose transfer was complete.
type resumer struct {
	limit     int            // maxIdentities
	previous  identities     // of the page before
	page      identities     // of the current response
	overlap   identityCounts // what the current response has in common with the page before, and is still to come
	ahead     identityCounts // what was delivered, and has not come in a complete page yet
	beginning prefix         // of the current page; it is set if its identities are too many to be kept
}

// begin is called before each response.
func (r *resumer) begin() {
	r.page = identities{}
	if r.beginning.n == 0 {
		r.overlap = identityCounts{}
	}
}

// skip reports whether the next backup of the response was delivered before.
func (r *resumer) skip(id uuid.UUID) (bool, error) {
	r.page.add(id, r.limit)
	if r.page.n <= r.beginning.n {
		if r.page.n == r.beginning.n && r.page.prefix != r.beginning {
			return false, errReordered
		}
		return true, nil
	}
	if r.page.n == 1 {
		r.overlap = r.overlapOf(id)
	}
	return r.overlap.take(id) || r.ahead.take(id), nil
}

// broke is called after a response whose connection broke, if the page is requested again.
func (r *resumer) broke() {
	switch {
	case r.page.n < r.beginning.n: // it had less than the response before
	case r.beginning.n > 0 || r.page.n+r.ahead.total > r.limit:
		r.beginning = r.page.prefix
	case r.page.n > 0:
		// What was skipped because the page before has it was delivered for that page.
		overlap := r.overlapOf(r.page.parts[0][0])
		for _, part := range r.page.parts {
			for _, id := range part {
				if !overlap.take(id) {
					r.ahead.put(id)
				}
			}
		}
	}
}

// end is called at the end of a complete page.
func (r *resumer) end() error {
	if r.page.n < r.beginning.n {
		return errReordered
	}
	r.previous, r.beginning = r.page, prefix{}
	return nil
}

// overlapOf returns the backups of the page before if a response begins with one of them: they come again in
// it, because backups were added to the list. The response may also be the same page, whose first backups have
// been deleted.
func (r *resumer) overlapOf(first uuid.UUID) (overlap identityCounts) {
	if !slices.ContainsFunc(r.previous.parts, func(part []uuid.UUID) bool { return slices.Contains(part, first) }) {
		return overlap
	}
	for _, part := range r.previous.parts {
		for _, id := range part {
			overlap.put(id)
		}
	}
	return overlap
}

// identities are those of a page in their order.
type identities struct {
	prefix
	parts parts[uuid.UUID] // the first ones, up to a limit
}

func (p *identities) add(id uuid.UUID, limit int) {
	p.prefix = p.with(id)
	if p.n <= limit {
		p.parts.add(id)
	}
}

// A prefix stands for the first n identities of a page.
type prefix struct {
	n    int
	hash uint64
}

var prefixSeed = maphash.MakeSeed()

func (p prefix) with(id uuid.UUID) prefix {
	var b [8 + len(id)]byte
	binary.LittleEndian.PutUint64(b[:], p.hash)
	copy(b[8:], id[:])
	return prefix{p.n + 1, maphash.Bytes(prefixSeed, b[:])}
}

// identityCounts counts identities. A server may have several backups with the same one.
type identityCounts struct {
	counts map[uuid.UUID]int
	total  int
}

func (c *identityCounts) put(id uuid.UUID) {
	if c.counts == nil {
		c.counts = map[uuid.UUID]int{}
	}
	c.counts[id]++
	c.total++
}

// take removes an identity once and reports whether it was there.
func (c *identityCounts) take(id uuid.UUID) bool {
	n := c.counts[id]
	switch n {
	case 0:
		return false
	case 1:
		delete(c.counts, id)
	default:
		c.counts[id] = n - 1
	}
	c.total--
	return true
}
