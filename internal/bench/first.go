package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"time"
)

// firstResult is what it took until the first item of a page was there.
type firstResult struct {
	items     int
	opponents []string
	times     map[string]map[string]series // by how the page is sent, and by opponent
	bytes     map[string]int64             // of the body, by opponent
}

func measureFirst(ctx context.Context, opponents []opponent, n, rounds int) (*firstResult, error) {
	result := &firstResult{items: n, times: map[string]map[string]series{}, bytes: map[string]int64{}}
	for _, o := range opponents {
		result.opponents = append(result.opponents, o.name)
		var err error
		if result.bytes[o.name], err = bytesToFirst(ctx, o.name, n); err != nil {
			return nil, err
		}
	}
	for _, how := range []string{sendPrepared, sendSlow} {
		result.times[how] = map[string]series{}
		for range rounds {
			for _, o := range opponents {
				var elapsed time.Duration
				_, err := measure(func() error {
					start := time.Now()
					return o.list(ctx, serviceID(how, n), func(string) bool {
						elapsed = time.Since(start)
						return false
					})
				})
				if err != nil {
					return nil, err
				}
				result.times[how][o.name] = append(result.times[how][o.name], sample{elapsed: elapsed})
			}
		}
	}
	return result, nil
}

func (r *firstResult) table() *table {
	t := &table{header: []string{
		"first of " + thousands(r.items) + " backups", "body sent until then",
		"time", "× iterator", "time at " + megabytes(slowRate) + "/s", "× iterator",
	}}
	for _, name := range r.opponents {
		row := []string{name, kilobytes(float64(r.bytes[name]))}
		for _, how := range []string{sendPrepared, sendSlow} {
			s := r.times[how]
			row = append(row, duration(s[name].seconds()), ratio(s[name].ratio(s[iterator])))
		}
		t.add(row...)
	}
	return t
}

// bytesToFirst returns how much of the body of a page of n items a server has to send before an
// opponent has its first item. The server sends a small piece only when the client has read all that
// was sent before and wants more.
func bytesToFirst(ctx context.Context, name string, n int) (int64, error) {
	const piece = 1 << 10
	page := preparePage(n)
	var sent atomic.Int64
	want := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(page)))
		flush := http.NewResponseController(w).Flush
		_ = flush() // the header
		for i := 0; i < len(page); i += piece {
			select {
			case <-want:
			case <-r.Context().Done():
				return
			}
			part := page[i:min(i+piece, len(page))]
			sent.Add(int64(len(part)))
			if _, err := w.Write(part); err != nil || flush() != nil {
				return
			}
		}
	}))
	defer server.Close()
	opponents, err := newOpponents(server.URL, roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := server.Client().Transport.RoundTrip(req)
		if err == nil {
			resp.Body = &wantingBody{body: resp.Body, sent: &sent, want: want}
		}
		return resp, err
	}))
	if err != nil {
		return 0, err
	}
	first := int64(-1)
	err = named(opponents, name)[0].list(ctx, serviceID(sendPrepared, n), func(string) bool {
		first = sent.Load()
		return false
	})
	return first, err
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// A wantingBody asks for the next piece when it is read and has nothing left.
type wantingBody struct {
	body io.ReadCloser
	read int64
	sent *atomic.Int64
	want chan<- struct{}
}

func (b *wantingBody) Read(p []byte) (int, error) {
	if b.read == b.sent.Load() {
		select {
		case b.want <- struct{}{}:
		default:
		}
	}
	n, err := b.body.Read(p)
	b.read += int64(n)
	return n, err
}

func (b *wantingBody) Close() error { return b.body.Close() }
