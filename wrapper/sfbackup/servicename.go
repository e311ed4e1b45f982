package sfbackup

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A ServiceName is the full name of a service, "fabric:/CalcApp/CalcService". Operations take every
// form that [ParseServiceName] takes.
type ServiceName string

// serviceScheme begins every full name.
const serviceScheme = "fabric:/"

// ParseServiceName reads the name of a service with or without its scheme, and with its levels
// separated by '/' or by '~': "fabric:/CalcApp/CalcService", "CalcApp/CalcService" and
// "CalcApp~CalcService" are the same. The result is the full name. An
// empty part, a part ".", ".." or "$", and a '?', a backslash, a control character or white space around the name
// are errors.
func ParseServiceName(name string) (ServiceName, error) {
	id := name
	if len(id) >= len(serviceScheme) && strings.EqualFold(id[:len(serviceScheme)], serviceScheme) {
		id = id[len(serviceScheme):]
	}
	id = strings.ReplaceAll(id, "~", "/")
	switch {
	case name == "":
		return "", errors.New("the service name is empty")
	case strings.HasPrefix(strings.ToLower(id), "fabric:"):
		return "", fmt.Errorf("the service name %q has no slash after its scheme", name)
	case strings.TrimSpace(name) != name:
		return "", fmt.Errorf("the service name %q has white space around it", name)
	case !utf8.ValidString(name):
		return "", fmt.Errorf("the service name %q is not UTF-8", name)
	case strings.ContainsFunc(id, func(r rune) bool { return r == '?' || r == '\\' || unicode.IsControl(r) }):
		return "", fmt.Errorf("the service name %q has a character that no name has", name)
	}
	for segment := range strings.SplitSeq(id, "/") {
		switch segment {
		case "":
			// Also a trailing slash, with which the gateway cuts the name in the wrong place.
			return "", fmt.Errorf("the service name %q has an empty part", name)
		case ".", "..", "$":
			// The first two would be resolved as in a path. The gateway takes the third for the end of
			// the name.
			return "", fmt.Errorf("the service name %q has the part %q", name, segment)
		}
	}
	return ServiceName(serviceScheme + id), nil
}

// slashed and tilded return the service id of a full name, in the two forms it can have in a path.
func (n ServiceName) slashed() string { return strings.TrimPrefix(string(n), serviceScheme) }
func (n ServiceName) tilded() string  { return strings.ReplaceAll(n.slashed(), "/", "~") }
