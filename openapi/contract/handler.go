package contract

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
)

// Handler returns a handler that checks what passes through it to next and back. It calls report
// once for each exchange that has a violation, after the answer was sent, with all of them. Nothing
// is held back or changed. An answer whose handler takes over the connection is not checked.
//
// The function report has to be safe for concurrent use.
func (v *Validator) Handler(next http.Handler, report func(*http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		// If the client broke off, the handler sees it as it would without this one.
		body, err := readBody(&req.Body)
		// The handler may change the request, and reads its body.
		received := req.Clone(req.Context())
		violations := v.checkRequest(received, body)
		recorder := &recorder{ResponseWriter: w, status: http.StatusOK}
		answered := false
		defer func() {
			// A handler that panics breaks off its answer, of which there is nothing to check then.
			if o := v.route(received).operation; o != nil && answered && !recorder.hijacked && err == nil {
				resp := &http.Response{StatusCode: recorder.status, Header: recorder.sentHeader()}
				violations = append(violations, v.checkResponse(o, received, resp, recorder.body.Bytes())...)
			}
			if err := joined(violations); err != nil {
				report(received, err)
			}
		}()
		next.ServeHTTP(recorder, req)
		answered = true
	})
}

// recorder keeps what is written through it. It has no Unwrap method: what would write past it could
// not be checked.
type recorder struct {
	http.ResponseWriter
	status   int
	header   http.Header // as set when it was sent; nil: not sent yet
	flushed  bool        // before the body began
	body     bytes.Buffer
	hijacked bool
}

func (r *recorder) WriteHeader(status int) {
	if r.header == nil && status >= http.StatusOK {
		r.status, r.header = status, r.Header().Clone()
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.header == nil {
		r.WriteHeader(http.StatusOK)
	}
	n, err := r.ResponseWriter.Write(p)
	r.body.Write(p[:n])
	return n, err
}

// FlushError is what [http.ResponseController] looks for.
func (r *recorder) FlushError() error {
	if r.header == nil {
		r.WriteHeader(http.StatusOK)
	}
	r.flushed = r.flushed || r.body.Len() == 0
	return http.NewResponseController(r.ResponseWriter).Flush()
}

// Flush implements [http.Flusher].
func (r *recorder) Flush() { _ = r.FlushError() }

// Hijack implements [http.Hijacker].
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(r.ResponseWriter).Hijack()
	r.hijacked = r.hijacked || err == nil
	return conn, rw, err
}

// sentHeader returns the header that the client got, with the content type that net/http finds out
// by itself.
func (r *recorder) sentHeader() http.Header {
	if r.header == nil {
		return r.Header()
	}
	_, set := r.header["Content-Type"]
	if !set && !r.flushed && r.body.Len() > 0 && r.header.Get("Content-Encoding") == "" {
		r.header.Set("Content-Type", http.DetectContentType(r.body.Bytes()))
	}
	return r.header
}
