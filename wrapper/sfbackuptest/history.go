package sfbackuptest

import (
	"iter"
	"slices"
	"sort"
	"time"

	"github.com/google/uuid"
)

// history is what a store holds for one partition at one moment, ordered by file name, which is the order
// of time. It never changes, so that a slow client can read a list of it.
type history struct {
	segments []segment
	deleted  int // how many of the oldest backups were deleted
	total    int // of all segments, with the deleted ones
}

// segment is a run of backups in a history, either stored or computed on demand.
type segment interface {
	len() int
	at(i int) Backup
}

// storedSegment is a segment that is kept in memory.
type storedSegment []Backup

func (s storedSegment) len() int        { return len(s) }
func (s storedSegment) at(i int) Backup { return s[i] }

func newHistory(segments []segment, deleted int) history {
	h := history{segments: segments, deleted: deleted}
	for _, s := range segments {
		h.total += s.len()
	}
	return h
}

func (h history) len() int { return h.total - h.deleted }

func (h history) at(i int) Backup {
	i += h.deleted
	for _, s := range h.segments {
		if i < s.len() {
			return s.at(i)
		}
		i -= s.len()
	}
	panic("sfbackuptest: index out of the range of a history")
}

// all returns the backups, each computed when the loop reaches it.
func (h history) all() iter.Seq[Backup] {
	return func(yield func(Backup) bool) {
		skip := h.deleted
		for _, s := range h.segments {
			for i := skip; i < s.len(); i++ {
				if !yield(s.at(i)) {
					return
				}
			}
			skip = max(skip-s.len(), 0)
		}
	}
}

// since returns the backups that are not before t.
func (h history) since(t time.Time) history {
	return h.drop(sort.Search(h.len(), func(i int) bool { return !h.at(i).Time.Before(t) }))
}

// drop returns the history without its first n backups.
func (h history) drop(n int) history {
	h.deleted += n
	return h
}

// index returns the index of a backup, or -1.
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
func (h history) last() *Backup {
	if h.len() == 0 {
		return nil
	}
	r := h.at(h.len() - 1)
	return &r
}

// chain returns the ID of the chain that the next incremental backup belongs to, and how many incremental
// backups the chain has already. The ID is zero if there is no chain.
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

// store is what one storage holds for one partition, and what the schedule of the partition's policy will
// add.
type store struct {
	storage  Storage
	segments []segment
	deleted  int     // how many of the oldest backups were deleted
	schedule *series // the backups to come, without an end; nil: none
}

// history returns what the store holds at a time.
func (s *store) history(now time.Time) history {
	segments := s.segments
	if s.schedule != nil {
		if n := s.schedule.countUntil(now); n > 0 {
			due := *s.schedule
			due.N = n
			segments = append(slices.Clip(segments), &due)
		}
	}
	return newHistory(segments, s.deleted)
}

// advance moves the backups that are due by now from the schedule to the segments.
func (s *store) advance(now time.Time) history {
	h := s.history(now)
	if s.schedule != nil {
		s.schedule = s.schedule.tail(h.total - newHistory(s.segments, 0).total)
	}
	s.segments = h.segments
	return h
}

// add adds a backup that is later than all others.
func (s *store) add(r Backup) {
	// Lists that are being written still use the old slice.
	segments := slices.Clone(s.segments)
	if n := len(segments); n > 0 {
		if last, ok := segments[n-1].(storedSegment); ok {
			segments[n-1] = append(last, r)
			s.segments = segments
			return
		}
	}
	s.segments = append(segments, storedSegment{r})
}
