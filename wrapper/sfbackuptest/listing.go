package sfbackuptest

import (
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"
)

// listQuery has the parameters of a list.
type listQuery struct {
	latest     bool
	start, end time.Time // zero: no limit
	token      string
	maxResults int64 // zero: no limit
}

func (b *binder) listQuery() listQuery {
	q := listQuery{start: b.time("StartDateTimeFilter"), end: b.time("EndDateTimeFilter")}
	b.common()
	q.latest = b.bool("latest")
	q.token = b.string("ContinuationToken")
	q.maxResults = b.maxResults()
	return q
}

// matches applies the time filters to the time in the file name. Both limits are inclusive, and nothing
// checks their order.
func (q *listQuery) matches(r *Backup) bool {
	return (q.start.IsZero() || !r.Time.Before(q.start)) && (q.end.IsZero() || !r.Time.After(q.end))
}

// storageView is a snapshot of a policy's storage, or the rest of it that a list has not covered yet.
type storageView struct {
	id      string
	storage Storage
	fault   StorageFault
	folders []folder
	one     bool // the list is that of a partition
}

// folder is the folder of a partition in a storage, or the rest of it.
type folder struct {
	name      string // as the list asked for it
	partition *partition
	backups   history
}

// newStorageView returns a snapshot of the backups of some partitions in the storage of a policy. A
// partition without backups has no folder. The names of folders on a share ignore letter case.
func newStorageView(policy *policy, found *search, now time.Time) storageView {
	s := storageView{id: policy.storageID, storage: policy.Storage, one: found.one}
	for _, p := range found.partitions {
		name, _ := p.inURI() // was checked
		if name != p.ID.String() && (policy.Storage.Kind != StorageKindFileShare || !strings.EqualFold(name, p.ID.String())) {
			continue
		}
		retained := &policy.Policy
		if p.applied.Storage == policy.Storage {
			retained = &p.applied // another policy with the same storage does not change the retention
		}
		if h := p.history(retained, now); h.len() > 0 {
			s.folders = append(s.folders, folder{p.service.folder + `\` + name, p.partition, h})
		}
	}
	return s
}

// entry is one item of a list.
type entry struct {
	partition *partition
	backup    Backup
}

// page is one response to a list.
type page struct {
	entries iter.Seq[entry]
	token   string // empty: this is the last page
}

// page selects the entries of a page. The folders of a storage are ordered by name.
func (c *Cluster) page(views []storageView, q listQuery) (*page, *errorResponse) {
	if c.behavior.storageTokens {
		return c.pageRuntime(views, q)
	}
	var folders []folder
	for _, s := range views {
		if failed := s.failure(); failed != nil {
			return nil, failed
		}
		folders = append(folders, s.folders...)
	}
	// A list does not show which storage holds a backup.
	slices.SortStableFunc(folders, func(a, b folder) int { return slices.Compare(a.partition.ID[:], b.partition.ID[:]) })
	return pageDocumented(folders, q)
}

// entries returns all entries of a list, selected as the loop proceeds. With Latest, consecutive folders
// of the same partition count as one.
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

// write sends the page while it computes the entries. It stops when a write fails, because the client has
// gone.
func (p *page) write(w http.ResponseWriter, behavior *behavior) {
	token := "null"
	if p.token != "" || !behavior.fullRecords {
		token = string(appendString(nil, p.token))
	}
	head, tail := `{"Items":[`, `],"ContinuationToken":`+token+"}"
	if !behavior.fullRecords {
		head, tail = `{"ContinuationToken":`+token+`,"Items":[`, "]}"
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(http.StatusOK)
	b := []byte(head)
	comma, threshold := "", 0
	for e := range p.entries {
		b = appendBackup(append(b, comma...), behavior, e.partition, &e.backup)
		comma = ","
		if len(b) < threshold {
			continue
		}
		if _, err := w.Write(b); err != nil {
			return
		}
		b, threshold = b[:0], chunkSize
	}
	_, _ = w.Write(append(b, tail...))
}

// chunkSize is about how many bytes of a page are written at once. The first entry is written by itself.
const chunkSize = 16 << 10
