package sfbackuptest

import (
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// listQuery is what a list is asked for.
type listQuery struct {
	latest     bool
	start, end time.Time // zero: no limit
	token      string
	maxResults int64 // zero: no limit
}

func (b *binder) listQuery() listQuery {
	token, _ := b.query.get("ContinuationToken")
	return listQuery{
		latest:     b.bool("Latest"),
		start:      b.time("StartDateTimeFilter"),
		end:        b.time("EndDateTimeFilter"),
		token:      token,
		maxResults: b.maxResults(),
	}
}

// matches applies the time filters to the time in the file name. Both ends are
// inclusive, and nothing checks that they are the right way round.
func (q *listQuery) matches(r *record) bool {
	return (q.start.IsZero() || !r.Time.Before(q.start)) && (q.end.IsZero() || !r.Time.After(q.end))
}

// folder is the folder of a partition in the policy's storage, or the rest of
// it that a list has still to go through.
type folder struct {
	partition *partition
	backups   history
}

// entry is one item of a list.
type entry struct {
	partition *partition
	backup    *record
}

// page is one answer to a list.
type page struct {
	entries iter.Seq[entry]
	token   string // empty: there is nothing more
}

// page chooses the entries of a page. Folders are in the order of their names.
func (c *Cluster) page(folders []folder, q listQuery) (*page, *failure) {
	if c.conduct.shareTokens {
		return c.page64(folders, q)
	}
	return pageDocumented(folders, q)
}

// entries returns all entries of a list, chosen while they are asked for.
func entries(folders []folder, q listQuery) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for _, f := range folders {
			var latest *record
			for _, r := range f.backups {
				switch {
				case !q.matches(r):
				case q.latest:
					latest = r
				case !yield(entry{f.partition, r}):
					return
				}
			}
			if latest != nil && !yield(entry{f.partition, latest}) {
				return
			}
		}
	}
}

// pageDocumented chooses the entries of a page that ends where it is full, and
// whose token names its last entry.
func pageDocumented(folders []folder, q listQuery) (*page, *failure) {
	if q.token != "" {
		rest, ok := resumeDocumented(folders, q)
		if !ok {
			return nil, errArguments
		}
		folders = rest
	}
	if q.maxResults == 0 {
		return &page{entries: entries(folders, q)}, nil
	}
	var chosen []entry
	token := ""
	for e := range entries(folders, q) {
		if int64(len(chosen)) == q.maxResults {
			token = documentedToken(chosen[len(chosen)-1])
			break
		}
		chosen = append(chosen, e)
	}
	return &page{slices.Values(chosen), token}, nil
}

// resumeDocumented returns what comes after the entry that a token names.
func resumeDocumented(folders []folder, q listQuery) (rest []folder, ok bool) {
	partition, backup, ok := parseDocumentedToken(q.token)
	if !ok {
		return nil, false
	}
	for i, f := range folders {
		if f.partition.id != partition {
			continue
		}
		at := slices.IndexFunc(f.backups, func(r *record) bool { return r.ID == backup })
		if at < 0 {
			return nil, false
		}
		rest = slices.Clone(folders[i:])
		rest[0].backups = f.backups[at+1:]
		if q.latest {
			rest = rest[1:] // its one entry was on an earlier page
		}
		return rest, true
	}
	return nil, false
}

// documentedToken names the last entry of a page, in the form of the
// documents' examples.
func documentedToken(e entry) string {
	return e.partition.service.name + "#" + e.partition.id.String() + "#" + e.backup.ID.String()
}

func parseDocumentedToken(token string) (partition, backup uuid.UUID, ok bool) {
	parts := strings.Split(token, "#")
	if len(parts) != 3 {
		return uuid.Nil, uuid.Nil, false
	}
	partition, errPartition := uuid.Parse(parts[1])
	backup, errBackup := uuid.Parse(parts[2])
	return partition, backup, errPartition == nil && errBackup == nil
}

// write sends the page, entry by entry. A writer that fails ends it: its
// reader has gone.
func (p *page) write(w http.ResponseWriter, c *conduct) {
	token := "null"
	if p.token != "" || !c.fullRecords {
		token = string(appendString(nil, p.token))
	}
	head, tail := `{"Items":[`, `],"ContinuationToken":`+token+"}"
	if !c.fullRecords {
		head, tail = `{"ContinuationToken":`+token+`,"Items":[`, "]}"
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(http.StatusOK)
	b := []byte(head)
	for e := range p.entries {
		b = appendBackup(b, c, e.partition, e.backup)
		if _, err := w.Write(b); err != nil {
			return
		}
		b = append(b[:0], ',')
	}
	if last := len(b) - 1; b[last] == ',' {
		b = b[:last]
	}
	_, _ = w.Write(append(b, tail...))
}
