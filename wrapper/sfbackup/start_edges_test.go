package sfbackup_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// interceptStarts returns a transport to a cluster that calls a function for each request that starts a backup. n
// counts these requests from 1, and effect sends the request to the cluster.
func interceptStarts(cluster *sfbackuptest.Cluster, do func(n int, req *http.Request, effect func() *http.Response) (*http.Response, error)) http.RoundTripper {
	n := 0
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.Method != http.MethodPost {
			return cluster.Transport().RoundTrip(req)
		}
		body, _ := io.ReadAll(req.Body)
		n++
		return do(n, req, func() *http.Response {
			sent := req.Clone(context.WithoutCancel(req.Context()))
			sent.Body = io.NopCloser(strings.NewReader(string(body)))
			resp, err := cluster.Transport().RoundTrip(sent)
			if err != nil {
				panic(err)
			}
			return resp
		})
	})
}

// instantCluster returns a cluster whose backups take no time, with a success at partition1, and a function that
// counts the further backups.
func instantCluster(t *testing.T) (cluster *sfbackuptest.Cluster, backups func() int) {
	t.Helper()
	cluster = sfbackuptest.NewCluster()
	cluster.SetOutcome(partition1, sfbackuptest.Outcome{Accepted: -1, Running: -1})
	if err := newUncheckedClient(t, cluster.Transport()).BackupPartition(t.Context(), partition1, nil); err != nil {
		t.Fatal(err)
	}
	before := len(cluster.Backups(partition1))
	return cluster, func() int { return len(cluster.Backups(partition1)) - before }
}

// A proxy or a transport stops waiting for a request that the gateway still holds, in one of several ways. The
// request may still take effect, so an unchanged progress proves nothing.
func TestStartAbandonedInTransit(t *testing.T) {
	t.Parallel()
	canceled := func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			ctx, cancel := context.WithCancel(req.Context())
			defer time.AfterFunc(20*time.Second, cancel).Stop()
			return next.RoundTrip(req.WithContext(ctx))
		})
	}
	for _, a := range []canned{
		{status: "504 Gateway Timeout"}, {status: "408 Request Timeout"}, {status: "502 Bad Gateway"}, {status: "504 FABRIC_E_TIMEOUT"}, {},
	} {
		synctest.Test(t, func(t *testing.T) {
			cluster, started := instantCluster(t)
			client := newUncheckedClient(t, interceptStarts(cluster, func(n int, req *http.Request, effect func() *http.Response) (*http.Response, error) {
				if n > 1 {
					return effect(), nil
				}
				time.AfterFunc(90*time.Second, func() { effect() })
				if a.status == "" {
					<-req.Context().Done()
					return nil, req.Context().Err()
				}
				time.Sleep(20 * time.Second)
				return a.response(req), nil
			}), sfbackup.WithMiddleware(canceled))
			err := client.BackupPartition(t.Context(), partition1, nil)
			time.Sleep(time.Hour)
			if n := started(); n != 1 || !errors.Is(err, sfbackup.ErrOutcomeUnknown) {
				t.Errorf("%q: %d backups were started, error %v", a.status, n, err)
			}
		})
	}
}

// After a long wait the progress is read again before the next attempt, because another client may have started a
// backup.
func TestStartAfterALongWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster, started := instantCluster(t)
		client := newUncheckedClient(t, interceptStarts(cluster, func(n int, req *http.Request, effect func() *http.Response) (*http.Response, error) {
			if n == 1 {
				time.AfterFunc(2*time.Minute, func() { effect() }) // of another client
				return canned{status: "429 Too Many Requests", header: http.Header{"Retry-After": {"240"}}}.response(req), nil
			}
			return nil, errReset()
		}))
		err := client.BackupPartition(t.Context(), partition1, nil)
		if err == nil || errors.Is(err, sfbackup.ErrOutcomeUnknown) || started() != 1 {
			t.Errorf("%d backups were started by another client, error %v", started(), err)
		}
	})
}

// Middleware may send a request twice, or allow net/http to do so. The conflict is then with the first one.
func TestStartSentTwiceBelowTheClient(t *testing.T) {
	t.Parallel()
	for name, middleware := range map[string]func(http.RoundTripper) http.RoundTripper{
		"middleware": func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if err != nil && req.GetBody != nil {
					req = req.Clone(req.Context())
					req.Body, _ = req.GetBody()
					resp, err = next.RoundTrip(req)
				}
				return resp, err
			})
		},
		"net/http": func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(req *http.Request) (*http.Response, error) {
				req = req.Clone(req.Context())
				req.Header.Set("Idempotency-Key", "1") // allows net/http to send the request again
				return next.RoundTrip(req)
			})
		},
	} {
		cluster := sfbackuptest.NewCluster()
		client := newClientAt(t, newServer(t, cluster).URL, sfbackup.WithMiddleware(middleware))
		cluster.Script(t, sfbackuptest.HangUp().AfterEffect().On(sfbackuptest.OpBackupPartition))
		if err := client.BackupPartition(t.Context(), partition1, nil); err != nil || posts(cluster) != 2 {
			t.Errorf("%s: %v after %d requests", name, err, posts(cluster))
		}
	}
}

// A 303 means that the request was processed, so the progress tells whether it started a backup. It is not
// followed, whatever the caller's http.Client does.
func TestStartRedirected(t *testing.T) {
	t.Parallel()
	for _, effect := range []bool{true, false} {
		cluster := sfbackuptest.NewCluster()
		cluster.Script(t, sfbackuptest.Custom("303", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if effect {
				next.ServeHTTP(httptest.NewRecorder(), r)
			}
			http.Redirect(w, r, "/elsewhere", http.StatusSeeOther)
		}).On(sfbackuptest.OpBackupPartition))
		client := newClientAt(t, newServer(t, cluster).URL, sfbackup.WithHTTPClient(&http.Client{
			Transport:     &http.Transport{DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return nil },
		}))
		err := client.BackupPartition(t.Context(), partition1, nil)
		apiErr, _ := errors.AsType[*sfbackup.APIError](err)
		if effect && err != nil || !effect && (apiErr == nil || apiErr.StatusCode != http.StatusSeeOther || errors.Is(err, sfbackup.ErrOutcomeUnknown)) {
			t.Errorf("effect %v: got %v", effect, err)
		}
	}
}

// The code of an error tells whether the backup was started. A truncated response may lack the code.
func TestStartTruncatedResponse(t *testing.T) {
	t.Parallel()
	for _, effect := range []bool{true, false} {
		cluster := sfbackuptest.NewCluster()
		cluster.Script(t, sfbackuptest.Custom("cut", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if effect {
				next.ServeHTTP(httptest.NewRecorder(), r)
			}
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"Error":{"Code":"FABRIC_E_RECONFIG`) // URATION_PENDING
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}).On(sfbackuptest.OpBackupPartition))
		err := newUncheckedClient(t, cluster.Transport()).BackupPartition(t.Context(), partition1, nil)
		if e, ok := errors.AsType[*sfbackup.APIError](err); effect && err != nil || !effect && (!ok || e.StatusCode != http.StatusBadRequest) {
			t.Errorf("effect %v: got %v", effect, err)
		}
	}
}

// An empty body that ends with its connection may be a truncated progress. It does not mean that there was no backup.
func TestProgressWithoutLength(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		body := `{"BackupState":"Success"}`
		if requests.Add(1) == 1 {
			body = ""
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+body)
		closeQuietly(conn)
	}))
	defer server.Close()
	client := newClientAt(t, server.URL, sfbackup.WithRetry(sfbackup.RetryPolicy{MinDelay: time.Millisecond}))
	if p, err := client.BackupProgress(t.Context(), partition1); err != nil || p.BackupState != sfbackup.BackupStateSuccess {
		t.Errorf("got %+v, %v", p, err)
	}
}

// Another primary replica may describe the same backup in other words.
func TestStartWithRewordedProgress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		before, after string
		unknown       bool
	}{
		{
			`{"BackupState":"Success","BackupId":"3a056ac9-7206-43c3-8424-6f6103003eba","TimeStampUtc":"2018-01-01T09:00:55Z"}`,
			`{"BackupState":"Success","BackupId":"3a056ac9-7206-43c3-8424-6f6103003eba","TimeStampUtc":"2018-01-01T09:00:55.123Z"}`, false,
		},
		{
			`{"BackupState":"Timeout","FailureError":{"Code":"FABRIC_E_TIMEOUT","Message":"The Request for backup has timeout"}}`,
			`{"BackupState":"Timeout","FailureError":{"Code":"FABRIC_E_TIMEOUT","Message":"The request of backup has timed out."}}`, false,
		},
		{
			`{"BackupState":"Failure","FailureError":{"Code":"E_UNEXPECTED","Message":"a"}}`,
			`{"BackupState":"Failure","FailureError":{"Code":"E_UNEXPECTED","Message":"b"}}`, true,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			state := tt.before
			client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
				if req.Method == http.MethodPost {
					state = tt.after
					return nil, errReset()
				}
				return ok(state).response(req), nil
			}))
			err := client.BackupPartition(t.Context(), partition1, nil)
			if err == nil || errors.Is(err, sfbackup.ErrOutcomeUnknown) != tt.unknown {
				t.Errorf("%s: %v", tt.after, err)
			}
		})
	}
}

// An observation stays valid as long as no further attempt was sent.
func TestStartKnownNotStarted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster, started := instantCluster(t)
		down := false
		client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			if down {
				return nil, errRefused
			}
			return interceptStarts(cluster, func(int, *http.Request, func() *http.Response) (*http.Response, error) {
				return nil, errReset()
			}).RoundTrip(req)
		}), sfbackup.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
			gets := 0
			return roundTripper(func(req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if req.Method == http.MethodGet {
					gets++
					down = gets == 2 || down // after the observation that no backup was started
				}
				return resp, err
			})
		}))
		err := client.BackupPartition(t.Context(), partition1, nil)
		if err == nil || errors.Is(err, sfbackup.ErrOutcomeUnknown) || started() > 0 {
			t.Errorf("%d backups were started, error %v", started(), err)
		}
	})
}

// A conflict may be caused by an earlier attempt that seemed to have done nothing.
func TestStartConflictsWithOwnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := sfbackuptest.NewCluster()
		var first func() *http.Response
		client := newUncheckedClient(t, interceptStarts(cluster, func(n int, _ *http.Request, effect func() *http.Response) (*http.Response, error) {
			if n == 1 {
				first = effect
				return nil, errReset()
			}
			first()
			return effect(), nil
		}))
		before := len(cluster.Backups(partition1))
		err := client.BackupPartition(t.Context(), partition1, nil)
		time.Sleep(time.Hour)
		if n := len(cluster.Backups(partition1)) - before; err != nil || n != 1 {
			t.Errorf("%d backups were started, error %v", n, err)
		}
	})
}

// Middleware may send its own requests with the context of a start, which has the hooks of its httptrace. If they
// fail, the start is not taken for one of which nothing was sent.
func TestStartWithFailingMiddlewareRequest(t *testing.T) {
	t.Parallel()
	closed := listen(t)
	closeQuietly(closed)
	cluster := sfbackuptest.NewCluster()
	client := newUncheckedClient(t, interceptStarts(cluster, func(_ int, _ *http.Request, effect func() *http.Response) (*http.Response, error) {
		effect()
		return nil, io.EOF
	}), sfbackup.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
		transport := &http.Transport{}
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			other, err := http.NewRequestWithContext(req.Context(), http.MethodPost, "http://"+closed.Addr().String(), nil)
			if err != nil {
				return nil, err
			}
			if resp, err := transport.RoundTrip(other); err == nil {
				t.Error("a server listens at ", closed.Addr())
				closeQuietly(resp.Body)
			}
			return next.RoundTrip(req)
		})
	}))
	if err := client.BackupPartition(t.Context(), partition1, nil); err != nil || posts(cluster) != 1 {
		t.Errorf("%v after %d requests", err, posts(cluster))
	}
}

// Middleware may send its own requests with the context of a start, for example for a token. If they succeed, a
// conflict is still certain.
func TestStartWithSuccessfulMiddlewareRequest(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(accepted)
	defer other.Close()
	cluster := sfbackuptest.NewCluster()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := newClientAt(t, newServer(t, cluster).URL, sfbackup.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			own, err := http.NewRequestWithContext(req.Context(), http.MethodPost, other.URL, nil)
			if err != nil {
				return nil, err
			}
			resp, err := transport.RoundTrip(own)
			if err != nil {
				return nil, err
			}
			closeQuietly(resp.Body)
			return next.RoundTrip(req)
		})
	}))
	if err := client.BackupPartition(t.Context(), partition1, nil); err != nil {
		t.Fatal(err)
	}
	before := len(cluster.Requests())
	err := client.BackupPartition(t.Context(), partition1, nil)
	if n := len(cluster.Requests()) - before; !errors.Is(err, sfbackup.CodeBackupInProgress) || errors.Is(err, sfbackup.ErrOutcomeUnknown) || n != 2 {
		t.Errorf("%v after %d requests", err, n)
	}
}
