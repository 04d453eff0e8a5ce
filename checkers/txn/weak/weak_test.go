package weak_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/checkers/txn/weak"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func TestScripts(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/weak.txt", func(d *datadriven.TestData) checkers.Checker {
		level, err := weak.ParseLevel(d.Cmd)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		return weak.New(weak.Options{Level: level, Lists: d.HasArg("lists")})
	})
}

func TestHostile(t *testing.T) {
	t.Parallel()
	micro := func(f string, k, v int64) history.Value {
		return history.List(history.String(f), history.Int(k), history.Int(v))
	}
	values := []history.Value{
		history.List(micro("w", 1, 1)), history.List(micro("r", 1, 1)), history.List(micro("r", 1, 2), micro("w", 2, 2)),
		history.List(micro("r", 2, 2), micro("w", 1, 2)), history.List(micro("r", 1, 1), micro("r", 2, 2)),
	}
	hostile.Feed(t, weak.New(weak.Options{Level: weak.Causal}), []string{"txn"}, values)
}

func TestBudget(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for level := weak.ReadCommitted; level <= weak.Causal; level++ {
		res := weak.New(weak.Options{Level: level}).Check(ctx, database(20))
		if res.Verdict != checkers.Unknown || !strings.Contains(res.Reason, "stopped") {
			t.Errorf("%v: %v %s", level, res.Verdict, res.Reason)
		}
	}
}

func TestParseLevel(t *testing.T) {
	t.Parallel()
	if _, err := weak.ParseLevel("serializable"); err == nil {
		t.Error("serializable is no weak level")
	}
}

// FuzzCheck makes histories from bytes, has the checker judge them at all levels
// and confirms what it says by the certificate. A level implies those before it.
func FuzzCheck(f *testing.F) {
	f.Add([]byte("w x, r x, and another 17 \x00\x13\x82\xff"))
	f.Add([]byte{0, 1, 2, 3, 130, 7, 9, 4, 66, 5, 1, 1, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		var txns []tiny
		value := 0
		for i, b := range data[:min(len(data), 60)] {
			if len(txns) == 0 || b>>6 == 3 {
				txns = append(txns, tiny{process: int(b) & 3, typ: []history.Type{history.OK, history.OK, history.Fail, history.Info}[b>>2&3]})
				continue
			}
			a := access{write: b&1 == 1, key: int(b) >> 1 & 1, value: int(b) >> 2 & 15}
			if a.write {
				value++
				a.value = value
			}
			last := &txns[len(txns)-1]
			if last.steps = append(last.steps, a); i%7 == 0 {
				txns = append(txns, tiny{process: i % 4, typ: history.OK})
			}
		}
		h := record(txns)
		worst := checkers.OK
		for level := weak.ReadCommitted; level <= weak.Causal; level++ {
			res := judge(t, h, weak.Options{Level: level})
			if res.Verdict < worst {
				t.Fatalf("%v: %v after %v\n%v", level, res.Verdict, worst, h.Ops)
			}
			worst = max(worst, res.Verdict)
		}
	})
}
