package main

import (
	"context"
	"fmt"
)

// pageResult is what a page of some size cost each opponent.
type pageResult struct {
	items     int
	opponents []string
	samples   map[string]series // for one page
	peak      map[string]uint64
}

// measurePages lets opponents read pages of n items in turns. Small pages are read several times in a
// row, so that each turn takes a while.
func measurePages(ctx context.Context, opponents []opponent, how string, n, rounds int) (*pageResult, error) {
	result := &pageResult{items: n, samples: map[string]series{}, peak: map[string]uint64{}}
	pages := max(1, 20_000/n)
	for round := -1; round < rounds; round++ { // the first one is for warming up
		for _, o := range opponents {
			s, err := measure(func() error {
				for range pages {
					if err := o.listAll(ctx, how, n); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
			if round < 0 {
				result.opponents = append(result.opponents, o.name)
				continue
			}
			result.samples[o.name] = append(result.samples[o.name], s.dividedBy(pages))
		}
	}
	return result, nil
}

// measurePeaks measures the peak of the heap while one page is read.
func (r *pageResult) measurePeaks(ctx context.Context, opponents []opponent, how string) error {
	for _, o := range opponents {
		peak, err := peakHeap(func(func()) error { return o.listAll(ctx, how, r.items) })
		if err != nil {
			return err
		}
		r.peak[o.name] = peak
	}
	return nil
}

// table shows a page with the iterator as the measure of all.
func (r *pageResult) table() *table {
	t := &table{header: []string{
		fmt.Sprintf("%s backups, %s", thousands(r.items), megabytes(float64(pageLength(r.items)))),
		"time", "× iterator", "time per item", "allocations per item", "bytes per item", "peak heap",
	}}
	n := float64(r.items)
	for _, name := range r.opponents {
		s := r.samples[name]
		t.add(name,
			duration(s.seconds()),
			ratio(s.ratio(r.samples[iterator])),
			duration(s.seconds()/n),
			figure(s.median(func(s sample) float64 { return s.allocs })/n),
			figure(s.median(func(s sample) float64 { return s.memory })/n),
			megabytes(float64(r.peak[name])))
	}
	return t
}

// growth is what a page costs an opponent for each item, by the number of items.
type growth struct {
	sizes   []int
	names   []string
	perItem map[string][]float64 // in seconds; as many as sizes, or fewer
}

// measureGrowth measures pages of growing size. What keeps a whole page stops at keptLimit items.
func measureGrowth(ctx context.Context, opponents []opponent, sizes []int, keptLimit, rounds int) (*growth, error) {
	g := &growth{sizes: sizes, perItem: map[string][]float64{}}
	for _, o := range opponents {
		g.names = append(g.names, o.name)
	}
	for _, n := range sizes {
		in := opponents
		if n > keptLimit {
			in = named(opponents, iterator, jsontextScan, copyOnly)
		}
		r, err := measurePages(ctx, in, sendGenerated, n, rounds)
		if err != nil {
			return nil, err
		}
		for _, name := range r.opponents {
			g.perItem[name] = append(g.perItem[name], r.samples[name].seconds()/float64(n))
		}
	}
	return g, nil
}

func (g *growth) table() *table {
	t := &table{header: []string{"time per item"}}
	for _, n := range g.sizes {
		t.header = append(t.header, thousands(n))
	}
	for _, name := range g.names {
		row := []string{name}
		for i := range g.sizes {
			cell := ""
			if i < len(g.perItem[name]) {
				cell = duration(g.perItem[name][i])
			}
			row = append(row, cell)
		}
		t.add(row...)
	}
	return t
}

// spread returns how far the cost per item of an opponent differs from least to most, for pages of at
// least from items.
func (g *growth) spread(name string, from int) float64 {
	least, most := 0.0, 0.0
	for i, cost := range g.perItem[name] {
		if g.sizes[i] < from {
			continue
		}
		if least == 0 || cost < least {
			least = cost
		}
		most = max(most, cost)
	}
	return most/least - 1
}
