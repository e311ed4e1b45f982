package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRuntimeDocumentIsUpToDate(t *testing.T) {
	t.Chdir("../..") // so that the header has the same file names as with make generate
	var got bytes.Buffer
	if err := apply(&got, "openapi/backup.yaml", "openapi/runtime.overlay.yaml"); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("openapi/runtime.gen.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got.Bytes()) {
		t.Error(`openapi/runtime.gen.yaml is not up to date: run "make generate"`)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	document := write("document.yaml", "openapi: 3.0.3\ninfo: {title: t, version: '1'}\npaths: {}\n")
	overlay := func(action string) string {
		return "overlay: 1.0.0\nx-speakeasy-jsonpath: rfc9535\ninfo: {title: o, version: '1'}\nactions:\n  - " + action + "\n"
	}
	good := write("good.yaml", overlay("{target: $.info, update: {title: u}}"))
	for name, tt := range map[string]struct{ document, overlay, want string }{
		"no document":                    {filepath.Join(dir, "none"), good, "no such file"},
		"no overlay":                     {document, filepath.Join(dir, "none"), "no such file"},
		"an action without a target":     {document, write("a.yaml", overlay("{target: $.paths.x, remove: true}")), "did not match any targets"},
		"an action that changes nothing": {document, write("b.yaml", overlay("{target: $.info, update: {title: t}}")), "does nothing"},
	} {
		if err := apply(&bytes.Buffer{}, tt.document, tt.overlay); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	var out bytes.Buffer
	if err := apply(&out, document, good); err != nil || !strings.Contains(out.String(), "title: u") {
		t.Errorf("got %v\n%s", err, &out)
	}
}
