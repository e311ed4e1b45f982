package contract_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/openapi"
)

// Many entries that cannot be checked do not hide that the rest is missing, and those that are not named are counted.
func TestRecordingWithManyErrors(t *testing.T) {
	t.Parallel()
	v := newValidator(t, openapi.Runtime)
	entry := `{"request":{"method":"GET","url":"http://h` + progressURL + `"},"response":{"status":200,"content":{"size":1}}}`
	text := fmt.Sprint(v.Recording(strings.NewReader(`{"log":{"entries":[` + strings.Repeat(entry+",", 1500))))
	if !strings.Contains(text, "not a valid HAR file") {
		t.Errorf("the error of the file is missing in an error of %d bytes", len(text))
	}
	err := v.Recording(strings.NewReader(`{"log":{"entries":[` + strings.Repeat(entry+",", 1499) + entry + `]}}`))
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined); len(joined.Unwrap()) != 1001 {
		t.Errorf("%d errors", len(joined.Unwrap()))
	}
}

// An error of a recording is one line.
func TestRecordingErrorIsOneLine(t *testing.T) {
	t.Parallel()
	err := newValidator(t, openapi.Runtime).Recording(strings.NewReader(
		`{"log":{"entries":[{"request":{"method":"GET","url":"http://h/a%0Ab` + progressURL + `"},"response":{"status":200,"content":{"size":1}}}]}}`))
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

// Playwright records a request without a response with the status -1.
func TestRecordingWithoutResponse(t *testing.T) {
	t.Parallel()
	if err := newValidator(t, openapi.Runtime).Recording(strings.NewReader(
		`{"log":{"entries":[{"request":{"method":"GET","url":"http://h` + progressURL + `","bodySize":-1},"response":{"status":-1,"headers":[],"content":{"size":-1,"mimeType":"x-unknown"}}}]}}`)); err != nil {
		t.Error(err)
	}
}

// Playwright writes the text of a request body that it keeps elsewhere, or not at all, as "".
func TestRecordingWithEmptyText(t *testing.T) {
	t.Parallel()
	err := newValidator(t, openapi.Runtime).Recording(strings.NewReader(
		`{"log":{"entries":[{"request":{"method":"POST","url":"http://h` + startURL + `","bodySize":13,"postData":{"mimeType":"application/json","text":"","params":[],"_file":"a.json"}},"response":{"status":202,"content":{"size":0}}}]}}`))
	if err == nil || !strings.Contains(err.Error(), "the request body was not recorded") {
		t.Errorf("got %v", err)
	}
}
