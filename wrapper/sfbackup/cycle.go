package sfbackup

import (
	"errors"
	"fmt"
)

// A server, or a cache before it, can send the same page again and again. Its token shows that at the end of
// the page; its first backup shows it before any backup is yielded a second time. A page without a backup that
// comes with a new token each time shows neither, so there is a limit to them.

var (
	errRepeatedToken = errors.New("the server repeats a continuation token")
	errRepeatedPage  = errors.New("the server repeats a page")
	errEmptyPages    = fmt.Errorf("the server sent %d empty pages in a row", maxEmptyPages)
)

// maxEmptyPages is how many pages without a backup in a row are an error. Servers have such a page where a
// storage, or what they read of it at a time, has nothing for the list; no real list has a hundred of them.
const maxEmptyPages = 100

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
