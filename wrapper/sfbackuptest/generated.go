package sfbackuptest

import (
	"fmt"
	"math"
	"math/bits"
	"time"
)

// Chain describes the history of a partition that is backed up regularly: n
// backups, the first at start and each of the others the given time after the
// one before it. Every fullEvery-th backup is full, beginning with the first,
// and the others are incremental; with a fullEvery of zero or less only the
// first is full.
//
// The identities and LSNs are left to be derived from the seed.
func Chain(start time.Time, every time.Duration, fullEvery, n int) []Backup {
	backups := make([]Backup, n)
	for i := range backups {
		b := Backup{Type: BackupTypeIncremental, Time: start.Add(time.Duration(i) * every)}
		if i == 0 || fullEvery > 0 && i%fullEvery == 0 {
			b.Type = BackupTypeFull
		}
		backups[i] = b
	}
	return backups
}

// Generated describes a large cluster for [WithServices]: so many services, ten
// to an application, with so many partitions each, and so many backups in each
// partition. The backups are 8 hours apart from the year 2020 on, every sixth is
// full, and none of them takes memory: they are computed when they are listed.
//
//	cluster := NewCluster(WithServices(Generated(1000, 10, 100)...)) // a million backups
//
// The services are named fabric:/App000/Service000 and so on. Those with one
// partition are Singleton, else every other one is Int64Range or Named.
func Generated(services, partitions, backups int) []Service {
	history := Series{
		Start:     time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC),
		Every:     8 * time.Hour,
		FullEvery: 6,
		N:         backups,
	}
	all := make([]Service, services)
	for i := range all {
		s := &all[i]
		s.Name = fmt.Sprintf("fabric:/App%03d/Service%03d", i/10, i)
		s.ManifestVersion = "1.0.0"
		s.Partitions = make([]Partition, partitions)
		for j := range s.Partitions {
			p := &s.Partitions[j]
			p.Series = history
			switch {
			case partitions == 1:
				p.Kind = PartitionKindSingleton
			case i%2 == 0:
				p.Kind = PartitionKindInt64Range
				p.LowKey, p.HighKey = keyRange(j, partitions)
			default:
				p.Kind = PartitionKindNamed
				p.Name = fmt.Sprintf("P%d", j)
			}
		}
	}
	return all
}

// keyRange divides all of int64 into n ranges and returns the i-th.
func keyRange(i, n int) (low, high int64) {
	bound := func(i int) uint64 { // i * 2^64 / n
		quotient, _ := bits.Div64(uint64(i), 0, uint64(n)) //nolint:gosec // neither is negative
		return quotient
	}
	low = int64(bound(i) ^ 1<<63) //nolint:gosec // all of uint64 becomes all of int64
	if i == n-1 {
		return low, math.MaxInt64
	}
	return low, int64(bound(i+1)^1<<63) - 1 //nolint:gosec // as above
}
