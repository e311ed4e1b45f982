package sfbackup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// A TokenSource gets tokens of Microsoft Entra ID. It is called when there is no token yet, when the
// one there is expires, and when the gateway refuses it; never by two goroutines at once.
type TokenSource interface {
	// Token returns a token that can be used now. It is given the context of the call that needs it.
	Token(ctx context.Context) (Token, error)
}

// A Token is a bearer token.
type Token struct {
	Value   Secret
	Expires time.Time // zero: not known; the token is used until the gateway refuses it
}

// TokenSourceFunc is a function as a [TokenSource].
type TokenSourceFunc func(ctx context.Context) (Token, error)

// Token calls the function.
func (f TokenSourceFunc) Token(ctx context.Context) (Token, error) { return f(ctx) }

// WithTokenSource sends a bearer token with every request. A token is used again until two minutes
// before it expires. Calls that need a new one at the same time share it.
//
// The gateway does not say that a token has expired: it asks for a client certificate. So after such
// an answer, a 403 without a body, the source is asked for another token, and a request that only reads
// is sent once more. A source that keeps tokens should have stopped keeping those that have expired.
//
// Tokens are sent to the endpoint only, never over http unless that is on this machine.
func WithTokenSource(source TokenSource) Option {
	return optionFunc(func(s *settings) error {
		if source == nil {
			return errors.New("WithTokenSource: the source is nil")
		}
		s.tokens = &tokenCache{source: source}
		return nil
	})
}

// tokenMargin is how long before its end a token is not used any more: for the time that a request
// takes to the gateway, and for clocks that differ.
const tokenMargin = 2 * time.Minute

// A tokenCache keeps the token of a source, and lets one call at a time ask for another.
type tokenCache struct {
	source TokenSource

	mu     sync.Mutex
	token  Token   // no value: there is none
	flight *flight // the call of the source that is going on, or nil
}

// A flight is a call of the source. Its results may be read once it has landed.
type flight struct {
	landed    chan struct{}
	token     Token
	err       error
	abandoned bool // whoever made the call has given up, which says nothing about the source
}

// get returns a token that the gateway has not refused as far as is known.
func (c *tokenCache) get(ctx context.Context) (Secret, error) {
	for {
		c.mu.Lock()
		if c.token.Value != "" && (c.token.Expires.IsZero() || time.Until(c.token.Expires) > tokenMargin) {
			defer c.mu.Unlock()
			return c.token.Value, nil
		}
		f := c.flight
		if f == nil {
			f = &flight{landed: make(chan struct{}), abandoned: true}
			c.flight = f
			c.mu.Unlock()
			c.fly(ctx, f)
			return f.token.Value, f.err
		}
		c.mu.Unlock()
		select {
		case <-f.landed:
		case <-ctx.Done():
			return "", contextError(ctx)
		}
		if !f.abandoned {
			return f.token.Value, f.err
		}
	}
}

// fly calls the source. It lands whatever happens there, a panic included.
func (c *tokenCache) fly(ctx context.Context, f *flight) {
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.flight = nil
		if !f.abandoned && f.err == nil {
			c.token = f.token
		}
		close(f.landed)
	}()
	token, err := c.source.Token(ctx)
	if err == nil {
		err = checkToken(token.Value)
	}
	if err != nil {
		f.err = &lastingError{fmt.Errorf("the token source: %w", withoutURLs(err))} // it knows itself what to try again
		f.abandoned = ctx.Err() != nil
		return
	}
	f.token, f.abandoned = token, false
}

// refuse forgets a token that the gateway has refused, unless there is another one already.
func (c *tokenCache) refuse(value Secret) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token.Value == value {
		c.token = Token{}
	}
}

// checkToken keeps out what is not a token, without repeating it: nothing, and what does not fit
// into a header or has a scheme before it.
func checkToken(value Secret) error {
	if value == "" {
		return errors.New("the token is empty")
	}
	if strings.ContainsFunc(string(value), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("the token has a character that no token has")
	}
	return nil
}
