package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"time"
)

// RetryPolicy says how often and when a request is sent again. Checked fills in the defaults.
type RetryPolicy struct {
	MaxAttempts        int           // 0: 4
	MinDelay, MaxDelay time.Duration // 0: half a second and 10 seconds
	AttemptTimeout     time.Duration // 0: none
}

const (
	defaultMaxAttempts = 4
	defaultMinDelay    = 500 * time.Millisecond
	defaultMaxDelay    = 10 * time.Second
)

// Checked returns the policy with its defaults.
func (p RetryPolicy) Checked() (RetryPolicy, error) {
	if p.MaxAttempts < 0 || p.AttemptTimeout < 0 {
		return p, errors.New("MaxAttempts or AttemptTimeout is negative")
	}
	if p.MaxAttempts == 0 {
		p.MaxAttempts = defaultMaxAttempts
	}
	var err error
	p.MinDelay, p.MaxDelay, err = DelayRange(p.MinDelay, p.MaxDelay, defaultMinDelay, defaultMaxDelay)
	return p, err
}

// DelayRange returns the limits of a delay that doubles from shortest to longest. A zero limit gets its default,
// but a default never crosses the other limit if that is set. It is an error if a limit is negative, or if
// shortest is longer than longest.
func DelayRange(shortest, longest, defaultShortest, defaultLongest time.Duration) (lower, upper time.Duration, err error) {
	switch {
	case shortest < 0 || longest < 0:
		return 0, 0, errors.New("a delay is negative")
	case longest > 0 && shortest > longest:
		return 0, 0, fmt.Errorf("MinDelay %v is longer than MaxDelay %v", shortest, longest)
	}
	if shortest == 0 {
		shortest = defaultShortest
		if longest > 0 {
			shortest = min(shortest, longest)
		}
	}
	if longest == 0 {
		longest = max(defaultLongest, shortest)
	}
	return shortest, longest, nil
}

// Delay returns a random delay after the given number of attempts.
func (p RetryPolicy) Delay(attempts int) time.Duration {
	longest := p.MinDelay
	for ; attempts > 1 && longest < p.MaxDelay; attempts-- {
		longest = min(2*longest, p.MaxDelay)
		if longest < 0 { // overflow
			longest = p.MaxDelay
		}
	}
	return rand.N(min(longest, math.MaxInt64-1) + 1) //nolint:gosec // jitter is no secret
}

// Backoff returns the delay before the next attempt, after the given number of attempts: a random one, or
// retryAfter if that is longer. It reports false if the deadline of the context comes first.
func (p RetryPolicy) Backoff(ctx context.Context, attempts int, retryAfter time.Duration) (time.Duration, bool) {
	delay := max(p.Delay(attempts), retryAfter)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= delay {
		return 0, false
	}
	return delay, true
}

// Sleep waits, unless the context ends.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// retrier retries requests that only read. What starts something is retried by its caller, who can tell
// whether it took effect.
type retrier struct {
	next              http.RoundTripper
	policy            RetryPolicy
	nonRetriableCodes []string
}

func (t *retrier) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	r := recordOf(ctx)
	if req.Method != http.MethodGet || r.Single {
		resp, _, err := t.attempt(req, r)
		return resp, err
	}
	for n := 1; ; n++ {
		attempt, attemptReq := r, req
		if n > 1 {
			attempt = &record{Call: r.Call}
			attempt.Attempt = n
			attemptReq = req.WithContext(withRecord(ctx, attempt))
		}
		resp, retriable, err := t.attempt(attemptReq, attempt)
		r.response, r.failure = attempt.response, attempt.failure
		if !retriable || n >= t.policy.MaxAttempts || ctx.Err() != nil {
			return resp, err
		}
		var retryAfter time.Duration
		if resp != nil {
			retryAfter = RetryAfter(resp)
		}
		delay, ok := t.policy.Backoff(ctx, n, retryAfter)
		if !ok {
			return resp, err // which says more than that the context has ended
		}
		if err := Sleep(ctx, delay); err != nil {
			return nil, err
		}
	}
}

// attempt sends a request once. If the attempt is retriable, the response is in memory and need not be closed.
func (t *retrier) attempt(req *http.Request, r *record) (resp *http.Response, retriable bool, err error) {
	cancel := context.CancelFunc(func() {})
	if t.policy.AttemptTimeout > 0 {
		// The timeout ends with the header of the response, not with the transfer of a long list.
		ctx, cancelCause := context.WithCancelCause(req.Context())
		cancel = func() { cancelCause(nil) }
		timer := time.AfterFunc(t.policy.AttemptTimeout, func() { cancelCause(errAttemptTimeout) })
		defer timer.Stop()
		req = req.WithContext(ctx)
	}
	resp, err = t.next.RoundTrip(req)
	if err != nil {
		if attemptTimedOut(req.Context()) {
			err = errAttemptTimeout
		}
		cancel()
		return nil, IsRetriable(err), err
	}
	switch {
	case !slices.Contains(r.Want, resp.StatusCode):
		f := r.readFailure(resp)
		cancel()
		f.Retriable = t.isTransient(f)
		return resp, f.Cut || f.Retriable, nil
	case r.Whole > 0:
		// Half of it is no response.
		body, err := buffer(resp, r.Whole+1)
		cancel()
		if err == nil && len(body) == 0 && hasOpenEnd(resp) {
			err = io.ErrUnexpectedEOF // an empty body can be right, but not where it may be a beginning
		}
		if err != nil {
			return nil, true, err
		}
		return resp, false, nil
	}
	if attemptTimedOut(req.Context()) && req.Method == http.MethodGet {
		// The response began as the attempt timed out, and its body ends where it is.
		closeBody(resp)
		cancel()
		return nil, true, errAttemptTimeout
	}
	resp.Body = &cancelBody{resp.Body, cancel}
	return resp, false, nil
}

// errAttemptTimeout is the error of an attempt that took longer than the policy allows.
var errAttemptTimeout = fmt.Errorf("no response within the timeout of an attempt: %w", os.ErrDeadlineExceeded)

func attemptTimedOut(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), errAttemptTimeout)
}

// isTransient reports whether a failure is a matter of time: by its code if that is known, because the
// layers of a cluster give the same code different statuses, and else by its status.
func (t *retrier) isTransient(f *Failure) bool {
	switch {
	case IsTransientCode(f.Code):
		return true
	case slices.Contains(t.nonRetriableCodes, f.Code):
		return false
	}
	switch f.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
