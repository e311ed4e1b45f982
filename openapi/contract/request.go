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
	c := &check{operation: r.operation.id, side: InRequest, disabled: v.disabled, coverage: v.coverage, violations: r.violations}
	v.coverage.count(CoverageOperation, r.operation.id, "")
	c.parameters(r, req.URL.RawQuery)
	if documented := r.operation.body; documented == nil {
		c.body(nil, false, "", body)
	} else {
		c.body(documented.Content, documented.Required, req.Header.Get("Content-Type"), body)
	}
	return c.result()
}

// parameters checks the parameters in the path and in the query.
func (c *check) parameters(r route, rawQuery string) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		c.add("query", RuleParameter, "expected a URL-encoded query, found invalid encoding")
	}
	var documented []string
	for _, ref := range r.operation.parameters {
		p := ref.Value
		switch p.In {
		case openapi3.ParameterInPath:
			c.parameter(p, r.pathParameters[p.Name])
		case openapi3.ParameterInQuery:
			documented = append(documented, p.Name)
			values := query[p.Name]
			switch {
			case len(values) == 0 && p.Name == "api-version":
				c.add("query."+p.Name, RuleAPIVersion, "expected %s, found none", enumValues(p.Schema.Value))
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
		if slices.Contains(documented, name) {
			continue
		}
		message := "expected no parameter with this name, found one"
		if i := slices.IndexFunc(documented, func(d string) bool { return strings.EqualFold(d, name) }); i >= 0 {
			message = "expected the name " + documented[i] + ", found different capitalization"
		}
		c.add("query."+name, RuleParameter, "%s", message)
	}
}

// parameter checks one value of a parameter.
func (c *check) parameter(p *openapi3.Parameter, text string) {
	location := p.In + "." + p.Name
	var value any = text
	switch schema := p.Schema.Value; {
	case schema.Type.Is("integer"):
		if !integerText.MatchString(text) {
			c.add(location, RuleInt64, "expected an integer, found %s", quote(text))
			return
		}
		value = json.Number(text)
	case schema.Type.Is("boolean"):
		// The documentation's own examples write True, as .NET does.
		isTrue := strings.EqualFold(text, "true")
		if !isTrue && !strings.EqualFold(text, "false") {
			c.add(location, RuleType, "expected true or false, found %s", quote(text))
			return
		}
		value = isTrue
	}
	// The version has its own rule, so that checks against a server of another version can disable that
	// and nothing else.
	if p.Name == "api-version" {
		if p.Schema.Value.VisitJSON(value) != nil {
			c.add(location, RuleAPIVersion, "expected %s, found %s", enumValues(p.Schema.Value), quote(text))
		}
		return
	}
	c.value(p.Schema, value, location)
}
