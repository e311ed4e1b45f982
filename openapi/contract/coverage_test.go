package contract_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
)

// Items that exchanges use are counted, and the others are missing.
func TestCoverage(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Documented)
	all := len(v.Coverage().Items)
	if missing := len(v.Coverage().Missing()); missing != all || all < 30 {
		t.Errorf("%d items, %d missing", all, missing)
	}
	for _, exchange := range []string{
		withResponse(post(`{"BackupStorage":{"StorageKind":"FileShare","Path":"p"}}`), accepted),
		withResponse(progressOf, succeeded),
		withResponse(progressOf, "404 Not Found\nContent-Type: application/json\n\n"+`{"Error":{"Code":"E"}}`),
		withResponse(listOf, ok(`{"Items":[{"BackupType":"Full","PartitionInformation":{"ServicePartitionKind":"Named","Id":"1daae3f5-7fd6-42e9-b1ba-8c05f873994d"}}]}`)),
	} {
		req, resp := readExchange(t, exchange)
		if err := errors.Join(v.CheckRequest(req), v.Without(contract.RuleUUID).CheckResponse(req, resp)); err != nil {
			t.Error(err)
		}
	}
	var seen []string
	for _, i := range v.Coverage().Items {
		if i.Count > 0 {
			seen = append(seen, strings.TrimSpace(fmt.Sprintf("%s %s %s", i.Kind, i.Name, i.Value))+fmt.Sprintf(" ×%d", i.Count))
		}
	}
	want := []string{
		"operation BackupPartition ×1",
		"operation GetPartitionBackupList ×1",
		"operation GetPartitionBackupProgress ×2",
		"status BackupPartition 202 ×1",
		"status GetPartitionBackupList 200 ×1",
		"status GetPartitionBackupProgress 200 ×1",
		"status GetPartitionBackupProgress 4xx ×1",
		"parameter BackupPartition api-version ×1",
		"parameter BackupPartition partitionId ×1",
		"parameter GetPartitionBackupList api-version ×1",
		"parameter GetPartitionBackupList partitionId ×1",
		"parameter GetPartitionBackupProgress api-version ×2",
		"parameter GetPartitionBackupProgress partitionId ×2",
		"property BackupInfo BackupType ×1",
		"property BackupInfo PartitionInformation ×1",
		"property BackupPartitionDescription BackupStorage ×1",
		"property BackupProgressInfo BackupState ×1",
		"property FabricError Error ×1",
		"property FabricErrorError Code ×1",
		"property FileShareBackupStorageDescription Path ×1",
		"property FileShareBackupStorageDescription StorageKind ×1",
		"property NamedPartitionInformation Id ×1",
		"property NamedPartitionInformation ServicePartitionKind ×1",
		"property PagedBackupInfoList Items ×1",
		"union BackupStorageDescription FileShare ×1",
		"union PartitionInformation Named ×1",
		"enum BackupState Success ×1",
		"enum BackupStorageKind FileShare ×1",
		"enum BackupType Full ×1",
		"enum ServicePartitionKind Named ×1",
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
	table := v.Coverage().String()
	for _, line := range []string{
		"KIND NAME VALUE SEEN", "operation GetServiceBackupList never", "enum BackupState Success 1",
		"property BackupInfo BackupId never", "parameter GetPartitionBackupList timeout never",
	} {
		if !slices.ContainsFunc(strings.Split(table, "\n"), func(l string) bool { return strings.Join(strings.Fields(l), " ") == line }) {
			t.Errorf("no %q in\n%s", line, table)
		}
	}
	if len(v.Coverage().Missing()) != all-len(want) {
		t.Error("Missing has items that exchanges used")
	}
}

func TestViolations(t *testing.T) {
	t.Parallel()
	if contract.Violations(nil) != nil || contract.Violations(errors.New("x")) != nil {
		t.Error("other errors have violations")
	}
	v := &contract.Violation{Rule: contract.RuleType, Where: contract.InResponse, Message: "m"}
	err := errors.Join(fmt.Errorf("a: %w", v), errors.Join(v, errors.New("x")))
	if got := contract.Violations(err); len(got) != 2 || got[0] != v {
		t.Errorf("got %v", got)
	}
	if got := contract.Violations(fmt.Errorf("b: %w", err)); len(got) != 2 {
		t.Errorf("got %v from a wrapped error", got)
	}
	if got := v.Error(); got != "unknown operation: response body: type: m" {
		t.Errorf("got %s", got)
	}
}

// A compressed response that the request does not accept is reported, and its body is checked.
func TestCompressedResponse(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Documented)
	req, resp := readExchange(t, withResponse(progressOf, "200 OK\nContent-Type: application/json\nContent-Encoding: gzip\n\n"))
	resp.Body = io.NopCloser(bytes.NewReader(gzipped(`{"BackupState":"Lost"}`)))
	got := lines(v.CheckResponse(req, resp))
	if len(got) != 2 || !strings.Contains(got[0], "/BackupState: enum") || got[1] != `GetPartitionBackupProgress: response header.Content-Encoding: content-encoding: expected an encoding that the request accepts, found "gzip"` {
		t.Errorf("got %q", got)
	}
	_, resp = readExchange(t, withResponse(progressOf, "200 OK\nContent-Type: application/json\nContent-Encoding: br\n\nx"))
	if got := lines(v.CheckResponse(req, resp)); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}
