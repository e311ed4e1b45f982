package contract

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A message is the body of a request or of a response, as far as it was kept.
type message struct {
	data    []byte
	long    bool  // it was longer than the limit, and data is empty
	partial bool  // data is only the beginning, as far as it is known
	limit   int64 // in bytes
}

// Write implements [io.Writer]. It never fails.
func (m *message) Write(p []byte) (int, error) {
	switch {
	case m.long:
	case int64(len(m.data)+len(p)) > m.limit:
		m.data, m.long = nil, true
	default:
		m.data = append(m.data, p...)
	}
	return len(p), nil
}

// readBody reads a body up to the limit and replaces it with one that reads the same, its error included.
func (v *Validator) readBody(body *io.ReadCloser) (*message, error) {
	m := &message{limit: v.limit}
	if *body == nil || *body == http.NoBody {
		return m, nil
	}
	original := *body
	data, err := io.ReadAll(io.LimitReader(original, v.limit+1))
	if int64(len(data)) > v.limit {
		m.long = true
		*body = &replacedBody{io.MultiReader(bytes.NewReader(data), original), original}
		return m, nil
	}
	m.data = data
	closeErr := original.Close()
	*body = io.NopCloser(bytes.NewReader(data))
	if err != nil {
		*body = io.NopCloser(io.MultiReader(bytes.NewReader(data), errorReader{err}))
	}
	return m, errors.Join(err, closeErr)
}

// A replacedBody is a body that reads something else.
type replacedBody struct {
	io.Reader
	io.Closer
}

// errorReader is a reader that returns an error.
type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

// body checks a body against what the document says of it, nil if it has none.
func (c *check) body(documented *documentedBody, header http.Header, m *message) {
	if m.long {
		c.add(RuleLimit, "expected at most %s, found more, which were not checked", count(m.limit, "byte"))
		return
	}
	data := m.data
	switch {
	case len(data) == 0:
		if !m.partial && documented != nil && len(documented.content) > 0 && documented.required {
			c.add(RuleMissingBody, "expected a body, found none")
		}
		return
	case documented == nil || len(documented.content) == 0:
		c.add(RuleUndocumentedBody, "expected no body, found %s", count(len(data), "byte"))
		return
	}
	contentType := header.Get("Content-Type")
	mediaType, _, err := mime.ParseMediaType(contentType)
	s, isDocumented := documented.content[mediaType]
	c.at("header.", "Content-Type", func() {
		expected := strings.Join(slices.Sorted(maps.Keys(documented.content)), " or ")
		switch {
		case contentType == "":
			c.add(RuleContentType, "expected %s, found none", expected)
		case err != nil || !isDocumented:
			c.add(RuleContentType, "expected %s, found %s", expected, quote(contentType))
		}
	})
	if !isDocumented {
		// The body may still be the documented JSON under the wrong type, and have violations of its own.
		s = documented.content["application/json"]
	}
	if s == nil {
		return // any text is valid
	}
	data, ok := c.plainBody(header.Get("Content-Encoding"), m)
	switch {
	case !ok:
	case mediaType == "text/plain" && !m.partial && isDocumented && !looksLikeJSON(data) && !jsontext.Value(data).IsValid():
		c.add(RuleJSON, "expected JSON, found other text") // such as the 404 of a handler in Go
	case isDocumented || looksLikeJSON(data):
		c.json(s, data, m.partial)
	}
}

// plainBody returns a body without its encoding. If it cannot, ok is false.
func (c *check) plainBody(encoding string, m *message) (data []byte, ok bool) {
	var r io.Reader
	var err error
	switch strings.ToLower(encoding) {
	case "", "identity":
		return m.data, true
	case "gzip", "x-gzip":
		r, err = gzip.NewReader(bytes.NewReader(m.data))
	case "deflate": // which is zlib in RFC 9110, but some send it without the header of zlib
		if r, err = zlib.NewReader(bytes.NewReader(m.data)); err != nil {
			r, err = flate.NewReader(bytes.NewReader(m.data)), nil
		}
	default:
		return nil, false // whoever asked for it knows it
	}
	if err == nil {
		data, err = io.ReadAll(io.LimitReader(r, m.limit+1))
	}
	switch {
	case err != nil && m.partial:
		return nil, false
	case err != nil:
		c.at("header.", "Content-Encoding", func() {
			c.add(RuleEncoding, "expected a body that is encoded as %s, found a corrupt one", quote(encoding))
		})
		return nil, false
	case int64(len(data)) > m.limit:
		c.add(RuleLimit, "expected at most %s, found more after decompression, which were not checked", count(m.limit, "byte"))
		return nil, false
	}
	return data, true
}

// looksLikeJSON distinguishes JSON from an HTML page or plain text by its first character.
func looksLikeJSON(body []byte) bool {
	text := bytes.TrimLeft(body[:min(len(body), 64)], " \t\r\n")
	return bytes.HasPrefix(text, []byte("{")) || bytes.HasPrefix(text, []byte("[")) || bytes.HasPrefix(text, []byte("null"))
}
