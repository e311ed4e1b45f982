package text

import (
	"html"
	"strings"
)

const redacted = "[redacted]"

// minSecret is the length of the shortest secret that Hide replaces. Shorter ones are in every text.
const minSecret = 4

// Hide replaces secrets in a text by "[redacted]", also where they are escaped as in JSON, a URL or HTML. The
// padding of base64 may remain, or be missing. The longest secret has to come first.
func Hide(s string, secrets []string) string {
	for _, secret := range secrets {
		if secret = strings.TrimRight(secret, "="); len(secret) < minSecret {
			continue
		}
		s = strings.ReplaceAll(s, secret, redacted)
		if !strings.ContainsAny(s, `\%&+`) {
			continue
		}
		var b strings.Builder
		done := 0 // up to where s is in b
		for i := 0; i < len(s); i++ {
			if n := encodedLength(s[i:], secret); n > 0 {
				b.WriteString(s[done:i] + redacted)
				done = i + n
				i = done - 1
			}
		}
		s = b.String() + s[done:]
	}
	return s
}

// encodedLength returns the length of the secret that s begins with, in any encoding; 0 if there is none.
func encodedLength(s, secret string) int {
	all := len(s)
	for secret != "" {
		if s == "" {
			return 0
		}
		c, n := s[:1], 1
		switch {
		case s[0] == '\\' && secret[0] == '\\':
			if strings.HasPrefix(s, `\\`) {
				n = 2
			}
		case s[0] == '\\', s[0] == '%':
			c, n = decodeAt(s, true)
		case s[0] == '+' && secret[0] == ' ':
			c = " "
		case s[0] == '&':
			end := strings.IndexByte(s[:min(len(s), 10)], ';') + 1
			if plain := html.UnescapeString(s[:end]); plain != s[:end] {
				c, n = plain, end
			}
		}
		if !strings.HasPrefix(secret, c) {
			return 0
		}
		secret, s = secret[len(c):], s[n:]
	}
	return all - len(s)
}
