package contract_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
)

// A hostileInput is an input that is made to cost much. Its size is proportional to n.
type hostileInput struct {
	name string
	n    int
	make func(n int) hostileExchange
}

// A hostileExchange is one exchange, or a recording if har is set.
type hostileExchange struct {
	target   string // with the method
	sent     []byte
	status   int
	header   http.Header
	received []byte
	plain    int // the size of the body without its compression; 0: it is not compressed
	har      []byte
}

func (x hostileExchange) size() int {
	return len(x.target) + len(x.sent) + max(len(x.received), x.plain) + len(x.har)
}

// check checks the exchange and returns the text of the error.
func (x hostileExchange) check(v *contract.Validator) string {
	if x.har != nil {
		return fmt.Sprint(v.Recording(bytes.NewReader(x.har)))
	}
	method, target, _ := strings.Cut(x.target, " ")
	req, err := http.NewRequest(method, "http://h"+target, bytes.NewReader(x.sent)) //nolint:noctx // it is not sent
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if x.status == 0 {
		return fmt.Sprint(v.CheckRequest(req))
	}
	if x.header == nil {
		x.header = http.Header{}
	}
	x.header.Set("Content-Type", "application/json")
	resp := &http.Response{StatusCode: x.status, Header: x.header, Body: io.NopCloser(bytes.NewReader(x.received))}
	return fmt.Sprint(v.CheckResponse(req, resp))
}

func inResponse(target, body string) hostileExchange {
	return hostileExchange{target: target, status: http.StatusOK, received: []byte(body)}
}

const hostileStart = "POST " + onPartition + "Backup?api-version=6.4"

var hostileInputs = []hostileInput{
	{"duplicate keys under a long name", 4 << 10, func(n int) hostileExchange {
		return hostileExchange{target: hostileStart, sent: fmt.Appendf(nil, `{"%s":{%s"a":1}}`, strings.Repeat("n", 9*n), strings.Repeat(`"a":1,`, n))}
	}},
	{"Services in a path", 8 << 10, func(n int) hostileExchange {
		return hostileExchange{target: "GET " + strings.Repeat("/Services", n)}
	}},
	{"Services in a path of an operation", 8 << 10, func(n int) hostileExchange {
		return hostileExchange{target: "GET " + strings.Repeat("/Services", n) + "/$/GetBackups"}
	}},
	{"slashes in a path", 64 << 10, func(n int) hostileExchange {
		return hostileExchange{target: "GET " + strings.Repeat("/", n) + "Services/x/$/GetBackups"}
	}},
	{"wrong items", 64 << 10, func(n int) hostileExchange {
		return inResponse(listOf, `{"Items":[1`+strings.Repeat(",1", n)+`]}`)
	}},
	{"items with wrong properties", 2 << 10, func(n int) hostileExchange {
		return inResponse(listOf, `{"Items":[{}`+strings.Repeat(`,{"BackupId":"x","BackupType":7,"CreationTimeUtc":null,"X":{"a":1,"a":2}}`, n)+`]}`)
	}},
	{"items with wrong unions", 2 << 10, func(n int) hostileExchange {
		return inResponse(listOf, `{"Items":[{}`+strings.Repeat(`,{"PartitionInformation":{"Id":{"a":1},"ServicePartitionKind":"x"}},{"FailureError":{"Code":[[]]}}`, n)+`]}`)
	}},
	{"unknown properties", 16 << 10, func(n int) hostileExchange {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"%d":1`, i)
		}
		return inResponse(progressOf, `{"BackupState":"Success"`+b.String()+`}`)
	}},
	{"unknown properties with long names", 64, func(n int) hostileExchange {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"%s%d":1`, strings.Repeat("n", 4<<10), i)
		}
		return inResponse(progressOf, `{"BackupState":"Success"`+b.String()+`}`)
	}},
	{"duplicate keys in deep arrays", 2 << 10, func(n int) hostileExchange {
		return inResponse(progressOf, `{"X":`+strings.Repeat("[", n)+`{"a":1`+strings.Repeat(`,"a":1`, 4*n)+`}`+strings.Repeat("]", n)+`}`)
	}},
	{"unknown properties in deep objects", 2 << 10, func(n int) hostileExchange {
		return inResponse(progressOf, `{"X":`+strings.Repeat(`{"a":0,"a":`, n)+`0`+strings.Repeat("}", n)+`}`)
	}},
	{"small values", 64 << 10, func(n int) hostileExchange {
		return inResponse(progressOf, `{"X":[{}`+strings.Repeat(`,{"":0}`, n)+`]}`)
	}},
	{"an error that is deep", 2 << 10, func(n int) hostileExchange {
		x := inResponse(progressOf, `{"Error":{"Code":`+strings.Repeat("[", n)+strings.Repeat("]", n)+`}}`)
		x.status = http.StatusInternalServerError
		return x
	}},
	{"a long invalid string", 64 << 10, func(n int) hostileExchange {
		return inResponse(progressOf, `{"BackupState":"`+strings.Repeat(`\u0020`, n)+`"}`)
	}},
	{"parameters", 32 << 10, func(n int) hostileExchange {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "&%d=1&timeout=x&%%zz", i)
		}
		return hostileExchange{target: progressOf + b.String()}
	}},
	{"a compressed page", 1 << 20, func(n int) hostileExchange {
		body := `{"Items":[` + strings.Repeat(" ", n) + `]}`
		x := inResponse(listOf, "")
		x.received, x.plain = gzipped(body), len(body)
		x.header = http.Header{"Content-Encoding": {"gzip"}}
		return x
	}},
	{"a recording of empty entries", 64 << 10, func(n int) hostileExchange {
		return hostileExchange{har: []byte(`{"log":{"entries":[{}` + strings.Repeat(`,{}`, n) + `]}}`)}
	}},
	{"a recording of wrong entries", 512, func(n int) hostileExchange {
		const entry = `{"request":{"method":"GET","url":"http://h` + progressURL + `&x=1","headers":[{"name":"a","value":"b"}]},"response":{"status":200,"content":{"size":1}}}`
		return hostileExchange{har: []byte(`{"log":{"entries":[` + entry + strings.Repeat(`,`+entry, n) + `]}}`)}
	}},
}

// The cost of an exchange is linear in its size, and its error is limited, whatever it contains. The test compares the
// allocations for inputs of which each is twice as long as the one before, so it cannot run beside other tests.
func TestHostile(t *testing.T) { //nolint:paralleltest // see above
	const (
		growth   = 2.2
		perByte  = 100
		fixed    = 8 << 20
		maxError = 64 << 10
		slack    = 256 << 10 // bytes, for what small inputs cost
	)
	v := newValidator(t, openapi.Runtime)
	steps := 4
	if raceEnabled() {
		steps = 3 // it is ten times slower
	}
	for _, input := range hostileInputs {
		var costs []cost
		for step := range steps {
			x := input.make(input.n << step)
			text := ""
			var c cost
			c.add(func() error { text = x.check(v); return nil })
			if len(text) > maxError {
				t.Errorf("%s: %d bytes have an error of %d", input.name, x.size(), len(text))
			}
			if limit := uint64(perByte*x.size() + fixed); c.bytes > limit {
				t.Errorf("%s: %d bytes allocated %d, which is more than %d", input.name, x.size(), c.bytes, limit)
			}
			// A slice that grows is copied at some sizes only, so that two steps tell more than one.
			if costs = append(costs, c); step >= 2 {
				before := costs[step-2]
				if float64(c.bytes) > growth*growth*float64(before.bytes)+slack || float64(c.allocs) > growth*growth*float64(before.allocs)+100 {
					t.Errorf("%s: %d bytes cost %+v, a quarter of them %+v", input.name, x.size(), c, before)
				}
			}
		}
	}
	runtime.GC()
}

// BenchmarkHostile checks each hostile input at one, two and four times its size.
func BenchmarkHostile(b *testing.B) {
	v := newValidator(b, openapi.Runtime)
	for _, input := range hostileInputs {
		for step := range 3 {
			x := input.make(input.n << step)
			b.Run(fmt.Sprintf("%s/%dx", input.name, 1<<step), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(x.size()))
				for b.Loop() {
					x.check(v)
				}
			})
		}
	}
}
