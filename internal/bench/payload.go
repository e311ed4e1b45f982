package main

import (
	"strings"
	"time"
)

// A page has the form in which a 6.4 cluster sends it: the discriminator of a partition is first, FailureError
// is null, and the continuation token is at the end. Every peer can read it. All items have the same length, so
// that the length of a page is known before it is generated.
const (
	pageHead = `{"Items":[`
	pageTail = `],"ContinuationToken":null}`
	pageItem = `{"BackupId":"d1e2fd6a-4712-4212-a37a-000000000000",` +
		`"BackupChainId":"d1e2fd6a-4712-4212-a37a-000000000000",` +
		`"ApplicationName":"fabric:/CalcApp","ServiceName":"fabric:/CalcApp/CalcService",` +
		`"PartitionInformation":{"ServicePartitionKind":"Int64Range","LowKey":"-9223372036854775808",` +
		`"HighKey":"9223372036854775807","Id":"1daae3f5-7fd6-42e9-b1ba-8c05f8739940"},` +
		`"BackupLocation":"CalcApp\\CalcService\\1daae3f5-7fd6-42e9-b1ba-8c05f8739940\\2020-01-01 00.00.00.zip",` +
		`"BackupType":"Incremental","EpochOfLastBackupRecord":{"DataLossVersion":"131462452931584510",` +
		`"ConfigurationVersion":"8589934592"},"LsnOfLastBackupRecord":"10000000",` +
		`"CreationTimeUtc":"2020-01-01T00:00:00Z","FailureError":null,"ServiceManifestVersion":"1.0.0"}`
)

// locationLength is the length of the location of a backup, without escapes.
const locationLength = len(`CalcApp\CalcService\1daae3f5-7fd6-42e9-b1ba-8c05f8739940\2020-01-01 00.00.00.zip`)

// The offsets of the parts in which items differ.
var (
	atID        = strings.Index(pageItem, `","BackupChainId`) - 12
	atChain     = strings.Index(pageItem, `","ApplicationName`) - 12
	atPartition = strings.Index(pageItem, `"},"BackupLocation`) - 1
	atLocation  = strings.Index(pageItem, `2020-01-01 00.00.00.zip`)
	atLSN       = strings.Index(pageItem, `10000000","CreationTimeUtc`)
	atTime      = strings.Index(pageItem, `2020-01-01T00:00:00Z`)
	firstBackup = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
)

// pageLength returns the length of a page of n items.
func pageLength(n int) int { return len(pageHead) + n*(len(pageItem)+1) - min(n, 1) + len(pageTail) }

// appendItem appends item i of a page, preceded by a comma unless it is the first. The backups are one minute
// apart, in sixteen partitions; every sixth starts a chain.
func appendItem(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	start := len(b)
	b = append(b, pageItem...)
	item := b[start:]
	putDigits(item[atID:atID+12], i)
	putDigits(item[atChain:atChain+12], i-i%6)
	partition := "0123456789abcdef"[i%16]
	item[atPartition] = partition
	item[atLocation-3] = partition
	putDigits(item[atLSN+1:atLSN+8], i)

	created := firstBackup.Add(time.Duration(i)*time.Minute).AppendFormat(item[atTime:atTime], time.RFC3339)
	copy(item[atLocation:], created[:len("2020-01-01")])
	for _, hourOrMinute := range []int{11, 14} {
		copy(item[atLocation+hourOrMinute:], created[hourOrMinute:hourOrMinute+2])
	}
	return b
}

func putDigits(b []byte, n int) {
	for i := len(b) - 1; n > 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}

// preparePage returns a page of n items.
func preparePage(n int) []byte {
	b := append(make([]byte, 0, pageLength(n)), pageHead...)
	for i := range n {
		b = appendItem(b, i)
	}
	return append(b, pageTail...)
}
