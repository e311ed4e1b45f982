package contract

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
)

const (
	// maxUnread is how much of a request body is read after the handler has left it unread. The server of net/http
	// discards as much before it sends the header of the response.
	maxUnread = 256 << 10
	// maxUnsent is how much of a response the server of net/http keeps before it sends the header.
	maxUnsent = 2 << 10
)

// Handler returns a handler that passes each request to next and checks the exchange. It calls report
// once for each exchange with violations, with all of them joined in one error, after next has returned.
// report must not be nil and must be safe for concurrent use. The body of its request has been read.
//
// Neither the request nor the response is delayed or changed, but a copy of their bodies is kept in memory (see
// [Validator.WithBodyLimit]); a request that matches no operation passes unread. A request body that next does not
// read to its end is checked if the server of net/http would read it too: over HTTP/1, up to 256 KiB, and not if the
// client waits for 100 Continue. The ResponseWriter that next gets supports Flush and Hijack, and nothing else that
// [http.ResponseController] offers. What next writes to a hijacked connection is checked if it is a response, and
// reported when next has returned and the connection is closed. If next panics, only the request is checked.
func (v *Validator) Handler(next http.Handler, report func(*http.Request, error)) http.Handler {
	return v.handler(next, reporting(report))
}

func (v *Validator) handler(next http.Handler, begin beginFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		x := v.exchange(req, &report{})
		end := begin(x)
		if !x.matched() {
			x.checkRequest(nil)
			defer end(notChecked)
			next.ServeHTTP(w, req)
			return
		}
		served := req.Clone(req.Context()) // next may change it, and its body is another
		served.Trailer = req.Trailer       // the server sets its values when it has read the body
		received := newTee(req.Body, req.ContentLength, v.limit)
		recorder := &responseRecorder{ResponseWriter: w, req: req, received: received, body: message{limit: v.limit}}
		if req.Body != nil && req.Body != http.NoBody {
			served.Body = &replacedBody{received, closeFunc(func() error {
				recorder.readRest() // as net/http does
				return received.Close()
			})}
		} else {
			received.state = complete
		}
		completed := false
		defer func() {
			if completed {
				recorder.readRest()
			}
			x.checkRequest(received.message())
			switch {
			case !completed: // the response was aborted
				end(noResponse)
			case recorder.conn != nil:
				recorder.conn.whenClosed(func(sent message) { x.checkHijacked(&sent, end) })
			default:
				status, header := recorder.sent()
				x.checkResponse(status, header, &recorder.body)
				end(status)
			}
		}()
		next.ServeHTTP(recorder, served)
		completed = true
	})
}

type closeFunc func() error

func (f closeFunc) Close() error { return f() }

// checkHijacked checks the response in what was sent through a hijacked connection, if there is one.
func (x *exchange) checkHijacked(sent *message, end func(status int)) {
	if sent.long {
		x.check(InResponse).body(nil, nil, sent)
		end(noResponse)
		return
	}
	r := bufio.NewReader(bytes.NewReader(sent.data))
	resp, err := http.ReadResponse(r, x.req)
	for err == nil && resp.StatusCode < http.StatusOK && resp.StatusCode != http.StatusSwitchingProtocols {
		resp, err = http.ReadResponse(r, x.req) // the one before was informational
	}
	if err != nil {
		end(noResponse)
		return
	}
	defer resp.Body.Close()
	body := &message{limit: x.validator.limit}
	if _, err := io.Copy(body, resp.Body); err != nil {
		body.partial = true // the connection was closed before the end
	}
	x.checkResponse(resp.StatusCode, resp.Header, body)
	end(resp.StatusCode)
}

// responseRecorder keeps a copy of the response that is written through it. It has no Unwrap method,
// because writes that bypass it could not be checked.
type responseRecorder struct {
	http.ResponseWriter
	req      *http.Request
	received *teeBody
	status   int         // 0: nothing was sent
	header   http.Header // as it was sent
	flushed  bool        // before the first byte of the body
	body     message
	start    []byte // of the body, from which net/http detects its type
	size     int    // of the body
	conn     *recordedConn
}

// readRest reads the rest of the request body where net/http would discard it.
func (r *responseRecorder) readRest() {
	unread, ok := r.received.unread()
	if !ok || unread >= maxUnread || r.req.ProtoMajor != 1 || r.req.Close || r.Header().Get("Connection") == "close" ||
		strings.EqualFold(r.req.Header.Get("Expect"), "100-continue") {
		return
	}
	_, _ = io.CopyN(io.Discard, r.received, maxUnread)
}

func (r *responseRecorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status, r.header = status, r.Header().Clone()
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *responseRecorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	if r.size += len(p); r.size > maxUnsent {
		r.readRest()
	}
	n, err := r.ResponseWriter.Write(p)
	r.body.partial = r.body.partial || err != nil
	_, _ = r.body.Write(p[:n])
	r.start = append(r.start, p[:min(n, 512-len(r.start))]...)
	return n, err
}

// FlushError is the method that [http.ResponseController] calls.
func (r *responseRecorder) FlushError() error {
	r.readRest()
	if err := http.NewResponseController(r.ResponseWriter).Flush(); err != nil {
		return err
	}
	if r.status == 0 {
		r.status, r.header = http.StatusOK, r.Header().Clone()
	}
	r.flushed = r.flushed || len(r.start) == 0
	return nil
}

// Flush implements [http.Flusher].
func (r *responseRecorder) Flush() { _ = r.FlushError() }

// sent returns the status and the header that the client received, with the Content-Type that net/http detects if
// the handler sets none.
func (r *responseRecorder) sent() (int, http.Header) {
	if r.status == 0 {
		return http.StatusOK, r.Header()
	}
	_, set := r.header["Content-Type"]
	if !set && !r.flushed && len(r.start) > 0 && r.header.Get("Content-Encoding") == "" {
		r.header.Set("Content-Type", http.DetectContentType(r.start))
	}
	return r.status, r.header
}

// Hijack implements [http.Hijacker].
func (r *responseRecorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(r.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	r.conn = &recordedConn{Conn: conn, sent: message{limit: r.body.limit}}
	return r.conn, bufio.NewReadWriter(rw.Reader, bufio.NewWriter(r.conn)), nil
}
