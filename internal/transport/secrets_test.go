package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/internal/text"
)

// rawServer answers every request with bytes.
func rawServer(t *testing.T, answer func() string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, answer())
	}))
	t.Cleanup(server.Close)
	return server.URL
}

const (
	connectionString = "DefaultEndpointsProtocol=https;AccountName=name;AccountKey=c2VjcmV0K2tleS8rYWJj+/==;EndpointSuffix=core.windows.net"
	signature        = "BlobEndpoint=https://name.blob.core.windows.net;SharedAccessSignature=sv=2020&sp=rw&sig=c2lnK25hdHVyZS8%2Bu%2Fs%3D"
)

// No text of a server repeats a secret that the client has sent, or the secret part of it: not in the error of
// the call, nor in that of a later call, nor in the log.
func TestSecretsOfServers(t *testing.T) {
	t.Parallel()
	const token = "eyJhbGciOi.JIUzI1NiIs.InR5cCI6"
	for name, form := range map[string]string{
		"the connection string": connectionString, "a signature": signature, "a token": token, "a password": `pa"ss\word`,
		"the key": "c2VjcmV0K2tleS8rYWJj+/==", "the key, unpadded": "c2VjcmV0K2tleS8rYWJj+/", "the key in a query": "c2VjcmV0K2tleS8rYWJj%2b%2f%3d%3d",
		"the whole signature": "sv=2020&sp=rw&sig=c2lnK25hdHVyZS8%2Bu%2Fs%3D", "its last part": "c2lnK25hdHVyZS8+u/s=", "that as JSON": `c2lnK25hdHVyZS8\u002Bu\/s=`,
	} {
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(form)
		for place, answer := range map[string]string{
			"a message":          "HTTP/1.1 400 Bad Request\r\n\r\n{\"Error\":{\"Code\":\"E_INVALIDARG\",\"Message\":\"not valid: '" + quoted + "'\"}}",
			"a long message":     "HTTP/1.1 400 Bad Request\r\n\r\n{\"Error\":{\"Code\":\"E_INVALIDARG\",\"Message\":\"" + strings.Repeat("long ", 55) + quoted + "\"}}",
			"a code":             "HTTP/1.1 400 Bad Request\r\n\r\n{\"Error\":{\"Code\":\"" + quoted + "\",\"Message\":\"\"}}",
			"a reason":           "HTTP/1.1 400 is wrong: " + form + "\r\n\r\n",
			"a status line":      "HTTP/1.1 " + form + "\r\n\r\n",
			"a protocol":         form + "\r\n\r\n",
			"a header":           "HTTP/1.1 200 OK\r\n" + form + "\r\n\r\n",
			"a length":           "HTTP/1.1 200 OK\r\nContent-Length: " + form + "\r\n\r\n",
			"an encoding":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + form + "\r\n\r\n",
			"a trailer":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + form + "\r\n\r\n",
			"a trailer, whole":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + form + "\r\n\r\n",
			"a location":         "HTTP/1.1 302 Found\r\nLocation: http://%zz/" + form + "\r\nContent-Length: 0\r\n\r\n",
			"a refused location": "HTTP/1.1 302 Found\r\nLocation: /" + form + "\r\nContent-Length: 0\r\n\r\n",
		} {
			now := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
			endpoint := rawServer(t, func() string { return now })
			var log bytes.Buffer
			transport := newTransport(t, endpoint, Config{
				HTTPClient: &http.Client{
					Transport:     &http.Transport{DisableKeepAlives: true},
					CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("refused") },
				},
				Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
				Tokens: func(context.Context) (Token, error) { return Token{Value: token}, nil },
			})
			call := Call{Want: []int{http.StatusOK}, Whole: 10, Secrets: []string{connectionString, signature, `pa"ss\word`, "", "1.1"}}
			resp, err := get(t, transport, endpoint, call)
			if err != nil {
				t.Fatal(err)
			}
			closeBody(resp)
			call.Secrets, now = nil, answer
			if place == "a trailer" {
				call.Whole = 0
			}
			resp, err = get(t, transport, endpoint, call)
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				closeBody(resp)
			}
			if err == nil {
				t.Errorf("%s in %s: no error", name, place)
				continue
			}
			all := fmt.Sprintf("%v\n%v\n%s\n%s", err, NonRetriable(err), &log, transport.Redact("told: "+form))
			if failure, ok := errors.AsType[*Failure](err); ok {
				all += fmt.Sprintf("%+v %s", failure, text.OneLine(failure.Message))
			}
			for _, secret := range []string{"pa\"ss", "ss\\word", `pa\"ss`, "eyJhbGci", "c2VjcmV0K2tl", "c2lnK25hdHVyZ"} {
				if strings.Contains(all, secret) {
					t.Errorf("%s in %s: %s", name, place, all)
					break
				}
			}
			if !strings.Contains(all, "[redacted]") || strings.Count(all, "1.1") > strings.Count(form, "1.1")+4 {
				t.Errorf("%s in %s: %s", name, place, all)
			}
		}
	}
}

// What a caller tells errors apart by is found in an error whose text is redacted.
func TestRedactedErrorsKeepTheirCauses(t *testing.T) {
	t.Parallel()
	broken := fmt.Errorf("told s3cret: %w", io.ErrUnexpectedEOF)
	transport := newTransport(t, "http://localhost", Config{HTTPClient: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
		return nil, broken
	})}})
	_, err := get(t, transport, "http://localhost", Call{Want: []int{200}, Secrets: []string{"s3cret"}})
	if got := err.Error(); got != "told [redacted]: unexpected EOF" || !errors.Is(err, io.ErrUnexpectedEOF) || !IsRetriable(err) {
		t.Errorf("got %s", got)
	}
	for _, err := range []error{err, transport.RedactError(errors.New("also s3cret"))} {
		for ; err != nil; err = errors.Unwrap(err) {
			if got := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(got, "s3cret") {
				t.Errorf("got %s", got)
			}
		}
	}
	if plain := io.EOF; transport.RedactError(plain) != plain || transport.RedactError(nil) != nil { //nolint:errorlint // the same
		t.Error("another error")
	}
}

// A source of tokens that repeats the one before says it neither at once nor in what is not retried.
func TestSecretsOfTokenSources(t *testing.T) {
	t.Parallel()
	endpoint := rawServer(t, func() string { return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" })
	calls := 0
	transport := newTransport(t, endpoint, Config{Tokens: func(context.Context) (Token, error) {
		if calls++; calls > 1 {
			return Token{}, fmt.Errorf("cannot refresh s3cret-1: %w", io.EOF)
		}
		return Token{Value: "s3cret-1", Expires: time.Now()}, nil
	}})
	resp, err := get(t, transport, endpoint, Call{Want: []int{200}})
	if err != nil {
		t.Fatal(err)
	}
	closeBody(resp)
	_, err = get(t, transport, endpoint, Call{Want: []int{200}})
	if text := fmt.Sprint(err, NonRetriable(err)); strings.Contains(text, "s3cret") || !strings.Contains(text, "[redacted]") || NonRetriable(err) == nil || !errors.Is(err, io.EOF) {
		t.Error(text)
	}
}

// A code of the cluster stays a code although a secret is a word in it.
func TestCodesAreNotRedacted(t *testing.T) {
	t.Parallel()
	endpoint := rawServer(t, func() string { return "HTTP/1.1 404 FABRIC_E_NOT_READY\r\n\r\n" })
	transport := newTransport(t, endpoint, Config{})
	for secret, want := range map[string]string{"FABRIC": "FABRIC_E_NOT_READY", "READY": "FABRIC_E_NOT_READY"} {
		_, err := get(t, transport, endpoint, Call{Want: []int{200}, Secrets: []string{secret}})
		if failure, ok := errors.AsType[*Failure](err); !ok || failure.Code != want {
			t.Errorf("%s: got %v", secret, err)
		}
	}
}

// The secrets that are kept are bounded, and the token in use is always among them.
func TestSecretsAreBounded(t *testing.T) {
	t.Parallel()
	endpoint := rawServer(t, func() string { return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" })
	transport := newTransport(t, endpoint, Config{Tokens: func(context.Context) (Token, error) { return Token{Value: "token-token"}, nil }})
	for i := range 3 * maxSecrets {
		resp, err := get(t, transport, endpoint, Call{Want: []int{200}, Secrets: []string{fmt.Sprintf("secret-%d.", i)}})
		if err != nil {
			t.Fatal(err)
		}
		closeBody(resp)
	}
	if n := len(*transport.credentials.secrets.known.Load()); n != maxSecrets {
		t.Errorf("%d are kept", n)
	}
	last := fmt.Sprintf("secret-%d.", 3*maxSecrets-1)
	if got := transport.Redact("token-token " + last); got != "[redacted] [redacted]" {
		t.Errorf("got %s", got)
	}
}
