package cli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ordeal-dev/ordeal/harness/cli"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/harness/store"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // judging thousands of small histories would else be a third collecting
	testscript.Main(m, map[string]func(){
		"ordeal": func() {
			os.Exit(cli.Main(registry.Builtin(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

// TestScripts runs the sessions in testdata/script. Outputs are matched by
// patterns, since run directories have new names each time.
func TestScripts(t *testing.T) {
	t.Parallel()
	dir := "testdata/script"
	files, err := filepath.Glob(dir + "/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if testing.Short() { // those that run many minutes of virtual time take long with the race detector
		files = slices.DeleteFunc(files, func(f string) bool {
			return slices.ContainsFunc([]string{"replay", "determinism", "zoo", "tour"}, func(long string) bool { return strings.Contains(f, long) })
		})
	}
	testscript.Run(t, testscript.Params{
		Files:               files,
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exitcode": exitCode,
			"alter":    alter,
			"replace":  replace,
		},
	})
}

// exitCode runs a command and fails unless it exits with the given code:
//
//	exitcode 64 ordeal run --nodes 0
func exitCode(ts *testscript.TestScript, _ bool, args []string) {
	want := args[0]
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = err.Error()
	}
	if got != "exit status "+want && got != want {
		ts.Fatalf("exit code %s, want %s", got, want)
	}
}

// alter writes the choices of a run down as text and replaces the first match
// of a pattern in the middle of them: alter RUN PATTERN TEXT.
func alter(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	h, err := history.Open(filepath.Join(dir, store.ChoicesFile))
	ts.Check(err)
	pattern := regexp.MustCompile(args[1])
	var text []byte
	altered := false
	for i := range h.Ops {
		line := history.AppendJSON(nil, &h.Ops[i])
		if !altered && (i >= len(h.Ops)/3 || strings.Contains(args[1], "aim")) && pattern.Match(line) {
			line, altered = pattern.ReplaceAllLiteral(line, []byte(args[2])), true
		}
		text = append(append(text, line...), '\n')
	}
	if !altered {
		ts.Fatalf("no choice matches %s", args[1])
	}
	ts.Check(os.WriteFile(filepath.Join(dir, strings.TrimSuffix(store.ChoicesFile, ".zst")), text, 0o644))
}

// replace replaces a text in a file: replace FILE OLD NEW.
func replace(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not contain %s", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, args[1], args[2], 1)), 0o644))
}
