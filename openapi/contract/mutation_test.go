package contract_test

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/servicefabric-go/backup/openapi/contract"
)

// A disagreement is a kind of mutant on which the validator and the oracle differ for a known reason.
type disagreement struct {
	operator string
	mutant   string // a substring of the mutants
	why      string
}

// disagreements lists all disagreements. Any other disagreement fails the test, and so does a listed one
// that no longer occurs.
var disagreements = []disagreement{
	{"another path", " /gateway/", "The servers of the document are a host and a port. A gateway may serve the API under a path, " +
		"and the validator accepts that. To the oracle it is another path."},
	{"lone surrogate", `\ud800`, "A lone surrogate is JSON by its grammar, which the oracle follows. RFC 8259 does not define its " +
		"meaning, and readers differ. The validator rejects it, as RFC 7493 does."},
}

// With -short, and with the race detector, which is about ten times slower, only one in sampleEvery mutants is
// checked. The selection is the same in every run.
const sampleEvery = 8

// TestMutations measures the validator. Every operator changes every valid exchange at every single position;
// it changes a position that several exchanges have in common only once. The validator must report the
// mutants that the oracle finds invalid, at the location of the change and with a fitting rule, and nothing
// else. Run make contract-report to see the table.
func TestMutations(t *testing.T) {
	t.Parallel()
	m := measurement{TB: t, explained: map[string]int{}, every: 1}
	if testing.Short() || raceEnabled() {
		m.every = sampleEvery
	}
	if *dump != "" {
		m.dump = newDumper(t, *dump)
	}
	for _, name := range sortedProfiles {
		m.comparers = append(m.comparers, newComparer(t, name))
	}
	exchanges := validExchanges(t)
	scores := []score{m.unchanged(exchanges)}
	// Exchanges that are valid under both documents come first. Their parts are not changed again for one document.
	slices.SortFunc(exchanges, func(a, b exchange) int {
		return cmp.Or(len(b.validUnder)-len(a.validUnder), strings.Compare(a.name, b.name))
	})
	for _, op := range slices.Concat(operators, requestOperators) {
		s := m.mutate(op, exchanges)
		if s.invalid == 0 {
			t.Errorf("%s: no mutant is invalid", op.name)
		}
		scores = append(scores, s)
	}

	sum := score{name: "all"}
	for _, s := range scores {
		sum.mutants += s.mutants
		sum.invalid += s.invalid
		sum.found += s.found
		sum.falsePositives += s.falsePositives
	}
	var report strings.Builder
	table := tabwriter.NewWriter(&report, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "operator\tmutants\tinvalid\tfound\tfalse positives\t")
	for _, s := range append(scores, sum) {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t\n", s.name, s.mutants, s.invalid, s.found, s.falsePositives)
	}
	_ = table.Flush() // into memory
	fmt.Fprintln(&report, "\nnot in the table, because the validator and the oracle disagree:")
	for _, d := range disagreements {
		fmt.Fprintf(&report, "%d times, %s with %q: %s\n", m.explained[d.why], d.operator, d.mutant, d.why)
		if m.explained[d.why] == 0 && m.every == 1 {
			t.Errorf("%s with %q: the validator and the oracle now agree", d.operator, d.mutant)
		}
	}
	t.Logf("%d exchanges; checked one in %d mutants\n%s", len(exchanges), m.every, &report)
	if m.failures > 20 {
		t.Errorf("and %d more", m.failures-20)
	}
	if sum.found < sum.invalid || sum.falsePositives > 0 {
		t.Errorf("found %d of %d, with %d false positives", sum.found, sum.invalid, sum.falsePositives)
	}
}

func raceEnabled() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// A comparer compares the validator with the oracle under one document.
type comparer struct {
	profile   string
	oracle    *oracle
	validator *contract.Validator
}

func newComparer(t testing.TB, profile string) *comparer {
	t.Helper()
	return &comparer{profile, newOracle(t, profiles[profile]), newValidator(t, profiles[profile])}
}

// compare returns the findings of the validator and of the oracle about one side of an exchange.
func (c *comparer) compare(x *exchange, side contract.Side) (found []*contract.Violation, invalid error) {
	if side == contract.InRequest {
		return contract.Violations(c.validator.CheckRequest(x.request())), c.oracle.request(x)
	}
	return contract.Violations(c.validator.CheckResponse(x.request(), x.response())), c.oracle.response(x)
}

// A score counts the mutants of an operator. A mutant counts once for each document under which the original
// exchange is valid.
type score struct {
	name                                    string
	mutants, invalid, found, falsePositives int
}

// A measurement makes and checks the mutants.
type measurement struct {
	testing.TB
	comparers []*comparer
	every     int
	explained map[string]int // by reason
	failures  int
	dump      *dumper // nil: none
}

// Errorf reports only the first 20 failures. A broken validator would cause a hundred thousand.
func (m *measurement) Errorf(format string, args ...any) {
	m.Helper()
	if m.failures++; m.failures <= 20 {
		m.TB.Errorf(format, args...)
	}
}

// unchanged checks the exchanges without changes, and sets the documents under which they are valid. An
// exchange of one document may be invalid under the other, but the validator and the oracle must agree.
func (m *measurement) unchanged(exchanges []exchange) score {
	s := score{name: "no change"}
	for i := range exchanges {
		x := &exchanges[i]
		claimed := x.validUnder
		x.validUnder = nil
		for _, c := range m.comparers {
			valid := true
			for _, side := range []contract.Side{contract.InRequest, contract.InResponse} {
				found, invalid := c.compare(x, side)
				valid = valid && invalid == nil
				s.add(m, c, operator{name: "no change"}, mutant{exchange: *x, side: side}, invalid, found)
			}
			if valid {
				x.validUnder = append(x.validUnder, c.profile)
			} else if slices.Contains(claimed, c.profile) {
				m.Errorf("%s is not valid under %s without a change", x.name, c.profile)
			}
		}
	}
	return s
}

// mutate changes all exchanges with one operator.
func (m *measurement) mutate(op operator, exchanges []exchange) score {
	s := score{name: op.name}
	seen := map[string]bool{}
	n := 0
	for i := range exchanges {
		x := &exchanges[i]
		firstTime := func(part ...any) (first bool) {
			for _, profile := range x.validUnder {
				key := fmt.Sprintf("%s %q", profile, part)
				first = first || !seen[key]
				seen[key] = true
			}
			return first
		}
		op.apply(original{x, firstTime}, func(changed mutant) {
			if n++; n%m.every != 0 {
				return
			}
			for _, c := range m.comparers {
				if !slices.Contains(changed.validUnder, c.profile) {
					continue
				}
				found, invalid := c.compare(&changed.exchange, changed.side)
				s.add(m, c, op, changed, invalid, found)
				if invalid != nil && len(found) > 0 {
					m.checkReport(c, op, changed, found)
				}
			}
		})
	}
	return s
}

func (s *score) add(m *measurement, c *comparer, op operator, changed mutant, invalid error, found []*contract.Violation) {
	if (invalid != nil) != (len(found) > 0) {
		text := changed.String()
		for _, d := range disagreements {
			if d.operator == op.name && strings.Contains(text, d.mutant) {
				m.explained[d.why]++
				return
			}
		}
		m.Errorf("%s, %s at %s %q: the oracle reports %v, the validator %v\n\t%s", c.profile, op.name, changed.side, changed.location, invalid, found, text)
	}
	if m.dump != nil {
		m.dump.write(m, c, op, changed, invalid)
	}
	s.mutants++
	switch {
	case invalid == nil && len(found) > 0:
		s.falsePositives++
	case invalid != nil:
		s.invalid++
		if len(found) > 0 {
			s.found++
		}
	}
}

// checkReport checks that all violations are at the location of the change, one level above it or anywhere
// below it, and that at least one of their rules fits the operator.
func (m *measurement) checkReport(c *comparer, op operator, changed mutant, found []*contract.Violation) {
	fits := false
	for _, v := range found {
		near := changed.anywhere || v.Location == changed.location || strings.HasPrefix(v.Location, changed.location+"/") ||
			strings.HasPrefix(changed.location, v.Location) && strings.Count(changed.location[len(v.Location):], "/") == 1
		if !near || v.Where != changed.side {
			m.Errorf("%s, %s at %s %q is reported at another location: %v\n\t%s", c.profile, op.name, changed.side, changed.location, v, &changed.exchange)
		}
		fits = fits || slices.Contains(op.rules, v.Rule)
	}
	if !fits {
		m.Errorf("%s, %s at %s %q is reported with another rule: %v\n\t%s", c.profile, op.name, changed.side, changed.location, found, &changed.exchange)
	}
}
