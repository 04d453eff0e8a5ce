package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/store"
)

var (
	day = time.Date(2026, 1, 2, 15, 4, 5, 0, time.FixedZone("", 3600))
	one = &plan.Plan{
		Target: "store", Workload: "register", Seed: 7, Nodes: 1, Clients: 1, Rate: 1, Time: 1, OpTimeout: 1,
	}
)

func create(t *testing.T, root string) *store.Run {
	t.Helper()
	r, err := store.Create(root, one, day)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A run has a directory with a name that tells what it is, its plan in it, and
// a link to it that follows the newest.
func TestCreate(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "deep", "runs")
	r := create(t, root)
	if !strings.HasPrefix(r.ID(), "20260102T140405-store-register-s7-") || filepath.Dir(r.Dir) != root {
		t.Errorf("run %s in %s", r.ID(), r.Dir)
	}
	if p, err := r.Plan(); err != nil || p.Seed != 7 {
		t.Errorf("plan %+v, %v", p, err)
	}
	second := create(t, root)
	latest, err := store.Open(filepath.Join(root, "latest"))
	if err != nil || latest.ID() != second.ID() || second.ID() == r.ID() {
		t.Errorf("latest is %v, %v; want %s", latest, err, second.ID())
	}
}

// Runs that begin at the same moment get directories of their own.
func TestCreateTogether(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := store.Create(root, one, day); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	entries, err := os.ReadDir(root)
	if err != nil || len(entries) != 21 { // and the link
		t.Errorf("%d entries, %v", len(entries), err)
	}
}

// A file of somebody else that is called latest is left alone.
func TestLatestOfSomebodyElse(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	path := filepath.Join(root, "latest")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	create(t, root)
	if text, err := os.ReadFile(path); string(text) != "mine" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestBadPlaces(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for place, want := range map[string]string{
		"":                          "--out is empty",
		file:                        "is a file; name a directory for the runs with --out",
		filepath.Join(file, "runs"): "name another with --out",
	} {
		if _, err := store.Create(place, one, day); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("create in %q: %v, want %s", place, err, want)
		}
	}
	for place, want := range map[string]string{
		filepath.Join(root, "none"): "there is no run at",
		file:                        "is a file, not the directory of a run; to judge a history by itself use `ordeal check",
		root:                        "is not the directory of a run: it has no plan.json",
	} {
		if _, err := store.Open(place); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("open %q: %v, want %s", place, err, want)
		}
	}
}

// A file is there as a whole or not at all, and nothing else is left.
func TestWriteFile(t *testing.T) {
	t.Parallel()
	r := create(t, t.TempDir())
	before := len(names(t, r.Dir))
	for _, text := range []string{"first", "second, which is longer"} {
		if err := r.WriteFile("result.json", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(r.Path("result.json")); string(got) != text {
			t.Errorf("%q, %v", got, err)
		}
	}
	if err := r.WriteFile(filepath.Join("no", "such", "folder"), nil); err == nil {
		t.Error("a file was written into a folder that is not there")
	}
	if err := r.WriteJSON("result.json", func() {}); err == nil {
		t.Error("a function was written as JSON")
	}
	if after := names(t, r.Dir); len(after) != before+1 {
		t.Errorf("left behind: %v", after)
	}
	var v struct{ A int }
	if err := r.ReadJSON("result.json", &v); err == nil || !strings.Contains(err.Error(), "result.json") {
		t.Errorf("text read as JSON: %v", err)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}
