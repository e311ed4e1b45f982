package sfbackup_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// Requests that only read are retried after transient failures and succeed. A start is retried once it is known
// that it did nothing.
func TestRetry(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]sfbackuptest.Fault{
		"refused":             sfbackuptest.Refuse(),
		"reset":               sfbackuptest.Reset(),
		"EOF":                 sfbackuptest.HangUp(),
		"408":                 sfbackuptest.Answer(http.StatusRequestTimeout, ""),
		"429":                 sfbackuptest.Answer(http.StatusTooManyRequests, ""),
		"502":                 sfbackuptest.Answer(http.StatusBadGateway, ""),
		"503":                 sfbackuptest.Answer(http.StatusServiceUnavailable, ""),
		"503 with HTML":       sfbackuptest.HTMLError(http.StatusServiceUnavailable),
		"504":                 sfbackuptest.Answer(http.StatusGatewayTimeout, ""),
		"500 and a code":      sfbackuptest.Answer(http.StatusInternalServerError, `{"Error":{"Code":"FABRIC_E_NOT_PRIMARY"}}`),
		"400 and a code":      sfbackuptest.Answer(http.StatusBadRequest, `{"Error":{"Code":"FABRIC_E_RECONFIGURATION_PENDING"}}`),
		"half of a progress":  sfbackuptest.CutBody(3).On(sfbackuptest.OpGetPartitionBackupProgress),
		"half of a list":      sfbackuptest.CutBody(300).On(sfbackuptest.OpGetPartitionBackupList),
		"503 and Retry-After": sfbackuptest.Answer(http.StatusServiceUnavailable, "").Header("Retry-After", "60"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cluster := sfbackuptest.NewCluster()
				client := newUncheckedClient(t, cluster.Transport())
				cluster.Script(t, fault.Times(3))
				start := time.Now()
				if strings.HasSuffix(name, "list") {
					if got, err := collect(client.PartitionBackups(t.Context(), partition1, nil)); len(got) != 3 || err != nil {
						t.Errorf("got %d backups, %v", len(got), err)
					}
				} else if _, err := client.BackupProgress(t.Context(), partition1); !errors.Is(err, sfbackup.ErrNoBackup) {
					t.Errorf("got %v", err)
				}
				most := 3500 * time.Millisecond // 0.5 + 1 + 2
				if strings.HasSuffix(name, "Retry-After") {
					most = 3 * time.Minute
				}
				if took := time.Since(start); took > most || most > time.Minute && took < most {
					t.Errorf("it took %v", took)
				}
			})
		})
		t.Run(name+", a start", func(t *testing.T) {
			t.Parallel()
			if strings.HasPrefix(name, "half") {
				return // a start has no body
			}
			synctest.Test(t, func(t *testing.T) {
				cluster := sfbackuptest.NewCluster()
				client := newUncheckedClient(t, cluster.Transport())
				cluster.Script(t, fault.On(sfbackuptest.OpBackupPartition).Times(3))
				if err := client.BackupPartition(t.Context(), partition1, nil); err != nil || posts(cluster) != 4 {
					t.Errorf("%v after %d requests", err, posts(cluster))
				}
			})
		})
	}
}

// Failures that another attempt does not change are not retried.
func TestNoRetry(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]sfbackuptest.Fault{
		"400":                      sfbackuptest.Answer(http.StatusBadRequest, ""),
		"403":                      sfbackuptest.RefuseCredentials(),
		"403 and a code":           sfbackuptest.DenyAccess(),
		"404":                      sfbackuptest.Answer(http.StatusNotFound, ""),
		"409":                      sfbackuptest.Answer(http.StatusConflict, ""),
		"500":                      sfbackuptest.Answer(http.StatusInternalServerError, `{"Error":{"Code":"E_UNEXPECTED"}}`),
		"503 and a permanent code": sfbackuptest.Answer(http.StatusServiceUnavailable, `{"Error":{"Code":"FABRIC_E_BACKUP_NOT_ENABLED"}}`),
		"an invalid progress":      sfbackuptest.Answer(http.StatusOK, "<html>"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := sfbackuptest.NewCluster()
			client := newUncheckedClient(t, cluster.Transport())
			cluster.Script(t, fault)
			if _, err := client.BackupProgress(t.Context(), partition1); err == nil || len(cluster.Requests()) != 1 {
				t.Errorf("%v after %d requests", err, len(cluster.Requests()))
			}
		})
	}
	for _, failure := range []error{
		&tls.CertificateVerificationError{Err: errors.New("unknown authority")},
		tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"},
		&net.DNSError{IsNotFound: true},
	} {
		n := 0
		client := newUncheckedClient(t, roundTripper(func(*http.Request) (*http.Response, error) { n++; return nil, failure }))
		if _, err := client.BackupProgress(t.Context(), partition1); err == nil || n != 1 {
			t.Errorf("%T: %v after %d requests", failure, err, n)
		}
	}
}

// The policy limits the number of attempts and the delays between them. The context limits the whole call.
func TestRetryPolicy(t *testing.T) {
	t.Parallel()
	attempts := func(t *testing.T, ctx context.Context, policy sfbackup.RetryPolicy, header http.Header) ([]time.Duration, error) {
		t.Helper()
		var at []time.Duration
		start := time.Now()
		client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			at = append(at, time.Since(start))
			return canned{status: "503 Service Unavailable", header: header}.response(req), nil
		}), sfbackup.WithRetry(policy))
		_, err := client.PartitionBackupsPage(ctx, partition1, nil)
		return at, err
	}
	synctest.Test(t, func(t *testing.T) {
		for policy, want := range map[sfbackup.RetryPolicy]struct {
			attempts int
			most     []time.Duration // between two attempts
		}{
			{}:                                      {4, []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}},
			{MaxAttempts: 1}:                        {1, nil},
			{MaxAttempts: 3, MinDelay: time.Minute}: {3, []time.Duration{time.Minute, time.Minute}},
			{MaxAttempts: 3, MaxDelay: time.Millisecond}:                       {3, []time.Duration{time.Millisecond, time.Millisecond}},
			{MaxAttempts: 80, MinDelay: 1, MaxDelay: math.MaxInt64 - 1}:        {80, nil},
			{MaxAttempts: 4, MinDelay: time.Second, MaxDelay: 3 * time.Second}: {4, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}},
		} {
			at, err := attempts(t, t.Context(), policy, nil)
			apiErr, ok := errors.AsType[*sfbackup.APIError](err)
			if !ok || apiErr.StatusCode != http.StatusServiceUnavailable || len(at) != want.attempts {
				t.Errorf("%+v: %v after %d attempts", policy, err, len(at))
			}
			for i, most := range want.most {
				if delay := at[i+1] - at[i]; delay > most {
					t.Errorf("%+v: %v before attempt %d", policy, delay, i+2)
				}
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		// If the server asks for a longer delay than the context allows, its response is the error.
		at, err := attempts(t, ctx, sfbackup.RetryPolicy{}, http.Header{"Retry-After": {"61"}})
		if _, ok := errors.AsType[*sfbackup.APIError](err); !ok || len(at) != 1 || ctx.Err() != nil {
			t.Errorf("%v after %d attempts", err, len(at))
		}
		at, _ = attempts(t, t.Context(), sfbackup.RetryPolicy{MaxAttempts: 2}, http.Header{"Retry-After": {"86400"}})
		if len(at) != 2 || at[1] != 5*time.Minute {
			t.Errorf("the server asked for a day, the attempts were at %v", at)
		}
		for in, want := range map[time.Duration]time.Duration{90 * time.Second: 90 * time.Second, time.Hour: 5 * time.Minute} {
			date := time.Now().Add(in).UTC().Format(http.TimeFormat)
			at, _ = attempts(t, t.Context(), sfbackup.RetryPolicy{MaxAttempts: 2}, http.Header{"Retry-After": {date}})
			if len(at) != 2 || at[1] != want {
				t.Errorf("the server asked for %v, the attempts were at %v", in, at)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		at, err := attempts(t, ctx, sfbackup.RetryPolicy{MinDelay: time.Hour}, http.Header{"Retry-After": {"120"}})
		if err == nil || len(at) != 1 || time.Since(start) != time.Second {
			t.Errorf("%v after %d attempts and %v", err, len(at), time.Since(start))
		}
	})
	for _, policy := range []sfbackup.RetryPolicy{{MaxAttempts: -1}, {MinDelay: -1}, {MaxDelay: -1}, {AttemptTimeout: -1}, {MinDelay: 2, MaxDelay: 1}} {
		if _, err := sfbackup.NewClient("http://localhost", sfbackup.WithRetry(policy)); err == nil {
			t.Errorf("no error for %+v", policy)
		}
	}
}

// The timeout of an attempt does not limit the transfer of a response.
func TestAttemptTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := sfbackuptest.NewCluster()
		client := newUncheckedClient(t, cluster.Transport(), sfbackup.WithRetry(sfbackup.RetryPolicy{AttemptTimeout: time.Second}))
		cluster.Script(t, sfbackuptest.Stall(time.Hour))
		if _, err := client.BackupProgress(t.Context(), partition1); !errors.Is(err, sfbackup.ErrNoBackup) {
			t.Errorf("a progress: %v", err)
		}
		cluster.Script(t, sfbackuptest.SlowBody(100, time.Second))
		start := time.Now()
		if got, err := collect(client.PartitionBackups(t.Context(), partition1, nil)); len(got) != 3 || err != nil || time.Since(start) < 5*time.Second {
			t.Errorf("a slow list: %d backups, %v after %v", len(got), err, time.Since(start))
		}
	})
}

// A response that begins just as its attempt times out is discarded, and the request is retried.
func TestAttemptTimeoutAsResponseBegins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			resp := ok(page(`""`, id1, id2)).response(req)
			if requests++; requests == 1 {
				<-req.Context().Done()
				resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"Items":[`), iotest.ErrReader(context.Cause(req.Context()))))
			}
			return resp, nil
		}), sfbackup.WithRetry(sfbackup.RetryPolicy{AttemptTimeout: time.Second}))
		backups, err := collect(client.PartitionBackups(t.Context(), partition1, nil))
		if err != nil || len(backups) != 2 || requests != 2 {
			t.Errorf("%d backups, %v, after %d requests", len(backups), err, requests)
		}
	})
}

// If an endpoint accepts a request and never responds, the next attempt uses another endpoint.
func TestAttemptTimeoutFailsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		silent := ""
		var hosts []string
		client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			hosts = append(hosts, req.URL.Host)
			if silent == "" {
				silent = req.URL.Host
			}
			if req.URL.Host == silent {
				<-req.Context().Done()
				return nil, req.Context().Err()
			}
			return sfbackuptest.NewCluster().Transport().RoundTrip(req)
		}), sfbackup.WithEndpoints("http://other:19080"), sfbackup.WithRetry(sfbackup.RetryPolicy{AttemptTimeout: time.Second}))
		for range 2 {
			if _, err := client.BackupProgress(t.Context(), partition1); err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		}
		if len(hosts) != 3 || hosts[0] == hosts[1] || hosts[1] != hosts[2] {
			t.Errorf("requests to %v", hosts)
		}
	})
}

// Every attempt is logged.
func TestRetryIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logged := debugLog(&log, slog.TimeKey, slog.LevelKey, slog.MessageKey, "operation", "method", "endpoint", "request_id", "duration")
		cluster := sfbackuptest.NewCluster()
		cluster.Script(t, sfbackuptest.Answer(http.StatusServiceUnavailable, ""), sfbackuptest.HangUp())
		client := newUncheckedClient(t, cluster.Transport(), logged)
		if _, err := client.PartitionBackupsPage(t.Context(), partition1, nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff("attempt=1 status=503\nattempt=2 error="+io.EOF.Error()+"\nattempt=3 status=200\n", log.String()); diff != "" {
			t.Error(diff)
		}
	})
}
