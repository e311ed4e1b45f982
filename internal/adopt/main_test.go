package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

const document = `
openapi: 3.0.3
info: {title: t, version: '1'}
paths:
  /a: {post: {operationId: Start, responses: {default: {description: d}}}}
components:
  schemas:
    State: {type: string, enum: [Running, Done]}
`

// Each question that fails names the file, and what to write.
func TestQuestions(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	complete := map[string]string{
		"sfbackup/state.go":       "package p\ntype State string\nconst (\n\tRunning State = \"Running\"\n\tDone State = \"Done\"\n)\n",
		"sfbackup/start.go":       "package p\nvar _, _ = document.OpStart, generated.NewStartRequestWithBody\n",
		"sfbackuptest/gateway.go": "package p\nvar _ = document.OpStart\n",
	}
	for name, tt := range map[string]struct{ file, old, new, want string }{
		"complete":   {},
		"a value":    {"sfbackup/state.go", "\tDone State = \"Done\"\n", "", `wrapper/sfbackup/state.go: the enumeration State has the value Done: write the constant StateDone State = "Done"`},
		"a constant": {"sfbackup/state.go", ")", "\tLost State = \"Lost\"\n)", "wrapper/sfbackup/state.go: the enumeration State has no value Lost any more: give the constant Lost another value, or remove it"},
		"a type":     {"sfbackup/state.go", "State string", "Other string", "wrapper/sfbackup: no type has the values of the enumeration State: write type State string with its constants"},
		"a sender":   {"sfbackup/start.go", "generated.NewStartRequestWithBody", "1", "wrapper/sfbackup: nothing sends the operation Start: write a file with a method of Client that calls generated.NewStartRequest, and name the operation with document.OpStart"},
		"a handler":  {"sfbackuptest/gateway.go", "document.OpStart", "1", "wrapper/sfbackuptest/gateway.go: no handler serves the operation Start: write the constant OpStart Operation = document.OpStart, and its line with a handler into operations"},
		"a name":     {"sfbackuptest/gateway.go", "document.OpStart", "document.OpBegin", "wrapper/sfbackuptest/gateway.go: the document has no operation Begin any more: use the name that it has now, or remove what sends it or serves it"},
	} {
		root := t.TempDir()
		files := maps.Clone(complete)
		files[tt.file] = strings.Replace(files[tt.file], tt.old, tt.new, 1)
		for name, text := range files {
			path := filepath.Join(root, "wrapper", name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if name != "" {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		got := ""
		if err := questions(doc, root); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}
