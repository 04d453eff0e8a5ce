package polygraph

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// wrong is a few transactions at the end of a history, on keys of their own, and
// the levels that they break.
type wrong struct {
	name   string
	txns   []Txn // keys and sources are counted from those of the history
	breaks []Level
}

// after makes transactions follow each other in one session or in several.
func after(one bool, txns ...Txn) []Txn {
	for i := range txns {
		txns[i].Begin, txns[i].End = 2*i, 2*i+1
		if !one {
			txns[i].Session = int32(i)
		}
	}
	return txns
}

// together makes transactions happen at the same time.
func together(txns ...Txn) []Txn {
	for i := range txns {
		txns[i].Session, txns[i].Begin, txns[i].End = int32(i), i, len(txns)+i
	}
	return txns
}

var wrongs = []wrong{
	{"lost update", together(
		Txn{Reads: []Read{{0, Initial}}, Writes: []int32{0}},
		Txn{Reads: []Read{{0, Initial}}, Writes: []int32{0}}), allLevels},
	{"torn read, whichever write came first", together(
		Txn{Writes: []int32{0, 1}}, Txn{Writes: []int32{0, 1}}, Txn{Reads: []Read{{0, 0}, {1, 1}}}), allLevels},
	{"write skew", together(
		Txn{Reads: []Read{{0, Initial}}, Writes: []int32{1}},
		Txn{Reads: []Read{{1, Initial}}, Writes: []int32{0}}), allLevels[:3]},
	{"long fork of blind writes", together(
		Txn{Writes: []int32{0}}, Txn{Writes: []int32{0}}, Txn{Writes: []int32{1}}, Txn{Writes: []int32{1}},
		Txn{Reads: []Read{{0, 0}, {1, 2}}}, Txn{Reads: []Read{{0, 1}, {1, 2}}}, Txn{Reads: []Read{{0, 0}, {1, 3}}}, Txn{Reads: []Read{{0, 1}, {1, 3}}}), allLevels},
	{"stale read", after(false,
		Txn{Writes: []int32{0}}, Txn{Writes: []int32{0}}, Txn{Reads: []Read{{0, 0}}}), []Level{StrictSerializable, StrongSnapshotIsolation}},
	{"stale read of one's own", after(true,
		Txn{Writes: []int32{0}}, Txn{Writes: []int32{0}}, Txn{Reads: []Read{{0, 0}}}),
		[]Level{SessionSerializable, StrictSerializable, SessionSnapshotIsolation, StrongSnapshotIsolation}},
	{"two readers disagree on the order of two writes", after(false,
		Txn{Writes: []int32{0}}, Txn{Writes: []int32{0}}, Txn{Reads: []Read{{0, 1}}}, Txn{Reads: []Read{{0, 0}}}),
		[]Level{StrictSerializable, StrongSnapshotIsolation}},
}

// put appends the wrong transactions to a history.
func (w wrong) put(h *History) {
	base, keys, end := int32(len(h.Txns)), int32(h.Keys), 0
	for _, x := range h.Txns {
		end = max(end, x.End)
	}
	for _, x := range w.txns {
		x.Session, x.Begin, x.End = x.Session+1000, x.Begin+end+1, x.End+end+1
		x.Reads, x.Writes = slices.Clone(x.Reads), slices.Clone(x.Writes)
		for i := range x.Reads {
			x.Reads[i].Key += keys
			if x.Reads[i].From != Initial {
				x.Reads[i].From += base
			}
		}
		for i := range x.Writes {
			x.Writes[i] += keys
		}
		h.Txns = append(h.Txns, x)
	}
	h.Keys += 2
}

// TestMutation puts what is wrong into valid histories: it is found at the levels
// that it breaks, the proof is about it alone, and the other levels are kept.
func TestMutation(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for _, w := range wrongs {
		for _, level := range allLevels {
			for range 10 {
				h := store{rng: rng, clients: 5, steps: 3, keys: 4, blind: rng.IntN(2) == 0, reads: 0.5}.history(60)
				clean := Solve(t.Context(), h, level, Options{})
				if clean.Verdict != checkers.OK {
					t.Fatalf("%v: %v %s without anything wrong\n%s", level, clean.Verdict, clean.Reason, show(h))
				}
				verified(t, h, level, clean)
				w.put(h)
				r := Solve(t.Context(), h, level, Options{})
				if (r.Verdict == checkers.Invalid) != slices.Contains(w.breaks, level) || r.Verdict == checkers.Unknown {
					t.Fatalf("%s, %v: %v %s\n%s", w.name, level, r.Verdict, r.Reason, show(h))
				}
				verified(t, h, level, r)
				if r.Proof != nil && r.Proof.Members()[0] < 60 {
					t.Errorf("%s, %v: %v are not all wrong", w.name, level, r.Proof.Members())
				}
			}
		}
	}
}

// TestSnapshots judges histories of a store with snapshots: they keep the levels
// with snapshots, and some are not serializable.
func TestSnapshots(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 5))
	skewed := 0
	for range 40 {
		h := store{rng: rng, clients: 4, steps: 3, keys: 6, reads: 0.6, snapshot: true}.history(80)
		for _, level := range allLevels {
			r := Solve(t.Context(), h, level, Options{})
			verified(t, h, level, r)
			if level.Snapshot() && r.Verdict != checkers.OK {
				t.Fatalf("%v: %v\n%s", level, r.Verdict, show(h))
			}
			if r.Verdict == checkers.Invalid {
				skewed++
			}
		}
	}
	if skewed == 0 {
		t.Error("no write skew: the test shows little")
	}
}

// TestWrongClaims sees that no evidence passes for a claim that is wrong: proofs
// of histories that differ in one read, and edges made up, for histories that have
// an order; orders of others for histories that have none.
func TestWrongClaims(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(6, 7))
	n := 4000
	if testing.Short() {
		n = 400
	}
	stat := [2]int{}
	for i := range n {
		level := allLevels[i%len(allLevels)]
		h := random(rng, 3+rng.IntN(3), 2)
		r := Solve(t.Context(), h, level, Options{})
		x := &h.Txns[rng.IntN(len(h.Txns))]
		if len(x.Reads) == 0 {
			continue
		}
		rec := recorded(h)
		raw := claimed(t, h, rec, level, r)
		at := rng.IntN(len(x.Reads))
		x.Reads[at].From = source(rng, h, slices.IndexFunc(h.Txns, func(y Txn) bool { return y.Begin == x.Begin }), x.Reads[at].Key)
		if slices.ContainsFunc(h.Txns, func(y Txn) bool { return y.End == Never }) {
			continue // what was read may be what made it happen
		}
		ok := explains(h, level)
		rec = recorded(h)
		if _, err := verify.Claim(rec, raw); err == nil && ok != (r.Verdict == checkers.OK) {
			t.Fatalf("%v: confirmed, but ok is %v\n%s\n%s", level, ok, show(h), raw)
		} else if err != nil {
			stat[0]++
		}
		if ok {
			stat[1]++
			for range 10 {
				fabricated(t, rng, h, level)
			}
		}
	}
	t.Logf("%d claims of others refused, %d histories with proofs made up", stat[0], stat[1])
}

// fabricated makes up a proof of one or two cycles.
func fabricated(t *testing.T, rng *rand.Rand, h *History, level Level) {
	t.Helper()
	p := &Proof{}
	pick := func() int32 { return int32(rng.IntN(len(h.Txns))) }
	for range 1 + rng.IntN(2) {
		var c Cycle
		at := pick()
		for range 2 + rng.IntN(2) {
			e := Edge{From: at, To: pick(), Kind: Kind(rng.IntN(5)), Key: int32(rng.IntN(2)), Version: int32(rng.IntN(len(h.Txns)+1)) - 1}
			if e.Kind >= WW && rng.IntN(2) == 0 {
				e.Chosen, e.If = true, Pair{pick(), pick()}
			}
			at = e.To
			c = append(c, e)
		}
		c[len(c)-1].To = c[0].From
		p.Cycles = append(p.Cycles, c)
	}
	if len(p.Cycles) == 2 {
		p.Steps = []Step{{From: []int32{0, 1}}}
	}
	rec := recorded(h)
	raw := claimed(t, h, rec, level, Result{Verdict: checkers.Invalid, Proof: p})
	if _, err := verify.Claim(rec, raw); err == nil {
		t.Fatalf("%v: confirmed\n%s\n%s", level, show(h), raw)
	}
}

// TestCorruptedProofs takes something away from proofs, which have nothing that
// is not needed.
func TestCorruptedProofs(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	refused := 0
	for i := 0; refused < 500; i++ {
		level := allLevels[i%len(allLevels)]
		h := random(rng, 4+rng.IntN(3), 3)
		r := Solve(t.Context(), h, level, Options{})
		if r.Verdict != checkers.Invalid {
			continue
		}
		rec := recorded(h)
		var c struct {
			Definition string            `json:"definition"`
			Parameters map[string]string `json:"parameters"`
			Verdict    string            `json:"verdict"`
			Evidence   Evidence          `json:"evidence"`
		}
		if err := json.Unmarshal(claimed(t, h, rec, level, r), &c); err != nil {
			t.Fatal(err)
		}
		ev := &c.Evidence
		at := rng.IntN(len(ev.Cycles))
		cycle := &ev.Cycles[at]
		e := &(*cycle)[rng.IntN(len(*cycle))]
		how := rng.IntN(7)
		switch how {
		case 0:
			*cycle = slices.Delete(*cycle, 0, 1)
		case 1:
			e.From, e.To = e.To, e.From
		case 2:
			e.Kind = map[string]string{"process": "rt", "rt": "process", "wr": "ww", "ww": "wr", "rw": "rt"}[e.Kind]
			if e.Kind == "process" && level.realtime() || e.Kind == "ww" || e.Kind == "rt" && level.realtime() {
				e.Kind = "so" // that could be as true
			}
		case 3:
			if e.If == nil {
				continue
			}
			e.If = nil
		case 4:
			if len(ev.Steps) == 0 {
				continue
			}
			ev.Steps = ev.Steps[:len(ev.Steps)-1]
		case 5:
			ev.Cycles = slices.Delete(ev.Cycles, at, at+1)
		case 6:
			c.Verdict = "ok"
		}
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify.Claim(rec, raw); err == nil {
			t.Errorf("corrupted in way %d, and confirmed: %s\n%s", how, raw, show(h))
		}
		refused++
	}
}
