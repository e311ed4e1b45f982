package sfbackup

import (
	"runtime"
	"testing"
)

// maxMemoryFactor is how many times the size of an input what reads it may allocate.
const maxMemoryFactor = 10

// fixedHeap is what reading may allocate whatever the input is: the reader and the decoder with their
// tables and first buffers, what package json keeps in pools, which the collector may have emptied, and
// an error of a few wrapped lines. All of that was below 8 KiB when it was measured.
const fixedHeap = 16 << 10

// fixedStack is how much the stack may grow. The decoders recurse, but no deeper than an item can be
// nested, so this does not depend on the input. Stacks double, and begin at 2 to 8 KiB; the spans that
// they are cut from have 32 KiB.
const fixedStack = 128 << 10

// checkMemory runs what reads an input of a length, and fails if it allocates more than
// maxMemoryFactor times that, fixedHeap, and what is further allowed for the values it returns.
//
// All allocations are added up, also those that are garbage at once: that is never less than the peak
// of the memory in use, it does not depend on when the collector runs, and it finds work that is done
// again and again. The growth of the stack is measured by itself, because it does not count as an
// allocation. ReadMemStats stops the world and is exact; runtime/metrics lags behind by what the
// processors have cached.
func checkMemory(t *testing.T, length int, returned uint64, read func()) {
	t.Helper()
	most := maxMemoryFactor*uint64(length) + fixedHeap + returned
	var heap, stack uint64
	// Other goroutines allocate as well, which can only add: one good measurement is enough.
	for range 4 {
		if heap, stack = measureMemory(read); heap <= most && stack <= fixedStack {
			return
		}
	}
	if heap > most {
		t.Errorf("%d bytes are read with %d bytes of memory, %.1f times as much; at most %d are allowed", length, heap, float64(heap)/float64(length), most)
	}
	if stack > fixedStack {
		t.Errorf("%d bytes are read with a stack that grows by %d bytes; at most %d are allowed", length, stack, fixedStack)
	}
}

// measureMemory returns how much a function allocates, and by how much its stack grows. It runs in a
// goroutine of its own, whose stack is as small as they begin.
func measureMemory(f func()) (heap, stack uint64) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		heap = after.TotalAlloc - before.TotalAlloc
		stack = after.StackInuse - min(before.StackInuse, after.StackInuse)
	}()
	<-done
	return heap, stack
}
