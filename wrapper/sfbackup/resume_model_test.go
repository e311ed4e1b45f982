package sfbackup

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"
)

// Whatever pages are served, in whatever number of attempts, an identity is delivered as often as the best of
// the readings without a break has it, each of which gets the complete pages so far and then one of the
// attempts. No more identities are kept than the limit says, and beyond it a page has to begin as it did.
func TestResumerModel(t *testing.T) {
	t.Parallel()
	const schedules = 20_000
	ends := map[string]int{}
	for seed := range uint64(schedules) {
		random := rand.New(rand.NewPCG(seed, 1))
		ends[testResumer(t, random)]++
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	for _, end := range []string{"complete", "complete beyond the limit", "reordered"} {
		if ends[end] < schedules/50 {
			t.Errorf("%q came %d times", end, ends[end])
		}
	}
	t.Logf("%v", ends)
}

func testResumer(t *testing.T, random *rand.Rand) (end string) {
	t.Helper()
	r := &resumer{limit: 1 + random.IntN(30)}
	want, got := map[uuid.UUID]int{}, map[uuid.UUID]int{}
	var complete [][]uuid.UUID
	end = "complete"
	for range 1 + random.IntN(6) {
		page := randomIDs(random, random.IntN(12))
		for attempts := random.IntN(4); ; attempts-- {
			if random.IntN(3) == 0 { // the list has changed
				page = changeIDs(random, page)
			}
			attempt := page
			if attempts > 0 {
				attempt = page[:random.IntN(len(page)+1)]
			}
			pages := append(slices.Clone(complete), attempt)
			r.begin()
			for _, id := range attempt {
				skip, err := r.skip(id)
				if errors.Is(err, errReordered) {
					checkDelivered(t, want, got, nil, r.limit)
					return "reordered"
				}
				if !skip {
					got[id]++
				}
				if kept := len(r.page.parts.join()); kept > r.limit || r.ahead.total > r.limit {
					t.Errorf("%d identities of a page and %d others are kept, at most %d are allowed", kept, r.ahead.total, r.limit)
				}
			}
			for id, n := range readUnbroken(pages, r.limit) {
				want[id] = max(want[id], n)
			}
			if attempts > 0 {
				r.broke()
				if r.beginning.n > 0 {
					end = "complete beyond the limit"
				}
				continue
			}
			if err := r.end(); err != nil {
				checkDelivered(t, want, got, nil, r.limit)
				return "reordered"
			}
			complete = pages
			break
		}
	}
	checkDelivered(t, want, got, complete, r.limit)
	return end
}

// checkDelivered fails if an identity was delivered more often than wanted, or less often than it is in the
// pages.
func checkDelivered(t *testing.T, want, got map[uuid.UUID]int, complete [][]uuid.UUID, limit int) {
	t.Helper()
	for id, n := range got {
		if n > want[id] {
			t.Errorf("%x is delivered %d times, at most %d are wanted", id[15], n, want[id])
		}
	}
	for id, n := range readUnbroken(complete, limit) {
		if got[id] < n {
			t.Errorf("%x is delivered %d times, at least %d are wanted", id[15], got[id], n)
		}
	}
}

// readUnbroken returns how often a reading without a break gets each identity. What a page has in common with
// the page before comes once, if it begins with that; of the page before, limit identities are known.
func readUnbroken(pages [][]uuid.UUID, limit int) map[uuid.UUID]int {
	got := map[uuid.UUID]int{}
	for i, page := range pages {
		var common []uuid.UUID
		if i > 0 && len(page) > 0 {
			if before := pages[i-1][:min(len(pages[i-1]), limit)]; slices.Contains(before, page[0]) {
				common = slices.Clone(before)
			}
		}
		for _, id := range page {
			if j := slices.Index(common, id); j >= 0 {
				common = slices.Delete(common, j, j+1)
				continue
			}
			got[id]++
		}
	}
	return got
}

// randomIDs returns identities of which some are equal.
func randomIDs(random *rand.Rand, n int) (ids []uuid.UUID) {
	for range n {
		ids = append(ids, uuid.UUID{15: byte(1 + random.IntN(40))})
	}
	return ids
}

// changeIDs adds, removes or exchanges some of the identities.
func changeIDs(random *rand.Rand, ids []uuid.UUID) []uuid.UUID {
	ids = slices.Clone(ids)
	at := random.IntN(len(ids) + 1)
	switch random.IntN(4) {
	case 0:
		ids = slices.Insert(ids, at, randomIDs(random, 1+random.IntN(3))...)
	case 1:
		ids = ids[at:]
	case 2:
		ids = ids[:at]
	default:
		random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	}
	return ids
}
