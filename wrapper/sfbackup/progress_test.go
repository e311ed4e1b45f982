package sfbackup_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// reconstructed returns the body of a response that was reconstructed from the sources of the server.
func reconstructed(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile("../../openapi/testdata/reconstructed/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A 6.4 cluster sends the LSN as a number, nulls, zero identities and the year 1.
func TestProgressOfRuntimeCluster(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		want *sfbackup.Progress
	}{
		{"progress_accepted", &sfbackup.Progress{BackupState: sfbackup.BackupStateAccepted}},
		{"progress_success", &sfbackup.Progress{
			BackupState:             sfbackup.BackupStateSuccess,
			TimeStampUTC:            time.Date(2018, 11, 21, 20, 0, 1, 0, time.UTC),
			BackupID:                uuid.MustParse("5d64b697-6acd-45a4-adbd-3d75e0078081"),
			BackupLocation:          `SampleApp\MyStatefulService\974bd92a-b395-4631-8a7f-53bd4ae9cf22\2018-11-21 20.00.01.zip`,
			EpochOfLastBackupRecord: sfbackup.Epoch{DataLossVersion: 131873018908156893, ConfigurationVersion: 8589934592},
			LSNOfLastBackupRecord:   36,
		}},
		{"progress_failure", &sfbackup.Progress{
			BackupState: sfbackup.BackupStateFailure,
			FailureError: &sfbackup.FabricError{
				Code:    sfbackup.CodeCopierUnexpected,
				Message: "An error occurred during this operation.  Please check the trace logs for more details.",
			},
		}},
		{"progress_timeout", &sfbackup.Progress{
			BackupState:  sfbackup.BackupStateTimeout,
			FailureError: &sfbackup.FabricError{Code: sfbackup.CodeTimeout, Message: "The Request for backup has timeout"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, &cannedResponses{list: []canned{ok(reconstructed(t, tt.name))}})
			got, err := client.BackupProgress(t.Context(), partition1)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			// It can be stored as JSON.
			stored, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			var again sfbackup.Progress
			if err := json.Unmarshal(stored, &again); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, &again); diff != "" {
				t.Errorf("stored as %s:\n%s", stored, diff)
			}
		})
	}
}

func TestProgressVariants(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		want       sfbackup.Progress
	}{
		{
			"an unknown state is kept", `{"BackupState":"Suspended"}`,
			sfbackup.Progress{BackupState: "Suspended"},
		},
		{"a state without a name is its number", `{"BackupState":17}`, sfbackup.Progress{BackupState: "17"}},
		{"the document's minimum", `{"BackupState":"BackupInProgress"}`, sfbackup.Progress{BackupState: sfbackup.BackupStateInProgress}},
		{
			"the names of 6.2, LSN as a string, negative values",
			`{"BackupState":"Success","EpochOfLastBackupRecord":{"DataLossNumber":"131462452931584510","ConfigurationNumber":"-1"},"LsnOfLastBackupRecord":"-1"}`,
			sfbackup.Progress{
				BackupState: sfbackup.BackupStateSuccess, LSNOfLastBackupRecord: -1,
				EpochOfLastBackupRecord: sfbackup.Epoch{DataLossVersion: 131462452931584510, ConfigurationVersion: -1},
			},
		},
		{
			"the year 1 west of UTC", `{"BackupState":"Failure","TimeStampUtc":"0001-01-01T08:00:00Z"}`,
			sfbackup.Progress{BackupState: sfbackup.BackupStateFailure},
		},
		{
			"names in another case, unknown fields, a fraction and no zone",
			`{"backupState":"Success","timestamputc":"2018-01-01T09:00:55.25","Node":{"Name":"_Node_0"}}`,
			sfbackup.Progress{BackupState: sfbackup.BackupStateSuccess, TimeStampUTC: time.Date(2018, 1, 1, 9, 0, 55, 25e7, time.UTC)},
		},
		{
			"the ends of int64", `{"BackupState":"Success","LsnOfLastBackupRecord":9223372036854775807,"EpochOfLastBackupRecord":{"DataLossVersion":"-9223372036854775808"}}`,
			sfbackup.Progress{
				BackupState: sfbackup.BackupStateSuccess, LSNOfLastBackupRecord: 1<<63 - 1,
				EpochOfLastBackupRecord: sfbackup.Epoch{DataLossVersion: -1 << 63},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := newClient(t, &cannedResponses{list: []canned{ok(tt.body)}}).BackupProgress(t.Context(), partition1)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestProgressNeverRequested(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]canned{
		"null":          ok(reconstructed(t, "progress_never_requested")),
		"an empty body": ok(""),
		"white space":   ok(" \r\n"),
		"204":           {status: "204 No Content"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			progress, err := newClient(t, &cannedResponses{list: []canned{a}}).BackupProgress(t.Context(), partition1)
			if progress != nil || !errors.Is(err, sfbackup.ErrNoBackup) {
				t.Errorf("got %v, %v", progress, err)
			}
		})
	}
}

func TestInvalidProgress(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"a page":       `{"Items":[]}`,
		"another one":  `{"Message":"Sign in"}`,
		"a long LSN":   `{"BackupState":"Success","LsnOfLastBackupRecord":"` + strings.Repeat("x", 1<<18) + `"}`,
		"deep nesting": `{"BackupState":"Success","x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
		"truncated":    `{"BackupState":"Succ`,
		"HTML":         `<html><body>Sign in</body></html>`,
		"an array":     `[]`,
		"invalid id":   `{"BackupState":"Success","BackupId":"3a056ac9"}`,
		"invalid LSN":  `{"BackupState":"Success","LsnOfLastBackupRecord":"12 apples"}`,
		"invalid time": `{"BackupState":"Success","TimeStampUtc":"yesterday"}`,
		"large LSN":    `{"BackupState":"Success","LsnOfLastBackupRecord":9223372036854775808}`,
		"two values":   `{"BackupState":"Success"}{"BackupState":"Failure"}`,
		"too long":     `{"BackupState":"Success","BackupLocation":"` + strings.Repeat("x", 1<<20) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			progress, err := newClient(t, &cannedResponses{list: []canned{ok(body)}}).BackupProgress(t.Context(), partition1)
			if progress != nil || err == nil {
				t.Fatalf("got %v, %v", progress, err)
			}
			if text := err.Error(); !strings.HasPrefix(text, "sfbackup: GetPartitionBackupProgress: ") || len(text) > 400 || strings.Contains(text, "\n") {
				t.Errorf("the error is %q", text)
			}
		})
	}
}

// The progress goes through all states of a backup.
func TestProgressStates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, _ := newClusterClient(t)
		if _, err := client.BackupProgress(t.Context(), partition1); !errors.Is(err, sfbackup.ErrNoBackup) {
			t.Fatalf("before any backup: %v", err)
		}
		if err := client.BackupPartition(t.Context(), partition1, nil); err != nil {
			t.Fatal(err)
		}
		if err := client.BackupPartition(t.Context(), partition1, nil); !errors.Is(err, sfbackup.CodeBackupInProgress) {
			t.Errorf("a second start: %v", err)
		}
		var states []sfbackup.BackupState
		for range 4 {
			progress, err := client.BackupProgress(t.Context(), partition1)
			if err != nil {
				t.Fatal(err)
			}
			states = append(states, progress.BackupState)
			if final := progress.BackupState == sfbackup.BackupStateSuccess; progress.BackupState.Final() != final {
				t.Errorf("%s: Final is %v", progress.BackupState, !final)
			}
			time.Sleep(time.Second) // in the bubble
		}
		if diff := cmp.Diff([]sfbackup.BackupState{"Accepted", "BackupInProgress", "BackupInProgress", "Success"}, states); diff != "" {
			t.Error(diff)
		}
	})
}
