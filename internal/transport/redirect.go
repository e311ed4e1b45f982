package transport

import "net/http"

// checkRedirect returns the CheckRedirect of a client, given that of the caller; nil follows no redirects. A
// redirect that is not followed is itself the response, and becomes the error of the call.
//
// The gateway never redirects. What something else redirects is at most a request that reads. It stays with
// the endpoints if there are credentials, or if TLS protects the connection to them.
func (c *Config) checkRedirect(given func(*http.Request, []*http.Request) error, credentials *credentials) func(*http.Request, []*http.Request) error {
	bound := c.Tokens != nil || c.TLS.needed() || c.Endpoints[0].Scheme == "https"
	return func(req *http.Request, via []*http.Request) error {
		if given == nil || via[0].Method != http.MethodGet {
			return http.ErrUseLastResponse
		}
		if err := given(req, via); err != nil {
			if err == http.ErrUseLastResponse { //nolint:errorlint // as package http compares it
				return err
			}
			return &nonRetriableError{credentials.secrets.redactError(err)}
		}
		// It is checked last, because the caller's function may have changed the request.
		if bound && !credentials.origins[originOf(req.URL)] {
			return http.ErrUseLastResponse
		}
		return nil
	}
}

// wasRedirected reports whether a response is that of another request than the one that was sent.
func wasRedirected(resp *http.Response) bool {
	return resp.Request != nil && resp.Request.Response != nil
}
