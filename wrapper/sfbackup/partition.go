package sfbackup

import (
	"encoding/json"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/generated"
	"github.com/servicefabric-go/backup/internal/wire"
)

// A PartitionKind is the partitioning scheme of a service. Servers may send kinds that are not listed here.
type PartitionKind string

// The partition kinds of the documentation.
const (
	PartitionKindInvalid    PartitionKind = "Invalid" // not a kind
	PartitionKindInt64Range PartitionKind = "Int64Range"
	PartitionKindNamed      PartitionKind = "Named"
	PartitionKindSingleton  PartitionKind = "Singleton"
)

// PartitionInformation describes a partition by the partitioning scheme of its service: it is one of
// [*Int64RangePartition], [*NamedPartition], [*SingletonPartition] and [*UnknownPartition].
//
//sumtype:decl
type PartitionInformation interface {
	// PartitionID returns the identity of the partition.
	PartitionID() uuid.UUID
	// Kind returns the partitioning scheme.
	Kind() PartitionKind

	partitionInformation() // seals the union
}

// An Int64RangePartition holds the keys from LowKey to HighKey, both included.
type Int64RangePartition struct {
	ID              uuid.UUID
	LowKey, HighKey int64
}

// A NamedPartition has a name that is unique within its service.
type NamedPartition struct {
	ID   uuid.UUID
	Name string
}

// A SingletonPartition is the only partition of its service.
type SingletonPartition struct {
	ID uuid.UUID
}

// An UnknownPartition is a partition of a kind that this package does not know, or without a kind.
type UnknownPartition struct {
	ID      uuid.UUID       // zero if Raw has no valid Id
	RawKind PartitionKind   // as the server wrote it
	Raw     json.RawMessage // the whole value, byte for byte
}

// PartitionID implements [PartitionInformation].
func (p *Int64RangePartition) PartitionID() uuid.UUID { return p.ID }

// PartitionID implements [PartitionInformation].
func (p *NamedPartition) PartitionID() uuid.UUID { return p.ID }

// PartitionID implements [PartitionInformation].
func (p *SingletonPartition) PartitionID() uuid.UUID { return p.ID }

// PartitionID implements [PartitionInformation].
func (p *UnknownPartition) PartitionID() uuid.UUID { return p.ID }

// Kind returns [PartitionKindInt64Range].
func (*Int64RangePartition) Kind() PartitionKind { return PartitionKindInt64Range }

// Kind returns [PartitionKindNamed].
func (*NamedPartition) Kind() PartitionKind { return PartitionKindNamed }

// Kind returns [PartitionKindSingleton].
func (*SingletonPartition) Kind() PartitionKind { return PartitionKindSingleton }

// Kind returns RawKind.
func (p *UnknownPartition) Kind() PartitionKind { return p.RawKind }

func (*Int64RangePartition) partitionInformation() {}
func (*NamedPartition) partitionInformation()      {}
func (*SingletonPartition) partitionInformation()  {}
func (*UnknownPartition) partitionInformation()    {}

// newPartition never returns nil, so that callers need not check.
func newPartition(w *generated.PartitionInformation) PartitionInformation {
	switch w.Kind {
	case wire.PartitionInt64Range:
		return &Int64RangePartition{ID: w.ID, LowKey: int64(w.LowKey), HighKey: int64(w.HighKey)}
	case wire.PartitionNamed:
		return &NamedPartition{ID: w.ID, Name: w.Name}
	case wire.PartitionSingleton:
		return &SingletonPartition{ID: w.ID}
	}
	return &UnknownPartition{ID: w.ID, RawKind: PartitionKind(w.Kind), Raw: json.RawMessage(w.Raw)}
}

func wirePartition(p PartitionInformation) generated.PartitionInformation {
	switch p := p.(type) {
	case *Int64RangePartition:
		return generated.PartitionInformation{
			Kind: wire.PartitionInt64Range, ID: p.ID, LowKey: wire.Int64(p.LowKey), HighKey: wire.Int64(p.HighKey),
		}
	case *NamedPartition:
		return generated.PartitionInformation{Kind: wire.PartitionNamed, ID: p.ID, Name: p.Name}
	case *SingletonPartition:
		return generated.PartitionInformation{Kind: wire.PartitionSingleton, ID: p.ID}
	case *UnknownPartition:
		return generated.PartitionInformation{Kind: wire.Symbol(p.RawKind), ID: p.ID, Raw: []byte(p.Raw)}
	}
	return generated.PartitionInformation{}
}
