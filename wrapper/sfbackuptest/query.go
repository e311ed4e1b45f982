package sfbackuptest

import (
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// query is a query string as the framework of the backup service parses it.
type query []parameter

type parameter struct{ name, value string }

// parseQuery decodes names and values as those of a submitted form: '+' is a space. If an escape is
// invalid, the escapes of the name or value are kept as they are.
func parseQuery(raw string) query {
	var q query
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		q = append(q, parameter{unescape(name), unescape(value)})
	}
	return q
}

func unescape(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return strings.ReplaceAll(s, "+", " ")
}

// get returns the first parameter with a name, ignoring letter case.
func (q query) get(name string) (value string, ok bool) {
	for _, p := range q {
		if strings.EqualFold(p.name, name) {
			return p.value, true
		}
	}
	return "", false
}

// binder parses the arguments of a request. It continues after an invalid argument, because one error
// reports all of them.
type binder struct {
	query    query
	behavior *behavior
	zone     *time.Location // of times without a zone
	invalid  []string       // "name:[message]"
}

func (b *binder) fail(name, message string) {
	b.invalid = append(b.invalid, name+":["+message+"]")
}

// check returns the error for the arguments that every operation has and for those that were read before.
func (b *binder) check() *errorResponse {
	if failed := b.timeout(); failed != nil {
		return failed
	}
	if len(b.invalid) > 0 {
		// JSON without quotes, which the backup service removes.
		return invalidRequest("{Message:The request is invalid.,ModelState:{" + strings.Join(b.invalid, ",") + "}}")
	}
	return b.apiVersion()
}

// int parses an integer of the given size.
func (b *binder) int(name string, defaultValue int64, bits int) int64 {
	s, ok := b.query.get(name)
	if !ok {
		return defaultValue
	}
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, bits)
	if err != nil {
		b.fail(name, "The value '"+s+"' is not valid for Int"+strconv.Itoa(bits)+".")
		return defaultValue
	}
	return n
}

// bool parses "true" or "false", ignoring letter case. "1" is invalid.
func (b *binder) bool(name string) bool {
	s, ok := b.query.get(name)
	if !ok {
		return false
	}
	switch trimmed := strings.TrimSpace(s); {
	case strings.EqualFold(trimmed, "true"):
		return true
	case !strings.EqualFold(trimmed, "false"):
		b.fail(name, "The value '"+s+"' is not valid for Boolean.")
	}
	return false
}

// timeFormats are the accepted formats of a time filter. The seconds may have a fraction. A time whose "+"
// was not escaped, and so arrives as a space, is invalid.
var timeFormats = []string{
	"2006-01-02T15:04:05Z07:00",
	"2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15:04",
	"2006-01-02",
}

// time parses a date and time, zero if there is none. Without an offset it is in the time zone of the
// cluster's nodes.
func (b *binder) time(name string) time.Time {
	s, ok := b.query.get(name)
	if !ok {
		return time.Time{}
	}
	for _, format := range timeFormats {
		if t, err := time.ParseInLocation(format, strings.TrimSpace(s), b.zone); err == nil {
			return t
		}
	}
	b.fail(name, "The value '"+s+"' is not valid for DateTime.")
	return time.Time{}
}

// timeout checks the timeout parameter, in seconds. The operations of this cluster take no time, so that
// the value does not matter.
func (b *binder) timeout() *errorResponse {
	const cancelAfterMax = math.MaxInt32 / 1000 // CancelAfter takes milliseconds
	if b.behavior.int32Parameters {
		if n := b.int("timeout", 60, 32); n <= 0 || n > cancelAfterMax {
			return errServiceTimeout
		}
	} else if n := b.int("timeout", 60, 64); n < 1 || n > math.MaxUint32 {
		b.fail("timeout", "The value must be between 1 and 4294967295.")
	}
	return nil
}

// maxResults parses the maximum size of a page. Zero is no limit.
func (b *binder) maxResults() int64 {
	if b.behavior.int32Parameters {
		return b.int("MaxResults", 0, 32)
	}
	n := b.int("MaxResults", 0, 64)
	if n < 0 {
		b.fail("MaxResults", "The value must not be negative.")
	}
	return n
}

// apiVersion checks the api-version parameter. It is a number and not a dotted version: 10 is later than
// 6.4, and so is 6.41.
func (b *binder) apiVersion() *errorResponse {
	const version = 6.4
	s, _ := b.query.get("api-version")
	s = strings.TrimSpace(s)
	n, err := strconv.ParseFloat(s, 64)
	isNumber := err == nil && !strings.ContainsAny(s, "xX_")
	if isNumber && (n == version || n > version && b.behavior.laterVersions) {
		return nil
	}
	return errAPIVersion
}
