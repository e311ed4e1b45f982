package sfbackup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// A response that repeats the token of its request shows it neither in the error nor in the log.
func TestTokenThatAServerRepeats(t *testing.T) {
	t.Parallel()
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2lnbmF0dXJl"
	for name, a := range map[string]canned{
		"a reason":  {status: "401 bad token " + token},
		"a message": {status: "400 Bad Request", body: `{"Error":{"Code":"E_INVALIDARG","Message":"` + strings.Repeat("not ", 60) + token + `"}}`},
		"a code":    {status: "400 Bad Request", body: `{"Error":{"Code":"` + token + `"}}`},
	} {
		var log bytes.Buffer
		client := newUncheckedClient(t, &cannedResponses{list: []canned{a}}, sfbackup.WithTokenSource(func(context.Context) (sfbackup.Token, error) {
			return sfbackup.Token{Value: token}, nil
		}), sfbackup.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
		for call, read := range clientCalls {
			if err := read(t.Context(), client); err == nil || strings.Contains(err.Error()+log.String(), "eyJhbGci") || !strings.Contains(err.Error(), "[redacted]") {
				t.Errorf("%s, %s: got %v and the log\n%s", name, call, err, &log)
			}
		}
		if err := client.BackupPartition(t.Context(), partition1, nil); err == nil || strings.Contains(err.Error()+log.String(), "eyJhbGci") {
			t.Errorf("%s: got %v and the log\n%s", name, err, &log)
		}
	}
}

// A server that repeats a secret of a storage, or a part of it, shows it in no error, no progress and no log: in the
// response to the start, and in those to later calls.
func TestStorageSecretsAreRedacted(t *testing.T) {
	t.Parallel()
	const key = "c2VjcmV0LWtleS1vZi1hbi1hY2NvdW50+/=="
	account := "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=" + key
	for name, tt := range map[string]struct {
		storage sfbackup.BackupStorage
		secret  string
	}{
		"a connection string":     {&sfbackup.AzureBlobStore{ConnectionString: sfbackup.Secret(account), ContainerName: "c"}, account},
		"an account key":          {&sfbackup.AzureBlobStore{ConnectionString: sfbackup.Secret(account), ContainerName: "c"}, key},
		"a password":              {&sfbackup.FileShare{Path: `\\a\b`, PrimaryPassword: "hunter22", SecondaryPassword: "s3cond-one"}, "s3cond-one"},
		"one of an unknown kind":  {&sfbackup.UnknownStorage{RawKind: "S3", Raw: []byte(`{"StorageKind":"S3","Nested":[{"Key":"k-of-the-unknown"}]}`)}, "k-of-the-unknown"},
		"one that is also a word": {&sfbackup.FileShare{Path: `\\a\b`, PrimaryPassword: "Failure", SecondaryPassword: "s3cond-one"}, "s3cond-one"},
	} {
		synctest.Test(t, func(t *testing.T) {
			quoted, err := json.Marshal("not accepted: " + tt.secret + "!")
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			started := false
			client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
				switch {
				case req.Method == http.MethodPost:
					started = true
					return canned{status: "202 Accepted"}.response(req), nil
				case !started:
					return ok("null").response(req), nil
				}
				return ok(`{"BackupState":"Failure","FailureError":{"Code":"E_FAIL","Message":` + string(quoted) + `}}`).response(req), nil
			}), debugLog(&log))
			p, err := client.BackupAndWait(t.Context(), partition1, &sfbackup.BackupOptions{Storage: tt.storage}, nil)
			if err == nil || p == nil || strings.Contains(fmt.Sprintf("%v %+v %+v", err, p, p.FailureError)+log.String(), tt.secret) || !strings.Contains(err.Error(), "[redacted]") {
				t.Errorf("%s: got %v, %+v and the log\n%s", name, err, p, &log)
			}

			refusing := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
				if req.Method == http.MethodGet {
					return ok("null").response(req), nil
				}
				return canned{status: "400 Bad Request", body: `{"Error":{"Code":"E_INVALIDARG","Message":` + string(quoted) + `}}`}.response(req), nil
			}), debugLog(&log))
			err = refusing.BackupPartition(t.Context(), partition1, &sfbackup.BackupOptions{Storage: tt.storage})
			if err == nil || strings.Contains(err.Error()+log.String(), tt.secret) || !strings.Contains(err.Error(), "[redacted]") {
				t.Errorf("%s: got %v and the log\n%s", name, err, &log)
			}
		})
	}
}
