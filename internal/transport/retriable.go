package transport

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"

	"github.com/servicefabric-go/backup/internal/text"
)

// nonRetriableError is an error that neither another attempt nor another endpoint changes.
type nonRetriableError struct{ error }

func (e *nonRetriableError) Unwrap() error { return e.error }

// NonRetriable returns the error in the tree of err that this package has marked as permanent, for all attempts
// and endpoints, or nil. It is not the opposite of [IsRetriable].
func NonRetriable(err error) error {
	e, ok := errors.AsType[*nonRetriableError](err)
	if !ok {
		return nil
	}
	return text.Redact(e)
}

// IsRetriable reports whether another attempt may succeed. Errors that it does not know are
// retriable.
func IsRetriable(err error) bool {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.Retriable
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok || NonRetriable(err) != nil {
		return false
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok { // the server speaks no TLS
		return false
	}
	dns, ok := errors.AsType[*net.DNSError](err)
	return !ok || !dns.IsNotFound
}

// transientCodes are the errors of a cluster that is reconfiguring or overloaded.
var transientCodes = []string{
	"FABRIC_E_TIMEOUT", "FABRIC_E_NOT_PRIMARY",
	"FABRIC_E_COMMUNICATION_ERROR", "FABRIC_E_NO_WRITE_QUORUM", "FABRIC_E_NOT_READY", "FABRIC_E_OBJECT_CLOSED",
	"FABRIC_E_SERVICE_OFFLINE", "FABRIC_E_SERVICE_TOO_BUSY", "FABRIC_E_RECONFIGURATION_PENDING",
	"FABRIC_E_GATEWAY_NOT_REACHABLE", "FABRIC_E_OPERATION_NOT_COMPLETE", "FABRIC_E_REPLICATION_QUEUE_FULL",
	"FABRIC_E_CONNECTION_CLOSED_BY_REMOTE_END", "E_ABORT",
}

// IsTransientCode reports whether an error code is one of a cluster that is reconfiguring or overloaded.
func IsTransientCode(code string) bool { return slices.Contains(transientCodes, code) }
