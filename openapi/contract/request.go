package contract

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// checkRequest returns the violations of a request with the given body.
func (v *Validator) checkRequest(req *http.Request, body []byte) []*Violation {
	r := v.route(req)
	if r.operation == nil {
		return r.violations
	}
	c := &check{operation: r.operation.id, where: InRequest, off: v.off, covered: v.covered, list: r.violations}
	v.covered.operation(r.operation.id)
	c.parameters(r, req.URL.RawQuery)
	c.requestBody(r.operation.body, req.Header.Get("Content-Type"), body)
	return c.sorted()
}

// parameters checks the parameters in the path and in the query.
func (c *check) parameters(r route, rawQuery string) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		c.add("query", RuleParameter, "the query is not encoded as a form")
	}
	var known []string
	for _, ref := range r.operation.parameters {
		p := ref.Value
		switch p.In {
		case openapi3.ParameterInPath:
			c.parameter(p, r.path[p.Name])
		case openapi3.ParameterInQuery:
			known = append(known, p.Name)
			values := query[p.Name]
			switch {
			case len(values) == 0 && p.Name == "api-version":
				c.add("query."+p.Name, RuleAPIVersion, "expected %s, found none", oneOf(p.Schema.Value.Enum))
			case len(values) == 0 && p.Required:
				c.add("query."+p.Name, RuleRequired, "expected a value, found none")
			case len(values) > 1:
				c.add("query."+p.Name, RuleRepeated, "expected one value, found %d", len(values))
			}
			for _, value := range values {
				c.parameter(p, value)
			}
		}
	}
	for name := range query {
		if slices.Contains(known, name) {
			continue
		}
		message := "expected no parameter of this name"
		if i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name) }); i >= 0 {
			message = "expected the name " + known[i]
		}
		c.add("query."+name, RuleParameter, "%s", message)
	}
}

// parameter checks one value of a parameter.
func (c *check) parameter(p *openapi3.Parameter, text string) {
	at := p.In + "." + p.Name
	var value any = text
	switch schema := p.Schema.Value; {
	case schema.Type.Is("integer"):
		if !wholeNumber.MatchString(text) {
			c.add(at, RuleInt64, "expected a whole number, found %s", show(text))
			return
		}
		value = json.Number(text)
	case schema.Type.Is("boolean"):
		// The documentation's own examples write True, as .NET does.
		switch {
		case strings.EqualFold(text, "true"):
			value = true
		case strings.EqualFold(text, "false"):
			value = false
		default:
			c.add(at, RuleType, "expected true or false, found %s", show(text))
			return
		}
	}
	// The version has a rule of its own: who checks against a server of another version wants to
	// switch that off, and nothing else.
	if p.Name == "api-version" {
		if p.Schema.Value.VisitJSON(value) != nil {
			c.add(at, RuleAPIVersion, "expected %s, found %s", oneOf(p.Schema.Value.Enum), show(text))
		}
		return
	}
	c.value(p.Schema, value, at)
}

func (c *check) requestBody(want *openapi3.RequestBody, contentType string, body []byte) {
	switch {
	case want == nil && len(body) > 0:
		c.add("", RuleNoBody, "expected no body, found %d bytes", len(body))
	case want == nil:
	case len(body) > 0:
		c.body(want.Content, contentType, body)
	case want.Required:
		c.add("", RuleBody, "expected a body, found none")
	}
}
