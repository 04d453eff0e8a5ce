package codebase

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// forbidden are packages whose very import says that an actor reaches past its
// environment: for time, randomness, files, the network or other goroutines.
var forbidden = []string{"math/rand", "math/rand/v2", "crypto/rand", "os", "net", "sync", "syscall", "runtime", "unsafe"}

// clocks are the functions of package time that read or wait for a clock.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// TestActorsSeeOnlyTheirEnvironment looks at what the targets import and call.
func TestActorsSeeOnlyTheirEnvironment(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if !under(p.rel(), "targets") {
			continue
		}
		for _, imp := range p.Imports {
			for _, f := range forbidden {
				if imp == f {
					t.Errorf("%s imports %s: an actor has nothing but its Env", p.rel(), imp)
				}
			}
		}
		for _, file := range p.GoFiles {
			checkClocks(t, filepath.Join(p.Dir, file))
		}
	}
}

func checkClocks(t *testing.T, path string) {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" {
			for _, name := range clocks {
				if sel.Sel.Name == name {
					t.Errorf("%v: an actor has no clock but that of its Env: time.%s", fset.Position(n.Pos()), name)
				}
			}
		}
		return true
	})
}

// TestMapsAreRangedInNoVisibleOrder finds every loop over a map in what runs in
// the simulator. The order of such a loop is random, so it must not show. It
// does not where the function sorts afterwards, or where the loop only adds up
// or fills another map; anywhere else a comment that has the word "order" in it,
// on the line or just above, says why.
func TestMapsAreRangedInNoVisibleOrder(t *testing.T) {
	t.Parallel()
	for _, p := range exported(t, "./targets/...", "./harness/sim", "./harness/gen", "./workloads") {
		checkMapLoops(t, p)
	}
}

// source is a package with the export data of what it imports.
type source struct {
	pkg
	Export  string
	DepOnly bool
	imports map[string]string // export data by import path
}

func exported(t *testing.T, patterns ...string) []source {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-export", "-deps", "-json=ImportPath,Dir,GoFiles,Export,DepOnly"}, patterns...)...)
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var wanted []source
	data := map[string]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var s source
		if err := d.Decode(&s); errors.Is(err, io.EOF) {
			return wanted
		} else if err != nil {
			t.Fatal(err)
		}
		data[s.ImportPath] = s.Export
		if s.imports = data; !s.DepOnly {
			wanted = append(wanted, s)
		}
	}
}

func checkMapLoops(t *testing.T, s source) {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range s.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(s.Dir, name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(s.imports[path]) }
	conf := types.Config{Importer: importer.ForCompiler(fset, "gc", lookup)}
	if _, err := conf.Check(s.ImportPath, fset, files, info); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		explained := linesAbout(fset, f, "order")
		sorts := sortings(f)
		ast.Inspect(f, func(n ast.Node) bool {
			loop, ok := n.(*ast.RangeStmt)
			if !ok {
				return true
			}
			_, isMap := info.Types[loop.X].Type.Underlying().(*types.Map)
			at := fset.Position(loop.Pos())
			if isMap && !explained[at.Line] && !sorts(loop) && !adds(loop) {
				t.Errorf("%v: a loop over a map: sort the keys, or say why its order does not show", at)
			}
			return true
		})
	}
}

// sortings returns what tells whether the function around a loop sorts
// something after it.
func sortings(f *ast.File) func(loop *ast.RangeStmt) bool {
	return func(loop *ast.RangeStmt) bool {
		found := false
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Pos() < loop.Pos() && loop.End() < fn.End() {
				ast.Inspect(fn, func(n ast.Node) bool {
					call, ok := n.(*ast.CallExpr)
					if !ok || call.Pos() < loop.End() {
						return true
					}
					sel, ok := call.Fun.(*ast.SelectorExpr)
					if pkg, isPkg := selected(sel, ok); isPkg && (pkg == "sort" || pkg == "slices" && strings.HasPrefix(sel.Sel.Name, "Sort")) {
						found = true
					}
					return true
				})
			}
		}
		return found
	}
}

func selected(sel *ast.SelectorExpr, ok bool) (pkg string, is bool) {
	if !ok {
		return "", false
	}
	id, is := sel.X.(*ast.Ident)
	if !is {
		return "", false
	}
	return id.Name, true
}

// adds reports whether a loop does nothing but add up, and set entries of maps.
func adds(loop *ast.RangeStmt) bool {
	good := true
	ast.Inspect(loop.Body, func(n ast.Node) bool {
		switch s := n.(type) {
		case *ast.AssignStmt:
			_, indexed := s.Lhs[0].(*ast.IndexExpr)
			good = good && (s.Tok != token.ASSIGN || indexed)
		case *ast.ExprStmt, *ast.ReturnStmt, *ast.BranchStmt, *ast.SendStmt, *ast.DeferStmt, *ast.GoStmt:
			good = false
		}
		return good
	})
	return good
}

// linesAbout returns the lines that have a comment with the given word on them
// or end on the line above.
func linesAbout(fset *token.FileSet, f *ast.File, word string) map[int]bool {
	lines := map[int]bool{}
	for _, group := range f.Comments {
		if strings.Contains(group.Text(), word) {
			end := fset.Position(group.End()).Line
			lines[end], lines[end+1] = true, true
		}
	}
	return lines
}
