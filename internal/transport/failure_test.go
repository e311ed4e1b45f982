package transport

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// What a Failure says about a response.
func TestFailure(t *testing.T) {
	t.Parallel()
	later := http.Header{"Retry-After": {"120"}}
	for _, tt := range []struct {
		name, status string
		header       http.Header
		body         string // "cut" is one that breaks off
		want         Failure
	}{
		{"only a status", "500 Internal Server Error", nil, "", Failure{StatusCode: 500}},
		{"a transient status", "503 Service Unavailable", later, "", Failure{StatusCode: 503, RetryAfter: 2 * time.Minute, Retriable: true}},
		{
			"a transient code", "400 Bad Request", nil, `{"Error":{"Code":"FABRIC_E_NOT_PRIMARY","Message":"m"}}`,
			Failure{StatusCode: 400, Code: "FABRIC_E_NOT_PRIMARY", Message: "m", Retriable: true},
		},
		{
			"a permanent code", "503 Service Unavailable", nil, `{"Error":{"Code":"E_PERMANENT"}}`,
			Failure{StatusCode: 503, Code: "E_PERMANENT"},
		},
		{"a code in the status line", "504 FABRIC_E_TIMEOUT", nil, "", Failure{StatusCode: 504, Code: "FABRIC_E_TIMEOUT", Retriable: true}},
		{"a sentence in the status line", "402 Client certificate required", nil, "", Failure{StatusCode: 402, Message: "Client certificate required"}},
		{"a body that ends early", "400 Bad Request", nil, "cut", Failure{StatusCode: 400, Code: "E_ABORT", Cut: true, Retriable: true}},
		{
			"a client that the gateway does not know", "403 Forbidden", nil, "",
			Failure{StatusCode: 403, Hint: hintNoCredentials + "; or the certificate of the transport is not accepted"},
		},
		{"another status of success", "204 No Content", nil, "", Failure{StatusCode: 204, Message: "expected status 200"}},
		{"a redirect", "302 Found", nil, "", Failure{StatusCode: 302, Message: "redirects are not followed"}},
	} {
		base := roundTripper(func(req *http.Request) (*http.Response, error) {
			resp := newResponse(req, tt.status, tt.header, tt.body)
			if tt.body == "cut" {
				resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"Error":{"Code":"E_ABORT","Mess`), iotest.ErrReader(io.ErrUnexpectedEOF)))
			}
			return resp, nil
		})
		transport := newTransport(t, "http://localhost", Config{
			HTTPClient: &http.Client{Transport: base}, NonRetriableCodes: []string{"E_PERMANENT"},
		})
		_, err := transport.Do(t.Context(), newRequest(t, http.MethodGet), Call{Want: []int{http.StatusOK}})
		got, ok := errors.AsType[*Failure](err)
		if !ok {
			t.Errorf("%s: got %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(&tt.want, got, cmpopts.IgnoreUnexported(Failure{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if IsRetriable(err) != tt.want.Retriable {
			t.Errorf("%s: IsRetriable is %v", tt.name, !tt.want.Retriable)
		}
	}
}
