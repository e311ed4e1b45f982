package sfbackuptest

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"

	"github.com/google/uuid"
)

// newSource returns a source of random numbers. Each part of the cluster has a source with its own name, so
// that its numbers depend neither on the other parts nor on the order in which concurrent requests arrive.
func newSource(seed uint64, name string) *rand.PCG {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // a hash never fails to write
	return rand.NewPCG(seed, h.Sum64())
}

// newUUID returns a random UUID.
func newUUID(source *rand.PCG) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], source.Uint64())
	binary.BigEndian.PutUint64(id[8:], source.Uint64())
	id[6] = id[6]&0x0f | 0x40 // version 4
	id[8] = id[8]&0x3f | 0x80 // RFC 9562 variant
	return id
}
