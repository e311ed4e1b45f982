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
		body, err := readBody(&req.Body)
		if err != nil {
			// The client broke off. The handler is to see it as it would without this one.
			req.Body = brokenBody{bytes.NewReader(body), err}
		}
		// The handler may change the request, and reads its body.
		received := req.Clone(req.Context())
		violations := v.checkRequest(received, body)
		recorder := &recorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, req)
		if o := v.route(received).operation; o != nil && !recorder.hijacked && err == nil {
			resp := &http.Response{StatusCode: recorder.status, Header: recorder.sentHeader()}
			violations = append(violations, v.checkResponse(o, resp, recorder.body.Bytes())...)
		}
		if err := joined(violations); err != nil {
			report(received, err)
		}
	})
}

// brokenBody is a body that ends with an error.
type brokenBody struct {
	*bytes.Reader
	err error
}

func (b brokenBody) Read(p []byte) (int, error) {
	if b.Len() == 0 {
		return 0, b.err
	}
	return b.Reader.Read(p)
}

func (brokenBody) Close() error { return nil }

// recorder keeps what is written through it. It has no Unwrap method: what would write past it could
// not be checked.
type recorder struct {
	http.ResponseWriter
	status   int
	header   http.Header // as sent; nil: not sent yet
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
		if r.Header().Get("Content-Type") == "" {
			r.Header().Set("Content-Type", http.DetectContentType(p)) // what net/http is about to do
		}
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

func (r *recorder) sentHeader() http.Header {
	if r.header == nil {
		return r.Header()
	}
	return r.header
}
