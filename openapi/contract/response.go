package contract

import (
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// emptyBody is the extension of a response object whose body may be missing. OpenAPI has no word for
// it.
const emptyBody = "x-empty-body"

// checkResponse returns the violations of an answer with the given body.
func (v *Validator) checkResponse(o *operation, req *http.Request, resp *http.Response, body []byte) []*Violation {
	c := &check{operation: o.id, where: InResponse, off: v.off, covered: v.covered}
	v.covered.status(o, resp.StatusCode)
	c.response(o, req, resp, body)
	return c.sorted()
}

func (c *check) response(o *operation, req *http.Request, resp *http.Response, body []byte) {
	want := o.responses.Status(resp.StatusCode)
	if want == nil && resp.StatusCode >= http.StatusBadRequest {
		want = o.responses.Default() // which describes failures
	}
	if want == nil {
		c.add("status", RuleStatus, "expected %s or a failure, found %d", documentedStatuses(o), resp.StatusCode)
		return
	}
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		if !accepts(req, encoding) {
			c.add("header.Content-Encoding", RuleEncoding, "expected none, found %s", show(encoding))
		}
		plain, err := gunzip(body)
		if err != nil {
			return
		}
		body = plain
	}
	switch {
	case len(want.Value.Content) == 0 && len(body) > 0:
		c.add("", RuleNoBody, "expected no body, found %d bytes", len(body))
	case len(want.Value.Content) == 0:
	case len(body) > 0:
		c.body(want.Value.Content, resp.Header.Get("Content-Type"), body)
	case want.Value.Extensions[emptyBody] == nil:
		c.add("", RuleBody, "expected a body, found none")
	}
}

// accepts reports whether a request asks for an encoding of the answer.
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

// body checks a body that is there.
func (c *check) body(content openapi3.Content, contentType string, body []byte) {
	const at = "header.Content-Type"
	mediaType, _, err := mime.ParseMediaType(contentType)
	media := content[mediaType]
	switch {
	case contentType == "":
		c.add(at, RuleContentType, "expected %s, found none", documentedTypes(content))
	case err != nil || media == nil:
		c.add(at, RuleContentType, "expected %s, found %s", documentedTypes(content), show(contentType))
	}
	if media == nil {
		// Under another name it may still be what is documented, and wrong in more than the name.
		if media = content["application/json"]; media == nil || !looksLikeJSON(body) {
			return
		}
	}
	if media.Schema == nil || media.Schema.Value.Type.Is("string") {
		return // a text, and any text will do
	}
	if value, ok := c.decode(body); ok {
		c.value(media.Schema, value, "")
	}
}

// looksLikeJSON tells an object from a page for people.
func looksLikeJSON(body []byte) bool {
	text := strings.TrimLeft(string(body[:min(len(body), 64)]), " \t\r\n")
	return strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") || strings.HasPrefix(text, "null")
}

func documentedTypes(content openapi3.Content) string {
	var types []string
	for t := range content {
		types = append(types, t)
	}
	slices.Sort(types)
	return strings.Join(types, " or ")
}

func documentedStatuses(o *operation) string {
	var statuses []string
	for s := range o.responses.Map() {
		if s != "default" {
			statuses = append(statuses, s)
		}
	}
	slices.Sort(statuses)
	return strings.Join(statuses, ", ")
}
