package sfbackup_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// observe takes the first step.
func observe(t testing.TB, client *sfbackup.Client, opts *sfbackup.BackupOptions) sfbackup.StartRecord {
	t.Helper()
	record, err := client.ObserveStart(t.Context(), partition1, opts)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// reread is what another process reads of a record.
func reread(t testing.TB, record sfbackup.StartRecord) sfbackup.StartRecord {
	t.Helper()
	return (&recordSchedule{T: t.(*testing.T)}).stored(record)
}

// A record survives JSON. Whatever else is changed in it, it is an error, and so is another version.
func TestStartRecordJSON(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]canned{
		"none": ok("null"), "success": progressOf("Success", oldBackup), "not read": {status: "502 Bad Gateway"},
		"failure": ok(`{"BackupState":"Failure","FailureError":{"Code":"E_FAIL","Message":"secret words"},"BackupLocation":"secret path"}`),
	} {
		synctest.Test(t, func(t *testing.T) {
			client := newUncheckedClient(t, inOrder([]canned{before}, nil, nil))
			record := observe(t, client, &sfbackup.BackupOptions{
				Timeout: 7 * time.Minute, Storage: &sfbackup.AzureBlobStore{ConnectionString: "secret string", ContainerName: "secret name"},
			})
			data, err := json.Marshal(record)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(data, []byte("secret")) || bytes.Contains(data, []byte("\n")) || strings.Contains(fmt.Sprintf("%+v", record), "secret string") {
				t.Errorf("%s: %s", name, data)
			}
			if again, err := json.Marshal(reread(t, record)); err != nil || !bytes.Equal(again, data) {
				t.Errorf("%s: %v\n%s\n%s", name, err, data, again)
			}
			if r := reread(t, record); r.Partition() != partition1 {
				t.Errorf("%s: %+v", name, r)
			}
			for i := range data {
				for _, change := range []byte{data[i] ^ 1, data[i] ^ 2, data[i] ^ 0x20, '0'} {
					changed := slices.Clone(data)
					changed[i] = change
					var read sfbackup.StartRecord
					if err := json.Unmarshal(changed, &read); err != nil {
						continue
					}
					if again, _ := json.Marshal(read); !bytes.Equal(again, data) {
						t.Fatalf("%s: read\n%s as\n%s", name, changed, again)
					}
				}
			}
		})
	}
	for _, wrong := range []string{
		``, `null`, `{}`, `[]`, `"x"`, `{"Version":0}`, `{"Version":2}`, `{"Version":1}`, `{"Version":1,"Version":1}`, `{"Version":1,"Sum":0}`,
	} {
		var record sfbackup.StartRecord
		if err := record.UnmarshalJSON([]byte(wrong)); err == nil || !strings.HasPrefix(err.Error(), "sfbackup: StartRecord: ") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	var newer sfbackup.StartRecord
	if err := json.Unmarshal([]byte(`{"Version":2,"New":true}`), &newer); err == nil || !strings.Contains(err.Error(), "its version is 2") {
		t.Error(err)
	}
}

// What cannot be a record, or cannot be that of the call, is an error before anything is sent.
func TestWrongStartRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		record := observe(t, newUncheckedClient(t, inOrder([]canned{ok("null")}, nil, nil)), nil)
		client := newUncheckedClient(t, neverSent(t))
		var none sfbackup.StartRecord
		_, resolve := client.ResolveStart(t.Context(), none)
		_, marshal := json.Marshal(none)
		_, wait := client.WaitForBackup(t.Context(), partition2, &sfbackup.WaitOptions{Started: &record})
		_, waitForNone := client.WaitForBackup(t.Context(), partition1, &sfbackup.WaitOptions{Started: &none})
		_, both := client.BackupAndWait(t.Context(), partition1, nil, &sfbackup.WaitOptions{Started: &record})
		_, many := client.BackupMany(t.Context(), nil, &sfbackup.BackupManyOptions{Wait: sfbackup.WaitOptions{Started: &record}})
		_, observeNothing := client.ObserveStart(t.Context(), uuid.Nil, nil)
		_, observeWrong := client.ObserveStart(t.Context(), partition1, &sfbackup.BackupOptions{Timeout: -1})
		resumed := backUpOne(t.Context(), t, client, &sfbackup.BackupManyOptions{Resume: func(uuid.UUID) *sfbackup.StartRecord { return &none }})
		for name, err := range map[string]error{
			"resolve": resolve, "marshal": marshal, "wait": wait, "wait for none": waitForNone, "BackupAndWait": both, "BackupMany": many,
			"send":                      client.SendStart(t.Context(), none, nil),
			"send with another timeout": client.SendStart(t.Context(), record, &sfbackup.BackupOptions{Timeout: time.Hour}),
			"send with a wrong timeout": client.SendStart(t.Context(), record, &sfbackup.BackupOptions{Timeout: -1}),
			"observe nothing":           observeNothing, "observe with a wrong timeout": observeWrong, "resume": resumed.Err,
			"hold": func() error {
				_, err := sfbackup.NewClient("http://localhost:19080", sfbackup.WithGatewayHold(0))
				return err
			}(),
		} {
			if err == nil || !strings.Contains(err.Error(), "sfbackup: ") || errors.Is(err, sfbackup.ErrOutcomeUnknown) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if resumed.Start != sfbackup.StartUnknown {
			t.Errorf("resumed: %v", resumed.Start)
		}
	})
}

// Whatever a start waits for, no whole request reaches the server more than a minute after the observation. (net/http
// writes the header before it reads the body, and then closes the connection.)
func TestSendBy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name              string
		pause, token, tls time.Duration // until it is sent, there is a token, there is a connection
		sent              bool
	}{
		{"at once", 0, 0, 0, true},
		{"just in time", 20 * time.Second, 20 * time.Second, 19 * time.Second, true},
		{"a pause", 61 * time.Second, 0, 0, false},
		{"a token", 0, 61 * time.Second, 0, false},
		{"a connection", 0, 0, 61 * time.Second, false},
		{"all of them", 25 * time.Second, 20 * time.Second, 16 * time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				received := 0
				var servers sync.WaitGroup
				observed := false
				transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
					ours, theirs := net.Pipe()
					if observed {
						time.Sleep(tt.tls)
					}
					servers.Go(func() {
						defer func() { _ = theirs.Close() }()
						if !observed {
							_, _ = http.ReadRequest(bufio.NewReader(theirs))
							_, _ = io.WriteString(theirs, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull")
							return
						}
						req, err := http.ReadRequest(bufio.NewReader(theirs))
						if err != nil {
							return
						}
						if body, err := io.ReadAll(req.Body); err != nil || string(body) != "{}" {
							return
						}
						received++
						_, _ = io.WriteString(theirs, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
					})
					return ours, nil
				}}
				client := newUncheckedClient(t, transport, sfbackup.WithTokenSource(func(context.Context) (sfbackup.Token, error) {
					if observed {
						time.Sleep(tt.token)
					}
					return sfbackup.Token{Value: "t", Expires: time.Now().Add(time.Second)}, nil
				}))
				record := observe(t, client, nil)
				servers.Wait()
				observed = true
				time.Sleep(tt.pause + time.Second)
				err := client.SendStart(t.Context(), record, nil)
				servers.Wait()
				if (err == nil) != tt.sent || (received == 1) != tt.sent || errors.Is(err, sfbackup.ErrOutcomeUnknown) {
					t.Errorf("%v after %d requests", err, received)
				}
				if !tt.sent && !strings.Contains(err.Error(), "the observation is too old") {
					t.Error(err)
				}
			})
		})
	}
}

// With OnSend, BackupPartition observes again before it sends what has waited for too long.
func TestSendByOfBackupPartition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := sfbackuptest.NewCluster()
		calls := 0
		client := newUncheckedClient(t, cluster.Transport(), sfbackup.WithTokenSource(func(context.Context) (sfbackup.Token, error) {
			if calls++; calls == 2 {
				time.Sleep(2 * time.Minute)
			}
			return sfbackup.Token{Value: "t", Expires: time.Now().Add(time.Second)}, nil
		}))
		var records []sfbackup.StartRecord
		cluster.Script(t, sfbackuptest.Stall(time.Minute/2).On(sfbackuptest.OpGetPartitionBackupProgress))
		err := client.BackupPartition(t.Context(), partition1, &sfbackup.BackupOptions{OnSend: func(r sfbackup.StartRecord) error {
			records = append(records, r)
			return nil
		}})
		if err != nil || posts(cluster) != 1 || len(records) != 2 {
			t.Errorf("%v after %d requests, records %v", err, posts(cluster), records)
		}
	})
}

// OnSend is called before every request that starts a backup, and its error ends the start. It is that of the
// documentation also for BackupMany.
func TestOnSend(t *testing.T) {
	t.Parallel()
	full := errors.New("the disk is full")
	synctest.Test(t, func(t *testing.T) {
		cluster := sfbackuptest.NewCluster()
		cluster.Script(t, sfbackuptest.HangUp().On(sfbackuptest.OpBackupPartition)) // the second is accepted
		client := newUncheckedClient(t, cluster.Transport())
		sent := 0
		opts := &sfbackup.BackupOptions{OnSend: func(r sfbackup.StartRecord) error {
			if n := posts(cluster); n != sent || r.Partition() != partition1 {
				t.Errorf("%d requests before the record %d of %v", n, sent, r)
			}
			sent++
			return nil
		}}
		if err := client.BackupPartition(t.Context(), partition1, opts); err != nil || sent != 2 || posts(cluster) != 2 {
			t.Errorf("%v with %d records of %d requests", err, sent, posts(cluster))
		}
		opts.OnSend = func(sfbackup.StartRecord) error { return full }
		err := client.BackupPartition(t.Context(), partition2, opts)
		if !errors.Is(err, full) || err.Error() != "sfbackup: BackupPartition: OnSend: the disk is full" || errors.Is(err, sfbackup.ErrOutcomeUnknown) {
			t.Error(err)
		}
		results, err := client.BackupMany(t.Context(), slices.Values([]uuid.UUID{partition2}), &sfbackup.BackupManyOptions{Backup: *opts})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if !errors.Is(r.Err, full) || r.Start != sfbackup.NotStarted {
				t.Errorf("%+v", r)
			}
		}
		if record := observe(t, client, nil); !errors.Is(client.SendStart(t.Context(), record, opts), full) {
			t.Error("SendStart does not call OnSend")
		}
		if n := posts(cluster); n != 2 {
			t.Errorf("%d requests", n)
		}
	})
}

// What is observed after a start decides, and so does the time where nothing has changed.
func TestResolveStart(t *testing.T) {
	t.Parallel()
	dated := func(c canned, at time.Time) canned {
		c.header = http.Header{"Date": {at.UTC().Format(http.TimeFormat)}}
		return c
	}
	none, old, fresh := ok("null"), progressOf("Success", oldBackup), progressOf("Success", newBackup)
	failed, timedOut, accepted, running := progressOf("Failure", ""), progressOf("Timeout", ""), progressOf("Accepted", ""), progressOf("BackupInProgress", "")
	const settled, undated = 270 * time.Second, 570 * time.Second
	for _, tt := range []struct {
		name          string
		before, after canned
		dates         bool
		passed        time.Duration // since the observation
		want          sfbackup.StartOutcome
		again         time.Duration // until DecidableAt; 0: never
	}{
		{"a backup, and none before", none, accepted, true, 0, sfbackup.Started, 0},
		{"another backup", old, fresh, true, 0, sfbackup.Started, 0},
		{"another backup, long after", old, fresh, false, time.Hour, sfbackup.Started, 0},
		{"running, and none ran before", failed, running, true, 0, sfbackup.Started, 0},
		{"accepted, while another was running", running, accepted, true, 0, sfbackup.Started, 0},
		{"unchanged, before it was sent", old, old, true, 10 * time.Second, sfbackup.StartUnknown, settled - 10*time.Second},
		{"unchanged, a moment too early", old, old, true, settled - time.Second, sfbackup.StartUnknown, time.Second},
		{"unchanged", old, old, true, settled, sfbackup.NotStarted, 0},
		{"none before and after", none, none, true, settled, sfbackup.NotStarted, 0},
		{"unchanged, without dates, too early", old, old, false, settled, sfbackup.StartUnknown, undated - settled},
		{"unchanged, without dates", old, old, false, undated, sfbackup.NotStarted, 0},
		{"unchanged, and the clock has gone back", old, old, true, -time.Hour, sfbackup.StartUnknown, time.Hour + settled},
		{"not read before", canned{status: "404 Not Found"}, fresh, false, time.Hour, sfbackup.StartUnknown, 0},
		{"not read before, and none after", canned{status: "502 Bad Gateway"}, none, false, undated, sfbackup.NotStarted, 0},
		{"not read after", old, canned{status: "500 Internal Server Error"}, true, time.Hour, sfbackup.StartUnknown, 30 * time.Second},
		{"empty after", old, ok(""), true, time.Hour, sfbackup.StartUnknown, 30 * time.Second},
		{"no state after", old, ok("{}"), true, time.Hour, sfbackup.StartUnknown, 30 * time.Second},
		{"no such partition any more", old, canned{status: "404 Not Found", body: `{"Error":{"Code":"FABRIC_E_PARTITION_NOT_FOUND"}}`}, true, time.Hour, sfbackup.StartUnknown, 0},
		{"forgotten", old, none, true, time.Hour, sfbackup.StartUnknown, 0},
		{"two failures", failed, failed, true, time.Hour, sfbackup.StartUnknown, 0},
		{"two timeouts, soon", timedOut, timedOut, true, settled, sfbackup.NotStarted, 0},
		{"two timeouts", timedOut, timedOut, true, 20 * time.Minute, sfbackup.StartUnknown, 0},
		{"another is running", running, running, true, time.Hour, sfbackup.StartUnknown, 0},
		{"another was running", running, old, true, time.Hour, sfbackup.StartUnknown, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := time.Now().Add(-17 * time.Hour) // its clock is wrong, which does not matter
				before, after := tt.before, tt.after
				if tt.dates {
					before, after = dated(before, server), dated(after, server.Add(tt.passed))
				}
				requests := 0
				client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
					if requests++; requests == 1 {
						return before.response(req), nil
					}
					return after.response(req), nil
				}), sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1}))
				record := reread(t, observe(t, client, &sfbackup.BackupOptions{Timeout: 20 * time.Minute}))
				time.Sleep(tt.passed)
				outcome, err := client.ResolveStart(t.Context(), record)
				if outcome != tt.want || requests != 2 {
					t.Errorf("got %v, %v after %d requests", outcome, err, requests)
				}
				unknown, ok := errors.AsType[*sfbackup.OutcomeUnknownError](err)
				if ok != (tt.want == sfbackup.StartUnknown) || !ok && err != nil {
					t.Fatal(err)
				}
				if ok && (unknown.DecidableAt.IsZero() != (tt.again == 0) || tt.again > 0 && time.Until(unknown.DecidableAt).Round(time.Second) != tt.again) {
					t.Errorf("decidable in %v, want %v: %v", time.Until(unknown.DecidableAt), tt.again, err)
				}
				if ok && strings.Contains(err.Error(), "%!") {
					t.Error(err)
				}
			})
		})
	}
}

// The hold of the gateway and the deadline of the observation decide how long it takes to know that nothing was
// started.
func TestDecidableAt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := sfbackuptest.NewCluster()
		cluster.Script(t, sfbackuptest.HangUp().On(sfbackuptest.OpBackupPartition))
		client := newUncheckedClient(t, cluster.Transport(), sfbackup.WithGatewayHold(2*time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begin := time.Now()
		record, err := client.ObserveStart(ctx, partition1, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = client.SendStart(t.Context(), record, nil) // its context has no deadline, but the record has a timeout
		unknown, ok := errors.AsType[*sfbackup.OutcomeUnknownError](err)
		if !ok || !strings.Contains(err.Error(), "EOF") {
			t.Fatal(err)
		}
		if got := cluster.Requests()[1].Query.Get("timeout"); got != "5" {
			t.Errorf("the timeout of the request is %q", got)
		}
		for range 5 {
			time.Sleep(time.Until(unknown.DecidableAt))
			outcome, err := client.ResolveStart(t.Context(), reread(t, record))
			if unknown, ok = errors.AsType[*sfbackup.OutcomeUnknownError](err); !ok {
				// One minute, 2 and 5 seconds, the margin, and less than a second that a Date does not have.
				if took := time.Since(begin).Truncate(time.Second); outcome != sfbackup.NotStarted || took < 97*time.Second || took > 99*time.Second {
					t.Errorf("%v, %v after %v", outcome, err, took)
				}
				return
			}
		}
		t.Error("it is never decided")
	})
}

// A record that another process has sent before is not sent again.
func TestSendStartTwice(t *testing.T) {
	t.Parallel()
	for _, ended := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			cluster := sfbackuptest.NewCluster()
			if ended {
				cluster.SetOutcome(partition1, sfbackuptest.Outcome{Accepted: -1, Running: -1})
			}
			client := newUncheckedClient(t, cluster.Transport())
			record := reread(t, observe(t, client, nil))
			if err := client.SendStart(t.Context(), record, nil); err != nil {
				t.Fatal(err)
			}
			if err := client.SendStart(t.Context(), record, nil); !errors.Is(err, sfbackup.ErrOutcomeUnknown) || posts(cluster) != 1 {
				t.Errorf("ended %v: %v after %d requests", ended, err, posts(cluster))
			}
			if outcome, err := client.ResolveStart(t.Context(), record); outcome != sfbackup.Started {
				t.Error(outcome, err)
			}
		})
	}
}

// The record of another process is not sent if nothing tells how old it is.
func TestSendStartOfAnotherProcess(t *testing.T) {
	t.Parallel()
	date := func(d time.Duration) canned {
		c := progressOf("Success", oldBackup)
		c.header = http.Header{"Date": {time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(d).Format(http.TimeFormat)}}
		return c
	}
	for name, tt := range map[string]struct {
		look canned
		sent bool
	}{
		"a minute, but for a second":   {date(58 * time.Second), true},
		"a minute":                     {date(time.Minute), false},
		"an hour back":                 {date(-time.Hour), false},
		"no date":                      {progressOf("Success", oldBackup), false},
		"the progress cannot be read":  {canned{status: "403 Forbidden"}, false},
		"it has changed":               {progressOf("Success", newBackup), false},
		"the client's clock has stood": {date(10 * time.Minute), false},
	} {
		synctest.Test(t, func(t *testing.T) {
			posted := 0
			client := newUncheckedClient(t, inOrder([]canned{date(0), tt.look}, []canned{{status: "202 Accepted"}}, nil))
			counting := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
				if req.Method == http.MethodPost {
					posted++
					return canned{status: "202 Accepted"}.response(req), nil
				}
				return tt.look.response(req), nil
			}))
			err := counting.SendStart(t.Context(), reread(t, observe(t, client, nil)), nil)
			if (err == nil) != tt.sent || (posted == 1) != tt.sent {
				t.Errorf("%s: %v, sent %d times", name, err, posted)
			}
		})
	}
}

// A conflict is no refusal if the same record may have been sent before.
func TestConflictOfSendStart(t *testing.T) {
	t.Parallel()
	conflict := canned{status: "409 Conflict", body: `{"Error":{"Code":"FABRIC_E_BACKUP_IN_PROGRESS","Message":"m"}}`}
	for _, before := range []string{"Success", "BackupInProgress"} {
		synctest.Test(t, func(t *testing.T) {
			client := newUncheckedClient(t, inOrder([]canned{progressOf(before, "")}, []canned{conflict}, nil))
			err := client.SendStart(t.Context(), observe(t, client, nil), nil)
			if !errors.Is(err, sfbackup.CodeBackupInProgress) || errors.Is(err, sfbackup.ErrOutcomeUnknown) != (before == "Success") {
				t.Errorf("%s: %v", before, err)
			}
		})
	}
}

// WaitForBackup knows with a record what was there before.
func TestWaitForStarted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old, accepted, fresh := progressOf("Success", oldBackup), progressOf("Accepted", ""), progressOf("Success", newBackup)
		client := newUncheckedClient(t, inOrder([]canned{old}, []canned{{status: "202 Accepted"}}, []canned{ok("null"), old, accepted, fresh}))
		record := observe(t, client, nil)
		if err := client.SendStart(t.Context(), record, nil); err != nil {
			t.Fatal(err)
		}
		stored := reread(t, record)
		p, err := client.WaitForBackup(t.Context(), partition1, &sfbackup.WaitOptions{Started: &stored})
		if err != nil || p.BackupID.String() != newBackup {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

// BackupMany resumes what an earlier run has started, starts what it has not, and reports what cannot be known.
func TestBackupManyResume(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		outcome    sfbackuptest.Outcome // of the backup before
		lost, sent bool                 // the earlier start, and before its effect
		looksFail  bool                 // for ever
		cancelled  bool
		want       sfbackup.StartOutcome
		posts      int
		err        string
	}{
		{name: "started", sent: true, want: sfbackup.Started, posts: 1, err: "<nil>"},
		{name: "never sent", want: sfbackup.Started, posts: 1, err: "<nil>"},
		{name: "lost", sent: true, lost: true, want: sfbackup.Started, posts: 2, err: "<nil>"},
		{name: "cannot be known", outcome: sfbackuptest.Outcome{Accepted: -1, Running: -1, Code: "E_FAIL"}, want: sfbackup.StartUnknown, err: "it is not known"},
		{name: "looks fail", looksFail: true, want: sfbackup.StartUnknown, err: "500 Internal Server Error"},
		{name: "cancelled", cancelled: true, want: sfbackup.StartUnknown, err: "context canceled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cluster := sfbackuptest.NewCluster()
				client := newUncheckedClient(t, cluster.Transport())
				if tt.outcome != (sfbackuptest.Outcome{}) {
					cluster.SetOutcome(partition1, tt.outcome)
					if err := client.BackupPartition(t.Context(), partition1, nil); err != nil {
						t.Fatal(err)
					}
				}
				earlier := posts(cluster)
				record := observe(t, client, nil)
				if tt.lost {
					cluster.Script(t, sfbackuptest.HangUp().On(sfbackuptest.OpBackupPartition))
				}
				if tt.sent {
					if err := client.SendStart(t.Context(), record, nil); (err != nil) != tt.lost {
						t.Fatal(err)
					}
				}
				record = reread(t, record)
				if tt.looksFail {
					cluster.Inject(sfbackuptest.Answer(http.StatusInternalServerError, "").Times(0))
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.cancelled {
					time.AfterFunc(time.Minute, cancel)
				}
				begin, calls := time.Now(), 0
				r := backUpOne(ctx, t, client, &sfbackup.BackupManyOptions{Resume: func(id uuid.UUID) *sfbackup.StartRecord {
					if calls++; id != partition1 {
						t.Errorf("asked for %s", id)
					}
					return &record
				}})
				if calls != 1 || r.Start != tt.want || !strings.Contains(fmt.Sprint(r.Err), tt.err) || posts(cluster)-earlier != tt.posts {
					t.Errorf("%d calls, got %v, %v after %d requests", calls, r.Start, r.Err, posts(cluster)-earlier)
				}
				if took := time.Since(begin); took > 12*time.Minute {
					t.Errorf("it took %v", took)
				}
				if tt.want == sfbackup.Started && r.Progress.BackupState != sfbackup.BackupStateSuccess {
					t.Errorf("%+v", r.Progress)
				}
			})
		})
	}
}
