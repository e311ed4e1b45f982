package transport

import (
	"bufio"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/servicefabric-go/backup/internal/text"
)

// checkLine fails unless a text is one short printable line.
func checkLine(t *testing.T, line string) {
	t.Helper()
	if !utf8.ValidString(line) || len(line) > 900 ||
		strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) && r != utf8.RuneError }) {
		t.Errorf("not one printable line: %q", line)
	}
}

// The status line and the header of a response become a failure with a delay within the limits, texts of one line,
// and a hint that repeats nothing of the response.
func FuzzFailure(f *testing.F) {
	for _, head := range []string{
		"200 OK\r\nRetry-After: 120\r\n",
		"503 Service Unavailable\r\nRetry-After: Wed, 21 Oct 2099 07:28:00 GMT\r\n",
		"503 Service Unavailable\r\nRetry-After: Wednesday, 21-Oct-15 07:28:00 GMT\r\nRetry-After: 7\r\n",
		"429 \r\nRetry-After: -1\r\n", "429\r\nRetry-After: 99999999999999999999\r\n", "429 x\r\nRetry-After: 1.5\r\n", "429 x\r\nRetry-After:  +3\t\r\n",
		"401 Unauthorized\r\nWWW-Authenticate: Negotiate YIIB\x01\r\n", "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"a\"\r\nWww-Authenticate: Negotiate\r\n",
		"403 Client certificate required\r\n", "403 Forbidden\r\nContent-Length: 0\r\n", "403 E_ACCESSDENIED\r\n",
		"404 FABRIC_E_SERVICE_DOES_NOT_EXIST\r\n", "504 FABRIC_E_TIMEOUT\r\nRetry-After: 4294967296\r\n", "500 E_ABORT \x1b[31m\u2028\xff\r\n",
		"302 Found\r\nLocation: https://s3cret:pw@example.com/?a=b\r\n", "099 E_\r\n", "999 " + strings.Repeat("long ", 200) + "\r\n",
	} {
		f.Add(head)
	}
	hints := []string{
		"", hintNoCredentials + "; or the certificate of the transport is not accepted",
		"the cluster wants Windows authentication, which this client does not have",
		"the cluster knows this client, but its role does not allow this request",
	}
	f.Fuzz(func(t *testing.T, head string) {
		resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader("HTTP/1.1 "+head+"\r\n")), nil)
		if err != nil {
			return
		}
		defer resp.Body.Close()

		reason := reasonPhrase(resp)
		if strings.TrimSpace(reason) != reason || !strings.HasSuffix(strings.TrimRightFunc(resp.Status, unicode.IsSpace), reason) || strings.Contains(reason, "\n") {
			t.Errorf("the reason phrase of %q is %q", resp.Status, reason)
		}
		refusal := isRefusal(resp)
		if refusal && resp.StatusCode != http.StatusForbidden {
			t.Errorf("status %d is taken for the refusal of a client", resp.StatusCode)
		}

		e := new(record).readFailure(resp)
		e.Hint = (&credentials{}).hint(resp, e)
		checkLine(t, e.Error())
		checkLine(t, text.OneLine(e.Message))
		if !slices.Contains(hints, e.Hint) {
			t.Errorf("the hint is %q", e.Hint)
		}
		if wants := resp.StatusCode == http.StatusUnauthorized && strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Negotiate"); wants != (e.Hint == hints[2]) {
			t.Errorf("%v: the hint is %q", resp.Header, e.Hint)
		}
		if e.RetryAfter < 0 || e.RetryAfter > maxRetryAfter {
			t.Errorf("the delay is %v", e.RetryAfter)
		}
		value := resp.Header.Get("Retry-After")
		want, tolerance := time.Duration(0), time.Duration(0)
		if at, err := http.ParseTime(value); err == nil {
			want, tolerance = time.Until(at), time.Minute // time passes
		} else if value != "" && strings.Trim(value, "0123456789") == "" {
			if seconds, err := strconv.Atoi(value); err == nil && seconds < 1<<32 {
				want = time.Duration(seconds) * time.Second
			}
		}
		if want = min(max(want, 0), maxRetryAfter); (e.RetryAfter - want).Abs() > tolerance {
			t.Errorf("Retry-After %q is %v, want %v", value, e.RetryAfter, want)
		}
	})
}
