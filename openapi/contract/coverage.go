package contract

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"

	"github.com/getkin/kin-openapi/openapi3"
)

// Coverage is what the exchanges that a validator has seen made use of, and what not.
type Coverage struct {
	Items []CoverageItem
}

// A CoverageItem is something in the document that an exchange can make use of.
type CoverageItem struct {
	// Kind is "operation", "status", "union" or "enum".
	Kind string
	// Name is the operationId, or the name of the schema.
	Name string
	// Value is the status ("200", or "4xx" where the document describes all failures together), the
	// kind of the union, or the value of the enumeration; empty for an operation.
	Value string
	// Count is how often it was seen.
	Count int64
}

// Missing returns what was never seen.
func (c Coverage) Missing() []CoverageItem {
	return slices.DeleteFunc(slices.Clone(c.Items), func(i CoverageItem) bool { return i.Count > 0 })
}

// String returns the coverage as a table.
func (c Coverage) String() string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KIND\tNAME\tVALUE\tSEEN")
	for _, i := range c.Items {
		seen := "never"
		if i.Count > 0 {
			seen = fmt.Sprint(i.Count)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", i.Kind, i.Name, i.Value, seen)
	}
	_ = table.Flush() // into memory
	return b.String()
}

// Coverage returns what was exercised so far.
func (v *Validator) Coverage() Coverage {
	var c Coverage
	for _, key := range slices.SortedFunc(maps.Keys(v.covered.counts), coverageKey.compare) {
		c.Items = append(c.Items, CoverageItem{kindNames[key.kind], key.name, key.value, v.covered.counts[key].Load()})
	}
	return c
}

type coverageKind int

const (
	coverOperation coverageKind = iota
	coverStatus
	coverUnion
	coverEnum
)

var kindNames = map[coverageKind]string{
	coverOperation: "operation", coverStatus: "status", coverUnion: "union", coverEnum: "enum",
}

type coverageKey struct {
	kind        coverageKind
	name, value string
}

func (k coverageKey) compare(l coverageKey) int {
	return slices.Compare(
		[]string{fmt.Sprint(int(k.kind)), k.name, k.value},
		[]string{fmt.Sprint(int(l.kind)), l.name, l.value})
}

// coverage counts. Its keys are fixed when it is made: what a document does not have is not counted.
type coverage struct {
	counts map[coverageKey]*atomic.Int64
	// The schemas by which values are counted, under their names in the document.
	members map[string]map[string]*openapi3.SchemaRef // of unions, by kind
}

const schemaPrefix = "#/components/schemas/"

func newCoverage(doc *openapi3.T, operations []*operation) *coverage {
	c := &coverage{counts: map[coverageKey]*atomic.Int64{}, members: map[string]map[string]*openapi3.SchemaRef{}}
	expect := func(kind coverageKind, name, value string) {
		c.counts[coverageKey{kind, name, value}] = new(atomic.Int64)
	}
	for _, o := range operations {
		expect(coverOperation, o.id, "")
		for status := range o.responses.Map() {
			if status == "default" {
				expect(coverStatus, o.id, "4xx")
				expect(coverStatus, o.id, "5xx")
				continue
			}
			expect(coverStatus, o.id, status)
		}
	}
	if doc.Components == nil {
		return c
	}
	for name, ref := range doc.Components.Schemas {
		for _, value := range ref.Value.Enum {
			expect(coverEnum, name, fmt.Sprint(value))
		}
		if ref.Value.Discriminator == nil {
			continue
		}
		c.members[name] = map[string]*openapi3.SchemaRef{}
		for kind, target := range ref.Value.Discriminator.Mapping {
			expect(coverUnion, name, kind)
			c.members[name][kind] = doc.Components.Schemas[strings.TrimPrefix(target.Ref, schemaPrefix)]
		}
	}
	return c
}

func (c *coverage) count(kind coverageKind, name, value string) {
	if n := c.counts[coverageKey{kind, name, value}]; n != nil {
		n.Add(1)
	}
}

func (c *coverage) operation(id string) { c.count(coverOperation, id, "") }

func (c *coverage) status(o *operation, status int) {
	c.count(coverStatus, o.id, fmt.Sprint(status))
	c.count(coverStatus, o.id, fmt.Sprint(status/100)+"xx")
}

// enum counts a value of an enumeration that has a name in the document.
func (c *coverage) enum(ref *openapi3.SchemaRef, value string) {
	if len(ref.Value.Enum) > 0 {
		c.count(coverEnum, strings.TrimPrefix(ref.Ref, schemaPrefix), value)
	}
}

// member returns the schema of the kind that a value of a union has, nil if it has none.
func (c *coverage) member(union *openapi3.SchemaRef, value any) *openapi3.SchemaRef {
	object, _ := value.(map[string]any)
	kind, _ := object[union.Value.Discriminator.PropertyName].(string)
	name := strings.TrimPrefix(union.Ref, schemaPrefix)
	c.count(coverUnion, name, kind)
	return c.members[name][kind]
}
