package sfbackup

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"
)

// A page that is longer than the identities that are kept has to begin as it did.
func TestLongPagesResumeByTheirBeginning(t *testing.T) {
	t.Parallel()
	id := func(i int) (id uuid.UUID) {
		binary.BigEndian.PutUint64(id[:], uint64(i+1))
		return id
	}
	const n = maxIdentities + 1000
	var before readBefore
	for i := range n {
		before.add(id(i))
	}
	if n := len(slices.Concat(before.ids...)); n != maxIdentities {
		t.Errorf("%d identities are kept", n)
	}
	again := before.repeated()
	for i := range n + 10 {
		if passed, err := again.passed(id(i)); err != nil || passed != (i < n) {
			t.Fatalf("backup %d: %v, %v", i, passed, err)
		}
	}
	if _, err := again.end(); err != nil {
		t.Error(err)
	}
	// A page that ends before it is where it was may have lost what is behind.
	again = before.repeated()
	for i := range n - 1 {
		if passed, err := again.passed(id(i)); err != nil || !passed {
			t.Fatalf("backup %d: %v, %v", i, passed, err)
		}
	}
	if _, err := again.end(); !errors.Is(err, errReordered) {
		t.Errorf("a shorter page: %v", err)
	}
	// With two of them changed round it is another list.
	again = before.repeated()
	for i := range n {
		j := i
		if i == 5 || i == 6 {
			j = 11 - i
		}
		passed, err := again.passed(id(j))
		if last := i == n-1; last != errors.Is(err, errReordered) || !last && !passed {
			t.Fatalf("backup %d: %v, %v", i, passed, err)
		}
	}
}

// Without an identity only the place tells a backup from another.
func TestPagesWithoutIdentitiesResumeByTheirBeginning(t *testing.T) {
	t.Parallel()
	var before readBefore
	before.add(uuid.Nil)
	before.add(uuid.Nil)
	again := before.repeated()
	for i := range 4 {
		if passed, err := again.passed(uuid.Nil); err != nil || passed != (i < 2) {
			t.Errorf("backup %d: %v, %v", i, passed, err)
		}
	}
}
