package handlertransport

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// StatusLineWriter is a ResponseWriter that can send any reason phrase. The ResponseWriter of [New]
// implements it. Middleware that must see every status implements it by calling the function
// [WriteStatusLine].
type StatusLineWriter interface {
	WriteStatusLine(status int, reason string)
}

// WriteStatusLine sends a response without a body whose status line ends with the given reason phrase. It
// looks for a [StatusLineWriter] in w and the writers that w wraps. If there is none, it takes over the
// connection from the server of net/http. Where that is impossible, over HTTP/2 for example, it sends the
// status without the phrase.
func WriteStatusLine(w http.ResponseWriter, r *http.Request, status int, reason string) {
	w.Header().Set("Content-Length", "0")
	if http.StatusText(status) == reason {
		w.WriteHeader(status)
		return
	}
	if own, ok := unwrap[StatusLineWriter](w); ok {
		own.WriteStatusLine(status, reason)
		return
	}
	// Closing a connection while its client still sends may reset it, which would lose the response.
	_, _ = io.CopyN(io.Discard, r.Body, 256<<10)
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		w.WriteHeader(status)
		return
	}
	defer conn.Close() //nolint:errcheck // the response was sent, or the client has gone
	header := w.Header().Clone()
	header.Set("Connection", "close")
	if header.Get("Date") == "" {
		header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	// The buffer keeps its first error, which could only be reported to the client.
	_, _ = fmt.Fprintf(buffered, "HTTP/1.1 %d %s\r\n", status, reason)
	_ = header.Write(buffered)
	_, _ = buffered.WriteString("\r\n")
	_ = buffered.Flush()
}

// BreakConnection ends a request without a response. It does not return but panics with
// [http.ErrAbortHandler]. Over the transport of [New] the client gets the given error. Behind a server of
// net/http the connection is reset, and the client gets the error of its own system.
func BreakConnection(w http.ResponseWriter, err error) {
	if own, ok := unwrap[*responseWriter](w); ok {
		own.broken = err
	} else if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		// Closing a TLS connection would send a close_notify alert, and others may wrap the connection as well.
		for wrapper, ok := conn.(interface{ NetConn() net.Conn }); ok; wrapper, ok = conn.(interface{ NetConn() net.Conn }) {
			conn = wrapper.NetConn()
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // send a reset instead of a FIN
		}
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler)
}

// unwrap looks for a type in a ResponseWriter and in those that it wraps, by the convention of
// [http.ResponseController].
func unwrap[T any](w http.ResponseWriter) (found T, ok bool) {
	for {
		if found, ok = w.(T); ok {
			return found, true
		}
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return found, false
		}
		w = wrapper.Unwrap()
	}
}
