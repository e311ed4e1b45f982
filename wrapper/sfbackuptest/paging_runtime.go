package sfbackuptest

import (
	"iter"
	"slices"
	"strings"
)

// This file is the paging of a 6.4 cluster.

// tokenSeparator separates the parts of a continuation token. In a query
// string it must be escaped, or it arrives as a space.
const tokenSeparator = "+"

// pageRuntime chooses the entries of a page. The token says which storage to go on
// with and, behind a separator, where in it; what that looks like is the
// storage's affair. A token that is nothing but a storage says that it is done.
//
// A storage whose identity sorts below the token's has been dealt with on
// earlier pages, as if the list of storages were always the same. That is also
// what a token looks like whose separators arrived as spaces, since all of it is
// the identity then: the rest of the list is missing and nothing says so.
func (c *Cluster) pageRuntime(views []storageView, q listQuery) (*page, *errorResponse) {
	storage, position, _ := strings.Cut(q.token, tokenSeparator)
	views = slices.DeleteFunc(views, func(s storageView) bool {
		return s.id < storage || s.id == storage && position == ""
	})
	if len(views) == 0 || views[0].id != storage {
		position = "" // another storage came before this one
	}
	if q.maxResults == 0 {
		return unlimitedPage(views, q, position)
	}
	return c.fillPage(views, q, position)
}

// unlimitedPage chooses all entries. The service reads its storages at the same
// time and lists them in the order in which it is done; this one goes by their
// identities.
func unlimitedPage(views []storageView, q listQuery, position string) (*page, *errorResponse) {
	if position != "" {
		rest, ok := views[0].resume(position)
		if !ok {
			return nil, errEnumeration
		}
		views[0].folders = rest
	}
	var all iter.Seq[entry] = func(yield func(entry) bool) {
		for _, s := range views {
			for e := range entries(s.folders, q) {
				if !yield(e) {
					return
				}
			}
		}
	}
	return &page{entries: all}, nil
}

// fillPage goes through the storages until the page is full. That of one storage
// that is done is not full for sure: its token is the storage alone, and only if
// there is another.
func (c *Cluster) fillPage(views []storageView, q listQuery, position string) (*page, *errorResponse) {
	var chosen []entry
	token := ""
	for i, s := range views {
		if position != "" {
			rest, ok := s.resume(position)
			if !ok {
				return nil, errPage
			}
			s.folders, position = rest, ""
		}
		if s.kind == StorageKindAzureBlobStore && q.maxResults < 0 {
			// The service asks for a segment of that size.
			if len(chosen) == 0 {
				return nil, errPage
			}
			return nil, errContainer
		}
		entries, next := s.fill(q)
		if len(entries) == 0 && c.behavior.emptyPageFails {
			if len(chosen) == 0 {
				return nil, errPage
			}
			return nil, errNoList
		}
		chosen = append(chosen, entries...)
		q.maxResults -= int64(len(entries))
		if next != "" {
			token = s.id + tokenSeparator + next
			break
		}
		if q.maxResults == 0 {
			if i < len(views)-1 {
				token = s.id
			}
			break
		}
	}
	return &page{slices.Values(chosen), token}, nil
}

// fill goes through the files of a storage until the page is full, and returns
// the place where to go on. It is empty when nothing is left.
//
// What is left is counted in files, before the filters: a full page has a token
// although no other file may pass them. And Latest counts partitions: it stops
// at the first file of the last partition that the page has room for, which is
// its oldest.
func (s *storageView) fill(q listQuery) (chosen []entry, next string) {
	room := func() int64 { return q.maxResults - int64(len(chosen)) }
	for i, f := range s.folders {
		// A share counts the files of a folder before it reads them.
		left := i < len(s.folders)-1 || int64(f.backups.len()) != room()
		at := 0
		for r := range f.backups.all() {
			at++
			if !q.matches(&r) {
				continue
			}
			e := entry{f.partition, r}
			if n := len(chosen); q.latest && n > 0 && chosen[n-1].partition == f.partition {
				chosen[n-1] = e
				continue
			}
			chosen = append(chosen, e)
			if room() != 0 {
				continue // always, if the limit is negative
			}
			if s.kind == StorageKindAzureBlobStore {
				return chosen, s.marker(i, at)
			}
			if left {
				return chosen, e.sharePosition()
			}
			return chosen, ""
		}
	}
	return chosen, ""
}

// resume returns what comes at and after a position in the storage.
func (s *storageView) resume(position string) (rest []folder, ok bool) {
	if s.kind == StorageKindAzureBlobStore {
		return resumeContainer(s.folders, position)
	}
	return resumeShare(s.folders, position)
}
