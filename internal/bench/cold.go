package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// coldPrograms are the programs that send one request: their names in the table and their directories.
var coldPrograms = []struct{ name, dir string }{
	{"bare net/http", "bare"},
	{"this client", "client"},
	{"stock client", "stock"},
	{azureSDK, "azure"},
}

// coldResult is the cost of the first request of a new process.
type coldResult struct {
	wall, cpu map[string]series // by dir
	packages  map[string]int
	size      map[string]int64
}

// measureCold builds the programs and runs them in turns.
func measureCold(ctx context.Context, rounds int) (*coldResult, error) {
	r := &coldResult{wall: map[string]series{}, cpu: map[string]series{}, packages: map[string]int{}, size: map[string]int64{}}
	bin, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(bin) //nolint:errcheck // it is a temporary directory
	for _, p := range coldPrograms {
		const module = "github.com/servicefabric-go/backup/internal/bench/cold/"
		list, err := command(ctx, "go", "list", "-deps", module+p.dir).Output()
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		r.packages[p.dir] = bytes.Count(list, []byte("\n"))
		file := filepath.Join(bin, p.dir)
		if out, err := command(ctx, "go", "build", "-trimpath", "-o", file, module+p.dir).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build: %w\n%s", err, out)
		}
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		r.size[p.dir] = info.Size()
	}

	server := httptest.NewServer(http.HandlerFunc(echoBackup))
	defer server.Close()
	for round := -1; round < rounds; round++ {
		for _, p := range coldPrograms {
			cmd := command(ctx, filepath.Join(bin, p.dir), server.URL, "1daae3f5-7fd6-42e9-b1ba-8c05f8739940")
			start := time.Now()
			out, err := cmd.Output()
			elapsed := time.Since(start)
			if err == nil && !strings.Contains(string(out), "Success") {
				err = errors.New("the output lacks the state Success")
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			if round < 0 {
				continue
			}
			r.wall[p.dir] = append(r.wall[p.dir], sample{elapsed: elapsed})
			r.cpu[p.dir] = append(r.cpu[p.dir], sample{elapsed: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()})
		}
	}
	return r, nil
}

func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, name, args...) //nolint:gosec // programs of this module, and the go command
}

func (r *coldResult) table() *table {
	t := &table{header: []string{"first request", "time", "× bare", "CPU time", "× bare", "packages", "binary", "× bare"}}
	for _, p := range coldPrograms {
		t.add(p.name,
			duration(r.wall[p.dir].seconds()), ratio(r.wall[p.dir].ratio(r.wall["bare"])),
			duration(r.cpu[p.dir].seconds()), ratio(r.cpu[p.dir].ratio(r.cpu["bare"])),
			fmt.Sprint(r.packages[p.dir]),
			megabytes(float64(r.size[p.dir])), ratio(float64(r.size[p.dir])/float64(r.size["bare"])))
	}
	return t
}
