package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// The client reads an item by its difference to the ones before, so pages whose items differ more are measured too.

// A shape is a kind of page. Its function changes the members of item i, which are written as `"name":value`.
type shape struct {
	name   string
	items  int
	change func(i int, members []string) []string
}

var shapes = []shape{
	{"alike, as above", 1000, func(_ int, m []string) []string { return m }},
	{"alike, pages of 100", 100, func(_ int, m []string) []string { return m }},
	{"alike, pages of 10", 10, func(_ int, m []string) []string { return m }},
	{"alike, pages of 1", 1, func(_ int, m []string) []string { return m }},
	{"every text differs", 1000, func(i int, m []string) []string {
		for j := range m {
			m[j] = replaceDigits(m[j], uint64(i*len(m)+j))
		}
		return m
	}},
	{"four shapes in turn", 1000, func(i int, m []string) []string { return inShape(i%4, m) }},
	{"six shapes in turn", 1000, func(i int, m []string) []string { return inShape(i%6, m) }},
	{"members in another order", 1000, func(i int, m []string) []string {
		random := rand.New(rand.NewPCG(0, uint64(i))) //nolint:gosec // the same pages in every run
		random.Shuffle(len(m), func(i, j int) { m[i], m[j] = m[j], m[i] })
		return m
	}},
	{"names in another case", 1000, func(i int, m []string) []string {
		for j := range m {
			name, value, _ := strings.Cut(m[j], ":")
			if i>>(j%10)&1 == 0 {
				name = strings.ToLower(name)
			} else {
				name = strings.ToUpper(name)
			}
			m[j] = name + ":" + value
		}
		return m
	}},
	{"texts of 1 KB", 1000, func(i int, m []string) []string {
		location := slices.IndexFunc(m, func(s string) bool { return strings.HasPrefix(s, `"BackupLocation"`) })
		m[location] = fmt.Sprintf(`"BackupLocation":"%s\\%d"`, strings.Repeat("location", 128), i)
		return m
	}},
	{"partitions of an unknown kind", 1000, func(_ int, m []string) []string {
		for j := range m {
			m[j] = strings.Replace(m[j], "Int64Range", "Ring", 1)
		}
		return m
	}},
}

// inShape returns the members of an item in one of six shapes.
func inShape(n int, members []string) []string {
	for j, m := range members {
		switch {
		case n%2 == 1 && strings.HasPrefix(m, `"FailureError"`):
			members[j] = `"FailureError":{"Code":"FABRIC_E_TIMEOUT","Message":"The backup has timed out."}`
		case n/2 == 1 && strings.HasPrefix(m, `"PartitionInformation"`):
			members[j] = `"PartitionInformation":{"ServicePartitionKind":"Singleton","Id":"1daae3f5-7fd6-42e9-b1ba-8c05f8739940"}`
		case n/2 == 2 && strings.HasPrefix(m, `"PartitionInformation"`):
			members[j] = `"PartitionInformation":{"ServicePartitionKind":"Named","Name":"north","Id":"1daae3f5-7fd6-42e9-b1ba-8c05f8739940"}`
		}
	}
	return members
}

// replaceDigits replaces the digits in the value of a member, except in times and in the name of a kind.
func replaceDigits(member string, seed uint64) string {
	random := rand.New(rand.NewPCG(1, seed)) //nolint:gosec // the same pages in every run
	if strings.HasPrefix(member, `"CreationTimeUtc"`) {
		return member
	}
	b := []byte(strings.NewReplacer("fabric:/", fmt.Sprintf("fabric:/%d", seed), "1.0.0", fmt.Sprintf("1.%d", seed)).Replace(member))
	for i, c := range b {
		if '2' <= c && c <= '8' {
			b[i] = "12345678"[random.IntN(int(c-'0'))] // not more than before, or a key could be out of range
		}
	}
	return kindInt64Range.ReplaceAllString(string(b), "Int64Range")
}

var kindInt64Range = regexp.MustCompile("Int[0-9]+Range")

// page returns a page of the shape.
func (s *shape) page() []byte {
	b := []byte(pageHead)
	for i := range s.items {
		item := bytes.TrimPrefix(appendItem(nil, i), []byte(","))
		var members []string
		dec := jsontext.NewDecoder(bytes.NewReader(item))
		_, _ = dec.ReadToken()
		for dec.PeekKind() == '"' {
			name, _ := dec.ReadValue()
			member := string(name) + ":"
			value, _ := dec.ReadValue()
			members = append(members, member+string(value))
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '{'), strings.Join(s.change(i, members), ",")...), '}')
	}
	return append(b, pageTail...)
}

// memory is a transport that responds to every request with the same body.
type memory []byte

func (m memory) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Request: req, Header: http.Header{"Content-Type": {"application/json"}},
		ContentLength: int64(len(m)), Body: io.NopCloser(bytes.NewReader(m)),
	}, nil
}

// shapeResult is the cost of reading a shape, per item, with the client and with the jsontext scan.
type shapeResult struct {
	name      string
	own, scan series
}

// measureShapes reads each shape, and a progress, with the client and with the jsontext scan in turns. The bodies
// come from memory.
func measureShapes(ctx context.Context, rounds int) ([]*shapeResult, error) {
	var results []*shapeResult
	for _, s := range shapes {
		page := s.page()
		peers, err := newPeers("http://localhost", memory(page))
		if err != nil {
			return nil, err
		}
		own, scan := named(peers, iterator)[0], named(peers, jsontextScan)[0]
		r, err := measureShape(s.name, s.items, rounds, func() error {
			n := 0
			err := own.list(ctx, "a/b", func(string) bool { n++; return true })
			if err == nil && n != s.items {
				err = fmt.Errorf("%s: read %d of %d backups", s.name, n, s.items)
			}
			return err
		}, func() error { return scan.list(ctx, "a/b", nil) })
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	peers, err := newPeers("http://localhost", memory(progressBody))
	if err != nil {
		return nil, err
	}
	client, err := sfbackup.NewClient("http://localhost", sfbackup.WithHTTPClient(&http.Client{Transport: memory(progressBody)}))
	if err != nil {
		return nil, err
	}
	r, err := measureShape("the progress of a backup", 1, rounds, func() error {
		_, err := client.BackupProgress(ctx, uuid.Max)
		return err
	}, func() error { return named(peers, jsontextScan)[0].list(ctx, "a/b", nil) })
	return append(results, r), err
}

func measureShape(name string, items, rounds int, own, scan func() error) (*shapeResult, error) {
	r := &shapeResult{name: name}
	times := max(1, 10_000/items)
	for round := -1; round < rounds; round++ { // the first round is a warm-up
		for _, f := range []struct {
			read func() error
			to   *series
		}{{own, &r.own}, {scan, &r.scan}} {
			s, err := measure(func() error {
				var errs error
				for range times {
					errs = errors.Join(errs, f.read())
				}
				return errs
			})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if round >= 0 {
				*f.to = append(*f.to, s.dividedBy(times*items))
			}
		}
	}
	return r, nil
}

func shapeTable(results []*shapeResult) *table {
	t := &table{header: []string{"items", "time per item", "× jsontext scan", "allocations per item"}}
	for _, r := range results {
		t.add(r.name, duration(r.own.seconds()), ratio(r.own.ratio(r.scan)), figure(r.own.median(func(s sample) float64 { return s.allocs })))
	}
	return t
}
