package sfbackuptest

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// series is a part of a history that is computed: backups at regular times
// whose identities derive from the seed, so that a million of them takes no
// more memory than one.
type series struct {
	seed, key uint64 // of identities and LSNs
	start     time.Time
	every     time.Duration
	first     int // its first backup, counted from the start
	n         int // how many; not used by a schedule

	chainLength int       // backups from one full one to the next; not positive: no limit
	chain       uuid.UUID // the one that is continued, if used is not zero
	used        int       // how many backups that one has already

	dataLossVersion, configurationVersion int64
	lsn                                   int64 // of the backup before the first
}

// The LSNs of two backups that follow each other are this far apart, give or
// take.
const (
	lsnStep   = 164
	lsnJitter = 0x3f
)

func (s *series) len() int { return s.n }

// timeAt returns the time of a backup, in whole seconds.
func (s *series) timeAt(i int) time.Time {
	return s.tick(i).Truncate(time.Second)
}

func (s *series) tick(i int) time.Time {
	return s.start.Add(time.Duration(s.first+i) * s.every)
}

func (s *series) at(i int) record {
	id, random := s.identity(i)
	b := Backup{
		ID:                   id,
		ChainID:              id,
		Type:                 BackupTypeFull,
		Time:                 s.timeAt(i),
		DataLossVersion:      s.dataLossVersion,
		ConfigurationVersion: s.configurationVersion,
		LSN:                  s.lsn + lsnStep*int64(i+1) + int64(random&lsnJitter),
	}
	position := s.used + i // counted from the full backup of the chain that is continued
	if s.chainLength > 0 && position >= s.chainLength {
		back := position % s.chainLength
		if back > 0 {
			b.Type = BackupTypeIncremental
			b.ChainID, _ = s.identity(i - back)
		}
	} else if position > 0 {
		b.Type = BackupTypeIncremental
		if b.ChainID = s.chain; s.used == 0 {
			b.ChainID, _ = s.identity(0)
		}
	}
	return record{b}
}

// identity returns the identity of a backup and a number that goes with it.
func (s *series) identity(i int) (uuid.UUID, uint64) {
	var source rand.PCG
	source.Seed(s.seed, s.key+uint64(s.first+i)) //nolint:gosec // both are counted from zero
	return newUUID(&source), source.Uint64()
}

// until returns how many backups of a schedule are made by a time.
func (s *series) until(now time.Time) int {
	if now.Before(s.tick(0)) {
		return 0
	}
	return int(now.Sub(s.tick(0))/s.every) + 1
}

// head returns the first backups of a schedule.
func (s *series) head(n int) *series {
	head := *s
	head.n = n
	return &head
}

// tail returns a schedule without its first backups, which continues them.
func (s *series) tail(n int) *series {
	if n == 0 {
		return s
	}
	tail := *s
	tail.first += n
	tail.lsn += lsnStep * int64(n)
	tail.chain = s.at(n - 1).ChainID
	tail.used += n
	if s.chainLength > 0 {
		tail.used %= s.chainLength
	}
	return &tail
}

// newSeries returns a series that begins at a time.
func (p *partition) newSeries(place Storage, start time.Time, every time.Duration) *series {
	h := fnv.New64a()
	_, _ = h.Write(p.id[:]) // a hash never fails to write
	_, _ = h.Write([]byte(string(place.Kind) + " " + place.Path))
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(start.Unix()))) //nolint:gosec // any number will do
	return &series{
		seed:                 p.seed,
		key:                  h.Sum64(),
		start:                start.UTC(),
		every:                every,
		dataLossVersion:      defaultDataLossVersion,
		configurationVersion: defaultConfigurationVersion,
	}
}

// continues lets a schedule continue what a store holds, from its first backup
// on that is later than all of that.
func (s *series) continues(h history, chainLength int, lsn int64) {
	s.chainLength, s.used, s.lsn = chainLength, 0, lsn
	last := h.last()
	if last == nil {
		return
	}
	if behind := last.Time.Add(time.Second).Sub(s.tick(0)); behind > 0 {
		s.first += int((behind-1)/s.every) + 1
	}
	s.dataLossVersion, s.configurationVersion = last.DataLossVersion, last.ConfigurationVersion
	s.lsn = max(lsn, last.LSN)
	chain, incremental := h.chain()
	if used := incremental + 1; chainLength <= 0 || used < chainLength {
		s.chain, s.used = chain, used
	}
}
