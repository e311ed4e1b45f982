package transport

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Nothing was sent if MaySend has stopped a request, unless its body had been read before.
func TestMaySend(t *testing.T) {
	t.Parallel()
	late := errors.New("too late")
	for name, tt := range map[string]struct {
		allowed     int // how often MaySend allows it
		again       bool
		nothingSent bool
	}{
		"before it leaves": {0, false, true}, "before it is written": {1, false, true}, "before it is written again": {2, true, false},
	} {
		endpoint, err := url.Parse("http://localhost:19080/")
		if err != nil {
			t.Fatal(err)
		}
		sent, asked := "", 0
		transport, err := New(&Config{Endpoints: []*url.URL{endpoint}, HTTPClient: &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(req.Body)
			if err == nil && tt.again {
				sent += string(body)
				if req.Body, err = req.GetBody(); err == nil {
					body, err = io.ReadAll(req.Body)
				}
			}
			if err != nil {
				return nil, err
			}
			sent += string(body)
			return nil, io.EOF
		})}})
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost:19080/x", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		trace := new(ConnTrace)
		_, err = transport.Do(t.Context(), req, Call{Want: []int{http.StatusAccepted}, Trace: trace, MaySend: func() error {
			if asked++; asked > tt.allowed {
				return late
			}
			return nil
		}})
		if !errors.Is(err, late) || IsRetriable(err) || trace.NothingSent(err) != tt.nothingSent || (sent == "") != tt.nothingSent {
			t.Errorf("%s: %v, sent %q, nothing sent: %v", name, err, sent, trace.NothingSent(err))
		}
	}
}
