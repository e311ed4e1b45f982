package sfbackup_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// progressOf is a response with the progress of a backup.
func progressOf(state, id string) canned {
	body := `{"BackupState":"` + state + `"}`
	if id != "" {
		body = `{"BackupState":"` + state + `","TimeStampUtc":"2026-01-01T00:00:00Z","BackupId":"` + id + `"}`
	}
	return ok(body)
}

const (
	oldBackup = "3a056ac9-7206-43c3-8424-6f6103003eba"
	newBackup = "4b056ac9-7206-43c3-8424-6f6103003ebb"
)

// backUpOne is BackupMany with one partition.
func backUpOne(ctx context.Context, t testing.TB, client *sfbackup.Client, opts *sfbackup.BackupManyOptions) (result sfbackup.BackupResult) {
	t.Helper()
	results, err := client.BackupMany(ctx, slices.Values([]uuid.UUID{partition1}), opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, result = range results {
	}
	return result
}

// Something on the way repeats the POST: the first is accepted and its response lost, the second gets the
// conflict, which the client cannot tell from a conflict with another caller's backup. So it does not claim that
// nothing was started, unless a backup was running before.
func TestConflictWithRepeatedRequest(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			cluster := sfbackuptest.NewCluster()
			repeating := roundTripper(func(req *http.Request) (*http.Response, error) {
				if req.Method == http.MethodPost {
					again := req.Clone(req.Context())
					again.Body, _ = req.GetBody()
					if _, err := cluster.Transport().RoundTrip(req); err != nil {
						return nil, err
					}
					req = again
				}
				return cluster.Transport().RoundTrip(req)
			})
			if running {
				if err := newUncheckedClient(t, cluster.Transport()).BackupPartition(t.Context(), partition1, nil); err != nil {
					t.Fatal(err)
				}
			}
			want := sfbackup.StartUnknown
			if running {
				want = sfbackup.NotStarted
			}
			client := newUncheckedClient(t, repeating)
			if r := backUpOne(t.Context(), t, client, nil); !errors.Is(r.Err, sfbackup.CodeBackupInProgress) || r.Start != want {
				t.Errorf("running before: %v: got %v, %v", running, r.Start, r.Err)
			}
			join := &sfbackup.BackupManyOptions{Wait: sfbackup.WaitOptions{JoinRunning: true}}
			if r := backUpOne(t.Context(), t, client, join); r.Err != nil || r.Progress.BackupState != sfbackup.BackupStateSuccess {
				t.Errorf("joined: got %+v", r)
			}
		})
	}
}

// An empty response is no proof that there was no backup: something on the way can make it.
func TestEmptyObservationProvesNothing(t *testing.T) {
	t.Parallel()
	for _, empty := range []canned{ok(""), {status: "204 No Content"}} {
		synctest.Test(t, func(t *testing.T) {
			gets := 0
			client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
				if req.Method == http.MethodPost {
					return nil, io.EOF // it never arrives
				}
				if gets++; gets == 1 {
					return empty.response(req), nil
				}
				return progressOf("Success", oldBackup).response(req), nil
			}))
			err := client.BackupPartition(t.Context(), partition1, nil)
			unknown, ok := errors.AsType[*sfbackup.OutcomeUnknownError](err)
			if !ok || unknown.Before.Err == nil || errors.Is(unknown.Before.Err, sfbackup.ErrNoBackup) || unknown.Before.Progress != nil {
				t.Errorf("got %v", err)
			}
			gets = 0
			if _, err := client.BackupProgress(t.Context(), partition1); !errors.Is(err, sfbackup.ErrNoBackup) {
				t.Errorf("BackupProgress: got %v", err)
			}
		})
	}
}

// A failure without a code that took its time may be that of somebody who gave up waiting, and the request may
// still take effect. One that came at once is judged by the progress. Only the time after the request was written
// counts, and no retry policy changes the verdict.
func TestFailuresThatMayBeInFlight(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout", "520 ", "524 ", "408 Request Timeout"} {
		for _, attempts := range []int{1, 2} {
			for _, tt := range []struct {
				token, before, after time.Duration // until there is a token, a connection, a response
				hooks, inFlight      bool
			}{
				{after: 1200 * time.Millisecond, inFlight: true},
				{after: 900 * time.Millisecond, inFlight: true, hooks: true},
				{after: 300 * time.Millisecond, inFlight: true},
				{after: 200 * time.Millisecond},
				{token: 5 * time.Second, after: 200 * time.Millisecond},
				{before: 5 * time.Second, after: 200 * time.Millisecond, hooks: true},
			} {
				synctest.Test(t, func(t *testing.T) {
					cluster := sfbackuptest.NewCluster()
					before := len(cluster.Backups(partition1))
					posts := 0
					client, err := sfbackup.NewClient("http://localhost:19080", sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: attempts}),
						sfbackup.WithTokenSource(func(context.Context) (sfbackup.Token, error) {
							time.Sleep(tt.token)
							return sfbackup.Token{Value: "t", Expires: time.Now().Add(time.Second)}, nil
						}),
						sfbackup.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
							if req.Method != http.MethodPost {
								return cluster.Transport().RoundTrip(req)
							}
							time.Sleep(tt.before)
							if trace := httptrace.ContextClientTrace(req.Context()); tt.hooks {
								trace.GetConn("localhost:19080")
								trace.GotConn(httptrace.GotConnInfo{})
								trace.WroteRequest(httptrace.WroteRequestInfo{})
							}
							time.Sleep(tt.after)
							if posts++; tt.inFlight && posts == 1 {
								late := req.Clone(context.WithoutCancel(req.Context()))
								late.Body, _ = req.GetBody()
								time.AfterFunc(time.Minute, func() { _, _ = cluster.Transport().RoundTrip(late) })
							}
							return canned{status: status}.response(req), nil
						})}))
					if err != nil {
						t.Fatal(err)
					}
					err = client.BackupPartition(t.Context(), partition1, nil)
					if unknown := errors.Is(err, sfbackup.ErrOutcomeUnknown); err == nil || unknown != tt.inFlight {
						t.Errorf("%s, %d attempts, %+v: got %v", status, attempts, tt, err)
					}
					if tt.inFlight && posts != 1 || !tt.inFlight && posts != attempts && !strings.HasPrefix(status, "5") {
						t.Errorf("%s, %d attempts, %+v: %d requests", status, attempts, tt, posts)
					}
					time.Sleep(2 * time.Minute)
					if n := len(cluster.Backups(partition1)) - before; n > 1 {
						t.Errorf("%d backups", n)
					}
				})
			}
		}
	}
}

// An alert of TLS on a connection that exists says nothing about the request: it may have been accepted.
func TestAlertAfterAcceptance(t *testing.T) {
	t.Parallel()
	for _, alert := range []string{"handshake failure", "bad certificate", "expired certificate", "access denied"} {
		synctest.Test(t, func(t *testing.T) {
			cluster := sfbackuptest.NewCluster()
			client, err := sfbackup.NewClient("http://localhost:19080", sfbackup.WithMiddleware(func(http.RoundTripper) http.RoundTripper {
				return roundTripper(func(req *http.Request) (*http.Response, error) {
					if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
						trace.GetConn("localhost:19080")
						trace.GotConn(httptrace.GotConnInfo{Reused: true})
					}
					resp, err := cluster.Transport().RoundTrip(req)
					if err == nil && req.Method == http.MethodPost {
						return nil, &net.OpError{Op: "remote error", Err: errors.New("tls: " + alert)}
					}
					return resp, err
				})
			}))
			if err != nil {
				t.Fatal(err)
			}
			if err := client.BackupPartition(t.Context(), partition1, nil); err != nil {
				t.Errorf("%s: the backup was started: %v", alert, err)
			}
		})
	}
}

// A start takes no more requests than its policy allows, whatever the responses are: with the default policy 2 if
// nothing goes wrong, and 24 at most.
func TestRequestsOfAStart(t *testing.T) {
	t.Parallel()
	most := 0
	for pattern := range 1 << 9 {
		synctest.Test(t, func(t *testing.T) {
			requests, gets := 0, 0
			client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
				requests++
				if req.Method == http.MethodPost {
					return canned{status: "503 FABRIC_E_NOT_PRIMARY"}.response(req), nil
				}
				gets++
				fails := pattern>>(gets%9)&1 == 1
				switch {
				case fails && pattern&256 != 0 && gets%2 == 0:
					return canned{status: "429 Too Many Requests"}.response(req), nil
				case fails:
					return canned{status: "502 Bad Gateway"}.response(req), nil
				}
				return progressOf("Success", oldBackup).response(req), nil
			}))
			_ = client.BackupPartition(t.Context(), partition1, nil)
			most = max(most, requests)
		})
	}
	if most > 24 || most < 20 {
		t.Errorf("a start took %d requests", most)
	}
	synctest.Test(t, func(t *testing.T) {
		cluster := sfbackuptest.NewCluster()
		if err := newUncheckedClient(t, cluster.Transport()).BackupPartition(t.Context(), partition1, nil); err != nil || len(cluster.Requests()) != 2 {
			t.Errorf("a plain start: %v after %d requests", err, len(cluster.Requests()))
		}
	})
}

// A panic of the caller's code in a worker is one of the loop, which can recover.
func TestBackupManyPanics(t *testing.T) {
	t.Parallel()
	for _, cancelled := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		client := newUncheckedClient(t, neverSent(t), sfbackup.WithTokenSource(func(context.Context) (sfbackup.Token, error) {
			if cancelled {
				cancel()
			}
			panic("no tokens today")
		}))
		func() {
			defer func() {
				if r := recover(); fmt.Sprint(r) != "no tokens today" {
					t.Errorf("recovered %v", r)
				}
			}()
			backUpOne(ctx, t, client, nil)
			t.Error("no panic")
		}()
	}
}

// BackupMany takes a copy of the storage, which its caller may change while the loop runs.
func TestBackupManyCopiesStorage(t *testing.T) {
	t.Parallel()
	cluster := sfbackuptest.NewCluster()
	for _, p := range cluster.Partitions() {
		cluster.SetOutcome(p, sfbackuptest.Outcome{Accepted: -1, Running: -1})
	}
	storage := &sfbackup.FileShare{Path: `\\a\b`}
	opts := &sfbackup.BackupManyOptions{Concurrency: 1, Backup: sfbackup.BackupOptions{Storage: storage}}
	for _, r := range backupMany(t, newUncheckedClient(t, cluster.Transport()), slices.Values(cluster.Partitions()), opts) {
		if r.Err != nil {
			t.Error(r.Err)
		}
		storage.Path, opts.Backup.Timeout = "changed", -1
	}
	for _, r := range cluster.Requests() {
		if r.Operation == sfbackuptest.OpBackupPartition && !strings.Contains(string(r.Body), `\\\\a\\b`) {
			t.Errorf("sent %s", r.Body)
		}
	}
}
