package transport

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/servicefabric-go/backup/internal/text"
)

// A TokenSource returns a token that can be used now.
type TokenSource func(context.Context) (Token, error)

// A Token is a bearer token.
type Token struct {
	Value   string
	Expires time.Time // zero: unknown
}

// tokenMargin is how long before it expires a token is used no more: for the time that a request takes to
// the gateway, and for clocks that differ.
const tokenMargin = 2 * time.Minute

// A tokenCache keeps the token of a source. One call at a time asks the source for another.
type tokenCache struct {
	source  TokenSource
	secrets *secrets

	mu    sync.Mutex
	token Token      // no Value: there is none
	call  *tokenCall // that is under way, or nil
}

// A tokenCall is a call of the source. Its results may be read once done is closed.
type tokenCall struct {
	done     chan struct{}
	token    Token
	err      error
	canceled bool // its caller gave up, which says nothing about the source
}

// get returns a token that the gateway has not refused as far as is known.
func (c *tokenCache) get(ctx context.Context) (string, error) {
	for {
		c.mu.Lock()
		if c.token.Value != "" && (c.token.Expires.IsZero() || time.Until(c.token.Expires) > tokenMargin) {
			defer c.mu.Unlock()
			return c.token.Value, nil
		}
		call := c.call
		if call == nil {
			call = &tokenCall{done: make(chan struct{}), canceled: true}
			c.call = call
			c.mu.Unlock()
			c.run(ctx, call)
			return call.token.Value, call.err
		}
		c.mu.Unlock()
		select {
		case <-call.done:
		case <-ctx.Done():
			return "", ContextError(ctx)
		}
		if !call.canceled {
			return call.token.Value, call.err
		}
	}
}

// run calls the source. The call is done whatever happens there, a panic included.
func (c *tokenCache) run(ctx context.Context, call *tokenCall) {
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.call = nil
		if !call.canceled && call.err == nil {
			c.token = call.token
		}
		close(call.done)
	}()
	token, err := c.source(ctx)
	if err == nil {
		err = checkToken(token.Value)
	}
	if err != nil {
		// The source itself knows what to retry.
		call.err = &nonRetriableError{fmt.Errorf("the token source: %w", c.secrets.redactError(text.Redact(err)))}
		call.canceled = ctx.Err() != nil
		return
	}
	call.token, call.canceled = token, false
}

// refuse forgets a token that the gateway has refused, unless there is another one already.
func (c *tokenCache) refuse(value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token.Value == value {
		c.token = Token{}
	}
}

// checkToken refuses what cannot be a token, without repeating it: an empty one, and one that does not fit
// into a header or has a scheme before it.
func checkToken(value string) error {
	if value == "" {
		return errors.New("the token is empty")
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("the token has a character that no token has")
	}
	return nil
}
