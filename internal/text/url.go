package text

import (
	"strconv"
	"strings"
)

// stripURLs removes the user information, the query and the fragment of every URL in a text, also where the
// text is JSON in which characters are escaped, or the URL is percent-encoded as a whole.
func stripURLs(s string) string {
	var b strings.Builder
	done := 0 // up to where s is in b
	for i := 0; i < len(s); i++ {
		percent := s[i] == '%'
		if s[i] != ':' && !percent {
			continue
		}
		colon, n := decodeAt(s[i:], percent)
		start := i + n
		if colon != ":" || !skip(s, &start, percent) || !skip(s, &start, percent) {
			continue
		}
		host, query, end := start, -1, start
		for authority := true; end < len(s); {
			c, n := decodeAt(s[end:], percent)
			if encoded := s[end] == '%'; !encoded && (c <= " " || strings.Contains("\"<>`", c)) {
				break
			}
			switch c {
			case "@":
				if authority && query < 0 {
					host = end + n
				}
			case "/":
				authority = false
			case "?", "#":
				if query < 0 {
					query = end
				}
			}
			end += n
		}
		if query < 0 {
			query = end
		}
		b.WriteString(s[done:start] + s[host:query])
		// What ends a sentence is no part of the URL.
		done = query + len(strings.TrimRight(s[query:end], ".,:;)'"))
		i = end - 1
	}
	return b.String() + s[done:]
}

// skip advances i in s past a slash, if there is one.
func skip(s string, i *int, percent bool) bool {
	c, n := decodeAt(s[*i:], percent)
	*i += n
	return c == "/"
}

// decodeAt returns the character that s begins with and its length in s. It may be escaped as in a string of
// JSON, also as in one within another, and as in a URL.
func decodeAt(s string, percent bool) (c string, n int) {
	if percent && len(s) >= 3 && s[0] == '%' {
		if b, err := strconv.ParseUint(s[1:3], 16, 8); err == nil {
			return string([]byte{byte(b)}), 3
		}
	}
	for n < len(s)-1 && s[n] == '\\' {
		n++
	}
	if n > 0 && len(s) >= n+5 && s[n] == 'u' {
		if r, err := strconv.ParseUint(s[n+1:n+5], 16, 16); err == nil {
			return string(rune(r)), n + 5
		}
	}
	return s[min(n, len(s)):min(n+1, len(s))], n + 1
}
