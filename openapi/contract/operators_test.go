package contract_test

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/servicefabric-go/backup/openapi/contract"
)

// An operator changes an exchange at one single point, at every point where it can. It does not know
// whether the change breaks the document; the oracle does.
type operator struct {
	name  string
	rules []contract.Rule // that may be reported for it
	apply func(x subject, emit func(mutant))
}

// A subject is an exchange to be changed. Generated exchanges have most of their parts in common, and
// what was changed once need not be again: fresh reports whether the operator meets a part for the
// first time.
type subject struct {
	*exchange
	fresh func(part ...any) bool
}

// A mutant is an exchange with one change.
type mutant struct {
	exchange
	where string // contract.InRequest or contract.InResponse
	at    string // the place of the change, as a Violation has it
	far   bool   // the change gives other places another meaning
}

// Rules that several operators may be reported under. A union without a discriminator may have no
// member left that fits, whatever is wrong.
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
	{"property missing", []contract.Rule{contract.RuleRequired, contract.RuleOneOf}, onBody(func(p place, emit func(string)) {
		if p.parent != nil && p.parent.kind == '{' {
			p.drop(emit)
		}
	})},
	{"property undocumented", []contract.Rule{contract.RuleProperty}, onBody(func(p place, emit func(string)) {
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
	{"property twice", []contract.Rule{contract.RuleDuplicate}, onBody(func(p place, emit func(string)) {
		for _, m := range p.node.members {
			p.add(m.name, m.value, emit)
		}
	})},
	{"another type", []contract.Rule{
		contract.RuleType, contract.RuleOneOf, contract.RuleInt64, contract.RuleRequired, contract.RuleDiscriminator,
	}, onBody(func(p place, emit func(string)) {
		for _, text := range []string{"17", "1.5", "true", `"17"`, "[]", "[{}]", "{}"} {
			if n := raw(text); n.kind != p.node.kind {
				p.replace(n, emit)
			}
		}
	})},
	{"null", []contract.Rule{contract.RuleNull, contract.RuleOneOf}, onBody(func(p place, emit func(string)) {
		if p.node.kind != 'n' {
			p.replace(raw("null"), emit)
		}
	})},
	{"bad uuid", []contract.Rule{contract.RuleUUID}, onText(regexp.MustCompile(`^[0-9A-Fa-f-]{36}$`),
		"", "1daae3f5-7fd6-42e9-b1ba-8c05f873994", "1daae3f5-7fd6-42e9-b1ba-8c05f873994dd", "1daae3f57fd642e9b1ba8c05f873994d",
		"{1daae3f5-7fd6-42e9-b1ba-8c05f873994d}", "urn:uuid:1daae3f5-7fd6-42e9-b1ba-8c05f873994d",
		"1daae3f5-7fd6-42e9-b1ba-8c05f873994g", "1daae3f5-7fd642e9-b1ba-8c05-f873994d", " 1daae3f5-7fd6-42e9-b1ba-8c05f873994d",
		"1daae3f5-7fd6-42e9-b1ba-8c05f873994d\n", "1daae3f5_7fd6_42e9_b1ba_8c05f873994d")},
	{"bad date", []contract.Rule{contract.RuleDateTime}, onText(regexp.MustCompile(`^\d{4}-\d\d-\d\dT`), badDates...)},
	{"number beyond int64", []contract.Rule{
		contract.RuleInt64, contract.RulePattern, contract.RuleType, contract.RuleOneOf, contract.RuleBounds,
	}, onBody(func(p place, emit func(string)) {
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
	{"value outside the enum", otherText, onBody(func(p place, emit func(string)) {
		if text, ok := p.node.string(); ok && regexp.MustCompile(`^[A-Za-z]\w*$`).MatchString(text) {
			for _, other := range []string{text + "s", strings.ToLower(text), strings.ToUpper(text), " " + text, "Invalid", "", "4"} {
				p.replace(scalar(other), emit)
			}
		}
	})},
	{"another text", otherText, onBody(func(p place, emit func(string)) {
		if text, ok := p.node.string(); ok {
			for _, other := range []string{"", "x", "fabric:/", "fabric:" + text, " " + text, text + "\n", "http://[::1", "/relative"} {
				p.replace(scalar(other), emit)
			}
		}
	})},
	{"half a character", []contract.Rule{contract.RuleJSON}, func(x subject, emit func(mutant)) {
		onBody(func(p place, emit func(string)) {
			if p.node.kind == '"' {
				p.replace(raw(`"\ud800"`), emit)
			}
		})(x, func(m mutant) {
			m.far = true // the reader stops there
			emit(m)
		})
	}},
	{"another discriminator", append(otherBody, contract.RuleDiscriminator), onDiscriminator},
	{"not JSON", []contract.Rule{contract.RuleJSON, contract.RuleBody, contract.RuleTrailing}, onBytes(func(body []byte, emit func([]byte)) {
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
	{"bytes after the end", []contract.Rule{contract.RuleTrailing, contract.RuleJSON, contract.RuleNoBody}, onBytes(func(body []byte, emit func([]byte)) {
		for _, more := range []string{"x", "{}", "}", ",", "null", "\x00", "\ufeff", "\u00a0", " \r\n\t"} {
			emit(append(slices.Clip(body), more...))
		}
	})},
	{"another status", append(otherBody, contract.RuleStatus, contract.RuleBody, contract.RuleNoBody, contract.RuleContentType), func(x subject, emit func(mutant)) {
		if !x.message() {
			return
		}
		for _, status := range []int{200, 201, 202, 203, 204, 206, 301, 304, 307, 400, 404, 409, 418, 500, 503, 599} {
			if status != x.status {
				m := mutant{exchange: *x.exchange, where: contract.InResponse, at: "status", far: true}
				m.status = status
				emit(m)
			}
		}
	}},
	{"another content type", append(otherBody, contract.RuleContentType, contract.RuleJSON), func(x subject, emit func(mutant)) {
		if !x.message() {
			return
		}
		for _, other := range []string{
			"", "text/html", "text/plain", "application/xml", "application/problem+json", "text/json", "json", "*/*",
			"application/json;", "APPLICATION/JSON", "application/json; charset=utf-8", "application/json, text/plain",
		} {
			// What is right under one content type of an error may be wrong under another one.
			m := mutant{exchange: *x.exchange, where: contract.InResponse, at: "header.Content-Type", far: x.status >= 400}
			m.contentType = other
			emit(m)
			m = mutant{exchange: *x.exchange, where: contract.InRequest, at: "header.Content-Type"}
			m.requestType = other
			emit(m)
		}
	}},
	{"a body where none is", []contract.Rule{contract.RuleNoBody, contract.RuleContentType}, func(x subject, emit func(mutant)) {
		if !x.message() {
			return
		}
		for _, where := range []string{contract.InRequest, contract.InResponse} {
			// A body where one may be lacks its content type, which is another place.
			m := mutant{exchange: *x.exchange, where: where, far: true}
			if len(m.side()) == 0 {
				m.setBody([]byte("{}"))
				emit(m)
			}
		}
	}},
}

// badDates are no dates, or dates without a zone; some are right in spite of their looks.
var badDates = []string{
	"", "yesterday", "2018-01-01", "2018-01-01T09:00:55", "2018-01-01 09:00:55Z", "2018-02-29T09:00:55Z", "2018-13-01T09:00:55Z",
	"2018-01-32T09:00:55Z", "2018-01-01T24:00:00Z", "2018-01-01T09:60:00Z", "2018-01-01T09:00:61Z", "2018-01-01T9:00:55Z",
	"2018-01-01T09:00Z", "18-01-01T09:00:55Z", "2018-1-1T09:00:55Z", "2018-01-01T09:00:55,5Z", "2018-01-01T09:00:55.Z",
	"2018-01-01T09:00:55+0200", "2018-01-01T09:00:55+25:00", "2018-01-01T09:00:55+02:60", "2018-01-01T09:00:55ZZ",
	"2018-01-01T09:00:55UTC", "20180101T090055Z", "/Date(1514797255000)/", "2018-01-01T09:00:55Z\n", "２018-01-01T09:00:55Z",
	"2016-12-31T23:59:60Z", "2016-12-31T12:59:60Z", "2018-01-01t09:00:55z", "2020-02-29T09:00:55-00:00",
}

// onBody makes an operator of one that changes JSON bodies, place by place.
func onBody(change func(p place, emit func(at string))) func(subject, func(mutant)) {
	return func(x subject, emit func(mutant)) {
		for _, where := range []string{contract.InRequest, contract.InResponse} {
			body := (&mutant{exchange: *x.exchange, where: where}).side()
			if len(body) == 0 || body[0] == '<' {
				continue
			}
			root := mustParse(body)
			for _, p := range places(root) {
				if !x.fresh(x.operation, where, x.status, x.contentType, p.at, p.kind(), string(p.node.json())) {
					continue
				}
				change(p, func(at string) {
					m := mutant{exchange: *x.exchange, where: where, at: at}
					m.setBody(root.json())
					emit(m)
				})
			}
		}
	}
}

// kind returns the discriminator beside a property, which decides what the property means.
func (p place) kind() string {
	if p.parent != nil {
		for _, m := range p.parent.members {
			if strings.HasSuffix(m.name, "Kind") {
				return m.value.text
			}
		}
	}
	return ""
}

// side returns the body that the change is about.
func (m *mutant) side() []byte {
	if m.where == contract.InRequest {
		return m.requestBody
	}
	return m.body
}

func (m *mutant) setBody(body []byte) {
	if m.where == contract.InRequest {
		m.requestBody = body
	} else {
		m.body = body
	}
}

// onText makes an operator that puts other texts where a text of a form stands.
func onText(form *regexp.Regexp, others ...string) func(subject, func(mutant)) {
	return onBody(func(p place, emit func(string)) {
		if text, ok := p.node.string(); ok && form.MatchString(text) {
			for _, other := range others {
				p.replace(scalar(other), emit)
			}
		}
	})
}

// message reports whether an exchange is new in what is said about its bodies.
func (x subject) message() bool {
	return x.fresh(x.operation, x.requestType, len(x.requestBody) > 0, x.status, x.contentType, len(x.body) > 0, string(x.body[:min(len(x.body), 1)]))
}

// onBytes makes an operator of one that changes a body as a whole.
func onBytes(change func(body []byte, emit func([]byte))) func(subject, func(mutant)) {
	return func(x subject, emit func(mutant)) {
		for _, where := range []string{contract.InRequest, contract.InResponse} {
			body := (&mutant{exchange: *x.exchange, where: where}).side()
			if len(body) == 0 {
				continue // to be given a body is another operator
			}
			if !x.fresh(x.operation, where, x.status, x.contentType, string(body)) {
				continue
			}
			change(body, func(changed []byte) {
				m := mutant{exchange: *x.exchange, where: where, far: true}
				m.setBody(changed)
				emit(m)
			})
		}
	}
}

// onDiscriminator gives a value of a union every other kind.
func onDiscriminator(x subject, emit func(mutant)) {
	kinds := map[string][]string{
		"StorageKind":          {"AzureBlobStore", "FileShare", "DsmsAzureBlobStore", "ManagedIdentityAzureBlobStore"},
		"ServicePartitionKind": {"Int64Range", "Named", "Singleton"},
	}
	onBody(func(p place, emit func(string)) {
		for property, kinds := range kinds {
			kind := p.node.member(property)
			if kind == nil {
				continue
			}
			for _, other := range append(kinds, "Invalid", "Unknown", "", strings.ToLower(kinds[0])) {
				// The place is the union: its other properties are judged by the new kind.
				place{p.at, kind, p.node, 0}.replace(scalar(other), emit)
			}
		}
	})(x, emit)
}
