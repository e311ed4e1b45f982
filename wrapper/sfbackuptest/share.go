package sfbackuptest

import (
	"slices"
	"strings"
	"time"
)

// This file is the paging of a 6.4 cluster whose backups are on a file share.

// tokenSeparator separates the parts of a continuation token. In a query
// string it must be escaped, or it arrives as a space.
const tokenSeparator = "+"

// page64 chooses the entries of a page. The token says which storage to go on
// with and where in it:
//
//	<storage>+<application>+<service>+<partition>+<yyyy-MM-dd HH.mm.ss>.bkmetadata
//
// A storage whose identity sorts below the token's first part has been dealt
// with on earlier pages. That is also what a token looks like whose separators
// arrived as spaces, since all of it is the first part then: the rest of the
// list is missing and nothing says so.
func (c *Cluster) page64(folders []folder, q listQuery) (*page, *failure) {
	storage, position, _ := strings.Cut(q.token, tokenSeparator)
	switch {
	case c.storageID < storage, c.storageID == storage && position == "":
		return &page{entries: slices.Values([]entry(nil))}, nil
	case c.storageID > storage:
		position = "" // another storage came before this one
	}

	if position != "" {
		rest, ok := resume64(folders, position)
		switch {
		case !ok && q.maxResults != 0:
			return nil, errPage
		case !ok:
			return nil, errEnumeration
		}
		folders = rest
	}
	if q.maxResults == 0 {
		return &page{entries: entries(folders, q)}, nil
	}

	chosen, last := fillPage(folders, q)
	if len(chosen) == 0 && c.conduct.emptyPageFails {
		return nil, errPage
	}
	p := &page{entries: slices.Values(chosen)}
	if last != nil {
		p.token = c.storageID + tokenSeparator + last.position()
	}
	return p, nil
}

// fillPage goes through the files until the page is full, and returns the
// place where it stopped. It is nil when nothing is left.
//
// What is left is counted in files, before the filters: a full page has a
// token although no other file may pass them. And Latest counts partitions: it
// stops at the first file of the last partition that the page has room for,
// which is its oldest.
func fillPage(folders []folder, q listQuery) (chosen []entry, last *entry) {
	room := func() int64 { return q.maxResults - int64(len(chosen)) }
	for i, f := range folders {
		left := i < len(folders)-1 || int64(len(f.backups)) != room()
		for _, r := range f.backups {
			if !q.matches(r) {
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
			if left {
				return chosen, &e
			}
			return chosen, nil
		}
	}
	return chosen, nil
}

// position returns an entry's place in its storage, the second part of a token.
func (e *entry) position() string {
	return strings.ReplaceAll(e.partition.folder(), `\`, tokenSeparator) +
		tokenSeparator + e.backup.fileName() + metadataExtension
}

// resume64 returns what comes after a position. The files of the folder that
// it names are compared by the time in their names, so that the file itself
// need not exist any more. Of several folders those with smaller names are left
// out; a single one is listed even if the position names another.
func resume64(folders []folder, position string) (rest []folder, ok bool) {
	parts := strings.Split(position, tokenSeparator)
	if len(parts) != 4 {
		return nil, false
	}
	name := strings.Join(parts[:3], `\`)
	for _, f := range folders {
		switch strings.Compare(f.partition.folder(), name) {
		case 0:
			file, isMetadata := strings.CutSuffix(parts[3], metadataExtension)
			t, err := time.Parse(fileNameFormat, file)
			if err != nil || !isMetadata {
				return nil, false
			}
			f.backups = f.backups.after(t)
		case -1:
			if len(folders) > 1 {
				continue
			}
		}
		rest = append(rest, f)
	}
	return rest, true
}
