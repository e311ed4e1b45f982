package sfbackup

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/servicefabric-go/backup/generated"
	"github.com/servicefabric-go/backup/internal/wire"
)

// ErrNoBackup is the error of a progress of a partition for which no backup was ever requested.
// Periodic backups of a policy do not count.
var ErrNoBackup = errors.New("no backup was ever requested for this partition")

// An ErrorCode names an error of the server. The set is open: newer servers have codes that are not
// listed here, and a code that the server has no name for is a number.
//
// A code is an error itself, so that errors.Is(err, code) finds it in an [*APIError], a
// [*FabricError] and a [*BackupFailedError].
type ErrorCode string

// Error returns the code.
func (c ErrorCode) Error() string { return string(c) }

// The codes that the four operations answer with, and those of failed backups. The server's own
// spelling is used where the documentation has another.
const (
	// CodeInvalidArgument: the server refused a parameter or the request body.
	CodeInvalidArgument ErrorCode = "E_INVALIDARG"
	// CodeAccessDenied: the caller lacks the role. Starting a backup needs an administrator.
	CodeAccessDenied ErrorCode = "E_ACCESSDENIED"
	// CodeUnexpected: the server failed, for example to list its storage.
	CodeUnexpected ErrorCode = "E_UNEXPECTED"
	// CodePartitionNotFound: there is no such partition.
	CodePartitionNotFound ErrorCode = "FABRIC_E_PARTITION_NOT_FOUND"
	// CodeServiceNotFound: there is no such service, or, when the message is empty, the cluster has
	// no backup service.
	CodeServiceNotFound ErrorCode = "FABRIC_E_SERVICE_DOES_NOT_EXIST"
	// CodeApplicationNotFound: there is no such application.
	CodeApplicationNotFound ErrorCode = "FABRIC_E_APPLICATION_NOT_FOUND"
	// CodeBackupNotEnabled: no backup policy applies, and the request names no storage.
	CodeBackupNotEnabled ErrorCode = "FABRIC_E_BACKUP_NOT_ENABLED"
	// CodeBackupInProgress: the backup requested before has not ended.
	CodeBackupInProgress ErrorCode = "FABRIC_E_BACKUP_IN_PROGRESS"
	// CodeRestoreInProgress: the partition is being restored.
	CodeRestoreInProgress ErrorCode = "FABRIC_E_RESTORE_IN_PROGRESS"
	// CodeStatelessService: the service has no state, so there is no list of backups. Starting a
	// backup of it is accepted all the same, and ends in a timeout.
	CodeStatelessService ErrorCode = "FABRIC_E_INVALID_FOR_STATELESS_SERVICES"
	// CodeTimeout: a request took too long, in an APIError; or a backup did, in a BackupFailedError.
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
	Message string // for people; the wording may change
}

// Error returns the code and the message in one line.
func (e *FabricError) Error() string { return joinCode(e.Code, e.Message) }

// Unwrap returns the code.
func (e *FabricError) Unwrap() error { return asError(e.Code) }

// An APIError is an answer of the server, or of something before it, that is not a success.
type APIError struct {
	Operation  string // the operation's name in the documentation
	StatusCode int    // of HTTP
	// Code is empty when the answer has none: that of a load balancer, or the 403 with which the
	// gateway refuses a certificate or a token.
	Code ErrorCode
	// Message is for people and may be empty; the wording may change.
	Message string
	// RequestID is what the client called the request in its X-ServiceFabricRequestId header; the
	// gateway writes it to its traces.
	RequestID string
	// RetryAfter is how long the server asks to wait before another try; 0 if it does not say.
	RetryAfter time.Duration
	// Hint says what to do about the error, in the words of this client. It is empty but where the
	// cluster does not let the client in; the wording may change.
	Hint string
}

// Error returns one line: the operation, the status, the code, the message and the hint.
func (e *APIError) Error() string {
	what := joinCode(e.Code, e.Message)
	if e.Code == "" {
		what = http.StatusText(e.StatusCode)
		if e.Message != "" {
			what = strings.TrimPrefix(what+": ", ": ") + oneLine(e.Message)
		}
	}
	text := strings.TrimSpace(fmt.Sprintf("sfbackup: %s: %d %s", e.Operation, e.StatusCode, what))
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// Unwrap returns the code.
func (e *APIError) Unwrap() error { return asError(e.Code) }

// A BackupFailedError is a backup that ended without success: in the state
// [BackupStateFailure], or [BackupStateTimeout].
//
// After a timeout the backup may have been completed all the same; then it appears in the list of
// the partition, while its progress stays as it is.
type BackupFailedError struct {
	Progress *Progress
}

// Error returns one line: the state and the reason.
func (e *BackupFailedError) Error() string {
	s := "sfbackup: the backup ended with " + oneLine(string(e.Progress.BackupState))
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

// maxErrorBody is how much of an error's body is read. The server's are much shorter.
const maxErrorBody = 64 << 10

// newAPIError makes the error of an answer, whatever its body is: JSON under any content type, a
// page for people, half of something, or nothing at all.
func newAPIError(operation string, resp *http.Response, requestID string) (_ *APIError, whole bool) {
	// What cannot be read cannot say more; the status is an error enough.
	body, err := readBody(resp, maxErrorBody)
	_, message := wire.ReadError(body)
	code := codeOf(resp, body)
	if reason := reasonPhrase(resp); code == "" && message == "" && reason != http.StatusText(resp.StatusCode) {
		message = reason // the security layer of the gateway has a sentence there
	}
	return &APIError{
		Operation:  operation,
		StatusCode: resp.StatusCode,
		Code:       code,
		Message:    message,
		RequestID:  requestID,
		RetryAfter: retryAfter(resp),
	}, err == nil
}

// A cutError is an APIError whose code may have been in what is missing of the answer.
type cutError struct{ err *APIError }

func (e *cutError) Error() string { return e.err.Error() }

func (e *cutError) Unwrap() error { return e.err }

// codeOf returns the code of an error, if it has one: from its body or, as the reverse proxy of the gateway
// answers, from the reason phrase.
func codeOf(resp *http.Response, body []byte) ErrorCode {
	code, _ := wire.ReadError(body)
	if reason := reasonPhrase(resp); code == "" && isCode(reason) {
		code = reason
	}
	return ErrorCode(code)
}

// reasonPhrase returns what stands behind the status in the first line of an answer.
func reasonPhrase(resp *http.Response) string {
	return strings.TrimSpace(strings.TrimPrefix(resp.Status, strconv.Itoa(resp.StatusCode)))
}

// isCode reports whether a reason phrase is the name of an error: E_ABORT, FABRIC_E_TIMEOUT.
func isCode(s string) bool {
	return strings.HasPrefix(strings.TrimPrefix(s, "FABRIC_"), "E_") &&
		!strings.ContainsFunc(s, func(r rune) bool {
			return r != '_' && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
		})
}

// maxRetryAfter keeps a nonsensical Retry-After from stopping a client for good.
const maxRetryAfter = time.Hour

// retryAfter reads the Retry-After header, which is a number of seconds or a date.
func retryAfter(resp *http.Response) time.Duration {
	value := resp.Header.Get("Retry-After")
	if value == "" {
		return 0
	}
	var d time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		d = time.Until(at)
	}
	return min(max(d, 0), maxRetryAfter)
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
	text := oneLine(string(code))
	if message = oneLine(message); text == "" || message == "" {
		return text + message
	}
	return text + ": " + message
}

// maxText is how much of a server's text an error shows, in bytes.
const maxText = 300

// oneLine makes a text of the server fit for an error: one line without control characters, and not a
// page. It reads no further than it shows, so that a long text costs no more than a short one.
func oneLine(text string) string {
	var b strings.Builder
	space, last := false, rune(0)
	for _, r := range text { // where it is not UTF-8, r is U+FFFD
		switch {
		case unicode.IsSpace(r) || !unicode.IsPrint(r) && r != utf8.RuneError:
			space = b.Len() > 0
			last = 0
			continue
		case r == utf8.RuneError && last == r: // one stands for all
			continue
		}
		if space && b.Len() < maxText {
			b.WriteByte(' ')
		}
		if b.Len()+utf8.RuneLen(r) > maxText {
			return b.String() + "…"
		}
		b.WriteRune(r)
		space, last = false, r
	}
	return b.String()
}
