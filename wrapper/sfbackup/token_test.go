package sfbackup_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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

// issuingSource hands out tokens that a cluster accepts for a time.
type issuingSource struct {
	cluster  *sfbackuptest.Cluster
	lifetime time.Duration // 0: for ever
	takes    time.Duration
	silent   bool // about the expiry
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
	case <-time.After(s.takes):
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
	if s.silent {
		token.Expires = time.Time{}
	}
	return token, nil
}

// inBubble runs a test with a cluster that takes tokens of a source only.
func inBubble(t *testing.T, source *issuingSource, test func(*testing.T, *sfbackup.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		source.cluster = sfbackuptest.NewCluster()
		source.cluster.AcceptToken("another", sfbackuptest.RoleAdmin, time.Time{})
		test(t, newUncheckedClient(t, source.cluster.Transport(), sfbackup.WithTokenSource(source.Token)))
	})
}

func progress(ctx context.Context, client *sfbackup.Client) error {
	_, err := client.BackupProgress(ctx, partition1)
	if errors.Is(err, sfbackup.ErrNoBackup) {
		return nil
	}
	return err
}

// A token is used until shortly before its end.
func TestTokenIsKept(t *testing.T) {
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

// A token that is over before its time, or whose time is not known, is replaced when the gateway
// refuses it. What only reads does not notice, and neither does a start, before which the progress is
// read; unless the token is refused just then.
func TestTokenIsRefused(t *testing.T) {
	t.Parallel()
	source := &issuingSource{lifetime: time.Minute, silent: true}
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

// A 403 of which only the beginning arrives is not the empty one of the gateway, whether it is logged or not.
func TestBrokenRefusal(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "70")
		w.WriteHeader(http.StatusForbidden)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	logger := slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, opts := range []opts{nil, {sfbackup.WithLogger(logger)}} {
		source := &issuingSource{cluster: sfbackuptest.NewCluster(), lifetime: time.Hour}
		client, err := sfbackup.NewClient(server.URL, append(opts, sfbackup.WithTokenSource(source.Token), sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 2, MinDelay: time.Millisecond}))...)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.BackupProgress(t.Context(), partition1)
		if e, ok := errors.AsType[*sfbackup.APIError](err); !ok || e.StatusCode != http.StatusForbidden || e.Hint != "" || source.calls != 1 {
			t.Errorf("with %d options: %d tokens, %v", len(opts), source.calls, err)
		}
	}
}

// A refusal that comes late does not take away the token that has replaced the refused one.
func TestTokenIsRefusedLate(t *testing.T) {
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
			return answer{status: "403 Client certificate required"}.response(req), nil
		}), sfbackup.WithTokenSource(source.Token))
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { _, _ = client.BackupProgress(t.Context(), partition1) })
			synctest.Wait()
		}
		time.Sleep(90 * time.Second) // the first was refused, the others are waiting
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

// A token that is refused twice is an error, without a third request. A source that has no other token
// is not made to bring the same one again and again.
func TestTokenIsRefusedForGood(t *testing.T) {
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

// Many calls that need a token share one, at first and when it is refused. Who does not want to wait
// need not, and who gave up takes nobody along.
func TestTokenIsSharedInFlight(t *testing.T) {
	t.Parallel()
	source := &issuingSource{lifetime: time.Hour, silent: true, takes: 10 * time.Second}
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
			t.Errorf("%d calls after the token was refused", source.calls)
		}
	})

	source = &issuingSource{takes: 10 * time.Second}
	inBubble(t, source, func(t *testing.T, client *sfbackup.Client) {
		var wg sync.WaitGroup
		for _, patience := range []time.Duration{5 * time.Second, 8 * time.Second, time.Minute, time.Minute} {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				start := time.Now()
				err := progress(ctx, client)
				if patience < 10*time.Second {
					if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != patience {
						t.Errorf("%v after %v", err, time.Since(start))
					}
				} else if took := time.Since(start); err != nil || took != 15*time.Second && took != 18*time.Second { // who takes over is not said
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

// A source that fails is asked again by the next call, and fails those that have waited for it with the
// same words. It has its own idea of what to try again.
func TestTokenSourceFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	source := &issuingSource{takes: time.Second, err: broken}
	inBubble(t, source, func(t *testing.T, client *sfbackup.Client) {
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				err := progress(t.Context(), client)
				if !errors.Is(err, broken) || err.Error() != "sfbackup: GetPartitionBackupProgress: the token source: broken" {
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

// A source that panics hurts its caller only.
func TestTokenSourcePanics(t *testing.T) {
	t.Parallel()
	panics := true
	client := newUncheckedClient(t, accepted200, sfbackup.WithTokenSource(sfbackup.TokenSource(func(context.Context) (sfbackup.Token, error) {
		if panics {
			panic("oops")
		}
		return sfbackup.Token{Value: "t"}, nil
	})))
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

func TestTokensThatAreNone(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "Bearer s3cret", "s3cret\r\nX: y", "s3cret\n", "s3cré", "\u200es3cret"} {
		client := newUncheckedClient(t, neverSent(t), sfbackup.WithTokenSource(sfbackup.TokenSource(func(context.Context) (sfbackup.Token, error) {
			return sfbackup.Token{Value: sfbackup.Secret(value)}, nil
		})))
		err := client.BackupPartition(t.Context(), partition1, nil)
		if err == nil || !strings.Contains(err.Error(), "the token ") || strings.Contains(err.Error(), "s3cr") {
			t.Errorf("%q: got %v", value, err)
		}
	}
}

// What a source says about its own requests is shown without what is secret in their URLs.
func TestTokenSourceErrorsShowNoQuery(t *testing.T) {
	t.Parallel()
	inner := &url.Error{Op: "Get", URL: "http://user:s3cret@169.254.169.254/token?secret=s3cret", Err: errors.New("no\nroute")}
	other := &url.Error{Op: "Post", URL: "::s3cret", Err: errors.New("what")}
	client := newUncheckedClient(t, neverSent(t), sfbackup.WithTokenSource(sfbackup.TokenSource(func(context.Context) (sfbackup.Token, error) {
		return sfbackup.Token{}, fmt.Errorf("managed identity: %w", errors.Join(inner, other, &url.Error{Op: "x", Err: errors.New("y")}))
	})))
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

// Nobody but the cluster gets a token, whatever the caller's client does with redirects, and the
// scheme is spelled in the only way that the gateway knows.
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
		client, err := sfbackup.NewClient("http://localhost:19080",
			sfbackup.WithTokenSource(sfbackup.TokenSource(func(context.Context) (sfbackup.Token, error) {
				return sfbackup.Token{Value: "a.b-c_d"}, nil
			})),
			sfbackup.WithHTTPClient(&http.Client{
				CheckRedirect: func(*http.Request, []*http.Request) error { return nil },
				Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
					sent = append(sent, req.URL.Host+" "+req.Header.Get("Authorization"))
					if len(sent) == 1 {
						return answer{status: "307 Temporary Redirect", header: http.Header{"Location": {location}}}.response(req), nil
					}
					return ok("null").response(req), nil
				}),
			}))
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.BackupProgress(t.Context(), partition1)
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
