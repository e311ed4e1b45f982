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

// firstResult is the time, and the number of bytes, until the first item of a page.
type firstResult struct {
	items int
	peers []string
	times map[string]map[string]series // by the way the page is sent, and by peer
	bytes map[string]int64             // bytes of the body, by peer
}

func measureFirst(ctx context.Context, peers []peer, n, rounds int) (*firstResult, error) {
	result := &firstResult{items: n, times: map[string]map[string]series{}, bytes: map[string]int64{}}
	for _, o := range peers {
		result.peers = append(result.peers, o.name)
		var err error
		if result.bytes[o.name], err = bytesToFirst(ctx, o.name, n); err != nil {
			return nil, err
		}
	}
	for _, how := range []string{sendPrepared, sendSlow} {
		result.times[how] = map[string]series{}
		for range rounds {
			for _, o := range peers {
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
		"first of " + thousands(r.items) + " backups", "bytes sent before it",
		"time", "× iterator", "time at " + megabytes(slowRate) + "/s", "× iterator",
	}}
	for _, name := range r.peers {
		row := []string{name, kilobytes(float64(r.bytes[name]))}
		for _, how := range []string{sendPrepared, sendSlow} {
			s := r.times[how]
			row = append(row, duration(s[name].seconds()), ratio(s[name].ratio(s[iterator])))
		}
		t.add(row...)
	}
	return t
}

// bytesToFirst returns how many bytes of a page of n items a server must send before a peer returns the first
// item. The server sends each chunk only after the client has read all previous chunks and reads again.
func bytesToFirst(ctx context.Context, name string, n int) (int64, error) {
	const chunk = 1 << 10
	page := preparePage(n)
	var sent atomic.Int64
	want := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(page)))
		flush := http.NewResponseController(w).Flush
		_ = flush() // send the header
		for i := 0; i < len(page); i += chunk {
			select {
			case <-want:
			case <-r.Context().Done():
				return
			}
			data := page[i:min(i+chunk, len(page))]
			sent.Add(int64(len(data)))
			if _, err := w.Write(data); err != nil || flush() != nil {
				return
			}
		}
	}))
	defer server.Close()
	peers, err := newPeers(server.URL, roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := server.Client().Transport.RoundTrip(req)
		if err == nil {
			resp.Body = &pullingBody{body: resp.Body, sent: &sent, want: want}
		}
		return resp, err
	}))
	if err != nil {
		return 0, err
	}
	first := int64(-1)
	err = named(peers, name)[0].list(ctx, serviceID(sendPrepared, n), func(string) bool {
		first = sent.Load()
		return false
	})
	return first, err
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// A pullingBody requests the next chunk on a read after all chunks so far were read.
type pullingBody struct {
	body io.ReadCloser
	read int64
	sent *atomic.Int64
	want chan<- struct{}
}

func (b *pullingBody) Read(p []byte) (int, error) {
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

func (b *pullingBody) Close() error { return b.body.Close() }
