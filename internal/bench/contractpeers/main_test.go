package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const listTarget = "/Partitions/1daae3f5-7fd6-42e9-b1ba-8c05f873994d/$/GetBackups?api-version=6.4"

// Each validator that is a Go package accepts a valid exchange, and reports mistakes on either side.
func TestCheckers(t *testing.T) {
	t.Parallel()
	for name, newChecker := range newCheckers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for profile, document := range documents {
				c, err := newChecker(document)
				if err != nil {
					t.Fatal(profile, err)
				}
				x := preparePage(3)
				for side, change := range map[string]func(*exchange){
					"": func(*exchange) {},
					request: func(x *exchange) {
						x.Target = strings.Replace(x.Target, "6.4", "6.3", 1)
					},
					response: func(x *exchange) {
						x.Body = bytes.Replace(x.Body, []byte(`"Full"`), []byte(`"Half"`), 1)
					},
				} {
					changed := *x
					changed.Body = slices.Clone(x.Body)
					if profile == "Documented" { // the token of the last page is not null there
						changed.Body = bytes.Replace(changed.Body, []byte("null"), []byte(`""`), 1)
					}
					change(&changed)
					for _, checked := range []string{request, response} {
						want := silent
						if checked == side {
							want = reported
						}
						said, _, err := check(c, &changed, checked)
						if err != nil || said != want {
							t.Errorf("%s: with a mistake in the %q, the %s gets %v, %v", profile, side, checked, said, err)
						}
					}
				}
			}
		})
	}
}

type panicking struct{}

func (panicking) request(*http.Request) error                  { panic("a bug") }
func (panicking) response(*http.Request, *http.Response) error { panic("a bug") }

func TestPanicIsFailure(t *testing.T) {
	t.Parallel()
	if said, _, err := check(panicking{}, preparePage(1), response); said != failed || err != nil {
		t.Errorf("got %v, %v", said, err)
	}
}

func TestReadExchanges(t *testing.T) {
	t.Parallel()
	original := exchange{Name: "a", Operator: unchanged, Profile: "Runtime", Side: request, Valid: true}
	mutant, other := original, original
	mutant.Operator, other.Operator, other.Name = "null", "null", "b"
	for _, tt := range []struct {
		all []exchange
		ok  bool
	}{
		{[]exchange{original, mutant, mutant}, true},
		{[]exchange{original, original}, false},
		{[]exchange{mutant, original}, false},
		{[]exchange{original, other}, false},
	} {
		var b bytes.Buffer
		for _, x := range tt.all {
			if err := json.NewEncoder(&b).Encode(x); err != nil {
				t.Fatal(err)
			}
		}
		file := filepath.Join(t.TempDir(), "mutants")
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readExchanges(file)
		if (err == nil) != tt.ok || tt.ok && len(got) != len(tt.all) {
			t.Errorf("%v: got %d, %v", tt.all, len(got), err)
		}
	}
}

func TestSample(t *testing.T) {
	t.Parallel()
	var all []*exchange
	for range 1000 {
		all = append(all, &exchange{Operator: unchanged}, &exchange{Operator: "many"}, &exchange{Operator: "many"})
	}
	for range 70 {
		all = append(all, &exchange{Operator: "few"})
	}
	got := map[string]int{}
	for _, x := range sample(all, 16) {
		got[x.Operator]++
	}
	if got[unchanged] != 1000 || got["many"] != 125 || got["few"] != 70 {
		t.Errorf("got %v", got)
	}
}

func TestScore(t *testing.T) {
	t.Parallel()
	short := "/Services/A/$/GetBackups?api-version=6.4"
	r := &result{name: kin}
	add := func(said verdict, x exchange) {
		x.Profile, x.Side = "Runtime", request
		r.exchanges = append(r.exchanges, &x)
		r.verdicts = append(r.verdicts, said)
	}
	add(silent, exchange{Name: "a", Operator: unchanged, Target: short, Valid: true})
	add(reported, exchange{Name: "b", Operator: unchanged, Target: "/Services/A/B/$/GetBackups", Valid: true})
	add(reported, exchange{Name: "a", Operator: "null", Target: short, Valid: true})
	add(reported, exchange{Name: "a", Operator: "null", Target: short})
	add(silent, exchange{Name: "a", Operator: "null", Target: short})
	add(failed, exchange{Name: "a", Operator: "not JSON", Target: short, RequestBody: []byte("{")})
	add(silent, exchange{Name: "a", Operator: "duplicate property", Target: short, OpenAPIValid: true})
	add(reported, exchange{Name: "b", Operator: "null", Target: short})
	add(unsent, exchange{Name: "a", Operator: "null", Target: short})
	s := r.score()
	if s.claimed != (count{3, 2}) || s.unclaimed != (count{1, 0}) || s.valid != 3 || s.alarms != 2 || s.explained != 1 ||
		s.behind != 1 || s.unsent != 1 || s.failed != 1 || s.malformed != 1 {
		t.Errorf("got %+v", s)
	}
	if s.byGroup["required, type, null, union"] != (count{2, 1}) || s.byGroup[duplicateProperty] != (count{1, 0}) {
		t.Errorf("got %v", s.byGroup)
	}
}

// Every group has a row in the report.
func TestGroups(t *testing.T) {
	t.Parallel()
	for operator, group := range groups {
		if !slices.Contains(groupNames, group) {
			t.Errorf("%s: the report has no row for %s", operator, group)
		}
	}
	for name, kinds := range claims {
		for _, kind := range kinds {
			if !slices.Contains(groupNames, kind) {
				t.Errorf("%s: the report has no row for %s", name, kind)
			}
		}
	}
}

// send tells from the response of the proxy which side it reports.
func TestSend(t *testing.T) {
	t.Parallel()
	up, err := startUpstream()
	if err != nil {
		t.Fatal(err)
	}
	defer up.server.Close() //nolint:errcheck // the test is over
	for name, tt := range map[string]struct {
		proxy                 http.HandlerFunc
		onRequest, onResponse verdict
	}{
		"silent":   {func(http.ResponseWriter, *http.Request) {}, silent, silent},
		"request":  {nil, reported, unsent},
		"response": {violates(`[{"location":["response","body"]}]`), silent, reported},
		"warnings": {violates(`[{"location":["request","query"]},{"location":["response","statusCode"]}]`), reported, reported},
		"unreadable": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
		}, silent, reported},
		"no answer": {func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }, failed, unsent},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if tt.proxy == nil {
					w.WriteHeader(http.StatusUnprocessableEntity)
					return
				}
				forward, err := http.NewRequestWithContext(req.Context(), req.Method, up.url+req.URL.RequestURI(), http.NoBody)
				if err != nil {
					t.Error(err)
					return
				}
				forward.Header.Set(idHeader, req.Header.Get(idHeader))
				resp, err := http.DefaultTransport.RoundTrip(forward)
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "{}" {
					t.Errorf("got %s, %v", body, err)
				}
				tt.proxy(w, req)
			}))
			defer server.Close()
			client := server.Client()
			if tt.onRequest == failed {
				client.Timeout = 50 * time.Millisecond
			}
			p := &proxy{url: server.URL, upstream: up, client: client}
			onRequest, onResponse, err := p.send(t.Context(), &exchange{
				Method: http.MethodGet, Target: listTarget, Status: 200, ContentType: "application/json", Body: []byte("{}"),
			})
			if err != nil || onRequest != tt.onRequest || onResponse != tt.onResponse {
				t.Errorf("got %v, %v, %v", onRequest, onResponse, err)
			}
		})
	}
}

func violates(violations string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Sl-Violations", violations) }
}

func TestReadme(t *testing.T) {
	t.Parallel()
	text := readme([]*result{
		{name: own, costs: costs{Exchange: time.Millisecond, Page: 20 * time.Millisecond, Memory: 3 << 20}},
		{name: prism, costs: costs{Page: 1, Error: "reported"}},
	})
	for _, want := range []string{"| openapi/contract | 20 ms | 3 MiB |", "| prism proxy | reported | – |", "one in 16 mutants"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "%!") {
		t.Errorf("the report has a wrong format:\n%s", text)
	}
}
