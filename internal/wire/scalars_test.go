package wire

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

// A roundTrip is JSON, the value that it is read as, and the JSON that the value is written as.
type roundTrip[T any] struct {
	data    string
	want    T
	written string // "" if reading returns an error
}

func testRoundTrips[T any](t *testing.T, tests []roundTrip[T]) {
	t.Helper()
	for _, tt := range tests {
		var got T
		err := json.Unmarshal([]byte(tt.data), &got, Tolerant)
		if (err != nil) != (tt.written == "") {
			t.Errorf("%s: %v", tt.data, err)
		}
		if err != nil {
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.data, diff)
		}
		if written, err := json.Marshal(got); err != nil || string(written) != tt.written {
			t.Errorf("%s is written as %s, %v", tt.data, written, err)
		}
	}
}

func TestInt64(t *testing.T) {
	t.Parallel()
	testRoundTrips(t, []roundTrip[Int64]{
		{`"261"`, 261, `"261"`},
		{`261`, 261, `"261"`},
		{`-1`, -1, `"-1"`},
		{`"-9223372036854775808"`, -1 << 63, `"-9223372036854775808"`},
		{`9223372036854775807`, 1<<63 - 1, `"9223372036854775807"`},
		{`null`, 0, `"0"`},
		{`""`, 0, `"0"`},
		{data: `"9223372036854775808"`},
		{data: `9223372036854775808`},
		{data: `1.5`},
		{data: `1e3`},
		{data: `"0x10"`},
		{data: `" 1"`},
		{data: `true`},
		{data: `{}`},
		{data: `[]`},
		{data: `"1`},
	})
}

func TestSymbol(t *testing.T) {
	t.Parallel()
	testRoundTrips(t, []roundTrip[Symbol]{
		{`"Success"`, "Success", `"Success"`},
		{`17`, "17", `"17"`},
		{`2148734263`, "2148734263", `"2148734263"`},
		{`null`, "", `""`},
		{data: `false`},
		{data: `[]`},
	})
}

func TestTime(t *testing.T) {
	t.Parallel()
	at := func(nanoseconds int) Time { return Time{time.Date(2018, 1, 1, 9, 0, 55, nanoseconds, time.UTC)} }
	testRoundTrips(t, []roundTrip[Time]{
		{`"2018-01-01T09:00:55Z"`, at(0), `"2018-01-01T09:00:55Z"`},
		{`"2018-01-01T11:00:55+02:00"`, at(0), `"2018-01-01T09:00:55Z"`},
		{`"2018-01-01T09:00:55"`, at(0), `"2018-01-01T09:00:55Z"`},
		{`"2018-01-01T09:00:55.1234567Z"`, at(123456700), `"2018-01-01T09:00:55.1234567Z"`},
		{`"2018-01-01T09:00:55.5"`, at(5e8), `"2018-01-01T09:00:55.5Z"`},
		{`"0001-01-01T00:00:00Z"`, Time{}, `"0001-01-01T00:00:00Z"`},
		{`"0001-01-01T08:00:00Z"`, Time{}, `"0001-01-01T00:00:00Z"`},
		{`null`, Time{}, `"0001-01-01T00:00:00Z"`},
		{`""`, Time{}, `"0001-01-01T00:00:00Z"`},
		{data: `"2018-01-01"`},
		{data: `"2018-02-30T00:00:00Z"`},
		{data: `1514797255`},
	})
}

// Decoding into a value that is not zero overwrites all of it.
func TestScalarsAreOverwritten(t *testing.T) {
	t.Parallel()
	v := struct {
		N Int64
		S Symbol
		T Time
		P PartitionInformation
	}{7, "x", Time{time.Now()}, PartitionInformation{Name: "x", Kind: PartitionNamed}}
	if err := json.Unmarshal([]byte(`{"N":null,"S":null,"T":null,"P":null}`), &v); err != nil {
		t.Fatal(err)
	}
	if v.N != 0 || v.S != "" || !v.T.IsZero() || v.P.Kind != "" || v.P.Name != "" {
		t.Errorf("got %+v", v)
	}
}
