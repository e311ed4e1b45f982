package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/servicefabric-go/backup/internal/text"
)

// apply gives a transport the configuration of connections to the gateway. It begins with a copy of given.
//
// A proxy that is reached over https is another server: it is not shown the client certificate, and is
// verified by what the caller's configuration says about it, or else by the roots of the options. The tunnel
// through it has the configuration of the gateway.
func (s *TLS) apply(t *http.Transport, given *tls.Config) {
	t.TLSClientConfig = s.config(given)
	if t.OnProxyConnectResponse == nil {
		t.OnProxyConnectResponse = checkTunnel
	}
	if t.Proxy == nil || !s.needed() {
		return
	}
	forProxies := TLS{Allow13: true}
	if given == nil || given.RootCAs == nil {
		forProxies.Server.Roots = s.Server.Roots
	}
	d := &tlsDialer{t, t.TLSClientConfig, forProxies.config(given)}
	choose := t.Proxy
	t.Proxy = func(req *http.Request) (*url.URL, error) {
		proxy, err := choose(req)
		recordOf(req.Context()).proxy.Store(proxy)
		return proxy, err
	}
	t.DialTLSContext = d.dial
}

// tlsDialer makes the TLS connections of a transport: those to the gateway, except in tunnels, and those to
// proxies.
type tlsDialer struct {
	transport           *http.Transport
	gateway, forProxies *tls.Config
}

// dial is a DialTLSContext. The context has the values of that of the request.
func (d *tlsDialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	config := d.gateway.Clone()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	if proxy := recordOf(ctx).proxy.Load(); proxy != nil && proxy.Scheme == "https" && text.EqualFold(address, hostPortOf(proxy)) {
		config = d.forProxies.Clone()
		config.ServerName = host
	}
	conn, err := d.dialPlain(ctx, network, address)
	if err != nil {
		return nil, err
	}
	handshake := ctx
	if timeout := d.transport.TLSHandshakeTimeout; timeout > 0 {
		var cancel context.CancelFunc
		handshake, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(handshake); err != nil {
		_ = conn.Close()
		if handshake.Err() != nil && ctx.Err() == nil {
			err = fmt.Errorf("TLS handshake timeout: %w", os.ErrDeadlineExceeded)
		}
		return nil, err
	}
	return secured, nil
}

// dialPlain connects as the transport does.
func (d *tlsDialer) dialPlain(ctx context.Context, network, address string) (conn net.Conn, err error) {
	switch {
	case d.transport.DialContext != nil:
		conn, err = d.transport.DialContext(ctx, network, address)
	case d.transport.Dial != nil: //nolint:staticcheck // deprecated, and still in use
		conn, err = d.transport.Dial(network, address) //nolint:staticcheck // as above
	default:
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	if conn == nil && err == nil {
		err = errors.New("the dialer of the transport returned neither a connection nor an error")
	}
	return conn, err
}

// checkTunnel is an OnProxyConnectResponse. The error of package http has only the reason phrase.
func checkTunnel(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return fmt.Errorf("the proxy makes no tunnel: %s", text.OneLine(resp.Status))
}

// hintProxy is hintTLS for an error of the connection to a proxy.
func hintProxy(err error) (hint string, certain bool) {
	if speaksHTTP(err) {
		return "the proxy speaks HTTP without TLS, so its URL begins with http://", true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "to accept this proxy, use WithRootCAs, or the TLSClientConfig of WithHTTPClient", true
	}
	return "", false
}
