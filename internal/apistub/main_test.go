package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The stub has what other packages can use, and nothing else.
func TestStub(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const source = `package p

import "io"

const N, hidden = 1, 2

type Option interface{ apply(*settings) }

type settings struct{ n int }

type Client[T any] struct {
	io.Reader
	Name string
	f    func() T
}

func (c *Client[T]) Do(opts ...Option) (map[string]*settings, error) { return nil, nil }
func (c *Client[T]) seal()                                            {}
func (c *Client[T]) help(n int)                                       {}

var ErrX error
`
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := stub(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"const N = 1", "apply(*settings)", "type settings struct{}", "io.Reader\n", "Name string", "type Client[T any] struct", "_    func()",
		"Do(opts ...Option) (map[string]*settings, error) { panic(0) }", "seal() { panic(0) }", "var ErrX error",
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s is missing in:\n%s", want, got)
		}
	}
	for _, other := range []string{"hidden", "f  ", "help"} {
		if strings.Contains(string(got), other) {
			t.Errorf("%s is in:\n%s", other, got)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "q.go"), []byte("package p\n\nvar x Missing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := stub(dir); err == nil || !strings.Contains(err.Error(), "Missing") {
		t.Errorf("a package that does not compile: got %v", err)
	}
}
