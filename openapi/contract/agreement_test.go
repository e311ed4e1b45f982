package contract_test

import (
	"flag"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"

	"github.com/servicefabric-go/backup/openapi/contract"
)

const (
	defaultValues = 20_000
	fewValues     = 4_000 // with -short, and with the race detector
)

var (
	values = flag.Int("contract.values", defaultValues, "the number of values that TestAgreement compares; make contract-report uses 100000")
	seed   = flag.Uint64("contract.seed", 1, "the seed of the values of TestAgreement")
)

// TestAgreement compares the validator with the oracle on random values of the document's schemas, half
// of them with up to three random changes. Both must accept or both must reject each value.
func TestAgreement(t *testing.T) {
	t.Parallel()
	n := *values
	if testing.Short() || raceEnabled() {
		n = min(n, fewValues)
	}
	var comparers []*comparer
	for _, name := range sortedProfiles {
		comparers = append(comparers, newComparer(t, name))
	}
	invalid, failures := 0, 0
	for i := range n {
		// Every value has its own source, so that its index alone reproduces a failure.
		src := rand.New(rand.NewPCG(*seed, uint64(i)))
		c := comparers[i%len(comparers)]
		x, side := randomExchange(src, c.oracle)
		found, oracle := c.compare(&x, side)
		if oracle != nil {
			invalid++
		}
		if (oracle != nil) != (len(found) > 0) {
			t.Errorf("%s: value %d of -contract.seed %d: the oracle reports %v, the validator %v\n\t%s", c.profile, i, *seed, oracle, found, &x)
			if failures++; failures == 20 {
				t.Fatal("stopping after 20 failures")
			}
		}
	}
	t.Logf("%d values, %d valid and %d invalid; %d disagreements", n, n-invalid, invalid, failures)
	if share := invalid * 100 / n; share < 25 || share > 75 {
		t.Errorf("%d%% of the values are invalid; want 25%% to 75%%", share)
	}
}

// randomExchange returns an exchange with a random body, and the side that has this body.
func randomExchange(src *rand.Rand, o *oracle) (exchange, contract.Side) {
	bodies := []struct {
		operation, schema string
		side              contract.Side
		status            int
	}{
		{"BackupPartition", "BackupPartitionDescription", contract.InRequest, http.StatusAccepted},
		{"GetPartitionBackupProgress", "BackupProgressInfo", contract.InResponse, http.StatusOK},
		{"GetPartitionBackupList", "PagedBackupInfoList", contract.InResponse, http.StatusOK},
		{"GetServiceBackupList", "PagedBackupInfoList", contract.InResponse, http.StatusOK},
		{"GetServiceBackupList", "FabricError", contract.InResponse, http.StatusNotFound},
	}
	b := bodies[src.IntN(len(bodies))]
	root := o.random(src, "#/components/schemas/"+b.schema)
	for range max(src.IntN(6)-2, 0) {
		randomEdit(src, o, root)
	}
	body := root.json()
	if src.IntN(20) == 0 {
		body = randomBytes(src, body)
	}
	x := newExchange(b.operation, b.schema)
	x.status = b.status
	if b.side == contract.InRequest {
		x.requestType, x.requestBody = "application/json", body
	} else {
		x.contentType, x.body = jsonType, body
	}
	return x, b.side
}

// randomEdit changes a tree at one position.
func randomEdit(src *rand.Rand, o *oracle, root *node) {
	all := positions(root)
	p := all[src.IntN(len(all))]
	other := all[src.IntN(len(all))].node
	schemas := []string{"BackupInfo", "BackupStorageDescription", "PartitionInformation", "BackupEpoch", "Lsn", "BackupState", "FailureError"}
	switch src.IntN(8) {
	case 0: // a copy of another part of the tree
		*p.node = *mustParse(other.json())
	case 1:
		*p.node = *o.random(src, "#/components/schemas/"+schemas[src.IntN(len(schemas))])
	case 2:
		texts := []string{"null", "true", "0", "-1", "1.0", "1e2", "1e400", "9223372036854775808", `""`, `"x"`, `"9223372036854775808"`, "[]", "{}"}
		*p.node = *raw(texts[src.IntN(len(texts))])
	case 3:
		if text, ok := p.node.string(); ok {
			*p.node = *scalar(randomTextEdit(src, text))
		}
	case 4:
		if len(p.node.members) > 0 {
			i := src.IntN(len(p.node.members))
			p.node.members = slices.Delete(p.node.members, i, i+1)
		}
	case 5: // a duplicate, or a member of another object
		for _, m := range all[src.IntN(len(all))].node.members {
			if p.node.kind == '{' && src.IntN(3) == 0 {
				p.node.members = append(p.node.members, member{m.name, mustParse(m.value.json())})
				return
			}
		}
	case 6:
		if p.node.kind == '[' {
			p.node.items = append(p.node.items, mustParse(other.json()))
		}
	case 7:
		if p.node.kind == '{' {
			p.node.members = append(p.node.members, member{randomText(src), scalar(randomText(src))})
		}
	}
}

// randomTextEdit inserts, deletes or replaces one character.
func randomTextEdit(src *rand.Rand, text string) string {
	runes := []rune(text)
	i := src.IntN(len(runes) + 1)
	c := []rune("0123456789aAzZ-+:.T \u00e9")[src.IntN(21)]
	switch {
	case i == len(runes) || src.IntN(3) == 0:
		return string(slices.Insert(runes, i, c))
	case src.IntN(2) == 0:
		return string(slices.Delete(runes, i, i+1))
	}
	runes[i] = c
	return string(runes)
}

// randomBytes inserts, deletes or replaces one byte.
func randomBytes(src *rand.Rand, body []byte) []byte {
	i := src.IntN(len(body))
	c := []byte("{}[],:\"'\\0n \n\x00\xff\xc3")[src.IntN(16)]
	switch src.IntN(3) {
	case 0:
		return slices.Insert(body, i, c)
	case 1:
		return slices.Delete(body, i, i+1)
	}
	body[i] = c
	return body
}
