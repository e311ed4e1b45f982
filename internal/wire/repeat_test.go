package wire_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/servicefabric-go/backup/generated"
	"github.com/servicefabric-go/backup/internal/wire"
)

// A node is a property of an item: an object if it has members, or else a text.
type node struct {
	name, text string
	members    []*node
}

func (n *node) clone() *node {
	c := &node{name: n.name, text: n.text}
	for _, m := range n.members {
		c.members = append(c.members, m.clone())
	}
	return c
}

// all returns the node and those below it.
func (n *node) all() []*node {
	list := []*node{n}
	for _, m := range n.members {
		list = append(list, m.all()...)
	}
	return list
}

// backup returns the item that the others are made from.
func backup() *node {
	return &node{members: []*node{
		{name: "BackupId", text: `"d1e2fd6a-4712-4212-a37a-000000000000"`},
		{name: "ServiceName", text: `"fabric:/CalcApp/CalcService"`},
		{name: "PartitionInformation", members: []*node{
			{name: "ServicePartitionKind", text: `"Int64Range"`},
			{name: "LowKey", text: `"-9223372036854775808"`},
			{name: "HighKey", text: `"9223372036854775807"`},
			{name: "Id", text: `"1daae3f5-7fd6-42e9-b1ba-8c05f873994d"`},
		}},
		{name: "BackupLocation", text: `"CalcApp\\CalcService\\2020-01-01 00.00.00.zip"`},
		{name: "BackupType", text: `"Incremental"`},
		{name: "EpochOfLastBackupRecord", members: []*node{
			{name: "DataLossVersion", text: `"131462452931584510"`},
			{name: "ConfigurationVersion", text: `"8589934592"`},
		}},
		{name: "LsnOfLastBackupRecord", text: `"261"`},
		{name: "CreationTimeUtc", text: `"2020-01-01T00:00:00Z"`},
		{name: "FailureError", text: `null`},
	}}
}

var (
	otherValues = []string{
		`null`, `true`, `false`, `""`, `"x"`, `0`, `-0`, `7`, `261`, `2610`, `-1`, `007`, `1.5`, `1e3`, `-`, `1-2`, `--1`, `"7"`, `"007"`, `"+1"`, `" 1"`, `"9223372036854775808"`,
		`"d1e2fd6a-4712-4212-a37a-000000000001"`, `"d1e2fd6a47124212a37a000000000001"`, `"{d1e2fd6a-4712-4212-a37a-000000000001}"`, `"(d1e2fd6a-4712-4212-a37a-000000000001)"`,
		"\"\x01d1e2fd6a-4712-4212-a37a-000000000001\xff\"", `"urn:uuid:d1e2fd6a-4712-4212-a37a-000000000001"`, `"d1e2fd6a-4712-4212-a37a-00000000000g"`, `"\u00641e2fd6a-4712-4212-a37a-000000000001"`,
		`"2020-01-01T00:00:01Z"`, `"2020-01-01T00:00:01.5+02:00"`, `"2020-01-01T00:00:01"`, `"0001-01-01T00:00:00Z"`, `"2020-01-01T00:00:01,5"`, `"2020-01-01T00:00:01Z\x"`, `"2020-01-01"`,
		`"Int64Range"`, `"Named"`, `"Singleton"`, `"Ring"`, `"\u004eamed"`, `"named"`, `1`, `"Full"`,
		`"\u0041"`, `"A"`, `"\n"`, `"\\\""`, `"\\"`, `"a\"`, `"\x"`, `"\u12"`, `"\ud83d\ude00"`, `"\ud83d"`, "\"a\xffb\"", "\"\xe2\x82\"", "\"\xed\xa0\x80\"", "\"a\x00b\"", "\"a\nb\"", "\"a\x7f\u2028b\"",
		`{}`, `[]`, `[1,"a",{"b":[]}]`, `{"Code":1,"Message":"m"}`, `{"Code":"c","Message":"m"}`, `{"Message":null,"x":{"y":"z"}}`,
		`{"ServicePartitionKind":"Ring","Id":7}`, `{"ServicePartitionKind":"Singleton"}`, `{"Name":{},"ServicePartitionKind":"Named"}`, `{"DataLossNumber":"1","datalossversion":2}`,
		`}`, `]`, `,`, ``, `"`, `nul`, `tru`, `{"a"}`, `{,}`, `[1,]`, "#",
	}
	otherNames = []string{"x", "", "ServiceManifestVersion", "ApplicationName", "BackupChainId", "Name", "Code", "Message", "DataLossNumber", "Id", "FailureError", "BackupLocation", `a"b`, "}", "\xff", "Bac\u212aupId", `\u0042ackupId`}
	spaces     = []string{"", "", "", " ", "\n  ", "\r\n\t", "\x00", "x"}
)

// choices makes decisions from the bytes of a fuzz input. After these, every decision is 0.
type choices []byte

func (c *choices) below(n int) int {
	if len(*c) == 0 {
		return 0
	}
	v := int((*c)[0])
	*c = (*c)[1:]
	return v % n
}

// mutate changes a node below an item.
func (c *choices) mutate(item *node) {
	all := item.all()
	n := all[c.below(len(all))]
	at := func(s string) int { return c.below(256) * len(s) / 256 }
	switch c.below(14) {
	case 0, 1: // another value of the same length
		if i := at(n.text); n.text != "" {
			n.text = n.text[:i] + string('0'+byte(c.below(75))) + n.text[i+1:]
		}
	case 2:
		n.text, n.members = otherValues[c.below(len(otherValues))], nil
	case 3: // an object becomes a member, and a text an object
		n.members = append(n.members, &node{name: otherNames[c.below(len(otherNames))], text: otherValues[c.below(len(otherValues))]})
	case 4:
		if len(n.members) > 0 {
			i := c.below(len(n.members))
			n.members = slices.Delete(n.members, i, i+1)
		}
	case 5:
		if len(n.members) > 1 {
			i, j := c.below(len(n.members)), c.below(len(n.members))
			n.members[i], n.members[j] = n.members[j], n.members[i]
		}
	case 6: // twice
		if len(n.members) > 0 {
			n.members = slices.Insert(n.members, c.below(len(n.members)), n.members[c.below(len(n.members))].clone())
		}
	case 7:
		if n.name = strings.ToLower(n.name); c.below(2) == 0 {
			n.name = strings.ToUpper(n.name)
		}
	case 8:
		n.name = otherNames[c.below(len(otherNames))]
	case 9: // a character as an escape
		if i := at(n.text); len(n.text) > 2 && i > 0 && i < len(n.text)-1 {
			n.text = fmt.Sprintf(`%s\u%04x%s`, n.text[:i], n.text[i], n.text[i+1:])
		} else if len(n.name) > 0 {
			n.name = fmt.Sprintf(`\u%04x%s`, n.name[0], n.name[1:])
		}
	case 10: // any byte
		i := at(n.text)
		n.text = n.text[:i] + string([]byte{byte(c.below(256))}) + n.text[i:]
	case 11:
		if len(n.text) > 0 {
			i := at(n.text)
			n.text = n.text[:i] + n.text[i+1:]
		}
	case 12: // a long text, or a long name
		size := []int{20, 100, 300, 1000, 5000, 9000, 40_000}[c.below(7)]
		fill := []string{"a", `\n`, "\xff", "}", `\\`, "é"}[c.below(6)]
		if c.below(4) > 0 {
			n.text = `"` + strings.Repeat(fill, size/len(fill)) + `"`
		} else {
			n.name = strings.Repeat(fill, size/len(fill)/10)
		}
	case 13: // deep, or many leaves
		switch levels := []int{3, 60, 61, 62, 63, 64, 65, 200}[c.below(8)]; c.below(3) {
		case 0:
			n.text, n.members = strings.Repeat(`{"x":`, levels)+`"y"`+strings.Repeat(`}`, levels), nil
		case 1:
			n.text, n.members = strings.Repeat(`[`, levels)+strings.Repeat(`]`, levels), nil
		case 2:
			n.text, n.members = `[`+strings.Repeat(`1,`, levels)+`{},"a"]`, nil
		}
	}
}

// write appends the text of a node, with the space at each place that space returns.
func (n *node) write(b *bytes.Buffer, space func() string) {
	if n.members == nil {
		b.WriteString(n.text)
		return
	}
	b.WriteString("{")
	for i, m := range n.members {
		if i > 0 {
			b.WriteString(space() + ",")
		}
		b.WriteString(space() + `"` + m.name + `"` + space() + ":" + space())
		m.write(b, space)
	}
	b.WriteString(space() + "}")
}

// nearCopies returns a page whose items are copies of each other with few mutations.
func (c *choices) nearCopies() []byte {
	var b bytes.Buffer
	space := ""
	b.WriteString(`{"Items":[`)
	items := []*node{backup()}
	for n := 0; n < 40 && (len(*c) > 0 || n < 2); n++ {
		item := items[len(items)-1-c.below(min(len(items), 7))].clone()
		if n > 0 && c.below(16) == 1 {
			b.WriteString(`],"x":["y",{"z":1}],"Items":[`)
		} else if n > 0 {
			b.WriteString(space + ",")
		}
		for range []int{0, 1, 1, 1, 1, 1, 2, 3}[c.below(8)] {
			c.mutate(item)
		}
		odd := -1 // the place of another space
		switch c.below(24) {
		case 0:
			space = spaces[c.below(len(spaces))]
		case 1:
			odd = c.below(64)
		}
		b.WriteString(space)
		item.write(&b, func() string {
			if odd--; odd == -1 {
				return spaces[c.below(len(spaces))]
			}
			return space
		})
		items = append(items, item)
	}
	b.WriteString([]string{`],"ContinuationToken":"t"}`, `],"ContinuationToken":null}`, `]}`, `],"Items":[{"BackupId":null},{"BackupId":null},{"BackupId":null}],"x":1}`, `,]}`, `}`, ``, `]}x`}[c.below(8)])
	page := b.Bytes()
	if c.below(16) == 1 {
		page = page[:c.below(256)*len(page)/256]
	}
	return page
}

// reading is what a page is read as.
type reading struct {
	items []generated.BackupInfo
	token string
	err   error
}

// readItems reads a page, and checks that no two items share memory that can be written.
func readItems(t *testing.T, r io.Reader) (got reading) {
	t.Helper()
	page := wire.NewPageDecoder[generated.BackupInfo](r)
	failures, raws := map[*generated.FabricErrorError]bool{}, map[*byte]bool{}
	for {
		var item generated.BackupInfo
		if got.err = page.Next(&item); got.err != nil {
			if errors.Is(got.err, io.EOF) {
				got.err, got.token = nil, page.ContinuationToken()
			}
			return got
		}
		keep := item
		if e := item.FailureError; e != nil {
			if failures[e] {
				t.Fatal("two items share a FailureError")
			}
			failures[e] = true
			keep.FailureError = new(*e)
			*e = generated.FabricErrorError{Code: "overwritten", Message: "overwritten"}
		}
		if raw := item.PartitionInformation.Raw; raw != nil {
			if raws[unsafe.SliceData(raw)] {
				t.Fatal("two items share the text of a partition")
			}
			raws[unsafe.SliceData(raw)] = true
			keep.PartitionInformation.Raw = bytes.Clone(raw)
			clear(raw)
		}
		got.items = append(got.items, keep)
	}
}

// readPlainly reads a page item by item, each of them whole.
func readPlainly(t *testing.T, page []byte) (want reading) {
	t.Helper()
	// The first syntax error, and the limits up to there.
	scan := jsontext.NewDecoder(bytes.NewReader(page), wire.Tolerant)
	var syntax error
	for syntax == nil {
		if _, syntax = scan.ReadToken(); scan.StackDepth() == 0 && scan.InputOffset() > 0 && syntax == nil {
			break
		}
	}
	dec := jsontext.NewDecoder(bytes.NewReader(page), wire.Tolerant)
	read := func() jsontext.Value {
		if want.err != nil {
			return jsontext.Value("null")
		}
		value, err := dec.ReadValue()
		if err != nil {
			want.err = syntax
			return jsontext.Value("null")
		}
		return value.Clone()
	}
	if _, want.err = dec.ReadToken(); errors.Is(want.err, io.EOF) {
		want.err = io.ErrUnexpectedEOF
	}
	for want.err == nil && dec.PeekKind() == '"' {
		var name string
		if err := json.Unmarshal(read(), &name, wire.Tolerant); err != nil {
			t.Fatal(err)
		}
		switch {
		case name == "ContinuationToken":
			if err := json.Unmarshal(read(), &want.token); err != nil {
				t.Fatal(err)
			}
		case name != "Items":
			read()
		default:
			_, want.err = dec.ReadToken()
			first := len(want.items)
			for want.err == nil && dec.PeekKind() != ']' {
				value := read()
				from := dec.InputOffset() - int64(len(value))
				if want.err != nil { // a limit before the syntax error comes first
					from = dec.InputOffset() + int64(len(page[dec.InputOffset():])-len(bytes.TrimLeft(page[dec.InputOffset():], ", \r\n\t")))
					value = page[from:]
				}
				var item generated.BackupInfo
				err := wire.ReadObject(value, &item)
				e, ok := errors.AsType[*jsontext.SyntacticError](err)
				s, _ := errors.AsType[*jsontext.SyntacticError](want.err)
				if limit := ok && strings.Contains(err.Error(), " than "); limit && (s == nil || e.ByteOffset+from < s.ByteOffset) {
					if e.ByteOffset += from; e.JSONPointer != "" {
						e.JSONPointer = jsontext.Pointer(fmt.Sprintf("/Items/%d", len(want.items)-first)) + e.JSONPointer
					}
					want.err = err
				} else if want.err == nil {
					want.err = err
				}
				if want.err != nil {
					want.err = fmt.Errorf("item %d: %w", len(want.items), want.err)
					return want
				}
				checkAgainstJSON(t, value, &item)
				want.items = append(want.items, item)
			}
			if want.err == nil {
				_, want.err = dec.ReadToken()
			}
		}
	}
	if want.err == nil {
		_, want.err = dec.ReadToken()
	}
	if want.err == nil {
		if _, want.err = dec.ReadToken(); errors.Is(want.err, io.EOF) {
			want.err = nil
		}
	}
	return want
}

// checkAgainstJSON checks an item against what package json reads with the methods of the types.
func checkAgainstJSON(t *testing.T, value jsontext.Value, got *generated.BackupInfo) {
	t.Helper()
	if hasNameTwice(value) {
		return // package json merges other things
	}
	var want generated.BackupInfo
	if err := json.Unmarshal(value, &want, wire.Tolerant); err != nil {
		t.Fatalf("%s is read as %+v, by package json as %v", value, got, err)
	}
	if !reflect.DeepEqual(&want, got) {
		t.Fatalf("%s is read as\n%+v, by package json as\n%+v", value, got, want)
	}
}

// hasNameTwice reports whether an object has two members with the same name, ignoring case.
func hasNameTwice(value jsontext.Value) bool {
	names := map[int]map[string]bool{} // by depth
	for dec := jsontext.NewDecoder(bytes.NewReader(value), wire.Tolerant); ; {
		depth := dec.StackDepth()
		kind, n := dec.StackIndex(depth)
		tok, err := dec.ReadToken()
		if err != nil {
			return false
		}
		switch name := strings.ToLower(strings.ToUpper(tok.String())); {
		case tok.Kind() == '{':
			names[depth+1] = map[string]bool{}
		case kind != '{' || n%2 != 0 || tok.Kind() != '"':
		case names[depth][name]:
			return true
		default:
			names[depth][name] = true
		}
	}
}

// sameError reports whether two errors say the same: the item, the place, and what is wrong.
func sameError(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return quotation.ReplaceAllString(a.Error(), "") == quotation.ReplaceAllString(b.Error(), "")
}

// quotation is the part of an error of package jsontext that depends on how much has been read.
var quotation = regexp.MustCompile("(escape sequence .*|character '.*') (at|in|after)")

func checkNearCopies(t *testing.T, c choices) {
	t.Helper()
	size := c.below(200) + 1
	checkPage(t, c.nearCopies(), size)
}

// checkPage checks that a page is read as its items one by one, in whatever chunks it arrives.
func checkPage(t *testing.T, page []byte, size int) {
	t.Helper()
	want := readPlainly(t, page)
	for name, r := range map[string]io.Reader{
		"at once":         bytes.NewReader(page),
		"in chunks":       &chunkReader{page, size},
		"byte by byte":    &chunkReader{page, 1},
		"a small buffer":  bufio.NewReaderSize(bytes.NewReader(page), 16+size),
		"a large buffer":  bufio.NewReaderSize(bytes.NewReader(page), 32<<10),
		"a random buffer": bufio.NewReaderSize(&chunkReader{page, 7 * size}, 64*size),
	} {
		got := readItems(t, r)
		if !reflect.DeepEqual(want.items, got.items) || want.token != got.token || !sameError(want.err, got.err) {
			for i := range min(len(want.items), len(got.items)) {
				if !reflect.DeepEqual(want.items[i], got.items[i]) {
					t.Errorf("item %d is\n%+v, want\n%+v", i, got.items[i], want.items[i])
				}
			}
			t.Fatalf("%s: %d items, %q, %v\nwant %d items, %q, %v\nfrom %.3000q", name, len(got.items), got.token, got.err, len(want.items), want.token, want.err, page)
		}
	}
}

// Each value of an item may be replaced by any other.
func TestOtherValues(t *testing.T) {
	t.Parallel()
	for i := range backup().all() {
		for _, value := range otherValues {
			var b bytes.Buffer
			b.WriteString(`{"Items":[`)
			for n := range 4 {
				item := backup()
				if n%2 == 1 {
					n := item.all()[i]
					n.text, n.members = value, nil
				}
				if n > 0 {
					b.WriteByte(',')
				}
				item.write(&b, func() string { return "" })
			}
			b.WriteString(`]}`)
			checkPage(t, b.Bytes(), 50)
		}
	}
}

// A page whose items are near copies of each other reads as its items one by one do: the same items, and the same
// error at the same place.
func FuzzNearCopies(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		seed := make([]byte, random.IntN(300))
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkNearCopies(t, data) })
}

// TestNearCopies runs FuzzNearCopies with random inputs.
func TestNearCopies(t *testing.T) {
	t.Parallel()
	pages := 1000
	if testing.Short() {
		pages = 100
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range pages {
		data := make(choices, random.IntN(400))
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		checkNearCopies(t, data)
	}
}

// A chunkReader returns at most size bytes at a time.
type chunkReader struct {
	data []byte
	size int
}

func (r *chunkReader) Read(b []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.data[:min(r.size, len(r.data))])
	r.data = r.data[n:]
	return n, nil
}
