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

// A disagreement is a kind of mutant about which the validator and the oracle differ for a reason.
type disagreement struct {
	operator string
	mutant   string // a part of what the mutants look like
	why      string
}

// disagreements lists all of them. One that is not here fails the test, and so does one that no
// longer happens.
var disagreements = []disagreement{
	{"another path", " /gateway/", "The servers of the document are host and port. A gateway may put the API under a path of its " +
		"own, and the validator is made to work there; to the oracle it is another path."},
	{"half a character", `\ud800`, "Half a surrogate pair is JSON by its grammar, which is what the oracle goes by. RFC 8259 leaves " +
		"open what it means, and readers differ; the validator takes it for broken text, as RFC 7493 has it."},
}

// With the race detector, which makes everything ten times as slow, and with -short only one mutant
// of so many is judged. It is still the same ones every time.
const sampleEvery = 8

// TestMutations measures the validator: every exchange that is right is changed at every single point
// by every operator; a point that several exchanges have in common, once. What the oracle says breaks the document has to be found, in its place and under
// a rule that fits, and nothing else may be reported. Run make contract-report to see the table.
func TestMutations(t *testing.T) {
	t.Parallel()
	m := measurement{TB: t, explained: map[string]int{}, every: 1}
	if testing.Short() || raceDetector() {
		m.every = sampleEvery
	}
	for _, name := range sortedProfiles {
		m.judges = append(m.judges, newJudge(t, name))
	}
	exchanges := validExchanges(t)
	scores := []score{m.unchanged(exchanges)}
	// What is right under both documents comes first: its parts need not be changed again under one.
	slices.SortFunc(exchanges, func(a, b exchange) int {
		return cmp.Or(len(b.right)-len(a.right), strings.Compare(a.name, b.name))
	})
	for _, op := range slices.Concat(operators, requestOperators) {
		s := m.mutate(op, exchanges)
		if s.broken == 0 {
			t.Errorf("%s: nothing that it makes breaks the document", op.name)
		}
		scores = append(scores, s)
	}

	sum := score{name: "all"}
	for _, s := range scores {
		sum.made, sum.broken, sum.found, sum.false = sum.made+s.made, sum.broken+s.broken, sum.found+s.found, sum.false+s.false
	}
	var report strings.Builder
	table := tabwriter.NewWriter(&report, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "operator\tmade\tmust be found\tfound\tfalse alarms\t")
	for _, s := range append(scores, sum) {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t\n", s.name, s.made, s.broken, s.found, s.false)
	}
	_ = table.Flush() // into memory
	fmt.Fprintln(&report, "\nnot in the table, because the oracle is of another opinion:")
	for _, d := range disagreements {
		fmt.Fprintf(&report, "%d times, %s with %q: %s\n", m.explained[d.why], d.operator, d.mutant, d.why)
		if m.explained[d.why] == 0 && m.every == 1 {
			t.Errorf("%s with %q: the validator and the oracle now agree", d.operator, d.mutant)
		}
	}
	t.Logf("%d exchanges, one of %d mutants\n%s", len(exchanges), m.every, &report)
	if m.failures > 20 {
		t.Errorf("and %d more", m.failures-20)
	}
	if sum.found < sum.broken || sum.false > 0 {
		t.Errorf("found %d of %d, with %d false alarms", sum.found, sum.broken, sum.false)
	}
}

func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// A judge compares the validator with the oracle under one document.
type judge struct {
	profile   string
	oracle    *oracle
	validator *contract.Validator
}

func newJudge(t testing.TB, profile string) *judge {
	t.Helper()
	return &judge{profile, newOracle(t, profiles[profile]), newValidator(t, profiles[profile])}
}

// judge returns what the validator and the oracle say about one side of an exchange.
func (j *judge) judge(x *exchange, where string) (found []*contract.Violation, broken error) {
	if where == contract.InRequest {
		return contract.Violations(j.validator.CheckRequest(x.request())), j.oracle.request(x)
	}
	return contract.Violations(j.validator.CheckResponse(x.request(), x.response())), j.oracle.response(x)
}

// A score counts the mutants of an operator, each under the documents under which the exchange was
// right before.
type score struct {
	name                       string
	made, broken, found, false int
}

// A measurement makes and judges the mutants.
type measurement struct {
	testing.TB
	judges    []*judge
	every     int
	explained map[string]int // by the reason
	failures  int
}

// Errorf keeps a broken validator from printing a hundred thousand lines.
func (m *measurement) Errorf(format string, args ...any) {
	m.Helper()
	if m.failures++; m.failures <= 20 {
		m.TB.Errorf(format, args...)
	}
}

// unchanged judges the exchanges as they are, and notes under which documents they are right. Those of
// one document need not be right under the other, but the judges have to agree there too.
func (m *measurement) unchanged(exchanges []exchange) score {
	s := score{name: "no change"}
	for i := range exchanges {
		x := &exchanges[i]
		claimed := x.right
		x.right = nil
		for _, j := range m.judges {
			right := true
			for _, where := range []string{contract.InRequest, contract.InResponse} {
				found, broken := j.judge(x, where)
				right = right && broken == nil
				s.add(m, j, operator{name: "no change"}, mutant{exchange: *x, where: where}, broken, found)
			}
			if right {
				x.right = append(x.right, j.profile)
			} else if slices.Contains(claimed, j.profile) {
				m.Errorf("%s is not right under %s to begin with", x.name, j.profile)
			}
		}
	}
	return s
}

// mutate changes all exchanges by one operator.
func (m *measurement) mutate(op operator, exchanges []exchange) score {
	s := score{name: op.name}
	seen := map[string]bool{}
	n := 0
	for i := range exchanges {
		x := &exchanges[i]
		fresh := func(part ...any) (first bool) {
			for _, profile := range x.right {
				key := fmt.Sprintf("%s %q", profile, part)
				first = first || !seen[key]
				seen[key] = true
			}
			return first
		}
		op.apply(subject{x, fresh}, func(changed mutant) {
			if n++; n%m.every != 0 {
				return
			}
			for _, j := range m.judges {
				if !slices.Contains(changed.right, j.profile) {
					continue
				}
				found, broken := j.judge(&changed.exchange, changed.where)
				s.add(m, j, op, changed, broken, found)
				if broken != nil && len(found) > 0 {
					m.checkReport(j, op, changed, found)
				}
			}
		})
	}
	return s
}

func (s *score) add(m *measurement, j *judge, op operator, changed mutant, broken error, found []*contract.Violation) {
	if (broken != nil) != (len(found) > 0) {
		text := changed.String()
		for _, d := range disagreements {
			if d.operator == op.name && strings.Contains(text, d.mutant) {
				m.explained[d.why]++
				return
			}
		}
		m.Errorf("%s, %s at %s %q: the oracle says %v, the validator %v\n\t%s", j.profile, op.name, changed.where, changed.at, broken, found, text)
	}
	s.made++
	switch {
	case broken == nil && len(found) > 0:
		s.false++
	case broken != nil:
		s.broken++
		if len(found) > 0 {
			s.found++
		}
	}
}

// checkReport makes sure that what is reported is about the change: in its place, or a step above it,
// or below it; and that a rule fits the operator.
func (m *measurement) checkReport(j *judge, op operator, changed mutant, found []*contract.Violation) {
	fits := false
	for _, v := range found {
		near := changed.far || v.Pointer == changed.at || strings.HasPrefix(v.Pointer, changed.at+"/") ||
			strings.HasPrefix(changed.at, v.Pointer) && strings.Count(changed.at[len(v.Pointer):], "/") == 1
		if !near || v.Where != changed.where {
			m.Errorf("%s, %s at %s %q is reported elsewhere: %v\n\t%s", j.profile, op.name, changed.where, changed.at, v, &changed.exchange)
		}
		fits = fits || slices.Contains(op.rules, v.Rule)
	}
	if !fits {
		m.Errorf("%s, %s at %s %q is reported under another rule: %v\n\t%s", j.profile, op.name, changed.where, changed.at, found, &changed.exchange)
	}
}
