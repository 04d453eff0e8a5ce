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
	path := filepath.Join("..", "..", "docs", "check-histories.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, table := range map[string]string{"workloads": workloadTable(), "models": modelTable(t)} {
		want = replaceTable(t, want, name, table)
	}
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatalf("the tables of %s are not those of the code: run go test ./harness/cli -run TestDocs -update", path)
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
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
