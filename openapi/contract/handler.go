package contract

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
)

// Handler returns a handler that passes each request to next and checks the exchange. It calls report
// once for each exchange with violations, with all of them joined in one error, after next has returned.
// report must not be nil and must be safe for concurrent use. The body of its request has been read.
//
// The request body is read to its end before next is called. The response is not delayed or changed, but a
// copy of it is kept in memory. The ResponseWriter that next gets supports Flush and Hijack, and nothing else
// that [http.ResponseController] offers. If next panics or hijacks the connection, only the request is
// checked.
func (v *Validator) Handler(next http.Handler, report func(*http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		// If reading fails, next reads the same part of the body and gets the same error.
		body, err := readBody(&req.Body)
		// next may change the request.
		received := req.Clone(req.Context())
		violations := v.checkRequest(received, body)
		recorder := &responseRecorder{ResponseWriter: w, status: http.StatusOK}
		completed := false
		defer func() {
			// A handler that panics aborts its response, so there is no complete response to check.
			if o := v.route(received).operation; o != nil && completed && !recorder.hijacked && err == nil {
				resp := &http.Response{StatusCode: recorder.status, Header: recorder.sentHeader()}
				violations = append(violations, v.checkResponse(o, received, resp, recorder.body.Bytes())...)
			}
			if err := joinViolations(violations); err != nil {
				report(received, err)
			}
		}()
		next.ServeHTTP(recorder, req)
		completed = true
	})
}

// responseRecorder keeps a copy of the response that is written through it. It has no Unwrap method,
// because writes that bypass it could not be checked.
type responseRecorder struct {
	http.ResponseWriter
	status   int
	header   http.Header // as it was sent; nil before that
	flushed  bool        // before the first byte of the body
	body     bytes.Buffer
	hijacked bool
}

func (r *responseRecorder) WriteHeader(status int) {
	if r.header == nil && status >= http.StatusOK {
		r.status, r.header = status, r.Header().Clone()
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *responseRecorder) Write(p []byte) (int, error) {
	if r.header == nil {
		r.WriteHeader(http.StatusOK)
	}
	n, err := r.ResponseWriter.Write(p)
	r.body.Write(p[:n])
	return n, err
}

// FlushError is the method that [http.ResponseController] calls.
func (r *responseRecorder) FlushError() error {
	if r.header == nil {
		r.WriteHeader(http.StatusOK)
	}
	r.flushed = r.flushed || r.body.Len() == 0
	return http.NewResponseController(r.ResponseWriter).Flush()
}

// Flush implements [http.Flusher].
func (r *responseRecorder) Flush() { _ = r.FlushError() }

// Hijack implements [http.Hijacker].
func (r *responseRecorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(r.ResponseWriter).Hijack()
	r.hijacked = r.hijacked || err == nil
	return conn, rw, err
}

// sentHeader returns the header that the client received, with the Content-Type that net/http detects if
// the handler sets none.
func (r *responseRecorder) sentHeader() http.Header {
	if r.header == nil {
		return r.Header()
	}
	_, set := r.header["Content-Type"]
	if !set && !r.flushed && r.body.Len() > 0 && r.header.Get("Content-Encoding") == "" {
		r.header.Set("Content-Type", http.DetectContentType(r.body.Bytes()))
	}
	return r.header
}
