package text_test

import (
	"encoding/json"
	"html"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/internal/text"
)

// A secret is found however a server writes it.
func TestHide(t *testing.T) {
	t.Parallel()
	inJSON := func(s string) string { b, _ := json.Marshal(s); return strings.Trim(string(b), `"`) }
	lower := func(s string) string {
		for _, hex := range []string{"%2B", "%2F", "%3D", "%3B", "%26", "%5C"} {
			s = strings.ReplaceAll(s, hex, strings.ToLower(hex))
		}
		return s
	}
	forms := map[string]func(string) string{
		"plain":         func(s string) string { return s },
		"quoted":        strconv.Quote,
		"JSON":          inJSON,
		"JSON in JSON":  func(s string) string { return inJSON(inJSON(s)) },
		"slashes":       func(s string) string { return strings.ReplaceAll(inJSON(s), "/", `\/`) },
		"plus as .NET":  func(s string) string { return strings.ReplaceAll(inJSON(s), "+", `\u002B`) },
		"query":         url.QueryEscape,
		"query, lower":  func(s string) string { return lower(url.QueryEscape(s)) },
		"path":          url.PathEscape,
		"HTML":          html.EscapeString,
		"HTML, decimal": func(s string) string { return strings.ReplaceAll(html.EscapeString(s), "+", "&#43;") },
		"unpadded":      func(s string) string { return strings.TrimRight(s, "=") },
	}
	for _, secret := range []string{
		"DefaultEndpointsProtocol=https;AccountName=a;AccountKey=ab+/cd&<>==", "q83vEjRWeJCrze8=", "pa ss", `DOMAIN\user"x`, `\\share\A41`, "pässwörd",
		"50%25", "x%zz", "a.b-c_d", "[redacted]", "tail\\", "R&D;lt", "a+ +b",
	} {
		for name, form := range forms {
			written := form(secret)
			for _, around := range []string{"", "'", "x\\ & % + ", strings.Repeat(secret[:3], 3)} {
				got := text.Hide(around+written+around, []string{"never", secret})
				// Padding may remain, and half of an escape at the end.
				rest, ok := strings.CutPrefix(strings.ReplaceAll(got, `"[`, "["), around+"[redacted]")
				rest, same := strings.CutSuffix(rest, around)
				if rest = strings.ToUpper(rest); !ok || !same || strings.NewReplacer("%3D", "", "=", "", `\`, "", `"`, "", "25", "").Replace(rest) != "" {
					t.Errorf("%q %s, %q: got %q", secret, name, around+written+around, got)
				}
			}
		}
	}
	for _, tt := range []struct{ in, want string }{
		{"abc abc", "abc abc"},
		{"secret secre secretsecret", "[redacted] secre [redacted][redacted]"},
		{`\\\\ %%% &&& &#; % \`, `\\\\ %%% &&& &#; % \`},
		{"nothing\\u00", "nothing\\u00"},
		{"", ""},
	} {
		if got := text.Hide(tt.in, []string{"secret", "abc", "ab=", "", "===="}); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}
