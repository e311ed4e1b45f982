package main

import (
	"context"
	"fmt"
)

// pageResult is the cost of reading a page, for each peer.
type pageResult struct {
	items   int
	peers   []string
	samples map[string]series // per page
	peak    map[string]uint64
}

// measurePages reads pages of n items with each peer in turns. A turn reads small pages several times, so that
// it takes long enough to measure.
func measurePages(ctx context.Context, peers []peer, how string, n, rounds int) (*pageResult, error) {
	result := &pageResult{items: n, samples: map[string]series{}, peak: map[string]uint64{}}
	pages := max(1, 20_000/n)
	for round := -1; round < rounds; round++ { // the first round is a warm-up
		for _, o := range peers {
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
				result.peers = append(result.peers, o.name)
				continue
			}
			result.samples[o.name] = append(result.samples[o.name], s.dividedBy(pages))
		}
	}
	return result, nil
}

// measurePeaks measures the peak heap while each peer reads one page.
func (r *pageResult) measurePeaks(ctx context.Context, peers []peer, how string) error {
	for _, o := range peers {
		peak, err := peakHeap(func() error { return o.listAll(ctx, how, r.items) })
		if err != nil {
			return err
		}
		r.peak[o.name] = peak
	}
	return nil
}

// table shows the cost of a page, relative to the iterator.
func (r *pageResult) table() *table {
	t := &table{header: []string{
		fmt.Sprintf("%s backups, %s", thousands(r.items), megabytes(float64(pageLength(r.items)))),
		"time", "× iterator", "time per item", "allocations per item", "bytes per item", "peak heap",
	}}
	n := float64(r.items)
	for _, name := range r.peers {
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

// growth is the cost per item, by peer and by the size of the page.
type growth struct {
	sizes   []int
	names   []string
	perItem map[string][]float64 // seconds, one for each size; fewer for peers with a limit
}

// measureGrowth measures pages of growing size. Peers that hold a whole page in memory stop at maxBuffered items.
func measureGrowth(ctx context.Context, peers []peer, sizes []int, maxBuffered, rounds int) (*growth, error) {
	g := &growth{sizes: sizes, perItem: map[string][]float64{}}
	for _, o := range peers {
		g.names = append(g.names, o.name)
	}
	for _, n := range sizes {
		in := peers
		if n > maxBuffered {
			in = named(peers, iterator, jsontextScan, copyOnly)
		}
		r, err := measurePages(ctx, in, sendGenerated, n, rounds)
		if err != nil {
			return nil, err
		}
		for _, name := range r.peers {
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

// spread returns by which fraction the greatest cost per item of a peer exceeds the smallest, among pages of at
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
