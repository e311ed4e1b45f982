package sfbackuptest

import (
	"iter"
	"net/http"
	"slices"
	"time"
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

// storageView is the storage of a policy, or the rest of it that a list has still to
// go through.
type storageView struct {
	id      string
	kind    StorageKind
	folders []folder
}

// folder is the folder of a partition on a storageView, or what is left of it.
type folder struct {
	partition *partition
	backups   history
}

// newStorageView returns what the storage of a policy holds of some partitions. One
// of which it holds nothing has no folder.
func newStorageView(policy *policy, partitions []*partition, now time.Time) storageView {
	s := storageView{id: policy.storageID, kind: policy.Storage.Kind}
	for _, p := range partitions {
		if h := p.history(&policy.Policy, now); h.len() > 0 {
			s.folders = append(s.folders, folder{partition: p, backups: h})
		}
	}
	return s
}

// entry is one item of a list.
type entry struct {
	partition *partition
	backup    record
}

// page is one answer to a list.
type page struct {
	entries iter.Seq[entry]
	token   string // empty: there is nothing more
}

// page chooses the entries of a page. The folders on a storageView are in the order
// of their names.
func (c *Cluster) page(views []storageView, q listQuery) (*page, *errorResponse) {
	if c.behavior.storageTokens {
		return c.pageRuntime(views, q)
	}
	var folders []folder
	for _, s := range views {
		folders = append(folders, s.folders...)
	}
	// Where the backups of a partition are is not to be seen in a list.
	slices.SortStableFunc(folders, func(a, b folder) int { return slices.Compare(a.partition.id[:], b.partition.id[:]) })
	return pageDocumented(folders, q)
}

// entries returns all entries of a list, chosen while they are asked for. With
// Latest, folders of the same partition that follow each other are one.
func entries(folders []folder, q listQuery) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		var latest entry
		for i, f := range folders {
			for r := range f.backups.all() {
				switch {
				case !q.matches(&r):
				case !q.latest:
					if !yield(entry{f.partition, r}) {
						return
					}
				case latest.partition == nil || latest.backup.Time.Before(r.Time):
					latest = entry{f.partition, r}
				}
			}
			ends := i == len(folders)-1 || folders[i+1].partition != f.partition
			if ends && latest.partition != nil {
				if !yield(latest) {
					return
				}
				latest = entry{}
			}
		}
	}
}

// write sends the page while its entries are made. A writer that fails ends it: its
// reader has gone.
func (p *page) write(w http.ResponseWriter, c *behavior) {
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
	comma, enough := "", 0
	for e := range p.entries {
		b = appendBackup(append(b, comma...), c, e.partition, &e.backup)
		comma = ","
		if len(b) < enough {
			continue
		}
		if _, err := w.Write(b); err != nil {
			return
		}
		b, enough = b[:0], chunk
	}
	_, _ = w.Write(append(b, tail...))
}

// chunk is how many bytes of a page are sent at once, give or take an entry. The
// first entry is not kept waiting for more.
const chunk = 16 << 10
