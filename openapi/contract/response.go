package contract

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// emptyBodyExtension is the extension of a response object whose body may be missing. OpenAPI has no
// keyword for that.
const emptyBodyExtension = "x-empty-body"

// checkResponse returns the violations of a response with the given body.
func (v *Validator) checkResponse(o *operation, req *http.Request, resp *http.Response, body []byte) []*Violation {
	c := &check{operation: o.id, side: InResponse, disabled: v.disabled, coverage: v.coverage}
	v.coverage.countStatus(o, resp.StatusCode)
	c.response(o, req, resp, body)
	return c.result()
}

func (c *check) response(o *operation, req *http.Request, resp *http.Response, body []byte) {
	documented := o.responses.Status(resp.StatusCode)
	if documented == nil && resp.StatusCode >= http.StatusBadRequest {
		documented = o.responses.Default() // the document describes errors only by it
	}
	if documented == nil {
		c.add("status", RuleStatus, "expected %s, found %d", documentedStatuses(o), resp.StatusCode)
		return
	}
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		if !accepts(req, encoding) {
			c.add("header.Content-Encoding", RuleEncoding, "expected an encoding that the request accepts, found %s", quote(encoding))
		}
		plain, err := gunzip(body)
		if err != nil {
			return
		}
		body = plain
	}
	required := documented.Value.Extensions[emptyBodyExtension] == nil
	c.body(documented.Value.Content, required, resp.Header.Get("Content-Type"), body)
}

// accepts reports whether a request accepts an encoding of the response.
func accepts(req *http.Request, encoding string) bool {
	for _, values := range req.Header.Values("Accept-Encoding") {
		for value := range strings.SplitSeq(values, ",") {
			name, weight, _ := strings.Cut(value, ";")
			if strings.EqualFold(strings.TrimSpace(name), encoding) && strings.Trim(strings.TrimSpace(weight), "0.") != "q=" {
				return true
			}
		}
	}
	return false
}

func gunzip(body []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// body checks a body of one of the documented content types, if there are any.
func (c *check) body(content openapi3.Content, required bool, contentType string, body []byte) {
	switch {
	case len(body) == 0:
		if len(content) > 0 && required {
			c.add("", RuleMissingBody, "expected a body, found none")
		}
		return
	case len(content) == 0:
		c.add("", RuleUndocumentedBody, "expected no body, found %s", count(len(body), "byte"))
		return
	}
	const location = "header.Content-Type"
	mediaType, _, err := mime.ParseMediaType(contentType)
	media := content[mediaType]
	switch {
	case contentType == "":
		c.add(location, RuleContentType, "expected %s, found none", documentedTypes(content))
	case err != nil || media == nil:
		c.add(location, RuleContentType, "expected %s, found %s", documentedTypes(content), quote(contentType))
	}
	if media == nil {
		// The body may still be the documented JSON under the wrong type, and have violations of its own.
		if media = content["application/json"]; media == nil || !looksLikeJSON(body) {
			return
		}
	}
	if media.Schema == nil || media.Schema.Value.Type.Is("string") {
		return // any text is valid
	}
	if value, ok := c.decode(body); ok {
		c.value(media.Schema, value, "")
	}
}

// looksLikeJSON distinguishes JSON from an HTML page or plain text by its first character.
func looksLikeJSON(body []byte) bool {
	text := strings.TrimLeft(string(body[:min(len(body), 64)]), " \t\r\n")
	return strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") || strings.HasPrefix(text, "null")
}

func documentedTypes(content openapi3.Content) string {
	return strings.Join(slices.Sorted(maps.Keys(content)), " or ")
}

func documentedStatuses(o *operation) string {
	statuses := slices.Sorted(maps.Keys(o.responses.Map()))
	if i := slices.Index(statuses, "default"); i >= 0 { // it sorts after the numbers
		statuses[i] = "an error status"
	}
	return strings.Join(statuses, " or ")
}
