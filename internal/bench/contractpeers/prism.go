package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// prismPackages are the packages that npx fetches. Prism needs this version of Node.js.
var prismPackages = []string{"node@24.21.0", "@stoplight/prism-cli@5.16.0"}

// answerWithin is how long a client waits for the answer to an exchange, which otherwise takes milliseconds.
const answerWithin = 3 * time.Second

// fatalType is a content type of a request that ends the process of Prism.
const fatalType = "application/json, text/plain"

// A proxy is Prism in a process of its own, in front of a server that sends prepared responses.
type proxy struct {
	url      string
	process  string // the id of the process that checks
	upstream *upstream
	client   *http.Client
	stop     func()
}

// startProxy starts Prism for a document.
func startProxy(ctx context.Context, dir, profile string) (*proxy, error) {
	document := filepath.Join(dir, profile+".yaml")
	if err := os.WriteFile(document, documents[profile], 0o600); err != nil {
		return nil, err
	}
	up, err := startUpstream()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args := []string{"--yes", "--loglevel", "error"}
	for _, p := range prismPackages {
		args = append(args, "-p", p)
	}
	// The shell prints its id and becomes Prism. Prism logs only what is fatal, because the log would cost time.
	script := fmt.Sprintf("echo $$; exec prism proxy --errors --verboseLevel fatal --port %d '%s' %s", port, document, up.url)
	cmd := exec.CommandContext(ctx, "npx", append(args, "-c", script)...) //nolint:gosec // the arguments are constants
	var stderr bytes.Buffer                                               // read only after the process has ended
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) } // with its children
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &proxy{url: fmt.Sprintf("http://127.0.0.1:%d", port), upstream: up, client: &http.Client{
		Timeout:       answerWithin,
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: inFlight},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	p.stop = func() {
		_ = cmd.Cancel()
		_ = cmd.Wait()        // it was killed
		_ = up.server.Close() // no exchange is in flight
	}
	if _, err := fmt.Fscanln(out, &p.process); err != nil {
		p.stop()
		return nil, fmt.Errorf("npx has not started Prism: %w\n%s", err, &stderr)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	if err := p.awaitReady(); err != nil {
		p.stop()
		return nil, fmt.Errorf("%w\n%s", err, &stderr)
	}
	return p, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not block
	if err != nil {
		return 0, err
	}
	defer l.Close() //nolint:errcheck // it accepted nothing
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (p *proxy) awaitReady() error {
	for range 600 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://")) //nolint:noctx // it does not block
		if err == nil {
			return conn.Close()
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.New("the proxy does not accept connections")
}

// An upstream is a server that sends prepared responses. A header of the request says which one.
type upstream struct {
	url    string
	server *http.Server

	mu      sync.Mutex
	last    int
	waiting map[string]*sent
}

// sent is an exchange that was sent to the proxy.
type sent struct {
	*exchange
	reached bool // the upstream got the request
}

const idHeader = "X-Exchange"

func startUpstream() (*upstream, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not block
	if err != nil {
		return nil, err
	}
	u := &upstream{url: "http://" + l.Addr().String(), waiting: map[string]*sent{}}
	u.server = &http.Server{Handler: u, ReadHeaderTimeout: time.Minute}
	go func() { _ = u.server.Serve(l) }()
	return u, nil
}

// add prepares a response, and returns the id of the request that gets it.
func (u *upstream) add(x *exchange) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last++
	id := strconv.Itoa(u.last)
	u.waiting[id] = &sent{exchange: x}
	return id
}

// remove forgets a response, and reports whether its request came.
func (u *upstream) remove(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	reached := u.waiting[id].reached
	delete(u.waiting, id)
	return reached
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	u.mu.Lock()
	x := u.waiting[req.Header.Get(idHeader)]
	if x != nil {
		x.reached = true
	}
	u.mu.Unlock()
	if x == nil {
		http.NotFound(w, req) // its client has given up
		return
	}
	w.Header()["Content-Type"] = nil // do not guess one
	if x.ContentType != "" {
		w.Header().Set("Content-Type", x.ContentType)
	}
	if x.Status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(len(x.Body)))
	}
	w.WriteHeader(x.Status)
	_, _ = w.Write(x.Body) // the proxy may not read it
}

// send sends an exchange through the proxy, and returns what the proxy says about each side.
func (p *proxy) send(ctx context.Context, x *exchange) (onRequest, onResponse verdict, err error) {
	if len(x.Body) > 0 && (x.Status == http.StatusNoContent || x.Status == http.StatusNotModified) {
		return unsent, unsent, nil
	}
	req, err := x.request(p.url)
	if err != nil {
		return 0, 0, err
	}
	id := p.upstream.add(x)
	req.Header.Set(idHeader, id)
	resp, err := p.client.Do(req.WithContext(ctx))
	if err != nil {
		p.upstream.remove(id)
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			return failed, unsent, nil
		}
		return 0, 0, fmt.Errorf("%s %s: %w", x.Method, x.Target, err)
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	reached := p.upstream.remove(id)
	if err != nil {
		return 0, 0, err
	}
	if !reached {
		return reported, unsent, nil // with --errors, an invalid request ends here
	}
	violations := resp.Header.Get("Sl-Violations")
	if strings.Contains(violations, `"location":["request"`) {
		onRequest = reported
	}
	// A response that Prism cannot read is an error without violations.
	if isProblem(resp.Header.Get("Content-Type")) && !isProblem(x.ContentType) || strings.Contains(violations, `"location":["response"`) {
		onResponse = reported
	}
	return onRequest, onResponse, nil
}

func isProblem(contentType string) bool { return contentType == "application/problem+json" }

// proxies has Prism for each document.
type proxies map[string]*proxy

func startProxies(ctx context.Context, dir string) (proxies, error) {
	all := proxies{}
	for name := range documents {
		p, err := startProxy(ctx, dir, name)
		if err != nil {
			all.stop()
			return nil, err
		}
		all[name] = p
	}
	return all, nil
}

func (all proxies) stop() {
	for _, p := range all {
		p.stop()
	}
}

// measure measures what Prism needs. The time includes HTTP.
func (all proxies) measure(ctx context.Context, exchanges []*exchange) (*costs, error) {
	return measure(exchanges, pageLength, all["Runtime"].process, func(x *exchange) (time.Duration, bool, error) {
		start := time.Now()
		onRequest, onResponse, err := all[x.Profile].send(ctx, x)
		return time.Since(start), onRequest+onResponse != silent, err
	})
}

// provoke sends a request with the type that ends the process, and returns an error if there is an answer.
func (all proxies) provoke(ctx context.Context) error {
	x := preparePage(1)
	x.RequestType = fatalType
	if _, _, err := all["Runtime"].send(ctx, x); err == nil {
		return fmt.Errorf("the proxy survives %q: send the exchanges with it", fatalType)
	}
	return nil
}

// inFlight is how many exchanges are sent at once. Some get no answer, and waiting for each in turn would take long.
const inFlight = 32

// checkAll sends exchanges and returns the verdicts about their changed sides.
func (all proxies) checkAll(ctx context.Context, exchanges []*exchange) ([]verdict, error) {
	verdicts := make([]verdict, len(exchanges))
	indices := make(chan int)
	errs := make([]error, inFlight)
	var workers sync.WaitGroup
	for w := range inFlight {
		workers.Go(func() {
			for i := range indices {
				x := exchanges[i]
				if x.RequestType == fatalType {
					verdicts[i] = unsent
					continue
				}
				onRequest, onResponse, err := all[x.Profile].send(ctx, x)
				errs[w] = errors.Join(errs[w], err)
				if verdicts[i] = onRequest; x.Side == response {
					verdicts[i] = onResponse
				}
			}
		})
	}
	for i := range exchanges {
		indices <- i
	}
	close(indices)
	workers.Wait()
	return verdicts, errors.Join(errs...)
}
