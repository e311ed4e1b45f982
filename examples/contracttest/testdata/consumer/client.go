// Package consumer has a small client of the backup API and a fake of the service, as a program outside this module
// would write them.
package consumer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A Client calls the backup API.
type Client struct {
	Endpoint string // the URL of the gateway, without a slash at its end
	HTTP     *http.Client
}

// A Storage is where a backup goes.
type Storage struct {
	StorageKind      string
	FriendlyName     string `json:",omitempty"`
	ConnectionString string
	ContainerName    string
}

// An Error is the error of a response.
type Error struct {
	Status  int
	Code    string
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("status %d: %s: %s", e.Status, e.Code, e.Message) }

// BackupPartition starts a backup. If storage is nil, it goes to the storage of the backup policy.
func (c *Client) BackupPartition(ctx context.Context, partition string, storage *Storage, timeout time.Duration) error {
	var body any
	if storage != nil {
		body = map[string]any{"BackupStorage": storage}
	}
	query := url.Values{"BackupTimeout": {strconv.Itoa(int(timeout.Minutes()))}}
	return c.Do(ctx, http.MethodPost, "/Partitions/"+partition+"/$/Backup", query, body, nil)
}

// State returns the state of the latest backup of a partition.
func (c *Client) State(ctx context.Context, partition string) (string, error) {
	var progress struct{ BackupState string }
	err := c.Do(ctx, http.MethodGet, "/Partitions/"+partition+"/$/GetBackupProgress", nil, nil, &progress)
	return progress.BackupState, err
}

// PartitionBackups returns the ids of the backups of a partition since a time.
func (c *Client) PartitionBackups(ctx context.Context, partition string, since time.Time, pageSize int) ([]string, error) {
	return c.list(ctx, "/Partitions/"+partition, url.Values{
		"StartDateTimeFilter": {since.UTC().Format(time.RFC3339)}, "MaxResults": {strconv.Itoa(pageSize)},
	})
}

// LatestServiceBackups returns the ids of the latest backup of each partition of a service.
func (c *Client) LatestServiceBackups(ctx context.Context, service string) ([]string, error) {
	return c.list(ctx, "/Services/"+strings.TrimPrefix(service, "fabric:/"), url.Values{"Latest": {"true"}})
}

func (c *Client) list(ctx context.Context, entity string, query url.Values) ([]string, error) {
	var ids []string
	for {
		var page struct {
			ContinuationToken string
			Items             []struct{ BackupId string }
		}
		if err := c.Do(ctx, http.MethodGet, entity+"/$/GetBackups", query, nil, &page); err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			ids = append(ids, item.BackupId)
		}
		if page.ContinuationToken == "" {
			return ids, nil
		}
		query.Set("ContinuationToken", page.ContinuationToken)
	}
}

// Do sends one request, with api-version 6.4 unless the query has another, and decodes the response into result.
func (c *Client) Do(ctx context.Context, method, path string, query url.Values, body, result any) error {
	if query == nil {
		query = url.Values{}
	}
	if !query.Has("api-version") {
		query.Set("api-version", "6.4")
	}
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Endpoint+path+"?"+query.Encode(), bytes.NewReader(content))
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		var failure struct{ Error Error }
		if err := json.Unmarshal(data, &failure); err != nil {
			return fmt.Errorf("status %d: %w", resp.StatusCode, err)
		}
		failure.Error.Status = resp.StatusCode
		return &failure.Error
	}
	if result == nil || len(data) == 0 {
		return nil
	}
	return json.Unmarshal(data, result)
}
