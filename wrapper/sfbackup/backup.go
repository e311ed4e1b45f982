package sfbackup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/generated"
)

// BackupOptions says how to take one backup. A nil or zero BackupOptions leaves all to the server.
type BackupOptions struct {
	// Storage is where the backup goes; nil, to the storage of the backup policy that applies.
	Storage BackupStorage
	// Timeout is how long the backup itself may take; 0, the server's 10 minutes. It travels in
	// whole minutes, rounded up.
	Timeout time.Duration
}

// maxBackupTimeout is the greatest number of minutes whose milliseconds the server can count.
const maxBackupTimeout = math.MaxInt32 / (60 * 1000)

// BackupPartition starts a backup of a partition and returns when the server has accepted it. That
// the backup was taken shows only in its progress, see [Client.WaitForBackup].
//
// While an earlier backup of the partition runs the error is [CodeBackupInProgress]. Without a
// storage, where no backup policy applies, it is [CodeBackupNotEnabled]. A call that broke off, or
// an answer with status 503 or 504, leaves open whether the backup was started.
func (c *Client) BackupPartition(ctx context.Context, partition uuid.UUID, opts *BackupOptions) error {
	const operation = "BackupPartition"
	req, err := c.newBackupRequest(ctx, partition, opts)
	if err != nil {
		return fmt.Errorf("sfbackup: %s: %w", operation, err)
	}
	resp, err := c.do(ctx, operation, req, http.StatusAccepted)
	if err != nil {
		return err
	}
	// There is no body. Somebody who sends one all the same is not waited for.
	_ = resp.Body.Close()
	return nil
}

func (c *Client) newBackupRequest(ctx context.Context, partition uuid.UUID, opts *BackupOptions) (*http.Request, error) {
	if err := requireID(partition); err != nil {
		return nil, err
	}
	if opts == nil || opts.Storage == nil && opts.Timeout == 0 {
		return c.newPlainBackupRequest(ctx, partition)
	}
	params := generated.BackupPartitionParams{APIVersion: apiVersion, Timeout: serverTimeout(ctx)}
	if opts.Timeout < 0 {
		return nil, fmt.Errorf("the timeout %v is negative", opts.Timeout)
	}
	if opts.Timeout > 0 {
		minutes := (opts.Timeout-1)/time.Minute + 1
		if minutes > maxBackupTimeout {
			return nil, fmt.Errorf("the timeout %v is longer than the %d minutes that the server can count", opts.Timeout, maxBackupTimeout)
		}
		params.BackupTimeout = new(generated.BackupTimeout(minutes))
	}
	body := []byte("{")
	if opts.Storage != nil {
		var err error
		if body, err = appendStorage(append(body, `"BackupStorage":`...), opts.Storage); err != nil {
			return nil, err
		}
	}
	body = append(body, '}')
	if len(body) > maxBody {
		return nil, errors.New("the storage is longer than the 4 MiB that the gateway takes")
	}
	// A reader of bytes has a length, so the body is never chunked: the gateway breaks chunked
	// bodies on their way to the backup service.
	return generated.NewBackupPartitionRequestWithBody(c.server, partition, &params, "application/json", bytes.NewReader(body))
}

// maxBody is the longest request body that the gateway takes.
const maxBody = 4 << 20

// serverTimeout returns the timeout parameter that fits the deadline of a context, in seconds; nil
// without a deadline. The server turns away 0 and what its milliseconds cannot count.
func serverTimeout(ctx context.Context) *generated.Timeout {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	seconds := int64(time.Until(deadline) / time.Second)
	return new(generated.Timeout(min(max(seconds, 1), math.MaxInt32/1000)))
}
