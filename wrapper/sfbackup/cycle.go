package sfbackup

import "errors"

// A server, or a cache before it, can send the same page again and again. Its token shows that at the end of
// the page; its first backup shows it before any backup is yielded a second time.

var (
	errRepeatedToken = errors.New("the server repeats a continuation token")
	errRepeatedPage  = errors.New("the server repeats a page")
)

// A tokenCycle detects a cycle of tokens of any length, and keeps one token for that. It is Brent's
// algorithm.
type tokenCycle struct {
	token       string
	steps, most int
}

// seen reports whether a token was seen before. It may report a repeated token late, but it reports it.
func (c *tokenCycle) seen(token string) bool {
	if token == c.token && token != "" {
		return true
	}
	if c.steps++; c.steps >= c.most {
		c.token, c.steps, c.most = token, 0, 2*c.most+1
	}
	return false
}
