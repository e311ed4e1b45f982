package sfbackup_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// dated is a response with the time of a server.
func dated(c canned, at time.Time) canned {
	c.header = http.Header{"Date": {at.UTC().Format(http.TimeFormat)}}
	return c
}

// A record whose observation was not read is valid from the attempt on, on both clocks.
func TestRecordOfALaterAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		posted := 0
		transport := roundTripper(func(req *http.Request) (*http.Response, error) {
			switch {
			case req.Method == http.MethodPost && posted == 0:
				posted++
				busy := canned{status: "429 Too Many Requests", header: http.Header{"Retry-After": {"290"}}}
				return busy.response(req), nil
			case req.Method == http.MethodPost:
				posted++
				return canned{status: "202 Accepted"}.response(req), nil
			}
			return dated(ok(""), time.Now()).response(req), nil // which proves nothing
		})
		resolver := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			return dated(ok("null"), time.Now()).response(req), nil
		}))
		calls := 0
		opts := &sfbackup.BackupOptions{OnSend: func(r sfbackup.StartRecord) error {
			calls++
			outcome, err := resolver.ResolveStart(t.Context(), reread(t, r))
			if outcome != sfbackup.StartUnknown {
				t.Errorf("before attempt %d: %v, %v", calls, outcome, err)
			}
			return nil
		}}
		if err := newUncheckedClient(t, transport).BackupPartition(t.Context(), partition1, opts); err != nil || calls != 2 || posted != 2 {
			t.Errorf("%v after %d records and %d requests", err, calls, posted)
		}
	})
}

// A node whose clock is wrong does not make a start NotStarted while its request may be in flight.
func TestResolveStartWithAWrongClock(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]func(now time.Time) time.Time{
		"never set":     func(time.Time) time.Time { return time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC) },
		"an hour ahead": func(now time.Time) time.Time { return now.Add(time.Hour) },
		"centuries":     func(time.Time) time.Time { return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		for _, wrongBefore := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
					if requests++; (requests == 1) == wrongBefore {
						return dated(ok("null"), at(time.Now())).response(req), nil
					}
					return dated(ok("null"), time.Now()).response(req), nil
				}))
				record := reread(t, observe(t, client, nil))
				time.Sleep(time.Second)
				outcome, err := client.ResolveStart(t.Context(), record)
				if outcome != sfbackup.StartUnknown {
					t.Errorf("%s, before %v: %v, %v", name, wrongBefore, outcome, err)
				}
			})
		}
	}
}

// Where a call cannot tell, but the time has passed, DecidableAt is not "never".
func TestDecidableAfterALongCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		posted, looks := false, 0
		old := progressOf("Success", oldBackup)
		client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPost {
				posted = true
				time.Sleep(2 * time.Minute)
				return dated(canned{status: "504 Gateway Timeout"}, time.Now()).response(req), nil
			}
			if posted {
				if looks++; looks == 1 {
					return canned{status: "503 Service Unavailable", header: http.Header{"Retry-After": {"240"}}}.response(req), nil
				}
			}
			return dated(old, time.Now()).response(req), nil
		}))
		var record sfbackup.StartRecord
		err := client.BackupPartition(t.Context(), partition1, &sfbackup.BackupOptions{OnSend: func(r sfbackup.StartRecord) error {
			record = r
			return nil
		}})
		unknown, ok := errors.AsType[*sfbackup.OutcomeUnknownError](err)
		if !ok {
			t.Fatal(err)
		}
		outcome, err := client.ResolveStart(t.Context(), record)
		if outcome != sfbackup.NotStarted || unknown.DecidableAt.IsZero() || time.Until(unknown.DecidableAt) > 0 {
			t.Errorf("%v, %v, decidable at %v", outcome, err, unknown.DecidableAt)
		}
	})
}

// What SendStart sees by itself, ResolveStart can say at once, whatever the clock of the machine says.
func TestDecidableWithoutSending(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{0, 5 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			cluster := sfbackuptest.NewCluster()
			client := newUncheckedClient(t, cluster.Transport())
			record := reread(t, observe(t, client, nil))
			if err := client.SendStart(t.Context(), record, nil); err != nil {
				t.Fatal(err)
			}
			err := client.SendStart(t.Context(), record.Shifted(-ahead), nil)
			unknown, ok := errors.AsType[*sfbackup.OutcomeUnknownError](err)
			if !ok || posts(cluster) != 1 {
				t.Fatal(err)
			}
			if unknown.DecidableAt.IsZero() || time.Until(unknown.DecidableAt) > 0 {
				t.Errorf("%v ahead: decidable at %v, now it is %v", ahead, unknown.DecidableAt, time.Now())
			}
		})
	}
}

// A backup that is given ten minutes has not timed out after five.
func TestResolveStartAfterATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			return dated(progressOf("Timeout", ""), time.Now()).response(req), nil
		}))
		record := reread(t, observe(t, client, nil))
		for range 3 {
			outcome, err := client.ResolveStart(t.Context(), record)
			unknown, ok := errors.AsType[*sfbackup.OutcomeUnknownError](err)
			if !ok {
				if outcome != sfbackup.NotStarted {
					t.Error(outcome)
				}
				return
			}
			if unknown.DecidableAt.IsZero() {
				t.Fatal("it is never decided")
			}
			time.Sleep(time.Until(unknown.DecidableAt))
		}
		t.Error("it is not decided")
	})
}

// The code of a failure may repeat a secret. No record holds it, and a client that does not know the secret, and so
// does not redact it, sees no other backup.
func TestSecretInTheCodeOfAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failed := ok(`{"BackupState":"Failure","FailureError":{"Code":"refused hunter2hunter2","Message":"m"}}`)
		opts := &sfbackup.BackupOptions{Storage: &sfbackup.FileShare{Path: `\\a\b`, PrimaryUserName: "u", PrimaryPassword: "hunter2hunter2"}}
		newOne := func() *sfbackup.Client {
			return newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
				if req.Method == http.MethodPost {
					return canned{status: "400 Bad Request"}.response(req), nil
				}
				return dated(failed, time.Now()).response(req), nil
			}))
		}
		for _, sentBefore := range []bool{false, true} {
			client := newOne()
			if sentBefore {
				_ = client.BackupPartition(t.Context(), partition1, opts)
			}
			record := observe(t, client, opts)
			if data, err := json.Marshal(record); err != nil || bytes.Contains(data, []byte("hunter2")) {
				t.Errorf("sent before %v: %s, %v", sentBefore, data, err)
			}
			if outcome, err := newOne().ResolveStart(t.Context(), reread(t, record)); outcome != sfbackup.StartUnknown {
				t.Errorf("sent before %v: %v, %v", sentBefore, outcome, err)
			}
		}
	})
}

// A partition without an identity is refused at once, also with a record that is none.
func TestResumeWithoutPartition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		results, err := newUncheckedClient(t, neverSent(t)).BackupMany(t.Context(), slices.Values([]uuid.UUID{uuid.Nil}),
			&sfbackup.BackupManyOptions{Resume: func(uuid.UUID) *sfbackup.StartRecord { return new(sfbackup.StartRecord) }})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if r.Err == nil || time.Since(begin) > 0 {
				t.Errorf("%v after %v", r.Err, time.Since(begin))
			}
		}
	})
}

// A record of version 1 can be read for good, whatever Progress becomes.
func TestStoredStartRecord(t *testing.T) {
	t.Parallel()
	for _, stored := range []string{
		`{"Version":1,"Partition":"1daae3f5-7fd6-42e9-b1ba-8c05f873994d","Known":true,"Before":{"BackupState":"Failure","FailureError":{"Code":"E_FAIL"}},"SendBy":"2000-01-01T00:01:00Z","ServerSendBy":"2027-01-01T00:00:59Z","Timeout":60,"BackupTimeout":0,"Sum":1875289987}`,
		`{"Version":1,"Partition":"1daae3f5-7fd6-42e9-b1ba-8c05f873994d","Known":true,"Before":null,"SendBy":"2000-01-01T00:01:00Z","ServerSendBy":"2027-01-01T00:00:59Z","Timeout":60,"BackupTimeout":0,"Sum":1520635255}`,
	} {
		var record sfbackup.StartRecord
		if err := json.Unmarshal([]byte(stored), &record); err != nil || record.Partition() != partition1 {
			t.Errorf("%s: %v", stored, err)
		}
	}
}
