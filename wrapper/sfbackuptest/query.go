package sfbackuptest

import (
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// query is a query string as the backup service's framework reads it.
type query []parameter

type parameter struct{ name, value string }

// parseQuery decodes names and values once, as a submitted form: '+' is a
// space. What is no valid escape stands for itself.
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

// get returns the first parameter of a name, in any case of letters.
func (q query) get(name string) (value string, ok bool) {
	for _, p := range q {
		if strings.EqualFold(p.name, name) {
			return p.value, true
		}
	}
	return "", false
}

// binder reads the arguments of a call. It goes on after a mistake, because
// all of them are reported in one error.
type binder struct {
	query    query
	behavior *behavior
	zone     *time.Location // of times that name none
	invalid  []string       // "name:[what is wrong]"
}

func (b *binder) fail(name, message string) {
	b.invalid = append(b.invalid, name+":["+message+"]")
}

// failure returns the error that names all mistakes, if there are any. Its
// message is JSON from which the backup service has removed the quotes.
func (b *binder) argumentError() *errorResponse {
	if len(b.invalid) == 0 {
		return nil
	}
	return invalidRequest("{Message:The request is invalid.,ModelState:{" + strings.Join(b.invalid, ",") + "}}")
}

// int reads a whole number of so many bits.
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

// bool reads "true" or "false", in any case of letters. "1" is neither.
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

// timeFormats are the forms in which a time filter is accepted. The seconds
// may have a fraction in all of them. With a "+" that arrived unescaped, and
// therefore as a space, a time fits none.
var timeFormats = []string{
	"2006-01-02T15:04:05Z07:00",
	"2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15:04",
	"2006-01-02",
}

// time reads a date and time, zero if there is none. One without an offset is
// in the time zone of the cluster's nodes.
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

// timeout checks the parameter that says how many seconds the operation may
// take. No operation of this cluster takes any, so that the value itself does
// not matter.
func (b *binder) timeout() *errorResponse {
	const (
		name           = "timeout"
		seconds        = 60
		documentedMax  = math.MaxUint32
		cancelAfterMax = math.MaxInt32 / 1000 // it counts in milliseconds
	)
	if b.behavior.int32Parameters {
		if n := b.int(name, seconds, 32); n <= 0 || n > cancelAfterMax {
			return errServiceTimeout
		}
		return nil
	}
	if n := b.int(name, seconds, 64); n < 1 || n > documentedMax {
		b.fail(name, "The value must be between 1 and 4294967295.")
	}
	return nil
}

// maxResults reads the upper bound of a page. Zero is no bound.
func (b *binder) maxResults() int64 {
	const name = "MaxResults"
	if b.behavior.int32Parameters {
		return b.int(name, 0, 32)
	}
	n := b.int(name, 0, 64)
	if n < 0 {
		b.fail(name, "The value must not be negative.")
	}
	return n
}

// apiVersion checks the version that the request is written for. It is a
// number and not a dotted version: 10 is later than 6.4, and so is 6.41.
func (b *binder) apiVersion() *errorResponse {
	const version = 6.4
	s, _ := b.query.get("api-version")
	s = strings.TrimSpace(s)
	n, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil || strings.ContainsAny(s, "xX_"):
		return errAPIVersion
	case n == version, n > version && b.behavior.laterVersions:
		return nil
	default:
		return errAPIVersion
	}
}
