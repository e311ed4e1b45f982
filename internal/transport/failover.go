package transport

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Every node of a cluster runs a gateway, and each of them serves the whole cluster.

// endpointRest is how long an endpoint that failed is not used.
const endpointRest = 30 * time.Second

// failover chooses the endpoint of each attempt.
type failover struct {
	next    http.RoundTripper
	hosts   []string
	origins map[string]bool // of the endpoints

	mu      sync.Mutex
	current int
	failed  []time.Time // when each failed; zero: it did not
}

func newFailover(next http.RoundTripper, endpoints []*url.URL, origins map[string]bool) *failover {
	t := &failover{next: next, origins: origins, failed: make([]time.Time, len(endpoints))}
	for _, u := range endpoints {
		t.hosts = append(t.hosts, u.Host)
	}
	t.current = rand.N(len(t.hosts)) //nolint:gosec // a choice that is no secret
	return t
}

func (t *failover) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.origins[originOf(req.URL)] {
		return t.next.RoundTrip(req) // the caller's client follows a redirect
	}
	trace := recordOf(req.Context()).Trace
	for tries := 1; ; tries++ {
		endpoint := t.choose()
		trace.reset()
		resp, err := t.next.RoundTrip(t.address(req, endpoint))
		switch {
		case err == nil:
			if resp.StatusCode == http.StatusBadGateway || resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusGatewayTimeout {
				// The endpoint may be at fault, or what is behind it. The next attempt uses another.
				t.moveOn(endpoint, false)
			}
			return resp, nil
		case NonRetriable(err) != nil || errors.Is(req.Context().Err(), context.Canceled) && !attemptTimedOut(req.Context()):
			return nil, err // which is not the endpoint's fault
		case req.Context().Err() != nil:
			// The node may be down: one without power answers nothing.
			t.moveOn(endpoint, attemptTimedOut(req.Context()))
			return nil, err
		}
		t.moveOn(endpoint, true)
		if tries == len(t.hosts) || !trace.NothingSent(err) || !rewind(req) {
			return nil, err
		}
	}
}

// address returns a copy of a request for an endpoint.
func (t *failover) address(req *http.Request, endpoint int) *http.Request {
	req = req.Clone(req.Context())
	req.URL.Host = t.hosts[endpoint]
	req.Host = ""
	return req
}

// rewind gets the body of a request ready to be sent again.
func rewind(req *http.Request) bool {
	if req.Body == nil || req.Body == http.NoBody {
		return true
	}
	if req.GetBody == nil {
		return false
	}
	body, err := req.GetBody()
	req.Body = body
	return err == nil
}

// choose returns the current endpoint, or another that has not failed lately; if all have, the one
// that failed first.
func (t *failover) choose() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	best := t.current
	for i := range t.hosts {
		candidate := (t.current + i) % len(t.hosts)
		if t.failed[candidate].IsZero() || time.Since(t.failed[candidate]) >= endpointRest {
			best = candidate
			break
		}
		if t.failed[candidate].Before(t.failed[best]) {
			best = candidate
		}
	}
	t.current = best
	return best
}

// moveOn makes the next attempt use another endpoint.
func (t *failover) moveOn(endpoint int, failed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if failed {
		t.failed[endpoint] = time.Now()
	}
	if t.current == endpoint {
		t.current = (endpoint + 1) % len(t.hosts)
	}
}
