package sfbackup_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// A listModel is a server with one list, which changes between requests, and whose responses break at any
// byte. It shares no code with the client and none with the cluster in memory, and records what it has served.
type listModel struct {
	random *rand.Rand
	items  []modelItem // in their order
	offset bool        // tokens are positions; otherwise they name the item that they come after
	size   func() int  // of the next page
	breaks float64     // how likely it is that a response breaks
	change float64     // how likely it is that the list changes before a request
	kinds  []string    // the kinds of changes
	nonce  int

	served   int           // the number of responses
	complete [][]uuid.UUID // the pages whose transfer was complete
	partial  []partialPage
	upper    map[uuid.UUID]int   // how often a reading without a break gets each identity at most
	stable   map[int64]uuid.UUID // the items that were in the list all the time, by rank
	seen     map[string]int
	trace    strings.Builder
}

// A partialPage is what a response had whose transfer broke.
type partialPage struct {
	page int // its index in the complete ones
	ids  []uuid.UUID
}

// A modelItem is a backup with its place in the order of the list.
type modelItem struct {
	rank int64
	id   uuid.UUID
}

func newListModel(random *rand.Rand) *listModel {
	m := &listModel{
		random: random, offset: random.IntN(2) == 0,
		breaks: random.Float64() * 0.8, change: random.Float64(),
		upper: map[uuid.UUID]int{}, stable: map[int64]uuid.UUID{}, seen: map[string]int{},
	}
	for range random.IntN(25) {
		m.insert(random.Int64())
	}
	for _, item := range m.items {
		m.stable[item.rank] = item.id
	}
	all := []string{"arrival", "arrivals before", "deletion", "deletions before", "repetition", "order"}
	for _, kind := range all {
		if random.IntN(2) == 0 {
			m.kinds = append(m.kinds, kind)
		}
	}
	switch size := random.IntN(8); size {
	case 0:
		m.size = func() int { return random.IntN(8) } // every page has another size, and some are empty
	case 7:
		m.size = func() int { return 1000 }
	default:
		m.size = func() int { return size }
	}
	return m
}

// insert adds an item, whose identity is sometimes that of another one.
func (m *listModel) insert(rank int64) {
	m.nonce++
	item := modelItem{rank, uuidOf(m.nonce)}
	if len(m.items) > 0 && m.random.IntN(5) == 0 {
		item.id = m.items[m.random.IntN(len(m.items))].id
	}
	m.items = append(m.items, item)
	slices.SortFunc(m.items, func(a, b modelItem) int { return cmp.Compare(a.rank, b.rank) })
}

func (m *listModel) remove(i int) {
	delete(m.stable, m.items[i].rank)
	m.items = slices.Delete(m.items, i, i+1)
}

// mutate changes the list.
func (m *listModel) mutate() {
	if len(m.kinds) == 0 {
		return
	}
	kind := m.kinds[m.random.IntN(len(m.kinds))]
	m.seen[kind]++
	for range 1 + m.random.IntN(4) {
		switch {
		case kind == "arrival" || len(m.items) == 0:
			m.insert(m.random.Int64())
		case kind == "arrivals before":
			m.insert(m.items[0].rank / 2)
		case kind == "deletion":
			m.remove(m.random.IntN(len(m.items)))
		case kind == "deletions before":
			m.remove(0)
		case kind == "repetition":
			m.items = append(m.items, modelItem{m.random.Int64(), m.items[m.random.IntN(len(m.items))].id})
			slices.SortFunc(m.items, func(a, b modelItem) int { return cmp.Compare(a.rank, b.rank) })
		default: // the order of two of them
			i, j := m.random.IntN(len(m.items)), m.random.IntN(len(m.items))
			delete(m.stable, m.items[i].rank)
			delete(m.stable, m.items[j].rank)
			m.items[i].id, m.items[j].id = m.items[j].id, m.items[i].id
		}
	}
}

// page returns the page after a token, and the token of the next one.
func (m *listModel) page(token string) (ids []uuid.UUID, next string) {
	place, _, _ := strings.Cut(token, "+")
	at, err := strconv.ParseInt(place, 10, 64)
	if token != "" && err != nil {
		panic(token)
	}
	first := min(int(at), len(m.items))
	if !m.offset {
		first = 0
		for token != "" && first < len(m.items) && m.items[first].rank <= at {
			first++
		}
	}
	items := m.items[first:min(first+m.size(), len(m.items))]
	for _, item := range items {
		ids = append(ids, item.id)
	}
	last := first + len(items)
	if last >= len(m.items) {
		return ids, ""
	}
	m.nonce++
	switch {
	case m.offset:
		at = int64(last)
	case len(items) > 0:
		at = items[len(items)-1].rank
	case token == "":
		at = -1
	}
	return ids, fmt.Sprintf("%d+%d", at, m.nonce)
}

func (m *listModel) RoundTrip(req *http.Request) (*http.Response, error) {
	token := req.URL.Query().Get("ContinuationToken")
	if 0 < m.served && m.served < 30 && m.random.Float64() < m.change { // or the list would have no end
		m.mutate()
	}
	m.served++
	ids, next := m.page(token)
	body := page(strconv.Quote(next), ids...)
	resp := ok(body).response(req)
	received := ids
	broken := m.random.Float64() < m.breaks
	if broken {
		m.seen["break"]++
		n := m.random.IntN(len(body) + 1)
		half := io.MultiReader(strings.NewReader(body[:n]), iotest.ErrReader(io.ErrUnexpectedEOF))
		if m.random.IntN(2) == 0 {
			half = iotest.DataErrReader(half) // the last bytes come with the error
		}
		resp.Body = io.NopCloser(half)
		received = ids[:min(strings.Count(body[:n], "}"), len(ids))]
	}
	fmt.Fprintf(&m.trace, "after %q%s", token, short(received))
	if broken {
		fmt.Fprintf(&m.trace, " | broken, of%s", short(ids))
	}
	m.trace.WriteByte('\n')
	pages := append(slices.Clone(m.complete), received)
	for id, n := range count(unbroken(pages)) {
		m.upper[id] = max(m.upper[id], n)
	}
	if broken {
		m.partial = append(m.partial, partialPage{len(m.complete), received})
	} else {
		m.complete = pages
	}
	return resp, nil
}

// unbroken returns what a reading without a break gets from these pages. A page that begins with a backup of
// the one before overlaps with it, and what both have comes once.
func unbroken(pages [][]uuid.UUID) (got []uuid.UUID) {
	var before []uuid.UUID
	for _, page := range pages {
		again := map[uuid.UUID]int{}
		if len(page) > 0 && slices.Contains(before, page[0]) {
			again = count(before)
		}
		for _, id := range page {
			if again[id]--; again[id] < 0 {
				got = append(got, id)
			}
		}
		before = page
	}
	return got
}

func count(ids []uuid.UUID) map[uuid.UUID]int {
	n := map[uuid.UUID]int{}
	for _, id := range ids {
		n[id]++
	}
	return n
}

// modelErrors are how a list may end.
var modelErrors = []string{
	"unexpected EOF", "the server repeats a page", "the server repeats a continuation token",
	"empty pages in a row", "the connection broke, and the list has changed since",
}

// A list that is read through connections that break, while it changes, has no backup more often than one
// reading without a break of the pages that were served, and lacks none that such a reading has, nor one that
// was there all the time; or it ends with an error.
func TestListModel(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	eachSchedule(t, func(t *testing.T, _ uint64, random *rand.Rand) { testListModel(t, random, seen) })
	if *oneSeed > 0 {
		return
	}
	for _, want := range []string{
		"iterator complete", "iterator complete in spite of breaks and changes", "page by page complete", "unexpected EOF",
		"the server repeats a page", "comes again on the same page", "comes again on the next page", "comes again on a later page", "several times in a list",
		"arrival", "arrivals before", "deletion", "deletions before", "repetition", "order",
	} {
		if seen[want] < *schedules/100 {
			t.Errorf("%q came %d times", want, seen[want])
		}
	}
	t.Logf("%d schedules: %v", *schedules, seen)
}

func testListModel(t *testing.T, random *rand.Rand, seen map[string]int) {
	t.Helper()
	m := newListModel(random)
	first := slices.Clone(m.items)
	client := newUncheckedClient(t, m, sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1 + random.IntN(6)}))
	how := "iterator"
	var got []uuid.UUID
	var failed error
	if random.IntN(5) == 0 {
		how = "page by page"
		opts := &sfbackup.ListOptions{}
		for n := 1; ; n++ {
			page, err := client.PartitionBackupsPage(t.Context(), partition1, opts)
			if failed = err; err != nil {
				break
			}
			if diff := gocmp.Diff(m.complete[len(m.complete)-1], ids(page.Backups)); diff != "" || len(m.complete) != n {
				t.Errorf("page %d of %d is not what was served:\n%s", n, len(m.complete), diff)
			}
			if opts.ContinuationToken = page.ContinuationToken; page.ContinuationToken == "" {
				break
			}
		}
	} else {
		var backups []sfbackup.Backup
		backups, failed = collect(client.PartitionBackups(t.Context(), partition1, nil))
		got = ids(backups)
	}

	counts, want := count(got), unbroken(m.complete)
	if how == "iterator" {
		for id, n := range counts {
			if n > m.upper[id] {
				t.Errorf("%s comes %d times; a reading without a break gets it %d times", id, n, m.upper[id])
			}
			if n > 1 {
				seen["several times in a list"]++
			}
		}
		if failed == nil {
			for id, n := range count(want) {
				if counts[id] < n {
					t.Errorf("%s comes %d times; a reading without a break gets it %d times", id, counts[id], n)
				}
			}
			for _, id := range m.stable {
				if counts[id] == 0 && m.losesNothing() {
					t.Errorf("%s was there all the time, and is missing", id)
				}
			}
			if diff := gocmp.Diff(want, got); diff != "" && len(m.kinds) == 0 {
				t.Errorf("the order of a list that does not change:\n%s", diff)
			}
		}
	}
	if failed != nil && !slices.ContainsFunc(modelErrors, func(text string) bool {
		if !strings.Contains(failed.Error(), text) {
			return false
		}
		seen[text]++
		return true
	}) {
		t.Errorf("an error that the list is no reason for: %v", failed)
	}
	m.classify(seen, how, failed)
	if t.Failed() || *oneSeed > 0 {
		t.Logf("%s, positions %v, kinds %q, breaks %.2f, %d items at first, error %v", how, m.offset, m.kinds, m.breaks, len(first), failed)
		t.Logf("served:\n%s", &m.trace)
		t.Logf("got %s", short(got))
	}
}

// losesNothing reports whether the server itself skips no backup that is there all the time: positions do if
// what is before them is deleted.
func (m *listModel) losesNothing() bool {
	return !m.offset || m.seen["deletion"] == 0 && m.seen["deletions before"] == 0
}

// classify counts what the schedule has shown.
func (m *listModel) classify(seen map[string]int, how string, failed error) {
	changes := 0
	for kind, n := range m.seen {
		seen[kind] += n
		if kind != "break" {
			changes += n
		}
	}
	for _, p := range m.partial {
		for i := p.page; i < len(m.complete); i++ {
			for _, id := range p.ids {
				if slices.Contains(m.complete[i], id) {
					seen["comes again "+[...]string{"on the same page", "on the next page", "on a later page"}[min(i-p.page, 2)]]++
				}
			}
		}
	}
	switch {
	case failed != nil:
	case m.seen["break"] > 0 && changes > 0:
		seen[how+" complete in spite of breaks and changes"]++
		fallthrough
	default:
		seen[how+" complete"]++
	}
}

// short returns identities without their zeros.
func short(ids []uuid.UUID) string {
	var b strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&b, " %x", binary.BigEndian.Uint64(id[8:]))
	}
	return b.String()
}
