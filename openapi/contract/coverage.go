package contract

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"
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
	CoverageParameter CoverageKind = "parameter" // a parameter of an operation
	CoverageProperty  CoverageKind = "property"  // a property of a schema
	CoverageUnion     CoverageKind = "union"     // a kind of a union, which is a schema with a discriminator
	CoverageEnum      CoverageKind = "enum"      // a value of a named enumeration
)

// coverageKinds are the kinds in the order of Coverage.Items.
var coverageKinds = []CoverageKind{
	CoverageOperation, CoverageStatus, CoverageParameter, CoverageProperty, CoverageUnion, CoverageEnum,
}

// A CoverageItem is one part of the document.
type CoverageItem struct {
	Kind CoverageKind
	// Name is the operationId, or the name of the schema. A schema without a name of its own has that of the
	// one around it and of the property: "BackupProgressInfo.EpochOfLastBackupRecord".
	Name string
	// Value is the status, the name of the parameter or property, the kind in the union, or the value of the
	// enumeration. It is empty for an operation. A status is a number such as "200", or "4xx" or "5xx" for
	// operations that have one response for all errors.
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

// coverage counts the uses of the parts of a document. Its items are fixed: values that are not in the document
// are not counted.
type coverage struct {
	counts map[CoverageItem]*atomic.Int64 // the Count of the keys is 0
}

// counter returns the counter of a part of the document.
func (c *coverage) counter(kind CoverageKind, name, value string) *atomic.Int64 {
	key := CoverageItem{Kind: kind, Name: name, Value: value}
	if c.counts[key] == nil {
		c.counts[key] = new(atomic.Int64)
	}
	return c.counts[key]
}
