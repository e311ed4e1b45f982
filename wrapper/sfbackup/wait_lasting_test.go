package sfbackup_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// After a start was accepted, a server may still report what was there before for a while. That is not the result.
func TestStaleProgressIsNotTheResult(t *testing.T) {
	t.Parallel()
	success, failure, timeout := progressOf("Success", oldBackup), progressOf("Failure", ""), progressOf("Timeout", "")
	for name, tt := range map[string]struct {
		before canned
		polls  []canned // after the start; the last one repeats
		want   string   // the state
		after  time.Duration
	}{
		"the success before, once":          {success, []canned{success, progressOf("Success", newBackup)}, "Success", 0},
		"the success before, for a while":   {success, []canned{success, success, success, success, success, success, progressOf("BackupInProgress", ""), success, progressOf("Success", newBackup)}, "Success", 0},
		"no backup":                         {ok("null"), []canned{ok("null"), ok(""), ok("null"), progressOf("Accepted", ""), progressOf("Success", newBackup)}, "Success", 0},
		"no backup, after a success":        {success, []canned{ok("null"), progressOf("Success", newBackup)}, "Success", 0},
		"the state Invalid":                 {progressOf("Invalid", ""), []canned{progressOf("Success", newBackup)}, "Success", 0},
		"a failure after a success":         {success, []canned{failure}, "Failure", 0},
		"a timeout after a failure":         {failure, []canned{failure, timeout}, "Timeout", 0},
		"a failure like that before":        {failure, []canned{failure}, "Failure", time.Minute},
		"a failure like that before, seen":  {failure, []canned{failure, progressOf("BackupInProgress", ""), failure}, "Failure", 0},
		"a timeout like that before":        {timeout, []canned{timeout}, "Timeout", time.Minute},
		"a success after a failure, slowly": {failure, []canned{failure, failure, failure, progressOf("Success", newBackup)}, "Success", 0},
	} {
		for _, many := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				started, polls := false, 0
				client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
					switch {
					case req.Method == http.MethodPost:
						started = true
						return canned{status: "202 Accepted"}.response(req), nil
					case !started:
						return tt.before.response(req), nil
					}
					polls++
					return tt.polls[min(polls, len(tt.polls))-1].response(req), nil
				}))
				begin := time.Now()
				var states []string
				show := func(p *sfbackup.Progress) error {
					states = append(states, string(p.BackupState)+p.BackupID.String())
					return nil
				}
				var p *sfbackup.Progress
				var err error
				if many {
					r := backUpOne(t.Context(), t, client, nil)
					p, err = r.Progress, r.Err
				} else {
					p, err = client.BackupAndWait(t.Context(), partition1, nil, &sfbackup.WaitOptions{OnProgress: show})
				}
				if _, failed := errors.AsType[*sfbackup.BackupFailedError](err); err != nil && !failed || p == nil || string(p.BackupState) != tt.want ||
					tt.want == "Success" && p.BackupID.String() != newBackup {
					t.Errorf("%s: got %+v, %v", name, p, err)
				}
				if took := time.Since(begin); took < tt.after || polls < len(tt.polls) || len(tt.polls) == 1 && took > tt.after+time.Minute/2 {
					t.Errorf("%s: after %v and %d polls", name, took, polls)
				}
				if strings.Contains(strings.Join(states, " "), oldBackup) {
					t.Errorf("%s: the caller was shown %v", name, states)
				}
			})
		}
	}
}

// A wait outlasts what is transient for up to MaxUnreachable, reports it, and then names the last state.
func TestWaitOutlastsAnOutage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		outage, limit time.Duration
		attempts      int
		failure       canned
		want          string
	}{
		{outage: 9 * time.Minute, failure: canned{status: "502 Bad Gateway"}},
		{outage: 9 * time.Minute, failure: canned{status: "503 Service Unavailable"}, attempts: 1},
		{outage: 9 * time.Minute, failure: canned{status: "500 Internal Server Error"}},
		{outage: time.Minute, failure: canned{status: "501 Not Implemented"}, want: "sfbackup: GetPartitionBackupProgress: 501 Not Implemented"},
		{outage: 59 * time.Second, limit: time.Minute, failure: canned{status: "504 FABRIC_E_TIMEOUT"}},
		{outage: time.Hour, failure: canned{status: "502 Bad Gateway"}, want: "last state Accepted: polls have failed for 10m0s: sfbackup: GetPartitionBackupProgress: 502 Bad Gateway"},
		{outage: time.Hour, limit: time.Minute, failure: canned{status: "429 Too Many Requests"}, want: "last state Accepted: polls have failed for 1m0s: sfbackup: GetPartitionBackupProgress: 429 Too Many Requests"},
		{outage: time.Minute, failure: canned{status: "404 FABRIC_E_PARTITION_NOT_FOUND"}, want: "sfbackup: GetPartitionBackupProgress: 404 FABRIC_E_PARTITION_NOT_FOUND"},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin, polls := time.Now(), 0
			client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
				polls++
				switch down := time.Since(begin) - 10*time.Second; {
				case down < 0:
					return progressOf("Accepted", "").response(req), nil
				case down < tt.outage:
					return tt.failure.response(req), nil
				}
				return progressOf("Success", newBackup).response(req), nil
			}), sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: tt.attempts}))
			retries := 0
			opts := &sfbackup.WaitOptions{MaxUnreachable: tt.limit, OnRetry: func(err error) {
				retries++
				if _, ok := errors.AsType[*sfbackup.APIError](err); !ok {
					t.Errorf("reported %v", err)
				}
			}}
			p, err := client.WaitForBackup(t.Context(), partition1, opts)
			switch {
			case tt.want == "" && (err != nil || p.BackupState != sfbackup.BackupStateSuccess || retries == 0):
				t.Errorf("%+v: got %+v, %v after %d retries", tt, p, err, retries)
			case tt.want != "" && (err == nil || !strings.HasSuffix(err.Error(), tt.want) || p == nil || p.BackupState != sfbackup.BackupStateAccepted):
				t.Errorf("%+v: got %+v, %v", tt, p, err)
			}
			if polls > 60 {
				t.Errorf("%+v: %d polls", tt, polls)
			}
		})
	}

	// The context still ends it, and a negative limit is a mistake.
	synctest.Test(t, func(t *testing.T) {
		client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			return canned{status: "502 Bad Gateway"}.response(req), nil
		}))
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		begin := time.Now()
		if _, err := client.WaitForBackup(ctx, partition1, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 30*time.Second {
			t.Errorf("got %v after %v", err, time.Since(begin))
		}
		if _, err := client.WaitForBackup(ctx, partition1, &sfbackup.WaitOptions{MaxUnreachable: -1}); fmt.Sprint(err) != "sfbackup: WaitForBackup: MaxUnreachable is negative" {
			t.Errorf("got %v", err)
		}
	})
}
