package wire

import (
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
	Kind    Symbol    `json:"ServicePartitionKind"`
	LowKey  Int64     `json:"LowKey"`  // Int64Range only
	HighKey Int64     `json:"HighKey"` // Int64Range only
	Name    string    `json:"Name"`    // Named only
	ID      uuid.UUID `json:"Id"`

	// Raw is the whole value if its kind is none of the constants, and nil otherwise.
	Raw jsontext.Value `json:"-"`
}

// UnmarshalJSONFrom implements [json.UnmarshalerFrom]. A value of an unknown kind decodes whatever
// it holds; its kind and its identity are read if they are where the known kinds have them.
func (p *PartitionInformation) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*p = PartitionInformation{}
	raw, err := dec.ReadValue()
	if err != nil || raw.Kind() == 'n' {
		return err
	}
	type fields PartitionInformation // the fields without this method
	if err = json.Unmarshal(raw, (*fields)(p), Tolerant); err != nil {
		// The error may stand before the kind, which decides whether it matters.
		p.Kind = decodeOr[struct {
			V Symbol `json:"ServicePartitionKind"`
		}](raw).V
	}
	switch p.Kind {
	case PartitionInt64Range, PartitionNamed, PartitionSingleton:
		return err
	}
	*p = PartitionInformation{Kind: p.Kind, Raw: raw.Clone()}
	p.ID = decodeOr[struct {
		V uuid.UUID `json:"Id"`
	}](raw).V
	return nil
}

// decodeOr decodes a T from raw, or as much of it as there is before the first error.
func decodeOr[T any](raw jsontext.Value) (v T) {
	_ = json.Unmarshal(raw, &v, Tolerant) // the caller wants what can be had
	return v
}

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
