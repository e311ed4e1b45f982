package contract

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Recording checks the exchanges in an HTTP archive (HAR 1.2), as browsers and proxies write them. An entry
// that matches no operation of the document is a violation too. A response whose body the archive leaves out
// is not checked. The error joins the violations of all entries, each prefixed with the zero-based index of
// its entry. It also has errors that are not violations, if the archive or an entry could not be read.
func (v *Validator) Recording(har io.Reader) error {
	var archive struct{ Log struct{ Entries []harEntry } }
	if err := json.NewDecoder(har).Decode(&archive); err != nil {
		return fmt.Errorf("contract: not a valid HAR file: %w", err)
	}
	var errs []error
	for i, e := range archive.Log.Entries {
		violations, err := v.checkEntry(&e)
		if err != nil {
			errs = append(errs, fmt.Errorf("entry %d: %w", i, err))
		}
		for _, violation := range violations {
			errs = append(errs, fmt.Errorf("entry %d: %w", i, violation))
		}
	}
	return errors.Join(errs...)
}

// A harEntry has the fields of an exchange that matter here.
type harEntry struct {
	Request struct {
		Method, URL string
		Headers     []harHeader
		PostData    *struct{ MimeType, Text string }
	}
	Response struct {
		Status  int // 0: there was no response
		Headers []harHeader
		Content struct {
			Size               int64
			MimeType, Encoding string
			Text               *string // nil: the body was not recorded, or there was none
		}
	}
}

type harHeader struct{ Name, Value string }

// checkEntry returns the violations of an exchange. It returns an error if the entry cannot be read.
func (v *Validator) checkEntry(e *harEntry) ([]*Violation, error) {
	req, err := http.NewRequest(e.Request.Method, e.Request.URL, nil) //nolint:noctx // it is never sent
	if err != nil {
		return nil, errors.New("the request has no valid method or URL")
	}
	req.Header = harHeaders(e.Request.Headers)
	var requestBody []byte
	if post := e.Request.PostData; post != nil {
		requestBody = []byte(post.Text)
		setDefault(req.Header, post.MimeType)
	}
	violations := v.checkRequest(req, requestBody)

	content := e.Response.Content
	var body []byte
	if content.Text != nil {
		body = []byte(*content.Text)
	}
	if content.Encoding == "base64" {
		if body, err = io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(body))); err != nil {
			return nil, errors.New("the response body is not valid base64")
		}
	}
	o := v.route(req).operation
	switch {
	case o == nil || e.Response.Status == 0:
		return violations, nil
	case content.Text == nil && content.Size != 0:
		v.coverage.countStatus(o, e.Response.Status)
		return violations, nil
	}
	header := harHeaders(e.Response.Headers)
	header.Del("Content-Encoding") // a HAR file has the body without its compression
	setDefault(header, content.MimeType)
	resp := &http.Response{StatusCode: e.Response.Status, Header: header}
	return append(violations, v.checkResponse(o, req, resp, body)...), nil
}

func harHeaders(list []harHeader) http.Header {
	header := http.Header{}
	for _, h := range list {
		header.Add(h.Name, h.Value)
	}
	return header
}

// setDefault sets the content type that a HAR file has outside the headers, if they have none.
func setDefault(header http.Header, contentType string) {
	if header.Get("Content-Type") == "" && contentType != "" {
		header.Set("Content-Type", contentType)
	}
}
