package sfbackuptest

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// Series describes the history of a partition that is backed up regularly. In a [Partition] its backups
// are computed when they are needed, so that a long history takes no memory. [Chain] returns backups with the
// same times and types as a slice, but their IDs and LSNs differ.
//
// The IDs and LSNs of the backups derive from the seed, see [WithSeed].
type Series struct {
	// Start is the time of the first backup, and required. Every is the time between two backups, at least
	// a second.
	Start time.Time
	Every time.Duration

	// FullEvery is the number of backups from one full backup to the next; the others are incremental.
	// The first backup is always full. Zero or less: only the first is full.
	FullEvery int

	// N is the number of backups.
	N int
}

// Chain returns the backups that a [Series] with the fields Start, Every, FullEvery and N describes, as a
// slice that can be changed or combined with others. It panics if n is negative.
func Chain(start time.Time, every time.Duration, fullEvery, n int) []Backup {
	s := Series{Start: start, Every: every, FullEvery: fullEvery, N: n}
	backups := make([]Backup, n)
	for i := range backups {
		backups[i] = Backup{Type: s.typeAt(i), Time: s.timeAt(i)}
	}
	return backups
}

func (s *Series) timeAt(i int) time.Time { return s.Start.Add(time.Duration(i) * s.Every) }

func (s *Series) typeAt(i int) BackupType {
	if s.sinceFull(i) > 0 {
		return BackupTypeIncremental
	}
	return BackupTypeFull
}

// sinceFull returns how many backups earlier than a backup the full backup of its chain is.
func (s *Series) sinceFull(i int) int {
	if s.FullEvery > 0 {
		return i % s.FullEvery
	}
	return i
}

// series is a computed segment of a history: the backups of a [Series], from one on. They may continue a
// chain from before.
type series struct {
	Series           // N is not used by a schedule
	seed, key uint64 // of IDs and LSNs
	first     int    // index of its first backup, counted from Start

	chain uuid.UUID // the chain that it continues, if used is not zero
	used  int       // how many backups that chain already has

	dataLossVersion, configurationVersion int64
	lsn                                   int64 // of the backup before the first
}

// The LSNs of two consecutive backups differ by about lsnStep.
const (
	lsnStep   = 164
	lsnJitter = 0x3f
)

func (s *series) len() int { return s.N }

func (s *series) at(i int) Backup {
	id, random := s.identity(i)
	position := s.used + i // counted from the full backup of the chain that the series continues
	b := Backup{
		ID:                   id,
		ChainID:              id,
		Type:                 s.typeAt(position),
		Time:                 s.timeAt(s.first + i).Truncate(time.Second),
		DataLossVersion:      s.dataLossVersion,
		ConfigurationVersion: s.configurationVersion,
		LSN:                  s.lsn + lsnStep*int64(i+1) + int64(random&lsnJitter),
	}
	if full := i - s.sinceFull(position); full < 0 {
		b.ChainID = s.chain
	} else if full < i {
		b.ChainID, _ = s.identity(full)
	}
	return b
}

// identity returns the ID of a backup and a random number that belongs to it.
func (s *series) identity(i int) (uuid.UUID, uint64) {
	var source rand.PCG
	source.Seed(s.seed, s.key+uint64(s.first+i)) //nolint:gosec // neither is negative
	return newUUID(&source), source.Uint64()
}

// countUntil returns how many backups of a schedule are due at a time.
func (s *series) countUntil(now time.Time) int {
	first := s.timeAt(s.first)
	if now.Before(first) {
		return 0
	}
	return int(now.Sub(first)/s.Every) + 1
}

// tail returns a schedule without its first n backups. It continues their chain.
func (s *series) tail(n int) *series {
	if n == 0 {
		return s
	}
	tail := *s
	tail.first += n
	tail.lsn += lsnStep * int64(n)
	tail.chain = s.at(n - 1).ChainID
	tail.used = s.sinceFull(s.used + n)
	return &tail
}

// newSeries returns the series of a partition in one storage.
func (p *partition) newSeries(storage Storage, description Series) *series {
	h := fnv.New64a()
	_, _ = h.Write(p.ID[:]) // a hash never fails to write
	_, _ = h.Write([]byte(string(storage.Kind) + " " + storage.Path))
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(description.Start.Unix()))) //nolint:gosec // any number will do
	description.Start = description.Start.UTC()
	return &series{
		Series:               description,
		seed:                 p.seed,
		key:                  h.Sum64(),
		dataLossVersion:      defaultDataLossVersion,
		configurationVersion: defaultConfigurationVersion,
	}
}

// continueAfter makes a schedule continue a history of a partition. It begins with the first scheduled time
// after the last backup. A requested backup is not continued.
func (s *series) continueAfter(h history, p *partition) {
	s.FullEvery, s.used, s.lsn = p.chainLength, 0, p.lastLSN
	last := h.last()
	if last == nil {
		return
	}
	if late := last.Time.Add(time.Second).Sub(s.timeAt(s.first)); late > 0 {
		s.first += int((late-1)/s.Every) + 1
	}
	s.dataLossVersion, s.configurationVersion = last.DataLossVersion, last.ConfigurationVersion
	s.lsn = max(p.lastLSN, last.LSN)
	chain, incremental := h.chain()
	if used := incremental + 1; chain != p.ownChain && (p.chainLength <= 0 || used < p.chainLength) {
		s.chain, s.used = chain, used
	}
}

// newSource returns a source of random numbers. Each part of the cluster has a source with its own name, so
// that its numbers depend neither on the other parts nor on the order in which concurrent requests arrive.
func newSource(seed uint64, name string) *rand.PCG {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // a hash never fails to write
	return rand.NewPCG(seed, h.Sum64())
}

// newUUID returns a random UUID.
func newUUID(source *rand.PCG) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], source.Uint64())
	binary.BigEndian.PutUint64(id[8:], source.Uint64())
	id[6] = id[6]&0x0f | 0x40 // version 4
	id[8] = id[8]&0x3f | 0x80 // RFC 9562 variant
	return id
}
