package text_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/internal/text"
)

// The user information, the query and the fragment of every URL are gone, however it is written and whatever
// type the error has.
func TestRedactURLs(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"get https://example.com/path?sig=s3cret: EOF":                                  "get https://example.com/path: EOF",
		"get https://user:s3cret@example.com/path: EOF":                                 "get https://example.com/path: EOF",
		"https://us%40er:s3%2Fcr%3Fet@example.com:80":                                   "https://example.com:80",
		"https://a@b:s3cret@example.com?s3cret":                                         "https://example.com",
		"https://example.com/path#s3cret and more":                                      "https://example.com/path and more",
		`{"error":"bad","uri":"https:\/\/example.com\/token?a=b\u0026c=s3cret\u002b"}`:  `{"error":"bad","uri":"https:\/\/example.com\/token"}`,
		`{"uri":"https:\/\/user:s3cret\u0040example.com\/a\u003fs3cret"}`:               `{"uri":"https:\/\/example.com\/a"}`,
		`said "{\"uri\":\"https:\\/\\/example.com\\/a?s3cret\",\"n\":1}"`:               `said "{\"uri\":\"https:\\/\\/example.com\\/a\",\"n\":1}"`,
		`"{\"uri\":\"https://example.com/a?b=c\\u0026d=s3cret\"}"`:                      `"{\"uri\":\"https://example.com/a\"}"`,
		"https://example.com/a?b=c%20d&e=s3cret%22s3cret":                               "https://example.com/a",
		"redirect_uri=https%3A%2F%2Fuser:s3cret%40example.com%2Fa%3Fb%3Ds3cret to go":   "redirect_uri=https%3A%2F%2Fexample.com%2Fa to go",
		"(see https://example.com/?s3cret), <https://example.com/?s3cret> and a://b?c.": "(see https://example.com/), <https://example.com/> and a://b.",
		"first https://a/?s3cret\nthen https://b/?s3cret":                               "first https://a/ then https://b/",
		"postgres://s3cret@/db":                                                         "postgres:///db",
		"no URL: why? a@b.c #1 // ":                                                     "no URL: why? a@b.c #1 // ",
		"https://example.com/why":                                                       "https://example.com/why",
		"://":                                                                           "://",
		`https:\/\/`:                                                                    `https:\/\/`,
		`a https:\`:                                                                     `a https:\`,
		`https://a?\u00`:                                                                `https://a`,
	} {
		inner := errors.New(in)
		got := text.Redact(inner)
		if got.Error() != want || !errors.Is(got, inner) {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
		if want == in && got != inner { //nolint:errorlint // the same
			t.Errorf("%s is another error", in)
		}
	}
	// Also what an error of package url wraps, and what repeats it.
	for _, escape := range []func(string) string{
		func(s string) string { return s }, strconv.Quote,
		func(s string) string { b, _ := json.Marshal(s); return string(b) },
		func(s string) string { return strings.ReplaceAll(s, "/", `\/`) },
	} {
		const secret = "https://example.com/token?a=b&client_secret=s3cret"
		err := fmt.Errorf("%s: %w", escape(secret), &url.Error{Op: "Post", URL: secret, Err: io.EOF})
		if got := text.Redact(err).Error(); strings.Contains(got, "s3cret") || !strings.HasSuffix(got, `Post "https://example.com/token": EOF`) {
			t.Errorf("%v: got %s", err, got)
		}
	}
}
