package sfbackuptest

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/servicefabric-go/backup/internal/handlertransport"
)

// This file has the faults of the connection, before there is a response.

// Refuse refuses the connection, so that the request never arrives. Over [Cluster.Transport] the client gets
// the error of a refused dial. A server that listens cannot refuse connections, so over a socket the
// connection is reset.
func Refuse() Fault {
	return Fault{name: "Refuse", times: 1, neverReceived: true, respond: func(_ Fault, w http.ResponseWriter, _ *http.Request) {
		handlertransport.BreakConnection(w, networkError("dial", "connect", syscall.ECONNREFUSED))
	}}
}

// Reset resets the connection after the request was sent and before the first byte of a response. The
// request takes no effect; with [Fault.AfterEffect] it takes effect and its response is lost. The client
// cannot tell the two apart.
//
// A client of net/http retries a GET by itself when that happens on a reused connection.
func Reset() Fault {
	return Fault{name: "Reset", times: 1, respond: func(_ Fault, w http.ResponseWriter, _ *http.Request) {
		handlertransport.BreakConnection(w, networkError("read", "read", syscall.ECONNRESET))
	}}
}

// HangUp closes the connection gracefully in place of a response. A gateway does that when its own
// connection to the backup service breaks. The client gets [io.EOF]. As with [Reset], the request takes no
// effect without [Fault.AfterEffect], and a client of net/http retries a GET on a reused connection.
func HangUp() Fault {
	return Fault{name: "HangUp", times: 1, respond: func(Fault, http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler)
	}}
}

// Stall delays the request for a duration, after which it takes effect and gets its normal response, unless
// the client has given up. If the duration is not positive, there is no response: the request hangs until
// the client gives up, and takes no effect without [Fault.AfterEffect].
func Stall(d time.Duration) Fault {
	if d > 0 {
		return Fault{name: "Stall(" + d.String() + ")", times: 1, wrap: func(c *Cluster, w http.ResponseWriter, r *http.Request) {
			readAhead(r)
			if !wait(r, d) {
				panic(http.ErrAbortHandler)
			}
			c.serveGateway(w, r, nil)
		}}
	}
	return Fault{name: "Stall", times: 1, respond: func(_ Fault, _ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}}
}

// wait waits, and reports whether the client is still there.
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

// readAhead reads the body of a request and puts it back. A server notices that its client has gone only
// after it has read the whole request.
func readAhead(r *http.Request) {
	data, err := io.ReadAll(io.LimitReader(r.Body, maxEntityBody+1)) // a longer body is rejected
	rest := r.Body
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(data), rest), rest}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// drain reads a request body to its end, up to the limit of the gateway.
func drain(r *http.Request) {
	_, _ = io.CopyN(io.Discard, r.Body, maxEntityBody) // fails if the client has gone
}

// networkError returns the error that package net has for a failed system call.
func networkError(op, call string, err syscall.Errno) error {
	return &net.OpError{
		Op:   op,
		Net:  "tcp",
		Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 19080}, // in a network for examples
		Err:  os.NewSyscallError(call, err),
	}
}
