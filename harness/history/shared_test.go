package history

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shared returns a folder of the data that projects share, which is beside the
// repository or where ORDEAL_SHARED says; the test is skipped without it.
func shared(t testing.TB, name string) string {
	t.Helper()
	root := os.Getenv("ORDEAL_SHARED")
	if root == "" {
		root = "../../../shared"
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no shared data: %s is not there (set ORDEAL_SHARED to the folder that holds %s)", dir, name)
	}
	return dir
}

// vector is one case of the histories with known verdicts.
type vector struct{ ID, History string }

func eachVector(t testing.TB, path string, do func(vector)) (n int) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		do(v)
		n++
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

// Every history with a known verdict parses, its calls pair, and it survives
// being printed as EDN and as JSON.
func TestSharedVectors(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob(filepath.Join(shared(t, "vectors"), "*.jsonl.gz"))
	total := make(chan int, len(files))
	t.Run("files", func(t *testing.T) {
		for _, path := range files {
			t.Run(filepath.Base(path), func(t *testing.T) {
				t.Parallel()
				total <- eachVector(t, path, func(v vector) { checkVector(t, v) })
			})
		}
	})
	close(total)
	sum := 0
	for n := range total {
		sum += n
	}
	if sum < 16735 {
		t.Errorf("read %d histories, want 16735", sum)
	}
}

func checkVector(t *testing.T, v vector) {
	h, err := Read(strings.NewReader(v.History))
	if err != nil {
		t.Fatalf("%s: %v", v.ID, err)
	}
	if h.Torn != nil || len(h.Warnings) > 0 || h.Indexes != nil {
		t.Errorf("%s: torn %v, warnings %v, indexes %v", v.ID, h.Torn, h.Warnings, h.Indexes)
	}
	if lines := strings.Count(strings.TrimSpace(v.History), "\n") + 1; len(h.Ops) != lines {
		t.Errorf("%s: %d operations of %d lines", v.ID, len(h.Ops), lines)
	}
	if _, err := h.Calls(); err != nil {
		t.Errorf("%s: %v", v.ID, err)
	}
}

// noHistories are the files of the corpora that hold something else.
func noHistory(path string) bool {
	return strings.HasSuffix(path, ".expect.edn") || strings.HasSuffix(path, ".log") ||
		strings.HasSuffix(path, ".tsv") || strings.HasSuffix(path, ".md")
}

// Every history that others recorded parses completely: as many operations
// come out as the text has types.
func TestSharedCorpora(t *testing.T) {
	t.Parallel()
	root := shared(t, "corpora")
	n := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || noHistory(path) {
			return err
		}
		n++
		checkCorpus(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 300 {
		t.Errorf("found %d histories, want more than 300", n)
	}
}

func checkCorpus(t *testing.T, path string) {
	h, err := Open(path)
	if err != nil {
		var corrupt *CorruptError
		t.Errorf("%s: %v (corrupt: %v)", path, err, errors.As(err, &corrupt))
		return
	}
	if h.Torn != nil {
		t.Errorf("%s: torn: %v", path, *h.Torn)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	types := 0
	for _, name := range typeNames {
		types += strings.Count(string(text), ":type :"+name) + strings.Count(string(text), `"type":"`+name+`"`)
	}
	if len(h.Ops) != types {
		t.Errorf("%s: %d operations, but %d types in the text", path, len(h.Ops), types)
	}
	for _, w := range h.Warnings {
		t.Logf("%s: %v", path, w)
	}
}
