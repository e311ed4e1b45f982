package sfbackup_test

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// A stall is a server, or a proxy before it, that stops at some point of a connection and leaves it open.
type stall struct {
	endpoint, proxy string // URLs; "" is http, and no proxy
	handshake       bool   // its TLS handshake stalls
	connect         bool   // its response to CONNECT stalls
	deaf            bool   // it reads nothing any more
	answer          string // what comes of a response before it stalls
}

const (
	switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
	lengthy   = "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
	chunked   = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)

var stalls = map[string]stall{
	"silence":                        {},
	"silence over TLS":               {endpoint: "https://cluster"},
	"half a header":                  {answer: "HTTP/1.1 200 OK\r\nContent-"},
	"103":                            {answer: "HTTP/1.1 103 Early Hints\r\n\r\n"},
	"101":                            {answer: switching},
	"101 and half of a body":         {answer: switching + `{"Items":[`},
	"101 over TLS":                   {endpoint: "https://cluster", answer: switching},
	"101 over TLS, and deaf":         {endpoint: "https://cluster", answer: switching, deaf: true},
	"202":                            {answer: "HTTP/1.1 202 Accepted\r\n" + lengthy},
	"101 through a tunnel":           {endpoint: "https://cluster", proxy: "http://proxy", answer: switching},
	"101 without an upgrade":         {answer: "HTTP/1.1 101 Switching Protocols\r\n\r\n"},
	"101 with a length":              {answer: "HTTP/1.1 101 Switching Protocols\r\n" + lengthy},
	"199":                            {answer: "HTTP/1.1 199 Strange\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"},
	"no body":                        {answer: "HTTP/1.1 200 OK\r\n" + lengthy},
	"no body, over TLS":              {endpoint: "https://cluster", answer: "HTTP/1.1 200 OK\r\n" + lengthy},
	"no body, with an upgrade":       {answer: "HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: x\r\n" + lengthy},
	"half of a progress":             {answer: "HTTP/1.1 200 OK\r\n" + lengthy + `{"BackupState":`},
	"half of a page":                 {answer: "HTTP/1.1 200 OK\r\n" + lengthy + `{"Items":[{"BackupId":"` + partition2.String() + `"},`},
	"a page without an end":          {answer: "HTTP/1.1 200 OK\r\n" + lengthy + `{"Items":[]}`},
	"half of a chunk":                {answer: "HTTP/1.1 200 OK\r\n" + chunked + "10\r\n{\"Items\""},
	"half of a trailer":              {answer: "HTTP/1.1 200 OK\r\n" + chunked + "0\r\nX-"},
	"a body that ends with the conn": {answer: "HTTP/1.1 200 OK\r\n\r\n{\"Items\":["},
	"302":                            {answer: "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n" + lengthy},
	"400":                            {answer: "HTTP/1.1 400 Bad Request\r\n" + lengthy + `{"Error":{"Code":"E_`},
	"403":                            {answer: "HTTP/1.1 403 Forbidden\r\n" + lengthy},
	"409":                            {answer: "HTTP/1.1 409 Conflict\r\n" + chunked},
	"500":                            {answer: "HTTP/1.1 500 Internal Server Error\r\n" + lengthy + "{"},
	"503":                            {answer: "HTTP/1.1 503 Service Unavailable\r\n" + lengthy},
	"a TLS handshake":                {endpoint: "https://cluster", handshake: true},
	"a TLS handshake in a tunnel":    {endpoint: "https://cluster", proxy: "http://proxy", handshake: true},
	"CONNECT":                        {endpoint: "https://cluster", proxy: "http://proxy", connect: true},
	"CONNECT over TLS":               {endpoint: "https://cluster", proxy: "https://proxy", connect: true},
	"a TLS handshake of a proxy":     {endpoint: "https://cluster", proxy: "https://proxy", handshake: true},
	"a proxy":                        {proxy: "http://proxy"},
}

// serve serves a connection until it is closed. What the server does well it answers before it stalls.
func (s *stall) serve(conn net.Conn, certificate tls.Certificate, answerWell func(*http.Request) string) {
	if !s.deaf {
		defer func() { _, _ = io.Copy(io.Discard, conn) }() // as a kernel takes what nobody reads
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MaxVersion: tls.VersionTLS12}
	if strings.HasPrefix(s.proxy, "https:") {
		if s.handshake {
			return
		}
		conn = tls.Server(conn, config)
	}
	if s.proxy != "" && s.endpoint != "" {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil || s.connect {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	}
	if strings.HasPrefix(s.endpoint, "https:") {
		if s.handshake {
			return
		}
		conn = tls.Server(conn, config)
	}
	for r := bufio.NewReader(conn); ; {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		answer := answerWell(req)
		if answer == "" {
			_, _ = io.WriteString(conn, s.answer)
			return
		}
		_, _ = io.WriteString(conn, answer)
	}
}

// wells are what a server does well before it stalls.
var wells = map[string]func(*http.Request) string{
	"nothing": func(*http.Request) string { return "" },
	"the progress before": func(req *http.Request) string {
		if req.Method == http.MethodGet {
			return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull"
		}
		return ""
	},
	"the start": func(req *http.Request) string {
		if req.Method == http.MethodPost {
			return "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
		}
		return ""
	},
}

// calls are the public calls, without those that only differ in the path.
var calls = map[string]func(context.Context, *sfbackup.Client) error{
	"BackupPartition": func(ctx context.Context, c *sfbackup.Client) error {
		return c.BackupPartition(ctx, partition1, nil)
	},
	"BackupProgress": progress,
	"WaitForBackup": func(ctx context.Context, c *sfbackup.Client) error {
		_, err := c.WaitForBackup(ctx, partition1, nil)
		return err
	},
	"BackupAndWait": func(ctx context.Context, c *sfbackup.Client) error {
		_, err := c.BackupAndWait(ctx, partition1, nil, nil)
		return err
	},
	"BackupMany": func(ctx context.Context, c *sfbackup.Client) error {
		results, err := c.BackupMany(ctx, slices.Values([]uuid.UUID{partition1, partition2, id1}), &sfbackup.BackupManyOptions{Concurrency: 2})
		if err != nil {
			return err
		}
		for _, result := range results {
			err = errors.Join(err, result.Err)
		}
		return cmp.Or(err, ctx.Err()) // a partition that was not taken before the end has no result
	},
	"PartitionBackups": func(ctx context.Context, c *sfbackup.Client) error {
		_, err := collect(c.PartitionBackups(ctx, partition1, nil))
		return err
	},
	"PartitionBackupsPage": func(ctx context.Context, c *sfbackup.Client) error {
		_, err := c.PartitionBackupsPage(ctx, partition1, nil)
		return err
	},
	"ServiceBackups": func(ctx context.Context, c *sfbackup.Client) error {
		_, err := collect(c.ServiceBackups(ctx, calcService, nil))
		return err
	},
}

// callWithDeadline calls with a context of 300 ms a server that stalls, and returns how long after the end of
// the context the call returned. The server closes its connections after a while.
func (s *stall) callWithDeadline(t *testing.T, dial func(serve func(net.Conn)) (net.Conn, error), well, call string) time.Duration {
	t.Helper()
	certificate := newRoot(t, "root").issue(t, forLoopback) // valid at the time of a bubble, too
	base := &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return dial(func(conn net.Conn) { s.serve(conn, certificate, wells[well]) })
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	var opts opts
	endpoint := "http://cluster"
	if s.endpoint != "" {
		endpoint = s.endpoint
		opts = append(opts, sfbackup.WithServerThumbprints(sha1Of(certificate)), sfbackup.WithClientCertificate(certificate))
	}
	if s.proxy != "" {
		proxy, err := url.Parse(s.proxy)
		if err != nil {
			t.Fatal(err)
		}
		base.Proxy = http.ProxyURL(proxy)
	}
	client, err := sfbackup.NewClient(endpoint, append(opts, sfbackup.WithHTTPClient(&http.Client{Transport: base}))...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	err = calls[call](ctx, client)
	if err == nil && well == "nothing" && !strings.Contains(s.answer, " 202 ") {
		t.Errorf("%s: no error", call)
	}
	return time.Since(start) - 300*time.Millisecond
}

// No call outlives its context by more than 100 ms, wherever the server stalls. In a bubble, time is exact.
func TestCallsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	for _, name := range slices.Sorted(maps.Keys(stalls)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stalls[name]
			for _, well := range slices.Sorted(maps.Keys(wells)) {
				for _, call := range slices.Sorted(maps.Keys(calls)) {
					var late time.Duration
					synctest.Test(t, func(t *testing.T) {
						var ends []net.Conn
						var over bool // a dial that outlives its call must not begin to serve
						var mu sync.Mutex
						hangUp := func() {
							mu.Lock()
							defer mu.Unlock()
							over = true
							for _, end := range ends {
								_ = end.Close()
							}
						}
						defer time.AfterFunc(8*time.Second, hangUp).Stop() // or the bubble would never end
						defer hangUp()
						late = s.callWithDeadline(t, func(serve func(net.Conn)) (net.Conn, error) {
							client, server := net.Pipe()
							mu.Lock()
							defer mu.Unlock()
							if over {
								return nil, net.ErrClosed
							}
							ends = append(ends, server)
							go serve(server)
							return client, nil
						}, well, call)
					})
					if late > 100*time.Millisecond {
						t.Errorf("%s after %s: returned %v after its context had ended", call, well, late)
					}
				}
			}
		})
	}
}

// The same over sockets, where machines that are busy make any call late.
func TestCallsEndWithTheirContextOverSockets(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	var mu sync.Mutex // a dial gets the connection that is accepted next
	dial := func(serve func(net.Conn)) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		client, err := (&net.Dialer{}).DialContext(context.WithoutCancel(t.Context()), "tcp", listener.Addr().String())
		if err != nil {
			return nil, err
		}
		server, err := listener.Accept()
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { _ = server.Close() })
		time.AfterFunc(20*time.Second, func() { _ = server.Close() })
		go serve(server)
		return client, nil
	}
	var running sync.WaitGroup
	var worst time.Duration
	var worstOf string
	n := 0
	for name, s := range stalls {
		for _, well := range []string{"nothing", "the progress before"} {
			for call := range calls {
				running.Go(func() {
					late := s.callWithDeadline(t, dial, well, call)
					mu.Lock()
					defer mu.Unlock()
					if n++; late > worst || worstOf == "" {
						worst, worstOf = late, call+", "+name+", after "+well
					}
					if late > 10*time.Second {
						t.Errorf("%s, %s, after %s: returned %v after its context had ended", call, name, well, late)
					}
				})
			}
		}
	}
	running.Wait()
	t.Logf("%d calls returned at most %v after their context had ended (%s)", n, worst, worstOf)
}
