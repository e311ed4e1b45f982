package sfbackup

import (
	"context"
	"errors"
	"fmt"
	"math"
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
// storage, where no backup policy applies, it is [CodeBackupNotEnabled].
//
// One call starts at most one backup, whatever happens on the way. BackupPartition reads the progress
// before it starts the backup, and again when the answer is lost or leaves it open whether the backup
// was started. If it was, the call has succeeded; if it was not, the request is sent again as often as
// the [RetryPolicy] allows. If neither is certain the error is [ErrOutcomeUnknown]. Any other error means
// that no backup was started. Two things nobody can know: a backup that somebody else starts at the same
// moment counts as that of a call whose answer was lost; and a request whose connection has broken can take
// effect after the progress was read. One that somebody has given up waiting for is expected to.
func (c *Client) BackupPartition(ctx context.Context, partition uuid.UUID, opts *BackupOptions) error {
	s, err := c.newStart(partition, opts)
	if err != nil {
		return err
	}
	ctx = withWait(ctx)
	for {
		ended, wait, err := s.step(ctx)
		if ended {
			return err
		}
		if sleep(ctx, wait) != nil {
			return s.interrupted(ctx)
		}
	}
}

// describe checks the options and keeps them in the form in which they are sent.
func (s *start) describe(opts *BackupOptions) error {
	if opts == nil || opts.Storage == nil && opts.Timeout == 0 {
		return nil
	}
	if opts.Timeout < 0 {
		return fmt.Errorf("the timeout %v is negative", opts.Timeout)
	}
	if opts.Timeout > 0 {
		minutes := (opts.Timeout-1)/time.Minute + 1
		if minutes > maxBackupTimeout {
			return fmt.Errorf("the timeout %v is longer than the %d minutes that the server can count", opts.Timeout, maxBackupTimeout)
		}
		s.timeout = new(generated.BackupTimeout(minutes))
	}
	body := []byte("{")
	if opts.Storage != nil {
		var err error
		if body, err = appendStorage(append(body, `"BackupStorage":`...), opts.Storage); err != nil {
			return err
		}
	}
	s.body = append(body, '}')
	if len(s.body) > maxBody {
		return errors.New("the storage is longer than the 4 MiB that the gateway takes")
	}
	return nil
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
