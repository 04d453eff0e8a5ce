package weak_test

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/txn/weak"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// vector is a history with what Elle said about it.
type vector struct {
	ID      string `json:"id"`
	History string `json:"history"` // EDN
	Expect  struct {
		Valid     any      `json:"valid"` // at strict serializability: true, false or "unknown"
		Anomalies []string `json:"anomalies"`
	} `json:"expect"`
	parsed *history.History
}

// vectors reads the cases of a workload from the folder that ORDEAL_SHARED names,
// or else the one beside the repository; without it the test is skipped.
func vectors(t *testing.T, name string) []vector {
	t.Helper()
	dir := os.Getenv("ORDEAL_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared")
	}
	f, err := os.Open(filepath.Join(dir, "vectors", name+".jsonl.gz"))
	if err != nil {
		t.Skipf("skipped: %s is not there; set ORDEAL_SHARED to the folder that has it: %v", name, err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	for d := json.NewDecoder(z); d.More(); {
		var v vector
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		if v.parsed, err = history.Read(strings.NewReader(v.History)); err != nil {
			t.Fatalf("%s: %v", v.ID, err)
		}
		if all = append(all, v); testing.Short() && len(all) == 200 {
			break
		}
	}
	return all
}

// What Elle finds to be strictly serializable has all weak levels, as far as it
// can know: the order of lists is no secret to it.
func TestElleLists(t *testing.T) {
	t.Parallel()
	judged := 0
	for _, v := range vectors(t, "elle-list-append") {
		for level := weak.ReadCommitted; level <= weak.Causal; level++ {
			res := judge(t, v.parsed, weak.Options{Level: level, Lists: true})
			if v.Expect.Valid == true && res.Verdict == checkers.Invalid {
				t.Errorf("%s: %v %+v", v.ID, level, res.Anomalies)
			}
			if res.Verdict != checkers.Unknown {
				judged++
			}
		}
	}
	if judged < 300 {
		t.Errorf("only %d verdicts", judged)
	}
}

// What Elle says a read of a register must not find breaks read committed.
func TestElleRegisters(t *testing.T) {
	t.Parallel()
	judged := 0
	for _, v := range vectors(t, "elle-rw-register") {
		res := judge(t, v.parsed, weak.Options{Level: weak.ReadCommitted})
		bad := slices.ContainsFunc([]string{"G1a", "G1b"}, func(name string) bool { return slices.Contains(v.Expect.Anomalies, name) })
		if bad && res.Verdict != checkers.Invalid {
			t.Errorf("%s: %v of %v", v.ID, res.Verdict, v.Expect.Anomalies)
		}
		if res.Verdict != checkers.Unknown {
			judged++
		}
	}
	if judged < 100 {
		t.Errorf("only %d verdicts", judged)
	}
}
