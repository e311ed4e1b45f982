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

// BackupOptions says how to take one backup. A nil or zero BackupOptions leaves everything to the server.
type BackupOptions struct {
	// Storage is where the backup is stored; nil is the storage of the backup policy that applies.
	Storage BackupStorage
	// Timeout is how long the backup itself may take; 0 is the server's 10 minutes, and 35,791 minutes are
	// the maximum. It is sent in whole minutes, rounded up.
	Timeout time.Duration
	// OnSend is called before each request that starts a backup, with what another process needs to tell whether
	// it took effect, see [StartRecord]. If it returns an error, nothing is sent, and that is the error of the start.
	// The record of a further attempt replaces that of the one before. BackupMany calls OnSend on several goroutines
	// at once.
	//
	// With OnSend, a request that cannot be written within a minute of its observation is not sent. The progress is
	// then observed again, and OnSend called with another record. So if this process may have slept while another
	// took over its journal, OnSend has to find that out, and to return an error.
	OnSend func(StartRecord) error
}

// maxBackupTimeout is the greatest number of minutes whose milliseconds the server can count.
const maxBackupTimeout = math.MaxInt32 / (60 * 1000)

// BackupPartition starts a backup of a partition and returns when the server has accepted it. Whether the
// backup was taken shows only in its progress, see [Client.WaitForBackup].
//
// The backup is full, whatever the storage holds, and begins a chain of its own, which no other backup
// continues. It also ends the chain of the backup policy: the next periodic backup is full.
//
// While another backup of the partition is running the error is [CodeBackupInProgress]. Without a storage,
// and if no backup policy applies, it is [CodeBackupNotEnabled].
//
// One call starts at most one backup, as far as the client can know. BackupPartition reads the progress
// before it starts the backup, which it does even if the progress cannot be read, and again if the response
// is lost or does not say whether the backup was started. If it was, the call succeeds. If it was not, the
// request is sent again as often as the [RetryPolicy] allows. If the client cannot tell, the error is
// [ErrOutcomeUnknown]. Any other error means that this call started no backup. The exceptions are:
//
//   - CodeBackupInProgress: a backup is running. If it began after this call had read the progress, it was
//     started by another caller or, if a proxy or transport repeats requests, by this call.
//   - Other refusals, if a proxy or transport repeats requests: the first may have been accepted.
//   - If the response is lost and somebody else starts a backup before the progress is read again, the call
//     takes that backup for its own and succeeds.
//   - A request whose connection broke can take effect after the progress was read again. The call has then
//     reported that it started none, or has started a second one. (If the client, the gateway or the backup
//     service gave up waiting for a response, this is expected, and the error is ErrOutcomeUnknown.)
//   - If the response is lost while the server still reports the previous backup, the call concludes that it
//     started none, with the same consequences.
//
// It takes the steps [Client.ObserveStart], [Client.SendStart] and [Client.ResolveStart], which programs that have to
// survive a crash can take one by one.
func (c *Client) BackupPartition(ctx context.Context, partition uuid.UUID, opts *BackupOptions) error {
	_, err := c.backup(ctx, partition, opts)
	return err
}

// backup is BackupPartition, and returns the start that it was.
func (c *Client) backup(ctx context.Context, partition uuid.UUID, opts *BackupOptions) (*start, error) {
	encoded, err := encodeBackup(opts)
	if err != nil {
		return nil, fmt.Errorf("sfbackup: %s: %w", operationBackup, err)
	}
	s := c.newStart(partition, encoded)
	return s, s.run(ctx, s.step)
}

// encodedBackup is a BackupOptions as it is sent.
type encodedBackup struct {
	timeout *generated.BackupTimeout
	body    []byte   // nil: there are no options
	secrets []string // in the body
	onSend  func(StartRecord) error
}

// minutes returns the timeout; 0: there is none.
func (e *encodedBackup) minutes() int {
	if e.timeout == nil {
		return 0
	}
	return int(*e.timeout)
}

// encodeBackup checks the options and encodes them.
func encodeBackup(opts *BackupOptions) (e encodedBackup, err error) {
	if opts == nil {
		return e, nil
	}
	e.onSend = opts.OnSend
	if opts.Storage == nil && opts.Timeout == 0 {
		return e, nil
	}
	if opts.Timeout < 0 {
		return e, fmt.Errorf("the timeout %v is negative", opts.Timeout)
	}
	if opts.Timeout > 0 {
		minutes := (opts.Timeout-1)/time.Minute + 1
		if minutes > maxBackupTimeout {
			return e, fmt.Errorf("the timeout %v is longer than the %d minutes that the server can count", opts.Timeout, maxBackupTimeout)
		}
		e.timeout = new(generated.BackupTimeout(minutes))
	}
	body := []byte("{")
	if opts.Storage != nil {
		if body, err = appendStorage(append(body, `"BackupStorage":`...), opts.Storage); err != nil {
			return e, err
		}
		e.secrets = storageSecrets(opts.Storage)
	}
	e.body = append(body, '}')
	if len(e.body) > maxBody {
		return e, errors.New("the storage is longer than the 4 MiB that the gateway accepts")
	}
	return e, nil
}

// maxBody is the longest request body that the gateway accepts.
const maxBody = 4 << 20

// serverTimeout returns the timeout parameter that fits the deadline of a context, in seconds; nil
// without a deadline. The server refuses 0 and what its milliseconds cannot count.
func serverTimeout(ctx context.Context) *generated.Timeout {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	seconds := int64(time.Until(deadline) / time.Second)
	return new(generated.Timeout(min(max(seconds, 1), math.MaxInt32/1000)))
}
