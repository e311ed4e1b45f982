package sfbackup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Every node of a cluster runs a gateway, and each of them answers for the whole cluster.

// WithEndpoints adds endpoints of the same cluster to that of [NewClient], with the same scheme and
// path. The client begins at a random one and stays there until it fails; then it goes on to another
// and leaves the one that failed alone for half a minute. A request that starts a backup goes on only
// if nothing of it was sent, or when the progress has shown that it did nothing.
func WithEndpoints(endpoints ...string) Option {
	return optionFunc(func(s *settings) error {
		var errs []error
		for _, endpoint := range endpoints {
			u, err := parseEndpoint(endpoint)
			if err != nil {
				errs = append(errs, fmt.Errorf("WithEndpoints: %w", err))
				continue
			}
			s.endpoints = append(s.endpoints, u)
		}
		return errors.Join(errs...)
	})
}

// checkEndpoints checks that all endpoints differ in nothing but their host.
func checkEndpoints(endpoints []*url.URL) error {
	for i, u := range endpoints {
		if u.Scheme != endpoints[0].Scheme || u.EscapedPath() != endpoints[0].EscapedPath() {
			return errors.New("WithEndpoints: the endpoints differ in more than their host")
		}
		if slices.ContainsFunc(endpoints[:i], func(v *url.URL) bool { return v.Host == u.Host }) {
			return fmt.Errorf("WithEndpoints: the host %s comes twice", u.Host)
		}
	}
	return nil
}

// endpointRest is how long an endpoint that failed is left alone.
const endpointRest = 30 * time.Second

// endpointTransport chooses the endpoint of each attempt.
type endpointTransport struct {
	next  http.RoundTripper
	hosts []string

	mu      sync.Mutex
	current int
	failed  []time.Time // when each failed; zero: it did not
}

func newEndpointTransport(next http.RoundTripper, endpoints []*url.URL) *endpointTransport {
	t := &endpointTransport{next: next, failed: make([]time.Time, len(endpoints))}
	for _, u := range endpoints {
		t.hosts = append(t.hosts, u.Host)
	}
	t.current = rand.N(len(t.hosts)) //nolint:gosec // spreading needs no secrecy
	return t
}

func (t *endpointTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := sentOf(req.Context())
	if sent == nil {
		sent = new(sentTrace)
		req = req.WithContext(withSent(req.Context(), sent))
	}
	for tries := 1; ; tries++ {
		endpoint := t.choose()
		sent.reset()
		resp, err := t.next.RoundTrip(t.address(req, endpoint))
		switch {
		case err == nil:
			if resp.StatusCode == http.StatusBadGateway || resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusGatewayTimeout {
				// It may be the endpoint or what is behind it. The next attempt asks another.
				t.moveOn(endpoint, false)
			}
			return resp, nil
		case isLasting(err) || errors.Is(req.Context().Err(), context.Canceled) && !attemptTimedOut(req.Context()):
			return nil, err // which is not the endpoint's fault
		case req.Context().Err() != nil:
			// Nobody may be there: a node without power answers nothing.
			t.moveOn(endpoint, attemptTimedOut(req.Context()))
			return nil, err
		}
		t.moveOn(endpoint, true)
		if tries == len(t.hosts) || !sent.nothing(err) || !rewind(req) {
			return nil, err
		}
	}
}

// address returns a copy of a request for an endpoint.
func (t *endpointTransport) address(req *http.Request, endpoint int) *http.Request {
	req = req.Clone(req.Context())
	req.URL.Host = t.hosts[endpoint]
	req.Host = ""
	return req
}

// rewind gets a request ready to be sent anew.
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
func (t *endpointTransport) choose() int {
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

// moveOn makes the next attempt go to another endpoint.
func (t *endpointTransport) moveOn(endpoint int, failed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if failed {
		t.failed[endpoint] = time.Now()
	}
	if t.current == endpoint {
		t.current = (endpoint + 1) % len(t.hosts)
	}
}
