package sfbackuptest

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"maps"
	"net/http"
	"time"
)

// This file has the faults of responses.

// Answer sends the given response in place of the right one, for example a 503 without a body or a 200 with
// invalid JSON. The Content-Type of a body is application/json unless [Fault.Header] sets another. Answer panics
// if the status is not from 200 to 999.
func Answer(status int, body string) Fault {
	mustBe(status >= 200 && status <= 999, status, "the status of a response")
	return Fault{name: fmt.Sprintf("Answer(%d)", status), times: 1, respond: func(f Fault, w http.ResponseWriter, _ *http.Request) {
		contentType := ""
		if body != "" {
			contentType = jsonType
		}
		maps.Copy(w.Header(), f.header)
		writeBody(w, status, cmp.Or(f.header.Get("Content-Type"), contentType), []byte(body))
	}}
}

// HTMLError sends an error as an HTML page, as the kernel driver in front of the gateway or a load
// balancer does.
func HTMLError(status int) Fault {
	f := Answer(status, htmlError(status)).Header("Content-Type", htmlType)
	f.name = fmt.Sprintf("HTMLError(%d)", status)
	return f
}

// RefuseCredentials responds as a gateway does that does not accept the client's credentials: a 403
// without a body. The response is the same for a missing certificate, one that the cluster does not
// accept, and an expired token.
func RefuseCredentials() Fault { return errorFault("RefuseCredentials", errCertificateRequired) }

// DenyAccess responds as the backup service does when the client's role does not allow the operation: a
// 403 with a FabricError.
func DenyAccess() Fault { return errorFault("DenyAccess", errAccessDenied) }

// errorFault sends an error as a 6.4 cluster does.
func errorFault(name string, failed *errorResponse) Fault {
	return Fault{name: name, times: 1, respond: func(_ Fault, w http.ResponseWriter, r *http.Request) {
		failed.write(w, r, ProfileRuntime.behavior())
	}}
}

// Redirect redirects the client to another address, with the status 307, which asks it to send the same
// request again.
func Redirect(location string) Fault {
	f := Answer(http.StatusTemporaryRedirect, "").Header("Location", location)
	f.name = "Redirect"
	return f
}

// CutBody breaks the connection after n bytes of the body, or before its last byte if the body is shorter.
// The client gets [io.ErrUnexpectedEOF]. If the response has no body, the client gets no response and
// [io.EOF]. CutBody panics if n is negative.
func CutBody(n int64) Fault {
	mustBe(n >= 0, n, "a number of bytes")
	return Fault{name: fmt.Sprintf("CutBody(%d)", n), times: 1, wrap: func(c *Cluster, w http.ResponseWriter, r *http.Request) {
		cut := &cutWriter{ResponseWriter: w, left: n}
		c.serveGateway(cut, r, nil)
		cut.abort()
	}}
}

// cutWriter forwards a limited number of bytes, and never the last one.
type cutWriter struct {
	http.ResponseWriter
	left int64
	held []byte // the last byte that was written
}

func (w *cutWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for _, b := range [][]byte{w.held, p[:len(p)-1]} {
		b = b[:min(w.left, int64(len(b)))]
		if n, err := bytes.NewReader(b).WriteTo(w.ResponseWriter); err != nil {
			return int(n), err
		}
		w.left -= int64(len(b))
	}
	w.held = append(w.held[:0], p[len(p)-1])
	if w.left == 0 {
		w.abort()
	}
	return len(p), nil
}

func (w *cutWriter) abort() {
	if w.held != nil { // there is a body, so the client gets the header
		_ = http.NewResponseController(w.ResponseWriter).Flush()
	}
	panic(http.ErrAbortHandler)
}

func mustBe(ok bool, value any, what string) {
	if !ok {
		panic(fmt.Sprintf("sfbackuptest: %v is not %s", value, what))
	}
}

// TruncateBody omits everything after the first n bytes of the body and ends the response normally: the
// client gets truncated JSON without an error. TruncateBody panics if n is negative.
func TruncateBody(n int64) Fault {
	mustBe(n >= 0, n, "a number of bytes")
	return Fault{name: fmt.Sprintf("TruncateBody(%d)", n), times: 1, wrap: func(c *Cluster, w http.ResponseWriter, r *http.Request) {
		left := n
		c.serveGateway(&rewriter{ResponseWriter: w, write: func(p []byte) error {
			p = p[:min(left, int64(len(p)))]
			left -= int64(len(p))
			_, err := w.Write(p)
			return err
		}}, r, nil)
	}}
}

// SlowBody sends the body in pieces of n bytes, with a pause before each piece. If the pause is longer than
// the client's timeout, the client times out while it reads the body. It panics if n is not positive.
func SlowBody(n int, pause time.Duration) Fault {
	if n <= 0 {
		panic("sfbackuptest: SlowBody: sending no bytes at a time never ends")
	}
	return Fault{name: fmt.Sprintf("SlowBody(%d, %s)", n, pause), times: 1, wrap: func(c *Cluster, w http.ResponseWriter, r *http.Request) {
		c.serveGateway(&rewriter{ResponseWriter: w, write: func(p []byte) error {
			for len(p) > 0 {
				// The client gets the header before the first pause, and each piece before
				// the next.
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

// Gzip compresses the body, even if the client does not accept that encoding.
func Gzip() Fault {
	return Fault{name: "Gzip", times: 1, wrap: func(c *Cluster, w http.ResponseWriter, r *http.Request) {
		z := gzip.NewWriter(w)
		c.serveGateway(&rewriter{ResponseWriter: w, encoding: "gzip", write: func(p []byte) error {
			_, err := z.Write(p)
			return err
		}}, r, nil)
		if w.Header().Get("Content-Encoding") != "" {
			_ = z.Close() // fails if the client has gone
		}
	}}
}

// rewriter is a ResponseWriter that changes the body.
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

// Unwrap is for [http.ResponseController] and for reason phrases; a response with one has no body.
func (w *rewriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Custom is a fault that the caller defines. The function responds to the request. It may call next, which
// is the cluster; otherwise the request takes no effect. The function may be called concurrently.
func Custom(name string, serve func(w http.ResponseWriter, r *http.Request, next http.Handler)) Fault {
	return Fault{name: name, times: 1, wrap: func(c *Cluster, w http.ResponseWriter, r *http.Request) {
		serve(w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serveGateway(w, r, nil) }))
	}}
}
