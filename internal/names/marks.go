package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// The marks of the document. Nothing follows from a mark that is missing, so all of them are required.
const (
	finalMark   = "x-final"   // a list of states
	runningMark = "x-running" // the other states
	publicMark  = "x-public"  // true: a string of a request that may be printed
)

// A marker looks for missing marks.
type marker struct {
	documented *openapi3.T // without the overlay
	seen       map[*openapi3.Schema]bool
	errs       []error
}

// checkMarks returns an error for each mark that is missing. Each is one line: the file, the place, and what to
// write there.
func checkMarks(doc, documented *openapi3.T) []error {
	m := &marker{documented: documented, seen: map[*openapi3.Schema]bool{}}
	for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas)) {
		s := doc.Components.Schemas[name].Value
		if len(s.Enum) > 0 {
			m.checkStates(name, s)
		}
		if s.Discriminator != nil {
			m.checkUnion(doc, name, s)
		}
		for _, property := range slices.Sorted(maps.Keys(s.Properties)) {
			if p := s.Properties[property]; p.Ref == "" && len(p.Value.Enum) > 1 && len(p.Value.AllOf) == 0 {
				m.report(name, name+"."+property, "write the enumeration as a schema of its own, which gets constants, and refer to it")
			}
		}
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.OperationID == "" {
				m.report("", path+" "+method, "write its operationId")
			}
			if op.RequestBody == nil {
				continue
			}
			for _, media := range op.RequestBody.Value.Content {
				m.checkSecrets(media.Schema, "", op.OperationID+" request")
			}
		}
	}
	return m.errs
}

// report adds an error about a place, which begins with the name of a schema unless that is empty. The overlay may
// have added the schema or the property.
func (m *marker) report(schema, place, advice string) {
	file := "openapi/backup.yaml"
	_, property, _ := strings.Cut(place, ".")
	property, _, _ = strings.Cut(property, ".")
	if ref := m.documented.Components.Schemas[schema]; schema != "" && (ref == nil || property != "" && ref.Value.Properties[property] == nil) {
		file = "openapi/runtime.overlay.yaml"
	}
	m.errs = append(m.errs, fmt.Errorf("%s: %s: %s", file, place, advice))
}

// checkStates checks that each state is final or running.
func (m *marker) checkStates(name string, s *openapi3.Schema) {
	final, isFinal := s.Extensions[finalMark].([]any)
	running, isRunning := s.Extensions[runningMark].([]any)
	if !isFinal && !isRunning && !strings.HasSuffix(name, "State") {
		return
	}
	for _, state := range s.Enum {
		if slices.Contains(final, state) == slices.Contains(running, state) {
			m.report(name, name, fmt.Sprintf("write the state %v into %s if nothing follows it, otherwise into %s", state, finalMark, runningMark))
		}
	}
	for _, state := range slices.Concat(final, running) {
		if !slices.Contains(s.Enum, state) {
			m.report(name, name, fmt.Sprintf("remove %v from %s and %s, or write it into the enum", state, finalMark, runningMark))
		}
	}
}

// checkUnion checks that the kinds of a union are its members and those of the enumeration of kinds, and that the
// overlay chooses its Go type.
func (m *marker) checkUnion(doc *openapi3.T, name string, s *openapi3.Schema) {
	if s.Extensions["x-go-type"] == nil {
		m.errs = append(m.errs, fmt.Errorf("openapi/runtime.overlay.yaml: %s: write an action with the x-go-type of the union", name))
	}
	var enum []any // of all kinds
	for _, kind := range slices.Sorted(maps.Keys(s.Discriminator.Mapping)) {
		member := memberOf(doc, s, kind)
		if member == nil || !slices.ContainsFunc(s.OneOf, func(ref *openapi3.SchemaRef) bool { return ref.Value == member }) {
			m.report(name, name, "write the schema of the kind "+kind+" into oneOf")
			continue
		}
		d := member.Properties[s.Discriminator.PropertyName]
		if d == nil || !slices.Equal(d.Value.Enum, []any{kind}) || len(d.Value.AllOf) != 1 {
			m.report(name, name, "write the property "+s.Discriminator.PropertyName+" of the kind "+kind+" with an enum of that kind and an allOf with the enumeration of kinds")
			continue
		}
		enum = d.Value.AllOf[0].Value.Enum
		if !slices.Contains(enum, any(kind)) {
			m.report(name, name, "write the kind "+kind+" into the enumeration of "+s.Discriminator.PropertyName)
		}
	}
	if len(s.OneOf) != len(s.Discriminator.Mapping) {
		m.report(name, name, fmt.Sprintf("write the same kinds into oneOf, which has %d, and into the mapping, which has %d", len(s.OneOf), len(s.Discriminator.Mapping)))
	}
	for _, kind := range enum {
		if s.Discriminator.Mapping[fmt.Sprint(kind)].Ref == "" && kind != "Invalid" {
			m.report(name, name, fmt.Sprintf("write the kind %v into the mapping, or remove it from the enumeration of %s", kind, s.Discriminator.PropertyName))
		}
	}
}

// checkSecrets checks that every string of a request is marked as a secret or as public, and that nothing can
// hold a string without a schema.
func (m *marker) checkSecrets(ref *openapi3.SchemaRef, schema, place string) {
	s := ref.Value
	if name, ok := strings.CutPrefix(ref.Ref, "#/components/schemas/"); ok && !strings.Contains(name, "/") {
		schema, place = name, name
	}
	if m.seen[s] {
		return
	}
	m.seen[s] = true
	secret := s.Format == "password"
	public, _ := s.Extensions[publicMark].(bool)
	switch {
	case len(s.Enum) > 0 || len(s.OneOf)+len(s.AnyOf)+len(s.AllOf) > 0:
	case secret && !s.WriteOnly:
		m.report(schema, place, "write writeOnly: true beside format: password")
	case s.Type == nil || s.Type.Is("object") && (len(s.Properties) == 0 && s.AdditionalProperties.Schema == nil || s.AdditionalProperties.Has != nil && *s.AdditionalProperties.Has):
		m.report(schema, place, "write its type and properties, because what has none may hold a secret")
	case secret == public && s.Type.Is("string"):
		m.report(schema, place, "write format: password and writeOnly: true if it is a secret, otherwise "+publicMark+": true")
	}
	for _, property := range slices.Sorted(maps.Keys(s.Properties)) {
		m.checkSecrets(s.Properties[property], schema, place+"."+property)
	}
	for _, part := range slices.Concat(s.OneOf, s.AnyOf, s.AllOf) {
		m.checkSecrets(part, schema, place)
	}
	for _, part := range []*openapi3.SchemaRef{s.Items, s.AdditionalProperties.Schema} {
		if part != nil {
			m.checkSecrets(part, schema, place+".items")
		}
	}
}
