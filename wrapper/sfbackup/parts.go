package sfbackup

import "slices"

// parts is a list that grows without being copied: in a slice that grows, the old and the new copy together
// take more than everything else that a long page needs.
type parts[T any] [][]T

// The first part is short, because most pages are; each further one is twice as long, up to a limit.
const (
	firstPart = 16
	maxPart   = 4096
)

// add appends a value and returns its place, which does not change.
func (p *parts[T]) add(v T) *T {
	last := len(*p) - 1
	switch {
	case last < 0:
		*p, last = append(*p, make([]T, 0, firstPart)), 0
	case len((*p)[last]) == cap((*p)[last]):
		*p, last = append(*p, make([]T, 0, min(2*cap((*p)[last]), maxPart))), last+1
	}
	part := append((*p)[last], v)
	(*p)[last] = part
	return &part[len(part)-1]
}

// join returns all values in one slice.
func (p parts[T]) join() []T {
	if len(p) == 1 {
		return p[0]
	}
	return slices.Concat(p...)
}
