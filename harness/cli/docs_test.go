package cli_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/workloads"
)

var update = flag.Bool("update", false, "write the tables in docs anew")

// TestDocs holds the tables in docs against what there is.
func TestDocs(t *testing.T) {
	t.Parallel()
	for file, tables := range map[string]map[string]string{
		"check-histories.md": {"workloads": workloadTable(), "models": modelTable(t)},
		"zoo.md":             {"bugs": bugTables()},
	} {
		path := filepath.Join("..", "..", "docs", file)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := string(text)
		for name, table := range tables {
			want = replaceTable(t, want, name, table)
		}
		switch {
		case want == string(text):
		case !*update:
			t.Errorf("the tables of %s are not those of the code: run go test ./harness/cli -run TestDocs -update", path)
		default:
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// replaceTable puts a table between the comments that mark its place.
func replaceTable(t *testing.T, text, name, table string) string {
	t.Helper()
	before, rest, found := strings.Cut(text, "<!-- "+name+":")
	comment, rest, ended := strings.Cut(rest, "-->\n")
	_, after, closed := strings.Cut(rest, "<!-- end -->")
	if !found || !ended || !closed {
		t.Fatalf("there is no place for the table %s", name)
	}
	return before + "<!-- " + name + ":" + comment + "-->\n" + table + "<!-- end -->" + after
}

func workloadTable() string {
	var b strings.Builder
	b.WriteString("| workload | what is judged | operations | level (default first) | options |\n|---|---|---|---|---|\n")
	for _, w := range registry.Builtin().Workloads {
		ops := slices.Concat(w.Fs, w.Optional)
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s | %s |\n", w.Name, w.Doc, strings.Join(ops, "` `"), levels(w), optionList(w.Options))
	}
	return b.String()
}

// levels names the default level and the others, if they are not too many.
func levels(w workloads.Workload) string {
	list := []string{w.Level}
	for _, l := range w.Levels {
		if l != w.Level {
			list = append(list, l)
		}
	}
	if len(list) > 10 {
		return fmt.Sprintf("%s, and %d others: `ordeal list workloads --json`", list[0], len(list)-1)
	}
	return strings.Join(list, ", ")
}

func optionList(all []workloads.Option) string {
	var list []string
	for _, o := range all {
		name := o.Name
		if o.Default != "" {
			name += "=" + o.Default
		}
		list = append(list, "`"+name+"` "+o.Doc)
	}
	return strings.Join(list, "; ")
}

func modelTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| model | what the object is | options |\n|---|---|---|\n")
	for _, name := range workloads.ModelNames() {
		w, err := workloads.Model(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, w.Doc, optionList(w.Options))
	}
	return b.String()
}

// bugTables has a table of bugs for each target, and the commands that show them.
func bugTables() string {
	var b strings.Builder
	for _, target := range registry.Builtin().Targets {
		if len(target.Bugs()) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n", target.Name())
		b.WriteString("| bug | what the code does wrong | mirrors | shown by | found by | as | seeds |\n|---|---|---|---|---|---|---|\n")
		var commands strings.Builder
		for _, bug := range target.Bugs() {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | `%s` | `%s` | %d |\n", bug.ID, bug.Summary, bug.Mirrors, bug.Fault, bug.Checker, bug.Anomaly, bug.Seed)
			fmt.Fprintf(&commands, "    %s --seed %d\n", bug.Command, bug.Seed)
		}
		fmt.Fprintf(&b, "\n%s\n", commands.String())
	}
	return b.String()
}
