// Command adopt asks what the code still lacks after make generate, one question after the other, and stops at the
// first that fails. Its last lines say which file to open and what to write there.
//
// The first questions are answered by reading the code of the client and of the cluster as text, because that may
// not compile. Then the compiler and the tests of the document ask.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

func main() {
	if err := adopt(os.Stdout); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("Everything in the document is adopted.")
}

func adopt(w io.Writer) error {
	doc, err := openapi3.NewLoader().LoadFromFile("openapi/runtime.gen.yaml")
	if err != nil {
		return fmt.Errorf("openapi/runtime.gen.yaml: %w", err)
	}
	if err := questions(doc, "."); err != nil {
		return err
	}
	for _, args := range [][]string{ // in this order: a package is reported only after those before it
		{"build", "./openapi/...", "./wrapper/..."},
		{"test", "-timeout", "160s", "-vet=off", "-ldflags=-s -w", "-run", "^TestDocuments?[A-Z]", "./openapi", "./wrapper/sfbackup", "./wrapper/sfbackuptest"},
	} {
		fmt.Fprintln(w, "go", strings.Join(args, " "))
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil { //nolint:gosec,noctx // of the list
			return fmt.Errorf("%s", firstFailure(string(out)))
		}
	}
	return nil
}

// firstFailure returns the output of the first test that failed, or all of it.
func firstFailure(out string) string {
	_, failed, ok := strings.Cut("\n"+out, "\n--- FAIL: ")
	if !ok {
		return strings.TrimSpace(out)
	}
	failed, _, _ = strings.Cut(failed, "\n--- FAIL: ")
	failed, _, _ = strings.Cut(failed, "\nFAIL")
	return strings.TrimSpace(failed)
}

// A source is the code of a package, without its tests.
type source struct {
	dir       string
	types     map[string]string            // the files of the types
	constants map[string]map[string]string // the names of the constants, by type and value
	uses      map[string]string            // the files that use names of other packages: "document.OpX"
	files     map[string]string            // the files of constants, by name
}

// read reads the code of a package.
func read(root, dir string) (*source, error) {
	s := &source{dir: dir, types: map[string]string{}, constants: map[string]map[string]string{}, uses: map[string]string{}, files: map[string]string{}}
	names, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		shown := path.Join(dir, filepath.Base(name))
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				s.types[n.Name.Name] = shown
			case *ast.ValueSpec:
				s.constant(n, shown)
			case *ast.SelectorExpr:
				if pkg, ok := n.X.(*ast.Ident); ok {
					s.uses[pkg.Name+"."+n.Sel.Name] = shown
				}
			}
			return true
		})
	}
	return s, nil
}

// constant notes a constant of a named type with a text.
func (s *source) constant(n *ast.ValueSpec, file string) {
	typ, ok := n.Type.(*ast.Ident)
	if !ok || len(n.Values) != 1 {
		return
	}
	literal, ok := n.Values[0].(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return
	}
	value, err := strconv.Unquote(literal.Value)
	if err != nil {
		return
	}
	if s.constants[typ.Name] == nil {
		s.constants[typ.Name] = map[string]string{}
	}
	s.constants[typ.Name][value] = n.Names[0].Name
	s.files[n.Names[0].Name] = file
}

// goTypes has the Go types of enumerations that have another name.
var goTypes = map[string]string{"BackupStorageKind": "StorageKind", "ServicePartitionKind": "PartitionKind"}

// questions asks what can be read from the code of the packages.
func questions(doc *openapi3.T, root string) error {
	client, err := read(root, "wrapper/sfbackup")
	if err != nil {
		return err
	}
	cluster, err := read(root, "wrapper/sfbackuptest")
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas)) {
		s := doc.Components.Schemas[name].Value
		if len(s.Enum) == 0 {
			continue
		}
		if goTypes[name] != "" {
			name = goTypes[name]
		}
		if err := client.enumeration(name, s.Enum); err != nil {
			return err
		}
		if cluster.types[name] != "" && len(cluster.constants[name]) > 0 && name != "StorageKind" { // of policies, which have two kinds
			values := slices.DeleteFunc(slices.Clone(s.Enum), func(v any) bool { return v == "Invalid" })
			if err := cluster.enumeration(name, values); err != nil {
				return err
			}
		}
	}
	return operations(doc, client, cluster)
}

// enumeration asks for a constant for each value, and for a value for each constant.
func (s *source) enumeration(name string, values []any) error {
	file := s.types[name]
	if file == "" {
		return fmt.Errorf("%s: no type has the values of the enumeration %s: write type %s string with its constants", s.dir, name, name)
	}
	known := map[string]bool{}
	for _, v := range values {
		value := fmt.Sprint(v)
		known[value] = true
		if s.constants[name][value] == "" {
			return fmt.Errorf("%s: the enumeration %s has the value %s: write the constant %s%s %s = %q", file, name, value, name, value, name, value)
		}
	}
	for _, value := range slices.Sorted(maps.Keys(s.constants[name])) {
		if !known[value] {
			constant := s.constants[name][value]
			return fmt.Errorf("%s: the enumeration %s has no value %s any more: give the constant %s another value, or remove it", s.files[constant], name, value, constant)
		}
	}
	return nil
}

// operations asks for the uses of each operation, and for an operation for each use.
func operations(doc *openapi3.T, client, cluster *source) error {
	known := map[string]bool{}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			known[op.OperationID] = true
		}
	}
	for _, s := range []*source{client, cluster} {
		for _, use := range slices.Sorted(maps.Keys(s.uses)) {
			if name, ok := strings.CutPrefix(use, "document.Op"); ok && !known[name] {
				return fmt.Errorf("%s: the document has no operation %s any more: use the name that it has now, or remove what sends it or serves it", s.uses[use], name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		builds := func(use string) bool { return strings.HasPrefix(use, "generated.New"+name+"Request") }
		switch {
		case client.uses["document.Op"+name] == "" || !slices.ContainsFunc(slices.Collect(maps.Keys(client.uses)), builds):
			return fmt.Errorf("%s: nothing sends the operation %s: write a file with a method of Client that calls generated.New%[2]sRequest, and name the operation with document.Op%[2]s", client.dir, name)
		case cluster.uses["document.Op"+name] == "":
			return fmt.Errorf("%s/gateway.go: no handler serves the operation %s: write the constant Op%[2]s Operation = document.Op%[2]s, and its line with a handler into operations", cluster.dir, name)
		}
	}
	return nil
}
