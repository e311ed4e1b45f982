package sfbackup_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// Each kind is read wherever its discriminator is, and written with the discriminator first.
func TestPartitionInformation(t *testing.T) {
	t.Parallel()
	const id = `"1daae3f5-7fd6-42e9-b1ba-8c05f873994d"`
	for _, tt := range []struct {
		name, data string
		want       sfbackup.PartitionInformation
		id         uuid.UUID
		kind       sfbackup.PartitionKind
		written    string
	}{
		{
			"Int64Range", `{"LowKey":"-9223372036854775808","HighKey":"9223372036854775807","ServicePartitionKind":"Int64Range","Id":` + id + `}`,
			&sfbackup.Int64RangePartition{ID: partition1, LowKey: -1 << 63, HighKey: 1<<63 - 1},
			partition1, sfbackup.PartitionKindInt64Range,
			`{"ServicePartitionKind":"Int64Range","LowKey":"-9223372036854775808","HighKey":"9223372036854775807","Id":` + id + `}`,
		},
		{
			"Named", `{"ServicePartitionKind":"Named","Name":"P0","Id":` + id + `}`,
			&sfbackup.NamedPartition{ID: partition1, Name: "P0"},
			partition1, sfbackup.PartitionKindNamed,
			`{"ServicePartitionKind":"Named","Name":"P0","Id":` + id + `}`,
		},
		{
			"Singleton", `{"Id":` + id + `,"ServicePartitionKind":"Singleton"}`,
			&sfbackup.SingletonPartition{ID: partition1},
			partition1, sfbackup.PartitionKindSingleton,
			`{"ServicePartitionKind":"Singleton","Id":` + id + `}`,
		},
		{
			"an unknown kind is kept", `{"Ring":[7, 9],"ServicePartitionKind":"Ring","Id":` + id + `,"LowKey":{}}`,
			&sfbackup.UnknownPartition{ID: partition1, RawKind: "Ring", Raw: json.RawMessage(`{"Ring":[7, 9],"ServicePartitionKind":"Ring","Id":` + id + `,"LowKey":{}}`)},
			partition1, "Ring",
			`{"Ring":[7,9],"ServicePartitionKind":"Ring","Id":` + id + `,"LowKey":{}}`,
		},
		{
			"a numeric kind, and an identity that is not a UUID", `{"ServicePartitionKind":4,"Id":1}`,
			&sfbackup.UnknownPartition{RawKind: "4", Raw: json.RawMessage(`{"ServicePartitionKind":4,"Id":1}`)},
			uuid.Nil, "4", `{"ServicePartitionKind":4,"Id":1}`,
		},
		{
			"not an object", `"P0"`,
			&sfbackup.UnknownPartition{Raw: json.RawMessage(`"P0"`)}, uuid.Nil, "", `"P0"`,
		},
		{"null", `null`, &sfbackup.UnknownPartition{}, uuid.Nil, "", ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var b sfbackup.Backup
			if err := json.Unmarshal([]byte(`{"PartitionInformation":`+tt.data+`}`), &b); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, b.PartitionInformation); diff != "" {
				t.Error(diff)
			}
			if b.PartitionInformation.PartitionID() != tt.id || b.PartitionInformation.Kind() != tt.kind {
				t.Errorf("got %v, %v", b.PartitionInformation.PartitionID(), b.PartitionInformation.Kind())
			}
			data, err := json.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			var written struct{ PartitionInformation json.RawMessage }
			if err := json.Unmarshal(data, &written); err != nil {
				t.Fatal(err)
			}
			if got := string(written.PartitionInformation); got != tt.written {
				t.Errorf("written as %s", got)
			}
		})
	}

	// The properties of a known kind have to be valid. An unknown kind without its JSON cannot be written.
	var b sfbackup.Backup
	for _, data := range []string{
		`{"ServicePartitionKind":"Int64Range","LowKey":"9223372036854775808"}`,
		`{"LowKey":{},"ServicePartitionKind":"Int64Range"}`,
		`{"ServicePartitionKind":"Named","Id":"?"}`,
	} {
		if err := json.Unmarshal([]byte(`{"PartitionInformation":`+data+`}`), &b); err == nil {
			t.Errorf("%s: no error", data)
		}
	}
	b = sfbackup.Backup{PartitionInformation: &sfbackup.UnknownPartition{RawKind: "Ring"}}
	if _, err := json.Marshal(b); err == nil {
		t.Error("an unknown partition without its JSON: no error")
	}
}

// Listed backups can be stored as JSON.
func TestListedBackupsAsJSON(t *testing.T) {
	t.Parallel()
	client, _ := newClusterClient(t, manyServices()...)
	backups, err := collect(client.ServiceBackups(t.Context(), "Shop/Orders/Archive", nil))
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(backups)
	if err != nil {
		t.Fatal(err)
	}
	var again []sfbackup.Backup
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(backups, again); diff != "" {
		t.Error(diff)
	}
	if err := json.Unmarshal([]byte(`{"BackupState":[]}`), new(sfbackup.Progress)); err == nil {
		t.Error("a progress whose state is an array: no error")
	}
}
