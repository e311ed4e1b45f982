package contract

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// An allowance is a violation that is known and not reported.
type allowance struct {
	operation, location string
	tokens              []string // of a location in a body
	rule                Rule
	used                *atomic.Bool
}

// Allow returns a validator that reports what v reports, except for violations of a rule at a location of an
// operation, for deviations that are known. The location is that of [Violation]; "*" as a token of it stands for any
// index or name, and "*" as the operation for any. [Validator.Unused] tells which allowances are not needed any more,
// also if there is no such operation or rule.
//
//	v = v.Allow("GetPartitionBackupList", "/Items/*/LsnOfLastBackupRecord", contract.RuleType)
func (v *Validator) Allow(operation, location string, rule Rule) *Validator {
	w := *v
	a := &allowance{operation: operation, location: location, rule: rule, used: new(atomic.Bool)}
	if strings.HasPrefix(location, "/") {
		for token := range strings.SplitSeq(location[1:], "/") {
			a.tokens = append(a.tokens, unescaped.Replace(token))
		}
	}
	w.allowed = append(slices.Clip(v.allowed), a)
	return &w
}

// commentStart matches the beginning of a comment. A "#" may also be in a name.
var commentStart = regexp.MustCompile(`(^|\s)#`)

// AllowFrom is [Validator.Allow] for each line of a list: an operation, a location and a rule, separated by blanks.
// The location of a body as a whole is written as "body". Blank lines and comments, which begin with "#" after a blank, are ignored. A line with an
// operation or a rule that does not exist is an error.
func (v *Validator) AllowFrom(list io.Reader) (*Validator, error) {
	lines := bufio.NewScanner(list)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if comment := commentStart.FindStringIndex(line); comment != nil {
			line = line[:comment[0]]
		}
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) < 3 || len(fields) > 3 && !strings.ContainsAny(fields[1], "/.") { // a name may have blanks
			return nil, fmt.Errorf("contract: line %d: expected an operation, a location and a rule, found %s", n, count(len(fields), "word"))
		}
		last := len(fields) - 1
		id, location, rule := fields[0], strings.Join(fields[1:last], " "), Rule(fields[last])
		if id != "*" && !slices.ContainsFunc(v.operations, func(o *operation) bool { return o.id == id }) {
			return nil, fmt.Errorf("contract: line %d: the document has no operation %s", n, quote(id))
		}
		if !slices.Contains(rules, rule) {
			return nil, fmt.Errorf("contract: line %d: there is no rule %s", n, quote(fields[2]))
		}
		if location == "body" {
			location = ""
		}
		v = v.Allow(id, location, rule)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("contract: reading what is allowed: %w", err)
	}
	return v, nil
}

// Unused returns the allowances of v that no exchange has needed so far, in the form of [Validator.AllowFrom]. Call
// it when all tests have ended, in TestMain, because tests that run in parallel share the validator.
func (v *Validator) Unused() []string {
	var list []string
	for _, a := range v.allowed {
		if a.used.Load() {
			continue
		}
		location := a.location
		if location == "" {
			location = "body"
		}
		list = append(list, fmt.Sprintf("%s %s %s", cmp.Or(a.operation, "*"), location, a.rule))
	}
	return list
}

// allows reports whether a violation of a rule at the current place of a check is allowed.
func (v *Validator) allows(c *check, rule Rule) bool {
	for _, a := range v.allowed {
		if a.rule == rule && (a.operation == c.operation || a.operation == "*") && a.matches(c) {
			a.used.Store(true)
			return true
		}
	}
	return false
}

func (a *allowance) matches(c *check) bool {
	if c.prefix != "" {
		return a.location == c.location() || a.location == c.prefix+"*"
	}
	if len(c.path) == 0 || len(a.tokens) == 0 {
		return len(c.path) == 0 && a.location == ""
	}
	return slices.EqualFunc(a.tokens, c.path, func(token string, s step) bool {
		return token == "*" || s.named && token == s.token || !s.named && token == strconv.FormatUint(s.index, 10)
	})
}
