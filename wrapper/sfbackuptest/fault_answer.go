package sfbackuptest

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// This file is what goes wrong with answers.

// Answer sends an answer in place of the right one: a 503 without a body, a
// 200 with JSON that is none. A body is application/json unless [Fault.Header]
// sets another Content-Type.
func Answer(status int, body string) Fault {
	return Fault{name: called("Answer", int64(status)), times: 1, instead: func(f Fault, w http.ResponseWriter, _ *http.Request) {
		if body != "" {
			w.Header().Set("Content-Type", jsonType)
		}
		maps.Copy(w.Header(), f.header)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}}
}

// HTMLError sends an error as the kernel driver in front of the gateway, or a
// load balancer, sends it: as a page for people.
func HTMLError(status int) Fault {
	f := Answer(status, htmlError(status)).Header("Content-Type", htmlType)
	f.name = called("HTMLError", int64(status))
	return f
}

// RefuseCredentials answers as a gateway does that does not know its client: a
// 403 without a body, whatever is wrong, whether there is no certificate, one
// that is not allowed, or a token that has expired.
func RefuseCredentials() Fault { return failed("RefuseCredentials", errCertificateRequired) }

// DenyAccess answers as the backup service does when the client's role does not
// allow the operation: a 403 with a FabricError.
func DenyAccess() Fault { return failed("DenyAccess", errAccessDenied) }

// failed sends an error as a 6.4 cluster does.
func failed(name string, failure *failure) Fault {
	return Fault{name: name, times: 1, instead: func(_ Fault, w http.ResponseWriter, r *http.Request) {
		failure.write(w, r, ProfileCluster64.conduct())
	}}
}

// Redirect sends the client to another address, with a status that asks it to
// send the same again.
func Redirect(location string) Fault {
	f := Answer(http.StatusTemporaryRedirect, "").Header("Location", location)
	f.name = "Redirect"
	return f
}

// CutBody breaks the connection after n bytes of the body, or before its last
// one if it is shorter. The client gets [io.ErrUnexpectedEOF]. An answer that
// has no body is lost as a whole.
func CutBody(n int64) Fault {
	return Fault{name: called("CutBody", n), times: 1, through: func(c *Cluster, w http.ResponseWriter, r *http.Request) {
		cut := &cutWriter{ResponseWriter: w, left: n}
		c.serveGateway(cut, r, nil)
		cut.abort()
	}}
}

// cutWriter passes on so many bytes and never the last one.
type cutWriter struct {
	http.ResponseWriter
	left int64
	kept []byte // the last byte that was written
}

func (w *cutWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for _, b := range [][]byte{w.kept, p[:len(p)-1]} {
		b = b[:min(w.left, int64(len(b)))]
		if n, err := bytes.NewReader(b).WriteTo(w.ResponseWriter); err != nil {
			return int(n), err
		}
		w.left -= int64(len(b))
	}
	w.kept = append(w.kept[:0], p[len(p)-1])
	if w.left == 0 {
		w.abort()
	}
	return len(p), nil
}

func (w *cutWriter) WriteHeader(status int) { w.ResponseWriter.WriteHeader(status) }

func (w *cutWriter) abort() {
	if w.kept != nil { // there is a body, so that there is a head
		_ = http.NewResponseController(w.ResponseWriter).Flush()
	}
	panic(http.ErrAbortHandler)
}

// TruncateBody leaves out what comes after n bytes of the body and ends the
// answer in good order, as though that were all: JSON that is cut off.
func TruncateBody(n int64) Fault {
	return Fault{name: called("TruncateBody", n), times: 1, through: func(c *Cluster, w http.ResponseWriter, r *http.Request) {
		left := n
		c.serveGateway(&rewriter{ResponseWriter: w, write: func(p []byte) error {
			p = p[:min(left, int64(len(p)))]
			left -= int64(len(p))
			_, err := w.Write(p)
			return err
		}}, r, nil)
	}}
}

// SlowBody sends n bytes of the body at a time and pauses before each time. With a
// pause that is longer than the client's patience it is a body that stalls.
func SlowBody(n int, pause time.Duration) Fault {
	if n <= 0 {
		panic("sfbackuptest: SlowBody of no bytes never ends")
	}
	return Fault{name: "SlowBody(" + strconv.Itoa(n) + ", " + pause.String() + ")", times: 1, through: func(c *Cluster, w http.ResponseWriter, r *http.Request) {
		c.serveGateway(&rewriter{ResponseWriter: w, write: func(p []byte) error {
			for len(p) > 0 {
				// The head is there before the first pause, as is what
				// was sent so far.
				_ = http.NewResponseController(w).Flush()
				if !wait(r, pause) {
					panic(http.ErrAbortHandler)
				}
				part := p[:min(n, len(p))]
				if _, err := w.Write(part); err != nil {
					return err
				}
				p = p[len(part):]
			}
			return nil
		}}, r, nil)
	}}
}

// Gzip compresses the body, whether the client has asked for that or not.
func Gzip() Fault {
	return Fault{name: "Gzip", times: 1, through: func(c *Cluster, w http.ResponseWriter, r *http.Request) {
		z := gzip.NewWriter(w)
		c.serveGateway(&rewriter{ResponseWriter: w, encoding: "gzip", write: func(p []byte) error {
			_, err := z.Write(p)
			return err
		}}, r, nil)
		if w.Header().Get("Content-Encoding") != "" {
			_ = z.Close() // the client has gone
		}
	}}
}

// rewriter is a ResponseWriter for a body that becomes another on its way.
type rewriter struct {
	http.ResponseWriter
	encoding string
	write    func(p []byte) error
}

func (w *rewriter) WriteHeader(status int) {
	if header := w.Header(); header.Get("Content-Length") != "0" {
		header.Del("Content-Length")
		if w.encoding != "" {
			header.Set("Content-Encoding", w.encoding)
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *rewriter) Write(p []byte) (int, error) { return len(p), w.write(p) }

// Unwrap is for [http.ResponseController], and for reason phrases: an answer
// that has one has no body.
func (w *rewriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Custom is a fault of the test's own. The function answers the request, for
// which it may use next, the cluster.
func Custom(name string, answer func(w http.ResponseWriter, r *http.Request, next http.Handler)) Fault {
	return Fault{name: name, times: 1, through: func(c *Cluster, w http.ResponseWriter, r *http.Request) {
		answer(w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serveGateway(w, r, nil) }))
	}}
}
