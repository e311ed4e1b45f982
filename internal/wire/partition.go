package wire

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// The partition kinds of the document.
const (
	PartitionInt64Range Symbol = "Int64Range"
	PartitionNamed      Symbol = "Named"
	PartitionSingleton  Symbol = "Singleton"
)

// PartitionInformation is the union of the same name in the document. One struct holds all kinds, because
// the discriminator may be anywhere in the object: it is third in the examples of the document, and first in
// what servers send.
type PartitionInformation struct {
	Kind            Symbol
	LowKey, HighKey Int64  // Int64Range only
	Name            string // Named only
	ID              uuid.UUID

	// Raw is the whole value if its kind is not one of the constants, and nil otherwise.
	Raw jsontext.Value
}

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (p *PartitionInformation) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*p = PartitionInformation{}
	value, err := dec.ReadValue()
	if err != nil || value.Kind() == 'n' {
		return err
	}
	_, err = p.read(value, new(interner))
	return err
}

// read decodes the valid JSON value at the start of text, in one pass, and returns the text after it. It
// accepts any value of an unknown kind, and reads its kind and its identity if they are where the known kinds
// have them.
func (p *PartitionInformation) read(text []byte, in *interner) (rest []byte, err error) {
	*p = PartitionInformation{}
	if text[0] == '{' {
		_, rest, err = fill(text, (*partitionFields)(p), in)
		if err == nil && p.known() {
			return rest, nil
		}
	}
	n := valueLength(text)
	value := text[:n]
	if err != nil {
		// The error may come before the kind in the text, and only matters if the kind is known.
		*p = PartitionInformation{}
		_, _, _ = fill(value, &property{"ServicePartitionKind", &p.Kind}, in) // errors are expected here
		_, _, _ = fill(value, &property{"Id", &p.ID}, in)
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

// partitionFields has the properties of all kinds.
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

// A property is an Object with a single property.
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

// MarshalJSONTo implements [json.MarshalerTo]. It writes the discriminator first, leaves out a zero
// identity, and writes an unknown kind as it came. The zero value is null.
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
			ID              uuid.UUID `json:"Id,omitzero"`
		}{head{p.Kind}, p.LowKey, p.HighKey, p.ID})
	case PartitionNamed:
		return json.MarshalEncode(enc, struct {
			head
			Name string
			ID   uuid.UUID `json:"Id,omitzero"`
		}{head{p.Kind}, p.Name, p.ID})
	case PartitionSingleton:
		return json.MarshalEncode(enc, struct {
			head
			ID uuid.UUID `json:"Id,omitzero"`
		}{head{p.Kind}, p.ID})
	}
	return errors.New("a partition of an unknown kind needs its raw JSON")
}
