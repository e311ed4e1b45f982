package sfbackuptest

import (
	"cmp"
	"encoding/base64"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
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
		return compareText(s.id, storage) < 0 || s.id == storage && position == ""
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
	if position != "" && views[0].fault == NoStorageFault {
		rest, ok := views[0].resume(position)
		if !ok {
			return nil, errEnumeration
		}
		views[0].folders = rest
	}
	for i, s := range views {
		failed := s.failure()
		if failed == nil {
			continue
		}
		for _, earlier := range views[:i] {
			for range entries(earlier.folders, q) {
				return nil, &errorResponse{status: http.StatusInternalServerError, hresult: hresultAggregate, message: failed.message}
			}
		}
		return nil, errEnumeration
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
		failed := s.failure()
		if s.storage.Kind == StorageKindAzureBlobStore && q.maxResults < 0 {
			failed = errContainer // the service requests a segment of that size from Azure
		}
		switch {
		case failed == nil:
		case len(chosen) == 0:
			return nil, errPage
		default:
			return nil, failed
		}
		if position != "" {
			rest, ok := s.resume(position)
			if !ok {
				return nil, errPage
			}
			s.folders, position = rest, ""
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
			if s.storage.Kind == StorageKindAzureBlobStore {
				return chosen, s.marker(i, read)
			}
			if left {
				return chosen, f.sharePosition(&r)
			}
			return chosen, ""
		}
	}
	return chosen, ""
}

// resume returns the rest of the storage from a position on.
func (s *storageView) resume(position string) (rest []folder, ok bool) {
	if s.storage.Kind == StorageKindAzureBlobStore {
		return resumeContainer(s.folders, position)
	}
	return s.resumeShare(position)
}

// In a token for a file share, the position names the last file that was listed:
//
//	<application>+<service>+<partition>+<yyyy-MM-dd HH.mm.ss>.bkmetadata

// sharePosition returns the position of a backup on a share.
func (f *folder) sharePosition(b *Backup) string {
	return strings.ReplaceAll(f.name, `\`, tokenSeparator) + tokenSeparator + b.fileName() + metadataExtension
}

// resumeShare returns the rest of the folders after a position. The files of the folder that it names are
// compared by the time in their names, so that the file itself may have been deleted, and its extension does
// not matter. A list of a service omits the folders with smaller names.
func (s *storageView) resumeShare(position string) (rest []folder, ok bool) {
	parts := strings.Split(position, tokenSeparator)
	if len(parts) != 4 {
		return nil, false
	}
	name := strings.Join(parts[:3], `\`)
	for _, f := range s.folders {
		if f.name == name {
			file := parts[3]
			if dot := strings.LastIndexByte(file, '.'); dot >= 0 {
				file = file[:dot]
			}
			t, err := time.Parse(fileNameFormat, file)
			if err != nil {
				return nil, false
			}
			f.backups = f.backups.since(t.Add(time.Second)) // the names have whole seconds
		}
		if s.one || compareText(f.name, name) >= 0 {
			rest = append(rest, f)
		}
	}
	return rest, true
}

// compareText compares two texts as .NET does unless it is told otherwise: as in a dictionary, where
// punctuation comes before digits and letters, and letter case matters only between texts that are otherwise
// equal. Then small letters come first.
func compareText(a, b string) int {
	class := func(c byte) int {
		switch {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
			return int(c|0x20) + 2*256
		case '0' <= c && c <= '9':
			return int(c) + 256
		default:
			return int(c)
		}
	}
	return cmp.Or(
		slices.CompareFunc([]byte(a), []byte(b), func(x, y byte) int { return cmp.Compare(class(x), class(y)) }),
		strings.Compare(b, a))
}

// In a token for a container of Azure blob storage, the position names which of its two locations the request
// went to, and the marker where the list continues. The content of a marker is opaque; that of this cluster
// names the next blob.
//
//	Primary+2!<length>!<base64, with '-' for '='>

const (
	containerLocation = "Primary"
	markerVersion     = "2!"
)

// marker returns the position after the first files of a folder. It is empty if no file is left.
func (s *storageView) marker(i, files int) string {
	f := s.folders[i]
	if files == f.backups.len() {
		if i == len(s.folders)-1 {
			return ""
		}
		f, files = s.folders[i+1], 0
	}
	next := f.backups.at(files)
	blob := strings.ReplaceAll(f.name, `\`, "/") + "/" + next.fileName() + metadataExtension
	text := strings.ReplaceAll(base64.StdEncoding.EncodeToString([]byte(blob)), "=", "-")
	return containerLocation + tokenSeparator + markerVersion + strconv.Itoa(len(text)) + "!" + text
}

// resumeContainer returns the rest of the folders from a marker on. The blob that the marker names may
// have been deleted.
func resumeContainer(folders []folder, position string) (rest []folder, ok bool) {
	location, marker, _ := strings.Cut(position, tokenSeparator)
	text, isMarker := strings.CutPrefix(marker, markerVersion)
	_, text, hasLength := strings.Cut(text, "!")
	blob, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(text, "-", "="))
	if location != containerLocation && location != "Secondary" && location != "Null" || !isMarker || !hasLength || err != nil {
		return nil, false
	}
	slash := strings.LastIndexByte(string(blob), '/')
	if slash < 0 {
		return nil, false
	}
	t, err := time.Parse(fileNameFormat+metadataExtension, string(blob[slash+1:]))
	if err != nil {
		return nil, false
	}
	name := strings.ReplaceAll(string(blob[:slash]), "/", `\`)
	for _, f := range folders {
		switch strings.Compare(f.name, name) {
		case -1:
			continue
		case 0:
			f.backups = f.backups.since(t)
		}
		rest = append(rest, f)
	}
	return rest, true
}
