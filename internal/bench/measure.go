package main

import (
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"time"
)

// A sample is one measurement.
type sample struct {
	elapsed        time.Duration
	allocs, memory float64 // how many allocations, and of how many bytes
}

// measure runs f once. The garbage of those before is not its own.
func measure(f func() error) (sample, error) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	err := f()
	elapsed := time.Since(start)
	runtime.ReadMemStats(&after)
	return sample{elapsed, float64(after.Mallocs - before.Mallocs), float64(after.TotalAlloc - before.TotalAlloc)}, err
}

// dividedBy returns the share of one of n equal parts.
func (s sample) dividedBy(n int) sample {
	return sample{s.elapsed / time.Duration(n), s.allocs / float64(n), s.memory / float64(n)}
}

// heapBytes returns how much memory the objects on the heap take, garbage that was not collected
// included.
func heapBytes() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// peakHeap runs f and returns how far the heap was above the start at most. A goroutine looks
// several times a millisecond, or as often as it is let; f can have a look taken as well.
func peakHeap(f func(look func()) error) (uint64, error) {
	runtime.GC()
	runtime.GC() // what the first one put aside in pools
	start := heapBytes()
	var mu sync.Mutex
	peak := start
	look := func() {
		mu.Lock()
		defer mu.Unlock()
		peak = max(peak, heapBytes())
	}
	stop := make(chan struct{})
	var sampler sync.WaitGroup
	sampler.Go(func() {
		tick := time.NewTicker(200 * time.Microsecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				look()
			case <-stop:
				return
			}
		}
	})
	err := f(look)
	look()
	close(stop)
	sampler.Wait()
	return peak - start, err
}

// median returns the median of values, which it sorts.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// series are the samples of one opponent, one a round.
type series []sample

func (s series) median(of func(sample) float64) float64 {
	values := make([]float64, len(s))
	for i := range s {
		values[i] = of(s[i])
	}
	return median(values)
}

func seconds(s sample) float64 { return s.elapsed.Seconds() }

func (s series) seconds() float64 { return s.median(seconds) }

// ratio returns the median of the ratios of s to other, round by round: what changes between two
// rounds on the machine changes both.
func (s series) ratio(other series) float64 {
	values := make([]float64, len(s))
	for i := range s {
		values[i] = seconds(s[i]) / seconds(other[i])
	}
	return median(values)
}
