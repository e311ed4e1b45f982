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
	then   func(sent []byte)
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
	then := c.then
	c.then = nil
	c.mu.Unlock()
	if then != nil {
		then(c.sent.data)
	}
	return err
}

// whenClosed calls f once with what was written, as soon as the connection is closed.
func (c *recordedConn) whenClosed(f func(sent []byte)) {
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.then = f
	}
	c.mu.Unlock()
	if closed {
		f(c.sent.data)
	}
}
