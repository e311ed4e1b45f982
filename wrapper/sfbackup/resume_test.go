package sfbackup

import (
	"encoding/binary"
	"errors"
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
	before := resumer{limit: maxIdentities}
	for i := range n {
		if skip, err := before.skip(id(i)); err != nil || skip {
			t.Fatalf("backup %d: %v, %v", i, skip, err)
		}
	}
	if n := len(before.page.parts.join()); n != maxIdentities {
		t.Errorf("%d identities are kept", n)
	}
	before.broke()
	before.begin()
	again := before
	for i := range n + 10 {
		if skip, err := again.skip(id(i)); err != nil || skip != (i < n) {
			t.Fatalf("backup %d: %v, %v", i, skip, err)
		}
	}
	if err := again.end(); err != nil {
		t.Error(err)
	}
	// A page that ends earlier than before may lack further backups.
	again = before
	for i := range n - 1 {
		if skip, err := again.skip(id(i)); err != nil || !skip {
			t.Fatalf("backup %d: %v, %v", i, skip, err)
		}
	}
	if err := again.end(); !errors.Is(err, errReordered) {
		t.Errorf("a shorter page: %v", err)
	}
	// With two backups swapped it is another list.
	again = before
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
