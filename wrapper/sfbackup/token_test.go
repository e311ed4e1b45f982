package sfbackup_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// issuingSource returns tokens that a cluster accepts for their lifetime.
type issuingSource struct {
	cluster  *sfbackuptest.Cluster
	lifetime time.Duration // 0: unlimited
	delay    time.Duration // of each call
	noExpiry bool          // tokens do not say when they expire
	err      error

	mu    sync.Mutex
	calls int
}

func (s *issuingSource) Token(ctx context.Context) (sfbackup.Token, error) {
	s.mu.Lock()
	s.calls++
	value := fmt.Sprintf("token-%d", s.calls)
	s.mu.Unlock()
	select {
	case <-time.After(s.delay):
	case <-ctx.Done():
		return sfbackup.Token{}, ctx.Err()
	}
	if s.err != nil {
		return sfbackup.Token{}, s.err
	}
	token := sfbackup.Token{Value: sfbackup.Secret(value)}
	if s.lifetime > 0 {
		token.Expires = time.Now().Add(s.lifetime)
	}
	s.cluster.AcceptToken(value, sfbackuptest.RoleAdmin, token.Expires)
	if s.noExpiry {
		token.Expires = time.Time{}
	}
	return token, nil
}

// inBubble runs a test in a bubble, with a cluster that accepts only tokens of the source.
func inBubble(t *testing.T, source *issuingSource, test func(*testing.T, *sfbackup.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		source.cluster = sfbackuptest.NewCluster()
		source.cluster.AcceptToken("another", sfbackuptest.RoleAdmin, time.Time{})
		test(t, newUncheckedClient(t, source.cluster.Transport(), sfbackup.WithTokenSource(source.Token)))
	})
}

// progress reads the progress of a partition. That there was no backup is not an error.
func progress(ctx context.Context, client *sfbackup.Client) error {
	_, err := client.BackupProgress(ctx, partition1)
	if errors.Is(err, sfbackup.ErrNoBackup) {
		return nil
	}
	return err
}

// A token is reused until shortly before it expires.
func TestTokenIsReused(t *testing.T) {
	t.Parallel()
	source := &issuingSource{lifetime: time.Hour}
	inBubble(t, source, func(t *testing.T, client *sfbackup.Client) {
		for range 3 * 60 { // for three hours
			if err := progress(t.Context(), client); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if source.calls != 4 { // every 58 minutes
			t.Errorf("%d calls", source.calls)
		}
		for _, r := range source.cluster.Requests() {
			if r.Status != http.StatusOK {
				t.Errorf("status %d", r.Status)
			}
		}
	})
}

// A token that the gateway rejects is replaced. Requests that only read are retried with the new token. A start reads
// the progress first, so it has a valid token too, unless the gateway rejects the start itself.
func TestRejectedTokenIsReplaced(t *testing.T) {
	t.Parallel()
	source := &issuingSource{lifetime: time.Minute, noExpiry: true}
	inBubble(t, source, func(t *testing.T, client *sfbackup.Client) {
		for range 3 {
			if err := progress(t.Context(), client); err != nil {
				t.Error(err)
			}
			time.Sleep(2 * time.Minute)
		}
		if source.calls != 3 || len(source.cluster.Requests()) != 5 {
			t.Errorf("%d calls for %d requests", source.calls, len(source.cluster.Requests()))
		}
		source.cluster.Script(t, sfbackuptest.RefuseCredentials().On(sfbackuptest.OpBackupPartition))
		err := client.BackupPartition(t.Context(), partition1, nil)
		if e, ok := errors.AsType[*sfbackup.APIError](err); !ok || e.StatusCode != http.StatusForbidden || !strings.Contains(err.Error(), "does not accept the token") {
			t.Errorf("got %v", err)
		}
		if err := client.BackupPartition(t.Context(), partition1, nil); err != nil || posts(source.cluster) != 2 {
			t.Errorf("the next start: %v after %d", err, posts(source.cluster))
		}
	})
}

// A 403 whose body is lost is not taken for the empty one of the gateway, whether it is logged or not.
func TestIncompleteRejection(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "70")
		w.WriteHeader(http.StatusForbidden)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	for _, opts := range []opts{nil, {debugLog(io.Discard)}} {
		source := &issuingSource{cluster: sfbackuptest.NewCluster(), lifetime: time.Hour}
		client := newClientAt(t, server.URL, append(opts, sfbackup.WithTokenSource(source.Token), sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 2, MinDelay: time.Millisecond}))...)
		_, err := client.BackupProgress(t.Context(), partition1)
		if e, ok := errors.AsType[*sfbackup.APIError](err); !ok || e.StatusCode != http.StatusForbidden || e.Hint != "" || source.calls != 1 {
			t.Errorf("with %d options: %d tokens, %v", len(opts), source.calls, err)
		}
	}
}

// A late rejection of the previous token does not discard the token that has replaced it.
func TestLateRejectionKeepsTheNewToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &issuingSource{cluster: sfbackuptest.NewCluster()}
		var requests atomic.Int64
		client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			n := requests.Add(1)
			if req.Header.Get("Authorization") != "Bearer token-1" {
				return ok("null").response(req), nil
			}
			time.Sleep(time.Duration(n) * time.Minute)
			return canned{status: "403 Client certificate required"}.response(req), nil
		}), sfbackup.WithTokenSource(source.Token))
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { _, _ = client.BackupProgress(t.Context(), partition1) })
			synctest.Wait()
		}
		time.Sleep(90 * time.Second) // the first request was rejected, the others wait
		for range 3 {
			if _, err := client.BackupProgress(t.Context(), partition1); !errors.Is(err, sfbackup.ErrNoBackup) {
				t.Error(err)
			}
			time.Sleep(time.Minute)
		}
		wg.Wait()
		if source.calls != 2 {
			t.Errorf("%d calls", source.calls)
		}
	})
}

// If the second token is rejected as well, that is an error without a third request. If the source returns the same
// token again, that is an error without a second request.
func TestTokenIsRejectedAgain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		source   sfbackup.TokenSource
		requests int
		want     string
	}{
		"another token each time": {func() sfbackup.TokenSource {
			n := 0
			return func(context.Context) (sfbackup.Token, error) {
				n++
				return sfbackup.Token{Value: sfbackup.Secret(fmt.Sprint("bad-", n))}, nil
			}
		}(), 2, "403 Forbidden: Client certificate required (the gateway does not accept the token"},
		"the same token": {func(context.Context) (sfbackup.Token, error) {
			return sfbackup.Token{Value: "bad"}, nil
		}, 1, "(the gateway does not accept the token"},
		"no other token": {func() sfbackup.TokenSource {
			n := 0
			return func(context.Context) (sfbackup.Token, error) {
				if n++; n > 1 {
					return sfbackup.Token{}, errors.New("no more")
				}
				return sfbackup.Token{Value: "bad"}, nil
			}
		}(), 1, "sfbackup: GetPartitionBackupProgress: the gateway refused the token: the token source: no more"},
	} {
		cluster := sfbackuptest.NewCluster()
		cluster.AcceptToken("good", sfbackuptest.RoleAdmin, time.Time{})
		client := newUncheckedClient(t, cluster.Transport(), sfbackup.WithTokenSource(tt.source))
		if err := progress(t.Context(), client); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v", name, err)
		}
		if n := len(cluster.Requests()); n != tt.requests {
			t.Errorf("%s: %d requests", name, n)
		}
	}
}

// Calls that need a token at the same time share one call of the source, for the first token and after a rejection.
// A call stops waiting when its own context ends. If that call has called the source, another one calls it again.
func TestTokenCallIsShared(t *testing.T) {
	t.Parallel()
	source := &issuingSource{lifetime: time.Hour, noExpiry: true, delay: 10 * time.Second}
	inBubble(t, source, func(t *testing.T, client *sfbackup.Client) {
		all := func() {
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					if err := progress(t.Context(), client); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		all()
		if source.calls != 1 {
			t.Errorf("%d calls", source.calls)
		}
		time.Sleep(2 * time.Hour)
		all()
		if source.calls != 2 {
			t.Errorf("%d calls after the token was rejected", source.calls)
		}
	})

	source = &issuingSource{delay: 10 * time.Second}
	inBubble(t, source, func(t *testing.T, client *sfbackup.Client) {
		var wg sync.WaitGroup
		for _, timeout := range []time.Duration{5 * time.Second, 8 * time.Second, time.Minute, time.Minute} {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), timeout)
				defer cancel()
				start := time.Now()
				err := progress(ctx, client)
				if timeout < 10*time.Second {
					if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != timeout {
						t.Errorf("%v after %v", err, time.Since(start))
					}
				} else if took := time.Since(start); err != nil || took != 15*time.Second && took != 18*time.Second { // any of the waiting calls may be the next to call the source
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
			synctest.Wait() // the first one calls the source
		}
		wg.Wait()
		if source.calls != 2 && source.calls != 3 {
			t.Errorf("%d calls", source.calls)
		}
	})
}

// The error of a source is the error of all calls that wait for it. The call does not retry, because a source knows
// itself what to retry. The next call calls the source again.
func TestTokenSourceFails(t *testing.T) {
	t.Parallel()
	errBroken := errors.New("broken")
	source := &issuingSource{delay: time.Second, err: errBroken}
	inBubble(t, source, func(t *testing.T, client *sfbackup.Client) {
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				err := progress(t.Context(), client)
				if !errors.Is(err, errBroken) || err.Error() != "sfbackup: GetPartitionBackupProgress: the token source: broken" {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if source.calls != 1 || len(source.cluster.Requests()) != 0 {
			t.Errorf("%d calls, %d requests", source.calls, len(source.cluster.Requests()))
		}
		source.err = nil
		if err := client.BackupPartition(t.Context(), partition1, nil); err != nil {
			t.Error(err)
		}
	})
}

// The panic of a source reaches only the call that called it. The next call calls the source again.
func TestTokenSourcePanics(t *testing.T) {
	t.Parallel()
	panics := true
	client := newUncheckedClient(t, acceptTransport, sfbackup.WithTokenSource(func(context.Context) (sfbackup.Token, error) {
		if panics {
			panic("oops")
		}
		return sfbackup.Token{Value: "t"}, nil
	}))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_ = client.BackupPartition(t.Context(), partition1, nil)
	}()
	panics = false
	if err := client.BackupPartition(t.Context(), partition1, nil); err != nil {
		t.Error(err)
	}
}

func TestInvalidTokens(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "Bearer s3cret", "s3cret\r\nX: y", "s3cret\n", "s3cré", "\u200es3cret"} {
		client := newUncheckedClient(t, neverSent(t), sfbackup.WithTokenSource(func(context.Context) (sfbackup.Token, error) {
			return sfbackup.Token{Value: sfbackup.Secret(value)}, nil
		}))
		err := client.BackupPartition(t.Context(), partition1, nil)
		if err == nil || !strings.Contains(err.Error(), "the token ") || strings.Contains(err.Error(), "s3cr") {
			t.Errorf("%q: got %v", value, err)
		}
	}
}

// Errors of a source are shown without the user information and the queries of URLs.
func TestTokenSourceErrorsAreRedacted(t *testing.T) {
	t.Parallel()
	inner := &url.Error{Op: "Get", URL: "http://user:s3cret@169.254.169.254/token?secret=s3cret", Err: errors.New("no\nroute")}
	other := &url.Error{Op: "Post", URL: "::s3cret", Err: errors.New("what")}
	client := newUncheckedClient(t, neverSent(t), sfbackup.WithTokenSource(func(context.Context) (sfbackup.Token, error) {
		return sfbackup.Token{}, fmt.Errorf("managed identity: %w", errors.Join(inner, other, &url.Error{Op: "x", Err: errors.New("y")}))
	}))
	err := client.BackupPartition(t.Context(), partition1, nil)
	const want = `sfbackup: BackupPartition: the token source: managed identity: Get "http://169.254.169.254/token": no route Post "a URL": what x "": y`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if text := fmt.Sprintf("%v %+v %#v %s %q", err, err, err, err, err); strings.Contains(text, "s3cret") {
		t.Error(text)
	}
	if !errors.Is(err, inner) {
		t.Error("the cause is lost")
	}
}

// A token is sent to the cluster only, even if the caller's http.Client follows redirects. The scheme is spelled
// "Bearer", which the gateway requires.
func TestTokenStaysWithTheCluster(t *testing.T) {
	t.Parallel()
	for location, follows := range map[string]bool{
		"http://LOCALHOST:19080/again":     true,
		"http://evil.example.com/again":    false,
		"http://localhost:80/again":        false,
		"http://localhost/again":           false,
		"https://localhost:19080/again":    false,
		"http://localhost.evil.com:19080/": false,
	} {
		var sent []string
		client := newClientAt(t, "http://localhost:19080",
			sfbackup.WithTokenSource(func(context.Context) (sfbackup.Token, error) {
				return sfbackup.Token{Value: "a.b-c_d"}, nil
			}),
			sfbackup.WithHTTPClient(&http.Client{
				CheckRedirect: func(*http.Request, []*http.Request) error { return nil },
				Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
					sent = append(sent, req.URL.Host+" "+req.Header.Get("Authorization"))
					if len(sent) == 1 {
						return canned{status: "307 Temporary Redirect", header: http.Header{"Location": {location}}}.response(req), nil
					}
					return ok("null").response(req), nil
				}),
			}))
		_, err := client.BackupProgress(t.Context(), partition1)
		if follows != errors.Is(err, sfbackup.ErrNoBackup) || !follows && !strings.Contains(err.Error(), "redirects are not followed") {
			t.Errorf("%s: got %v", location, err)
		}
		want := 1
		if follows {
			want = 2
		}
		if len(sent) != want || sent[0] != "localhost:19080 Bearer a.b-c_d" {
			t.Errorf("%s: sent %q", location, sent)
		}
	}
}
