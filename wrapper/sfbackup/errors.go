package sfbackup

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/servicefabric-go/backup/generated"
	"github.com/servicefabric-go/backup/internal/text"
	"github.com/servicefabric-go/backup/internal/transport"
	"github.com/servicefabric-go/backup/internal/wire"
)

// ErrNoBackup is returned instead of a progress if no backup of the partition was ever requested. Periodic
// backups of a policy are not requested backups.
var ErrNoBackup = errors.New("no backup was ever requested for this partition")

// An ErrorCode identifies an error of the server. The set is open: newer servers have codes that are not
// listed here, and an error without a name has its number as the code, such as "2148734496".
//
// A code is itself an error, so errors.Is(err, code) finds it in an [*APIError], a [*FabricError] and a
// [*BackupFailedError].
type ErrorCode string

// Error returns the code.
func (c ErrorCode) Error() string { return string(c) }

// The codes of the four operations and of failed backups. Where the documentation spells a code differently,
// this is the spelling of the server.
const (
	// CodeInvalidArgument: the server refused a parameter or the request body.
	CodeInvalidArgument ErrorCode = "E_INVALIDARG"
	// CodeAccessDenied: the client's role does not allow the operation. Starting a backup requires the
	// administrator role.
	CodeAccessDenied ErrorCode = "E_ACCESSDENIED"
	// CodeUnexpected: the server failed, for example to list its storage.
	CodeUnexpected ErrorCode = "E_UNEXPECTED"
	// CodePartitionNotFound: there is no such partition.
	CodePartitionNotFound ErrorCode = "FABRIC_E_PARTITION_NOT_FOUND"
	// CodeServiceNotFound: there is no such service or, if the message is empty, the cluster has no
	// backup service; the code is then the reason phrase of the status line.
	CodeServiceNotFound ErrorCode = "FABRIC_E_SERVICE_DOES_NOT_EXIST"
	// CodeApplicationNotFound: there is no such application.
	CodeApplicationNotFound ErrorCode = "FABRIC_E_APPLICATION_NOT_FOUND"
	// CodeBackupNotEnabled: no backup policy applies, and the request names no storage.
	CodeBackupNotEnabled ErrorCode = "FABRIC_E_BACKUP_NOT_ENABLED"
	// CodeBackupInProgress: a backup of the partition is running. If a start fails with it, the running
	// backup is another caller's or, if a proxy or transport repeats requests, possibly that of the start
	// itself.
	CodeBackupInProgress ErrorCode = "FABRIC_E_BACKUP_IN_PROGRESS"
	// CodeRestoreInProgress: the partition is being restored.
	CodeRestoreInProgress ErrorCode = "FABRIC_E_RESTORE_IN_PROGRESS"
	// CodeStatelessService: the service has no state, so it has no list of backups. A backup of it is
	// accepted all the same, and ends with a timeout.
	CodeStatelessService ErrorCode = "FABRIC_E_INVALID_FOR_STATELESS_SERVICES"
	// CodeTimeout: in an APIError a request took too long; in a BackupFailedError the backup did.
	CodeTimeout ErrorCode = "FABRIC_E_TIMEOUT"
	// CodeNotPrimary: the backup service is moving to another node.
	CodeNotPrimary ErrorCode = "FABRIC_E_NOT_PRIMARY"
	// CodeCopierUnexpected: a backup could not be copied to its storage.
	CodeCopierUnexpected ErrorCode = "FABRIC_E_BACKUPCOPIER_UNEXPECTED_ERROR"
	// CodeCopierTimeout: copying a backup to its storage took too long.
	CodeCopierTimeout ErrorCode = "FABRIC_E_BACKUPCOPIER_TIMEOUT"
	// CodeCopierAccessDenied: the storage refused the credentials.
	CodeCopierAccessDenied ErrorCode = "FABRIC_E_BACKUPCOPIER_ACCESS_DENIED"
)

// A FabricError says why a backup failed.
type FabricError struct {
	Code    ErrorCode
	Message string // not for programs: the wording may change
}

// Error returns the code and the message in one line.
func (e *FabricError) Error() string { return joinCode(e.Code, e.Message) }

// Unwrap returns the code.
func (e *FabricError) Unwrap() error { return asError(e.Code) }

// An APIError reports an unsuccessful response, of the cluster or of something in front of it such as a load
// balancer.
type APIError struct {
	Operation  string // the operation's name in the documentation
	StatusCode int    // of HTTP
	// Code is empty if the response has none. Examples are a response of a load balancer, and the 403
	// with which the gateway refuses a certificate or a token.
	Code ErrorCode
	// Message may be empty, and its wording may change.
	Message string
	// RequestID is the identity of the request in its X-ServiceFabricRequestId header. The gateway
	// writes it to its traces.
	RequestID string
	// RetryAfter is how long the server asks to wait before a retry, at most five minutes; 0 if it does
	// not say.
	RetryAfter time.Duration
	// Hint says what to do if the cluster refuses the client, and is empty otherwise. It is written by
	// this client, and its wording may change.
	Hint string
}

// Error returns one line: the operation, the status, the code, the message and the hint.
func (e *APIError) Error() string {
	what := joinCode(e.Code, e.Message)
	if e.Code == "" {
		what = http.StatusText(e.StatusCode)
		if e.Message != "" {
			what = strings.TrimPrefix(what+": ", ": ") + text.OneLine(e.Message)
		}
	}
	line := strings.TrimSpace(fmt.Sprintf("sfbackup: %s: %d %s", e.Operation, e.StatusCode, what))
	if e.Hint != "" {
		line += " (" + e.Hint + ")"
	}
	return line
}

// Unwrap returns the code.
func (e *APIError) Unwrap() error { return asError(e.Code) }

// A BackupFailedError reports that a backup ended without success, in the state [BackupStateFailure] or
// [BackupStateTimeout].
//
// After a timeout the backup may be completed all the same. Then it appears in the list of the partition,
// but its progress does not change.
type BackupFailedError struct {
	Progress *Progress
}

// Error returns one line: the state and the reason.
func (e *BackupFailedError) Error() string {
	s := "sfbackup: the backup ended with " + text.OneLine(string(e.Progress.BackupState))
	if e.Progress.FailureError != nil {
		s += ": " + e.Progress.FailureError.Error()
	}
	return s
}

// Unwrap returns the reason, if there is one.
func (e *BackupFailedError) Unwrap() error {
	if e.Progress.FailureError == nil {
		return nil
	}
	return e.Progress.FailureError
}

// newAPIError makes the error of an unsuccessful response.
func newAPIError(operation, requestID string, f *transport.Failure) *APIError {
	return &APIError{
		Operation:  operation,
		StatusCode: f.StatusCode,
		Code:       ErrorCode(f.Code),
		Message:    f.Message,
		RequestID:  requestID,
		RetryAfter: f.RetryAfter,
		Hint:       f.Hint,
	}
}

// newFabricError converts the reason of a failure; nil stays nil.
func newFabricError(w *generated.FabricErrorError) *FabricError {
	if w == nil {
		return nil
	}
	return &FabricError{Code: ErrorCode(w.Code), Message: w.Message}
}

func wireFabricError(e *FabricError) *generated.FabricErrorError {
	if e == nil {
		return nil
	}
	return &generated.FabricErrorError{Code: wire.Symbol(e.Code), Message: e.Message}
}

func asError(code ErrorCode) error {
	if code == "" {
		return nil
	}
	return code
}

func joinCode(code ErrorCode, message string) string {
	name, message := text.OneLine(string(code)), text.OneLine(message)
	if name == "" || message == "" {
		return name + message
	}
	return name + ": " + message
}

// nonRetriableCodes are errors that a retry does not change, whatever their status is.
var nonRetriableCodes = []ErrorCode{
	CodeInvalidArgument, CodeAccessDenied, CodePartitionNotFound, CodeServiceNotFound, CodeApplicationNotFound,
	CodeBackupNotEnabled, CodeBackupInProgress, CodeRestoreInProgress, CodeStatelessService,
}

func codeStrings(codes []ErrorCode) []string {
	texts := make([]string, len(codes))
	for i, code := range codes {
		texts[i] = string(code)
	}
	return texts
}
