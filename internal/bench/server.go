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

// Servers run in a process of their own, so that the goroutines, the heap and the garbage collector
// that are measured are the client's. The process is this program, started again; it ends when its
// standard input does.

// serverState is what a server tells when it is asked.
type serverState struct {
	URL         string
	Partitions  []string // of the cluster in memory
	Connections int64    // accepted so far
}

// serve runs a server until in ends. It answers each line that it reads with its state.
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
		return fmt.Errorf("there is no server %q", args)
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait for anything
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

// A child is a server in a process of its own.
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

// ask brings the state up to date.
func (c *child) ask() error {
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		return err
	}
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		return errors.New("the server has ended")
	}
	return json.Unmarshal(line, &c.state)
}

func (c *child) stop() {
	_ = c.in.Close()
	_ = c.cmd.Wait()
}

// A pageServer answers every list with one page. The name of the service says how it is sent and how
// many items it has: fabric:/prepared/10000.
type pageServer struct{ prepared sync.Map }

// The ways to send a page.
const (
	sendPrepared  = "prepared"  // at once, from memory
	sendGenerated = "generated" // made while it is sent; for pages that are too long to be prepared
	sendSlow      = "slow"      // slowRate bytes a second, in small pieces
)

const (
	slowRate  = 25 << 20
	slowPiece = 1 << 10
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
		writeSlowly(w, s.page(n))
	}
}

// readServiceName finds the service in the path of a list. The stock client escapes the slash in it.
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

// writeSlowly sends what is due by the clock, piece by piece.
func writeSlowly(w http.ResponseWriter, page []byte) {
	flush := http.NewResponseController(w).Flush
	start := time.Now()
	for sent := 0; sent < len(page); time.Sleep(time.Millisecond) {
		due := min(len(page), slowPiece+int(time.Since(start).Seconds()*slowRate))
		for sent < due {
			end := min(sent+slowPiece, due)
			if _, err := w.Write(page[sent:end]); err != nil || flush() != nil { //nolint:gosec // JSON of this program
				return
			}
			sent = end
		}
	}
}

// echoBackup answers as a cluster does whose backups take no time, and does nothing else.
func echoBackup(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = io.WriteString(w, progressBody)
}

const progressBody = `{"BackupState":"Success","TimeStampUtc":"2020-01-01T00:00:00Z",` +
	`"BackupId":"d1e2fd6a-4712-4212-a37a-000000000000",` +
	`"BackupLocation":"CalcApp\\CalcService\\1daae3f5-7fd6-42e9-b1ba-8c05f8739940\\2020-01-01 00.00.00.zip",` +
	`"EpochOfLastBackupRecord":{"DataLossVersion":"131462452931584510","ConfigurationVersion":"8589934592"},` +
	`"LsnOfLastBackupRecord":"10000000","FailureError":null}`
