package sfbackup

import (
	"net/url"
	"strconv"
	"strings"
)

// withoutURLs returns an error that does not show the user information and the queries of the URLs in
// it. Those of this package's own requests never get that far; token sources and middleware have
// requests of their own.
func withoutURLs(err error) error {
	text := err.Error()
	clean := text
	eachURLError(err, func(e *url.Error) {
		short := "a URL"
		if u, err := url.Parse(e.URL); err == nil {
			short = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
		}
		if e.URL != "" {
			// The first is as a url.Error prints it.
			clean = strings.ReplaceAll(clean, strconv.Quote(e.URL), strconv.Quote(short))
			clean = strings.ReplaceAll(clean, e.URL, short)
		}
	})
	if clean = flatten(clean); clean == text {
		return err
	}
	return &cleanError{clean, err}
}

// flatten makes one line of a text, at its full length.
func flatten(text string) string {
	if !strings.ContainsAny(text, "\r\n\t") {
		return text
	}
	return strings.Join(strings.Fields(text), " ")
}

// eachURLError calls a function with every url.Error in the tree of an error.
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

// cleanError is an error with another text.
type cleanError struct {
	text string
	err  error
}

func (e *cleanError) Error() string { return e.text }

func (e *cleanError) Unwrap() error { return e.err }
