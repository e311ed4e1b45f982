package transport

import (
	"math"
	"testing"
	"time"
)

// A default gives way to the other end of the range.
func TestDelayRange(t *testing.T) {
	t.Parallel()
	const second = time.Second
	for _, tt := range []struct {
		shortest, longest time.Duration
		lower, upper      time.Duration // 0: an error
	}{
		{0, 0, 2 * second, 30 * second},
		{5 * second, 0, 5 * second, 30 * second},
		{60 * second, 0, 60 * second, 60 * second},
		{0, 10 * second, 2 * second, 10 * second},
		{0, second, second, second},
		{3 * second, 4 * second, 3 * second, 4 * second},
		{4 * second, 3 * second, 0, 0},
		{-1, 0, 0, 0},
		{0, -1, 0, 0},
	} {
		lower, upper, err := DelayRange(tt.shortest, tt.longest, 2*second, 30*second)
		if lower != tt.lower || upper != tt.upper || (err != nil) != (tt.upper == 0) {
			t.Errorf("%v to %v: got %v to %v, %v, want %v to %v", tt.shortest, tt.longest, lower, upper, err, tt.lower, tt.upper)
		}
	}
}

// The longest delay doubles with each attempt up to MaxDelay, without an overflow.
func TestDelay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		policy   RetryPolicy
		attempts int
		longest  time.Duration
	}{
		{RetryPolicy{MinDelay: 8, MaxDelay: 100}, 1, 8},
		{RetryPolicy{MinDelay: 8, MaxDelay: 100}, 3, 32},
		{RetryPolicy{MinDelay: 8, MaxDelay: 100}, 50, 100},
		{RetryPolicy{MinDelay: 1, MaxDelay: math.MaxInt64 - 1}, 100, math.MaxInt64 - 1},
	} {
		var longest time.Duration
		for range 1000 {
			delay := tt.policy.Delay(tt.attempts)
			if delay < 0 || delay > tt.longest {
				t.Fatalf("%+v: the delay after %d attempts is %v", tt.policy, tt.attempts, delay)
			}
			longest = max(longest, delay)
		}
		if longest < tt.longest/2 { // the probability of that is 2^-1000
			t.Errorf("%+v: the longest of 1000 delays after %d attempts is %v", tt.policy, tt.attempts, longest)
		}
	}
}
