package sfbackup_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

var (
	fullProgress = sfbackup.Progress{
		BackupState:             sfbackup.BackupStateSuccess,
		TimeStampUTC:            time.Date(2018, 1, 1, 9, 0, 55, 0, time.UTC),
		BackupID:                uuid.MustParse("3a056ac9-7206-43c3-8424-6f6103003eba"),
		BackupLocation:          `CalcApp\CalcService\2018-01-01 09.00.55.zip`,
		EpochOfLastBackupRecord: sfbackup.Epoch{DataLossVersion: 131462452931584510, ConfigurationVersion: 8589934592},
		LSNOfLastBackupRecord:   261,
	}
	fullBackup = sfbackup.Backup{
		BackupID:                uuid.MustParse("7903dc2a-228d-44b0-b7c8-a13a6c9b46bd"),
		BackupChainID:           uuid.MustParse("3a056ac9-7206-43c3-8424-6f6103003eba"),
		ApplicationName:         "fabric:/CalcApp",
		ServiceName:             "fabric:/CalcApp/CalcService",
		ServiceManifestVersion:  "1.0.0",
		PartitionInformation:    &sfbackup.NamedPartition{ID: uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d"), Name: "north"},
		BackupLocation:          `CalcApp\CalcService\2018-01-01 17.01.02.zip`,
		BackupType:              sfbackup.BackupTypeIncremental,
		EpochOfLastBackupRecord: sfbackup.Epoch{DataLossVersion: -1, ConfigurationVersion: 0},
		LSNOfLastBackupRecord:   -7,
		CreationTimeUTC:         time.Date(2018, 1, 1, 18, 1, 2, 500e6, time.FixedZone("", 3600)),
		FailureError:            &sfbackup.FabricError{Code: "E_ABORT", Message: "Stopped."},
	}
)

const fullBackupJSON = `{"ApplicationName":"fabric:/CalcApp","BackupChainId":"3a056ac9-7206-43c3-8424-6f6103003eba",` +
	`"BackupId":"7903dc2a-228d-44b0-b7c8-a13a6c9b46bd","BackupLocation":"CalcApp\\CalcService\\2018-01-01 17.01.02.zip",` +
	`"BackupType":"Incremental","CreationTimeUtc":"2018-01-01T17:01:02.5Z",` +
	`"EpochOfLastBackupRecord":{"ConfigurationVersion":"0","DataLossVersion":"-1"},` +
	`"FailureError":{"Code":"E_ABORT","Message":"Stopped."},"LsnOfLastBackupRecord":"-7",` +
	`"PartitionInformation":{"ServicePartitionKind":"Named","Name":"north","Id":"1daae3f5-7fd6-42e9-b1ba-8c05f873994d"},` +
	`"ServiceManifestVersion":"1.0.0","ServiceName":"fabric:/CalcApp/CalcService"}`

// testJSON writes a value with both JSON packages, compares the result byte for byte, and reads it again. The
// value that is read must be again.
func testJSON[T any](t *testing.T, value, again T, want string) {
	t.Helper()
	for name, f := range map[string]struct {
		marshal   func(any) ([]byte, error)
		unmarshal func([]byte, any) error
	}{
		"encoding/json": {json.Marshal, json.Unmarshal},
		"json/v2": {
			func(v any) ([]byte, error) { return jsonv2.Marshal(v) },
			func(data []byte, v any) error { return jsonv2.Unmarshal(data, v) },
		},
	} {
		data, err := f.marshal(value)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, string(data)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		var got T
		if err := f.unmarshal(data, &got); err != nil {
			t.Fatalf("%s: %s: %v", name, data, err)
		}
		if diff := cmp.Diff(again, got); diff != "" {
			t.Errorf("%s: %s is read as (-want +got):\n%s", name, data, diff)
		}
	}
}

func TestProgressJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		value sfbackup.Progress
		want  string
	}{
		{
			"success", fullProgress,
			`{"BackupId":"3a056ac9-7206-43c3-8424-6f6103003eba","BackupLocation":"CalcApp\\CalcService\\2018-01-01 09.00.55.zip",` +
				`"BackupState":"Success","EpochOfLastBackupRecord":{"ConfigurationVersion":"8589934592","DataLossVersion":"131462452931584510"},` +
				`"FailureError":null,"LsnOfLastBackupRecord":"261","TimeStampUtc":"2018-01-01T09:00:55Z"}`,
		},
		{
			"failure",
			sfbackup.Progress{
				BackupState:  sfbackup.BackupStateFailure,
				FailureError: &sfbackup.FabricError{Code: "FABRIC_E_TIMEOUT", Message: "The request of backup has timed out."},
			},
			`{"BackupState":"Failure","FailureError":{"Code":"FABRIC_E_TIMEOUT","Message":"The request of backup has timed out."}}`,
		},
		{
			"failure without a code",
			sfbackup.Progress{BackupState: sfbackup.BackupStateFailure, FailureError: &sfbackup.FabricError{}},
			`{"BackupState":"Failure","FailureError":{"Code":""}}`,
		},
		{
			"accepted",
			sfbackup.Progress{BackupState: sfbackup.BackupStateAccepted},
			`{"BackupState":"Accepted","FailureError":null}`,
		},
		{
			"one number of the epoch is 0",
			sfbackup.Progress{EpochOfLastBackupRecord: sfbackup.Epoch{DataLossVersion: 1}},
			`{"EpochOfLastBackupRecord":{"ConfigurationVersion":"0","DataLossVersion":"1"},"FailureError":null}`,
		},
		{
			"the other number of the epoch is 0",
			sfbackup.Progress{EpochOfLastBackupRecord: sfbackup.Epoch{ConfigurationVersion: 1}},
			`{"EpochOfLastBackupRecord":{"ConfigurationVersion":"1","DataLossVersion":"0"},"FailureError":null}`,
		},
		{"all zero", sfbackup.Progress{}, `{"FailureError":null}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			testJSON(t, tt.value, tt.value, tt.want)
		})
	}
}

func TestBackupJSON(t *testing.T) {
	t.Parallel()
	// A backup without a partition is read with an unknown one, because PartitionInformation is never nil.
	noPartition := sfbackup.Backup{PartitionInformation: &sfbackup.UnknownPartition{}}
	testJSON(t, sfbackup.Backup{}, noPartition, `{"FailureError":null}`)
	testJSON(t, noPartition, noPartition, `{"FailureError":null}`)
	testJSON(t, fullBackup, fullBackup, fullBackupJSON)

	for _, tt := range []struct {
		partition sfbackup.PartitionInformation
		want      string
	}{
		{&sfbackup.Int64RangePartition{}, `{"ServicePartitionKind":"Int64Range","LowKey":"0","HighKey":"0"}`},
		{
			&sfbackup.Int64RangePartition{ID: partition1, LowKey: -9223372036854775808, HighKey: 0},
			`{"ServicePartitionKind":"Int64Range","LowKey":"-9223372036854775808","HighKey":"0","Id":"` + partition1.String() + `"}`,
		},
		{&sfbackup.NamedPartition{}, `{"ServicePartitionKind":"Named","Name":""}`},
		{&sfbackup.SingletonPartition{}, `{"ServicePartitionKind":"Singleton"}`},
		{&sfbackup.SingletonPartition{ID: partition1}, `{"ServicePartitionKind":"Singleton","Id":"` + partition1.String() + `"}`},
		{
			&sfbackup.UnknownPartition{RawKind: "Ring", Raw: json.RawMessage(`{"Angle":0,"ServicePartitionKind":"Ring","Id":null}`)},
			`{"Angle":0,"ServicePartitionKind":"Ring","Id":null}`,
		},
	} {
		b := sfbackup.Backup{PartitionInformation: tt.partition}
		testJSON(t, b, b, `{"FailureError":null,"PartitionInformation":`+tt.want+`}`)
	}
}

func TestPageJSON(t *testing.T) {
	t.Parallel()
	testJSON(t, sfbackup.Page{}, sfbackup.Page{}, `{"ContinuationToken":"","Items":[]}`)
	testJSON(t, sfbackup.Page{Backups: []sfbackup.Backup{}}, sfbackup.Page{}, `{"ContinuationToken":"","Items":[]}`)
	testJSON(t, sfbackup.Page{ContinuationToken: "a+b #c"}, sfbackup.Page{ContinuationToken: "a+b #c"}, `{"ContinuationToken":"a+b #c","Items":[]}`)
	last := sfbackup.Page{Backups: []sfbackup.Backup{fullBackup, fullBackup}}
	testJSON(t, last, last, `{"ContinuationToken":"","Items":[`+fullBackupJSON+`,`+fullBackupJSON+`]}`)
	first := sfbackup.Page{Backups: []sfbackup.Backup{fullBackup}, ContinuationToken: "t"}
	testJSON(t, first, first, `{"ContinuationToken":"t","Items":[`+fullBackupJSON+`]}`)
	// A pointer marshals the same way.
	if data, err := json.Marshal(map[string]any{"Page": &first}); err != nil || string(data) != `{"Page":{"ContinuationToken":"t","Items":[`+fullBackupJSON+`]}}` {
		t.Errorf("got %s, %v", data, err)
	}
	if _, err := json.Marshal(sfbackup.Page{Backups: []sfbackup.Backup{{PartitionInformation: &sfbackup.UnknownPartition{RawKind: "Ring"}}}}); err == nil {
		t.Error("an unknown partition without its JSON: no error")
	}
}

// A page is read as leniently as the response of a server.
func TestPageFromServerJSON(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]sfbackup.Page{
		`{}`: {},
		`{"ContinuationToken":null,"Items":null}`: {},
		`{"Items":[]}`:              {},
		`{"ContinuationToken":"t"}`: {ContinuationToken: "t"},
		`{"Items":[` + fullBackupJSON + `],"ContinuationToken":null}`:                    {Backups: []sfbackup.Backup{fullBackup}},
		`{"new":[{}],"items":[` + fullBackupJSON + `],"CONTINUATIONTOKEN":"t"}`:          {Backups: []sfbackup.Backup{fullBackup}, ContinuationToken: "t"},
		"\n" + `{ "Items" : [ {"LsnOfLastBackupRecord": 7} ], "ContinuationToken": "" }`: {Backups: []sfbackup.Backup{{LSNOfLastBackupRecord: 7, PartitionInformation: &sfbackup.UnknownPartition{}}}},
	} {
		got := sfbackup.Page{Backups: []sfbackup.Backup{{}}, ContinuationToken: "old"}
		if err := json.Unmarshal([]byte(data), &got); err != nil {
			t.Errorf("%s: %v", data, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", data, diff)
		}
	}
	for data, want := range map[string]string{
		`null`:                                "not a page of backups: unexpected JSON null",
		`[]`:                                  "not a page of backups: unexpected JSON [",
		`{"Error":{"Code":"E_ABORT"}}`:        "not a page of backups: the object has neither Items nor ContinuationToken",
		`{"Items":{}}`:                        "Items: unexpected JSON {",
		`{"Items":[],"ContinuationToken":7}`:  "ContinuationToken: unexpected JSON number",
		`{"Items":[{},null]}`:                 "item 1: unexpected JSON null",
		`{"Items":[{"Error":1}]}`:             "item 0: the object has none of the expected properties",
		`{"Items":[{"BackupId":"?"}]}`:        "item 0: BackupId: invalid UUID length: 1",
		`{"Items":[]}{}`:                      "unexpected data after the page",
		`{"Items":[{"LsnOfLastBackupRecord":`: `item 0: jsontext: unexpected EOF within "/Items/0/LsnOfLastBackupRecord" after offset 35`,
		``:                                    "unexpected EOF",
	} {
		page := sfbackup.Page{ContinuationToken: "old"}
		err := page.UnmarshalJSON([]byte(data))
		if err == nil || err.Error() != "sfbackup: Page: "+want {
			t.Errorf("%s: got %v, want %s", data, err, want)
		}
		if diff := cmp.Diff(sfbackup.Page{ContinuationToken: "old"}, page); diff != "" {
			t.Errorf("%s: the page has changed:\n%s", data, diff)
		}
	}
}

// A page that was read from a server can be stored, whatever an unknown partition of it contains: invalid
// UTF-8 gets three times as long when it is written, and so exceeds limits that the response kept.
func TestStoredPageHasNoLengthLimits(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"long name":  `{"ServicePartitionKind":"Ring","x":"` + strings.Repeat(" ", 20_000) + `","` + strings.Repeat("\xff", 250) + `":1}`,
		"long value": `{"ServicePartitionKind":"Ring","x":"` + strings.Repeat("\xff", 1_000_000) + `"}`,
		"nesting":    `{"ServicePartitionKind":"Ring","x":` + strings.Repeat("[", 62) + strings.Repeat("]", 62) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := `{"ContinuationToken":"t","Items":[{"BackupId":"` + id1.String() + `","PartitionInformation":` + raw + `}]}`
			client := newClient(t, &cannedResponses{list: []canned{{status: "200 OK", body: body}}})
			page, err := client.PartitionBackupsPage(t.Context(), partition1, nil)
			if err != nil {
				t.Fatal(err)
			}
			data, err := json.Marshal(page)
			if err != nil {
				t.Fatal(err)
			}
			var again sfbackup.Page
			if err := json.Unmarshal(data, &again); err != nil {
				t.Fatal(err)
			}
			partition, ok := again.Backups[0].PartitionInformation.(*sfbackup.UnknownPartition)
			if want := strings.ReplaceAll(raw, "\xff", "\uFFFD"); !ok || string(partition.Raw) != want {
				t.Errorf("the partition has %d bytes, want %d", len(partition.Raw), len(want))
			}
		})
	}
}

// Generators of values that are often zero.
var (
	anyInt64 = rapid.OneOf(rapid.Just(int64(0)), rapid.Int64())
	anyText  = rapid.OneOf(rapid.Just(""), rapid.String())
	anyUUID  = rapid.Custom(func(t *rapid.T) (id uuid.UUID) {
		if rapid.Bool().Draw(t, "has id") {
			copy(id[:], rapid.SliceOfN(rapid.Byte(), len(id), len(id)).Draw(t, "id"))
		}
		return id
	})
	anyTime = rapid.Custom(func(t *rapid.T) time.Time {
		if !rapid.Bool().Draw(t, "has time") {
			return time.Time{}
		}
		first, last := time.Date(2, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		return time.Unix(rapid.Int64Range(first.Unix(), last.Unix()).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).UTC()
	})
	anyEpoch = rapid.Custom(func(t *rapid.T) sfbackup.Epoch {
		return sfbackup.Epoch{DataLossVersion: anyInt64.Draw(t, "data loss"), ConfigurationVersion: anyInt64.Draw(t, "configuration")}
	})
	anyFailure = rapid.Custom(func(t *rapid.T) *sfbackup.FabricError {
		if !rapid.Bool().Draw(t, "failed") {
			return nil
		}
		return &sfbackup.FabricError{Code: sfbackup.ErrorCode(anyText.Draw(t, "code")), Message: anyText.Draw(t, "message")}
	})
	anyPartition = rapid.Custom(func(t *rapid.T) sfbackup.PartitionInformation {
		id := anyUUID.Draw(t, "partition")
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			return &sfbackup.Int64RangePartition{ID: id, LowKey: anyInt64.Draw(t, "low key"), HighKey: anyInt64.Draw(t, "high key")}
		case 1:
			return &sfbackup.NamedPartition{ID: id, Name: anyText.Draw(t, "name")}
		case 2:
			return &sfbackup.SingletonPartition{ID: id}
		case 3:
			raw := fmt.Sprintf(`{"Angle":%d,"Id":"%s","ServicePartitionKind":"Ring"}`, anyInt64.Draw(t, "angle"), id)
			return &sfbackup.UnknownPartition{ID: id, RawKind: "Ring", Raw: json.RawMessage(raw)}
		}
		return &sfbackup.UnknownPartition{}
	})
	anyProgress = rapid.Custom(func(t *rapid.T) sfbackup.Progress {
		return sfbackup.Progress{
			BackupState: sfbackup.BackupState(anyText.Draw(t, "state")), TimeStampUTC: anyTime.Draw(t, "time"),
			BackupID: anyUUID.Draw(t, "backup"), BackupLocation: anyText.Draw(t, "location"),
			EpochOfLastBackupRecord: anyEpoch.Draw(t, "epoch"), LSNOfLastBackupRecord: anyInt64.Draw(t, "lsn"),
			FailureError: anyFailure.Draw(t, "failure"),
		}
	})
	anyBackup = rapid.Custom(func(t *rapid.T) sfbackup.Backup {
		return sfbackup.Backup{
			BackupID: anyUUID.Draw(t, "backup"), BackupChainID: anyUUID.Draw(t, "chain"),
			ApplicationName: anyText.Draw(t, "application"), ServiceName: sfbackup.ServiceName(anyText.Draw(t, "service")),
			ServiceManifestVersion: anyText.Draw(t, "version"), PartitionInformation: anyPartition.Draw(t, "partition"),
			BackupLocation: anyText.Draw(t, "location"), BackupType: sfbackup.BackupType(anyText.Draw(t, "type")),
			EpochOfLastBackupRecord: anyEpoch.Draw(t, "epoch"), LSNOfLastBackupRecord: anyInt64.Draw(t, "lsn"),
			CreationTimeUTC: anyTime.Draw(t, "time"), FailureError: anyFailure.Draw(t, "failure"),
		}
	})
	anyPage = rapid.Custom(func(t *rapid.T) sfbackup.Page {
		page := sfbackup.Page{ContinuationToken: anyText.Draw(t, "token")}
		if rapid.Bool().Draw(t, "has backups") {
			page.Backups = rapid.SliceOfN(anyBackup, 1, 4).Draw(t, "backups")
		}
		return page
	})
)

// What is written is read as the same value, and has exactly the properties that the documentation of
// MarshalJSON promises.
func TestJSONProperties(t *testing.T) {
	t.Parallel()
	t.Run("Progress", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			p := anyProgress.Draw(t, "progress")
			checkMembers(t, roundTripJSON(t, p), map[string]bool{
				"BackupState": p.BackupState != "", "TimeStampUtc": !p.TimeStampUTC.IsZero(), "BackupId": p.BackupID != uuid.Nil,
				"BackupLocation": p.BackupLocation != "", "EpochOfLastBackupRecord": p.EpochOfLastBackupRecord != sfbackup.Epoch{},
				"LsnOfLastBackupRecord": p.LSNOfLastBackupRecord != 0, "FailureError": true,
			})
		})
	})
	t.Run("Backup", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			b := anyBackup.Draw(t, "backup")
			members := roundTripJSON(t, b)
			checkMembers(t, members, map[string]bool{
				"BackupId": b.BackupID != uuid.Nil, "BackupChainId": b.BackupChainID != uuid.Nil, "ApplicationName": b.ApplicationName != "",
				"ServiceName": b.ServiceName != "", "ServiceManifestVersion": b.ServiceManifestVersion != "", "BackupLocation": b.BackupLocation != "",
				"BackupType": b.BackupType != "", "EpochOfLastBackupRecord": b.EpochOfLastBackupRecord != sfbackup.Epoch{},
				"LsnOfLastBackupRecord": b.LSNOfLastBackupRecord != 0, "CreationTimeUtc": !b.CreationTimeUTC.IsZero(), "FailureError": true,
				"PartitionInformation": b.PartitionInformation.Kind() != "",
			})
			if epoch, ok := members["EpochOfLastBackupRecord"]; ok {
				checkMembers(t, decodeMembers(t, epoch), map[string]bool{"DataLossVersion": true, "ConfigurationVersion": true})
			}
			hasID := b.PartitionInformation.PartitionID() != uuid.Nil
			switch b.PartitionInformation.(type) {
			case *sfbackup.Int64RangePartition:
				checkMembers(t, decodeMembers(t, members["PartitionInformation"]), map[string]bool{"ServicePartitionKind": true, "LowKey": true, "HighKey": true, "Id": hasID})
			case *sfbackup.NamedPartition:
				checkMembers(t, decodeMembers(t, members["PartitionInformation"]), map[string]bool{"ServicePartitionKind": true, "Name": true, "Id": hasID})
			case *sfbackup.SingletonPartition:
				checkMembers(t, decodeMembers(t, members["PartitionInformation"]), map[string]bool{"ServicePartitionKind": true, "Id": hasID})
			case *sfbackup.UnknownPartition: // written as its raw JSON
			}
		})
	})
	t.Run("Page", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			page := anyPage.Draw(t, "page")
			checkMembers(t, roundTripJSON(t, page), map[string]bool{"ContinuationToken": true, "Items": true})
		})
	})
}

// roundTripJSON writes a value, reads it again and returns the members that were written.
func roundTripJSON[T any](t *rapid.T, value T) map[string]json.RawMessage {
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var got T
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	if diff := cmp.Diff(value, got); diff != "" {
		t.Fatalf("%s is read as (-want +got):\n%s", data, diff)
	}
	return decodeMembers(t, data)
}

func decodeMembers(t *rapid.T, data []byte) (members map[string]json.RawMessage) {
	if err := json.Unmarshal(data, &members); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return members
}

// checkMembers checks that an object has exactly the members for which want is true.
func checkMembers(t *rapid.T, members map[string]json.RawMessage, want map[string]bool) {
	maps.DeleteFunc(want, func(_ string, written bool) bool { return !written })
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(members))); diff != "" {
		t.Fatalf("members (-want +got):\n%s", diff)
	}
}
