package sfbackup_test

import (
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

func TestParseServiceName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]sfbackup.ServiceName{ // "" is an error
		"fabric:/CalcApp/CalcService": calcService,
		"CalcApp/CalcService":         calcService,
		"CalcApp~CalcService":         calcService,
		"fabric:/CalcApp~CalcService": calcService,
		"FABRIC:/CalcApp/CalcService": calcService,
		"a/b/c/d":                     "fabric:/a/b/c/d",
		"a~b/c":                       "fabric:/a/b/c",
		"Standalone":                  "fabric:/Standalone",
		"Größe/a b%2F#1":              "fabric:/Größe/a b%2F#1",
		"":                            "",
		"a:b/c":                       "fabric:/a:b/c",
		"fabric:":                     "",
		"fabric:App/Svc":              "",
		" App/Svc":                    "",
		"App/Svc ":                    "",
		"fabric:/":                    "",
		"fabric:/~":                   "",
		"/CalcApp/CalcService":        "",
		"CalcApp/CalcService/":        "",
		"CalcApp~CalcService~":        "",
		"CalcApp//CalcService":        "",
		"fabric://CalcApp/Svc":        "",
		"CalcApp/../Svc":              "",
		"CalcApp/./Svc":               "",
		"CalcApp/$/GetBackups":        "",
		"CalcApp/Svc?a=b":             "",
		`CalcApp\Svc`:                 "",
		"CalcApp/Svc\n":               "",
		"CalcApp/\xff":                "",
	} {
		got, err := sfbackup.ParseServiceName(name)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %q, %v", name, got, err)
		}
	}
}

// The path of a service's list separates levels by '/', or by '~' with the option. Everything else is escaped
// within its segment. There is never a %2F, and no slash at the end.
func TestServicePath(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, slash, tilde string }{
		{"CalcApp~CalcService", "/Services/CalcApp/CalcService/$/GetBackups", "/Services/CalcApp~CalcService/$/GetBackups"},
		{"fabric:/a/b/c", "/Services/a/b/c/$/GetBackups", "/Services/a~b~c/$/GetBackups"},
		{"a/b #1%2F;é", "/Services/a/b%20%231%252F%3B%C3%A9/$/GetBackups", "/Services/a~b%20%231%252F%3B%C3%A9/$/GetBackups"},
		{"a:b", "/Services/a:b/$/GetBackups", "/Services/a:b/$/GetBackups"},
	} {
		for _, opts := range [][]sfbackup.Option{nil, {sfbackup.WithTildeServiceID()}} {
			want := tt.slash
			if opts != nil {
				want = tt.tilde
			}
			sent := &cannedResponses{list: []canned{ok(`{"Items":[]}`)}}
			client := newClient(t, sent, opts...)
			if _, err := client.ServiceBackupsPage(t.Context(), sfbackup.ServiceName(tt.name), nil); err != nil {
				t.Fatal(err)
			}
			if got, _, _ := strings.Cut(sent.requests[0].URL.RequestURI(), "?"); got != want {
				t.Errorf("%s: got %s, want %s", tt.name, got, want)
			}
		}
	}
}
