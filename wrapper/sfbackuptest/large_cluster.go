package sfbackuptest

import (
	"fmt"
	"math"
	"math/bits"
	"time"
)

// LargeCluster describes a large cluster for [WithServices]: the given number of services, ten to an
// application, each with the given number of partitions, each of which has the given number of backups.
// The backups are a [Series] that starts in 2020. There is a backup every 8 hours, and every sixth backup is
// full. They take no memory.
//
//	cluster := NewCluster(WithServices(LargeCluster(1000, 10, 100)...)) // a million backups
//
// The services are named fabric:/App000/Service000 and so on. If partitions is 1, they are Singleton.
// Otherwise the partitions of every second service, beginning with the first, are Int64Range, and those of
// the rest Named (P0, P1 and so on).
func LargeCluster(services, partitions, backups int) []Service {
	series := Series{
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
			p.Series = series
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

// keyRange divides the range of int64 into n parts and returns the i-th.
func keyRange(i, n int) (low, high int64) {
	bound := func(i int) uint64 { // i * 2^64 / n
		quotient, _ := bits.Div64(uint64(i), 0, uint64(n)) //nolint:gosec // not negative
		return quotient
	}
	low = int64(bound(i) ^ 1<<63) //nolint:gosec // maps the range of uint64 to that of int64
	if i == n-1 {
		return low, math.MaxInt64
	}
	return low, int64(bound(i+1)^1<<63) - 1 //nolint:gosec // as above
}
