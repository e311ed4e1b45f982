package sfbackup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

func TestNewClientReportsAllErrors(t *testing.T) {
	t.Parallel()
	_, err := sfbackup.NewClient("localhost:19080",
		sfbackup.WithHTTPClient(nil), sfbackup.WithLogger(nil), sfbackup.WithUserAgent(""), nil)
	for _, want := range []string{
		"sfbackup: NewClient: ", `has to begin with "http://"`, "WithHTTPClient", "WithLogger", "WithUserAgent", "an option is nil",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not contain %q", err, want)
		}
	}
	if _, err := sfbackup.NewClient("http://localhost", sfbackup.WithUserAgent("a\nb")); err == nil {
		t.Error("no error for a user agent of two lines")
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{ // "" is an error
		"":                            "",
		"localhost":                   "",
		"localhost:19080":             "",
		"//localhost:19080":           "",
		"ftp://localhost":             "",
		"http://":                     "",
		"http://:19080":               "",
		"http://localhost:x":          "",
		"http://localhost?a=s3cret":   "",
		"http://localhost?":           "",
		"http://localhost#s3cret":     "",
		"http://localhost#":           "",
		"http://s3cret:pw@localhost":  "",
		"http://[::1%25s3cret\xff]":   "",
		"http://localhost:19080":      "http://localhost:19080/Services/CalcApp/CalcService/$/GetBackups",
		"http://localhost:":           "http://localhost/Services/CalcApp/CalcService/$/GetBackups",
		"https://sf.example.com/":     "https://sf.example.com/Services/CalcApp/CalcService/$/GetBackups",
		"http://[::1]:19080":          "http://[::1]:19080/Services/CalcApp/CalcService/$/GetBackups",
		"https://gateway/sf/cluster/": "https://gateway/sf/cluster/Services/CalcApp/CalcService/$/GetBackups",
		"https://gateway/sf%2Fa":      "https://gateway/sf%2Fa/Services/CalcApp/CalcService/$/GetBackups",
	} {
		sent := &cannedResponses{list: []canned{ok(`{"Items":[]}`)}}
		client, err := sfbackup.NewClient(endpoint, sfbackup.WithHTTPClient(&http.Client{Transport: sent}))
		if want == "" {
			if err == nil || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%q: got %v", endpoint, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", endpoint, err)
			continue
		}
		if _, err := client.ServiceBackupsPage(t.Context(), calcService, nil); err != nil {
			t.Errorf("%q: %v", endpoint, err)
		}
		if got, _, _ := strings.Cut(sent.requests[0].URL.String(), "?"); got != want {
			t.Errorf("%q: sent to %s, want %s", endpoint, got, want)
		}
	}
}

// The complete request that starts a backup, as the server receives it.
func TestRequestAsSent(t *testing.T) {
	t.Parallel()
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = fmt.Sprintf("%s %s\nlength %d, chunked %v\n", r.Method, r.RequestURI, r.ContentLength, r.TransferEncoding != nil)
		for _, name := range []string{"Content-Type", "Accept", "User-Agent", "X-ServiceFabricClientType", "X-ServiceFabricRequestId", "Expect"} {
			got += name + ": " + strings.Join(r.Header[http.CanonicalHeaderKey(name)], ", ") + "\n"
		}
		got += string(body)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	client := newClientAt(t, server.URL)
	if err := client.BackupPartition(t.Context(), partition1, nil); err != nil {
		t.Fatal(err)
	}
	const id = `[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`
	want := regexp.MustCompile(`^POST /Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/\$/Backup\?api-version=6\.4
length 2, chunked false
Content-Type: application/json
Accept: application/json
User-Agent: servicefabric-go-backup
X-ServiceFabricClientType: GoClientlib-[a-z0-9]+
X-ServiceFabricRequestId: ` + id + `:` + id + `
Expect: 
\{\}$`)
	if !want.MatchString(got) {
		t.Errorf("got\n%s", got)
	}
}

func TestTimeoutOfTheServer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		deadline time.Duration // 0: none
		want     string
	}{
		{0, ""},
		{time.Millisecond, "1"},
		{90*time.Second + 999*time.Millisecond, "90"},
		{math.MaxInt64, "2147483"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			if tt.deadline > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tt.deadline)
				defer cancel()
			}
			var sent []*http.Request
			client := newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
				sent = append(sent, req)
				switch {
				case req.Method == http.MethodPost:
					return canned{status: "202 Accepted"}.response(req), nil
				case strings.HasSuffix(req.URL.Path, "GetBackups"):
					return ok(`{"Items":[]}`).response(req), nil
				default:
					return ok(`{}`).response(req), nil
				}
			}))
			if err := client.BackupPartition(ctx, partition1, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := client.PartitionBackupsPage(ctx, partition1, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := client.BackupProgress(ctx, partition1); err != nil {
				t.Fatal(err)
			}
			if len(sent) != 4 {
				t.Errorf("%d requests", len(sent))
			}
			for _, req := range sent {
				want := tt.want
				if req.Method == http.MethodPost && len(want) > 1 {
					want = "60" // a longer one would only keep the outcome of a start unknown for longer
				}
				if got := strings.Join(req.URL.Query()["timeout"], ","); got != want {
					t.Errorf("%s: timeout %q, want %q", req.URL.Path, got, want)
				}
			}
		})
	}
}

func TestBackupTimeout(t *testing.T) {
	t.Parallel()
	for timeout, want := range map[time.Duration]string{
		0:                             "",
		1:                             "1",
		time.Minute:                   "1",
		time.Minute + 1:               "2",
		time.Hour:                     "60",
		35791 * time.Minute:           "35791",
		35791*time.Minute + 1:         "error",
		math.MaxInt64:                 "error",
		-1:                            "error",
		-time.Duration(math.MaxInt64): "error",
	} {
		sent := &cannedResponses{list: []canned{{status: "202 Accepted"}}}
		err := newClient(t, noBackupBefore(sent)).BackupPartition(t.Context(), partition1, &sfbackup.BackupOptions{Timeout: timeout})
		if want == "error" {
			if err == nil || len(sent.requests) > 0 {
				t.Errorf("%v: got %v, sent %d", timeout, err, len(sent.requests))
			}
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", timeout, err)
		} else if got := strings.Join(sent.requests[0].URL.Query()["BackupTimeout"], ","); got != want {
			t.Errorf("%v: BackupTimeout %q, want %q", timeout, got, want)
		}
	}
}

func TestNilPartition(t *testing.T) {
	t.Parallel()
	client := newClient(t, neverSent(t))
	const want = "the partition id is not set"
	if err := client.BackupPartition(t.Context(), uuid.Nil, nil); err == nil || err.Error() != "sfbackup: BackupPartition: "+want {
		t.Errorf("BackupPartition: %v", err)
	}
	if _, err := client.BackupProgress(t.Context(), uuid.Nil); err == nil || err.Error() != "sfbackup: GetPartitionBackupProgress: "+want {
		t.Errorf("BackupProgress: %v", err)
	}
	if _, err := client.WaitForBackup(t.Context(), uuid.Nil, nil); err == nil {
		t.Error("WaitForBackup: no error")
	}
	if _, err := client.BackupAndWait(t.Context(), uuid.Nil, nil, nil); err == nil {
		t.Error("BackupAndWait: no error")
	}
}

// The caller's http.Client is not modified, and its transport gets the requests.
func TestHTTPClientIsCopied(t *testing.T) {
	t.Parallel()
	sent := &cannedResponses{list: []canned{{status: "202 Accepted"}}}
	caller := &http.Client{Transport: sent, Timeout: time.Minute}
	before := *caller
	client := newClientAt(t, "http://localhost", sfbackup.WithHTTPClient(caller), sfbackup.WithUserAgent("operator/1.0"))
	if err := client.BackupPartition(t.Context(), partition1, nil); err != nil {
		t.Fatal(err)
	}
	if caller.Transport != before.Transport || caller.CheckRedirect != nil || caller.Timeout != before.Timeout {
		t.Error("the caller's client was changed")
	}
	if got := sent.requests[0].UserAgent(); got != "operator/1.0" {
		t.Errorf("user agent %q", got)
	}
}

// Redirects are not followed, because a request may contain a password.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	redirect := canned{status: "307 Temporary Redirect", header: http.Header{"Location": {"http://elsewhere.example/"}}}
	for _, timeout := range []time.Duration{0, time.Minute} {
		sent := &cannedResponses{list: []canned{redirect}}
		client := newClientAt(t, "http://localhost", sfbackup.WithHTTPClient(&http.Client{Transport: noBackupBefore(sent), Timeout: timeout}))
		err := client.BackupPartition(t.Context(), partition1, &sfbackup.BackupOptions{
			Storage: &sfbackup.FileShare{Path: `\\a\b`, PrimaryPassword: "pw"},
		})
		apiErr, ok := errors.AsType[*sfbackup.APIError](err)
		if !ok || apiErr.StatusCode != http.StatusTemporaryRedirect || len(sent.requests) != 1 {
			t.Errorf("got %v after %d requests", err, len(sent.requests))
		}
	}
}

// The default transport uses HTTP/1.1 and reuses connections.
func TestDefaultTransport(t *testing.T) {
	t.Parallel()
	cluster := sfbackuptest.NewCluster()
	remotes := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		remotes[r.RemoteAddr] = true
		if r.ProtoMajor != 1 {
			t.Errorf("the request is %s", r.Proto)
		}
		cluster.ServeHTTP(w, r)
	}))
	defer server.Close()
	client := newClientAt(t, server.URL)
	for range 3 {
		if got, err := collect(client.ServiceBackups(t.Context(), calcService, nil)); len(got) != 5 || err != nil {
			t.Errorf("got %d backups, %v", len(got), err)
		}
		if _, err := client.BackupProgress(t.Context(), partition1); !errors.Is(err, sfbackup.ErrNoBackup) {
			t.Error(err)
		}
		if _, err := client.BackupProgress(t.Context(), id1); !errors.Is(err, sfbackup.CodePartitionNotFound) {
			t.Error(err)
		}
	}
	if len(remotes) != 1 {
		t.Errorf("%d connections", len(remotes))
	}
}

// The error of a call without a response names the operation, but neither the URL nor its query.
func TestTransportErrors(t *testing.T) {
	t.Parallel()
	errBroken := errors.New("connection reset by peer")
	client := newClient(t, roundTripper(func(*http.Request) (*http.Response, error) { return nil, errBroken }))
	_, err := client.PartitionBackupsPage(t.Context(), partition1, &sfbackup.ListOptions{ContinuationToken: "s3cret"})
	if !errors.Is(err, errBroken) || err.Error() != "sfbackup: GetPartitionBackupList: connection reset by peer" {
		t.Errorf("got %v", err)
	}

	errCause := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errCause)
	_, err = client.BackupProgress(ctx, partition1)
	if !errors.Is(err, errCause) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}

	// The body ends early.
	client = newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		resp := ok("").response(req)
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"BackupState":`), iotest.ErrReader(errBroken)))
		return resp, nil
	}))
	if _, err = client.BackupProgress(t.Context(), partition1); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	if _, err = client.PartitionBackupsPage(t.Context(), partition1, nil); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logged := debugLog(&log, slog.TimeKey, "duration", "request_id")
	errBroken := errors.New("broken")
	fail := false
	client := newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodGet && !fail {
			return ok("null").response(req), nil
		}
		if fail {
			return nil, errBroken
		}
		return canned{status: "202 Accepted"}.response(req), nil
	}), logged)
	storage := &sfbackup.FileShare{Path: `\\a\b`, PrimaryPassword: "s3cret"}
	if err := client.BackupPartition(t.Context(), partition1, &sfbackup.BackupOptions{Storage: storage}); err != nil {
		t.Fatal(err)
	}
	fail = true
	_, _ = client.PartitionBackupsPage(t.Context(), partition1, &sfbackup.ListOptions{ContinuationToken: "s3cret"})
	// The code of an error is logged, whether it is in the body or in the status line.
	for _, a := range []canned{
		{status: "404 Not Found", body: `{"Error":{"Code":"FABRIC_E_PARTITION_NOT_FOUND","Message":"s3cret"}}`},
		{status: "404 FABRIC_E_SERVICE_DOES_NOT_EXIST"},
		{status: "500 Internal Server Error", body: "s3cret"},
	} {
		failing := newClient(t, &cannedResponses{list: []canned{a}}, logged)
		if _, err := failing.BackupProgress(t.Context(), partition1); err == nil {
			t.Error("no error")
		}
	}
	want := `level=DEBUG msg="sfbackup: request" operation=GetPartitionBackupProgress attempt=1 method=GET endpoint=http://localhost:19080 status=200
level=DEBUG msg="sfbackup: request" operation=BackupPartition attempt=1 method=POST endpoint=http://localhost:19080 status=202
level=DEBUG msg="sfbackup: request" operation=GetPartitionBackupList attempt=1 method=GET endpoint=http://localhost:19080 error=broken
level=DEBUG msg="sfbackup: request" operation=GetPartitionBackupProgress attempt=1 method=GET endpoint=http://localhost:19080 status=404 code=FABRIC_E_PARTITION_NOT_FOUND
level=DEBUG msg="sfbackup: request" operation=GetPartitionBackupProgress attempt=1 method=GET endpoint=http://localhost:19080 status=404 code=FABRIC_E_SERVICE_DOES_NOT_EXIST
level=DEBUG msg="sfbackup: request" operation=GetPartitionBackupProgress attempt=1 method=GET endpoint=http://localhost:19080 status=500
`
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Error(diff)
	}

	quiet := newClient(t, &cannedResponses{list: []canned{{status: "202 Accepted"}}}, sfbackup.WithLogger(slog.New(slog.DiscardHandler)))
	if err := quiet.BackupPartition(t.Context(), partition1, nil); err != nil {
		t.Error(err)
	}
}
