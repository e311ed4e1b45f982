package sfbackuptest

import (
	"bytes"
	"cmp"
	"net/http"
	"strconv"

	"github.com/servicefabric-go/backup/internal/handlertransport"
)

// errorResponse is an error of the cluster. Its form on the wire depends on the component that reports it.
type errorResponse struct {
	status  int
	form    errorForm
	code    string
	message string
	hresult uint32 // if not zero, 6.4 sends it in place of the code
	reason  string // the reason phrase of an error without a body; empty: the code
}

type errorForm int

const (
	backupServiceForm errorForm = iota // a FabricError as text/plain, because the service writes it as a string
	gatewayForm                        // a FabricError as application/json
	frameworkForm                      // only a Message, of the framework, where the service handles no error
	reasonForm                         // no body; the code is the reason phrase of the status line
	systemForm                         // an HTML page of the kernel driver in front of the gateway
)

// Errors of the backup service, with the texts of 6.4.
var (
	errAPIVersion        = invalidRequest("Invalid API Version")
	errArguments         = invalidRequest("Invalid Arguments.")
	errArgument          = invalidRequest("Invalid argument")
	errPartitionNotFound = serviceError(http.StatusNotFound, "FABRIC_E_PARTITION_NOT_FOUND",
		"The operation failed because the requested partition does not exist.")
	errServiceDoesNotExist = serviceError(http.StatusNotFound, "FABRIC_E_SERVICE_DOES_NOT_EXIST",
		"Service does not exist.")
	errServiceNotFound = serviceError(http.StatusNotFound, "FABRIC_E_SERVICE_DOES_NOT_EXIST",
		"Service not found")
	errStateless = serviceError(http.StatusBadRequest, "FABRIC_E_INVALID_FOR_STATELESS_SERVICES",
		"Not applicable for stateless or non persisted stateful services.")
	errBackupNotEnabled = serviceError(http.StatusNotFound, "FABRIC_E_BACKUP_NOT_ENABLED",
		"Backup has not been configured/ enabled for this specific partition/ service/ application.")
	errBackupInProgress = serviceError(http.StatusConflict, "FABRIC_E_BACKUP_IN_PROGRESS",
		"Backup already in Progress")

	// errAccessDenied is for a client whose role does not allow the operation.
	errAccessDenied = serviceError(http.StatusForbidden, "E_ACCESSDENIED", "Access Denied.")

	// errPage replaces every error while a page is built, because the code that reports the error
	// indexes a list that is still empty.
	errPage = invalidRequest(indexOutOfRange)

	// errNullList is reported instead of errPage if the list has entries of an earlier storage. It is
	// the original error, of adding a null list.
	errNullList = serviceError(http.StatusInternalServerError, "E_POINTER",
		"Value cannot be null.\r\nParameter name: collection")

	// errContainer is reported in the same case if a container cannot be listed.
	errContainer = &errorResponse{
		status:  http.StatusInternalServerError,
		hresult: hresultIO,
		message: "Unable to enumerate metadata files from the container.",
	}

	// errEnumeration is errPage for a request without MaxResults.
	errEnumeration = serviceError(http.StatusInternalServerError, "E_UNEXPECTED", indexOutOfRange+" ,\r\n")

	// errServiceTimeout is for a timeout parameter that makes the backup service fail before its own
	// error handling begins.
	errServiceTimeout = frameworkError(http.StatusInternalServerError, anError)

	// errBadRequest is for an argument without a value, with which the service cannot be called.
	errBadRequest = frameworkError(http.StatusBadRequest, "The request is invalid.")
)

// The HRESULTs of .NET that have no code by name.
const (
	hresultAggregate = 0x80131500 // of an exception that has others
	hresultFormat    = 0x80131537
	hresultIO        = 0x80131620
)

const indexOutOfRange = "Index was out of range. Must be non-negative and less than the size of the collection.\r\nParameter name: index"

// Errors of the gateway, its forwarding, and the kernel driver in front of it.
var (
	errNoHandler = bareError(http.StatusNotFound, "NotFound", "FABRIC_E_DOES_NOT_EXIST",
		"Nothing is served under this path.")
	errNoTemplate = &errorResponse{
		form: gatewayForm, status: http.StatusBadRequest, code: "E_INVALIDARG",
		message: "The request does not fit the operation.",
	}
	errGatewayTimeout = bareError(http.StatusBadRequest, "", "FABRIC_E_INVALID_ADDRESS",
		"The value of Timeout is not a number.")
	errBodyTooLarge = bareError(http.StatusRequestEntityTooLarge, "Request Entity Too Large", "E_INVALIDARG",
		"The body is larger than 4 MiB.")
	errNoBackupService = bareError(http.StatusNotFound, "", "FABRIC_E_SERVICE_DOES_NOT_EXIST",
		"Service does not exist.")
	errChunkedBody = bareError(http.StatusGatewayTimeout, "", "FABRIC_E_TIMEOUT", "")

	// errCertificateRequired is for a client whose certificate or token the gateway does not accept.
	// It is the same for both.
	errCertificateRequired = bareError(http.StatusForbidden, "Client certificate required", "E_ACCESSDENIED",
		"The client is not known to the cluster.")
	errLengthRequired = &errorResponse{
		form: systemForm, status: http.StatusLengthRequired, code: "E_INVALIDARG",
		message: "The request has no length.",
	}
)

func serviceError(status int, code, message string) *errorResponse {
	return &errorResponse{form: backupServiceForm, status: status, code: code, message: message}
}

// invalidRequest is the error for arguments that are malformed or out of range.
func invalidRequest(message string) *errorResponse {
	return serviceError(http.StatusBadRequest, "E_INVALIDARG", message)
}

func frameworkError(status int, message string) *errorResponse {
	return &errorResponse{form: frameworkForm, status: status, code: "E_INVALIDARG", message: message}
}

// bareError returns an error without a body.
func bareError(status int, reason, code, message string) *errorResponse {
	return &errorResponse{form: reasonForm, status: status, reason: reason, code: code, message: message}
}

// write sends the error as the cluster does.
func (f *errorResponse) write(w http.ResponseWriter, r *http.Request, behavior *behavior) {
	form := f.form
	if behavior.fabricErrorsOnly {
		form = gatewayForm
	}
	if f.form == backupServiceForm && f.status == http.StatusNotFound {
		// Tells the gateway that the target does not exist. Otherwise the gateway would look for
		// the backup service elsewhere.
		w.Header().Set("X-ServiceFabric", "ResourceNotFound")
	}
	switch form {
	case reasonForm:
		handlertransport.WriteStatusLine(w, r, f.status, cmp.Or(f.reason, f.code))
	case frameworkForm:
		body := append(appendString([]byte(`{"Message":`), f.message), '}')
		writeBody(w, f.status, jsonType, body)
	case systemForm:
		w.Header().Set("Connection", "close")
		writeBody(w, f.status, htmlType, []byte(htmlError(f.status)))
	case gatewayForm:
		writeBody(w, f.status, jsonType, f.fabricError(behavior))
	case backupServiceForm:
		writeBody(w, f.status, "text/plain; charset=utf-8", f.fabricError(behavior))
	}
}

const htmlType = "text/html; charset=us-ascii"

// htmlError returns the HTML page that the kernel driver sends with a status.
func htmlError(status int) string {
	text := http.StatusText(status)
	return "<!DOCTYPE HTML>\r\n<HTML><HEAD><TITLE>" + text + "</TITLE></HEAD>\r\n" +
		"<BODY><h2>" + text + "</h2>\r\n<hr><p>HTTP Error " + strconv.Itoa(status) + ".</p>\r\n</BODY></HTML>\r\n"
}

// fabricError returns the error as a FabricError.
func (f *errorResponse) fabricError(behavior *behavior) []byte {
	body := []byte(`{"Error":{"Code":`)
	if f.hresult != 0 && behavior.numericCodes {
		body = strconv.AppendUint(body, uint64(f.hresult), 10)
	} else {
		body = appendString(body, f.code)
	}
	body = append(body, `,"Message":`...)
	body = appendString(body, f.message)
	return append(body, "}}"...)
}

// writeBody sends a response whose whole body is known.
func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	if contentType != "" {
		w.Header().Set("Content-Type", contentType)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = bytes.NewReader(body).WriteTo(w) // fails if the client has gone
}
