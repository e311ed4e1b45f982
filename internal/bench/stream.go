package main

import (
	"context"
	"fmt"
	"runtime"
)

// streamResult has the size of the heap above baseline while lists are streamed.
type streamResult struct {
	length, lists int
	peaks, kept   []float64 // the maximum, and the maximum after a collection; one for each round
}

// measureStreams streams total backups in one list, the same number in short lists, and one short list, in
// turns. The loop does not keep any backups.
func measureStreams(ctx context.Context, peers []peer, short, total, rounds int) ([]*streamResult, error) {
	results := []*streamResult{
		{length: total, lists: 1},
		{length: short, lists: total / short},
		{length: short, lists: 1},
	}
	o := named(peers, iterator)[0]
	for range rounds {
		for _, r := range results {
			peak, err := r.stream(ctx, o, func(item int) bool { return item%64 == 0 })
			if err != nil {
				return nil, err
			}
			r.peaks = append(r.peaks, peak)
			every := r.length * r.lists / 8
			kept, err := r.stream(ctx, o, func(item int) bool {
				if item%every == every/2 {
					runtime.GC()
					return true
				}
				return false
			})
			if err != nil {
				return nil, err
			}
			r.kept = append(r.kept, kept)
		}
	}
	return results, nil
}

// stream returns the maximum size of the heap above baseline, measured at the items for which sampleAt returns
// true.
func (r *streamResult) stream(ctx context.Context, o peer, sampleAt func(item int) bool) (float64, error) {
	runtime.GC()
	runtime.GC() // twice, to empty sync.Pools too
	start := heapBytes()
	peak := start
	items := 0
	for range r.lists {
		err := o.list(ctx, serviceID(sendGenerated, r.length), func(string) bool {
			if items++; sampleAt(items) {
				peak = max(peak, heapBytes())
			}
			return true
		})
		if err != nil {
			return 0, err
		}
	}
	if items != r.length*r.lists {
		return 0, fmt.Errorf("streamed %d backups of %d", items, r.length*r.lists)
	}
	return float64(peak - start), nil
}

func streamTable(results []*streamResult) *table {
	t := &table{header: []string{"streamed", "bytes", "peak heap above baseline", "× the first", "after a collection"}}
	for _, r := range results {
		name := "one list of " + thousands(r.length)
		if r.lists > 1 {
			name = fmt.Sprintf("%s lists of %s", thousands(r.lists), thousands(r.length))
		}
		t.add(name,
			megabytes(float64(r.lists*pageLength(r.length))),
			megabytes(median(r.peaks)),
			ratio(median(r.peaks)/median(results[0].peaks)),
			kilobytes(median(r.kept)))
	}
	return t
}
