package text

import (
	"net/url"
	"strconv"
	"strings"
)

// Redact returns an error whose text has one line and shows neither the user information nor the queries nor
// the fragments of the URLs in it. errors.Is and errors.As find in it what they find in err.
func Redact(err error) error {
	original := err.Error()
	clean := original
	eachURLError(err, func(e *url.Error) {
		short := "a URL"
		if u, err := url.Parse(e.URL); err == nil {
			short = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
		}
		if e.URL != "" {
			// A url.Error prints its URL quoted; wrappers may repeat it bare.
			clean = strings.ReplaceAll(clean, strconv.Quote(e.URL), strconv.Quote(short))
			clean = strings.ReplaceAll(clean, e.URL, short)
		}
	})
	if clean = flatten(stripURLs(clean)); clean == original {
		return err
	}
	return &redactedError{clean, err}
}

// eachURLError calls visit with every url.Error in the tree of an error.
func eachURLError(err error, visit func(*url.Error)) {
	if e, ok := err.(*url.Error); ok { //nolint:errorlint // the tree is walked here
		visit(e)
	}
	switch e := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			eachURLError(inner, visit)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			eachURLError(inner, visit)
		}
	}
}

// redactedError is an error with another text.
type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string { return e.text }

func (e *redactedError) Unwrap() error { return e.err }
