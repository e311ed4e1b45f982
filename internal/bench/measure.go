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
	allocs, memory float64 // the number of allocations, and their bytes
}

// measure runs f once. It collects garbage first, so that f is not charged for garbage of earlier runs.
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

// dividedBy returns the sample for one of n equal parts.
func (s sample) dividedBy(n int) sample {
	return sample{s.elapsed / time.Duration(n), s.allocs / float64(n), s.memory / float64(n)}
}

// heapBytes returns the size of all objects on the heap, including garbage that was not collected yet.
func heapBytes() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// peakHeap runs f and returns the maximum size of the heap above its size at the start. A goroutine samples the
// heap several times a millisecond, if it is scheduled that often.
func peakHeap(f func() error) (uint64, error) {
	runtime.GC()
	runtime.GC() // twice, to empty sync.Pools too
	start := heapBytes()
	var mu sync.Mutex
	peak := start
	sampleHeap := func() {
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
				sampleHeap()
			case <-stop:
				return
			}
		}
	})
	err := f()
	sampleHeap()
	close(stop)
	sampler.Wait()
	return peak - start, err
}

// median sorts values and returns their median.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// A series has the samples of one peer, one for each round.
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

// ratio returns the median of the ratios of s to other, taken round by round, so that a change of the load
// between two rounds affects both.
func (s series) ratio(other series) float64 {
	values := make([]float64, len(s))
	for i := range s {
		values[i] = seconds(s[i]) / seconds(other[i])
	}
	return median(values)
}
