package contract_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/servicefabric-go/backup/openapi"
)

// pageOfBackups returns a page of n backups as a cluster sends it.
func pageOfBackups(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"ContinuationToken":null,"Items":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		id := fmt.Sprintf("0ff4fdbe-131c-4dfb-8249-%012x", i)
		at := time.Date(2018, 1, 1, 0, i, 0, 0, time.UTC)
		fmt.Fprintf(&b, `{"BackupId":%q,"BackupChainId":%q,"ApplicationName":"fabric:/CalcApp","ServiceName":"fabric:/CalcApp/CalcService",`+
			`"PartitionInformation":{"ServicePartitionKind":"Int64Range","LowKey":"-9223372036854775808","HighKey":"9223372036854775807","Id":%q},`+
			`"BackupLocation":"CalcApp\\CalcService\\%s\\%s.zip","BackupType":"Full",`+
			`"EpochOfLastBackupRecord":{"DataLossVersion":"131462452931584510","ConfigurationVersion":"8589934592"},`+
			`"LsnOfLastBackupRecord":"%d","CreationTimeUtc":%q,"FailureError":null,"ServiceManifestVersion":"1.0.0"}`,
			id, id, aPartition, aPartition, at.Format("2006-01-02 15.04.05"), i, at.Format(time.RFC3339))
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// pageChecks returns two functions that check a page: with this package, and with kin-openapi alone, for
// which the route is already resolved.
func pageChecks(b *testing.B, page []byte) (byContract, byKin func() error) {
	b.Helper()
	v := newValidator(b, openapi.Runtime)
	x := newExchange("GetPartitionBackupList", "page").withResponse(http.StatusOK, jsonType, nil)
	byContract = func() error {
		resp := x.response()
		resp.Body = io.NopCloser(bytes.NewReader(page))
		return v.CheckResponse(x.request(), resp)
	}

	doc, err := openapi3.NewLoader().LoadFromData(openapi.Runtime)
	if err != nil {
		b.Fatal(err)
	}
	const path = "/Partitions/{partitionId}/$/GetBackups"
	item := doc.Paths.Value(path)
	byKin = func() error {
		options := &openapi3filter.Options{MultiError: true, IncludeResponseStatus: true}
		output := &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{
				Request: x.request(), Options: options,
				Route: &routers.Route{Spec: doc, Path: path, PathItem: item, Method: http.MethodGet, Operation: item.Get},
			},
			Status: http.StatusOK, Header: header(jsonType), Options: options,
		}
		output.SetBodyBytes(page)
		return openapi3filter.ValidateResponse(context.Background(), output)
	}
	return byContract, byKin
}

// BenchmarkPage checks a page of 10,000 backups with this package and with kin-openapi alone.
// BenchmarkPage/ratio reports the cost of this package divided by the cost of kin-openapi. It alternates
// between the two, so that other load on the machine affects both alike.
func BenchmarkPage(b *testing.B) {
	page := pageOfBackups(10_000)
	byContract, byKin := pageChecks(b, page)
	for _, check := range []func() error{byContract, byKin} {
		if err := check(); err != nil {
			b.Fatal(err)
		}
	}
	for _, bb := range []struct {
		name  string
		check func() error
	}{{"contract", byContract}, {"kin-openapi", byKin}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(page)))
			for b.Loop() {
				if err := bb.check(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("ratio", func(b *testing.B) {
		var ours, theirs cost
		for b.Loop() {
			theirs.add(byKin)
			ours.add(byContract)
		}
		b.ReportMetric(0, "ns/op") // hides the time of both together
		b.ReportMetric(float64(ours.time)/float64(theirs.time), "time-ratio")
		b.ReportMetric(float64(ours.bytes)/float64(theirs.bytes), "bytes-ratio")
		b.ReportMetric(float64(ours.allocs)/float64(theirs.allocs), "allocs-ratio")
	})
}

type cost struct {
	time          time.Duration
	bytes, allocs uint64
}

func (c *cost) add(check func() error) {
	var before, after runtime.MemStats
	runtime.GC() // the garbage of the other check
	runtime.ReadMemStats(&before)
	begin := time.Now()
	_ = check()
	c.time += time.Since(begin)
	runtime.ReadMemStats(&after)
	c.bytes += after.TotalAlloc - before.TotalAlloc
	c.allocs += after.Mallocs - before.Mallocs
}
