package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// preparePage returns a response with a page of n backups as a cluster of version 6.4 sends it.
func preparePage(n int) *exchange {
	const partition = "1daae3f5-7fd6-42e9-b1ba-8c05f873994d"
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
			id, id, partition, partition, at.Format("2006-01-02 15.04.05"), i, at.Format(time.RFC3339))
	}
	b.WriteString(`]}`)
	return &exchange{
		Name: "page", Operator: unchanged, Profile: "Runtime", Side: response, Valid: true, OpenAPIValid: true,
		Method: "GET", Target: "/Partitions/" + partition + "/$/GetBackups?api-version=6.4",
		Status: 200, ContentType: "application/json; charset=utf-8", Body: b.Bytes(),
	}
}

// A sender checks an exchange with a validator. It returns how long that took, and whether a side is reported.
type sender func(*exchange) (elapsed time.Duration, reported bool, err error)

// measure measures the time for valid exchanges, and the time and the memory for a page of n backups.
func measure(exchanges []*exchange, n int, process string, send sender) (*costs, error) {
	c := &costs{Exchange: math.MaxInt64, Page: math.MaxInt64}
	for range 2 {
		var round time.Duration
		for _, x := range exchanges {
			elapsed, _, err := send(x)
			if err != nil {
				return nil, err
			}
			round += elapsed
		}
		c.Exchange = min(c.Exchange, round/time.Duration(max(1, len(exchanges))))
	}
	page := preparePage(n)
	before, err := resident(process, true)
	if err != nil {
		return nil, err
	}
	for i := range 3 {
		elapsed, reported, err := send(page)
		if err != nil {
			return nil, err
		}
		if reported {
			c.Error = "reported"
		}
		c.Page = min(c.Page, elapsed)
		if i > 0 {
			continue
		}
		peak, err := resident(process, false)
		if err != nil {
			return nil, err
		}
		c.Memory = max(0, peak-before)
	}
	// The LSN in a list is a string.
	page.Body = bytes.Replace(page.Body, fmt.Appendf(nil, `"LsnOfLastBackupRecord":"%d"`, n-1), []byte(`"LsnOfLastBackupRecord":1`), 1)
	_, reported, err := send(page)
	if err == nil && !reported {
		c.Error = "a mistake in the last item is missed"
	}
	return c, err
}

// resident returns the peak of the resident memory of a process, in bytes. If reset is true, the peak begins anew
// with the present size. Only Linux has these files.
func resident(process string, reset bool) (int, error) {
	if reset {
		if err := os.WriteFile("/proc/"+process+"/clear_refs", []byte("5"), 0o200); err != nil {
			return 0, err
		}
	}
	status, err := os.ReadFile("/proc/" + process + "/status") //nolint:gosec // the id of a process
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "kB")))
			return n << 10, err
		}
	}
	return 0, errors.New("the kernel does not tell the peak of the resident memory")
}
