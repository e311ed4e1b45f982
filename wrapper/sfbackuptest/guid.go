package sfbackuptest

import (
	"regexp"
	"strings"

	"github.com/google/uuid"
)

// guidError is the message of .NET for a text that is no GUID.
type guidError string

func (e guidError) Error() string { return string(e) }

const (
	guidLength guidError = "Guid should contain 32 digits with 4 dashes (xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx)."
	guidDashes guidError = "Dashes are in the wrong position for GUID parsing."
	guidDigits guidError = "Guid string should only contain hexadecimal characters."
	guidNoHex  guidError = "Could not find any recognizable digits."
	guidPrefix guidError = "Expected hex 0x in '{0xdddddddd, etc}'."
	guidComma  guidError = "Could not find a comma, or the length between the previous token and the comma was zero (i.e., '0x,'etc.)."
)

var (
	guidNumbers = regexp.MustCompile(`^\{0x([0-9a-f]{1,8}),0x([0-9a-f]{1,4}),0x([0-9a-f]{1,4}),\{0x([0-9a-f]{1,2})` +
		strings.Repeat(`,0x([0-9a-f]{1,2})`, 7) + `\}\}$`)
	guidNumber = regexp.MustCompile(`^\+?(0x)?([0-9a-f]+)`)
)

// parseGUID parses an ID in the forms that .NET accepts: 32 digits with or without dashes, the form with
// dashes in braces or parentheses, and numbers in braces. In the forms with dashes a number may begin with
// '+' and "0x", which count as digits.
func parseGUID(s string) (uuid.UUID, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	switch {
	case strings.Contains(s, "-"):
		return parseDashedGUID(s)
	case strings.Contains(s, "{"):
		s = strings.Join(strings.Fields(s), "")
		parts := guidNumbers.FindStringSubmatch(s)
		switch {
		case !strings.HasPrefix(s, "{0x"):
			return uuid.Nil, guidPrefix
		case parts == nil:
			return uuid.Nil, guidComma
		}
		for i, part := range parts[1:] {
			parts[i+1] = strings.Repeat("0", []int{8, 4, 4, 2}[min(i, 3)]-len(part)) + part
		}
		return uuid.MustParse(strings.Join(parts[1:], "")), nil
	case len(s) != 32:
		return uuid.Nil, guidLength
	}
	id, err := uuid.Parse(s)
	if err != nil {
		return uuid.Nil, guidDigits
	}
	return id, nil
}

func parseDashedGUID(s string) (uuid.UUID, error) {
	if n := len(s); n == 38 && (s[0] == '{' && s[37] == '}' || s[0] == '(' && s[37] == ')') {
		s = s[1:37]
	}
	if len(s) != 36 {
		return uuid.Nil, guidLength
	}
	if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return uuid.Nil, guidDashes
	}
	groups := strings.Split(s, "-")
	if len(groups) != 5 {
		return uuid.Nil, guidDigits
	}
	for i, group := range groups {
		m := guidNumber.FindStringSubmatch(group)
		switch {
		case m == nil:
			return uuid.Nil, guidNoHex
		case len(m[0]) == len(group):
		case i == 4:
			return uuid.Nil, guidLength
		default:
			return uuid.Nil, guidDigits
		}
		groups[i] = strings.Repeat("0", len(group)-len(m[2])) + m[2]
	}
	return uuid.MustParse(strings.Join(groups, "")), nil
}

// spelling is a partition with the way in which a request spells its ID. The service of 6.4 uses the ID as it
// is spelt as a key and as the name of a folder.
type spelling struct {
	*partition
	text string // the canonical form, if that is the service's key
}

// canonical reports whether the ID is spelt as the service itself spells it. The result of a backup is
// stored under that spelling only.
func (s spelling) canonical() bool { return s.text == s.ID.String() }

// escapes are the characters of an ID that the service escapes in a URI, from which it then takes the ID.
var escapes = strings.NewReplacer("{", "%7B", "}", "%7D", " ", "%20")

// inURI returns the ID that the service takes from the URI of the partition, and an error if it is none.
func (s spelling) inURI() (string, error) {
	text := escapes.Replace(strings.TrimRight(s.text, " "))
	_, err := parseGUID(text)
	return text, err
}
