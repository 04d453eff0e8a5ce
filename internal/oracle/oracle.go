// Package oracle reads the histories of others with which tests compare what we
// say. They lie in a folder beside the repository, or in the one that
// ORDEAL_SHARED names, and tests that need them are skipped where they are not.
package oracle

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Case is a history with the verdict of another tool.
type Case struct {
	ID      string `json:"id"`
	Options string `json:"options"` // EDN
	History string `json:"history"` // EDN
	Expect  struct {
		Valid     any      `json:"valid"` // true, false or "unknown"
		Result    string   `json:"result"`
		Detail    string   `json:"detail"` // of the log: what was found, as EDN
		Anomalies []string `json:"anomalies"`
		Not       []string `json:"not"` // levels that do not hold
		AlsoNot   []string `json:"also-not"`
		Error     string   `json:"error"`
	} `json:"expect"`
}

// Parse returns the history of the case.
func (c Case) Parse(t testing.TB) *history.History {
	t.Helper()
	h, err := history.Read(strings.NewReader(c.History))
	if err != nil {
		t.Fatalf("%s: %v", c.ID, err)
	}
	return h
}

// Path returns where a shared file is, or skips the test.
func Path(t testing.TB, elem ...string) string {
	t.Helper()
	dir := os.Getenv("ORDEAL_SHARED")
	if dir == "" {
		dir = filepath.Join(root(t), "..", "shared")
	}
	path := filepath.Join(append([]string{dir}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("skipped: %s is not there; set ORDEAL_SHARED to the folder that has it", filepath.Join(elem...))
	}
	return path
}

// root returns the folder of the repository. Tests run in that of their package.
func root(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		above := filepath.Dir(dir)
		if above == dir {
			t.Fatal("this test does not run in its repository: there is no go.mod above it")
		}
		dir = above
	}
}

// Vectors reads the cases of a checker, as in "knossos-register".
func Vectors(t testing.TB, name string) []Case {
	t.Helper()
	f, err := os.Open(Path(t, "vectors", name+".jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var cases []Case
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var c Case
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(fmt.Errorf("%s: %w", name, err))
		}
		cases = append(cases, c)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}
