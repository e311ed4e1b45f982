package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/content"
	"github.com/servicefabric-go/backup/openapi/contract"
)

// A checker checks messages with one validator under one document. An error is a report.
type checker interface {
	request(req *http.Request) error
	response(req *http.Request, resp *http.Response) error
}

// newCheckers has the validators that are Go packages, by name.
var newCheckers = map[string]func(document []byte) (checker, error){
	own:     newContract,
	kin:     newKin,
	libopen: newLibopenapi,
}

type contractChecker struct{ validator *contract.Validator }

func newContract(document []byte) (checker, error) {
	v, err := contract.New(document)
	return contractChecker{v}, err
}

func (c contractChecker) request(req *http.Request) error { return c.validator.CheckRequest(req) }

func (c contractChecker) response(req *http.Request, resp *http.Response) error {
	return c.validator.CheckResponse(req, resp)
}

// kinChecker uses kin-openapi as its README does, with every option that makes it stricter, and with validators
// for all formats of the document.
type kinChecker struct {
	router  routers.Router
	options *openapi3filter.Options
}

func newKin(document []byte) (checker, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, err
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, err
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, err
	}
	// The bodies of errors of type text/plain are JSON. By default the package has no decoder for HTML.
	openapi3filter.RegisterBodyDecoder("text/plain", openapi3filter.JSONBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder)
	return kinChecker{router, &openapi3filter.Options{
		MultiError: true, IncludeResponseStatus: true, RejectWhenRequestBodyNotSpecified: true, SkipSettingDefaults: true,
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
		SchemaValidationOptions: []openapi3.SchemaValidationOption{
			openapi3.EnableFormatValidation(),
			openapi3.WithStringFormatValidators(map[string]openapi3.StringFormatValidator{
				"uuid":  openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForUUIDOfRFC9562),
				"int64": openapi3.NewCallbackValidator(checkInt64),
				"uri":   openapi3.NewCallbackValidator(checkURI),
			}),
		},
	}}, nil
}

func checkInt64(text string) error {
	_, err := strconv.ParseInt(text, 10, 64)
	return err
}

func checkURI(text string) error {
	u, err := url.Parse(text)
	if err == nil && !u.IsAbs() {
		return errors.New("not an absolute URI")
	}
	return err
}

func (c kinChecker) input(req *http.Request) (*openapi3filter.RequestValidationInput, error) {
	route, parameters, err := c.router.FindRoute(req)
	return &openapi3filter.RequestValidationInput{Request: req, PathParams: parameters, Route: route, Options: c.options}, err
}

func (c kinChecker) request(req *http.Request) error {
	input, err := c.input(req)
	if err != nil {
		return err
	}
	return openapi3filter.ValidateRequest(req.Context(), input)
}

func (c kinChecker) response(req *http.Request, resp *http.Response) error {
	input, err := c.input(req)
	if err != nil {
		return err
	}
	return openapi3filter.ValidateResponse(req.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: resp.StatusCode, Header: resp.Header, Body: resp.Body, Options: c.options,
	})
}

// libopenapiChecker uses libopenapi-validator in its strict mode, with every option that makes it stricter.
type libopenapiChecker struct{ validator validator.Validator }

func newLibopenapi(document []byte) (checker, error) {
	doc, err := libopenapi.NewDocument(document)
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(doc,
		config.WithFormatAssertions(), config.WithContentAssertions(), config.WithStrictMode(), config.WithStrictServerMatching(),
		config.WithStrictRejectReadOnly(), config.WithStrictRejectWriteOnly(),
		config.WithRejectUndeclaredRequestBody(), config.WithRejectUnsupportedBodyContent(),
		config.WithBodyDecoder("text/plain", content.JSONDecoder()), config.WithBodyDecoder("text/html", content.TextDecoder()),
		config.WithCustomFormat("int64", func(value any) error {
			switch value.(type) {
			case string, json.Number:
				return checkInt64(fmt.Sprint(value))
			}
			return nil
		}))
	return libopenapiChecker{v}, errors.Join(errs...)
}

func (c libopenapiChecker) request(req *http.Request) error {
	_, errs := c.validator.ValidateHttpRequestSync(req)
	return joined(errs)
}

func (c libopenapiChecker) response(req *http.Request, resp *http.Response) error {
	_, errs := c.validator.ValidateHttpResponse(req, resp)
	return joined(errs)
}

// joined joins the reports, which are pointers that implement error.
func joined[E error](reports []E) error {
	errs := make([]error, len(reports))
	for i, err := range reports {
		errs[i] = err
	}
	return errors.Join(errs...)
}
