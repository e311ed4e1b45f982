package transport

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/servicefabric-go/backup/internal/text"
)

// ParseEndpoint checks an endpoint and returns it with a trailing slash, as the request builders need it.
// Its errors do not repeat the endpoint, because the invalid part may be a secret.
func ParseEndpoint(endpoint string) (*url.URL, error) {
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
	u.Host = strings.TrimSuffix(u.Host, ":") // an empty port, which net/http removes too
	u = u.JoinPath("/")
	if _, err := url.Parse(u.String()); err != nil {
		// Package url reads a zone that is not UTF-8, but not what it writes then: every request would
		// fail.
		return nil, errors.New("the endpoint is not a URL")
	}
	return u, nil
}

// checkEndpoints checks that the endpoints differ only in their hosts.
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

// checkSchemes checks that what needs TLS has it.
func (c *Config) checkSchemes() error {
	var errs []error
	for _, u := range c.Endpoints {
		if u.Scheme != "http" {
			continue
		}
		if c.TLS.needed() {
			errs = append(errs, errors.New(`options about certificates need an endpoint that begins with "https://"`))
		}
		if c.Tokens != nil && !isLoopback(u.Hostname()) {
			errs = append(errs, errors.New("WithTokenSource: a token is not sent over http, except to this machine"))
		}
		if len(errs) > 0 {
			break // once is enough
		}
	}
	return errors.Join(errs...)
}

// originOf returns the scheme, host and port of a URL in one form.
func originOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(text.ToLower(u.Hostname()), port)
}

// hostPortOf returns the host and port of a URL in one form.
func hostPortOf(u *url.URL) string {
	_, hostPort, _ := strings.Cut(originOf(u), "://")
	return hostPort
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return text.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
