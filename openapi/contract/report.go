package contract

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxViolations = 1000     // of one error
	maxPlaces     = 3        // that a violation names
	maxText       = 64 << 10 // bytes of the text of an error
	maxPath       = 24       // tokens of a location
	maxToken      = 64       // bytes of a token
)

// A report collects the violations of an exchange or of a recording. Its size is limited: violations that differ
// only in array indices are one, and of the others only the first are kept.
type report struct {
	exchange   int
	violations []*Violation
	groups     map[groupKey]*group
	dropped    int
	errs       []error // that are not violations
	failed     int     // how many more there were
}

type groupKey struct {
	exchange int
	side     Side
	place    uint64 // the hash of the location without its indices
	rule     Rule
}

type group struct {
	violation *Violation
	last      uint64 // the hash of the last location
}

// err returns everything as one error, nil if there is nothing.
func (r *report) err() error {
	if r == nil || len(r.violations) == 0 && len(r.errs) == 0 {
		return nil
	}
	errs := slices.Clone(r.errs)
	if r.failed > 0 {
		errs = append(errs, fmt.Errorf("contract: %s more that could not be checked", count(r.failed, "exchange")))
	}
	for _, v := range r.violations {
		errs = append(errs, v)
	}
	if r.dropped > 0 {
		errs = append(errs, &Violation{
			Rule: RuleLimit, Count: 1,
			Message: fmt.Sprintf("%s more are not listed, only the first %d", count(r.dropped, "violation"), maxViolations),
		})
	}
	return &joined{errs}
}

// joined is an error that joins others. In contrast to [errors.Join], its text is limited.
type joined struct{ errs []error }

func (j *joined) Unwrap() []error { return j.errs }

func (j *joined) Error() string {
	var b strings.Builder
	for i, err := range j.errs {
		line := err.Error()
		if b.Len()+len(line) > maxText-100 { // with room for the last line
			fmt.Fprintf(&b, "\n… and %d more", len(j.errs)-i)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line)
	}
	return b.String()
}

// fail adds an error that is not a violation.
func (r *report) fail(format string, args ...any) {
	if len(r.errs) == maxViolations {
		r.failed++
		return
	}
	r.errs = append(r.errs, fmt.Errorf(format, args...))
}

// A check checks one message and adds what it finds to a report.
type check struct {
	validator *Validator
	operation string
	side      Side
	strict    bool
	out       *report // where violations go
	begin     int     // of this message in out.violations

	prefix  string // of the location: "query.", "" in a body
	path    []step
	target  *Violation // of the next call of report
	hint    string     // that follows the message
	scratch []byte
	free    []*jsontext.Decoder

	matching bool // only whether there is a violation matters
	failed   bool // there is one
	extra    bool // there is one of a property that is not documented or appears twice
}

// A step is one step of a path to a value.
type step struct {
	token string // the name, or its description if it is long or not printable
	named bool   // otherwise it is an index
	index uint64
	place uint64 // the hash of the path up to here without its indices
	exact uint64 // the hash of the path up to here
}

var hashSeed = maphash.MakeSeed()

// mix adds a value to a hash of a path.
func mix(hash, value uint64) uint64 {
	hash = (hash ^ value) * 0x9e3779b97f4a7c15
	return hash ^ hash>>29
}

func (c *check) top() (place, exact uint64) {
	if n := len(c.path); n > 0 {
		return c.path[n-1].place, c.path[n-1].exact
	}
	return 1, 1
}

// push appends a name from the document, whose hash is known, to the path.
func (c *check) push(name string, hash uint64) {
	if c.matching {
		return // no place is reported
	}
	place, exact := c.top()
	c.append(step{token: name, named: true, place: mix(place, hash), exact: mix(exact, hash)})
}

// pushName appends a name from the exchange to the path.
func (c *check) pushName(name string) {
	if c.matching {
		return
	}
	c.push(printable(name), maphash.String(hashSeed, name))
}

func (c *check) pushIndex(i uint64) {
	if c.matching {
		return
	}
	place, exact := c.top()
	c.append(step{index: i, place: mix(place, 1), exact: mix(exact, i)})
}

func (c *check) append(s step) {
	if len(c.path) == cap(c.path) {
		c.path = slices.Grow(c.path, max(16, cap(c.path))) // append alone copies long paths more often
	}
	c.path = append(c.path, s)
}

func (c *check) pop() {
	if !c.matching {
		c.path = c.path[:len(c.path)-1]
	}
}

// at calls f with a location outside a body, such as "query.timeout".
func (c *check) at(prefix, name string, f func()) {
	c.prefix = prefix
	c.pushName(name)
	f()
	c.pop()
	c.prefix = ""
}

// location returns the path as a location. Of a long path it returns the beginning and the end.
func (c *check) location() string {
	if c.prefix != "" {
		return c.prefix + c.path[0].token
	}
	var b strings.Builder
	for i, s := range c.path {
		if len(c.path) > maxPath && i >= maxPath/2 && i < len(c.path)-maxPath/2 {
			if i == maxPath/2 {
				b.WriteString("/…")
			}
			continue
		}
		b.WriteByte('/')
		if s.named {
			b.WriteString(escaped.Replace(s.token))
		} else {
			b.WriteString(strconv.FormatUint(s.index, 10))
		}
	}
	return b.String()
}

// add reports a violation at the current place.
func (c *check) add(rule Rule, format string, args ...any) {
	if c.violates(rule) {
		c.report(format, args...)
	}
}

// violates reports whether a violation of a rule at the current place is a new one. Its caller describes it with
// report, so that only violations that are kept are described.
func (c *check) violates(rule Rule) bool {
	if c.matching {
		extra := rule == RuleProperty || rule == RuleDuplicate
		c.failed = c.failed || !extra
		c.extra = c.extra || extra
		return false
	}
	if c.validator.disabled[rule] || c.validator.allows(c, rule) {
		return false
	}
	r := c.out
	place, exact := c.top()
	if c.prefix != "" {
		place = mix(place, maphash.String(hashSeed, c.prefix))
	}
	key := groupKey{r.exchange, c.side, place, rule}
	if g := r.groups[key]; g != nil {
		if g.last != exact { // otherwise the same violation was found twice
			g.last = exact
			if g.violation.Count++; g.violation.Count <= maxPlaces {
				g.violation.More = append(g.violation.More, c.location())
			}
		}
		return false
	}
	if len(r.violations) == maxViolations {
		r.dropped++
		return false
	}
	v := &Violation{Exchange: r.exchange, Operation: c.operation, Where: c.side, Location: c.location(), Rule: rule, Count: 1}
	r.violations = append(r.violations, v)
	if r.groups == nil {
		r.groups = map[groupKey]*group{}
	}
	r.groups[key] = &group{v, exact}
	c.target = v
	return true
}

func (c *check) report(format string, args ...any) {
	c.target.Message = fmt.Sprintf(format, args...) + c.hint
}

// count counts a part of the document as used.
func (c *check) count(seen *atomic.Int64) {
	if !c.matching {
		seen.Add(1)
	}
}

// end sorts the violations of the message by location.
func (c *check) end() {
	slices.SortStableFunc(c.out.violations[c.begin:], func(a, b *Violation) int {
		return cmp.Or(strings.Compare(a.Location, b.Location), strings.Compare(string(a.Rule), string(b.Rule)))
	})
}
