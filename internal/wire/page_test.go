package wire

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

type item struct{ N Int64 }

// readPage reads a whole page.
func readPage(r io.Reader) (items []int64, token string, err error) {
	page := NewPageDecoder[item](r)
	for {
		var i item
		if err := page.Next(&i); err != nil {
			if again := page.Next(&i); again != err { //nolint:errorlint // it must be the same error
				return nil, "", errors.New("the second error differs from the first")
			}
			if errors.Is(err, io.EOF) {
				return items, page.ContinuationToken(), nil
			}
			return items, "", err
		}
		items = append(items, int64(i.N))
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, data string
		items      []int64
		token      string
	}{
		{"as documented", `{"ContinuationToken":"a#b","Items":[{"N":"1"},{"N":2}]}`, []int64{1, 2}, "a#b"},
		{"as a cluster writes it", `{"Items":[{"N":"1"}],"ContinuationToken":"a+b c"}`, []int64{1}, "a+b c"},
		{"the last page", `{"Items":[{"N":"1"}],"ContinuationToken":null}`, []int64{1}, ""},
		{"no items", `{"Items":[]}`, nil, ""},
		{"items are null", `{"Items":null,"ContinuationToken":""}`, nil, ""},
		{"an empty object", ` {} `, nil, ""},
		{"names in another case", `{"items":[{"n":3,"M":{"Items":[]}}],"CONTINUATIONTOKEN":"t"}`, []int64{3}, "t"},
		{"unknown properties", `{"a":[{}],"Items":[{"N":4}],"b":{"Items":[{"N":5}]}}`, []int64{4}, ""},
		{"items twice", `{"Items":[{"N":6}],"Items":[{"N":7}]}`, []int64{6, 7}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, r := range []io.Reader{strings.NewReader(tt.data), iotest.OneByteReader(strings.NewReader(tt.data))} {
				items, token, err := readPage(r)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.items, items); diff != "" || token != tt.token {
					t.Errorf("token %q, items %s", token, diff)
				}
			}
		})
	}
}

// A page that is truncated anywhere is an error, and the items before that point are returned.
func TestTruncatedPage(t *testing.T) {
	t.Parallel()
	const data = `{"Items":[{"N":"1"},{"N":2}],"ContinuationToken":"t","x":[1,{"y":null}]}`
	second := strings.Index(data, `,{"N":2`)
	for i := range len(data) {
		items, _, err := readPage(strings.NewReader(data[:i]))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: got %v", data[:i], err)
		}
		if i >= second && len(items) == 0 {
			t.Errorf("%s: no items", data[:i])
		}
		errBroken := errors.New("broken")
		_, _, err = readPage(io.MultiReader(strings.NewReader(data[:i]), iotest.ErrReader(errBroken)))
		if !errors.Is(err, errBroken) {
			t.Errorf("%s: got %v, want the reader's error", data[:i], err)
		}
	}
}

func TestInvalidPages(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		`null`:                        "not a page of backups: unexpected JSON null",
		`[]`:                          "not a page of backups: unexpected JSON [",
		`<html>`:                      "not a page of backups: jsontext: invalid character '<'",
		`{"Error":{}}`:                "not a page of backups: the object has neither Items nor ContinuationToken",
		`{"Items":7}`:                 "Items: unexpected JSON number",
		`{"Items":[null]}`:            "item 0: unexpected JSON null",
		`{"Items":[{"N":1},7]}`:       "item 1: ",
		`{"Items":[{"N":"x"}]}`:       `"x" is not an int64`,
		`{"Items":[]}x`:               "invalid character 'x'",
		`{"Items":[]}{}`:              "unexpected data after the page",
		`{"Items":[{"N":1}}`:          "invalid character '}'",
		`{"Items":[],}`:               "invalid character ','",
		`{"ContinuationToken":true}`:  "ContinuationToken: unexpected JSON true",
		`{"Items":[],"x":nonsense}`:   "invalid character 'o'",
		`{"ContinuationToken":"\x"}`:  "invalid escape",
		`{"Items":[]` + "\x00" + `}`:  "invalid character",
		`{"Items" []}`:                "invalid character '['",
		`{"Items":[{"N":1} {"N":1}]}`: "invalid character '{'",
	} {
		if _, _, err := readPage(strings.NewReader(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", data, err, want)
		}
	}
}

// An item is returned before anything after it has arrived.
func TestPageStreams(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	go io.WriteString(w, `{"Items":[{"N":1}`) //nolint:errcheck // the reader sees it
	page := NewPageDecoder[item](r)
	var i item
	if err := page.Next(&i); err != nil || i.N != 1 {
		t.Fatalf("got %v, %v", i, err)
	}
	go w.CloseWithError(io.EOF)
	if err := page.Next(&i); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

type texts struct{ S, T string }

// The end of a string is found, whatever precedes the closing quote.
func TestStrings(t *testing.T) {
	t.Parallel()
	for quoted, want := range map[string]string{
		`"share\\"`:            `share\`,
		`"\\\""`:               `\"`,
		`"\\\\"`:               `\\`,
		`"\\\\\""`:             `\\"`,
		`"{[\"}],"`:            `{["}],`,
		"\"a\xffb\"":           "a\ufffdb",
		"\"a\xff\\\\\"":        "a\ufffd\\",
		`"\u0041\ud83d\ude00"`: "A😀",
		`""`:                   "",
	} {
		for _, unknown := range []string{"", `"U":` + quoted + `,`, `"U":[` + quoted + `],`} {
			object := `{` + unknown + `"S":` + quoted + `,"T":"end"}`
			var got texts
			if err := ReadObject([]byte(object), &got); err != nil || got != (texts{want, "end"}) {
				t.Errorf("%s: got %+v, %v", object, got, err)
			}
			got = texts{}
			if err := NewPageDecoder[texts](strings.NewReader(`{"Items":[` + object + `]}`)).Next(&got); err != nil || got != (texts{want, "end"}) {
				t.Errorf("in a page, %s: got %+v, %v", object, got, err)
			}
		}
	}
}

// The limit on the length of an item is exact, wherever the item is in the page and in the reader's buffer.
func TestMaxItemLength(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return `{"N":1,"M":"` + strings.Repeat("m", n-len(`{"N":1,"M":""}`)) + `"}` }
	for _, before := range []string{"", `{"N":1},`, strings.Repeat(`{"N":1},`, 100)} {
		for _, space := range []string{"", strings.Repeat(" ", maxSpace-1)} {
			for n, want := range map[int]error{maxValue: nil, maxValue + 1: errTooLong, 4 * maxValue: errTooLong} {
				_, _, err := readPage(strings.NewReader(`{"Items":[` + before + space + long(n) + `]}`))
				if !errors.Is(err, want) {
					t.Errorf("%d bytes after %d: %v", n, len(before)+len(space), err)
				}
			}
		}
	}
	// Endless white space is not a value, but it is limited too.
	if _, _, err := readPage(io.MultiReader(strings.NewReader(`{"Items":[`), spaces{})); !errors.Is(err, errTooLong) {
		t.Errorf("got %v", err)
	}
}

// spaces is a reader that returns spaces without end.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// other has fields of types that a later document may have. Package json decodes them.
type other struct {
	N      Int64
	Tags   []string           `json:"tags,omitempty"`
	Counts map[string]int     `json:"Counts"`
	Ratio  float64            // its name is that of the field
	Hidden string             `json:"-"`
	Inner  struct{ M *Int64 } // a pointer in an inner struct
}

// A property of any type is read, and no two items share what it refers to.
func TestOtherTypes(t *testing.T) {
	t.Parallel()
	const object = `{"N":1,"TAGS":["a","b"],"Counts":{"x":1},"Ratio":0.5,"Hidden":"h","Inner":{"M":"7"}}`
	page := NewPageDecoder[other](strings.NewReader(`{"Items":[` + object + `,` + object + `,{"N":2},` + object + `]}`))
	var items []other
	for {
		var o other
		err := page.Next(&o)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, o)
		if o.Tags != nil {
			o.Tags[0], o.Counts["x"], *o.Inner.M = "changed", 2, 8
		}
	}
	changed := other{N: 1, Tags: []string{"changed", "b"}, Counts: map[string]int{"x": 2}, Ratio: 0.5, Inner: struct{ M *Int64 }{new(Int64(8))}}
	if diff := cmp.Diff([]other{changed, changed, {N: 2}, changed}, items); diff != "" {
		t.Error(diff)
	}
	var o other
	err := ReadObject([]byte(`{"Ratio":"x","N":1}`), &o)
	if err == nil || !strings.HasPrefix(err.Error(), "Ratio: ") {
		t.Errorf("got %v", err)
	}
	for _, twice := range []string{`{"Tags":["a"],"Tags":["b"]}`, `{"Counts":{"x":1},"Counts":null}`} {
		if err := ReadObject([]byte(twice), &o); err != nil {
			t.Errorf("%s: %v", twice, err)
		}
	}
}
