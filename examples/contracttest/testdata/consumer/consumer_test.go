package consumer

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
)

var validator *contract.Validator

// used are the operations of the client.
var used = []string{"BackupPartition", "GetPartitionBackupList", "GetPartitionBackupProgress", "GetServiceBackupList"}

func TestMain(m *testing.M) {
	v, err := contract.New(openapi.Runtime)
	if err != nil {
		log.Fatal(err)
	}
	// The gateway adds the name of its node.
	validator = v.Strict().Allow("GetPartitionBackupProgress", "/NodeName", contract.RuleProperty)
	code := m.Run()
	for _, unused := range validator.Unused() {
		fmt.Println("not needed:", unused)
		code = 1
	}
	for _, missing := range validator.Coverage().Missing() {
		if missing.Kind == contract.CoverageOperation && slices.Contains(used, missing.Name) {
			fmt.Println("not tested:", missing.Name)
			code = 1
		}
	}
	os.Exit(code)
}

// TestClient checks what the client sends and gets.
func TestClient(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(NewFake())
	t.Cleanup(server.Close)
	use(t, &Client{server.URL, &http.Client{Transport: contract.ForTest(t, validator, nil)}})
}

// TestFake checks what the fake gets and sends, as a cluster behind the path of a gateway.
func TestFake(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(contract.ForTestHandler(t, validator, http.StripPrefix("/cluster/1", NewFake())))
	t.Cleanup(server.Close)
	use(t, &Client{server.URL + "/cluster/1", server.Client()})
}

func use(t *testing.T, c *Client) {
	ctx := t.Context()
	if state, err := c.State(ctx, Partition); state != "" || err != nil {
		t.Errorf("before the first backup: %q, %v", state, err)
	}
	storage := &Storage{StorageKind: "AzureBlobStore", ConnectionString: "AccountKey=c2VjcmV0", ContainerName: "backups"}
	if err := c.BackupPartition(ctx, Partition, storage, 20*time.Minute); err != nil {
		t.Error(err)
	}
	if state, err := c.State(ctx, Partition); state != "Success" || err != nil {
		t.Errorf("after it: %q, %v", state, err)
	}
	var failure *Error
	if err := c.BackupPartition(ctx, Partition, nil, time.Minute); !errors.As(err, &failure) || failure.Status != http.StatusConflict {
		t.Errorf("a second backup: %v", err)
	}
	if _, err := c.State(ctx, Full); !errors.As(err, &failure) || failure.Code != "FABRIC_E_PARTITION_NOT_FOUND" {
		t.Errorf("an unknown partition: %v", err)
	}
	for size := range 4 {
		ids, err := c.PartitionBackups(ctx, Partition, time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC), size)
		if !slices.Equal(ids, []string{Full, Second, Third}) || err != nil {
			t.Errorf("in pages of %d: %v, %v", size, ids, err)
		}
	}
	if ids, err := c.LatestServiceBackups(ctx, Service); !slices.Equal(ids, []string{Third}) || err != nil {
		t.Errorf("the latest: %v, %v", ids, err)
	}
}
