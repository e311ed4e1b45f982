// Command apistub writes the exported API of a package as Go source without code, which apidiff can compare with
// the package.
//
//	go run ./internal/apistub ./wrapper/sfbackup >internal/apistub/testdata/sfbackup/api.go
package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/format"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: apistub DIRECTORY")
		os.Exit(2)
	}
	code, err := stub(os.Args[1])
	if err == nil {
		_, err = os.Stdout.Write(code)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "apistub:", err)
		os.Exit(1)
	}
}

// stub returns the stub of the package in a directory.
func stub(dir string) ([]byte, error) {
	fset := token.NewFileSet()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil), IgnoreFuncBodies: true, FakeImportC: true}
	pkg, err := config.Check(dir, fset, files, nil)
	if err != nil {
		return nil, err
	}
	w := &writer{pkg: pkg, imports: map[string]bool{}, hidden: map[string]bool{}}
	for _, name := range pkg.Scope().Names() {
		if obj := pkg.Scope().Lookup(name); obj.Exported() {
			w.object(obj)
		}
	}
	return w.source()
}

// A writer writes the declarations of a package.
type writer struct {
	pkg     *types.Package
	imports map[string]bool
	hidden  map[string]bool // the unexported types that exported declarations mention
	body    bytes.Buffer
}

// qualify notes the packages and unexported types of a declaration, and returns the name of the package.
func (w *writer) qualify(p *types.Package) string {
	if p == w.pkg {
		return ""
	}
	w.imports[p.Path()] = true
	return p.Name()
}

func (w *writer) text(t types.Type) string {
	w.note(t, map[types.Type]bool{})
	return types.TypeString(t, w.qualify)
}

// note notes the unexported types in a type.
func (w *writer) note(t types.Type, seen map[types.Type]bool) {
	if seen[t] {
		return
	}
	seen[t] = true
	switch t := t.(type) {
	case *types.Named:
		if obj := t.Obj(); obj.Pkg() == w.pkg && !obj.Exported() {
			w.hidden[obj.Name()] = true
		}
		for arg := range t.TypeArgs().Types() {
			w.note(arg, seen)
		}
	case *types.Signature:
		for _, tuple := range []*types.Tuple{t.Params(), t.Results()} {
			for v := range tuple.Variables() {
				w.note(v.Type(), seen)
			}
		}
	case *types.Map:
		w.note(t.Key(), seen)
		w.note(t.Elem(), seen)
	case *types.Interface:
		for m := range t.Methods() {
			w.note(m.Type(), seen)
		}
	case interface{ Elem() types.Type }:
		w.note(t.Elem(), seen)
	}
}

func (w *writer) object(obj types.Object) {
	switch obj := obj.(type) {
	case *types.Const:
		typ := w.text(obj.Type())
		if strings.HasPrefix(typ, "untyped ") {
			typ = ""
		}
		fmt.Fprintf(&w.body, "const %s %s = %s\n\n", obj.Name(), typ, obj.Val().ExactString())
	case *types.Var:
		fmt.Fprintf(&w.body, "var %s %s\n\n", obj.Name(), w.text(obj.Type()))
	case *types.Func:
		w.function("", obj)
	case *types.TypeName:
		if obj.IsAlias() {
			fmt.Fprintf(&w.body, "type %s = %s\n\n", obj.Name(), w.text(types.Unalias(obj.Type())))
			return
		}
		named := obj.Type().(*types.Named)
		name := obj.Name() + w.parameters(named.TypeParams())
		if s, ok := named.Underlying().(*types.Struct); ok {
			w.structure(name, s, types.Comparable(named))
		} else {
			fmt.Fprintf(&w.body, "type %s %s\n\n", name, w.text(named.Underlying()))
		}
		methods := slices.SortedFunc(named.Methods(), func(a, b *types.Func) int { return cmp.Compare(a.Name(), b.Name()) })
		for _, m := range methods {
			w.function("(_ "+w.text(m.Signature().Recv().Type())+") ", m)
		}
	}
}

// parameters returns the type parameters of a type.
func (w *writer) parameters(list *types.TypeParamList) string {
	var all []string
	for p := range list.TypeParams() {
		all = append(all, p.Obj().Name()+" "+w.text(p.Constraint()))
	}
	if all == nil {
		return ""
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// structure writes the exported fields of a struct and, in place of the others, a blank one that keeps whether values
// can be compared.
func (w *writer) structure(name string, s *types.Struct, isComparable bool) {
	fmt.Fprintf(&w.body, "type %s struct {\n", name)
	hidden := false
	for f := range s.Fields() {
		switch {
		case !f.Exported():
			hidden = true
		case f.Embedded():
			fmt.Fprintf(&w.body, "%s\n", w.text(f.Type()))
		default:
			fmt.Fprintf(&w.body, "%s %s\n", f.Name(), w.text(f.Type()))
		}
	}
	if hidden {
		blank := "int"
		if !isComparable {
			blank = "func()"
		}
		fmt.Fprintf(&w.body, "_ %s\n", blank)
	}
	w.body.WriteString("}\n\n")
}

// function writes an exported function or method, or one that seals an interface.
func (w *writer) function(receiver string, f *types.Func) {
	if s := f.Signature(); f.Exported() || s.Params().Len()+s.Results().Len() == 0 {
		signature := strings.TrimPrefix(w.text(s), "func")
		fmt.Fprintf(&w.body, "func %s%s%s { panic(0) }\n\n", receiver, f.Name(), signature)
	}
}

func (w *writer) source() ([]byte, error) {
	for _, name := range slices.Sorted(maps.Keys(w.hidden)) {
		fmt.Fprintf(&w.body, "type %s struct{}\n", name)
	}
	var head bytes.Buffer
	fmt.Fprintf(&head, "// Code generated by make release. DO NOT EDIT.\n\npackage %s\n\n", w.pkg.Name())
	for _, path := range slices.Sorted(maps.Keys(w.imports)) {
		fmt.Fprintf(&head, "import %q\n", path)
	}
	return format.Source(append(head.Bytes(), w.body.Bytes()...))
}
