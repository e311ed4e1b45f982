package sfbackuptest

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ParseFaults reads faults from a text, one on a line, for [Cluster.Inject] or [Cluster.Schedule]. A fault is
// written as in Go, but without the names of packages, the prefix Op of operations, and the parts of a time:
//
//	# The first two starts of a backup fail, and the response to the third is lost.
//	Answer(503, "").Header("Retry-After", "1").Times(2).On(BackupPartition)
//	Reset().AfterEffect().On(BackupPartition)
//	SlowBody(100, "1.5s").On(GetPartitionBackupList, GetServiceBackupList)
//
// Blank lines and lines that begin with # are ignored. [Custom] and [Fault.When] need a function, so a text
// cannot have them.
//
// The file is the name of the text in errors and in [Cluster.Missed]. The error joins one for each line that is
// wrong, such as "faults.txt:3: there is no fault Rest".
func ParseFaults(file string, text []byte) ([]Fault, error) {
	var faults []Fault
	var failed error
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		var f Fault
		expression, err := parser.ParseExpr(line)
		if syntax, ok := errors.AsType[scanner.ErrorList](err); ok {
			err = errors.New(syntax[0].Msg) // without its position, which is not that in the file
		} else {
			f, err = evaluateFault(expression)
		}
		f.position = file + ":" + strconv.Itoa(i+1)
		faults = append(faults, f)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", f.position, err))
		}
	}
	if failed != nil {
		return nil, failed
	}
	return faults, nil
}

// faultFunctions has the functions that return a Fault.
var faultFunctions = map[string]any{
	"Answer": Answer, "CutBody": CutBody, "DenyAccess": DenyAccess, "DuplicatePage": DuplicatePage,
	"EndlessPages": EndlessPages, "Gzip": Gzip, "HTMLError": HTMLError, "HangUp": HangUp,
	"Redirect": Redirect, "Refuse": Refuse, "RefuseCredentials": RefuseCredentials, "RepeatToken": RepeatToken,
	"Reset": Reset, "SlowBody": SlowBody, "Stall": Stall, "TruncateBody": TruncateBody,
}

// evaluateFault evaluates the call of a function or method that returns a fault. They panic if an argument is out
// of range.
func evaluateFault(expression ast.Expr) (f Fault, err error) {
	call, ok := expression.(*ast.CallExpr)
	if !ok {
		return f, errors.New("a fault is written as a call, such as Reset()")
	}
	var name string
	var function reflect.Value
	switch callee := call.Fun.(type) {
	case *ast.Ident:
		name = callee.Name
		function = reflect.ValueOf(faultFunctions[name])
	case *ast.SelectorExpr:
		if f, err = evaluateFault(callee.X); err != nil {
			return f, err
		}
		name = callee.Sel.Name
		function = reflect.ValueOf(f).MethodByName(name)
	}
	if !function.IsValid() || function.Type().Out(0) != reflect.TypeFor[Fault]() {
		return f, fmt.Errorf("there is no fault %s", name)
	}
	t := function.Type()
	if len(call.Args) != t.NumIn() && !t.IsVariadic() {
		return f, fmt.Errorf("%s has %d arguments, want %d", name, len(call.Args), t.NumIn())
	}
	in := make([]reflect.Value, len(call.Args))
	for i, arg := range call.Args {
		parameter := t.In(min(i, t.NumIn()-1))
		if t.IsVariadic() {
			parameter = parameter.Elem()
		}
		in[i] = reflect.New(parameter).Elem()
		if !setArgument(in[i], arg) {
			return f, fmt.Errorf("argument %d of %s is not a valid %s", i+1, name, parameter)
		}
	}
	defer func() {
		if r := recover(); r != nil {
			err = errors.New(strings.TrimPrefix(fmt.Sprint(r), "sfbackuptest: "))
		}
	}()
	return function.Call(in)[0].Interface().(Fault), nil
}

// setArgument sets an argument to the value of a literal, or of the name of an operation.
func setArgument(value reflect.Value, expression ast.Expr) bool {
	text := ""
	switch e := expression.(type) {
	case *ast.BasicLit:
		text = e.Value
	case *ast.Ident:
		text = e.Name
	}
	unquoted, err := strconv.Unquote(text)
	switch p := value.Addr().Interface().(type) {
	case *string:
		*p = unquoted
	case *time.Duration:
		*p, err = time.ParseDuration(unquoted)
	case *int:
		*p, err = strconv.Atoi(text)
	case *int64:
		*p, err = strconv.ParseInt(text, 10, 64)
	case *Operation:
		*p = Operation(strings.TrimPrefix(text, "Op"))
		return slices.ContainsFunc(operations, func(op operation) bool { return op.name == *p })
	default:
		return false
	}
	return err == nil
}
