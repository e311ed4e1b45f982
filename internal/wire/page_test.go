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

func (i *item) Field(name []byte) any {
	if string(name) == "N" {
		return &i.N
	}
	return nil
}

func (*item) Names() []string { return []string{"N"} }

// readPage reads a page to its end.
func readPage(r io.Reader) (items []int64, token string, err error) {
	page := NewPage[item](r)
	for {
		var i item
		if err := page.Next(&i); err != nil {
			if again := page.Next(&i); again != err { //nolint:errorlint // it has to be the same
				return nil, "", errors.New("the error changes")
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
		{"the last one", `{"Items":[{"N":"1"}],"ContinuationToken":null}`, []int64{1}, ""},
		{"no items", `{"Items":[]}`, nil, ""},
		{"items of null", `{"Items":null,"ContinuationToken":""}`, nil, ""},
		{"nothing", ` {} `, nil, ""},
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

// A page that breaks off anywhere is an error, and the items before the break are there.
func TestPageBreaksOff(t *testing.T) {
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

func TestPagesThatAreNone(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		`null`:                        "not a page of backups but JSON null",
		`[]`:                          "not a page of backups but JSON [",
		`<html>`:                      "not a page of backups: jsontext: invalid character '<'",
		`{"Error":{}}`:                "not a page of backups but another object",
		`{"Items":7}`:                 "the items are an array",
		`{"Items":[null]}`:            "item 0: unexpected JSON null",
		`{"Items":[{"N":1},7]}`:       "item 1: ",
		`{"Items":[{"N":"x"}]}`:       `"x" is not an int64`,
		`{"Items":[]}x`:               "invalid character 'x'",
		`{"Items":[]}{}`:              "something follows the page",
		`{"Items":[{"N":1}}`:          "invalid character '}'",
		`{"Items":[],}`:               "invalid character ','",
		`{"ContinuationToken":true}`:  "unexpected JSON true",
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

// An item is there before anything after it has arrived.
func TestPageStreams(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	go io.WriteString(w, `{"Items":[{"N":1}`) //nolint:errcheck // the reader sees it
	page := NewPage[item](r)
	var i item
	if err := page.Next(&i); err != nil || i.N != 1 {
		t.Fatalf("got %v, %v", i, err)
	}
	go w.CloseWithError(io.EOF)
	if err := page.Next(&i); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

func TestReadError(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ body, code, message string }{
		{`{"Error":{"Code":"E_INVALIDARG","Message":"m"}}`, "E_INVALIDARG", "m"},
		{`{"Code":"E_INVALIDARG","Message":"m"}`, "E_INVALIDARG", "m"},
		{`{"error":{"message":"m","code":7}}`, "7", "m"},
		{`{"Message":"m","ExceptionMessage":"e"}`, "", "m"},
		{`{"x":{"Code":"no"},"Error":{"y":[],"Code":"E_ABORT"`, "E_ABORT", ""},
		{`{"Error":{"Code":"E_AB`, "", ""},
		{`{"Error":`, "", ""},
		{`{"Error":"text"}`, "", ""},
		{`{"Code":null,"Message":5}`, "", ""},
		{`{"Code":"E_ABORT",oops`, "E_ABORT", ""},
		{`"E_ABORT"`, "", ""},
		{`<html>`, "", ""},
		{``, "", ""},
	} {
		if code, message := ReadError([]byte(tt.body)); code != tt.code || message != tt.message {
			t.Errorf("%s: got %q, %q", tt.body, code, message)
		}
	}
}

type texts struct{ S, T string }

func (s *texts) Field(name []byte) any {
	switch string(name) {
	case "S":
		return &s.S
	case "T":
		return &s.T
	}
	return nil
}

func (*texts) Names() []string { return []string{"S", "T"} }

// Strings end where they end, whatever stands before the quote.
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
			if err := NewPage[texts](strings.NewReader(`{"Items":[` + object + `]}`)).Next(&got); err != nil || got != (texts{want, "end"}) {
				t.Errorf("in a page, %s: got %+v, %v", object, got, err)
			}
		}
	}
}

// An item has a longest length, wherever in the page and in the reader's buffer it is.
func TestLongestItem(t *testing.T) {
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
	// White space without end is no value, and ends all the same.
	if _, _, err := readPage(io.MultiReader(strings.NewReader(`{"Items":[`), spaces{})); !errors.Is(err, errTooLong) {
		t.Errorf("got %v", err)
	}
}

// spaces is an endless reader.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// Texts that fall in the same place of the table stay what they are.
func TestSharedStrings(t *testing.T) {
	t.Parallel()
	var shared sharedStrings
	for range 3 {
		for i := range 1000 {
			if text := strings.Repeat("x", i%80) + string(rune('a'+i%26)); shared.get([]byte(text)) != text {
				t.Fatalf("%q is another", text)
			}
		}
	}
}
