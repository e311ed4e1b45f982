package text_test

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/internal/text"
)

func TestOneLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                             "",
		" a \r\n\tb ":                  "a b",
		"a\u2028b\x1b[31mc\u200bd":     "a b [31mc d",
		"\xff\xfe\xfda\xff":            "\ufffda\ufffd",
		strings.Repeat("x", 300):       strings.Repeat("x", 300),
		strings.Repeat("x", 301):       strings.Repeat("x", 300) + "…",
		strings.Repeat("é", 150):       strings.Repeat("é", 150),
		"x" + strings.Repeat("é", 150): "x" + strings.Repeat("é", 149) + "…",
	} {
		if got := text.OneLine(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// The queries and the user information of all URLs are gone, wherever an error repeats them, and errors.Is
// still finds what is in it.
func TestRedact(t *testing.T) {
	t.Parallel()
	secret := &url.Error{Op: "Get", URL: "https://user:pw@example.com/path?sig=s3cret", Err: io.EOF}
	for _, err := range []error{
		secret,
		fmt.Errorf("first: %w", secret),
		errors.Join(errors.New("a\nb"), fmt.Errorf("at %s: %w", secret.URL, secret)),
	} {
		got := text.Redact(err)
		if line := got.Error(); strings.Contains(line, "s3cret") || strings.Contains(line, "pw") || strings.Contains(line, "\n") || !strings.Contains(line, "https://example.com/path") {
			t.Errorf("got %q", line)
		}
		if !errors.Is(got, io.EOF) || !errors.Is(got, secret) {
			t.Errorf("%v has lost its causes", got)
		}
	}
	if plain := errors.New("nothing to hide"); text.Redact(plain) != plain { //nolint:errorlint // the same
		t.Error("an error without a URL is changed")
	}
}
