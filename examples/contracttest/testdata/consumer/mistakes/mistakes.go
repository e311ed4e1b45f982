// Package mistakes has a client and a fake with mistakes that pass the tests of their own programs.
package mistakes

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"example.com/consumer"
)

// A client has three mistakes.
type client struct{ consumer.Client }

// backup writes the name of a member with other capitals.
func (c *client) backup(ctx context.Context, secret string) error {
	body := map[string]any{"BackupStorage": map[string]string{
		"StorageKind": "AzureBlobStore", "Friendlyname": "nightly", "ConnectionString": secret, "ContainerName": "backups",
	}}
	return c.Do(ctx, http.MethodPost, "/Partitions/"+consumer.Partition+"/$/Backup", nil, body, nil)
}

// state sends the version of an older part of the REST API.
func (c *client) state(ctx context.Context) error {
	query := url.Values{"api-version": {"6.0"}}
	return c.Do(ctx, http.MethodGet, "/Partitions/"+consumer.Partition+"/$/GetBackupProgress", query, nil, nil)
}

// backups encodes a time that Do encodes once more.
func (c *client) backups(ctx context.Context, since time.Time) error {
	query := url.Values{"StartDateTimeFilter": {url.QueryEscape(since.Format(time.RFC3339))}}
	return c.Do(ctx, http.MethodGet, "/Services/CalcApp/CalcService/$/GetBackups", query, nil, nil)
}

// newFake returns a fake with five mistakes.
func newFake() http.Handler {
	mux := http.NewServeMux()
	// It answers 200 instead of 202.
	mux.HandleFunc("POST /Partitions/{id}/$/Backup", func(http.ResponseWriter, *http.Request) {})
	// It writes a time without its zone.
	mux.HandleFunc("GET /Partitions/{id}/$/GetBackupProgress", func(w http.ResponseWriter, _ *http.Request) {
		progress := consumer.Progress()
		progress["TimeStampUtc"] = "2018-01-03T09:00:55"
		consumer.WriteJSON(w, http.StatusOK, progress)
	})
	// It forgets BackupId, and writes an LSN as a number in one item of two.
	mux.HandleFunc("GET /Partitions/{id}/$/GetBackups", func(w http.ResponseWriter, _ *http.Request) {
		first, second := consumer.Backup(consumer.Full), consumer.Backup(consumer.Second)
		delete(first, "BackupId")
		delete(second, "BackupId")
		second["LsnOfLastBackupRecord"] = 446
		consumer.WriteJSON(w, http.StatusOK, map[string]any{"ContinuationToken": nil, "Items": []any{first, second}})
	})
	// It writes an error without a code.
	mux.HandleFunc("GET /Services/{service...}", func(w http.ResponseWriter, _ *http.Request) {
		consumer.WriteJSON(w, http.StatusNotFound, map[string]any{"Error": map[string]any{"Message": "The service does not exist."}})
	})
	return mux
}
