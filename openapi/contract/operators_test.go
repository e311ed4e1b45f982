package contract_test

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/servicefabric-go/backup/openapi/contract"
)

// An operator makes mutants of an exchange, each with one change. It does not know whether a mutant is valid;
// the oracle does.
type operator struct {
	name  string
	rules []contract.Rule // one of which must be reported for an invalid mutant
	apply func(x original, emit func(mutant))
}

// An original is an exchange to be changed. Generated exchanges have most of their parts in common, and a
// part is changed only once: firstTime reports whether the operator has not seen the part before.
type original struct {
	*exchange
	firstTime func(part ...any) bool
}

// A mutant is an exchange with one change.
type mutant struct {
	exchange
	side     contract.Side // contract.InRequest or contract.InResponse
	location string        // of the change, as in a Violation
	anywhere bool          // violations may be at any location
}

// The rules that several operators have in common. RuleOneOf is among them because any change may leave a
// union without a discriminator with no matching member.
var (
	otherText = []contract.Rule{
		contract.RulePattern, contract.RuleBounds, contract.RuleEnum, contract.RuleDiscriminator, contract.RuleUUID,
		contract.RuleDateTime, contract.RuleInt64, contract.RuleURI,
	}
	otherBody = []contract.Rule{
		contract.RuleRequired, contract.RuleProperty, contract.RuleType, contract.RuleOneOf, contract.RuleNull,
	}
)

var operators = []operator{
	{"missing property", []contract.Rule{contract.RuleRequired, contract.RuleOneOf}, onBody(func(p position, emit func(string)) {
		if p.parent != nil && p.parent.kind == '{' {
			p.drop(emit)
		}
	})},
	{"undocumented property", []contract.Rule{contract.RuleProperty}, onBody(func(p position, emit func(string)) {
		if p.node.kind != '{' {
			return
		}
		names := []string{"Undocumented", "Message", "Id", "", "a/b~c"}
		for _, m := range p.node.members {
			names = append(names, strings.ToLower(m.name), m.name+" ")
		}
		for _, name := range names {
			if p.node.member(name) == nil {
				p.add(name, scalar("7903dc2a-228d-44b0-b7c8-a13a6c9b46bd"), emit)
			}
		}
	})},
	{"duplicate property", []contract.Rule{contract.RuleDuplicate}, onBody(func(p position, emit func(string)) {
		for _, m := range p.node.members {
			p.add(m.name, m.value, emit)
		}
	})},
	{"another type", []contract.Rule{
		contract.RuleType, contract.RuleOneOf, contract.RuleInt64, contract.RuleRequired, contract.RuleDiscriminator,
	}, onBody(func(p position, emit func(string)) {
		for _, text := range []string{"17", "1.5", "true", `"17"`, "[]", "[{}]", "{}"} {
			if n := raw(text); n.kind != p.node.kind {
				p.replace(n, emit)
			}
		}
	})},
	{"null", []contract.Rule{contract.RuleNull, contract.RuleOneOf}, onBody(func(p position, emit func(string)) {
		if p.node.kind != 'n' {
			p.replace(raw("null"), emit)
		}
	})},
	{"invalid UUID", []contract.Rule{contract.RuleUUID}, onText(regexp.MustCompile(`^[0-9A-Fa-f-]{36}$`),
		"", "1daae3f5-7fd6-42e9-b1ba-8c05f873994", "1daae3f5-7fd6-42e9-b1ba-8c05f873994dd", "1daae3f57fd642e9b1ba8c05f873994d",
		"{1daae3f5-7fd6-42e9-b1ba-8c05f873994d}", "urn:uuid:1daae3f5-7fd6-42e9-b1ba-8c05f873994d",
		"1daae3f5-7fd6-42e9-b1ba-8c05f873994g", "1daae3f5-7fd642e9-b1ba-8c05-f873994d", " 1daae3f5-7fd6-42e9-b1ba-8c05f873994d",
		"1daae3f5-7fd6-42e9-b1ba-8c05f873994d\n", "1daae3f5_7fd6_42e9_b1ba_8c05f873994d")},
	{"invalid date-time", []contract.Rule{contract.RuleDateTime, contract.RulePattern}, onText(regexp.MustCompile(`^\d{4}-\d\d-\d\dT`), badDates...)},
	{"number beyond int64", []contract.Rule{
		contract.RuleInt64, contract.RulePattern, contract.RuleType, contract.RuleOneOf, contract.RuleBounds,
	}, onBody(func(p position, emit func(string)) {
		text, isText := p.node.string()
		if p.node.kind == '0' || isText && decimal.MatchString(text) {
			for _, number := range []string{
				"9223372036854775808", "-9223372036854775809", "9999999999999999999", "18446744073709551616",
				"1e3", "1.0", "1e400", "131462452931584510123456789012345678901234567890", "-0", "9223372036854775807",
			} {
				p.replace(raw(number), emit)
				p.replace(scalar(number), emit)
			}
			for _, text := range []string{"", "-", "--1", "+1", " 1", "1 ", "1_000", "1,000", "0x10", "１", "NaN", "007"} {
				p.replace(scalar(text), emit)
			}
		}
	})},
	{"value not in the enum", otherText, onBody(func(p position, emit func(string)) {
		if text, ok := p.node.string(); ok && regexp.MustCompile(`^[A-Za-z]\w*$`).MatchString(text) {
			for _, other := range []string{text + "s", strings.ToLower(text), strings.ToUpper(text), " " + text, "Invalid", "", "4"} {
				p.replace(scalar(other), emit)
			}
		}
	})},
	{"another text", otherText, onBody(func(p position, emit func(string)) {
		if text, ok := p.node.string(); ok {
			for _, other := range []string{"", "x", "fabric:/", "fabric:" + text, " " + text, text + "\n", "http://[::1", "/relative"} {
				p.replace(scalar(other), emit)
			}
		}
	})},
	{"lone surrogate", []contract.Rule{contract.RuleJSON}, func(x original, emit func(mutant)) {
		onBody(func(p position, emit func(string)) {
			if p.node.kind == '"' {
				p.replace(raw(`"\ud800"`), emit)
			}
		})(x, func(m mutant) {
			m.anywhere = true // the decoder stops there
			emit(m)
		})
	}},
	{"another discriminator", append(otherBody, contract.RuleDiscriminator), onDiscriminator},
	{"not JSON", []contract.Rule{contract.RuleJSON, contract.RuleMissingBody, contract.RuleTrailing}, onBytes(func(body []byte, emit func([]byte)) {
		for i := range 16 {
			emit(body[:len(body)*i/16])
		}
		emit(body[:max(len(body)-1, 0)])
		emit(append([]byte("\ufeff"), body...))
		emit(bytes.Replace(body, []byte(`":`), []byte("\xff\":"), 1))
		emit(bytes.Replace(body, []byte(`:`), []byte(`=`), 1))
		emit(bytes.ReplaceAll(body, []byte(`"`), []byte(`'`)))
		emit([]byte(" "))
		emit([]byte("<html>"))
	})},
	{"trailing data", []contract.Rule{contract.RuleTrailing, contract.RuleJSON, contract.RuleUndocumentedBody}, onBytes(func(body []byte, emit func([]byte)) {
		for _, more := range []string{"x", "{}", "}", ",", "null", "\x00", "\ufeff", "\u00a0", " \r\n\t"} {
			emit(append(slices.Clip(body), more...))
		}
	})},
	{"another status", append(otherBody, contract.RuleStatus, contract.RuleMissingBody, contract.RuleUndocumentedBody, contract.RuleContentType), func(x original, emit func(mutant)) {
		if !x.newMessage() {
			return
		}
		for _, status := range []int{200, 201, 202, 203, 204, 206, 301, 304, 307, 400, 404, 409, 418, 500, 503, 599} {
			if status != x.status {
				m := mutant{exchange: *x.exchange, side: contract.InResponse, location: "status", anywhere: true}
				m.status = status
				emit(m)
			}
		}
	}},
	{"another content type", append(otherBody, contract.RuleContentType, contract.RuleJSON), func(x original, emit func(mutant)) {
		if !x.newMessage() {
			return
		}
		for _, other := range []string{
			"", "text/html", "text/plain", "application/xml", "application/problem+json", "text/json", "json", "*/*",
			"application/json;", "APPLICATION/JSON", "application/json; charset=utf-8", "application/json, text/plain",
		} {
			// A body that is valid under one content type of an error may be invalid under another.
			m := mutant{exchange: *x.exchange, side: contract.InResponse, location: "header.Content-Type", anywhere: x.status >= 400}
			m.contentType = other
			emit(m)
			m = mutant{exchange: *x.exchange, side: contract.InRequest, location: "header.Content-Type"}
			m.requestType = other
			emit(m)
		}
	}},
	{"an undocumented body", []contract.Rule{contract.RuleUndocumentedBody, contract.RuleContentType}, func(x original, emit func(mutant)) {
		if !x.newMessage() {
			return
		}
		for _, side := range []contract.Side{contract.InRequest, contract.InResponse} {
			// If the document allows a body, the violation is the missing content type, at another location.
			m := mutant{exchange: *x.exchange, side: side, anywhere: true}
			if len(m.changedBody()) == 0 {
				m.setBody([]byte("{}"))
				emit(m)
			}
		}
	}},
}

// badDates are mostly invalid date-times. Some only look invalid; the oracle decides.
var badDates = []string{
	"", "yesterday", "2018-01-01", "2018-01-01T09:00:55", "2018-01-01 09:00:55Z", "2018-02-29T09:00:55Z", "2018-13-01T09:00:55Z",
	"2018-01-32T09:00:55Z", "2018-01-01T24:00:00Z", "2018-01-01T09:60:00Z", "2018-01-01T09:00:61Z", "2018-01-01T9:00:55Z",
	"2018-01-01T09:00Z", "18-01-01T09:00:55Z", "2018-1-1T09:00:55Z", "2018-01-01T09:00:55,5Z", "2018-01-01T09:00:55.Z",
	"2018-01-01T09:00:55+0200", "2018-01-01T09:00:55+25:00", "2018-01-01T09:00:55+02:60", "2018-01-01T09:00:55ZZ",
	"2018-01-01T09:00:55UTC", "20180101T090055Z", "/Date(1514797255000)/", "2018-01-01T09:00:55Z\n", "２018-01-01T09:00:55Z",
	"2016-12-31T23:59:60Z", "2016-12-31T12:59:60Z", "2018-01-01t09:00:55z", "2020-02-29T09:00:55-00:00",
}

// onBody returns the change of an operator that changes JSON bodies, one position at a time.
func onBody(change func(p position, emit func(location string))) func(original, func(mutant)) {
	return func(x original, emit func(mutant)) {
		for _, side := range []contract.Side{contract.InRequest, contract.InResponse} {
			body := (&mutant{exchange: *x.exchange, side: side}).changedBody()
			if len(body) == 0 || body[0] == '<' {
				continue
			}
			root := mustParse(body)
			for _, p := range positions(root) {
				if !x.firstTime(x.operation, side, x.status, x.contentType, p.location, p.kind(), string(p.node.json())) {
					continue
				}
				change(p, func(location string) {
					m := mutant{exchange: *x.exchange, side: side, location: location}
					m.setBody(root.json())
					emit(m)
				})
			}
		}
	}
}

// kind returns the discriminator beside a property. It determines the schema of the property.
func (p position) kind() string {
	if p.parent != nil {
		for _, m := range p.parent.members {
			if strings.HasSuffix(m.name, "Kind") {
				return m.value.text
			}
		}
	}
	return ""
}

// changedBody returns the body on the side of the change.
func (m *mutant) changedBody() []byte {
	if m.side == contract.InRequest {
		return m.requestBody
	}
	return m.body
}

func (m *mutant) setBody(body []byte) {
	if m.side == contract.InRequest {
		m.requestBody = body
	} else {
		m.body = body
	}
}

// onText returns the change of an operator that replaces strings that match a pattern.
func onText(pattern *regexp.Regexp, others ...string) func(original, func(mutant)) {
	return onBody(func(p position, emit func(string)) {
		if text, ok := p.node.string(); ok && pattern.MatchString(text) {
			for _, other := range others {
				p.replace(scalar(other), emit)
			}
		}
	})
}

// newMessage reports whether no exchange before had the same combination of statuses, types and kinds of bodies.
func (x original) newMessage() bool {
	return x.firstTime(x.operation, x.requestType, len(x.requestBody) > 0, x.status, x.contentType, len(x.body) > 0, string(x.body[:min(len(x.body), 1)]))
}

// onBytes returns the change of an operator that changes a body as bytes.
func onBytes(change func(body []byte, emit func([]byte))) func(original, func(mutant)) {
	return func(x original, emit func(mutant)) {
		for _, side := range []contract.Side{contract.InRequest, contract.InResponse} {
			body := (&mutant{exchange: *x.exchange, side: side}).changedBody()
			if len(body) == 0 {
				continue // adding a body is another operator
			}
			if !x.firstTime(x.operation, side, x.status, x.contentType, string(body)) {
				continue
			}
			change(body, func(changed []byte) {
				m := mutant{exchange: *x.exchange, side: side, anywhere: true}
				m.setBody(changed)
				emit(m)
			})
		}
	}
}

// onDiscriminator replaces the kind of each value of a union with every other kind.
func onDiscriminator(x original, emit func(mutant)) {
	kinds := map[string][]string{
		"StorageKind":          {"AzureBlobStore", "FileShare", "DsmsAzureBlobStore", "ManagedIdentityAzureBlobStore"},
		"ServicePartitionKind": {"Int64Range", "Named", "Singleton"},
	}
	onBody(func(p position, emit func(string)) {
		for property, kinds := range kinds {
			kind := p.node.member(property)
			if kind == nil {
				continue
			}
			for _, other := range append(kinds, "Invalid", "Unknown", "", strings.ToLower(kinds[0])) {
				// The location is that of the union, because the new kind also changes the schema of its other properties.
				position{p.location, kind, p.node, 0}.replace(scalar(other), emit)
			}
		}
	})(x, emit)
}
