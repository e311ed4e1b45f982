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

// Recording checks the exchanges of an HTTP archive, a HAR file of version 1.2 as browsers and
// proxies write it. Entries that are not for an operation of the document are violations too. The
// error joins the violations of all entries, each with the number of its entry.
func (v *Validator) Recording(har io.Reader) error {
	var archive struct {
		Log struct {
			Entries []struct {
				Request struct {
					Method, URL string
					Headers     []harHeader
					PostData    *struct{ MimeType, Text string }
				}
				Response struct {
					Status  int
					Headers []harHeader
					Content struct {
						Size               int64
						MimeType, Encoding string
						Text               *string // nil: the body was not recorded, or there was none
					}
				}
			}
		}
	}
	if err := json.NewDecoder(har).Decode(&archive); err != nil {
		return fmt.Errorf("contract: the recording is not a HAR file: %w", err)
	}
	var errs []error
	for i, e := range archive.Log.Entries {
		req, err := http.NewRequest(e.Request.Method, e.Request.URL, nil) //nolint:noctx // it is never sent
		if err != nil {
			errs = append(errs, fmt.Errorf("entry %d: the request has no method or no URL", i))
			continue
		}
		req.Header = harHeaders(e.Request.Headers)
		var requestBody []byte
		if post := e.Request.PostData; post != nil {
			requestBody = []byte(post.Text)
			setDefault(req.Header, post.MimeType)
		}
		violations := v.checkRequest(req, requestBody)

		// What a HAR file holds is what came out of the compression.
		header := harHeaders(e.Response.Headers)
		header.Del("Content-Encoding")
		setDefault(header, e.Response.Content.MimeType)
		var body []byte
		if text := e.Response.Content.Text; text != nil {
			body = []byte(*text)
		}
		if e.Response.Content.Encoding == "base64" {
			if body, err = io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(body))); err != nil {
				errs = append(errs, fmt.Errorf("entry %d: the answer's body is not base64", i))
				continue
			}
		}
		// Status 0 is an exchange without an answer.
		if o := v.route(req).operation; o != nil && e.Response.Status != 0 {
			if e.Response.Content.Text == nil && e.Response.Content.Size != 0 {
				v.covered.status(o, e.Response.Status)
			} else {
				resp := &http.Response{StatusCode: e.Response.Status, Header: header}
				violations = append(violations, v.checkResponse(o, req, resp, body)...)
			}
		}
		for _, violation := range violations {
			errs = append(errs, fmt.Errorf("entry %d: %w", i, violation))
		}
	}
	return errors.Join(errs...)
}

type harHeader struct{ Name, Value string }

func harHeaders(list []harHeader) http.Header {
	header := http.Header{}
	for _, h := range list {
		header.Add(h.Name, h.Value)
	}
	return header
}

// setDefault sets the content type that is only said beside the headers.
func setDefault(header http.Header, contentType string) {
	if header.Get("Content-Type") == "" && contentType != "" {
		header.Set("Content-Type", contentType)
	}
}
