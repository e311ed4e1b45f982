package sfbackuptest

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// This file is what goes wrong with the connection before there is an answer.

// Refuse refuses the connection: the request never arrives. Over the transport
// the client gets the error of a dial that was refused. A server that listens
// cannot refuse, so that over a socket the connection is reset.
func Refuse() Fault {
	return Fault{name: "Refuse", times: 1, noEffect: true, instead: func(_ Fault, w http.ResponseWriter, _ *http.Request) {
		breakConnection(w, networkError("dial", "connect", syscall.ECONNREFUSED))
	}}
}

// Reset resets the connection when the request was sent and before the first
// byte of an answer. The request takes no effect; with [Fault.AfterEffect] it
// does, and its answer is lost. The client cannot tell.
//
// A client of net/http repeats a GET by itself when that happens on a
// connection that it has used before.
func Reset() Fault {
	return Fault{name: "Reset", times: 1, instead: func(_ Fault, w http.ResponseWriter, _ *http.Request) {
		breakConnection(w, networkError("read", "read", syscall.ECONNRESET))
	}}
}

// HangUp closes the connection in good order where an answer should be. A
// gateway does that when its own connection to the backup service breaks. The
// client gets [io.EOF]. What [Reset] says of effects, and of a GET on a connection
// that was used before, goes for this too.
func HangUp() Fault {
	return Fault{name: "HangUp", times: 1, instead: func(Fault, http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler)
	}}
}

// Stall lets the client wait: for a duration, after which the request takes effect
// and is answered as if nothing had been, or, if that is zero, until the client
// gives up.
func Stall(d time.Duration) Fault {
	if d > 0 {
		return Fault{name: "Stall(" + d.String() + ")", times: 1, through: func(c *Cluster, w http.ResponseWriter, r *http.Request) {
			readAhead(r)
			if !wait(r, d) {
				panic(http.ErrAbortHandler)
			}
			c.serveGateway(w, r, nil)
		}}
	}
	return Fault{name: "Stall", times: 1, instead: func(_ Fault, _ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}}
}

// wait waits, and reports whether the client has done so too.
func wait(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// readAhead reads the body of a request and puts it back. A server notices that its client has gone
// only once it has read what the client sent.
func readAhead(r *http.Request) {
	data, err := io.ReadAll(io.LimitReader(r.Body, maxEntityBody+1)) // more than that is refused
	rest := r.Body
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(data), rest), rest}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// drain reads a request to its end, or as much of it as the gateway takes.
func drain(r *http.Request) {
	_, _ = io.CopyN(io.Discard, r.Body, maxEntityBody) // the client has gone, or has more than fits
}

// networkError returns an error as package net has it for a call of the system.
func networkError(op, call string, err syscall.Errno) error {
	return &net.OpError{
		Op:   op,
		Net:  "tcp",
		Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 19080}, // in a network for examples
		Err:  os.NewSyscallError(call, err),
	}
}

// connectionBreaker is a ResponseWriter that can end with an error of its
// client's connection.
type connectionBreaker interface {
	breakConnection(err error)
}

// breakConnection ends a request without an answer and does not return. The
// error is what the client gets over the transport; over a socket it gets what
// its system makes of a reset.
func breakConnection(w http.ResponseWriter, err error) {
	if own, ok := find[connectionBreaker](w); ok {
		own.breakConnection(err)
	} else if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if secure, ok := conn.(*tls.Conn); ok {
			conn = secure.NetConn() // or it would say goodbye
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset in place of an end
		}
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler)
}
