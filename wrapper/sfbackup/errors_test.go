package sfbackup_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// Every unsuccessful response becomes an APIError with all that it says, and with a text of one line.
func TestAPIErrors(t *testing.T) {
	t.Parallel()
	const text = "text/plain; charset=utf-8"
	for _, tt := range []struct {
		name     string
		response canned
		want     sfbackup.APIError
		text     string // after "sfbackup: GetPartitionBackupProgress: "
	}{
		{
			"JSON as text/plain, as the backup service writes it",
			canned{status: "404 Not Found", contentType: text, body: reconstructed(t, "error_backup_not_enabled")},
			sfbackup.APIError{
				StatusCode: 404, Code: sfbackup.CodeBackupNotEnabled,
				Message: "Backup has not been configured/ enabled for this specific partition/ service/ application.",
			},
			"404 FABRIC_E_BACKUP_NOT_ENABLED: Backup has not been configured/ enabled for this specific partition/ service/ application.",
		},
		{
			"JSON without a type",
			canned{status: "409 Conflict", body: reconstructed(t, "error_backup_in_progress")},
			sfbackup.APIError{StatusCode: 409, Code: sfbackup.CodeBackupInProgress, Message: "Backup already in Progress"},
			"409 FABRIC_E_BACKUP_IN_PROGRESS: Backup already in Progress",
		},
		{
			"JSON as the document has it, without a message",
			canned{status: "500 Internal Server Error", contentType: jsonType, body: `{"Error":{"Code":"E_UNEXPECTED"}}`},
			sfbackup.APIError{StatusCode: 500, Code: sfbackup.CodeUnexpected},
			"500 E_UNEXPECTED",
		},
		{
			"a numeric code",
			canned{status: "500 Internal Server Error", body: `{"Error":{"Code":2148734263,"Message":"Guid should contain 32 digits"}}`},
			sfbackup.APIError{StatusCode: 500, Code: "2148734263", Message: "Guid should contain 32 digits"},
			"500 2148734263: Guid should contain 32 digits",
		},
		{
			"a negative numeric code, names in another case, unknown properties",
			canned{status: "500 Internal Server Error", body: `{"x":[1,{"Code":"no"}],"error":{"y":{},"code":-2146233033,"message":null}}`},
			sfbackup.APIError{StatusCode: 500, Code: "-2146233033"},
			"500 -2146233033",
		},
		{
			"an error without an envelope, as in a progress",
			canned{status: "504 Gateway Timeout", body: `{"Code":"FABRIC_E_TIMEOUT","Message":"Timeout for the request happened"}`},
			sfbackup.APIError{StatusCode: 504, Code: sfbackup.CodeTimeout, Message: "Timeout for the request happened"},
			"504 FABRIC_E_TIMEOUT: Timeout for the request happened",
		},
		{
			"ASP.NET Web API",
			canned{status: "500 Internal Server Error", contentType: jsonType, body: `{"Message":"An error has occurred."}`},
			sfbackup.APIError{StatusCode: 500, Message: "An error has occurred."},
			"500 Internal Server Error: An error has occurred.",
		},
		{
			"only a reason phrase with a code",
			canned{status: "404 FABRIC_E_SERVICE_DOES_NOT_EXIST"},
			sfbackup.APIError{StatusCode: 404, Code: sfbackup.CodeServiceNotFound},
			"404 FABRIC_E_SERVICE_DOES_NOT_EXIST",
		},
		{
			"only a reason phrase with a short code",
			canned{status: "503 E_ABORT"},
			sfbackup.APIError{StatusCode: 503, Code: "E_ABORT"},
			"503 E_ABORT",
		},
		{
			"only a sentence as the reason phrase",
			canned{status: "402 Client certificate required"},
			sfbackup.APIError{StatusCode: 402, Message: "Client certificate required"},
			"402 Payment Required: Client certificate required",
		},
		{
			"only a status",
			canned{status: "502 Bad Gateway"},
			sfbackup.APIError{StatusCode: 502},
			"502 Bad Gateway",
		},
		{
			"an unknown status",
			canned{status: "599 "},
			sfbackup.APIError{StatusCode: 599},
			"599",
		},
		{
			"HTML",
			canned{status: "503 Service Unavailable", contentType: "text/html", body: "<!DOCTYPE html>\n<h1>Sorry</h1>", header: http.Header{"Retry-After": {"120"}}},
			sfbackup.APIError{StatusCode: 503, RetryAfter: 2 * time.Minute},
			"503 Service Unavailable",
		},
		{
			"JSON that is truncated after the code",
			canned{status: "400 Bad Request", body: `{"Error":{"Code":"E_INVALIDARG","Message":"Invalid Arg`},
			sfbackup.APIError{StatusCode: 400, Code: sfbackup.CodeInvalidArgument},
			"400 E_INVALIDARG",
		},
		{
			"JSON that is truncated before the code",
			canned{status: "400 Bad Request", body: `{"Error":{"Message":"Invalid","Code":"E_INV`},
			sfbackup.APIError{StatusCode: 400, Message: "Invalid"},
			"400 Bad Request: Invalid",
		},
		{
			"JSON that is not an object",
			canned{status: "400 Bad Request", body: `[{"Code":"no"}]`},
			sfbackup.APIError{StatusCode: 400},
			"400 Bad Request",
		},
		{
			"a code that is not a string or a number",
			canned{status: "400 Bad Request", body: `{"Error":{"Code":{"a":1},"Message":["b"]}}`},
			sfbackup.APIError{StatusCode: 400},
			"400 Bad Request",
		},
		{
			"a message of several lines with invalid UTF-8",
			canned{status: "400 Bad Request", body: "{\"Error\":{\"Code\":\"E_INVALIDARG\",\"Message\":\"a\\r\\n\\tb\xff\"}}"},
			sfbackup.APIError{StatusCode: 400, Code: sfbackup.CodeInvalidArgument, Message: "a\r\n\tb\uFFFD"},
			"400 E_INVALIDARG: a b\uFFFD",
		},
		{
			"another status of success",
			canned{status: "206 Partial Content", contentType: jsonType, body: `{"BackupState":"Success"}`},
			sfbackup.APIError{StatusCode: 206, Message: "expected status 200"},
			"206 Partial Content: expected status 200",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := newClient(t, &cannedResponses{list: []canned{tt.response}}).BackupProgress(t.Context(), partition1)
			got, ok := errors.AsType[*sfbackup.APIError](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			tt.want.Operation = "GetPartitionBackupProgress"
			if diff := cmp.Diff(&tt.want, got, cmpopts.IgnoreFields(sfbackup.APIError{}, "RequestID")); diff != "" {
				t.Error(diff)
			}
			client, request, _ := strings.Cut(got.RequestID, ":")
			if uuid.Validate(client) != nil || uuid.Validate(request) != nil {
				t.Errorf("request id %q", got.RequestID)
			}
			if want := "sfbackup: GetPartitionBackupProgress: " + tt.text; err.Error() != want {
				t.Errorf("got  %q\nwant %q", err, want)
			}
			if got.Code != "" && !errors.Is(err, got.Code) || errors.Is(err, sfbackup.ErrorCode("")) {
				t.Error("errors.Is does not compare the code")
			}
		})
	}
}

// Only a 202 accepts a start. Every other status of success is an error.
func TestBackupPartitionNeeds202(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"200 OK", "204 No Content", "301 Moved Permanently"} {
		err := newClient(t, &cannedResponses{list: []canned{{status: status}}}).BackupPartition(t.Context(), partition1, nil)
		if _, ok := errors.AsType[*sfbackup.APIError](err); !ok {
			t.Errorf("%s: got %v", status, err)
		}
	}
}

func TestLongErrors(t *testing.T) {
	t.Parallel()
	forged := canned{status: "500 Internal Server Error", body: `{"Error":{"Code":"A\nlevel=ERROR\u001b[1m` + strings.Repeat("x", 60_000) + `","Message":"m"}}`}
	err := newClient(t, noBackupBefore(&cannedResponses{list: []canned{forged}})).BackupPartition(t.Context(), partition1, nil)
	if text := err.Error(); len(text) > 400 || strings.ContainsAny(text, "\n\x1b") {
		t.Errorf("the text has %d bytes: %q", len(text), text)
	}
	long := canned{status: "500 Internal Server Error", body: `{"Error":{"Code":"E_UNEXPECTED","Message":"` + strings.Repeat("é ", 10_000) + `"}}`}
	err = newClient(t, noBackupBefore(&cannedResponses{list: []canned{long}})).BackupPartition(t.Context(), partition1, nil)
	apiErr, ok := errors.AsType[*sfbackup.APIError](err)
	if !ok || len(apiErr.Message) != 30_000 {
		t.Fatalf("got %v", err)
	}
	if text := err.Error(); len(text) > 400 || !strings.HasSuffix(text, "…") || strings.Contains(text, "\uFFFD") {
		t.Errorf("the text has %d bytes: %s", len(text), text)
	}
	// Only the beginning of a long body is read.
	read := 0
	client := newClient(t, noBackupBefore(roundTripper(func(req *http.Request) (*http.Response, error) {
		resp := canned{status: "500 Internal Server Error"}.response(req)
		resp.Body = io.NopCloser(readerFunc(func(p []byte) (int, error) {
			if read += len(p); read > 10<<20 {
				return 0, errors.New("too much was read")
			}
			return copy(p, strings.Repeat(" ", len(p))), nil
		}))
		return resp, nil
	})))
	if err := client.BackupPartition(t.Context(), partition1, nil); err == nil || read > 1<<20 {
		t.Errorf("%d bytes were read, %v", read, err)
	}
	endless := canned{status: "500 Internal Server Error", body: `{"Error":{"Code":"E_UNEXPECTED","Message":"` + strings.Repeat("x", 1<<20)}
	if err := newClient(t, noBackupBefore(&cannedResponses{list: []canned{endless}})).BackupPartition(t.Context(), partition1, nil); !errors.Is(err, sfbackup.CodeUnexpected) {
		t.Errorf("got %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Every body is closed, whatever the response is.
func TestBodiesAreClosed(t *testing.T) {
	t.Parallel()
	for _, a := range []canned{
		{status: "202 Accepted"},
		ok(`{"BackupState":"Success"}`), ok(`{"Items":[]}`), ok(`{"Items":`), ok(`null`),
		{status: "404 Not Found", body: "x"},
		{status: "204 No Content"},
	} {
		opened, closed := 0, 0
		client := newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			resp := a.response(req)
			opened++
			resp.Body = &closer{resp.Body, &closed}
			return resp, nil
		}))
		_ = client.BackupPartition(t.Context(), partition1, nil)
		_, _ = client.BackupProgress(t.Context(), partition1)
		_, _ = client.PartitionBackupsPage(t.Context(), partition1, nil)
		if closed != opened || opened < 3 {
			t.Errorf("%s %s: %d of %d bodies were closed", a.status, a.body, closed, opened)
		}
	}
}

type closer struct {
	io.Reader
	closed *int
}

func (c *closer) Close() error { *c.closed++; return nil }
