package sfbackup

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"
)

// A page with more backups than identities are kept has to begin as it did before.
func TestLongPagesResumeByTheirBeginning(t *testing.T) {
	t.Parallel()
	id := func(i int) (id uuid.UUID) {
		binary.BigEndian.PutUint64(id[:], uint64(i+1))
		return id
	}
	const n = maxIdentities + 1000
	var before delivered
	for i := range n {
		before.add(id(i))
	}
	if n := len(slices.Concat(before.ids...)); n != maxIdentities {
		t.Errorf("%d identities are kept", n)
	}
	again := before.replay()
	for i := range n + 10 {
		if skip, err := again.skip(id(i)); err != nil || skip != (i < n) {
			t.Fatalf("backup %d: %v, %v", i, skip, err)
		}
	}
	if _, err := again.end(); err != nil {
		t.Error(err)
	}
	// A page that ends earlier than before may lack further backups.
	again = before.replay()
	for i := range n - 1 {
		if skip, err := again.skip(id(i)); err != nil || !skip {
			t.Fatalf("backup %d: %v, %v", i, skip, err)
		}
	}
	if _, err := again.end(); !errors.Is(err, errReordered) {
		t.Errorf("a shorter page: %v", err)
	}
	// With two backups swapped it is another list.
	again = before.replay()
	for i := range n {
		j := i
		if i == 5 || i == 6 {
			j = 11 - i
		}
		skip, err := again.skip(id(j))
		if last := i == n-1; last != errors.Is(err, errReordered) || !last && !skip {
			t.Fatalf("backup %d: %v, %v", i, skip, err)
		}
	}
}

// Backups without an identity are distinguished by their place alone.
func TestPagesWithoutIdentitiesResumeByTheirBeginning(t *testing.T) {
	t.Parallel()
	var before delivered
	before.add(uuid.Nil)
	before.add(uuid.Nil)
	again := before.replay()
	for i := range 4 {
		if skip, err := again.skip(uuid.Nil); err != nil || skip != (i < 2) {
			t.Errorf("backup %d: %v, %v", i, skip, err)
		}
	}
}
