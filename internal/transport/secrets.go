package transport

import (
	"cmp"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/servicefabric-go/backup/internal/text"
)

// maxSecrets is how many secrets are kept, the latest ones.
const maxSecrets = 1024

// secrets are what requests have sent, and texts of servers may repeat. The zero value has none.
type secrets struct {
	mu    sync.Mutex
	order []string                 // as they came
	known atomic.Pointer[[]string] // the longest one first
}

func (s *secrets) list() []string {
	if known := s.known.Load(); known != nil {
		return *known
	}
	return nil
}

// add keeps secrets, and those that are in them.
func (s *secrets) add(values ...string) {
	for _, value := range values {
		if value == "" {
			continue
		}
		s.mu.Lock()
		if i := slices.Index(s.order, value); i >= len(s.order)/2 {
			s.mu.Unlock()
			continue // it is among the latest
		}
		for _, secret := range append(innerSecrets(value), value) {
			if i := slices.Index(s.order, secret); i >= 0 {
				s.order = slices.Delete(s.order, i, i+1)
			}
			s.order = append(s.order, secret)
		}
		s.order = slices.Clone(s.order[max(0, len(s.order)-maxSecrets):])
		known := slices.SortedFunc(slices.Values(s.order), func(a, b string) int { return cmp.Compare(len(b), len(a)) })
		s.known.Store(&known)
		s.mu.Unlock()
	}
}

// innerSecrets returns the secrets in a connection string, which a server may repeat alone.
func innerSecrets(value string) []string {
	var inner []string
	for part := range strings.SplitSeq(value, ";") {
		switch name, value, _ := strings.Cut(part, "="); strings.TrimSpace(text.ToLower(name)) {
		case "accountkey":
			inner = append(inner, value)
		case "sharedaccesssignature":
			inner = append(inner, value)
			if query, err := url.ParseQuery(value); err == nil && query.Has("sig") {
				inner = append(inner, query.Get("sig"))
			}
		}
	}
	return inner
}

func (s *secrets) redact(line string) string { return text.Hide(line, s.list()) }

// redactCode is redact for an error code, which stays one if a secret is a word in it.
func (s *secrets) redactCode(code string) string {
	if isCode(code) && !slices.Contains(s.list(), code) {
		return code
	}
	return s.redact(code)
}

// redactError returns an error without secrets in its text. errors.Is and errors.As find in it what they find
// in err.
func (s *secrets) redactError(err error) error {
	if err == nil {
		return nil
	}
	line := err.Error()
	clean := s.redact(line)
	if clean == line {
		return err
	}
	return &secretError{clean, func() error { return err }}
}

// secretError hides an error whose text has secrets. Unlike an error that wraps it, it does not hand it out.
type secretError struct {
	text  string
	inner func() error
}

func (e *secretError) Error() string        { return e.text }
func (e *secretError) Is(target error) bool { return errors.Is(e.inner(), target) }
func (e *secretError) As(target any) bool   { return errors.As(e.inner(), target) }

// redactedBody is the body of a response. The errors of reading it may quote it.
type redactedBody struct {
	io.ReadCloser
	secrets *secrets
}

func (b *redactedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // as readers return it
		err = b.secrets.redactError(err)
	}
	return n, err
}

// Redact returns a text without the secrets that were sent.
func (t *Transport) Redact(line string) string { return t.credentials.secrets.redact(line) }

// RedactCode is Redact for an error code. It keeps what has the form of one, unless all of it is a secret.
func (t *Transport) RedactCode(code string) string { return t.credentials.secrets.redactCode(code) }

// RedactError returns an error whose text has none of the secrets that were sent. errors.Is and errors.As find
// in it what they find in err.
func (t *Transport) RedactError(err error) error { return t.credentials.secrets.redactError(err) }
