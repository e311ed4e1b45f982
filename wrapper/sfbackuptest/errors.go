package sfbackuptest

import (
	"bytes"
	"cmp"
	"net/http"
	"strconv"

	"github.com/servicefabric-go/backup/internal/handlertransport"
)

// failure is an answer that is an error. Who makes it decides its form on the
// wire, see [errorResponse.write].
type errorResponse struct {
	status  int
	form    errorForm
	code    string
	message string

	// hresult, if not zero, is sent in place of the code.
	hresult uint32

	// reason is the reason phrase of an error that has no other content.
	// Empty: the code.
	reason string
}

type errorForm int

const (
	// backupServiceForm: a FabricError that the backup service calls
	// text/plain, because it writes it as a string.
	backupServiceForm errorForm = iota

	// gatewayForm: a FabricError as application/json.
	gatewayForm

	// frameworkForm: the object of a single Message that the backup service's
	// framework makes when the service does not catch an error itself.
	frameworkForm

	// reasonForm: no body. The code is in the status line, as the reason
	// phrase.
	reasonForm

	// systemForm: the page for people that the kernel driver in front of the
	// gateway makes of an error.
	systemForm
)

// Errors of the backup service, with the texts of 6.4.
var (
	errAPIVersion = &errorResponse{
		status:  http.StatusBadRequest,
		code:    "E_INVALIDARG",
		message: "Invalid API Version",
	}
	errArguments = &errorResponse{
		status:  http.StatusBadRequest,
		code:    "E_INVALIDARG",
		message: "Invalid Arguments.",
	}
	errArgument = &errorResponse{
		status:  http.StatusBadRequest,
		code:    "E_INVALIDARG",
		message: "Invalid argument",
	}
	errPartitionFormat = &errorResponse{
		status:  http.StatusInternalServerError,
		hresult: 0x80131537, // COR_E_FORMAT, for which there is no name
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

	// errPage is what becomes of an error while a page is put together: the
	// code that reports it writes into a list that is still empty.
	errPage = &errorResponse{
		status:  http.StatusBadRequest,
		code:    "E_INVALIDARG",
		message: indexOutOfRange,
	}

	// errNoList is the same when an earlier storage has put something into the
	// list: it is the error itself then, that of adding a list that is null.
	errNoList = &errorResponse{
		status:  http.StatusInternalServerError,
		code:    "E_POINTER",
		message: "Value cannot be null.\r\nParameter name: collection",
	}
	// errContainer is the same for a container that could not be listed.
	errContainer = &errorResponse{
		status:  http.StatusInternalServerError,
		hresult: 0x80131620, // COR_E_IO, for which there is no name
		message: "Unable to enumerate metadata files from the container.",
	}

	// errEnumeration is the same mistake when everything was asked for.
	errEnumeration = &errorResponse{
		status:  http.StatusInternalServerError,
		code:    "E_UNEXPECTED",
		message: indexOutOfRange + " ,\r\n",
	}

	// errServiceTimeout is a timeout parameter that the backup service stumbles over
	// before it begins to report errors of its own.
	errServiceTimeout = &errorResponse{
		status:  http.StatusInternalServerError,
		form:    frameworkForm,
		code:    "E_INVALIDARG",
		message: "An error has occurred.",
	}
)

const indexOutOfRange = "Index was out of range. Must be non-negative and less than the size of the collection.\r\nParameter name: index"

// Errors of the gateway and of what it uses to forward a request.
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
	errBodyGarbled = &errorResponse{
		status: http.StatusGatewayTimeout,
		form:   reasonForm,
		code:   "FABRIC_E_TIMEOUT",
	}
)

// Errors of who watches the door.
var (
	// errCertificateRequired is a client that the gateway does not know, by
	// its certificate or by its token. What it says is the same for both.
	errCertificateRequired = &errorResponse{
		status:  http.StatusForbidden,
		form:    reasonForm,
		code:    "E_ACCESSDENIED",
		message: "The client is not known to the cluster.",
		reason:  "Client certificate required",
	}
	// errAccessDenied is a client whose role does not allow the operation.
	errAccessDenied = &errorResponse{
		status:  http.StatusForbidden,
		code:    "E_ACCESSDENIED",
		message: "Access Denied.",
	}
	// errLengthRequired is an answer of the kernel driver in front of the
	// gateway.
	errLengthRequired = &errorResponse{
		status:  http.StatusLengthRequired,
		form:    systemForm,
		code:    "E_INVALIDARG",
		message: "The request has no length.",
	}
)

// invalidRequest is the error for arguments that the backup service cannot
// read or that are out of range.
func invalidRequest(message string) *errorResponse {
	return &errorResponse{status: http.StatusBadRequest, code: "E_INVALIDARG", message: message}
}

// unsupportedMediaType is the error for a body that is not said to be JSON.
func unsupportedMediaType(message string) *errorResponse {
	return &errorResponse{
		status:  http.StatusUnsupportedMediaType,
		form:    frameworkForm,
		code:    "E_INVALIDARG",
		message: message,
	}
}

// write sends the error as the cluster does.
func (f *errorResponse) write(w http.ResponseWriter, r *http.Request, c *behavior) {
	form := f.form
	if c.fabricErrorsOnly {
		form = gatewayForm
	}
	if f.form == backupServiceForm && f.status == http.StatusNotFound {
		// Tells the gateway that a thing does not exist, where it would
		// otherwise look for the backup service elsewhere.
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

// htmlError returns the page that the kernel driver sends with a status.
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
