package contract

import (
	"bufio"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Recording checks the exchanges in an HTTP archive (HAR 1.2), as browsers and proxies write them. An entry
// that matches no operation of the document is a violation too; to ignore requests of other APIs, allow "path" and
// [RuleOperation] for the operation "*". The error joins the violations of all entries. The number of an exchange is its
// place in log.entries, from 1. Of an entry without a response, whose status is 0, the request is checked. The error also has errors that are not violations: if the archive or an entry could not be
// read, for each body that was not recorded, and if nothing was checked, because the archive has no entry or none of
// an operation.
func (v *Validator) Recording(har io.Reader) error {
	out := &report{}
	checked := false
	err := eachEntry(har, func(entry jsontext.Value) {
		out.exchange++
		checked = v.checkEntry(entry, out) || checked
	})
	switch {
	case err != nil:
		err = fmt.Errorf("contract: not a valid HAR file: %w", err)
	case out.exchange == 0:
		err = errors.New("contract: nothing was checked: the HAR file has no entries")
	case !checked:
		err = errors.New("contract: nothing was checked: no entry is of an operation of the document")
	}
	if err != nil {
		out.errs = slices.Insert(out.errs, 0, err)
	}
	return out.err()
}

// eachEntry calls f with each element of log.entries.
func eachEntry(har io.Reader, f func(jsontext.Value)) error {
	buffered := bufio.NewReader(har)
	if mark, _ := buffered.Peek(3); string(mark) == "\ufeff" {
		_, _ = buffered.Discard(3)
	}
	dec := jsontext.NewDecoder(buffered, harOptions)
	if err := member(dec, "log"); err != nil {
		return err
	}
	if err := member(dec, "entries"); err != nil {
		return err
	}
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '[' {
		return cmp.Or(err, errors.New("log.entries is not an array"))
	}
	for dec.PeekKind() != ']' {
		entry, err := dec.ReadValue()
		if err != nil {
			return err
		}
		f(entry)
	}
	return nil
}

// member reads an object up to the value of one of its properties.
func member(dec *jsontext.Decoder, name string) error {
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return cmp.Or(err, fmt.Errorf("found no object with %s", name))
	}
	for dec.PeekKind() == '"' {
		tok, err := dec.ReadToken()
		if err != nil || tok.String() == name {
			return err
		}
		if err := dec.SkipValue(); err != nil {
			return err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	return fmt.Errorf("found no %s", name)
}

// harOptions are tolerant: some tools write names with other capitals, and bodies that are not text.
var harOptions = json.JoinOptions(
	json.MatchCaseInsensitiveNames(true), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// A harEntry has the fields of an exchange that matter here.
type harEntry struct {
	Request struct {
		Method, URL string
		Headers     []harHeader
		BodySize    int64
		PostData    *struct {
			MimeType string
			Text     *string
		}
	}
	Response struct {
		Status  int // 0, or -1 of Playwright: there was no response
		Headers []harHeader
		Content struct {
			Size               int64
			MimeType, Encoding string
			Text               *string // nil: the body was not recorded, or there was none
		}
	}
}

type harHeader struct{ Name, Value string }

// checkEntry checks an exchange. It returns whether the exchange is one of an operation.
func (v *Validator) checkEntry(entry jsontext.Value, out *report) (matched bool) {
	var e harEntry
	err := json.Unmarshal(entry, &e, harOptions)
	var req *http.Request
	if err == nil && e.Request.Method != "" && e.Request.URL != "" {
		req, err = http.NewRequest(e.Request.Method, e.Request.URL, nil) //nolint:noctx // it is never sent
	}
	if err != nil || req == nil {
		out.fail("exchange %d: not a valid entry with a method and a URL", out.exchange)
		return false
	}
	req.Header = harHeaders(e.Request.Headers)
	x := v.exchange(req, out)
	fail := func(problem string) {
		out.fail("exchange %d: %s %s: %s", out.exchange, req.Method, req.URL.EscapedPath(), problem)
	}
	sent := &message{}
	switch post := e.Request.PostData; {
	case post != nil && post.Text != nil && (*post.Text != "" || e.Request.BodySize <= 0): // Playwright writes "" for text that it omits
		sent.data = []byte(*post.Text)
		setDefault(req.Header, post.MimeType)
	case x.matched() && (post != nil || e.Request.BodySize > 0):
		sent.partial = true
		fail("the request body was not recorded")
	}
	x.checkRequest(sent)
	if !x.matched() || e.Response.Status <= 0 {
		return x.matched()
	}

	content := e.Response.Content
	received := &message{}
	switch {
	case content.Text == nil && content.Size != 0:
		received.partial = true
		fail("the response body was not recorded")
	case content.Text != nil && content.Encoding == "base64":
		if received.data, err = base64.StdEncoding.DecodeString(*content.Text); err != nil {
			received.data, received.partial = nil, true
			fail("the response body is not valid base64")
		}
	case content.Text != nil:
		received.data = []byte(*content.Text)
	}
	header := harHeaders(e.Response.Headers)
	header.Del("Content-Encoding") // a HAR file has the body without its compression
	setDefault(header, content.MimeType)
	x.checkResponse(e.Response.Status, header, received)
	return true
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
