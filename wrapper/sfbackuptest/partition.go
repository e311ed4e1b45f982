package sfbackuptest

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// partition is a described partition with all defaults, and its state. The cluster's mutex guards the fields
// below the blank line.
type partition struct {
	Partition
	service        *service
	seed           uint64
	initialStorage Storage // of the described backups

	source      rand.PCG
	own         *policy  // nil: the policy of the service applies
	stores      []*store // of all policies so far
	applied     Policy   // for which the stores were set up, see applyPolicy
	chainLength int      // backups from one full backup to the next, by that policy
	lastLSN     int64
	outcomes    []Outcome                  // of the next requests
	latest      map[string]*onDemandBackup // the request that GetBackupProgress reports, by the spelling of the ID
	pending     []*onDemandBackup          // reach their node and succeed; ordered by when they end
	ownChain    uuid.UUID                  // of the latest requested backup
}

func newPartition(s *service, d Partition, index int, seed uint64) (*partition, error) {
	p := &partition{Partition: d, service: s, seed: seed, source: *newSource(seed, s.Name+"/"+strconv.Itoa(index))}
	if p.ID == uuid.Nil {
		p.ID = newUUID(&p.source)
	}
	switch {
	case p.Kind != "":
	case p.Name != "":
		p.Kind = PartitionKindNamed
	case p.LowKey != 0 || p.HighKey != 0:
		p.Kind = PartitionKindInt64Range
	default:
		p.Kind = PartitionKindSingleton
	}
	switch p.Kind {
	case PartitionKindInt64Range:
		if p.LowKey == 0 && p.HighKey == 0 {
			p.LowKey, p.HighKey = math.MinInt64, math.MaxInt64
		}
		if p.LowKey > p.HighKey {
			return nil, fmt.Errorf("partition %s: the low key %d is greater than the high key %d", p.ID, p.LowKey, p.HighKey)
		}
	case PartitionKindNamed, PartitionKindSingleton:
	default:
		return nil, fmt.Errorf("partition %s has the unknown kind %q", p.ID, p.Kind)
	}
	return p, nil
}

// fill puts the described backups into the storage, which is that of the partition's policy or, if it has
// none, of the cluster's default policy. It derives what the description omits.
func (p *partition) fill(storage Storage) error {
	p.initialStorage = storage
	if err := p.fillSeries(); err != nil {
		return err
	}
	return p.fillBackups()
}

func (p *partition) fillSeries() error {
	d := p.Series
	switch {
	case d.N == 0:
		return nil
	case d.N < 0 || d.Start.IsZero() || d.Every < time.Second:
		return fmt.Errorf("a series of %d backups every %s from %s is not possible", d.N, d.Every, d.Start.Format(time.RFC3339))
	}
	d.Start = d.Start.Truncate(time.Second)
	s := p.newSeries(p.initialStorage, d)
	p.lastLSN = s.at(d.N - 1).LSN
	st := p.store(p.initialStorage)
	st.segments = append(st.segments, s)
	return nil
}

func (p *partition) fillBackups() error {
	if len(p.Backups) == 0 {
		return nil
	}
	backups := slices.Clone(p.Backups)
	for i := range backups {
		if backups[i].Time.IsZero() {
			return errors.New("a backup has no time")
		}
		backups[i].Time = backups[i].Time.UTC().Truncate(time.Second)
	}
	slices.SortStableFunc(backups, func(a, b Backup) int { return a.Time.Compare(b.Time) })

	st := p.store(p.initialStorage)
	last := st.history(time.Time{}).last()
	var all storedSegment
	for _, b := range backups {
		switch {
		case last == nil || last.Time.Before(b.Time):
		case len(all) == 0:
			return fmt.Errorf("the backup of %s is not later than the series", b.Time.Format(time.RFC3339))
		default:
			return fmt.Errorf("two backups have the same time %s", b.Time.Format(time.RFC3339))
		}
		b.Type = cmp.Or(b.Type, BackupTypeFull)
		if b.ID == uuid.Nil {
			b.ID = newUUID(&p.source)
		}
		switch {
		case b.ChainID != uuid.Nil:
		case b.Type == BackupTypeFull:
			b.ChainID = b.ID
		case last != nil:
			b.ChainID = last.ChainID
		default:
			return fmt.Errorf("the incremental backup of %s has no chain", b.Time.Format(time.RFC3339))
		}
		all = append(all, p.complete(b, last))
		last = &all[len(all)-1]
	}
	st.segments = append(st.segments, all)
	return nil
}

// complete returns a backup with an epoch, that of the previous backup, and an LSN a few records later.
func (p *partition) complete(b Backup, last *Backup) Backup {
	epoch := Backup{DataLossVersion: defaultDataLossVersion, ConfigurationVersion: defaultConfigurationVersion}
	if last != nil {
		epoch = *last
		p.lastLSN = max(p.lastLSN, last.LSN)
	}
	b.DataLossVersion = cmp.Or(b.DataLossVersion, epoch.DataLossVersion)
	b.ConfigurationVersion = cmp.Or(b.ConfigurationVersion, epoch.ConfigurationVersion)
	if b.LSN == 0 {
		b.LSN = p.lastLSN + min(100+int64(p.source.Uint64()&0x7f), math.MaxInt64-p.lastLSN)
	}
	p.lastLSN = max(p.lastLSN, b.LSN)
	return b
}

// store returns what a storage holds for the partition.
func (p *partition) store(storage Storage) *store {
	for _, s := range p.stores {
		if s.storage == storage {
			return s
		}
	}
	s := &store{storage: storage}
	p.stores = append(p.stores, s)
	return s
}

// applyPolicy sets up the stores for a policy, nil for none, unless the policy is still the same. At the
// start of the cluster its schedule may begin in the past.
func (p *partition) applyPolicy(policy *policy, now time.Time, atStart bool) {
	var d Policy
	if policy != nil {
		d = policy.Policy
	}
	if d == p.applied && !atStart {
		return
	}
	if !atStart {
		old := p.store(p.applied.Storage)
		h := old.advance(now)
		old.schedule = nil
		old.deleted = p.applied.retain(h, now).deleted // a longer retention does not bring backups back
	}

	p.applied = d
	p.chainLength = max(cmp.Or(d.MaxIncrementalBackups, p.service.MaxIncrementalBackups), 0) + 1
	if d.Every == 0 || p.service.Stateless {
		return
	}
	start := d.Start.UTC().Truncate(time.Second)
	if d.Start.IsZero() {
		start = now.Add(d.Every).UTC().Truncate(time.Second)
	}
	st := p.store(d.Storage)
	st.schedule = p.newSeries(d.Storage, Series{Start: start, Every: d.Every})
	if late := now.Sub(start); !atStart && late > 0 {
		st.schedule.first = int((late-1)/d.Every) + 1
	}
	st.schedule.continueAfter(st.history(time.Time{}), p)
}

// history returns what the storage of a policy holds for the partition.
func (p *partition) history(policy *Policy, now time.Time) history {
	for _, s := range p.stores {
		if s.storage == policy.Storage {
			return policy.retain(s.history(now), now)
		}
	}
	return history{}
}

// retain returns the backups of a history that a policy keeps: those within its retention, at least the
// given number, and all backups that these depend on.
func (d *Policy) retain(h history, now time.Time) history {
	if d.Retention <= 0 {
		return h
	}
	expired := h.len() - h.since(now.Add(-d.Retention)).len()
	n := min(expired, max(h.len()-max(d.MinimumBackups, 1), 0))
	for ; n > 0; n-- {
		if h.at(n).ChainID != h.at(n-1).ChainID {
			break
		}
	}
	return h.drop(n)
}
