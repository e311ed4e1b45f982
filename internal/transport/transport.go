// Package transport carries the requests of operations to a cluster. It chooses an endpoint, sends
// credentials, verifies the server, retries requests that only read, and reads what an unsuccessful
// response says. It knows requests and responses, and nothing about backups.
//
// Errors name the options of package sfbackup, because these are what a user can change.
package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
)

// Config is what a [Transport] is made of. New changes nothing that it refers to.
type Config struct {
	Endpoints  []*url.URL   // of one cluster, from ParseEndpoint; the URL of each request begins with that of the first one
	HTTPClient *http.Client // nil: a transport of this package is used
	Logger     *slog.Logger // nil: none
	Retry      RetryPolicy  // New fills in the defaults
	TLS        TLS
	Tokens     TokenSource // nil: none

	// NonRetriableCodes are error codes that a retry does not change, whatever their status is.
	NonRetriableCodes []string
	// Middleware wraps the transport itself, below retries, endpoints, credentials and log; nil is none.
	Middleware func(http.RoundTripper) http.RoundTripper
}

// A Transport sends requests to one cluster. It is safe for concurrent use.
type Transport struct {
	client      doer
	credentials *credentials
	failover    bool // there are several endpoints
}

// doer is an *http.Client, or bareClient.
type doer interface {
	Do(*http.Request) (*http.Response, error)
}

// New returns a transport. It sends nothing. All mistakes in the configuration are reported at once, joined.
func New(c *Config) (*Transport, error) {
	policy, policyErr := c.Retry.Checked()
	credentials := newCredentials(c)
	base, ours, err := c.resolveTransport()
	if ours {
		credentials.ours = true
		credentials.idle, _ = base.(interface{ CloseIdleConnections() })
	}
	if t, ok := base.(*http.Transport); ok {
		credentials.proxy = t.Proxy
	}
	if err == nil && c.Middleware != nil {
		if base = c.Middleware(base); base == nil {
			err = errors.New("WithMiddleware: the function returned nil")
		}
	}
	if err := errors.Join(checkEndpoints(c.Endpoints), c.checkSchemes(), policyErr, err); err != nil {
		return nil, err
	}
	return &Transport{client: c.chain(base, credentials, policy), credentials: credentials, failover: len(c.Endpoints) > 1}, nil
}

// chain builds the chain that each request passes in this order, and its response in reverse:
//
//		http.Client → retry → endpoint → credentials → log → middleware → base
//
//	  - The http.Client is there only if the caller's does something: it follows redirects, keeps cookies, or
//	    has a timeout, which then limits all attempts and delays together.
//	  - The retry makes attempts. Each of them chooses an endpoint.
//	  - The log is below everything that sends requests, so it shows what is really sent.
func (c *Config) chain(base http.RoundTripper, credentials *credentials, policy RetryPolicy) doer {
	next := http.RoundTripper(checkedTransport{base, &credentials.secrets})
	if c.Logger != nil {
		next = &logger{next, c.Logger, &credentials.secrets}
	}
	next = &authenticator{next, credentials}
	if len(c.Endpoints) > 1 {
		next = newFailover(next, c.Endpoints, credentials.origins)
	}
	next = &retrier{next, policy, c.NonRetriableCodes}

	client := http.Client{}
	if c.HTTPClient != nil {
		client = *c.HTTPClient
	}
	if client.CheckRedirect == nil && client.Jar == nil && client.Timeout == 0 {
		return bareClient{next}
	}
	client.CheckRedirect = c.checkRedirect(client.CheckRedirect, credentials)
	client.Transport = next
	return &client
}

// bareClient takes the place of an http.Client that would follow no redirects, keep no cookies and set no
// timeout. The copies that an http.Client makes in case it has to are a tenth of the work of a short request.
type bareClient struct{ transport http.RoundTripper }

func (c bareClient) Do(req *http.Request) (*http.Response, error) { return c.transport.RoundTrip(req) }

// checkedTransport holds a transport to what the chain relies on: a response with a body that ends with the
// context of the request, or an error. Neither an error nor that of reading the body repeats a secret.
type checkedTransport struct {
	next    http.RoundTripper
	secrets *secrets
}

func (t checkedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if r := recordOf(req.Context()); r.MaySend != nil {
		guarded, err := r.guard(req)
		if err != nil {
			return nil, err
		}
		req = guarded
	}
	resp, err := t.next.RoundTrip(req)
	switch {
	case err != nil:
		return nil, t.secrets.redactError(err)
	case resp == nil:
		return nil, errors.New("the transport returned neither a response nor an error")
	case resp.Body == nil:
		resp.Body = http.NoBody
	case resp.StatusCode < http.StatusOK:
		// The body of a 101 is the connection itself, whose reads no context ends.
		if err := closeWithin(req.Context(), resp.Body); err != nil {
			return nil, err
		}
		resp.Body, resp.ContentLength = http.NoBody, 0
	case resp.Body != http.NoBody && t.secrets.list() != nil:
		resp.Body = &redactedBody{resp.Body, t.secrets}
	}
	return resp, nil
}

// Do sends a request. A response with a status of call.Want is returned, and its caller closes its body. A
// response with any other status is the error *[Failure]. Any other error has a text of one line, without
// the URL of the request; if the context has ended it is that of [ContextError]. No error has a token or
// one of call.Secrets in its text.
//
// A GET is retried as the policy says, unless call.Single is set. Other requests are sent once, except that they
// go on to the next endpoint if nothing was sent.
func (t *Transport) Do(ctx context.Context, req *http.Request, call Call) (*http.Response, error) {
	if call.Attempt == 0 {
		call.Attempt = 1
	}
	if call.Trace == nil && t.failover {
		call.Trace = new(ConnTrace)
	}
	t.credentials.secrets.add(call.Secrets...)
	r := &record{Call: call}
	sending := withRecord(ctx, r)
	if call.Trace != nil {
		sending = httptrace.WithClientTrace(sending, call.Trace.hooks())
	}
	resp, err := t.client.Do(req.WithContext(sending))
	if err != nil {
		return nil, t.RedactError(CallError(ctx, err))
	}
	if req.Method != http.MethodGet && wasRedirected(resp) {
		closeBody(resp)
		return nil, errors.New("the transport has followed a redirect, so the response says nothing about the request")
	}
	if slices.Contains(call.Want, resp.StatusCode) && resp.StatusCode >= http.StatusOK {
		return resp, nil
	}
	defer closeBody(resp)
	failure := r.readFailure(resp)
	failure.Hint = t.credentials.hint(resp, failure)
	failure.Code, failure.Message = t.RedactCode(failure.Code), t.Redact(failure.Message)
	if resp.StatusCode < http.StatusBadRequest && failure.Message == "" {
		// It comes from a proxy, or is a page to sign in: the gateway has no such response.
		failure.Message = fmt.Sprintf("expected status %d", call.Want[0])
		if resp.StatusCode >= http.StatusMultipleChoices {
			failure.Message = "redirects are not followed"
		}
	}
	return nil, failure
}
