package sfbackuptest

import (
	"iter"
	"slices"
	"sort"
	"time"

	"github.com/google/uuid"
)

// record is a backup in a store, complete and never changed.
type record struct{ Backup }

// fileName returns the name of the backup's files without an extension.
func (r *record) fileName() string { return r.Time.Format(fileNameFormat) }

// history is what a store holds for one partition at one moment, in the order
// of the file names, which is that of time. It never changes, so that a list
// can be written from it at the pace of its reader.
type history struct {
	parts []part
	from  int // what is before was deleted
	n     int // of all parts together, with what was deleted
}

// part is a run of backups in a history, one that was stored or one that is
// computed when it is asked for.
type part interface {
	len() int
	at(i int) record
	timeAt(i int) time.Time
}

// stored is a part that is kept as it is.
type stored []record

func (s stored) len() int               { return len(s) }
func (s stored) at(i int) record        { return s[i] }
func (s stored) timeAt(i int) time.Time { return s[i].Time }

func newHistory(parts []part, from int) history {
	h := history{parts: parts, from: from}
	for _, p := range parts {
		h.n += p.len()
	}
	return h
}

func (h history) len() int { return h.n - h.from }

// find returns the part that has a backup, and its place there.
func (h history) find(i int) (p part, place int) {
	i += h.from
	for _, p := range h.parts {
		if i < p.len() {
			return p, i
		}
		i -= p.len()
	}
	panic("sfbackuptest: a history has no such backup")
}

func (h history) at(i int) record {
	p, place := h.find(i)
	return p.at(place)
}

func (h history) timeAt(i int) time.Time {
	p, place := h.find(i)
	return p.timeAt(place)
}

// all returns the backups, each made when it is asked for.
func (h history) all() iter.Seq[record] {
	return func(yield func(record) bool) {
		skip := h.from
		for _, p := range h.parts {
			for i := skip; i < p.len(); i++ {
				if !yield(p.at(i)) {
					return
				}
			}
			skip = max(skip-p.len(), 0)
		}
	}
}

// since returns the part of the history that is not before t.
func (h history) since(t time.Time) history {
	return h.without(sort.Search(h.len(), func(i int) bool { return !h.timeAt(i).Before(t) }))
}

// after returns the part of the history that is later than t.
func (h history) after(t time.Time) history {
	return h.without(sort.Search(h.len(), func(i int) bool { return h.timeAt(i).After(t) }))
}

// without returns the history without its first backups.
func (h history) without(n int) history {
	h.from += n
	return h
}

// index returns the place of a backup, or -1.
func (h history) index(id uuid.UUID) int {
	i := 0
	for r := range h.all() {
		if r.ID == id {
			return i
		}
		i++
	}
	return -1
}

// last returns the latest backup, or nil.
func (h history) last() *record {
	if h.len() == 0 {
		return nil
	}
	r := h.at(h.len() - 1)
	return &r
}

// chain returns the identity of the chain that the next incremental backup
// belongs to and how many incremental backups it has already. The identity is
// zero if there is no chain to continue.
func (h history) chain() (id uuid.UUID, incremental int) {
	last := h.last()
	if last == nil {
		return uuid.Nil, 0
	}
	for i := h.len() - 1; i >= 0; i-- {
		r := h.at(i)
		if r.ChainID != last.ChainID {
			break
		}
		if r.Type == BackupTypeIncremental {
			incremental++
		}
	}
	return last.ChainID, incremental
}

// retain returns what is left of a history when backups from before a time are
// deleted: those and so many others that there are enough, and all that they
// continue.
func (h history) retain(since time.Time, atLeast int) history {
	n := min(h.len()-h.since(since).len(), max(h.len()-max(atLeast, 1), 0))
	for ; n > 0; n-- {
		if r := h.at(n); r.ChainID != h.at(n-1).ChainID {
			break
		}
	}
	return h.without(n)
}

// store is what one storage holds for one partition, and what the schedule of
// the partition's policy is going to add.
type store struct {
	place    Storage
	parts    []part
	from     int     // what is before was deleted
	schedule *series // what is not made yet, and has no end; nil: nothing
}

// history returns what the store holds at a time.
func (s *store) history(now time.Time) history {
	parts := s.parts
	if s.schedule != nil {
		if n := s.schedule.countUntil(now); n > 0 {
			parts = append(slices.Clip(parts), s.schedule.head(n))
		}
	}
	return newHistory(parts, s.from)
}

// settle puts what the schedule has made by now into the store for good.
func (s *store) settle(now time.Time) history {
	h := s.history(now)
	if s.schedule != nil {
		s.schedule = s.schedule.tail(h.n - newHistory(s.parts, 0).n)
	}
	s.parts = h.parts
	return h
}

// add adds a backup that is later than all others.
func (s *store) add(r record) {
	// Lists that are being written have the parts as they were.
	parts := slices.Clone(s.parts)
	if n := len(parts); n > 0 {
		if last, ok := parts[n-1].(stored); ok {
			parts[n-1] = append(last, r)
			s.parts = parts
			return
		}
	}
	s.parts = append(parts, stored{r})
}
