package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// A certificate with one claim: an element was added and is not there.
func Example() {
	h, err := history.Read(strings.NewReader(`
{"process":0,"type":"invoke","f":"add","value":1}
{"process":0,"type":"ok","f":"add","value":1}
{"process":1,"type":"invoke","f":"read","value":null}
{"process":1,"type":"ok","f":"read","value":[]}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	claim := `{"definition": "set-full", "verdict": "invalid", "evidence": {"anomaly": "lost", "ops": [0, 2]}}`
	confirmed, err := Verify(h, fmt.Appendf(nil, `{"certificate": 1, "digest": %q, "claims": [%s]}`, Digest(h), claim))
	fmt.Println(confirmed, err)
	// Output: [{set-full map[] invalid}] <nil>
}

// TestFamilies sees that no two families know the same definition, and that the
// package comment names all of them.
func TestFamilies(t *testing.T) {
	t.Parallel()
	sum := 0
	for _, family := range families {
		sum += len(family)
	}
	if sum != len(definitions) {
		t.Errorf("the families have %d definitions, but there are %d names", sum, len(definitions))
	}
	listed := 0
	for _, row := range rows(t) {
		for _, name := range row.definitions {
			if _, ok := definitions[name]; !ok {
				t.Errorf("the package comment lists %s, which nobody knows", name)
			}
		}
		listed += len(row.definitions)
	}
	if listed != len(definitions) {
		t.Errorf("the package comment lists %d definitions of %d", listed, len(definitions))
	}
}

// TestLines holds what the package comment says about the length of each package
// against what there is to read.
func TestLines(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob("*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]int{}
	for _, path := range folders {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(path, "_test.go") {
			lines[filepath.Dir(path)] += strings.Count(string(text), "\n")
		}
	}
	for _, row := range rows(t) {
		if n := lines[row.name]; n > row.lines+100 || n < row.lines-100 {
			t.Errorf("%s has %d lines and not %d, as the package comment says", row.name, n, row.lines)
		}
		delete(lines, row.name)
	}
	if len(lines) > 0 {
		t.Errorf("the package comment does not list %v", lines)
	}
}

// row is what the package comment says about a package.
type row struct {
	name        string
	lines       int
	definitions []string
}

// rows reads the list of packages in the package comment.
func rows(t *testing.T) []row {
	t.Helper()
	text, err := os.ReadFile("verify.go")
	if err != nil {
		t.Fatal(err)
	}
	doc, _, _ := strings.Cut(string(text), "\npackage verify\n")
	var all []row
	for _, m := range regexp.MustCompile(`(?m)^//\t([a-z]+) +(\d+)  (.*(?:\n//\t +.*)*)`).FindAllStringSubmatch(doc, -1) {
		lines, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		names := regexp.MustCompile(`[a-z][a-z-]+`).FindAllString(strings.ReplaceAll(m[3], "(read by all of them)", ""), -1)
		all = append(all, row{m[1], lines, names})
	}
	if !slices.ContainsFunc(all, func(r row) bool { return r.name == "claim" }) {
		t.Fatal("the package comment has no list of packages")
	}
	return all
}
