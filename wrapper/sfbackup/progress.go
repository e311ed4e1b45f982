package sfbackup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/generated"
	"github.com/servicefabric-go/backup/internal/document"
	"github.com/servicefabric-go/backup/internal/transport"
	"github.com/servicefabric-go/backup/internal/wire"
)

// BackupState is the state of a requested backup. Servers may send states that are not listed here. An empty
// BackupState means that the response had none.
type BackupState string

// The states of the documentation.
const (
	BackupStateInvalid    BackupState = "Invalid"          // no state; in every enumeration of Service Fabric
	BackupStateAccepted   BackupState = "Accepted"         // not triggered yet
	BackupStateInProgress BackupState = "BackupInProgress" // under way
	BackupStateSuccess    BackupState = "Success"          // final
	BackupStateFailure    BackupState = "Failure"          // final
	BackupStateTimeout    BackupState = "Timeout"          // final; the backup may be completed all the same
)

// Final reports whether a backup has ended, with success or not: nothing follows the state.
func (s BackupState) Final() bool { return slices.Contains(document.FinalBackupState, string(s)) }

// Progress is the progress of the latest backup that was requested for a partition. BackupState is always set.
// Servers of 6.4 set FailureError only for a failure and a timeout, and the other fields only for a success.
type Progress struct {
	BackupState             BackupState
	TimeStampUTC            time.Time // of the end of the backup
	BackupID                uuid.UUID
	BackupLocation          string // relative to the root of the storage; its form depends on the storage
	EpochOfLastBackupRecord Epoch
	LSNOfLastBackupRecord   int64        // logical sequence number
	FailureError            *FabricError // nil unless the backup failed or timed out
}

// An Epoch and a logical sequence number (LSN) order the records of a partition: first by the DataLossVersion,
// then by the ConfigurationVersion, then by the LSN. The numbers can be negative.
type Epoch struct{ DataLossVersion, ConfigurationVersion int64 }

// BackupProgress returns the progress of the latest backup that was requested for a partition, or
// [ErrNoBackup] if there was none. A failed backup is not an error here.
func (c *Client) BackupProgress(ctx context.Context, partition uuid.UUID) (*Progress, error) {
	p := c.readProgress(ctx, partition, 0)
	return p.progress, p.publicErr()
}

const operationProgress = document.OpGetPartitionBackupProgress

// maxProgressBody limits the length of a progress. Real ones are below 1 KiB.
const maxProgressBody = 1 << 20

// A poll is the result of reading the progress of a partition once.
type poll struct {
	progress   *Progress // nil if err is not
	retryAfter time.Duration
	asked      time.Time     // when it was requested
	took       time.Duration // until there was a response
	date       time.Time     // of the response; zero: it has none
	err        error
	transient  bool // err may be gone the next time
}

// worthRepeating reports whether a later poll may succeed. What fails in a server now may not fail the next time, and
// another poll does no harm.
func (p *poll) worthRepeating() bool {
	e, ok := errors.AsType[*APIError](p.err)
	return p.transient || ok && e.StatusCode >= http.StatusInternalServerError && e.StatusCode != http.StatusNotImplemented
}

// observed returns the result as an observation, for which a progress without a state was not read.
func (p *poll) observed() Observation {
	if p.err == nil && p.progress.BackupState == "" {
		return Observation{Err: errNoState}
	}
	return Observation{p.progress, p.err}
}

// publicErr returns the error without the distinction between null and an empty response. Only a start needs
// that.
func (p *poll) publicErr() error {
	if errors.Is(p.err, errEmptyProgress) {
		return fmt.Errorf("sfbackup: %s: %w", operationProgress, ErrNoBackup)
	}
	return p.err
}

// readProgress reads the progress of a partition. With the number of an attempt, from 1, it sends one request,
// and its caller retries. With 0 it retries as the policy says.
func (c *Client) readProgress(ctx context.Context, partition uuid.UUID, attempt int) poll {
	if err := requireID(partition); err != nil {
		return poll{err: fmt.Errorf("sfbackup: %s: %w", operationProgress, err)}
	}
	req, err := c.newProgressRequest(partition, serverTimeout(ctx))
	if err != nil {
		return poll{err: fmt.Errorf("sfbackup: %s: %w", operationProgress, err)}
	}
	asked := time.Now()
	resp, err := c.send(ctx, req, transport.Call{ //nolint:bodyclose // WholeBody closes it
		Operation: operationProgress, Want: wantProgress, Whole: maxProgressBody, Attempt: attempt, Single: attempt > 0,
	})
	if err != nil {
		p := poll{asked: asked, err: callError(operationProgress, req, err), transient: transport.IsRetriable(err)}
		if failure, ok := err.(*transport.Failure); ok { //nolint:errorlint // it comes as it is
			p.retryAfter = failure.RetryAfter
		}
		return p
	}
	body, err := transport.WholeBody(resp)
	if err != nil {
		err = transport.CallError(ctx, err)
		return poll{asked: asked, err: callError(operationProgress, req, err), transient: transport.IsRetriable(err)}
	}
	p := poll{retryAfter: transport.RetryAfter(resp), asked: asked, took: time.Since(asked)}
	p.date, _ = http.ParseTime(resp.Header.Get("Date"))
	if p.progress, err = decodeProgress(body); err != nil {
		p.err = fmt.Errorf("sfbackup: %s: %w", operationProgress, c.transport.RedactError(err))
		// What is no progress comes from something on the way, a page for maintenance for example.
		p.transient = !errors.Is(err, ErrNoBackup) && !errors.Is(err, errEmptyProgress)
		return p
	}
	if state := &p.progress.BackupState; !slices.Contains(document.BackupState, string(*state)) { // a password may be a word
		*state = BackupState(c.transport.Redact(string(*state)))
	}
	c.redactFailure(p.progress.FailureError)
	return p
}

// redactFailure removes secrets from the reason of a failure, which may quote the storage that refused them.
func (c *Client) redactFailure(e *FabricError) {
	if e != nil {
		e.Code, e.Message = ErrorCode(c.transport.RedactCode(string(e.Code))), c.transport.Redact(e.Message)
	}
}

// A progress without a content has the same meaning as null.
var wantProgress = []int{http.StatusOK, http.StatusNoContent}

var (
	// errNoState is the error of a progress that says nothing.
	errNoState = errors.New("the response has no BackupState")
	// errEmptyProgress is the error of a progress without a content. It means what null means, but a proxy
	// can make it too, so it proves nothing.
	errEmptyProgress = errors.New("the response is empty")
)

// decodeProgress reads the body of a progress. A server that was never asked for a backup answers with the
// JSON value null.
func decodeProgress(body []byte) (*Progress, error) {
	if len(body) > maxProgressBody {
		return nil, errors.New("the progress is longer than 1 MiB")
	}
	body = bytes.TrimSpace(body)
	switch string(body) {
	case "":
		return nil, errEmptyProgress
	case "null":
		return nil, ErrNoBackup
	}
	var w generated.BackupProgressInfo
	if err := wire.ReadObject(body, &w); err != nil {
		return nil, fmt.Errorf("not the progress of a backup: %w", err)
	}
	return newProgress(&w), nil
}

func newProgress(w *generated.BackupProgressInfo) *Progress {
	return &Progress{
		BackupState:             BackupState(w.BackupState),
		TimeStampUTC:            w.TimeStampUTC.Time,
		BackupID:                w.BackupID,
		BackupLocation:          w.BackupLocation,
		EpochOfLastBackupRecord: newEpoch(w.EpochOfLastBackupRecord),
		LSNOfLastBackupRecord:   int64(w.LSNOfLastBackupRecord),
		FailureError:            newFabricError(w.FailureError),
	}
}

func wireProgress(p *Progress) *generated.BackupProgressInfo {
	return &generated.BackupProgressInfo{
		BackupState:             wire.Symbol(p.BackupState),
		TimeStampUTC:            wire.Time{Time: p.TimeStampUTC},
		BackupID:                p.BackupID,
		BackupLocation:          p.BackupLocation,
		EpochOfLastBackupRecord: wireEpoch(p.EpochOfLastBackupRecord),
		LSNOfLastBackupRecord:   wire.Int64(p.LSNOfLastBackupRecord),
		FailureError:            wireFabricError(p.FailureError),
	}
}

// newEpoch reads the names of an epoch's fields, or the names they had in 6.2. A response has either.
func newEpoch(w generated.BackupEpoch) Epoch {
	return Epoch{
		DataLossVersion:      int64(cmp.Or(w.DataLossVersion, w.DataLossNumber)),
		ConfigurationVersion: int64(cmp.Or(w.ConfigurationVersion, w.ConfigurationNumber)),
	}
}

func wireEpoch(e Epoch) generated.BackupEpoch {
	return generated.BackupEpoch{
		DataLossVersion:      wire.Int64(e.DataLossVersion),
		ConfigurationVersion: wire.Int64(e.ConfigurationVersion),
	}
}
