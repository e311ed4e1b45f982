package transport

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// credentials are what a client shows to a cluster, and to whom it shows them.
type credentials struct {
	tokens      *tokenCache        // nil: none
	certificate *ClientCertificate // nil: none, or the caller's transport has one
	tls13       bool
	secrets     secrets                               // that were sent, tokens included
	ours        bool                                  // the base transport is one of this package
	origins     map[string]bool                       // of the endpoints
	proxy       func(*http.Request) (*url.URL, error) // of the base transport; nil: it has none, or is of another kind
	idle        interface{ CloseIdleConnections() }
}

func newCredentials(c *Config) *credentials {
	all := &credentials{certificate: c.TLS.Certificate, tls13: c.TLS.Allow13, origins: map[string]bool{}}
	if c.Tokens != nil {
		all.tokens = &tokenCache{source: c.Tokens, secrets: &all.secrets}
	}
	for _, u := range c.Endpoints {
		all.origins[originOf(u)] = true
	}
	return all
}

// authenticator adds the token to requests, replaces one that has expired, and adds hints to the errors of
// TLS.
type authenticator struct {
	next http.RoundTripper
	*credentials
}

func (t *authenticator) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, used, err := t.send(req)
	if err != nil || !isRefusal(resp) {
		return resp, err
	}
	if t.idle != nil {
		// A connection keeps to the certificate that it has shown, or to none. A new connection
		// shows the one there is then.
		t.idle.CloseIdleConnections()
	}
	if t.tokens == nil {
		return resp, nil
	}
	t.tokens.refuse(used)
	if req.Method != http.MethodGet {
		return resp, nil
	}
	fresh, err := t.tokens.get(req.Context())
	if err != nil {
		return nil, fmt.Errorf("the gateway refused the token: %w", err)
	}
	if fresh == used {
		return resp, nil // it would be refused again
	}
	resp, used, err = t.send(req)
	if err == nil && isRefusal(resp) {
		t.tokens.refuse(used)
	}
	return resp, err
}

// send sends a request with the token, and returns the token it used.
func (t *authenticator) send(req *http.Request) (*http.Response, string, error) {
	var token string
	to, err := t.target(req)
	if err != nil {
		closeRequest(req)
		return nil, "", err
	}
	if t.tokens != nil {
		if token, err = t.tokens.get(req.Context()); err != nil {
			closeRequest(req)
			return nil, "", err
		}
		t.secrets.add(token)
		req = req.Clone(req.Context())
		req.Header.Set("Authorization", "Bearer "+token) // the gateway knows only this spelling
	}
	recordOf(req.Context()).Trace.handOver(to)
	resp, err := t.next.RoundTrip(req)
	return resp, token, t.explain(err)
}

// target returns the URL that a request is sent to, if that matters: its own, or that of a proxy.
func (t *authenticator) target(req *http.Request) (*url.URL, error) {
	tokenInClear := t.tokens != nil && req.URL.Scheme == "http"
	if t.proxy == nil || recordOf(req.Context()).Trace == nil && !tokenInClear {
		return req.URL, nil
	}
	proxy, err := t.proxy(req)
	switch {
	case err != nil:
		return nil, err // as the transport would
	case proxy == nil:
		return req.URL, nil
	case tokenInClear:
		return nil, &nonRetriableError{errors.New("WithTokenSource: a token is not sent over http through a proxy")}
	}
	return proxy, nil
}
