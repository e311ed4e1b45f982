package sfbackup

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// assemble builds the way on which requests travel. What the caller passed in is copied and stays as it
// is.
//
// A request passes the round trippers in this order, and its answer in the reverse one:
//
//	retry → endpoint → credentials → log → middleware → transport
//
// The endpoint is chosen anew for each attempt.
//
// The log comes after all that sends something, so that it shows what is really sent.
func (s *settings) assemble() doer {
	client := http.Client{}
	if s.httpClient != nil {
		client = *s.httpClient
	}
	if client.CheckRedirect == nil {
		// The gateway never redirects. Whoever does is not the cluster, and must not be sent a
		// request with a storage's password in it. The answer itself becomes the error.
		client.CheckRedirect = func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}
	}
	next := http.RoundTripper(soundTransport{s.transport})
	if s.logger != nil {
		next = &logTransport{next, s.logger}
	}
	next = &credentialsTransport{next, s.credentials}
	if len(s.endpoints) > 1 {
		next = newEndpointTransport(next, s.endpoints)
	}
	next = &retryTransport{next, s.retry}
	if s.httpClient == nil || s.httpClient.CheckRedirect == nil && s.httpClient.Jar == nil && s.httpClient.Timeout == 0 {
		// An http.Client that follows no redirects, keeps no cookies and sets no limit adds nothing but the
		// copies that it makes in case it has to; they are a tenth of the work of a short request.
		return &plainClient{next}
	}
	client.Transport = next
	return &client
}

// doer is an http.Client, or something like it.
type doer interface {
	Do(*http.Request) (*http.Response, error)
}

// plainClient is a client that adds nothing to its transport.
type plainClient struct{ transport http.RoundTripper }

func (c *plainClient) Do(req *http.Request) (*http.Response, error) {
	return c.transport.RoundTrip(req)
}

// soundTransport holds a transport to what all that is around it relies on: an answer with a body, or an
// error.
type soundTransport struct{ next http.RoundTripper }

func (t soundTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	switch {
	case err != nil:
		return nil, err
	case resp == nil:
		return nil, errors.New("the transport returned neither an answer nor an error")
	case resp.Body == nil:
		resp.Body = http.NoBody
	}
	return resp, nil
}

// defaultTransport is the transport of all clients that are given none, so that clients that come and
// go leave no connections behind.
var defaultTransport = sync.OnceValue(newTransport)

// newTransport returns a transport for the gateway of a cluster. Unlike that of net/http it has no
// time limits of its own for connecting: only the context of a call limits time.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		Protocols:           http1(),
		TLSClientConfig:     new(tlsSettings).config(nil),
		IdleConnTimeout:     idleTimeout,
		MaxIdleConnsPerHost: maxFleetRequests, // a cluster is one host

		MaxResponseHeaderBytes: maxHeader,
	}
}

// maxHeader is how long the header of an answer can be. Real ones are below 1 KiB; net/http takes 10 MiB.
const maxHeader = 256 << 10

// idleTimeout is how long connections are kept that nobody uses.
const idleTimeout = 90 * time.Second

// http1 is HTTP/1.1 alone. The gateway asks for a client certificate by renegotiating, which HTTP/2
// forbids.
func http1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}

// logTransport logs every request when its answer begins.
type logTransport struct {
	next   http.RoundTripper
	logger *slog.Logger
}

func (t *logTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if !t.logger.Enabled(ctx, slog.LevelDebug) {
		return t.next.RoundTrip(req)
	}
	start := time.Now()
	resp, err := t.next.RoundTrip(req)
	attrs := []slog.Attr{
		slog.String("operation", operationOf(ctx)),
		slog.Int("attempt", attemptOf(ctx)),
		slog.String("method", req.Method),
		slog.String("endpoint", req.URL.Scheme+"://"+req.URL.Host),
		slog.String("request_id", req.Header.Get("X-ServiceFabricRequestId")),
		slog.Duration("duration", time.Since(start)),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", withoutURLs(err).Error()))
	} else {
		attrs = append(attrs, slog.Int("status", resp.StatusCode))
		if resp.StatusCode >= http.StatusBadRequest {
			body, _ := buffer(resp, maxErrorBody) // as the retry does
			if code := codeOf(resp, body); code != "" {
				attrs = append(attrs, slog.String("code", oneLine(string(code))))
			}
		}
	}
	t.logger.LogAttrs(ctx, slog.LevelDebug, "sfbackup: request", attrs...)
	return resp, err
}

// operationKey is the key of the context value that names the operation of a request.
type operationKey struct{}

func withOperation(ctx context.Context, operation string) context.Context {
	return context.WithValue(ctx, operationKey{}, operation)
}

func operationOf(ctx context.Context) string {
	operation, _ := ctx.Value(operationKey{}).(string)
	return operation
}
