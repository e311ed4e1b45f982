package openapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
)

func TestMain(m *testing.M) {
	// The text/plain responses of a cluster are JSON.
	openapi3filter.RegisterBodyDecoder("text/plain", openapi3filter.JSONBodyDecoder)
	os.Exit(m.Run())
}

func load(t *testing.T, data []byte) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// Both documents and all their examples are valid, and package contract can check everything in them.
func TestDocumentsAreValid(t *testing.T) {
	for name, data := range map[string][]byte{"Documented": openapi.Documented, "Runtime": openapi.Runtime} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := load(t, data).Validate(t.Context(),
				openapi3.EnableExamplesValidation(),
				openapi3.EnableSchemaDefaultsValidation(), openapi3.EnableMultiError())
			if err != nil {
				t.Errorf("openapi/backup.yaml: correct this: %v", err)
			}
			if _, err := contract.New(data); err != nil {
				t.Errorf("openapi/contract/schema.go: write what is not checked yet, or openapi/backup.yaml: describe it in another way: %v", err)
			}
		})
	}
}

// Every operation says what errors look like.
func TestDocumentHasErrors(t *testing.T) {
	t.Parallel()
	for path, item := range load(t, openapi.Documented).Paths.Map() {
		for _, op := range item.Operations() {
			if op.Responses.Default() == nil {
				t.Errorf("openapi/backup.yaml: %s: %s has no default response: write the one of the other operations", path, op.OperationID)
			}
		}
	}
}

func TestSecurity(t *testing.T) {
	t.Parallel()
	doc := load(t, openapi.Documented)
	token := doc.Components.SecuritySchemes["entraToken"].Value
	if token.Type != "http" || token.Scheme != "bearer" || token.Description == "" {
		t.Errorf("got %+v", token)
	}
	if len(doc.Security) != 2 || len(doc.Security[0]) != 0 || doc.Security[1]["entraToken"] == nil {
		t.Errorf("got %v", doc.Security)
	}
}

var secretName = regexp.MustCompile(`(?i)(password|passphrase|secret|token|signature|connectionstring|[a-z]key)$`)

// The schemas are complete: they have descriptions for readers, and patterns for validators that do not
// support formats.
func TestDocumentSchemas(t *testing.T) {
	t.Parallel()
	doc := load(t, openapi.Documented)
	for name, ref := range doc.Components.Schemas {
		s := ref.Value
		if s.Description == "" {
			t.Errorf("openapi/backup.yaml: %s has no description: write one", name)
		}
		for _, v := range s.Enum {
			if !strings.Contains(s.Description, "- `"+v.(string)+"`: ") {
				t.Errorf("openapi/backup.yaml: the description of %s does not explain %v: write a line \"- `%[2]v`: \"", name, v)
			}
		}
		for prop, p := range s.Properties {
			if p.Value.Description == "" {
				t.Errorf("openapi/backup.yaml: %s.%s has no description: write one", name, prop)
			}
			if p.Value.Format == "int64" && p.Value.Type.Is("string") && p.Value.Pattern == "" {
				t.Errorf("openapi/backup.yaml: %s.%s has a format but no pattern: write '^-?[0-9]{1,19}$'", name, prop)
			}
			if secretName.MatchString(prop) && p.Value.Extensions["x-public"] != nil {
				t.Errorf("openapi/backup.yaml: %s.%s: a name like this is one of a secret: write format: password instead of x-public", name, prop)
			}
		}
		if (s.Format == "uuid" || s.Format == "int64" && s.Type.Is("string")) && s.Pattern == "" {
			t.Errorf("openapi/backup.yaml: %s has a format but no pattern: write one", name)
		}
		if s.Discriminator == nil {
			continue
		}
		if len(s.Properties) > 0 {
			t.Errorf("openapi/backup.yaml: %s is a union with properties of its own", name)
		}
		for kind, target := range s.Discriminator.Mapping {
			member := doc.Components.Schemas[filepath.Base(target.Ref)].Value
			d := s.Discriminator.PropertyName
			if !slices.Contains(member.Required, d) {
				t.Errorf("openapi/backup.yaml: %s: the schema of %s does not require %s: write it into required", name, kind, d)
			}
		}
	}
}

// Every entry of the overlay gives its reason.
func TestOverlayGivesReasons(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("runtime.overlay.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var overlay struct {
		Actions []struct{ Target, Description string }
	}
	if err := yaml.Unmarshal(data, &overlay); err != nil {
		t.Fatal(err)
	}
	if len(overlay.Actions) == 0 {
		t.Fatal("no actions")
	}
	for _, a := range overlay.Actions {
		if a.Description == "" {
			t.Errorf("%s has no description", a.Target)
		}
	}
}

// The README names a test for each fact that OpenAPI cannot express. Those tests exist.
func TestReadmeNamesTests(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../wrapper/*/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests []byte
	for _, file := range append(files, "openapi_test.go") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests = append(tests, data...)
	}
	names := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllSubmatch(readme, -1)
	if len(names) < 15 {
		t.Errorf("the README names only %d tests", len(names))
	}
	for _, name := range names {
		if !bytes.Contains(tests, append(append([]byte("func "), name[1]...), '(')) {
			t.Errorf("there is no %s", name[1])
		}
	}
}

// The documented examples as HTTP: each request and response, as printed, is valid under both documents.
func TestDocumentedExchanges(t *testing.T) {
	files, err := filepath.Glob("testdata/documented/*.http")
	if err != nil || len(files) != 14 {
		t.Fatalf("%d transcripts, %v", len(files), err)
	}
	for profile, data := range map[string][]byte{"Documented": openapi.Documented, "Runtime": openapi.Runtime} {
		doc := load(t, data)
		if got := len(doc.Components.Examples); got != len(files) {
			t.Errorf("%s has %d examples", profile, got)
		}
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".http")
			t.Run(profile+"/"+name, func(t *testing.T) {
				req, resp := readExchange(t, file)
				checkExchange(t, doc, req, resp)

				// The named example of the document is the body of the exchange.
				body := resp.Body
				if req.Method == http.MethodPost {
					body = req.Body
				}
				var got any
				if err := json.NewDecoder(body).Decode(&got); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(doc.Components.Examples[name].Value.Value, got); diff != "" {
					t.Errorf("the named example differs (-document +transcript):\n%s", diff)
				}
			})
		}
	}
}

// The responses of a 6.4 cluster are valid under Runtime. Under Documented each is invalid at the place that the
// overlay describes.
func TestReconstructedResponses(t *testing.T) {
	const (
		progress = "GET /Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/GetBackupProgress?api-version=6.4"
		list     = "GET /Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/GetBackups?api-version=6.4"
		backup   = "POST /Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/Backup?api-version=6.4"
	)
	for _, tt := range []struct {
		file, request, status, contentType string
		documented                         string // part of the error under Documented; "" if there is none
	}{
		{"progress_never_requested", progress, "200 OK", "application/json; charset=utf-8", "not nullable"},
		{"progress_accepted", progress, "200 OK", "application/json; charset=utf-8", "/LsnOfLastBackupRecord"},
		{"progress_success", progress, "200 OK", "application/json; charset=utf-8", "/LsnOfLastBackupRecord"},
		{"progress_failure", progress, "200 OK", "application/json; charset=utf-8", "/LsnOfLastBackupRecord"},
		{"progress_timeout", progress, "200 OK", "application/json; charset=utf-8", "/LsnOfLastBackupRecord"},
		{"list_page_azure_token", list, "200 OK", "application/json; charset=utf-8", ""},
		{"error_backup_in_progress", backup, "409 Conflict", "text/plain; charset=utf-8", "Content-Type"},
		{"error_backup_not_enabled", list, "404 Not Found", "text/plain; charset=utf-8", "Content-Type"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			body, err := os.ReadFile("testdata/reconstructed/" + tt.file + ".json")
			if err != nil {
				t.Fatal(err)
			}
			exchange := func() (*http.Request, *http.Response) {
				return parseExchange(t, tt.request+" HTTP/1.1\nHost: localhost\n\nHTTP/1.1 "+tt.status+
					"\nContent-Type: "+tt.contentType+"\nConnection: close\n\n"+string(body))
			}
			req, resp := exchange()
			if err := validate(t, load(t, openapi.Runtime), req, resp); err != nil {
				t.Errorf("Runtime: %v", err)
			}
			req, resp = exchange()
			err = validate(t, load(t, openapi.Documented), req, resp)
			if tt.documented == "" {
				if err != nil {
					t.Errorf("Documented: %v", err)
				}
			} else if err == nil || !strings.Contains(err.Error(), tt.documented) {
				t.Errorf("Documented: got %v, want an error about %s", err, tt.documented)
			}
		})
	}
	t.Run("all files are tested", func(t *testing.T) {
		files, _ := filepath.Glob("testdata/reconstructed/*.json")
		if len(files) != 8 {
			t.Errorf("%d files", len(files))
		}
	})
}

// readExchange reads a request and its response from a file, both with buffered bodies.
func readExchange(t *testing.T, file string) (*http.Request, *http.Response) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return parseExchange(t, string(data))
}

func parseExchange(t *testing.T, exchange string) (*http.Request, *http.Response) {
	t.Helper()
	r := bufio.NewReader(strings.NewReader(exchange))
	req, err := http.ReadRequest(r)
	if err != nil {
		t.Fatal(err)
	}
	req.Body = buffered(t, req.Body)
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body = buffered(t, resp.Body)
	if rest, _ := io.ReadAll(r); len(rest) > 0 {
		t.Errorf("%d bytes follow the response", len(rest))
	}
	return req, resp
}

func buffered(t *testing.T, body io.ReadCloser) io.ReadCloser {
	t.Helper()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return io.NopCloser(bytes.NewReader(data))
}

func checkExchange(t *testing.T, doc *openapi3.T, req *http.Request, resp *http.Response) {
	t.Helper()
	if err := validate(t, doc, req, resp); err != nil {
		t.Error(err)
	}
}

// validate validates an exchange. The bodies can be read again afterwards.
func validate(t *testing.T, doc *openapi3.T, req *http.Request, resp *http.Response) error {
	t.Helper()
	route, params := findRoute(t, doc, req)
	options := &openapi3filter.Options{
		MultiError:            true,
		IncludeResponseStatus: true,
		SkipSettingDefaults:   true, // do not modify the request
		AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
	}
	input := &openapi3filter.RequestValidationInput{
		Request: req, PathParams: params, QueryParams: req.URL.Query(), Route: route, Options: options,
	}
	if err := openapi3filter.ValidateRequest(t.Context(), input); err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	defer func() { resp.Body = io.NopCloser(bytes.NewReader(body)) }()
	output := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: resp.StatusCode, Header: resp.Header, Options: options,
	}
	output.SetBodyBytes(body)
	return openapi3filter.ValidateResponse(context.WithoutCancel(t.Context()), output)
}

// findRoute finds the operation of a request. No router of kin-openapi can match a service id, which may span
// several segments of the path: it is the part between the first segment and "/$/".
func findRoute(t *testing.T, doc *openapi3.T, req *http.Request) (*routers.Route, map[string]string) {
	t.Helper()
	id, action, _ := strings.Cut(req.URL.Path, "/$/")
	collection, id, _ := strings.Cut(strings.TrimPrefix(id, "/"), "/")
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		item := doc.Paths.Value(path)
		name := path[strings.Index(path, "{")+1 : strings.Index(path, "}")]
		if path == "/"+collection+"/{"+name+"}/$/"+action && item.GetOperation(req.Method) != nil {
			return &routers.Route{
				Spec: doc, Path: path, PathItem: item, Method: req.Method, Operation: item.GetOperation(req.Method),
			}, map[string]string{name: id}
		}
	}
	t.Fatalf("no operation for %s %s", req.Method, req.URL.Path)
	return nil, nil
}
