package codebase

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/ordeal-dev/ordeal"

// pkg is what `go list` says of a package.
type pkg struct {
	ImportPath   string
	Dir          string
	Name         string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func (p pkg) rel() string { return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/") }

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json", "./...")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// allowed says which of our packages a package may import: those below one of
// the given folders, or with a trailing "!" that package alone. The first row
// that matches a package counts; a package may always import what is below it.
// The order of the rows is that of the road of a run, from the end to the start.
var allowed = []struct {
	who string
	may []string
}{
	{"cmd", []string{"!", "harness"}},
	{"harness/cli", []string{"harness", "checkers", "nemesis", "targets", "workloads", "reports", "internal"}},
	{"harness/registry", []string{"harness", "checkers", "nemesis", "targets", "workloads", "internal"}},
	{"harness/run", []string{"harness", "checkers", "nemesis", "targets", "workloads", "internal"}},
	{"reports", []string{"harness/history", "harness/plan", "harness/store", "harness/run", "harness/world", "harness/actor", "checkers", "internal"}},
	{"workloads", []string{"harness/history", "harness/gen", "harness/choice", "harness/client", "checkers", "internal"}},
	{"nemesis/agent", []string{"internal"}},
	{"nemesis/faulttest", []string{"harness/history", "harness/choice", "harness/world", "harness/actor", "harness/client"}},
	{"nemesis", []string{"harness/history", "harness/choice", "harness/world", "harness/actor", "internal"}},
	{"targets", []string{"harness/history", "harness/choice", "harness/actor", "harness/client", "internal"}},
	{"checkers/internal", []string{"harness/history", "harness/verify"}}, // what tests share may confirm certificates
	{"checkers", []string{"harness/history"}},
	{"harness/docker", []string{"harness/history", "harness/choice", "harness/actor", "harness/client", "harness/world", "harness/node", "nemesis/agent", "internal"}},
	{"harness/sim", []string{"harness/history", "harness/choice", "harness/actor", "harness/client", "harness/world", "internal"}},
	{"harness/node", []string{"harness/choice", "harness/actor", "harness/client", "internal"}},
	{"harness/world", []string{"harness/history", "harness/choice", "harness/actor", "harness/client"}},
	{"harness/gen", []string{"harness/history", "harness/choice"}},
	{"harness/client", []string{"harness/history"}},
	{"harness/actor/actortest", []string{"harness/actor", "harness/choice", "harness/client"}},
	{"harness/actor", []string{"harness/choice"}},
	{"harness/store", []string{"harness/plan", "harness/history"}},
	{"harness/verify", []string{"harness/history", "harness/verify"}},
	{"harness/plan", nil},
	{"harness/history", nil},
	{"harness/choice", nil},
	{"internal/bench", []string{"harness/history", "checkers", "internal"}}, // a program, that measures
	{"internal/oracle", []string{"harness/history"}},                        // what tests compare with
	{"internal", []string{"internal"}},
}

// TestLayering holds every import of ours against the table. Tests may also
// reach for worlds and targets, to have something real to work on.
func TestLayering(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		rel := p.rel()
		if rel == "" || strings.HasPrefix(rel, "docs") {
			continue // the root ties everything together; docs are users
		}
		may, ok := row(rel)
		if !ok {
			t.Errorf("%s is in no row of the table: add one, and think about what it may import", rel)
			continue
		}
		for _, imp := range p.Imports {
			if ours, is := strings.CutPrefix(imp, module); is && !permitted(rel, strings.TrimPrefix(ours, "/"), may) {
				t.Errorf("%s imports %s, which the table does not allow", rel, imp)
			}
		}
	}
}

func row(rel string) ([]string, bool) {
	for _, a := range allowed {
		if under(rel, a.who) {
			return a.may, true
		}
	}
	return nil, false
}

func permitted(who, imp string, may []string) bool {
	top, _, _ := strings.Cut(who, "/")
	own := who
	if slices.Contains([]string{"checkers", "targets", "workloads", "reports", "nemesis", "internal"}, top) && who != "nemesis/agent" {
		own = top // these folders are one layer each
	}
	if under(imp, own) {
		return true
	}
	return slices.ContainsFunc(may, func(m string) bool {
		return m == "!" && imp == "" || m != "!" && under(imp, m)
	})
}

func under(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// TestEveryPackageExplainsItself looks for a package comment that is more than
// a licence or a single word.
func TestEveryPackageExplainsItself(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if len(p.GoFiles) == 0 {
			continue
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command "
		}
		if doc := packageDoc(t, p); !strings.HasPrefix(doc, want) || len(doc) < 60 {
			t.Errorf("%s: its package comment should begin with %q and teach something; it is %q", p.rel(), want, doc)
		}
	}
}

func packageDoc(t *testing.T, p pkg) string {
	t.Helper()
	var doc string
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if f.Doc != nil {
			doc += f.Doc.Text()
		}
	}
	return doc
}

// TestActorsAreActors looks for what an actor must not do: start goroutines, or
// wait on channels.
func TestActorsAreActors(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if !under(p.rel(), "targets") {
			continue
		}
		for _, name := range p.GoFiles {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n.(type) {
				case *ast.GoStmt, *ast.SelectStmt, *ast.SendStmt, *ast.ChanType:
					t.Errorf("%v: an actor starts no goroutine and uses no channel", fset.Position(n.Pos()))
				}
				return true
			})
		}
	}
}

// TestNoReplace keeps `go install` working for users.
func TestNoReplace(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct{ Replace []any }
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	if len(mod.Replace) > 0 {
		t.Error(fmt.Sprint("go.mod has replace lines: they break go install: ", mod.Replace))
	}
}
