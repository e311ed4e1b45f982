package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLine is the length of the longest line that OneLine returns, in bytes, without its ellipsis.
const maxLine = 300

// OneLine makes a text of a server fit for an error: one line without control characters, cut after 300
// bytes. It reads no further than it shows, so a long text costs no more than a short one.
func OneLine(s string) string {
	var b strings.Builder
	space, last := false, rune(0)
	for _, r := range s { // invalid UTF-8 reads as U+FFFD
		switch {
		case unicode.IsSpace(r) || !unicode.IsPrint(r) && r != utf8.RuneError:
			space = b.Len() > 0
			last = 0
			continue
		case r == utf8.RuneError && last == r: // one replaces a sequence of them
			continue
		}
		if space && b.Len() < maxLine {
			b.WriteByte(' ')
		}
		if b.Len()+utf8.RuneLen(r) > maxLine {
			return b.String() + "…"
		}
		b.WriteRune(r)
		space, last = false, r
	}
	return b.String()
}

// flatten puts a text of any length on one line.
func flatten(s string) string {
	if !strings.ContainsAny(s, "\r\n\t") {
		return s
	}
	return strings.Join(strings.Fields(s), " ")
}
