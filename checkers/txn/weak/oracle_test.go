package weak_test

import (
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/txn/weak"
	"github.com/ordeal-dev/ordeal/internal/oracle"
)

// vectors reads the cases of a workload, with -short some of them.
func vectors(t *testing.T, name string) []oracle.Case {
	t.Helper()
	all := oracle.Vectors(t, name)
	if testing.Short() {
		all = all[:min(len(all), 200)]
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
			res := judge(t, v.Parse(t), weak.Options{Level: level, Lists: true})
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
		res := judge(t, v.Parse(t), weak.Options{Level: weak.ReadCommitted})
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
