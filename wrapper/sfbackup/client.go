package sfbackup

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/generated"
)

// apiVersion is the one version that the document allows. Servers answer lower ones, and previews,
// with an error.
const apiVersion = "6.4"

// A Client talks to the HTTP gateway of one cluster. [NewClient] makes it. It is safe for concurrent
// use and starts no goroutine of its own that outlives a call.
type Client struct {
	server    string // where the paths of the API begin, with a trailing slash
	basePath  string // the escaped path in it
	http      doer
	id        string // names this client in the traces of the gateway
	userAgent string
	retry     RetryPolicy
	serviceID func(ServiceName) string

	newProgressRequest, newPlainBackupRequest func(context.Context, uuid.UUID) (*http.Request, error)

	credentials *credentials
}

// NewClient returns a client for the cluster whose HTTP gateway is at endpoint, a URL with a scheme
// and a host such as "http://localhost:19080". A path is kept, for gateways that stand behind one;
// a query, a fragment or a password in it is an error.
//
// NewClient sends nothing, and reads no files but those of a client certificate. All mistakes are
// reported at once, joined.
func NewClient(endpoint string, opts ...Option) (*Client, error) {
	s := settings{userAgent: defaultUserAgent, serviceID: ServiceName.slashed}
	s.retry, _ = RetryPolicy{}.checked()
	server, err := parseEndpoint(endpoint)
	errs := []error{err}
	s.endpoints = []*url.URL{server}
	for _, o := range opts {
		if o == nil {
			errs = append(errs, errors.New("an option is nil"))
			continue
		}
		errs = append(errs, o.apply(&s))
	}
	if server != nil {
		errs = append(errs, checkEndpoints(s.endpoints))
	}
	errs = append(errs, s.secure())
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("sfbackup: NewClient: %w", err)
	}
	c := &Client{
		server:    server.String(),
		basePath:  server.EscapedPath(),
		http:      s.assemble(),
		id:        uuid.NewString(),
		userAgent: s.userAgent,
		retry:     s.retry,
		serviceID: s.serviceID,

		credentials: s.credentials,
	}
	c.newProgressRequest = partitionRequests(func(partition uuid.UUID) (*http.Request, error) {
		return generated.NewGetPartitionBackupProgressRequest(c.server, partition,
			&generated.GetPartitionBackupProgressParams{APIVersion: apiVersion})
	})
	c.newPlainBackupRequest = partitionRequests(func(partition uuid.UUID) (*http.Request, error) {
		return generated.NewBackupPartitionRequestWithBody(c.server, partition,
			&generated.BackupPartitionParams{APIVersion: apiVersion}, "application/json", strings.NewReader("{}"))
	})
	return c, nil
}

// parseEndpoint checks an endpoint and returns it in the form that the request builders take. Its
// errors do not repeat the endpoint, which may hold a secret just where it is wrong.
func parseEndpoint(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return nil, errors.New("the endpoint is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New(`the endpoint has to begin with "http://" or "https://"`)
	case u.Hostname() == "":
		return nil, errors.New("the endpoint has no host")
	case u.User != nil:
		return nil, errors.New("the endpoint holds user information")
	case u.RawQuery != "" || u.ForceQuery:
		return nil, errors.New("the endpoint has a query")
	case strings.Contains(endpoint, "#"):
		return nil, errors.New("the endpoint has a fragment")
	}
	u.Host = strings.TrimSuffix(u.Host, ":") // an empty port, which net/http takes off too
	u = u.JoinPath("/")
	if _, err := url.Parse(u.String()); err != nil {
		// Package url reads a zone that is not UTF-8, but not what it writes then: each request would
		// fail.
		return nil, errors.New("the endpoint is not a URL")
	}
	return u, nil
}

// do sends the request of an operation and returns the answer if its status is want. Any other
// answer is an *APIError. The caller closes the body.
func (c *Client) do(ctx context.Context, operation string, req *http.Request, want ...int) (*http.Response, error) {
	req = req.WithContext(withOperation(ctx, operation))
	requestID := c.newRequestID()
	values := []string{requestID, clientType, "application/json", c.userAgent} // the server still has its XML writer
	for i, canonicalName := range [...]string{"X-Servicefabricrequestid", "X-Servicefabricclienttype", "Accept", "User-Agent"} {
		req.Header[canonicalName] = values[i : i+1 : i+1] // faster than Set, and there are many requests
	}

	resp, err := c.http.Do(req)
	if err != nil {
		if resp != nil { // a redirect that the caller's CheckRedirect refuses
			err = &lastingError{err}
		}
		return nil, callError(ctx, operation, err)
	}
	if slices.Contains(want, resp.StatusCode) {
		return resp, nil
	}
	defer closeBody(resp)
	refusal := isRefusal(resp)
	apiErr, whole := newAPIError(operation, resp, requestID)
	apiErr.Hint = c.credentials.hint(resp, apiErr, refusal)
	if resp.StatusCode < http.StatusBadRequest && apiErr.Message == "" {
		// Somebody else than the gateway: a proxy, or a page to sign in.
		apiErr.Message = fmt.Sprintf("expected status %d", want[0])
		if resp.StatusCode >= http.StatusMultipleChoices {
			apiErr.Message = "redirects are not followed"
		}
	}
	if !whole && apiErr.Code == "" {
		return nil, &cutError{apiErr}
	}
	return nil, apiErr
}

// newRequestID names the client and a request; the gateway reads the two apart in its traces. It is no
// secret, so it need not cost what a random number that nobody can guess costs.
func (c *Client) newRequestID() string {
	var id uuid.UUID
	binary.LittleEndian.PutUint64(id[:8], rand.Uint64()) //nolint:gosec // see above
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64()) //nolint:gosec // see above
	id[6] = id[6]&0x0f | 0x40                            // version 4
	id[8] = id[8]&0x3f | 0x80                            // variant of RFC 9562
	return c.id + ":" + id.String()
}

// callError is the error of an operation that failed without an answer, or within one.
func callError(ctx context.Context, operation string, err error) error {
	if ctx.Err() != nil {
		// What broke, broke because the caller gave up.
		err = contextError(ctx)
	}
	// A URL holds continuation tokens, and can be long: the operation says more.
	if u, ok := err.(*url.Error); ok { //nolint:errorlint // that of an http.Client, and none below it
		err = u.Err
	}
	return fmt.Errorf("sfbackup: %s: %w", operation, withoutURLs(err))
}

// contextError says why a context is done, so that both the cause that its owner gave and the plain
// context error are found in it.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// closeBody ends an answer that was read as far as it matters. The little that may be left is read
// too, because the connection can then be used again.
func closeBody(resp *http.Response) {
	if _, ok := resp.Body.(*bufferedBody); ok {
		return
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	_ = resp.Body.Close()
}

// clientType tells the kind of client, in the form that the clients of Microsoft have.
const clientType = "GoClientlib-" + runtime.GOOS

// requireID checks the identity of a partition.
func requireID(partition uuid.UUID) error {
	if partition == uuid.Nil {
		return errors.New("the partition id is not set")
	}
	return nil
}
