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

	// hresult, if not zero, is sent in place of the code.
	hresult uint32

	// reason is the reason phrase of an error without a body. Empty: the code.
	reason string
}

type errorForm int

const (
	// backupServiceForm: a FabricError with the content type text/plain, because the backup service
	// writes it as a string.
	backupServiceForm errorForm = iota

	// gatewayForm: a FabricError as application/json.
	gatewayForm

	// frameworkForm: an object with nothing but a Message. The framework of the backup service sends
	// it when the service does not handle an error.
	frameworkForm

	// reasonForm: no body. The code is the reason phrase of the status line.
	reasonForm

	// systemForm: an HTML page of the kernel driver in front of the gateway.
	systemForm
)

// Errors of the backup service, with the texts of 6.4.
var (
	errAPIVersion      = invalidRequest("Invalid API Version")
	errArguments       = invalidRequest("Invalid Arguments.")
	errArgument        = invalidRequest("Invalid argument")
	errPartitionFormat = &errorResponse{
		status:  http.StatusInternalServerError,
		hresult: 0x80131537, // COR_E_FORMAT, which has no code by name
		message: "Guid should contain 32 digits with 4 dashes (xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx).",
	}
	errPartitionNotFound = &errorResponse{
		status:  http.StatusNotFound,
		code:    "FABRIC_E_PARTITION_NOT_FOUND",
		message: "The operation failed because the requested partition does not exist.",
	}
	errServiceDoesNotExist = &errorResponse{
		status:  http.StatusNotFound,
		code:    "FABRIC_E_SERVICE_DOES_NOT_EXIST",
		message: "Service does not exist.",
	}
	errStateless = &errorResponse{
		status:  http.StatusBadRequest,
		code:    "FABRIC_E_INVALID_FOR_STATELESS_SERVICES",
		message: "Not applicable for stateless or non persisted stateful services.",
	}
	errBackupNotEnabled = &errorResponse{
		status:  http.StatusNotFound,
		code:    "FABRIC_E_BACKUP_NOT_ENABLED",
		message: "Backup has not been configured/ enabled for this specific partition/ service/ application.",
	}
	errBackupInProgress = &errorResponse{
		status:  http.StatusConflict,
		code:    "FABRIC_E_BACKUP_IN_PROGRESS",
		message: "Backup already in Progress",
	}

	// errPage replaces every error while a page is built, because the code that reports the error
	// indexes a list that is still empty.
	errPage = invalidRequest(indexOutOfRange)

	// errNullList is reported instead of errPage if the list has entries of an earlier storage. It is
	// the original error, of adding a null list.
	errNullList = &errorResponse{
		status:  http.StatusInternalServerError,
		code:    "E_POINTER",
		message: "Value cannot be null.\r\nParameter name: collection",
	}
	// errContainer is reported in the same case if a container cannot be listed.
	errContainer = &errorResponse{
		status:  http.StatusInternalServerError,
		hresult: 0x80131620, // COR_E_IO, which has no code by name
		message: "Unable to enumerate metadata files from the container.",
	}

	// errEnumeration is errPage for a request without MaxResults.
	errEnumeration = &errorResponse{
		status:  http.StatusInternalServerError,
		code:    "E_UNEXPECTED",
		message: indexOutOfRange + " ,\r\n",
	}

	// errServiceTimeout is for a timeout parameter that makes the backup service fail before its own
	// error handling begins.
	errServiceTimeout = &errorResponse{
		status:  http.StatusInternalServerError,
		form:    frameworkForm,
		code:    "E_INVALIDARG",
		message: "An error has occurred.",
	}
)

const indexOutOfRange = "Index was out of range. Must be non-negative and less than the size of the collection.\r\nParameter name: index"

// Errors of the gateway and its forwarding.
var (
	errNoHandler = &errorResponse{
		status:  http.StatusNotFound,
		form:    reasonForm,
		code:    "FABRIC_E_DOES_NOT_EXIST",
		message: "Nothing is served under this path.",
		reason:  "NotFound",
	}
	errNoTemplate = &errorResponse{
		status:  http.StatusBadRequest,
		form:    gatewayForm,
		code:    "E_INVALIDARG",
		message: "The request does not fit the operation.",
	}
	errGatewayTimeout = &errorResponse{
		status:  http.StatusBadRequest,
		form:    reasonForm,
		code:    "FABRIC_E_INVALID_ADDRESS",
		message: "The value of Timeout is not a number.",
	}
	errBodyTooLarge = &errorResponse{
		status:  http.StatusRequestEntityTooLarge,
		form:    reasonForm,
		code:    "E_INVALIDARG",
		message: "The body is larger than 4 MiB.",
		reason:  http.StatusText(http.StatusRequestEntityTooLarge),
	}
	errNoBackupService = &errorResponse{
		status:  http.StatusNotFound,
		form:    reasonForm,
		code:    "FABRIC_E_SERVICE_DOES_NOT_EXIST",
		message: "Service does not exist.",
	}
	errChunkedBody = &errorResponse{
		status: http.StatusGatewayTimeout,
		form:   reasonForm,
		code:   "FABRIC_E_TIMEOUT",
	}
)

// Errors about the client.
var (
	// errCertificateRequired is for a client whose certificate or token the gateway does not accept.
	// It is the same for both.
	errCertificateRequired = &errorResponse{
		status:  http.StatusForbidden,
		form:    reasonForm,
		code:    "E_ACCESSDENIED",
		message: "The client is not known to the cluster.",
		reason:  "Client certificate required",
	}
	// errAccessDenied is for a client whose role does not allow the operation.
	errAccessDenied = &errorResponse{
		status:  http.StatusForbidden,
		code:    "E_ACCESSDENIED",
		message: "Access Denied.",
	}
	// errLengthRequired is an error of the kernel driver in front of the gateway.
	errLengthRequired = &errorResponse{
		status:  http.StatusLengthRequired,
		form:    systemForm,
		code:    "E_INVALIDARG",
		message: "The request has no length.",
	}
)

// invalidRequest is the error for arguments that are malformed or out of range.
func invalidRequest(message string) *errorResponse {
	return &errorResponse{status: http.StatusBadRequest, code: "E_INVALIDARG", message: message}
}

// unsupportedMediaType is the error for a body whose content type is not JSON.
func unsupportedMediaType(message string) *errorResponse {
	return &errorResponse{
		status:  http.StatusUnsupportedMediaType,
		form:    frameworkForm,
		code:    "E_INVALIDARG",
		message: message,
	}
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
		writeBody(w, f.status, jsonType, f.fabricError())
	case backupServiceForm:
		writeBody(w, f.status, "text/plain; charset=utf-8", f.fabricError())
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
func (f *errorResponse) fabricError() []byte {
	body := []byte(`{"Error":{"Code":`)
	if f.hresult != 0 {
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
