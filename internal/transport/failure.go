package transport

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/servicefabric-go/backup/internal/text"
)

// A Failure is a response with a status that its Call does not want.
type Failure struct {
	StatusCode int
	Code       string        // of the error; "" if the response has none
	Message    string        // as the server has it, of any form and length
	Hint       string        // what to do about it; "" if there is nothing to say
	RetryAfter time.Duration // what the server asks for; 0: nothing
	Cut        bool          // the body is incomplete, so a code may be missing
	Retriable  bool          // it is transient

	refused bool // the gateway does not know the client
}

// Error returns the status and the code. Callers have their own texts.
func (f *Failure) Error() string {
	return strings.TrimSpace(strconv.Itoa(f.StatusCode) + " " + text.OneLine(f.Code))
}

// maxErrorBody is how much of the body of a failure is read. Those of a cluster are much shorter.
const maxErrorBody = 64 << 10

// readFailure reads what a response says, whatever its body is: JSON under any content type, a page for
// people, half of something, or nothing at all. A response is read once.
func (r *record) readFailure(resp *http.Response) *Failure {
	if r.response == resp {
		return r.failure
	}
	// If the body cannot be read, the status alone is the error.
	body, err := buffer(resp, maxErrorBody)
	cut := err != nil || hasOpenEnd(resp) && bytes.HasPrefix(body, []byte("{")) && !jsontext.Value(body).IsValid()
	f := &Failure{StatusCode: resp.StatusCode, RetryAfter: RetryAfter(resp), Cut: cut, refused: isRefusal(resp)}
	f.Code, f.Message = text.ReadError(body)
	switch reason := reasonPhrase(resp); {
	case f.Code == "" && isCode(reason): // as the gateway's reverse proxy has it
		f.Code = reason
	case f.Code == "" && f.Message == "" && reason != http.StatusText(resp.StatusCode):
		f.Message = reason // the security layer of the gateway puts a sentence there
	}
	r.response, r.failure = resp, f
	return f
}

// isRefusal reports whether the gateway does not know the client: a 403 without a body. A 403 of the service
// behind it has one.
func isRefusal(resp *http.Response) bool {
	if resp.StatusCode != http.StatusForbidden {
		return false
	}
	body, err := buffer(resp, maxErrorBody)
	return len(body) == 0 && err == nil
}

// reasonPhrase returns the text after the status code in the status line.
func reasonPhrase(resp *http.Response) string {
	return strings.TrimSpace(strings.TrimPrefix(resp.Status, strconv.Itoa(resp.StatusCode)))
}

// isCode reports whether a reason phrase is an error code: E_ABORT, FABRIC_E_TIMEOUT.
func isCode(s string) bool {
	return strings.HasPrefix(strings.TrimPrefix(s, "FABRIC_"), "E_") &&
		!strings.ContainsFunc(s, func(r rune) bool {
			return r != '_' && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
		})
}

// IsClusterCode reports whether an error code is one that a cluster can send: a name, or a number that is an
// HRESULT. Others come from something on the way.
func IsClusterCode(code string) bool {
	n, err := strconv.ParseInt(code, 10, 64)
	return isCode(code) || err == nil && (n < 0 || n >= 1<<31)
}

// maxRetryAfter limits the delay that a server can ask for.
const maxRetryAfter = 5 * time.Minute

// RetryAfter returns the delay that a server asks for in a Retry-After header, which has a number of seconds
// or a date: five minutes at most, and 0 if there is none.
func RetryAfter(resp *http.Response) time.Duration {
	value := resp.Header.Get("Retry-After")
	if value == "" {
		return 0
	}
	var d time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		d = time.Until(at)
	}
	return min(max(d, 0), maxRetryAfter)
}
