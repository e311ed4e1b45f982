package sfbackup

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/generated"
	"github.com/servicefabric-go/backup/internal/transport"
)

// apiVersion is the one version that the document allows. Servers answer lower versions, and previews,
// with an error.
const apiVersion = "6.4"

// A Client talks to the HTTP gateway of one cluster. Create one with [NewClient]; the zero Client cannot be
// used. It is safe for concurrent use and starts no goroutine that outlives a call, apart from those of
// net/http for idle connections.
type Client struct {
	transport *transport.Transport
	server    string // where the paths of the API begin, with a trailing slash
	basePath  string // the escaped path in it
	id        string // identifies this client in the traces of the gateway
	userAgent string
	retry     transport.RetryPolicy
	serviceID func(ServiceName) string

	gatewayHold time.Duration

	newProgressRequest, newPlainBackupRequest partitionRequest
}

// NewClient returns a client for the cluster whose HTTP gateway is at endpoint, an http or https URL
// such as "http://localhost:19080". A path is kept, for gateways behind a reverse proxy;
// a query, a fragment or user information in it is an error.
//
// NewClient sends nothing, and reads no files except those of a client certificate. If the endpoint or options
// are invalid, or do not fit together, the error joins all mistakes as errors.Join does. Certificate options
// need https endpoints; tokens need them too, except on this machine.
func NewClient(endpoint string, opts ...Option) (*Client, error) {
	s := settings{userAgent: defaultUserAgent, serviceID: ServiceName.slashed, gatewayHold: defaultGatewayHold}
	s.transport.NonRetriableCodes = codeStrings(nonRetriableCodes)
	s.transport.Retry, _ = transport.RetryPolicy{}.Checked()
	server, err := transport.ParseEndpoint(endpoint)
	errs := []error{err}
	if err == nil {
		s.transport.Endpoints = append(s.transport.Endpoints, server)
	}
	for _, o := range opts {
		if o == nil {
			errs = append(errs, errors.New("an option is nil"))
			continue
		}
		errs = append(errs, o.apply(&s))
	}
	t, err := transport.New(&s.transport)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("sfbackup: NewClient: %w", err)
	}
	c := &Client{
		transport: t,
		server:    server.String(),
		basePath:  server.EscapedPath(),
		id:        uuid.NewString(),
		userAgent: s.userAgent,
		retry:     s.transport.Retry,
		serviceID: s.serviceID,

		gatewayHold: s.gatewayHold,
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

// do sends the request of a call. An unsuccessful response is an *APIError. The caller closes the body.
func (c *Client) do(ctx context.Context, req *http.Request, call transport.Call) (*http.Response, error) {
	resp, err := c.send(ctx, req, call)
	if err != nil {
		return nil, callError(call.Operation, req, err)
	}
	return resp, nil
}

// requestIDHeader is the header with the identity of a request, in canonical form.
const requestIDHeader = "X-Servicefabricrequestid"

// send sends the request of a call with the headers of this client. Its errors are those of the transport.
func (c *Client) send(ctx context.Context, req *http.Request, call transport.Call) (*http.Response, error) {
	// The server can also write XML. With an Accept-Encoding, net/http does not ask for compression: 8 KiB of
	// gzip can be 8 MiB of JSON, and no gateway compresses.
	values := []string{c.newRequestID(), clientType, "application/json", "identity", c.userAgent}
	for i, canonicalName := range [...]string{requestIDHeader, "X-Servicefabricclienttype", "Accept", "Accept-Encoding", "User-Agent"} {
		req.Header[canonicalName] = values[i : i+1 : i+1] // faster than Set, and there are many requests
	}
	return c.transport.Do(ctx, req, call)
}

// newRequestID identifies the client and a request; the gateway writes both to its traces. The identity is
// not secret, so it need not cost as much as a random number that nobody can guess.
func (c *Client) newRequestID() string {
	var id uuid.UUID
	binary.LittleEndian.PutUint64(id[:8], rand.Uint64()) //nolint:gosec // see above
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64()) //nolint:gosec // see above
	id[6] = id[6]&0x0f | 0x40                            // version 4
	id[8] = id[8]&0x3f | 0x80                            // variant of RFC 9562
	return c.id + ":" + id.String()
}

// callError is the error of an operation whose request failed in the transport.
func callError(operation string, req *http.Request, err error) error {
	if failure, ok := err.(*transport.Failure); ok { //nolint:errorlint // it comes as it is
		return newAPIError(operation, req.Header.Get(requestIDHeader), failure)
	}
	return fmt.Errorf("sfbackup: %s: %w", operation, err)
}

// clientType is the type of client, in the form that Microsoft's clients have.
const clientType = "GoClientlib-" + runtime.GOOS

// requireID checks the identity of a partition.
func requireID(partition uuid.UUID) error {
	if partition == uuid.Nil {
		return errors.New("the partition id is not set")
	}
	return nil
}
