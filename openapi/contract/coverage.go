package contract

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"text/tabwriter"

	"github.com/getkin/kin-openapi/openapi3"
)

// Coverage tells which parts of the document the checked exchanges used, and how often.
type Coverage struct {
	Items []CoverageItem // sorted by kind, in the order of the constants, then by name and value
}

// A CoverageKind is the kind of a CoverageItem. Its values are stable.
type CoverageKind string

// The kinds of coverage items.
const (
	CoverageOperation CoverageKind = "operation" // an operation
	CoverageStatus    CoverageKind = "status"    // a response status of an operation
	CoverageUnion     CoverageKind = "union"     // a kind of a union, which is a schema with a discriminator
	CoverageEnum      CoverageKind = "enum"      // a value of a named enumeration
)

// coverageKinds are the kinds in the order of Coverage.Items.
var coverageKinds = []CoverageKind{CoverageOperation, CoverageStatus, CoverageUnion, CoverageEnum}

// A CoverageItem is one part of the document.
type CoverageItem struct {
	Kind CoverageKind
	// Name is the operationId, or the name of the schema.
	Name string
	// Value is the status, the kind in the union, or the value of the enumeration. It is empty for an
	// operation. A status is a number such as "200", or "4xx" or "5xx" for operations that have one
	// response for all errors.
	Value string
	// Count is the number of times that exchanges used the part.
	Count int64
}

// Missing returns the items that no exchange used.
func (c Coverage) Missing() []CoverageItem {
	return slices.DeleteFunc(slices.Clone(c.Items), func(i CoverageItem) bool { return i.Count > 0 })
}

// String returns the coverage as a table for people.
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

// Coverage returns the coverage of all requests and responses that v, and the validators that share its
// coverage (see [Validator.Without]), have checked so far.
func (v *Validator) Coverage() Coverage {
	var c Coverage
	for _, item := range slices.SortedFunc(maps.Keys(v.coverage.counts), CoverageItem.compare) {
		item.Count = v.coverage.counts[item].Load()
		c.Items = append(c.Items, item)
	}
	return c
}

func (i CoverageItem) compare(j CoverageItem) int {
	return cmp.Or(
		cmp.Compare(slices.Index(coverageKinds, i.Kind), slices.Index(coverageKinds, j.Kind)),
		strings.Compare(i.Name, j.Name), strings.Compare(i.Value, j.Value))
}

// coverage counts the uses of the parts of a document. Its keys are fixed: values that are not in the document
// are not counted.
type coverage struct {
	counts map[CoverageItem]*atomic.Int64 // the Count of the keys is 0
	// The schemas of each union, by the name of the union and by kind.
	members map[string]map[string]*openapi3.SchemaRef
}

const schemaPrefix = "#/components/schemas/"

func newCoverage(doc *openapi3.T, operations []*operation) *coverage {
	c := &coverage{counts: map[CoverageItem]*atomic.Int64{}, members: map[string]map[string]*openapi3.SchemaRef{}}
	add := func(kind CoverageKind, name, value string) {
		c.counts[CoverageItem{Kind: kind, Name: name, Value: value}] = new(atomic.Int64)
	}
	for _, o := range operations {
		add(CoverageOperation, o.id, "")
		for status := range o.responses.Map() {
			if status == "default" {
				add(CoverageStatus, o.id, "4xx")
				add(CoverageStatus, o.id, "5xx")
				continue
			}
			add(CoverageStatus, o.id, status)
		}
	}
	if doc.Components == nil {
		return c
	}
	for name, ref := range doc.Components.Schemas {
		for _, value := range ref.Value.Enum {
			add(CoverageEnum, name, fmt.Sprint(value))
		}
		if ref.Value.Discriminator == nil {
			continue
		}
		c.members[name] = map[string]*openapi3.SchemaRef{}
		for kind, target := range ref.Value.Discriminator.Mapping {
			add(CoverageUnion, name, kind)
			c.members[name][kind] = doc.Components.Schemas[strings.TrimPrefix(target.Ref, schemaPrefix)]
		}
	}
	return c
}

func (c *coverage) count(kind CoverageKind, name, value string) {
	if n := c.counts[CoverageItem{Kind: kind, Name: name, Value: value}]; n != nil {
		n.Add(1)
	}
}

func (c *coverage) countStatus(o *operation, status int) {
	c.count(CoverageStatus, o.id, strconv.Itoa(status))
	c.count(CoverageStatus, o.id, strconv.Itoa(status/100)+"xx")
}

// countEnum counts a value of an enumeration that has a name in the document.
func (c *coverage) countEnum(ref *openapi3.SchemaRef, value string) {
	if len(ref.Value.Enum) > 0 {
		c.count(CoverageEnum, strings.TrimPrefix(ref.Ref, schemaPrefix), value)
	}
}

// unionMember counts the kind of a value of a union, and returns the schema of that kind. It returns nil
// if the kind is missing or not documented.
func (c *coverage) unionMember(union *openapi3.SchemaRef, value any) *openapi3.SchemaRef {
	object, _ := value.(map[string]any)
	kind, _ := object[union.Value.Discriminator.PropertyName].(string)
	name := strings.TrimPrefix(union.Ref, schemaPrefix)
	c.count(CoverageUnion, name, kind)
	return c.members[name][kind]
}
