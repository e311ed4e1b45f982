package sfbackuptest

import (
	"errors"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// query is a query string as the framework of the backup service parses it.
type query []parameter

type parameter struct{ name, value string }

// parseQuery decodes names and values as those of a submitted form: '+' is a space. If an escape is
// invalid, the escapes of the name or value are kept as they are. Nothing before or after an '&' is a
// parameter with an empty name.
func parseQuery(raw string) query {
	if strings.TrimSpace(raw) == "" {
		return nil
	}
	var q query
	for pair := range strings.SplitSeq(raw, "&") {
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
	values := q.all(name)
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}

// all returns the values of the parameters with a name, ignoring letter case.
func (q query) all(name string) (values []string) {
	for _, p := range q {
		if strings.EqualFold(p.name, name) {
			values = append(values, p.value)
		}
	}
	return values
}

// binder parses the arguments of a request, in the order of the parameters of the service's method. It
// continues after an invalid argument, because one error reports all of them.
type binder struct {
	query    query
	behavior *behavior
	zone     *time.Location // of times without a zone

	invalid []invalidArgument
	refused bool   // an argument without a default has no value
	timeout int64  // seconds
	version string // api-version
}

// invalidArgument is an argument with what is wrong with it.
type invalidArgument struct {
	name     string
	messages []string
}

// anError is what the framework says of an exception that is no wrong format.
const anError = "An error has occurred."

func (b *binder) fail(name, message string) {
	for i := range b.invalid {
		if b.invalid[i].name == name {
			b.invalid[i].messages = append(b.invalid[i].messages, message)
			return
		}
	}
	b.invalid = append(b.invalid, invalidArgument{name, []string{message}})
}

// common binds the arguments that every operation has.
func (b *binder) common() {
	b.version = b.string("api-version")
	bits := 64
	if b.behavior.int32Parameters {
		bits = 32
	}
	b.timeout = b.int("timeout", 60, bits)
}

// check returns the error for the arguments.
func (b *binder) check() *errorResponse {
	switch {
	case b.refused:
		return errBadRequest
	case b.behavior.int32Parameters:
		if b.timeout <= 0 || b.timeout > math.MaxInt32/1000 { // the service needs milliseconds
			return errServiceTimeout
		}
	case b.timeout < 1 || b.timeout > math.MaxUint32:
		b.fail("timeout", "The value must be between 1 and 4294967295.")
	}
	if len(b.invalid) == 0 {
		return b.checkVersion()
	}
	unquoted := func(s string) string { // the service removes the quotes of the JSON
		return strings.ReplaceAll(string(appendString(nil, s)), `"`, "")
	}
	var arguments []string
	for _, a := range b.invalid {
		arguments = append(arguments, unquoted(a.name)+":["+unquoted(strings.Join(a.messages, ","))+"]")
	}
	return invalidRequest("{Message:The request is invalid.,ModelState:{" + strings.Join(arguments, ",") + "}}")
}

// value returns the value of an argument and the name under which it was found. Arguments whose name is not
// declared in the service also take the value of a parameter with an empty name. For the messages, several
// values are joined.
func (b *binder) value(name string) (found, value, attempted string, ok bool) {
	values := b.query.all(name)
	found = name
	switch name {
	case "timeout", "latest", "backupTimeout":
		if len(values) == 0 {
			found, values = "", b.query.all("")
		}
	}
	if len(values) == 0 {
		return found, "", "", false
	}
	return found, values[0], strings.Join(values, ","), true
}

// string returns a text argument.
func (b *binder) string(name string) string {
	_, value, _, ok := b.value(name)
	if ok && strings.TrimSpace(value) == "" && b.behavior.emptyTextsFail {
		b.fail(name+".String", "A value is required but was not present in the request.")
	}
	return value
}

// bindValue parses an argument that is not a text. An argument without a value is no error of its own: the
// service cannot be called.
func bindValue[T any](b *binder, name, kind string, byDefault T, parse func(string) (T, error)) T {
	found, value, attempted, ok := b.value(name)
	if !ok {
		return byDefault
	}
	value = strings.TrimSpace(value)
	if value == "" {
		b.refused = true
		return byDefault
	}
	parsed, err := parse(value)
	switch {
	case err == nil:
		return parsed
	case errors.Is(err, strconv.ErrSyntax):
		b.fail(found, "The value '"+attempted+"' is not valid for "+kind+".")
	default:
		b.fail(found, anError)
	}
	return byDefault
}

// int parses an integer of the given size. It may be hexadecimal after "0x", "&h" or "#".
func (b *binder) int(name string, byDefault int64, bits int) int64 {
	return bindValue(b, name, "Int"+strconv.Itoa(bits), byDefault, func(s string) (int64, error) {
		for _, prefix := range []string{"0x", "0X", "&h", "&H", "#"} {
			digits, ok := strings.CutPrefix(s, prefix)
			switch {
			case !ok:
			case digits == "" || digits[0] == '-':
				return 0, strconv.ErrRange
			default:
				n, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimPrefix(digits, "+"), "0x"), 16, bits)
				if bits == 32 {
					return int64(int32(n)), err //nolint:gosec // 0xffffffff is -1
				}
				return int64(n), err //nolint:gosec // as above
			}
		}
		return strconv.ParseInt(s, 10, bits)
	})
}

// bool parses "true" or "false", ignoring letter case. "1" is invalid.
func (b *binder) bool(name string) bool {
	return bindValue(b, name, "Boolean", false, func(s string) (bool, error) {
		if strings.EqualFold(s, "true") || strings.EqualFold(s, "false") {
			return len(s) == len("true"), nil
		}
		return false, strconv.ErrSyntax
	})
}

// time parses a date and time, zero if there is none. There is no default for it: if it is invalid, the
// service cannot be called.
func (b *binder) time(name string) time.Time {
	if len(b.query.all(name)) == 0 {
		return time.Time{}
	}
	return bindValue(b, name, "DateTime", time.Time{}, func(s string) (time.Time, error) {
		t, ok := parseTime(s, b.zone)
		b.refused = b.refused || !ok
		return t, nil
	})
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

// versionFormat is what a number may look like. Commas between its digits do not count.
var versionFormat = regexp.MustCompile(`^[+-]?([0-9][0-9,]*(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

// checkVersion checks the api-version argument. It is a number and not a dotted version: 10 is later than
// 6.4, and so is 6.41.
func (b *binder) checkVersion() *errorResponse {
	const version, preview = 6.4, "6.2-preview"
	s := strings.Trim(b.version, "\t\n\v\f\r ")
	n := math.Inf(-1)
	switch {
	case versionFormat.MatchString(s):
		if parsed, err := strconv.ParseFloat(strings.ReplaceAll(s, ",", ""), 64); err == nil {
			n = parsed
		}
	case s == "Infinity":
		n = math.Inf(1)
	}
	if n == version || n > version && b.behavior.laterVersions || b.version == preview && b.behavior.previewVersion {
		return nil
	}
	return errAPIVersion
}
