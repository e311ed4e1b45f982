package wire

import (
	"bytes"
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// A structType has the properties of a struct, as the json tags of its fields name them.
type structType struct {
	fields   []field
	pointers []int    // the indexes of the fields that are pointers to structs
	likely   [64]int8 // by the hash of a name: the index in fields, plus one, of the property that it most likely names
}

type field struct {
	name  string
	index int
	kind  fieldKind
	elem  *structType // of an object
}

type fieldKind int

const (
	otherField     fieldKind = iota // package json decodes it
	textField                       // a string
	symbolField                     // a Symbol
	int64Field                      // an Int64
	idField                         // a uuid.UUID
	timeField                       // a Time
	partitionField                  // a PartitionInformation
	objectField                     // another struct
	pointerField                    // a pointer to a struct
)

var fieldKinds = map[reflect.Type]fieldKind{
	reflect.TypeFor[string](): textField, reflect.TypeFor[Symbol](): symbolField, reflect.TypeFor[Int64](): int64Field,
	reflect.TypeFor[uuid.UUID](): idField, reflect.TypeFor[Time](): timeField, reflect.TypeFor[PartitionInformation](): partitionField,
}

var structTypes sync.Map // the *structType of each reflect.Type

// structTypeOf returns the properties of a struct type. It uses reflection once for each type.
func structTypeOf[T any]() *structType {
	if s, ok := structTypes.Load(reflect.TypeFor[T]()); ok {
		return s.(*structType)
	}
	s, _ := structTypes.LoadOrStore(reflect.TypeFor[T](), newStructType(reflect.TypeFor[T](), true))
	return s.(*structType)
}

// newStructType reads the tags of a struct type. Pointers are followed in the outer struct only, where they are cloned.
func newStructType(t reflect.Type, outer bool) *structType {
	s := &structType{}
	for i := range t.NumField() {
		sf := t.Field(i)
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		if name == "-" || !sf.IsExported() {
			continue
		}
		f := field{name: cmp.Or(name, sf.Name), index: i, kind: fieldKinds[sf.Type]}
		switch ft := sf.Type; {
		case f.kind != otherField && f.kind != partitionField:
		case ft.Kind() == reflect.Struct:
			f.kind, f.elem = cmp.Or(f.kind, objectField), newStructType(ft, false)
		case outer && ft.Kind() == reflect.Pointer && ft.Elem().Kind() == reflect.Struct:
			f.kind, f.elem = pointerField, newStructType(ft.Elem(), false)
			s.pointers = append(s.pointers, i)
		}
		s.fields = append(s.fields, f)
		s.likely[hashName([]byte(`"`+f.name+`"`))] = int8(len(s.fields)) //nolint:gosec // it is at most 64
	}
	if len(s.fields) > 64 {
		panic(fmt.Sprintf("wire: %v has more than 64 properties", t)) // reader.object has a bit for each
	}
	return s
}

// find returns the index in fields of the property with a name as it is written, in any case, or -1.
func (s *structType) find(quoted []byte, buffer *[]byte) int {
	name := quoted[1 : len(quoted)-1]
	if i := int(s.likely[hashName(quoted)]) - 1; i >= 0 && (s.fields[i].name == string(name) || bytes.EqualFold([]byte(s.fields[i].name), name)) {
		return i
	}
	if bytes.IndexByte(name, '\\') >= 0 {
		name = unquote(quoted, buffer)
	}
	return slices.IndexFunc(s.fields, func(f field) bool { return bytes.EqualFold([]byte(f.name), name) })
}

// hashName returns a hash that differs for the properties of a backup and its parts, but not for their cases.
func hashName(quoted []byte) int {
	return (7*len(quoted) + int(quoted[1]|0x20)) % 64
}

// clonePointers replaces the structs that the fields of v point to by copies.
func (s *structType) clonePointers(v reflect.Value) {
	for _, i := range s.pointers {
		if f := v.Field(i); !f.IsNil() {
			c := reflect.New(f.Type().Elem())
			c.Elem().Set(f.Elem())
			f.Set(c)
		}
	}
}
