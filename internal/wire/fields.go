package wire

import (
	"bytes"
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// A structType has the properties of a struct, as the json tags of its fields name them.
type structType struct {
	fields   []field
	pointers []int // the indexes of the fields that are pointers to structs
	slots    int   // the number of fields of the struct and those in it
	longest  int   // the length of the longest name
}

type field struct {
	name  []byte
	index int
	slot  int         // the index in template.fields, or -1 behind a pointer
	elem  *structType // of an object that is read into a struct or a pointer to one; nil: it is no object
}

var structTypes sync.Map // the *structType of each reflect.Type

// structTypeOf returns the properties of a struct type.
func structTypeOf[T any]() *structType {
	s, ok := structTypes.Load(reflect.TypeFor[T]())
	if !ok {
		s, _ = structTypes.LoadOrStore(reflect.TypeFor[T](), newStructType(reflect.TypeFor[T](), 0))
	}
	return s.(*structType)
}

// newStructType reads the tags of a struct type, whose slots start at slot. Pointers are followed in the outer struct
// only, where they are cloned. Behind these slot is -1.
func newStructType(t reflect.Type, slot int) *structType {
	s := &structType{slots: slot}
	for i := range t.NumField() {
		sf := t.Field(i)
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		if name == "-" || !sf.IsExported() {
			continue
		}
		f := field{name: []byte(cmp.Or(name, sf.Name)), index: i, slot: s.slots}
		if slot >= 0 {
			s.slots++
		}
		switch ft := sf.Type; {
		case ft.Kind() == reflect.Struct && ft != reflect.TypeFor[Time]():
			f.elem = newStructType(ft, s.slots)
			s.slots = f.elem.slots
		case slot == 0 && ft.Kind() == reflect.Pointer && ft.Elem().Kind() == reflect.Struct:
			f.elem = newStructType(ft.Elem(), -1)
			s.pointers = append(s.pointers, i)
		}
		s.fields = append(s.fields, f)
		s.longest = max(s.longest, len(f.name))
	}
	if len(s.fields) > 64 {
		panic(fmt.Sprintf("wire: %v has more than 64 properties", t)) // reader.object has a bit for each
	}
	return s
}

// find returns the index in fields of the property with a name as it is written, in any case, or -1.
func (s *structType) find(quoted []byte, buffer *[]byte) int {
	name := quoted[1 : len(quoted)-1]
	for i := range s.fields { // most names differ in length
		if f := &s.fields[i]; len(f.name) == len(name) && (bytes.Equal(f.name, name) || bytes.EqualFold(f.name, name)) {
			return i
		}
	}
	if len(name) > len(`\u0000`)*s.longest {
		return -1 // whatever its escapes are
	}
	name = unquote(quoted, buffer)
	return slices.IndexFunc(s.fields, func(f field) bool { return bytes.EqualFold(f.name, name) })
}
