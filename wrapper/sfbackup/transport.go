package sfbackup

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// assemble builds the HTTP client through which requests travel. What the caller passed in is
// copied and stays as it is.
//
// A request passes the round trippers in this order, and its answer in the reverse one:
//
//	retry → endpoint → credentials → log → middleware → transport
//
// The endpoint is chosen anew for each attempt.
//
// The log comes after all that sends something, so that it shows what is really sent.
func (s *settings) assemble() *http.Client {
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
	next := s.transport
	if s.logger != nil {
		next = &logTransport{next, s.logger}
	}
	next = &credentialsTransport{next, s.credentials}
	if len(s.endpoints) > 1 {
		next = newEndpointTransport(next, s.endpoints)
	}
	client.Transport = &retryTransport{next, s.retry}
	return &client
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
