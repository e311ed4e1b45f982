package sfbackup_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// The recorded answers of the backup service, see testdata/README.md of sfbackuptest.
type recordedAnswer struct {
	Status        int
	Type          string
	ServiceFabric string
	Body          string
}

// recordedAnswers returns the answers by operation, each once.
func recordedAnswers(t *testing.T) map[string]map[recordedAnswer]bool {
	t.Helper()
	const testdata = "../sfbackuptest/testdata/"
	f, err := os.Open(testdata + "recorded.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // only read
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var recording struct {
		Walks []struct {
			Path    string
			Answers []recordedAnswer
		}
		Requests []struct {
			Path   string
			Answer recordedAnswer
		}
	}
	if err := json.NewDecoder(z).Decode(&recording); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(testdata + "recorded_progress.json")
	if err != nil {
		t.Fatal(err)
	}
	var progress map[string]string
	if err := json.Unmarshal(data, &progress); err != nil {
		t.Fatal(err)
	}

	answers := map[string]map[recordedAnswer]bool{"Backup": {}, "GetBackupProgress": {}, "GetBackups": {}}
	for _, w := range recording.Walks {
		for _, a := range w.Answers {
			answers["GetBackups"][a] = true
		}
	}
	for _, r := range recording.Requests {
		path, _, _ := strings.Cut(r.Path, "?")
		answers[path[strings.LastIndexByte(path, '/')+1:]][r.Answer] = true
	}
	for body := range maps.Values(progress) {
		answers["GetBackupProgress"][recordedAnswer{Status: http.StatusOK, Type: "application/json; charset=utf-8", Body: body}] = true
	}
	return answers
}

// TestRecordedAnswers decodes every recorded answer, and compares every value with what encoding/json
// decodes.
func TestRecordedAnswers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	answers := recordedAnswers(t)
	for _, tt := range []struct {
		operation string
		atLeast   int
		call      func(*sfbackup.Client) (any, error)
	}{
		{"Backup", 10, func(c *sfbackup.Client) (any, error) {
			return nil, c.BackupPartition(ctx, partition1, nil)
		}},
		{"GetBackupProgress", 14, func(c *sfbackup.Client) (any, error) {
			progress, err := c.BackupProgress(ctx, partition1)
			if errors.Is(err, sfbackup.ErrNoBackup) {
				return nil, nil //nolint:nilnil // null
			}
			return plainProgress(progress), err
		}},
		{"GetBackups", 250, func(c *sfbackup.Client) (any, error) {
			page, err := c.PartitionBackupsPage(ctx, partition1, nil)
			return plainPage(page), err
		}},
		{"GetBackups", 250, func(c *sfbackup.Client) (any, error) {
			page, err := c.ServiceBackupsPage(ctx, calcService, nil)
			return plainPage(page), err
		}},
	} {
		var answer recordedAnswer
		client := newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			a := canned{status: fmt.Sprint(answer.Status, " ", http.StatusText(answer.Status)), contentType: answer.Type, body: answer.Body}
			if tt.operation == "Backup" && req.Method == http.MethodGet {
				a = ok("null")
			}
			resp := a.response(req)
			if answer.ServiceFabric != "" {
				resp.Header.Set("X-ServiceFabric", answer.ServiceFabric)
			}
			return resp, nil
		}))
		if n := len(answers[tt.operation]); n < tt.atLeast {
			t.Errorf("%d different answers to %s were recorded", n, tt.operation)
		}
		for answer = range answers[tt.operation] {
			var want any
			dec := json.NewDecoder(strings.NewReader(answer.Body))
			dec.UseNumber()
			if err := dec.Decode(&want); err != nil && (err != io.EOF || tt.operation != "Backup") {
				t.Fatal(err)
			}
			got, err := tt.call(client)
			if answer.Status >= http.StatusBadRequest {
				got = plainError(t, answer, err)
			} else if err != nil {
				t.Errorf("%s %s: %v", tt.operation, answer.Body, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %d %s (-want +got)\n%s", tt.operation, answer.Status, answer.Body, diff)
			}
		}
	}
}

// plainError returns what an error says in the form of the answer, which is a FabricError or only a message.
func plainError(t *testing.T, answer recordedAnswer, err error) any {
	t.Helper()
	apiErr, ok := errors.AsType[*sfbackup.APIError](err)
	if !ok || apiErr.StatusCode != answer.Status {
		t.Errorf("%d %s: %v", answer.Status, answer.Body, err)
		return nil
	}
	if strings.HasPrefix(answer.Body, `{"Message"`) {
		return map[string]any{"Message": apiErr.Message}
	}
	return map[string]any{"Error": map[string]any{"Code": plainCode(apiErr.Code), "Message": apiErr.Message}}
}

// plainCode returns a code as 6.4 sends it: as a number if it has no name.
func plainCode(code sfbackup.ErrorCode) any {
	if _, err := strconv.Atoi(string(code)); err == nil {
		return json.Number(code)
	}
	return string(code)
}

// orNull returns nil for the zero value, which 6.4 sends as null.
func orNull[T comparable](v T, plain any) any {
	if v == *new(T) {
		return nil
	}
	return plain
}

func plainTime(t time.Time) string {
	if t.IsZero() {
		return "0001-01-01T00:00:00Z"
	}
	return t.Format(time.RFC3339Nano)
}

func plainEpoch(e sfbackup.Epoch) any {
	return orNull(e, map[string]any{
		"DataLossVersion":      strconv.FormatInt(e.DataLossVersion, 10),
		"ConfigurationVersion": strconv.FormatInt(e.ConfigurationVersion, 10),
	})
}

func plainFailure(f *sfbackup.FabricError) any {
	if f == nil {
		return nil
	}
	return map[string]any{"Code": plainCode(f.Code), "Message": f.Message}
}

func plainProgress(p *sfbackup.Progress) any {
	if p == nil {
		return nil
	}
	return map[string]any{
		"BackupState":             string(p.BackupState),
		"TimeStampUtc":            plainTime(p.TimeStampUTC),
		"BackupId":                p.BackupID.String(),
		"BackupLocation":          orNull(p.BackupLocation, p.BackupLocation),
		"EpochOfLastBackupRecord": plainEpoch(p.EpochOfLastBackupRecord),
		"LsnOfLastBackupRecord":   json.Number(strconv.FormatInt(p.LSNOfLastBackupRecord, 10)),
		"FailureError":            plainFailure(p.FailureError),
	}
}

func plainPage(p *sfbackup.Page) any {
	if p == nil {
		return nil
	}
	items := []any{}
	for i := range p.Backups {
		b := &p.Backups[i]
		items = append(items, map[string]any{
			"BackupId":                b.BackupID.String(),
			"BackupChainId":           b.BackupChainID.String(),
			"ApplicationName":         b.ApplicationName,
			"ServiceName":             string(b.ServiceName),
			"PartitionInformation":    plainPartition(b.PartitionInformation),
			"BackupLocation":          b.BackupLocation,
			"BackupType":              string(b.BackupType),
			"EpochOfLastBackupRecord": plainEpoch(b.EpochOfLastBackupRecord),
			"LsnOfLastBackupRecord":   strconv.FormatInt(b.LSNOfLastBackupRecord, 10),
			"CreationTimeUtc":         plainTime(b.CreationTimeUTC),
			"FailureError":            plainFailure(b.FailureError),
			"ServiceManifestVersion":  b.ServiceManifestVersion,
		})
	}
	return map[string]any{"Items": items, "ContinuationToken": orNull(p.ContinuationToken, p.ContinuationToken)}
}

func plainPartition(p sfbackup.PartitionInformation) any {
	plain := map[string]any{"ServicePartitionKind": string(p.Kind()), "Id": p.PartitionID().String()}
	switch p := p.(type) {
	case *sfbackup.Int64RangePartition:
		plain["LowKey"], plain["HighKey"] = strconv.FormatInt(p.LowKey, 10), strconv.FormatInt(p.HighKey, 10)
	case *sfbackup.NamedPartition:
		plain["Name"] = p.Name
	case *sfbackup.SingletonPartition:
	default:
		plain["unknown"] = uuid.Nil
	}
	return plain
}
