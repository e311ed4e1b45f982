package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// A fleet is a way to back up many partitions. Its run calls look after each backup.
type fleet struct {
	name string
	run  func(ctx context.Context, url string, partitions []uuid.UUID, concurrency int, look func()) error
}

const (
	backupMany = "this client, BackupMany"
	bareLoop   = "bare net/http loop"
	bareLoop16 = "bare net/http loop, 16 at a time"
)

var fleets = []fleet{
	{bareLoop, backUpBare},
	{bareLoop16, func(ctx context.Context, url string, partitions []uuid.UUID, concurrency int, look func()) error {
		return backUpBare(ctx, url, partitions, min(concurrency, 16), look)
	}},
	{backupMany, backUpMany},
}

func backUpMany(ctx context.Context, url string, partitions []uuid.UUID, concurrency int, look func()) error {
	client, err := sfbackup.NewClient(url)
	if err != nil {
		return err
	}
	ended := 0
	results, err := client.BackupMany(ctx, slices.Values(partitions), &sfbackup.BackupManyOptions{
		Concurrency: concurrency,
		OnCount:     func(sfbackup.BackupCount) { look() },
	})
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
		ended++
	}
	if ended != len(partitions) {
		return fmt.Errorf("%d of %d backups have ended", ended, len(partitions))
	}
	return nil
}

// backUpBare sends the same requests, including the one that reads the progress before a start. It does not
// decode the responses, because every backup has ended by the first poll.
func backUpBare(ctx context.Context, url string, partitions []uuid.UUID, concurrency int, look func()) error {
	transport := &http.Transport{MaxIdleConnsPerHost: concurrency}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	send := func(method, path, body string, want int) error {
		req, err := http.NewRequestWithContext(ctx, method, url+path+"?api-version=6.4", strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("X-Servicefabricrequestid", "00000000-0000-0000-0000-000000000000:00000000-0000-0000-0000-000000000000")
		req.Header.Set("X-Servicefabricclienttype", "GoClientlib-linux")
		req.Header.Set("Accept", "application/json")
		req.Header.Set("User-Agent", "servicefabric-go-backup")
		if body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != want {
			return errors.New(resp.Status)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	var next atomic.Int64
	errs := make([]error, concurrency)
	var workers sync.WaitGroup
	for i := range concurrency {
		workers.Go(func() {
			for errs[i] == nil {
				n := int(next.Add(1)) - 1
				if n >= len(partitions) {
					return
				}
				partition := "/Partitions/" + partitions[n].String() + "/$/"
				errs[i] = errors.Join(
					send(http.MethodGet, partition+"GetBackupProgress", "", http.StatusOK),
					send(http.MethodPost, partition+"Backup", "{}", http.StatusAccepted),
					send(http.MethodGet, partition+"GetBackupProgress", "", http.StatusOK))
				look()
			}
		})
	}
	workers.Wait()
	return errors.Join(errs...)
}

// fleetResult has the measurements of all fleets against one kind of server.
type fleetResult struct {
	server      string
	partitions  int
	concurrency int
	samples     map[string]series
	connections map[string]int64 // the maximum
	goroutines  map[string]int64 // the maximum, above baseline
}

// measureFleets backs up n partitions with each fleet in turns. Each turn has a new server, so that it has no
// connections and its partitions have no backups.
func measureFleets(ctx context.Context, server string, n, concurrency, rounds int) (*fleetResult, error) {
	r := &fleetResult{
		server: server, partitions: n, concurrency: concurrency,
		samples: map[string]series{}, connections: map[string]int64{}, goroutines: map[string]int64{},
	}
	for range rounds {
		for _, f := range fleets {
			if err := r.measure(ctx, f); err != nil {
				return nil, fmt.Errorf("%s: %w", f.name, err)
			}
		}
	}
	return r, nil
}

func (r *fleetResult) measure(ctx context.Context, f fleet) error {
	child, err := startChild(r.server, fmt.Sprint(r.partitions))
	if err != nil {
		return err
	}
	defer child.stop()
	partitions := make([]uuid.UUID, len(child.state.Partitions))
	for i, id := range child.state.Partitions {
		if partitions[i], err = uuid.Parse(id); err != nil {
			return err
		}
	}
	start := settledGoroutines()
	var peak atomic.Int64
	s, err := measure(func() error {
		return f.run(ctx, child.state.URL, partitions, r.concurrency, func() {
			now := int64(runtime.NumGoroutine())
			for old := peak.Load(); now > old && !peak.CompareAndSwap(old, now); old = peak.Load() {
			}
		})
	})
	if err != nil {
		return err
	}
	if err := child.ask(); err != nil {
		return err
	}
	r.samples[f.name] = append(r.samples[f.name], s)
	r.connections[f.name] = max(r.connections[f.name], child.state.Connections)
	r.goroutines[f.name] = max(r.goroutines[f.name], peak.Load()-int64(start))
	return nil
}

// settledGoroutines returns the number of goroutines once those of closed connections have ended.
func settledGoroutines() int {
	n := runtime.NumGoroutine()
	for unchanged := 0; unchanged < 20; unchanged++ {
		time.Sleep(time.Millisecond)
		if now := runtime.NumGoroutine(); now != n {
			n, unchanged = now, 0
		}
	}
	return n
}

// throughput returns the number of backups per second of a fleet.
func (r *fleetResult) throughput(name string) float64 {
	return float64(r.partitions) / r.samples[name].seconds()
}

// share returns the ratio of the throughputs of two fleets.
func (r *fleetResult) share(name, of string) float64 { return r.samples[of].ratio(r.samples[name]) }

func (r *fleetResult) table(title string) *table {
	t := &table{header: []string{title, "backups per second", "× bare loop", "allocations per backup", "connections", "goroutines above baseline"}}
	for _, f := range fleets {
		t.add(f.name,
			figure(r.throughput(f.name)),
			ratio(r.share(f.name, bareLoop)),
			figure(r.samples[f.name].median(func(s sample) float64 { return s.allocs })/float64(r.partitions)),
			fmt.Sprint(r.connections[f.name]),
			fmt.Sprint(r.goroutines[f.name]))
	}
	return t
}

// fleetGrowth is the throughput by concurrency.
type fleetGrowth []*fleetResult

func measureFleetGrowth(ctx context.Context, n int, concurrencies []int, rounds int) (fleetGrowth, error) {
	var g fleetGrowth
	for _, c := range concurrencies {
		r, err := measureFleets(ctx, "cluster", n, c, rounds)
		if err != nil {
			return nil, err
		}
		g = append(g, r)
	}
	return g, nil
}

func (g fleetGrowth) table() *table {
	t := &table{header: []string{"backups per second with"}}
	for _, r := range g {
		t.header = append(t.header, fmt.Sprint(r.concurrency))
	}
	for _, name := range []string{bareLoop, backupMany} {
		row := []string{name}
		for _, r := range g {
			row = append(row, figure(r.throughput(name)))
		}
		t.add(row...)
	}
	row := []string{"× bare loop"}
	for _, r := range g {
		row = append(row, ratio(r.share(backupMany, bareLoop)))
	}
	t.add(row...)
	return t
}
