package linear

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/internal/oracle"
)

// TestKnossosVectors compares verdicts with those of Knossos, and lists the
// histories that hold nothing to judge.
func TestKnossosVectors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		model Model
		idle  int
	}{{Register(), 2}, {CASRegister(), 59}, {MultiRegister(), 0}, {Mutex(), 25}, {FIFOQueue(), 10}, {Set(), 3}} {
		t.Run(tc.model.Name, func(t *testing.T) {
			t.Parallel()
			var idle []string
			for _, c := range oracle.Vectors(t, "knossos-"+tc.model.Name) {
				r := New(Options{Model: lenient(tc.model)}).Check(t.Context(), c.Parse(t))
				if r.Verdict == checkers.Unknown && r.Reason == nothing {
					idle = append(idle, c.ID)
					continue
				}
				if valid, ok := c.Expect.Valid.(bool); !ok || valid != (r.Verdict == checkers.OK) {
					t.Errorf("%s: Knossos says %v, we say %v: %s %+v\n%s", c.ID, c.Expect.Valid, r.Verdict, r.Reason, r.Anomalies, c.History)
				}
				proven(t, c.Parse(t), r)
			}
			t.Logf("nothing to judge: %v", idle)
			if len(idle) != tc.idle {
				t.Errorf("%d histories with nothing to judge, want %d", len(idle), tc.idle)
			}
		})
	}
}

// TestKnossosCorpus judges the recorded histories that come with Knossos.
func TestKnossosCorpus(t *testing.T) {
	t.Parallel()
	for _, verdict := range []string{"good", "bad"} {
		files, err := filepath.Glob(filepath.Join(oracle.Path(t, "corpora", "knossos", "cas-register", verdict), "*.edn"))
		if err != nil || len(files) == 0 {
			t.Fatal(err, "no files")
		}
		for _, file := range files {
			t.Run(verdict+"/"+filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				f, err := os.Open(file)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				h, err := history.Read(f)
				if err != nil {
					t.Fatal(err)
				}
				r := New(Options{Model: lenient(CASRegister())}).Check(t.Context(), h)
				if r.Reason == nothing {
					t.Skip("skipped: ", nothing)
				}
				if want := map[string]checkers.Verdict{"good": checkers.OK, "bad": checkers.Invalid}[verdict]; r.Verdict != want {
					t.Errorf("%v %s %+v", r.Verdict, r.Reason, r.Anomalies)
				}
				proven(t, h, r)
			})
		}
	}
}

// TestPorcupineCorpus judges the etcd histories that come with Porcupine.
func TestPorcupineCorpus(t *testing.T) {
	t.Parallel()
	verdicts, err := os.ReadFile(oracle.Path(t, "corpora", "porcupine", "verdicts.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(verdicts)) {
		file, verdict, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if !strings.HasPrefix(file, "etcd_") {
			continue
		}
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			h := readLog(t, oracle.Path(t, "corpora", "porcupine", "test_data", "jepsen", file))
			r := New(Options{}).Check(t.Context(), h)
			want := checkers.Invalid
			if verdict == "linearizable" {
				want = checkers.OK
			}
			if r.Verdict != want {
				t.Errorf("%v, want %v: %s %+v", r.Verdict, want, r.Reason, r.Anomalies)
			}
			proven(t, h, r)
		})
	}
}

var logLine = regexp.MustCompile(`(\d+)\s+:(invoke|ok|fail|info)\s+:(read|write|cas)\s+(.+)$`)

// readLog reads a log of Jepsen as the tests of Porcupine do.
func readLog(t *testing.T, path string) *history.History {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := new(history.History)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		m := logLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		p, _ := strconv.Atoi(m[1])
		typ, _ := history.ParseType(m[2])
		op := history.Op{Index: len(h.Ops), Process: history.Process(p), Type: typ, F: m[3], Value: logValue(m[4])}
		h.Ops = append(h.Ops, op)
	}
	return h
}

func logValue(s string) history.Value {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return history.Int(n)
	}
	var a, b int64
	if n, _ := fmt.Sscanf(s, "[%d %d]", &a, &b); n == 2 {
		return history.Ints(a, b)
	}
	return history.Nil
}

// lenient has a model take a read of nil for one whose result is unknown.
func lenient(m Model) Model {
	m.NilMatchesAny = true
	return m
}

// TestKVCorpus judges the histories of a store of texts that come with Porcupine.
func TestKVCorpus(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(oracle.Path(t, "corpora", "porcupine", "test_data", "kv"), "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no files")
	}
	for _, file := range files {
		judgesFile(t, file, KV(), strings.HasSuffix(file, "-ok.txt"))
	}
}

// TestElleCorpus judges the histories of Knossos' models that come with elle-cli.
func TestElleCorpus(t *testing.T) {
	t.Parallel()
	for _, m := range []Model{lenient(CASRegister()), Mutex()} {
		files, err := filepath.Glob(filepath.Join(oracle.Path(t, "corpora", "elle-cli", "knossos", m.Name), "*", "*"))
		if err != nil || len(files) == 0 {
			t.Fatal(err, "no files")
		}
		for _, file := range files {
			judgesFile(t, file, m, filepath.Base(filepath.Dir(file)) == "good")
		}
	}
}

// judgesFile fails unless a history has the verdict that others gave it, which
// both searches come to.
func judgesFile(t *testing.T, file string, m Model, valid bool) {
	t.Helper()
	t.Run(filepath.Base(file), func(t *testing.T) {
		t.Parallel()
		h, err := history.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		engines := []Engine{Auto, Frontier, Porcupine}
		if strings.HasPrefix(filepath.Base(file), "c50") {
			engines = engines[:1] // forced, an engine judges every key to the end
		}
		for _, e := range engines {
			r := New(Options{Model: m, Engine: e}).Check(t.Context(), h)
			if r.Verdict == checkers.Unknown || valid != (r.Verdict == checkers.OK) {
				t.Errorf("%v: %v, %s %+v", e, r.Verdict, r.Reason, r.Anomalies)
			}
			if e == Auto && filepath.Base(file) != "c50-bad.txt" { // which takes whoever verifies it too long
				proven(t, h, r)
			}
		}
	})
}
