package sfbackup_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// Decide by the code of an error. Its hint says what to do if the cluster does not let the client in.
func ExampleAPIError() {
	_, err := exampleClient().ServiceBackupsPage(context.Background(), "fabric:/CalcApp/Unknown", nil)
	fmt.Println(errors.Is(err, sfbackup.CodeServiceNotFound))

	cluster := sfbackuptest.NewCluster()
	cluster.AcceptToken("token", sfbackuptest.RoleAdmin, time.Time{}) // the cluster is secured
	client, err := sfbackup.NewClient("http://localhost:19080",
		sfbackup.WithHTTPClient(&http.Client{Transport: cluster.Transport()}),
		sfbackup.WithTokenSource(func(context.Context) (sfbackup.Token, error) {
			return sfbackup.Token{Value: "expired"}, nil
		}))
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.ServiceBackupsPage(context.Background(), "fabric:/CalcApp/CalcService", nil)
	if apiErr, ok := errors.AsType[*sfbackup.APIError](err); ok {
		fmt.Println(apiErr.Operation, apiErr.StatusCode)
		fmt.Println(apiErr.Hint)
	}
	// Output:
	// true
	// GetServiceBackupList 403
	// the gateway does not accept the token: it may have expired, or be meant for another cluster or tenant
}

// A backup that was started can still fail. The error has its final progress and the reason.
func ExampleBackupFailedError() {
	client := exampleClient(sfbackuptest.Outcome{
		Accepted: -1, Running: -1, Code: string(sfbackup.CodeCopierAccessDenied), Message: "Access is denied.",
	})
	partition := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	_, err := client.BackupAndWait(context.Background(), partition, nil, nil)
	if failed, ok := errors.AsType[*sfbackup.BackupFailedError](err); ok {
		fmt.Println(failed.Progress.BackupState, errors.Is(err, sfbackup.CodeCopierAccessDenied))
		fmt.Println(err)
	}
	// Output:
	// Failure true
	// sfbackup: the backup ended with Failure: FABRIC_E_BACKUPCOPIER_ACCESS_DENIED: Access is denied.
}

// The response to a start is lost, and so is the observation after it: the client cannot tell whether the backup was
// started. The observation before the start helps to find out later.
func ExampleOutcomeUnknownError() {
	cluster := sfbackuptest.NewCluster()
	client, err := sfbackup.NewClient("http://localhost:19080",
		sfbackup.WithHTTPClient(&http.Client{Transport: cluster.Transport()}))
	if err != nil {
		log.Fatal(err)
	}
	sent := false // the request that starts the backup
	cluster.Inject(
		sfbackuptest.HangUp().AfterEffect().When(func(r *http.Request) bool { sent = r.Method == http.MethodPost; return sent }),
		sfbackuptest.Answer(http.StatusInternalServerError, "").When(func(*http.Request) bool { return sent }))

	ctx, partition := context.Background(), uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	err = client.BackupPartition(ctx, partition, nil)
	unknown, ok := errors.AsType[*sfbackup.OutcomeUnknownError](err)
	if !ok {
		log.Fatal(err)
	}
	fmt.Println("start: ", unknown.Err)
	fmt.Println("before:", unknown.Before)
	fmt.Println("after: ", unknown.After, "-", unknown.After.Err)

	now, err := client.BackupProgress(ctx, partition)
	if err != nil {
		log.Fatal(err)
	}
	switch before := unknown.Before; {
	case errors.Is(before.Err, sfbackup.ErrNoBackup):
		fmt.Println("now:   ", now.BackupState, "- there was no backup before, so this one was started")
	case before.Progress != nil && before.Progress.BackupState.Final() && !now.BackupState.Final():
		fmt.Println("now:   ", now.BackupState, "- another backup than before is running")
	default:
		fmt.Println("now:   ", now.BackupState, "- this may be the same backup as before")
	}
	// Output:
	// start:  sfbackup: BackupPartition: EOF
	// before: no backup
	// after:  not read - sfbackup: GetPartitionBackupProgress: 500 Internal Server Error
	// now:    Accepted - there was no backup before, so this one was started
}
