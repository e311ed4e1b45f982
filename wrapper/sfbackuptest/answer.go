package sfbackuptest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// writeBody sends an answer that is known as a whole.
func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	if contentType != "" {
		w.Header().Set("Content-Type", contentType)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = bytes.NewReader(body).WriteTo(w) // the reader has gone: nobody is left to tell
}

// statusLineWriter is a ResponseWriter that can send a reason phrase of its
// own, which net/http has no way for.
type statusLineWriter interface {
	writeStatusLine(status int, reason string)
}

// writeStatusLine sends an answer without a body whose status line ends with
// the given reason phrase. Behind a server of net/http it takes over the
// connection to do so. Where that cannot be done, over HTTP/2 for example,
// there is no reason phrase and the status is sent alone.
func writeStatusLine(w http.ResponseWriter, r *http.Request, status int, reason string) {
	w.Header().Set("Content-Length", "0")
	if http.StatusText(status) == reason {
		w.WriteHeader(status)
		return
	}
	if own, ok := find[statusLineWriter](w); ok {
		own.writeStatusLine(status, reason)
		return
	}
	// A connection that is closed while its client still sends may be reset,
	// and the answer lost with it.
	_, _ = io.CopyN(io.Discard, r.Body, 256<<10)
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		w.WriteHeader(status)
		return
	}
	defer conn.Close() //nolint:errcheck // the answer is out, or the client has gone
	header := w.Header().Clone()
	header.Set("Connection", "close")
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	// A buffer keeps its first error, and nobody is left to tell it to.
	_, _ = fmt.Fprintf(buffered, "HTTP/1.1 %d %s\r\n", status, reason)
	_ = header.Write(buffered)
	_, _ = buffered.WriteString("\r\n")
	_ = buffered.Flush()
}

// find looks for a ResponseWriter that can do more behind those that wrap it, by
// the convention of [http.ResponseController].
func find[T any](w http.ResponseWriter) (found T, ok bool) {
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
