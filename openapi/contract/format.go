package contract

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	canonicalUUID = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	// dateTime is the syntax of an RFC 3339 date-time. Package time also accepts hours with one digit, and
	// fractions after a comma.
	dateTime = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
)

// invalidFormat returns the rule that a text of a format violates and what was expected instead. The rule is
// empty if the text is valid or the format is not checked.
func invalidFormat(format string, text []byte) (expected string, rule Rule) {
	switch format {
	case "uuid":
		if !canonicalUUID.Match(text) {
			return "a UUID in canonical form", RuleUUID
		}
	case "date-time":
		if !isDateTime(string(text)) {
			return "an RFC 3339 date-time with a time zone", RuleDateTime
		}
	case "int64":
		if _, err := strconv.ParseInt(string(text), 10, 64); err != nil || text[0] == '+' {
			return "an int64", RuleInt64
		}
	case "uri":
		if u, err := url.Parse(string(text)); err != nil || !u.IsAbs() {
			return "an absolute URI", RuleURI
		}
	}
	return "", ""
}

func isDateTime(text string) bool {
	if !dateTime.MatchString(text) {
		return false
	}
	// Package time does not support leap seconds. A leap second is the last second of a day in UTC.
	const second = len("2006-01-02T15:04:")
	text = strings.ToUpper(text)
	leap := text[second:second+2] == "60"
	if leap {
		text = text[:second] + "59" + text[second+2:]
	}
	t, err := time.Parse(time.RFC3339, text)
	hour, minute, _ := t.UTC().Clock()
	return err == nil && (!leap || hour == 23 && minute == 59)
}
