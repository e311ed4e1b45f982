package contract

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// An exchange is a request and its response while they are checked.
type exchange struct {
	validator *Validator
	req       *http.Request
	route     route
	out       *report
	mu        sync.Mutex // for out
}

func (v *Validator) exchange(req *http.Request, out *report) *exchange {
	return &exchange{validator: v, req: req, route: v.route(req), out: out}
}

// matched reports whether the request is one of an operation, so that its bodies are worth reading.
func (x *exchange) matched() bool { return x.route.operation != nil }

func (x *exchange) check(side Side) *check {
	c := &check{validator: x.validator, side: side, strict: x.validator.strict, out: x.out, begin: len(x.out.violations)}
	if x.route.matched != nil {
		c.operation = x.route.matched.id
	}
	return c
}

// checkRequest checks the request. The body is not used if the request matches no operation.
func (x *exchange) checkRequest(body *message) {
	x.mu.Lock()
	defer x.mu.Unlock()
	c := x.check(InRequest)
	defer c.end()
	for _, p := range x.route.problems {
		c.at("path", "", func() { c.add(p.rule, "%s", p.message) })
	}
	if !x.matched() {
		return
	}
	o := x.route.operation
	c.count(o.used)
	c.parameters(o, x.route.pathParameters, x.req.URL.RawQuery)
	if encoding := x.req.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		c.at("header.", "Content-Encoding", func() { c.add(RuleEncoding, "expected no encoding, found %s", quote(encoding)) })
	}
	c.body(o.body, x.req.Header, body)
}

// checkResponse checks the response.
func (x *exchange) checkResponse(status int, header http.Header, body *message) {
	x.mu.Lock()
	defer x.mu.Unlock()
	c := x.check(InResponse)
	defer c.end()
	o := x.route.operation
	for _, text := range []string{strconv.Itoa(status), strconv.Itoa(status/100) + "xx"} {
		if seen := o.statuses[text]; seen != nil {
			c.count(seen)
		}
	}
	documented := cmp.Or(o.responses[strconv.Itoa(status)], o.responses[strconv.Itoa(status/100)+"XX"])
	if documented == nil && status >= http.StatusBadRequest {
		documented = o.responses["default"] // the document describes errors only by it
	}
	if documented == nil {
		statuses := slices.Sorted(maps.Keys(o.responses))
		if i := slices.Index(statuses, "default"); i >= 0 { // it sorts after the numbers
			statuses[i] = "an error status"
		}
		c.at("status", "", func() { c.add(RuleStatus, "expected %s, found %d", strings.Join(statuses, " or "), status) })
		return
	}
	encoding := header.Get("Content-Encoding")
	if encoding != "" && !strings.EqualFold(encoding, "identity") && !accepts(x.req, encoding) {
		c.at("header.", "Content-Encoding", func() {
			c.add(RuleEncoding, "expected an encoding that the request accepts, found %s", quote(encoding))
		})
	}
	c.body(documented, header, body)
}

// accepts reports whether a request accepts an encoding of the response.
func accepts(req *http.Request, encoding string) bool {
	for _, values := range req.Header.Values("Accept-Encoding") {
		for value := range strings.SplitSeq(values, ",") {
			name, weight, _ := strings.Cut(value, ";")
			name = strings.TrimSpace(name)
			if (name == "*" || strings.EqualFold(name, encoding)) && strings.Trim(strings.TrimSpace(weight), "0.") != "q=" {
				return true
			}
		}
	}
	return false
}

// parameters checks the parameters in the path and in the query.
func (c *check) parameters(o *operation, path map[string]string, rawQuery string) {
	byName := map[string]*parameter{}
	for _, p := range o.parameters {
		if p.inPath {
			c.count(p.used)
			c.at(inPath, p.name, func() { c.parameter(p, path[p.name], "") })
			continue
		}
		byName[p.name] = p
	}
	values := map[string]int{} // how many each parameter of the document has
	for pair := range strings.SplitSeq(rawQuery, "&") {
		if pair == "" {
			continue
		}
		rawName, raw, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(rawName)
		text, textErr := url.QueryUnescape(raw)
		if nameErr != nil || textErr != nil || strings.Contains(pair, ";") {
			c.at("query", "", func() { c.add(RuleParameter, "expected a URL-encoded query, found invalid encoding") })
			continue
		}
		p := byName[name]
		if p == nil {
			c.at("query.", name, func() { c.undocumentedParameter(name, byName) })
			continue
		}
		values[name]++
		c.count(p.used)
		c.at("query.", name, func() { c.parameter(p, text, raw) })
	}
	for name, p := range byName {
		c.at("query.", name, func() {
			switch n := values[name]; {
			case n == 0 && name == apiVersion:
				c.add(RuleAPIVersion, "expected %s, found none", versions(p.schema))
			case n == 0 && p.required:
				c.add(RuleRequired, "expected a value, found none")
			case n > 1:
				c.add(RuleRepeated, "expected one value, found %d", n)
			}
		})
	}
}

func (c *check) undocumentedParameter(name string, documented map[string]*parameter) {
	if !c.violates(RuleParameter) {
		return
	}
	for d := range documented {
		if strings.EqualFold(d, name) {
			c.report("expected the name %s, found different capitalization", d)
			return
		}
	}
	if meant := closest(name, maps.Keys(documented)); meant != "" {
		c.report("expected no parameter with this name, found one; did you mean %s?", meant)
		return
	}
	c.report("expected no parameter with this name, found one")
}

// inPath is the prefix of the locations of path parameters.
const inPath = "path."

// apiVersion is the name of the parameter that has its own rule, so that checks against a server of another version
// can disable that and nothing else.
const apiVersion = "api-version"

// numberText is the syntax of a number in a query.
var numberText = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// parameter checks one value of a parameter, which was raw in the query.
func (c *check) parameter(p *parameter, text, raw string) {
	f := found{kind: '"', text: []byte(text)}
	source := p.schema.source
	expected, rule := "", RuleType
	switch {
	case source.Type.Is("integer") && integerText.MatchString(text), source.Type.Is("number") && numberText.MatchString(text):
		f.kind = '0'
	case source.Type.Is("integer"):
		expected, rule = "an integer", RuleInt64
	case source.Type.Is("number"):
		expected = "a number"
	// The documentation's own examples write True, as .NET does.
	case source.Type.Is("boolean") && (strings.EqualFold(text, "true") || strings.EqualFold(text, "false")):
		f = found{kind: 't', text: []byte(strings.ToLower(text))}
	case source.Type.Is("boolean"):
		expected = "true or false"
	}
	if p.name == apiVersion {
		c.version(p.schema, f, expected == "")
		return
	}
	if expected != "" {
		c.add(rule, "expected %s, found %s", expected, quote(text))
		return
	}
	if strings.Contains(raw, "+") && strings.Contains(text, " ") {
		c.hint = "; a + in a query is a space: write it as %2B"
	} else if plain, err := url.QueryUnescape(text); err == nil && strings.Contains(text, "%") && plain != text {
		c.hint = "; it was encoded twice"
	}
	c.scalar(p.schema, f)
	c.hint = ""
}

// version checks the api-version.
func (c *check) version(s *schema, f found, rightType bool) {
	m := &check{validator: c.validator, side: c.side, matching: true}
	m.scalar(s, f)
	if m.failed || !rightType {
		c.add(RuleAPIVersion, "expected %s, found %s", versions(s), quote(string(f.text)))
	}
}

// versions describes the values of the api-version.
func versions(s *schema) string {
	if len(s.source.Enum) > 0 {
		return enumValues(s.source)
	}
	return strings.TrimSpace(typeName(s.source) + " of " + bounds(s.source))
}
