package sfbackuptest

import (
	"iter"
	"slices"
	"strings"
)

// This file is the paging of a 6.4 cluster.

// tokenSeparator separates the parts of a continuation token. In a query it must be escaped, or else it
// arrives as a space.
const tokenSeparator = "+"

// pageRuntime selects the entries of a page. The token has the ID of the storage to continue with and,
// after a separator, the position in it, whose form depends on the kind of the storage. A token without a
// position means that the storage is finished.
//
// The service assumes that earlier pages have covered every storage whose ID sorts before that of the
// token. If the separators of a token arrive as spaces, the whole token is taken for the ID, and the rest
// of the list is missing without an error.
func (c *Cluster) pageRuntime(views []storageView, q listQuery) (*page, *errorResponse) {
	storage, position, _ := strings.Cut(q.token, tokenSeparator)
	views = slices.DeleteFunc(views, func(s storageView) bool {
		return s.id < storage || s.id == storage && position == ""
	})
	if len(views) == 0 || views[0].id != storage {
		position = "" // the first storage is another one
	}
	if q.maxResults == 0 {
		return unlimitedPage(views, q, position)
	}
	return c.fillPage(views, q, position)
}

// unlimitedPage selects all entries. The service reads its storages concurrently and lists them in the
// order in which it finishes them. This cluster lists them in the order of their IDs.
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

// fillPage adds entries of one storage after the other until the page is full. If the page is full just
// when a storage is finished, the token has no position, and there is a token only if another storage
// follows.
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
			// The service requests a segment of that size from Azure.
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
			return nil, errNullList
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

// fill selects files of a storage until the page is full. It returns the position where the next page
// continues, which is empty if no file is left.
//
// The files that are left are counted before the filters: a full page has a token even if no other file
// passes the filters. Latest counts partitions: fill stops at the first file of the last partition that
// the page has room for, which is the oldest.
func (s *storageView) fill(q listQuery) (chosen []entry, next string) {
	remaining := func() int64 { return q.maxResults - int64(len(chosen)) }
	for i, f := range s.folders {
		// On a share the service counts the files of a folder before it reads them.
		left := i < len(s.folders)-1 || int64(f.backups.len()) != remaining()
		read := 0
		for r := range f.backups.all() {
			read++
			if !q.matches(&r) {
				continue
			}
			e := entry{f.partition, r}
			if n := len(chosen); q.latest && n > 0 && chosen[n-1].partition == f.partition {
				chosen[n-1] = e
				continue
			}
			chosen = append(chosen, e)
			if remaining() != 0 {
				continue // with a negative limit the page is never full
			}
			if s.kind == StorageKindAzureBlobStore {
				return chosen, s.marker(i, read)
			}
			if left {
				return chosen, e.sharePosition()
			}
			return chosen, ""
		}
	}
	return chosen, ""
}

// resume returns the rest of the storage from a position on.
func (s *storageView) resume(position string) (rest []folder, ok bool) {
	if s.kind == StorageKindAzureBlobStore {
		return resumeContainer(s.folders, position)
	}
	return resumeShare(s.folders, position)
}
