package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
)

// backup has one field of each type that a backup has. The complete struct is in package generated.
type backup struct {
	ID        uuid.UUID            `json:"BackupId"`
	Service   string               `json:"ServiceName"`
	Partition PartitionInformation `json:"PartitionInformation"`
	Location  string               `json:"BackupLocation"`
	Type      Symbol               `json:"BackupType"`
	LSN       Int64                `json:"LsnOfLastBackupRecord"`
	Created   Time                 `json:"CreationTimeUtc"`
}

// benchPartitions has one partition of each kind.
var benchPartitions = []struct{ kind, data string }{
	{"Int64Range", `{"ServicePartitionKind":"Int64Range","LowKey":"-9223372036854775808","HighKey":"9223372036854775807","Id":"1daae3f5-7fd6-42e9-b1ba-8c05f873994d"}`},
	{"Named", `{"ServicePartitionKind":"Named","Name":"north","Id":"1daae3f5-7fd6-42e9-b1ba-8c05f873994d"}`},
	{"Singleton", `{"ServicePartitionKind":"Singleton","Id":"1daae3f5-7fd6-42e9-b1ba-8c05f873994d"}`},
	{"unknown kind", `{"ServicePartitionKind":"Ring","Angle":90,"Id":"1daae3f5-7fd6-42e9-b1ba-8c05f873994d"}`},
}

// BenchmarkPage reads pages of 1,000 items; an operation is one item.
func BenchmarkPage(b *testing.B) {
	const items = 1000
	for _, tt := range []struct {
		name string
		// change modifies an item in the form in which clusters send it.
		change func(item []byte) []byte
	}{
		{"exact names", func(item []byte) []byte { return item }},
		{"names in another case", func(item []byte) []byte {
			for _, f := range structTypeOf[backup]().fields {
				item = bytes.Replace(item, []byte(f.name), bytes.ToLower([]byte(f.name)), 1)
			}
			return item
		}},
		{"unknown fields", func(item []byte) []byte {
			return append(item[:len(item)-1], `,"Tags":[{"Name":"a","Value":"b"},{"Name":"c","Value":"d"}]}`...)
		}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			page := []byte(`{"Items":[`)
			for i := range items {
				item := fmt.Appendf(nil, `{"BackupId":"d1e2fd6a-4712-4212-a37a-%012d","ServiceName":"fabric:/CalcApp/CalcService",`+
					`"PartitionInformation":%s,"BackupLocation":"CalcApp\\CalcService\\1daae3f5-7fd6-42e9-b1ba-8c05f873994d\\%d.zip",`+
					`"BackupType":"Incremental","LsnOfLastBackupRecord":"%[1]d","CreationTimeUtc":"2020-01-01T00:00:00Z"}`,
					i, benchPartitions[0].data, i)
				page = append(append(page, tt.change(item)...), ',')
			}
			page = append(page[:len(page)-1], `],"ContinuationToken":null}`...)
			b.SetBytes(int64(len(page) / items))
			b.ReportAllocs()

			reader := NewPageDecoder[backup](bytes.NewReader(page))
			var item backup
			for b.Loop() {
				err := reader.Next(&item)
				if errors.Is(err, io.EOF) {
					reader = NewPageDecoder[backup](bytes.NewReader(page))
				} else if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPartitionInformation(b *testing.B) {
	for _, tt := range benchPartitions {
		b.Run(tt.kind, func(b *testing.B) {
			data := []byte(tt.data)
			var p PartitionInformation
			b.ReportAllocs()
			for b.Loop() {
				if err := json.Unmarshal(data, &p, Tolerant); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
