package mistakes

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"example.com/consumer"
	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
)

const secret = "AccountKey=c2VjcmV0"

var (
	validator *contract.Validator
	since     = time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC)
)

func TestMain(m *testing.M) {
	v, err := contract.New(openapi.Runtime)
	if err != nil {
		log.Fatal(err)
	}
	validator = v.Strict().
		Allow("GetPartitionBackupProgress", "/NodeName", contract.RuleProperty).
		Allow("GetServiceBackupList", "/Items/*/LsnOfLastBackupRecord", contract.RuleType) // nothing needs it
	code := m.Run()
	for _, unused := range validator.Unused() {
		fmt.Println("not needed:", unused)
		code = 1
	}
	os.Exit(code)
}

func TestClient(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(consumer.NewFake())
	t.Cleanup(server.Close)
	useClient(t, &client{consumer.Client{Endpoint: server.URL, HTTP: &http.Client{Transport: contract.ForTest(t, validator, nil)}}})
}

func useClient(t *testing.T, c *client) {
	for _, err := range []error{
		c.backup(t.Context(), secret),
		c.state(t.Context()),
		c.backups(t.Context(), since),
	} {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestFake(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(contract.ForTestHandler(t, validator, newFake()))
	t.Cleanup(server.Close)
	useFake(t, &consumer.Client{Endpoint: server.URL, HTTP: server.Client()})
}

func useFake(t *testing.T, c *consumer.Client) {
	if err := c.BackupPartition(t.Context(), consumer.Partition, nil, time.Minute); err != nil {
		t.Error(err)
	}
	if state, err := c.State(t.Context(), consumer.Partition); state != "Success" || err != nil {
		t.Errorf("%q, %v", state, err)
	}
	if ids, err := c.PartitionBackups(t.Context(), consumer.Partition, since, 10); len(ids) != 2 || err != nil {
		t.Errorf("%q, %v", ids, err)
	}
	var failure *consumer.Error
	if _, err := c.LatestServiceBackups(t.Context(), "fabric:/A/B"); !errors.As(err, &failure) || failure.Status != http.StatusNotFound {
		t.Error(err)
	}
}
