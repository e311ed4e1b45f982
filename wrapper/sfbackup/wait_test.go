package sfbackup_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

func TestBackupAndWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, cluster := newClusterClient(t)
		var states []sfbackup.BackupState
		progress, err := client.BackupAndWait(t.Context(), partition1, nil, &sfbackup.WaitOptions{
			OnProgress: func(p *sfbackup.Progress) error {
				states = append(states, p.BackupState)
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]sfbackup.BackupState{"Accepted", "BackupInProgress", "Success"}, states); diff != "" {
			t.Error(diff)
		}
		if last := lastBackup(cluster, partition1); progress.BackupID != last.ID || progress.LSNOfLastBackupRecord != last.LSN {
			t.Errorf("got %+v, the cluster made %+v", progress, last)
		}
	})
}

func TestWaitForBackupThatFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		outcome sfbackuptest.Outcome
		options sfbackup.BackupOptions
		state   sfbackup.BackupState
		code    sfbackup.ErrorCode
		text    string
	}{
		{
			"the storage denies access",
			sfbackuptest.Outcome{Code: "FABRIC_E_BACKUPCOPIER_ACCESS_DENIED", Message: "Access\nis denied."},
			sfbackup.BackupOptions{},
			sfbackup.BackupStateFailure, sfbackup.CodeCopierAccessDenied,
			"sfbackup: the backup ended with Failure: FABRIC_E_BACKUPCOPIER_ACCESS_DENIED: Access is denied.",
		},
		{
			"it takes too long",
			sfbackuptest.Outcome{Running: time.Hour},
			sfbackup.BackupOptions{Timeout: 61 * time.Second}, // two minutes
			sfbackup.BackupStateTimeout, sfbackup.CodeTimeout, "sfbackup: the backup ended with Timeout: FABRIC_E_TIMEOUT: ",
		},
		{
			"it is never delivered",
			sfbackuptest.Outcome{Accepted: time.Hour},
			sfbackup.BackupOptions{},
			sfbackup.BackupStateTimeout, sfbackup.CodeTimeout, "sfbackup: the backup ended with Timeout: FABRIC_E_TIMEOUT: ",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, cluster := newClusterClient(t)
				cluster.SetOutcome(partition1, tt.outcome)
				progress, err := client.BackupAndWait(t.Context(), partition1, &tt.options, nil)
				failed, ok := errors.AsType[*sfbackup.BackupFailedError](err)
				if !ok {
					t.Fatalf("got %v", err)
				}
				if progress != failed.Progress || progress.BackupState != tt.state || !errors.Is(err, tt.code) {
					t.Errorf("got %+v, %v", progress, err)
				}
				if !strings.HasPrefix(err.Error(), tt.text) {
					t.Errorf("got %q, want %q", err, tt.text)
				}
			})
		})
	}
	if err := (&sfbackup.BackupFailedError{Progress: &sfbackup.Progress{BackupState: "Failure"}}); err.Unwrap() != nil || err.Error() != "sfbackup: the backup ended with Failure" {
		t.Errorf("without a reason: %v, %v", err, err.Unwrap())
	}
}

// polls returns a client whose backup never ends, and a function that returns the delays between its polls.
func polls(t *testing.T, list ...canned) (*sfbackup.Client, func() []time.Duration) {
	t.Helper()
	canned := &cannedResponses{list: append(list, ok(`{"BackupState":"BackupInProgress"}`))}
	var at []time.Time
	client := newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		at = append(at, time.Now())
		return canned.RoundTrip(req)
	}))
	start := time.Now()
	return client, func() []time.Duration {
		var delays []time.Duration
		last := start
		for _, t := range at {
			delays = append(delays, t.Sub(last))
			last = t
		}
		return delays
	}
}

func TestWaitSchedule(t *testing.T) {
	t.Parallel()
	within := func(t *testing.T, what string, got, low, high time.Duration) {
		t.Helper()
		if got < low || got > high {
			t.Errorf("%s: %v, want %v to %v", what, got, low, high)
		}
	}
	t.Run("default", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			client, delays := polls(t)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			if _, err := client.WaitForBackup(ctx, partition1, nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			got := delays()
			within(t, "the first poll", got[0], 0, 0)
			for i, low := range []time.Duration{2, 4, 8, 16} {
				low *= time.Second
				within(t, "a growing delay", got[i+1], low, low+low/4)
			}
			different := map[time.Duration]bool{}
			for _, d := range got[5:] {
				within(t, "a maximal delay", d, 22*time.Second, 30*time.Second)
				different[d] = true
			}
			if len(different) < 2 {
				t.Errorf("no jitter: %v", got)
			}
		})
	})
	t.Run("given", func(t *testing.T) {
		t.Parallel()
		for _, tt := range []struct {
			options   sfbackup.WaitOptions
			low, high time.Duration // of every delay but the first
		}{
			{sfbackup.WaitOptions{MinDelay: time.Minute}, time.Minute, time.Minute},
			{sfbackup.WaitOptions{MaxDelay: time.Second}, time.Second, time.Second},
			{sfbackup.WaitOptions{MaxDelay: math.MaxInt64}, 2 * time.Second, math.MaxInt64},
			{sfbackup.WaitOptions{MinDelay: math.MaxInt64}, math.MaxInt64, math.MaxInt64},
			{sfbackup.WaitOptions{MinDelay: time.Second, MaxDelay: 3 * time.Second}, time.Second, 3 * time.Second},
		} {
			synctest.Test(t, func(t *testing.T) {
				client, delays := polls(t)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				_, _ = client.WaitForBackup(ctx, partition1, &tt.options)
				got := delays()
				if len(got) < 4 && tt.options.MinDelay < time.Hour {
					t.Fatalf("only %v", got)
				}
				for _, d := range got[1:] {
					within(t, "a delay", d, tt.low, tt.high)
				}
			})
		}
	})
	t.Run("Retry-After", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			later := func(status, value string) canned {
				return canned{
					status: status, contentType: jsonType, body: `{"BackupState":"Accepted"}`,
					header: http.Header{"Retry-After": {value}},
				}
			}
			at := time.Now().Add(300 * time.Second).UTC().Format(http.TimeFormat)
			client, delays := polls(t,
				later("200 OK", "100"),
				later("503 Service Unavailable", "200"),
				later("429 Too Many Requests", "150"),
				later("503 Service Unavailable", "0"),   // the schedule applies
				later("200 OK", at),                     // in the past by then
				later("200 OK", "99999999999999999999"), // invalid
				later("200 OK", "4294967295"),
			)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
			defer cancel()
			_, _ = client.WaitForBackup(ctx, partition1, nil)
			got := delays()
			for i, want := range []time.Duration{0, 100 * time.Second, 200 * time.Second, 150 * time.Second} {
				within(t, "asked for", got[i], want, want)
			}
			within(t, "none", got[4], 16*time.Second, 30*time.Second)
			within(t, "in the past", got[5], 16*time.Second, 30*time.Second)
			within(t, "invalid", got[6], 16*time.Second, 30*time.Second)
			within(t, "at most", got[7], 5*time.Minute, 5*time.Minute)
		})
	})
}

// An error other than 429 and 503 ends the wait, and the last progress is returned.
func TestWaitEndsWithAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, &cannedResponses{list: []canned{
			ok(`{"BackupState":"Accepted"}`),
			{status: "404 Not Found", body: `{"Error":{"Code":"FABRIC_E_PARTITION_NOT_FOUND"}}`},
		}})
		progress, err := client.WaitForBackup(t.Context(), partition1, nil)
		if !errors.Is(err, sfbackup.CodePartitionNotFound) || progress == nil || progress.BackupState != "Accepted" {
			t.Errorf("got %+v, %v", progress, err)
		}
	})
	client, _ := newClusterClient(t)
	if progress, err := client.WaitForBackup(t.Context(), partition1, nil); progress != nil || !errors.Is(err, sfbackup.ErrNoBackup) {
		t.Errorf("without a backup: %v, %v", progress, err)
	}
}

func TestWaitCancelled(t *testing.T) {
	t.Parallel()
	errShutdown := errors.New("the operator shuts down")
	synctest.Test(t, func(t *testing.T) {
		client, _ := polls(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(errShutdown) })
		progress, err := client.WaitForBackup(ctx, partition1, nil)
		if progress == nil || progress.BackupState != sfbackup.BackupStateInProgress {
			t.Errorf("progress %+v", progress)
		}
		if !errors.Is(err, errShutdown) || !errors.Is(err, context.Canceled) {
			t.Errorf("%v does not wrap its cause", err)
		}
		want := "sfbackup: waiting for the backup of partition 1daae3f5-7fd6-42e9-b1ba-8c05f873994d: last state BackupInProgress: context canceled: the operator shuts down"
		if err.Error() != want {
			t.Errorf("got %q", err)
		}
	})

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	client, _ := newClusterClient(t)
	progress, err := client.WaitForBackup(ctx, partition1, nil)
	if progress != nil || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "no state read") {
		t.Errorf("canceled before the call: %v, %v", progress, err)
	}
}

// A response that arrives as the context ends is not a success.
func TestWaitCancelledDuringSuccess(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	client := newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		cancel()
		return ok(`{"BackupState":"Success"}`).response(req), nil
	}))
	if _, err := client.WaitForBackup(ctx, partition1, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestWaitEndedByCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, _ := polls(t)
		errEnough := errors.New("enough")
		calls := 0
		progress, err := client.WaitForBackup(t.Context(), partition1, &sfbackup.WaitOptions{
			OnProgress: func(*sfbackup.Progress) error {
				if calls++; calls == 3 {
					return errEnough
				}
				return nil
			},
		})
		if err != errEnough || calls != 3 || progress == nil { //nolint:errorlint // it is promised as it is
			t.Errorf("got %v, %v after %d calls", progress, err, calls)
		}
	})
}

func TestBackupAndWaitJoins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, cluster := newClusterClient(t)
		if err := client.BackupPartition(t.Context(), partition1, nil); err != nil {
			t.Fatal(err)
		}
		_, err := client.BackupAndWait(t.Context(), partition1, nil, nil)
		if !errors.Is(err, sfbackup.CodeBackupInProgress) {
			t.Errorf("without the option: %v", err)
		}
		progress, err := client.BackupAndWait(t.Context(), partition1, nil, &sfbackup.WaitOptions{JoinRunning: true})
		if err != nil {
			t.Fatal(err)
		}
		if stored := cluster.Backups(partition1); len(stored) != 4 || progress.BackupID != stored[3].ID {
			t.Errorf("got %+v of %d backups", progress, len(stored))
		}
	})
}

// JoinRunning does not wait if a start is refused for another reason: the success that it would read would be that
// of an older backup.
func TestBackupAndWaitJoinsNothingElse(t *testing.T) {
	t.Parallel()
	for _, refused := range []canned{
		{status: "403 Forbidden", body: `{"Error":{"Code":"E_ACCESSDENIED"}}`},
		{status: "409 Conflict", body: `{"Error":{"Code":"FABRIC_E_RESTORE_IN_PROGRESS"}}`},
	} {
		sent := &cannedResponses{list: []canned{refused, ok(`{"BackupState":"Success"}`)}}
		progress, err := newClient(t, noBackupBefore(sent)).BackupAndWait(t.Context(), partition1, nil, &sfbackup.WaitOptions{JoinRunning: true})
		if _, ok := errors.AsType[*sfbackup.APIError](err); !ok || progress != nil || len(sent.requests) != 1 {
			t.Errorf("%s: got %v, %v after %d requests", refused.status, progress, err, len(sent.requests))
		}
	}
}

// A progress without a state is an error, because the wait might never end.
func TestWaitWithoutAState(t *testing.T) {
	t.Parallel()
	client := newClient(t, &cannedResponses{list: []canned{ok(`{"BackupState":null}`)}})
	if progress, err := client.WaitForBackup(t.Context(), partition1, nil); progress == nil || err == nil || !strings.Contains(err.Error(), "no BackupState") {
		t.Errorf("got %v, %v", progress, err)
	}
	synctest.Test(t, func(t *testing.T) {
		// An unknown state does not end the wait. The error shows it in one line.
		client := newClient(t, &cannedResponses{list: []canned{ok(`{"BackupState":"A\nB"}`)}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := client.WaitForBackup(ctx, partition1, nil)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "last state A B:") {
			t.Errorf("got %v", err)
		}
	})
}

func TestWaitInvalidOptions(t *testing.T) {
	t.Parallel()
	client := newClient(t, neverSent(t))
	for _, opts := range []sfbackup.WaitOptions{
		{MinDelay: -1},
		{MaxDelay: -1},
		{MinDelay: 2, MaxDelay: 1},
	} {
		if _, err := client.WaitForBackup(t.Context(), partition1, &opts); err == nil {
			t.Errorf("WaitForBackup: no error for %+v", opts)
		}
		if _, err := client.BackupAndWait(t.Context(), partition1, nil, &opts); err == nil {
			t.Errorf("BackupAndWait: no error for %+v", opts)
		}
	}
}
