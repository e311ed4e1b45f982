package wire

import (
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func TestPartitionInformation(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	const idJSON = `"Id":"1daae3f5-7fd6-42e9-b1ba-8c05f873994d"`
	testRoundTrips(t, []roundTrip[PartitionInformation]{
		{
			`{"LowKey":-5,` + idJSON + `,"HighKey":"5","ServicePartitionKind":"Int64Range"}`,
			PartitionInformation{Kind: PartitionInt64Range, LowKey: -5, HighKey: 5, ID: id},
			`{"ServicePartitionKind":"Int64Range","LowKey":"-5","HighKey":"5",` + idJSON + `}`,
		},
		{
			`{"servicepartitionkind":"Named","name":"P<0>",` + idJSON + `,"More":{}}`,
			PartitionInformation{Kind: PartitionNamed, Name: "P<0>", ID: id},
			`{"ServicePartitionKind":"Named","Name":"P<0>",` + idJSON + `}`,
		},
		{
			`{` + idJSON + `,"ServicePartitionKind":"Singleton"}`,
			PartitionInformation{Kind: PartitionSingleton, ID: id},
			`{"ServicePartitionKind":"Singleton",` + idJSON + `}`,
		},
		{
			`{"Name":{}, ` + idJSON + `,"ServicePartitionKind":"Ring"}`,
			PartitionInformation{Kind: "Ring", ID: id, Raw: jsontext.Value(`{"Name":{}, ` + idJSON + `,"ServicePartitionKind":"Ring"}`)},
			`{"Name":{},` + idJSON + `,"ServicePartitionKind":"Ring"}`,
		},
		{
			`{"ServicePartitionKind":"Int64Range","LowKey":"0","HighKey":"0","Id":"00000000-0000-0000-0000-000000000000"}`,
			PartitionInformation{Kind: PartitionInt64Range},
			`{"ServicePartitionKind":"Int64Range","LowKey":"0","HighKey":"0"}`,
		},
		{`{"ServicePartitionKind":"Named"}`, PartitionInformation{Kind: PartitionNamed}, `{"ServicePartitionKind":"Named","Name":""}`},
		{`{"ServicePartitionKind":"Singleton"}`, PartitionInformation{Kind: PartitionSingleton}, `{"ServicePartitionKind":"Singleton"}`},
		{`[1]`, PartitionInformation{Raw: jsontext.Value(`[1]`)}, `[1]`},
		{`null`, PartitionInformation{}, `null`},
		{data: `{"ServicePartitionKind":"Named","Name":{}}`},
		{data: `{"Id":"?","ServicePartitionKind":"Singleton"}`},
		{data: `{"ServicePartitionKind":`},
	})

	if _, err := json.Marshal(PartitionInformation{Kind: "Ring"}); err == nil {
		t.Error("an unknown kind without its raw JSON: no error")
	}

	// The raw JSON does not share the memory of the input.
	var p PartitionInformation
	data := []byte(`{"ServicePartitionKind":"Ring"}`)
	if err := json.Unmarshal(data, &p); err != nil {
		t.Fatal(err)
	}
	clear(data)
	if diff := cmp.Diff(jsontext.Value(`{"ServicePartitionKind":"Ring"}`), p.Raw); diff != "" {
		t.Error(diff)
	}
}
