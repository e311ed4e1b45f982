package wire

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// nest returns a value that is nested the given number of levels deep, in objects or arrays.
func nest(opening, closing string, levels int) string {
	return strings.Repeat(opening, levels) + "1" + strings.Repeat(closing, levels)
}

// The limit on nesting is exact, wherever the value is and in whatever chunks it arrives, and the items before
// the value are returned.
func TestMaxDepth(t *testing.T) {
	t.Parallel()
	const last = `,{"N":2}],"ContinuationToken":"t"}`
	wide := strings.Repeat(`{"x":[]},`, 200)
	for _, before := range []string{
		"", `"a":[` + wide + `1],`, `"a":"` + strings.Repeat(`[{\"\\`, 300) + `",`, `"a":` + strings.Repeat(" ", 3000) + nest(`[`, `]`, maxDepth) + `,`,
	} {
		for _, items := range []int{1, 60, 500} {
			start := `{` + before + `"Items":[` + strings.Repeat(`{"N":1},`, items)
			for levels, ok := range map[int]bool{maxDepth: true, maxDepth + 1: false, maxDepth + 3: false, 10_000: false} {
				for _, value := range []string{nest(`{"":`, `}`, levels), `{"N":7,"x":` + nest(`[`, `]`, levels-1) + `}`, `{"N":7,"x":[` + wide + nest(`[`, `]`, levels-2) + `]}`} {
					value = strings.Replace(value, `{"":`, `{"N":7,"":`, 1)
					for _, r := range []io.Reader{
						strings.NewReader(start + value + last), iotest.OneByteReader(strings.NewReader(start + value + last)), iotest.HalfReader(strings.NewReader(start + value + last)),
					} {
						got, _, err := readPage(r)
						if ok && (err != nil || len(got) != items+2) || !ok && (!errors.Is(err, errTooDeep) || len(got) != items) {
							t.Errorf("%d levels after %d items and %.10q: %d items, %v", levels, items, before, len(got), err)
						}
					}
				}
			}
		}
	}
	if got, _, err := readPage(strings.NewReader(`{"Items":[{"N":1}],"x":` + nest(`[`, `]`, maxDepth+1) + `}`)); !errors.Is(err, errTooDeep) || len(got) != 1 {
		t.Errorf("a property: got %v, %v", got, err)
	}
	for levels, want := range map[int]error{maxDepth: nil, maxDepth + 1: errTooDeep, 10_000: errTooDeep} {
		var got texts
		if err := ReadObject([]byte(`{"S":"s","x":`+nest(`[`, `]`, levels-1)+`}`), &got); !errors.Is(err, want) {
			t.Errorf("an object with %d levels: %v", levels, err)
		}
	}
}

// The limit on the length of names applies wherever they are.
func TestLongNames(t *testing.T) {
	t.Parallel()
	name := func(n int) string { return `"` + strings.Repeat("n", n) + `":1` }
	long := strings.Repeat(" ", maxRepeated) // puts what follows far into the value
	for _, n := range []int{maxName, maxName + 1, 4000, maxRepeated} {
		var want error
		if n > maxName {
			want = errLongName
		}
		for _, data := range []string{
			`{` + name(n) + `,"Items":[]}`, `{"x":{` + name(n) + `},"Items":[]}`, `{"Items":[{"N":1,` + name(n) + `}]}`, `{"Items":[{"N":1,"a":[{},{` + name(n) + `}]}]}`,
			`{"Items":[{"N":1,"x":"` + long + `","a":[1,{` + name(n) + `}]}]}`, `{"Items":[{"` + strings.Repeat(`\u004e`, n/6) + strings.Repeat("x", n%6) + `":1,"N":1}]}`,
		} {
			for _, size := range []int{1, 4000} {
				if _, _, err := readPage(&chunkReader{[]byte(data), size}); !errors.Is(err, want) {
					t.Errorf("%.20q of %d bytes: %v, want %v", data, len(data), err, want)
				}
			}
		}
		if err := ReadObject([]byte(`{"S":"`+long+`",`+name(n)+`}`), new(texts)); !errors.Is(err, want) {
			t.Errorf("an object with a name of %d bytes: %v", n, err)
		}
		if err := ReadStored([]byte(`{"S":"`+long+`",`+name(n)+`}`), new(texts)); err != nil {
			t.Errorf("a stored object with a name of %d bytes: %v", n, err)
		}
	}
	// Only names are limited.
	for _, data := range []string{`{"Items":[{"N":1,"a":[1,"` + long + `","b"]}]}`, `{"Items":[{"N":1,"a\":[":"` + long + `","b":{}}]}`} {
		if _, _, err := readPage(strings.NewReader(data)); err != nil {
			t.Errorf("%.20q of %d bytes: %v", data, len(data), err)
		}
	}
}

// A value that is nested too deep is rejected before the decoder recurses into it: 20 KB of brackets would
// cost 4 MiB of stack. This test is not parallel, because it would count the stacks of other tests.
func TestStackSize(t *testing.T) {
	for _, data := range []string{
		`{"x":` + nest(`[`, `]`, 9000) + `}`, `{"x":` + nest(`{"":`, `}`, 9000) + `}`, `{"Items":[{"N":` + strings.Repeat("[", 9000),
		`{"Items":[{"N":1},{"x":"]]` + strings.Repeat(`\"`, 3000) + `","x":` + nest(`[`, `]`, 9000) + `}]}`,
	} {
		for name, read := range map[string]func(){
			"page":               func() { _, _, _ = readPage(strings.NewReader(data)) },
			"page, byte by byte": func() { _, _, _ = readPage(iotest.OneByteReader(strings.NewReader(data))) },
			"object":             func() { _ = ReadObject([]byte(data), new(texts)) },
		} {
			grown := uint64(1 << 62)
			for range 4 { // take the minimum: the garbage collector needs stacks too
				done := make(chan struct{})
				go func() {
					defer close(done)
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					read()
					runtime.ReadMemStats(&after)
					grown = min(grown, after.StackInuse-min(before.StackInuse, after.StackInuse))
				}()
				<-done
			}
			if grown > 128<<10 {
				t.Errorf("%s, %.20q: the stack grows by %d bytes", name, data, grown)
			}
		}
	}
}

// Strings are decoded as package encoding/json decodes them, with a buffer or without.
func FuzzString(f *testing.F) {
	for _, text := range []string{
		"", "plain", "a\xffb", `\u0041\ud83d\ude00`, "\\ud83d\xff\\ude00", "\\ud83d\\ud83d\\ude00\xed\xa0\x80", "\xff\\n\\\\\\\"\\/", "\ufffd\xff\ufffd", "\xe2\x82",
		strings.Repeat("x", 64) + "\xff\\u00e9", strings.Repeat("\xff", 100),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		quoted := slices.Concat([]byte{'"'}, text, []byte{'"'})
		var want string
		if json.Unmarshal(quoted, &want) != nil {
			return
		}
		buffer := []byte("old content")
		var set string
		setText(reflect.ValueOf(&set).Elem(), quoted, &buffer)
		for name, got := range map[string]string{
			"unquote": string(unquote(quoted, &buffer)), "unquoteInvalidUTF8": unquoteInvalidUTF8(quoted), "setText": set,
		} {
			if got != want {
				t.Errorf("%s of %q is %q, want %q", name, quoted, got, want)
			}
		}
	})
}

// A page reads the same in whatever chunks it arrives, up to the first error. Valid JSON is rejected as too
// deep only if it is. (Invalid JSON may have several errors.)
func FuzzPageInChunks(f *testing.F) {
	for _, page := range []string{
		`{"Items":[{"N":"1"},{"N":2}],"ContinuationToken":"a\u0023b","x":[1,{"y":null}]}`,
		`{"Items":[{"N":1,"x":` + nest(`[`, `]`, maxDepth-1) + `},{"N":2,"x":` + nest(`[`, `]`, maxDepth) + `}]}`,
		`{"x":` + nest(`{"":`, `}`, maxDepth) + `,"y":"[[\"[[\\","Items":[` + strings.Repeat(`{"N":1},`, 70) + `{}]}`,
		`{"x":[` + strings.Repeat("[],", 70) + nest(`[`, `]`, maxDepth-1) + `],"Items":[]}` + strings.Repeat(" ", 10),
		`{"Items":[{"N":1},` + strings.Repeat("[", 200),
	} {
		for _, size := range []uint8{1, 7, 100} {
			f.Add([]byte(page), size)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		items, token, err := readPage(strings.NewReader(string(data)))
		again, againToken, againErr := readPage(&chunkReader{data, int(size) + 1})
		if !slices.Equal(items, again) || token != againToken || (err == nil) != (againErr == nil) {
			t.Errorf("%q is read as %v, %q, %v, and in chunks of %d as %v, %q, %v", data, items, token, err, int(size)+1, again, againToken, againErr)
		}
		deepest := depthOf(data)
		for _, err := range []error{err, againErr} {
			if errors.Is(err, errTooDeep) && json.Valid(data) && deepest <= maxDepth || err == nil && deepest > maxDepth+2 {
				t.Errorf("%q is %d levels deep: %v", data, deepest, err)
			}
		}
	})
}

// depthOf returns the nesting depth of JSON, up to the first syntax error.
func depthOf(data []byte) (deepest int) {
	depth := 0
	for dec := json.NewDecoder(strings.NewReader(string(data))); ; {
		tok, err := dec.Token()
		if err != nil {
			return deepest
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
			deepest = max(deepest, depth)
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
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
