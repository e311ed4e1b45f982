package sfbackup

import (
	"errors"
	"slices"

	"github.com/google/uuid"
)

// A server, or a cache before it, can send the same page again and again. By its token that shows at the
// end of the page; by its first backup, before any of it is handed out once more.

var (
	errRepeatedToken = errors.New("the server repeats a continuation token")
	errRepeatedPage  = errors.New("the server repeats a page")
)

// A circle finds out that tokens go round in one, however long it is, and keeps one token for that. (It is
// the algorithm of Brent.)
type circle struct {
	token       string
	steps, most int
}

func (c *circle) closes(token string) bool {
	if token == c.token && token != "" {
		return true
	}
	if c.steps++; c.steps >= c.most {
		c.token, c.steps, c.most = token, 0, 2*c.most+1
	}
	return false
}

// overlap returns the backups of the page before if that has the one that this page begins with: it is
// another page, but backups of it come again, or the same without its first ones, which are deleted.
func (r *reading) overlap(id uuid.UUID) map[uuid.UUID]bool {
	if id == uuid.Nil || !slices.ContainsFunc(r.previous, func(part []uuid.UUID) bool { return slices.Contains(part, id) }) {
		return nil
	}
	all := map[uuid.UUID]bool{}
	for _, id := range slices.Concat(r.previous...) {
		all[id] = true
	}
	delete(all, uuid.Nil) // those without one are not the same
	return all
}
