package sfbackup

import (
	"runtime"
	"testing"
)

// maxMemoryFactor is how much memory reading an input may allocate, as a multiple of its size.
const maxMemoryFactor = 10

// fixedHeap is how much memory reading may allocate whatever the input is: the reader and the decoder with their
// tables and first buffers, the pools of package json, which the garbage collector may have emptied, and an error
// with a few wrapped ones. All of that was below 8 KiB when it was measured.
const fixedHeap = 16 << 10

// fixedStack is how much the stack may grow. The decoders recurse no deeper than an item can be nested, so this
// does not depend on the input. Stacks begin with 2 to 8 KiB and double; the spans that they are allocated from
// have 32 KiB.
const fixedStack = 128 << 10

// checkMemory calls a function that reads an input of this length. It fails if the function allocates more than
// maxMemoryFactor times the length, plus fixedHeap, plus what is allowed for the values that it returns.
//
// All allocations are added up, including those that are garbage at once. The sum is never less than the peak of
// the memory in use, does not depend on when the garbage collector runs, and reveals repeated work. The growth of
// the stack is measured separately, because it does not count as an allocation. ReadMemStats stops the world and
// is exact, while runtime/metrics lacks what the processors have cached.
func checkMemory(t *testing.T, length int, returned uint64, read func()) {
	t.Helper()
	most := maxMemoryFactor*uint64(length) + fixedHeap + returned
	var heap, stack uint64
	// Other goroutines can only add allocations, so one measurement within the limits is enough.
	for range 4 {
		if heap, stack = measureMemory(read); heap <= most && stack <= fixedStack {
			return
		}
	}
	if heap > most {
		t.Errorf("reading %d bytes allocates %d bytes, %.1f times as much; at most %d are allowed", length, heap, float64(heap)/float64(length), most)
	}
	if stack > fixedStack {
		t.Errorf("reading %d bytes grows the stack by %d bytes; at most %d are allowed", length, stack, fixedStack)
	}
}

// measureMemory returns how much a function allocates, and by how much its stack grows. The function runs in a new
// goroutine, whose stack is still small.
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
