package sfbackup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// credentials are what a client is known by, and whom it shows that to.
type credentials struct {
	tokens    *tokenCache // nil: none
	keyPair   *keyPair    // nil: none, or the caller's transport has one
	version13 bool
	own       bool            // the transport is one of this package
	origins   map[string]bool // of the endpoints
	idle      interface{ CloseIdleConnections() }
}

// credentialsTransport adds the token to requests, says what to do about the errors of TLS, and gets
// over a token that has expired.
type credentialsTransport struct {
	next http.RoundTripper
	*credentials
}

func (t *credentialsTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if (t.tokens != nil || t.keyPair != nil) && !t.origins[originOf(req.URL)] {
		// A CheckRedirect of the caller lets redirects pass. Credentials do not go along.
		closeRequest(req)
		return nil, &lastingError{errors.New("the request was redirected to another host, which is not shown the credentials")}
	}
	resp, used, err := t.send(req)
	if err != nil || !isRefusal(resp) {
		return resp, err
	}
	if t.idle != nil {
		// The connection has shown a certificate, or has shown that there is none, and keeps to
		// that. A new one shows what there is then.
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
		closeBody(resp)
		return nil, fmt.Errorf("the gateway refused the token: %w", err)
	}
	if fresh == used {
		return resp, nil // the same again would be refused again
	}
	closeBody(resp)
	resp, used, err = t.send(req)
	if err == nil && isRefusal(resp) {
		t.tokens.refuse(used)
	}
	return resp, err
}

// send sends a request with the token, and returns which one it was.
func (t *credentialsTransport) send(req *http.Request) (*http.Response, Secret, error) {
	var token Secret
	if t.tokens != nil {
		var err error
		if token, err = t.tokens.get(req.Context()); err != nil {
			closeRequest(req)
			return nil, "", err
		}
		req = req.Clone(req.Context())
		req.Header.Set("Authorization", "Bearer "+string(token)) // the gateway knows this spelling only
	}
	sentOf(req.Context()).hand(req.URL)
	resp, err := t.next.RoundTrip(req)
	return resp, token, t.explain(err)
}

// isRefusal reports whether the gateway does not know the client: a 403 without a body. A 403 of the
// backup service has one.
func isRefusal(resp *http.Response) bool {
	if resp.StatusCode != http.StatusForbidden {
		return false
	}
	var first [1]byte
	n, err := io.ReadFull(resp.Body, first[:])
	if n == 0 {
		return errors.Is(err, io.EOF)
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(first[:]), resp.Body), resp.Body}
	return false
}

// closeRequest is what a RoundTripper owes a request that it does not send.
func closeRequest(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// originOf returns the scheme, host and port of a URL in one form.
func originOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
