package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// Servers run in a child process, so that the goroutines, the heap and the garbage collector that are measured
// are only the client's. The child runs this program again, and exits at the end of its standard input.

// serverState is what a server reports.
type serverState struct {
	URL         string
	Partitions  []string // of the cluster in memory
	Connections int64    // accepted so far
}

// serve runs a server until the end of in. For each line that it reads from in, it writes its state to out.
func serve(args []string, in io.Reader, out io.Writer) error {
	var handler http.Handler
	var state serverState
	switch {
	case len(args) == 1 && args[0] == "pages":
		handler = &pageServer{}
	case len(args) == 2 && (args[0] == "cluster" || args[0] == "echo"):
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		cluster := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.LargeCluster(n/10, 10, 0)...))
		for _, id := range cluster.Partitions() {
			cluster.SetOutcome(id, sfbackuptest.Outcome{Accepted: -1, Running: -1})
			state.Partitions = append(state.Partitions, id.String())
		}
		if handler = cluster; args[0] == "echo" {
			handler = http.HandlerFunc(echoBackup)
		}
	default:
		return fmt.Errorf("unknown server %q", args)
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not block
	if err != nil {
		return err
	}
	var connections atomic.Int64
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute, ConnState: func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}}
	go func() { _ = server.Serve(listener) }()
	defer server.Close() //nolint:errcheck // the process ends
	state.URL = "http://" + listener.Addr().String()
	for lines := bufio.NewScanner(in); lines.Scan(); {
		state.Connections = connections.Load()
		if err := json.NewEncoder(out).Encode(state); err != nil {
			return err
		}
	}
	return nil
}

// A child is a server in a child process.
type child struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	state serverState
}

func startChild(args ...string) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.Background(), program, append([]string{"-serve"}, args...)...) //nolint:gosec // this program
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, in: in, out: bufio.NewReader(out)}
	return c, c.ask()
}

// ask updates the state.
func (c *child) ask() error {
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		return err
	}
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		return errors.New("the server has exited")
	}
	return json.Unmarshal(line, &c.state)
}

func (c *child) stop() {
	_ = c.in.Close()
	_ = c.cmd.Wait()
}

// A pageServer responds to every list request with one page. The name of the service selects the way it is
// sent and its number of items: fabric:/prepared/10000.
type pageServer struct{ prepared sync.Map }

// The ways to send a page.
const (
	sendPrepared  = "prepared"  // at once, from memory
	sendGenerated = "generated" // generated while it is sent; for pages that are too long for memory
	sendSlow      = "slow"      // slowRate bytes per second, in small chunks
)

const (
	slowRate  = 25 << 20
	slowChunk = 1 << 10
)

func (s *pageServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	how, n, ok := readServiceName(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(pageLength(n)))
	switch how {
	case sendPrepared:
		_, _ = w.Write(s.page(n)) //nolint:gosec // JSON of this program
	case sendGenerated:
		writePage(w, n)
	case sendSlow:
		writeThrottled(w, s.page(n))
	}
}

// readServiceName parses the service in the path of a list request. The stock client escapes the slash in it.
func readServiceName(r *http.Request) (how string, n int, ok bool) {
	dir, ok := strings.CutSuffix(r.URL.Path, "/$/GetBackups")
	n, err := strconv.Atoi(path.Base(dir))
	return path.Base(path.Dir(dir)), n, ok && err == nil
}

func (s *pageServer) page(n int) []byte {
	page, ok := s.prepared.Load(n)
	if !ok {
		page, _ = s.prepared.LoadOrStore(n, preparePage(n))
	}
	return page.([]byte)
}

func writePage(w io.Writer, n int) {
	b := append(make([]byte, 0, 64<<10), pageHead...)
	for i := range n {
		b = appendItem(b, i)
		if len(b)+len(pageItem)+1 > cap(b) {
			if _, err := w.Write(b); err != nil {
				return
			}
			b = b[:0]
		}
	}
	_, _ = w.Write(append(b, pageTail...))
}

// writeThrottled sends a page at slowRate, chunk by chunk.
func writeThrottled(w http.ResponseWriter, page []byte) {
	flush := http.NewResponseController(w).Flush
	start := time.Now()
	for sent := 0; sent < len(page); time.Sleep(time.Millisecond) {
		due := min(len(page), slowChunk+int(time.Since(start).Seconds()*slowRate))
		for sent < due {
			end := min(sent+slowChunk, due)
			if _, err := w.Write(page[sent:end]); err != nil || flush() != nil { //nolint:gosec // JSON of this program
				return
			}
			sent = end
		}
	}
}

// echoBackup sends fixed responses: every start is accepted, and every backup has succeeded. The backups have
// different identities, because the client does not take the result of the previous one for that of a new one.
func echoBackup(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = io.WriteString(w, progressBodies[echoed.Add(1)%uint64(len(progressBodies))])
}

var echoed atomic.Uint64

var progressBodies = func() (bodies [1024]string) {
	for i := range bodies {
		bodies[i] = strings.Replace(progressBody, "-000000000000", fmt.Sprintf("-%012x", i), 1)
	}
	return bodies
}()

const progressBody = `{"BackupState":"Success","TimeStampUtc":"2020-01-01T00:00:00Z",` +
	`"BackupId":"d1e2fd6a-4712-4212-a37a-000000000000",` +
	`"BackupLocation":"CalcApp\\CalcService\\1daae3f5-7fd6-42e9-b1ba-8c05f8739940\\2020-01-01 00.00.00.zip",` +
	`"EpochOfLastBackupRecord":{"DataLossVersion":"131462452931584510","ConfigurationVersion":"8589934592"},` +
	`"LsnOfLastBackupRecord":"10000000","FailureError":null}`
