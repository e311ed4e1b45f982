package wire

import (
	"bytes"
	"errors"
	"reflect"

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
	Kind            Symbol    `json:"ServicePartitionKind"`
	LowKey, HighKey Int64     // Int64Range only
	Name            string    // Named only
	ID              uuid.UUID `json:"Id"`

	// Raw is the whole value if its kind is not one of the constants, and nil otherwise.
	Raw jsontext.Value `json:"-"`
}

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (p *PartitionInformation) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*p = PartitionInformation{}
	value, err := dec.ReadValue()
	if err != nil || value.Kind() == 'n' {
		return err
	}
	invalid, err := newReader(value, len(value)).readPartition(reflect.ValueOf(p).Elem(), structTypeOf[PartitionInformation]())
	if err != nil {
		return err
	}
	return invalid
}

// readPartition reads a partition. It accepts any value of an unknown kind, and reads its kind and its identity if
// they are where the known kinds have them.
func (r *reader) readPartition(v reflect.Value, t *structType) (invalid, err error) {
	p := v.Addr().Interface().(*PartitionInformation)
	raw, isCopy, err := r.raw(func() error {
		if r.peek() != '{' {
			*p = PartitionInformation{}
		}
		invalid, err = r.object(v, t, false)
		return err
	})
	if err != nil {
		return nil, err
	}
	p.Raw = nil
	if p.known() { // otherwise it does not matter what is invalid
		if r.item != nil {
			r.item.partition = p
		}
		return invalid, nil
	}
	if !isCopy {
		raw = bytes.Clone(raw)
	}
	*p = PartitionInformation{Kind: p.Kind, ID: p.ID, Raw: raw}
	r.repeatable = false
	return nil, nil
}

// known reports whether the kind is one of the constants.
func (p *PartitionInformation) known() bool {
	return p.Kind == PartitionInt64Range || p.Kind == PartitionNamed || p.Kind == PartitionSingleton
}

// MarshalJSONTo implements [json.MarshalerTo]. It writes the discriminator first, leaves out a zero
// identity, and writes an unknown kind as it came. The zero value is null.
func (p PartitionInformation) MarshalJSONTo(enc *jsontext.Encoder) error {
	w := struct {
		Kind            Symbol    `json:"ServicePartitionKind"`
		LowKey, HighKey *Int64    `json:",omitzero"`
		Name            *string   `json:",omitzero"`
		ID              uuid.UUID `json:"Id,omitzero"`
	}{Kind: p.Kind, ID: p.ID}
	switch {
	case p.Raw != nil:
		return enc.WriteValue(p.Raw)
	case p.Kind == "":
		return enc.WriteToken(jsontext.Null)
	case !p.known():
		return errors.New("a partition of an unknown kind needs its raw JSON")
	case p.Kind == PartitionInt64Range:
		w.LowKey, w.HighKey = &p.LowKey, &p.HighKey
	case p.Kind == PartitionNamed:
		w.Name = &p.Name
	}
	return json.MarshalEncode(enc, &w)
}
