package contract

import (
	"net"
	"sync"
)

// recordedConn keeps a copy of what is written to a hijacked connection.
type recordedConn struct {
	net.Conn

	mu     sync.Mutex
	sent   message
	closed bool
	then   func(sent message)
}

func (c *recordedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.sent.Write(p[:n])
	return n, err
}

func (c *recordedConn) Close() error {
	err := c.Conn.Close()
	c.mu.Lock()
	c.closed = true
	then, sent := c.then, c.sent // another goroutine may still write
	c.then = nil
	c.mu.Unlock()
	if then != nil {
		then(sent)
	}
	return err
}

// NetConn returns the connection below, as that of [crypto/tls.Conn] does.
func (c *recordedConn) NetConn() net.Conn { return c.Conn }

// whenClosed calls f once with what was written, as soon as the connection is closed.
func (c *recordedConn) whenClosed(f func(sent message)) {
	c.mu.Lock()
	closed, sent := c.closed, c.sent
	if !closed {
		c.then = f
	}
	c.mu.Unlock()
	if closed {
		f(sent)
	}
}
