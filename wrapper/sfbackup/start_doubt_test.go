package sfbackup_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// inOrder responds to the reads before a start, to the starts, and to the reads after them, each in order; the last
// response of each repeats.
func inOrder(before, starts, after []canned) roundTripper {
	var nBefore, nStarts, nAfter int
	next := func(responses []canned, n *int, req *http.Request) (*http.Response, error) {
		*n++
		return responses[min(*n, len(responses))-1].response(req), nil
	}
	return func(req *http.Request) (*http.Response, error) {
		switch {
		case req.Method == http.MethodPost:
			return next(starts, &nStarts, req)
		case nStarts == 0:
			return next(before, &nBefore, req)
		}
		return next(after, &nAfter, req)
	}
}

// A result that comes first after a start is not taken for that of the start if the observation before does not tell
// the two apart.
func TestStaleProgressAfterUnclearObservation(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]canned{
		"not read": {status: "502 Bad Gateway"}, "empty": ok(""), "running": progressOf("BackupInProgress", ""),
	} {
		synctest.Test(t, func(t *testing.T) {
			client := newUncheckedClient(t, inOrder([]canned{before}, []canned{{status: "202 Accepted"}},
				[]canned{progressOf("Success", oldBackup), progressOf("Accepted", ""), progressOf("Success", newBackup)}))
			p, err := client.BackupAndWait(t.Context(), partition1, nil, nil)
			if err != nil || p.BackupID.String() != newBackup {
				t.Errorf("%s: got %+v, %v", name, p, err)
			}
		})
	}
}

// A server that never reports the backup it has accepted does not hold a wait for ever, nor does a conflict with a
// backup that has ended.
func TestWaitForForgottenBackup(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		start canned
		ok    bool
	}{
		"accepted": {canned{status: "202 Accepted"}, false},
		"conflict": {canned{status: "409 Conflict", body: `{"Error":{"Code":"FABRIC_E_BACKUP_IN_PROGRESS"}}`}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			client := newUncheckedClient(t, inOrder([]canned{progressOf("Success", oldBackup)}, []canned{tt.start}, []canned{progressOf("Success", oldBackup)}))
			_, err := client.BackupAndWait(t.Context(), partition1, nil, &sfbackup.WaitOptions{JoinRunning: true})
			if (err == nil) != tt.ok || time.Since(begin) > 11*time.Minute || !tt.ok && !strings.Contains(err.Error(), "the server has reported the previous one for 10m") {
				t.Errorf("%s: got %v after %v", name, err, time.Since(begin))
			}
		})
	}
}

// The code in the error of a proxy does not make a failure one of the cluster.
func TestForeignCodesMayBeInFlight(t *testing.T) {
	t.Parallel()
	for _, failure := range []canned{
		{status: "503 Service Unavailable", body: `{"error":{"code":"UpstreamTimeout","message":"no response within 60 s"}}`},
		{status: "500 Internal Server Error", body: `{"code":500,"message":"no response"}`},
		{status: "524 ", body: `{"code":"524"}`},
	} {
		synctest.Test(t, func(t *testing.T) {
			cluster, started := instantCluster(t)
			client := newUncheckedClient(t, interceptStarts(cluster, func(n int, req *http.Request, effect func() *http.Response) (*http.Response, error) {
				if n == 1 {
					time.Sleep(time.Minute)
					time.AfterFunc(time.Minute, func() { effect() })
					return failure.response(req), nil
				}
				return effect(), nil
			}))
			err := client.BackupPartition(t.Context(), partition1, nil)
			time.Sleep(time.Hour)
			if n := started(); n != 1 || !errors.Is(err, sfbackup.ErrOutcomeUnknown) {
				t.Errorf("%s: %d started, %v", failure.body, n, err)
			}
		})
	}
}

// What something on the way has repeated is not called "not started" where the client can know better: a conflict
// without a code, a conflict after another refusal, and a refusal of which a part is missing.
func TestRefusalsAfterAcceptance(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func(n int, req *http.Request, accepted *http.Response) *http.Response{
		"a conflict without a code": func(_ int, req *http.Request, _ *http.Response) *http.Response {
			return canned{status: "409 Conflict"}.response(req)
		},
		"too many requests, then a conflict": func(n int, req *http.Request, resp *http.Response) *http.Response {
			if n == 1 {
				return canned{status: "429 Too Many Requests"}.response(req)
			}
			return resp
		},
		"half of a body": func(_ int, req *http.Request, _ *http.Response) *http.Response {
			resp := canned{status: "400 Bad Request"}.response(req)
			resp.ContentLength, resp.Close = -1, true
			resp.Body = io.NopCloser(strings.NewReader(`{"Error":{"Code":"FABRIC_E_RECONFIG`))
			return resp
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			cluster := sfbackuptest.NewCluster()
			cluster.SetOutcome(partition1, sfbackuptest.Outcome{Running: 5 * time.Minute})
			before := len(cluster.Backups(partition1))
			client := newUncheckedClient(t, interceptStarts(cluster, func(n int, req *http.Request, effect func() *http.Response) (*http.Response, error) {
				return refuse(n, req, effect()), nil
			}))
			r := backUpOne(t.Context(), t, client, nil)
			time.Sleep(time.Hour)
			if n := len(cluster.Backups(partition1)) - before; n != 1 || r.Start == sfbackup.NotStarted {
				t.Errorf("%s: %v (%v), and %d started", name, r.Start, r.Err, n)
			}
		})
	}
}

// runtime.Goexit in a worker, as by t.Fatal in a token source, ends the goroutine of the loop as it would without
// workers.
func TestBackupManyGoexit(t *testing.T) {
	t.Parallel()
	client := newUncheckedClient(t, neverSent(t), sfbackup.WithTokenSource(func(context.Context) (sfbackup.Token, error) {
		goruntime.Goexit()
		return sfbackup.Token{}, nil
	}))
	results := backupMany(t, client, slices.Values([]uuid.UUID{partition1}), nil)
	finished := make(chan bool, 1)
	go func() {
		returned := false
		defer func() { finished <- returned }()
		for range results {
		}
		returned = true
	}()
	if <-finished {
		t.Error("the loop went on")
	}
}

// A request that hangs holds up no other partition.
func TestBackupManyFirstRequestHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, cluster := fleetCluster(t, 20)
		partitions := cluster.Partitions()
		client := newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			if strings.Contains(req.URL.Path, partitions[0].String()) {
				<-req.Context().Done()
				return nil, req.Context().Err()
			}
			return cluster.Transport().RoundTrip(req)
		}))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		results, err := client.BackupMany(ctx, slices.Values(partitions), nil)
		if err != nil {
			t.Fatal(err)
		}
		good := 0
		for _, r := range results {
			if r.Err == nil {
				good++
			}
		}
		if good != 19 {
			t.Errorf("%d of 19 were backed up", good)
		}
	})
}

// A progress that may be that of the previous backup is in no result, also if the context ends meanwhile.
func TestAbandonedStaleProgress(t *testing.T) {
	t.Parallel()
	for _, many := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			failure := []canned{progressOf("Failure", "")}
			client := newUncheckedClient(t, inOrder(failure, []canned{{status: "202 Accepted"}}, failure))
			ctx, cancel := context.WithTimeout(t.Context(), 70*time.Second)
			defer cancel()
			wait := sfbackup.WaitOptions{MinDelay: 50 * time.Second, MaxDelay: 50 * time.Second}
			var p *sfbackup.Progress
			if many {
				p = backUpOne(ctx, t, client, &sfbackup.BackupManyOptions{Wait: wait}).Progress
			} else {
				p, _ = client.BackupAndWait(ctx, partition1, nil, &wait)
			}
			if p != nil {
				t.Errorf("many %v: got %+v", many, p)
			}
		})
	}
}

// The reason of a backup's failure in a list shows no secret that the client has sent, neither does a wait long after
// many other storages were used.
func TestSecretsInListsAndLater(t *testing.T) {
	t.Parallel()
	client := newUncheckedClient(t, &cannedResponses{list: []canned{ok(`{"Items":[{"BackupId":"` + oldBackup + `","FailureError":{"Code":"E_X","Message":"bad token topsecrettoken"}}]}`)}},
		sfbackup.WithTokenSource(func(context.Context) (sfbackup.Token, error) { return sfbackup.Token{Value: "topsecrettoken"}, nil }))
	if b, err := collect(client.PartitionBackups(t.Context(), partition1, nil)); err != nil || strings.Contains(b[0].FailureError.Error(), "topsecrettoken") {
		t.Errorf("got %v, %v", b, err)
	}

	sas := func(i int) string {
		return fmt.Sprintf("BlobEndpoint=https://a%d.blob.core.windows.net;SharedAccessSignature=sv=2020&sp=rw&sig=c2lnbmF0dXJl%04d", i, i)
	}
	failed := false
	client = newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		switch {
		case req.Method == http.MethodPost:
			return canned{status: "202 Accepted"}.response(req), nil
		case failed:
			return ok(`{"BackupState":"Failure","FailureError":{"Code":"E_X","Message":"refused: ` + sas(0) + `"}}`).response(req), nil
		}
		return ok("null").response(req), nil
	}))
	for i := range 300 {
		opts := &sfbackup.BackupOptions{Storage: &sfbackup.AzureBlobStore{ConnectionString: sfbackup.Secret(sas(i)), ContainerName: "c"}}
		if err := client.BackupPartition(t.Context(), uuid.New(), opts); err != nil {
			t.Fatal(err)
		}
	}
	failed = true
	if _, err := client.WaitForBackup(t.Context(), partition1, nil); err == nil || strings.Contains(err.Error(), "c2lnbmF0dXJl0000") {
		t.Errorf("got %v", err)
	}
}

// The longest delay that can be set is one.
func TestLongestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		client := newUncheckedClient(t, &cannedResponses{list: []canned{{status: "502 Bad Gateway"}}}, sfbackup.WithRetry(sfbackup.RetryPolicy{MinDelay: math.MaxInt64}))
		if _, err := client.BackupProgress(ctx, partition1); err == nil {
			t.Error("no error")
		}
	})
}
