package wire

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// The partition kinds that the document describes.
const (
	PartitionInt64Range Symbol = "Int64Range"
	PartitionNamed      Symbol = "Named"
	PartitionSingleton  Symbol = "Singleton"
)

// PartitionInformation is the union of that name. It is one struct for all kinds, because the
// discriminator may stand anywhere in the object: the document's examples have it third, the server
// first.
type PartitionInformation struct {
	Kind            Symbol
	LowKey, HighKey Int64  // Int64Range only
	Name            string // Named only
	ID              uuid.UUID

	// Raw is the whole value if its kind is none of the constants, and nil otherwise.
	Raw jsontext.Value
}

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (p *PartitionInformation) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*p = PartitionInformation{}
	value, err := dec.ReadValue()
	if err != nil || value.Kind() == 'n' {
		return err
	}
	_, err = p.read(value, new(sharedStrings))
	return err
}

// read reads the valid JSON value that text begins with, in one pass, and returns what follows it. A
// value of an unknown kind is taken whatever it holds; its kind and its identity are read if they are
// where the known kinds have them.
func (p *PartitionInformation) read(text []byte, shared *sharedStrings) (rest []byte, err error) {
	*p = PartitionInformation{}
	if text[0] == '{' {
		_, rest, err = fill(text, (*partitionFields)(p), shared)
		if err == nil && p.known() {
			return rest, nil
		}
	}
	n := valueLength(text)
	value := text[:n]
	if err != nil {
		// The error may stand before the kind, which decides whether it matters.
		*p = PartitionInformation{}
		_, _, _ = fill(value, &property{"ServicePartitionKind", &p.Kind}, shared) // if it can be had
		_, _, _ = fill(value, &property{"Id", &p.ID}, shared)
		if p.known() {
			return nil, err
		}
	}
	*p = PartitionInformation{Kind: p.Kind, ID: p.ID, Raw: bytes.Clone(value)}
	return text[n:], nil
}

// known reports whether the kind is one of the constants.
func (p *PartitionInformation) known() bool {
	switch p.Kind {
	case PartitionInt64Range, PartitionNamed, PartitionSingleton:
		return true
	}
	return false
}

// partitionFields are the properties of all kinds.
type partitionFields PartitionInformation

func (p *partitionFields) Field(name []byte) any {
	switch string(name) {
	case "ServicePartitionKind":
		return &p.Kind
	case "LowKey":
		return &p.LowKey
	case "HighKey":
		return &p.HighKey
	case "Name":
		return &p.Name
	case "Id":
		return &p.ID
	}
	return nil
}

var partitionNames = []string{"ServicePartitionKind", "LowKey", "HighKey", "Name", "Id"}

func (*partitionFields) Names() []string { return partitionNames }

// A property is an Object of one property.
type property struct {
	name  string
	field any
}

func (p *property) Field(name []byte) any {
	if string(name) == p.name {
		return p.field
	}
	return nil
}

func (p *property) Names() []string { return []string{p.name} }

// MarshalJSONTo implements [json.MarshalerTo]. It writes the discriminator first, and an unknown
// kind as it came. A value without a kind is null.
func (p PartitionInformation) MarshalJSONTo(enc *jsontext.Encoder) error {
	if p.Raw != nil {
		return enc.WriteValue(p.Raw)
	}
	type head struct {
		Kind Symbol `json:"ServicePartitionKind"`
	}
	switch p.Kind {
	case "":
		return enc.WriteToken(jsontext.Null)
	case PartitionInt64Range:
		return json.MarshalEncode(enc, struct {
			head
			LowKey, HighKey Int64
			ID              uuid.UUID `json:"Id"`
		}{head{p.Kind}, p.LowKey, p.HighKey, p.ID})
	case PartitionNamed:
		return json.MarshalEncode(enc, struct {
			head
			Name string
			ID   uuid.UUID `json:"Id"`
		}{head{p.Kind}, p.Name, p.ID})
	case PartitionSingleton:
		return json.MarshalEncode(enc, struct {
			head
			ID uuid.UUID `json:"Id"`
		}{head{p.Kind}, p.ID})
	}
	return errors.New("a partition of an unknown kind has no value to write")
}
