package sfbackup_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/internal/faultproxy"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// newServer starts a server for a cluster in memory and closes it when the test ends.
func newServer(t testing.TB, cluster *sfbackuptest.Cluster, opts ...sfbackuptest.ServerOption) *sfbackuptest.Server {
	t.Helper()
	server, err := sfbackuptest.NewServer(cluster, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

// newFaultProxy starts a proxy to a server. It closes the proxy when the test ends, and logs the seed if
// the test has failed.
func newFaultProxy(t testing.TB, url string, seed uint64) *faultproxy.Proxy {
	t.Helper()
	proxy, err := faultproxy.New(strings.TrimPrefix(url, "http://"), seed, faultproxy.RandomFault)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		closeProxy(t, proxy)
		if t.Failed() {
			t.Logf("the seed of the fault proxy was %d", seed)
		}
	})
	return proxy
}

func closeProxy(t testing.TB, proxy *faultproxy.Proxy) {
	t.Helper()
	if err := proxy.Close(); err != nil {
		t.Errorf("the fault proxy: %v", err)
	}
}

// listen listens on a free port of the loopback interface.
func listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// closeQuietly closes c and ignores the error, for example because c is already closed.
func closeQuietly(c io.Closer) { c.Close() }

// eventually polls until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: not within 10 seconds", what)
		}
	}
}
