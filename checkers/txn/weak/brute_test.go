package weak_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/txn/weak"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// tiny is a transaction of a small history.
type tiny struct {
	process int
	typ     history.Type
	steps   []access
}

// access is a micro-operation; the value of a read is 0 for nil.
type access struct {
	write bool
	key   int
	value int
}

// record writes transactions down, one after the other.
func record(txns []tiny) *history.History {
	h := new(history.History)
	for _, t := range txns {
		var asked, got []history.Value
		for _, a := range t.steps {
			f, v := "r", history.Nil
			if a.write {
				f = "w"
			}
			if a.value != 0 {
				v = history.Int(int64(a.value))
			}
			got = append(got, history.List(history.String(f), history.Int(int64(a.key)), v))
			if !a.write {
				v = history.Nil
			}
			asked = append(asked, history.List(history.String(f), history.Int(int64(a.key)), v))
		}
		op := history.Op{Index: len(h.Ops), Time: int64(len(h.Ops)) * 1e6, Process: history.Process(t.process), F: "txn", Value: history.List(asked...)}
		done := op
		done.Index, done.Time, done.Type, done.Value = op.Index+1, op.Time+1e6, t.typ, history.List(got...)
		h.Ops = append(h.Ops, op, done)
	}
	return h
}

// brute decides by the definition: it looks for a set of transactions of unknown
// outcome and an order of all that satisfies the axiom of the level.
func brute(txns []tiny, level weak.Level) bool {
	var infos []int
	for i, t := range txns {
		if t.typ == history.Info {
			infos = append(infos, i)
		}
	}
	for set := range 1 << len(infos) {
		in := make([]bool, len(txns))
		for i, t := range txns {
			in[i] = t.typ == history.OK
		}
		for b, i := range infos {
			in[i] = set>>b&1 == 1
		}
		if before, ok := axioms(txns, in, level); ok && orderable(before, in, 0) {
			return true
		}
	}
	return false
}

// axioms returns which transactions have to be before which, and whether every
// read reads from a transaction that happened.
func axioms(txns []tiny, in []bool, level weak.Level) (before [][]bool, ok bool) {
	n := len(txns)
	type external struct{ reader, at, key, from int }
	var reads []external
	see := matrix(n)
	for i, t := range txns {
		if !in[i] {
			continue
		}
		for k := range i {
			if in[k] && txns[k].process == t.process && txns[k].typ == history.OK {
				see[k][i] = true
			}
		}
		if t.typ != history.OK {
			continue
		}
		for at, a := range t.steps {
			if a.write {
				continue
			}
			if mine := last(t.steps[:at], a.key); mine != 0 {
				if a.value != mine {
					return nil, false
				}
				continue
			}
			from := -1
			for w := range txns {
				if in[w] && w != i && a.value != 0 && last(txns[w].steps, a.key) == a.value {
					from = w
				}
			}
			if from < 0 && a.value != 0 {
				return nil, false
			}
			reads = append(reads, external{i, at, a.key, from})
		}
	}
	before = matrix(n)
	for k := range n {
		copy(before[k], see[k]) // so
	}
	session := matrix(n)
	for k := range n {
		copy(session[k], see[k])
	}
	for _, r := range reads {
		if r.from >= 0 {
			before[r.from][r.reader], see[r.from][r.reader] = true, true
		}
	}
	for m := range n {
		for a := range n {
			for b := range n {
				see[a][b] = see[a][b] || see[a][m] && see[m][b]
			}
		}
	}
	for _, r := range reads {
		for t2 := range n {
			if !in[t2] || t2 == r.from || t2 == r.reader || last(txns[t2].steps, r.key) == 0 {
				continue
			}
			visible := level == weak.Causal && see[t2][r.reader] || level == weak.ReadAtomic && session[t2][r.reader]
			for _, other := range reads {
				if other.reader == r.reader && other.from == t2 {
					visible = visible || level == weak.ReadAtomic || other.at < r.at
				}
			}
			switch {
			case visible && r.from < 0:
				return nil, false
			case visible:
				before[t2][r.from] = true
			}
		}
	}
	return before, true
}

func matrix(n int) [][]bool {
	m := make([][]bool, n)
	for i := range m {
		m[i] = make([]bool, n)
	}
	return m
}

// last returns what was written last to a key, or 0.
func last(steps []access, key int) (value int) {
	for _, a := range steps {
		if a.write && a.key == key {
			value = a.value
		}
	}
	return value
}

// orderable tries all orders: it puts first whatever may be first.
func orderable(before [][]bool, left []bool, depth int) bool {
	some := false
	for i := range left {
		if !left[i] {
			continue
		}
		some = true
		first := true
		for k := range left {
			first = first && !(left[k] && before[k][i])
		}
		if !first {
			continue
		}
		left[i] = false
		ok := orderable(before, left, depth+1)
		left[i] = true
		if ok {
			return true
		}
	}
	return !some
}

// judge checks a history and confirms the certificate.
func judge(t testing.TB, h *history.History, opts weak.Options) checkers.Result {
	t.Helper()
	r := checkers.Run(t.Context(), weak.New(opts), h)
	if r.Verdict == checkers.Unknown {
		return r
	}
	if raw := claim(t, r); raw != nil {
		if _, err := verify.Claim(h, raw); err != nil {
			t.Fatalf("%v of %v\n%s\n%v\n%v", r.Verdict, opts, raw, err, h.Ops)
		}
	}
	return r
}

func claim(t testing.TB, r checkers.Result) []byte {
	t.Helper()
	c, err := r.Claim()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// agree compares the checker with brute force at all levels, and confirms the
// certificate of one of them.
func agree(t *testing.T, txns []tiny, certify int) (invalid int) {
	t.Helper()
	h := record(txns)
	for level := weak.ReadCommitted; level <= weak.Causal; level++ {
		opts := weak.Options{Level: level}
		var r checkers.Result
		if int(level) == certify {
			r = judge(t, h, opts)
		} else {
			r = weak.New(opts).Check(t.Context(), h)
		}
		if r.Verdict == checkers.Unknown {
			return 0
		}
		if want := brute(txns, level); want != (r.Verdict == checkers.OK) {
			t.Fatalf("%v: brute force says %v, the checker %v %+v\n%+v", level, want, r.Verdict, r.Anomalies, txns)
		}
		if r.Verdict == checkers.Invalid {
			invalid++
		}
	}
	return invalid
}

// random returns a small history whose reads are mostly of what somebody wrote
// last to the key.
func random(rng *rand.Rand, most int) []tiny {
	txns := make([]tiny, 1+rng.IntN(most))
	keys, value := 1+rng.IntN(2), 0
	processes := 1 + rng.IntN(3)
	used := map[int]int{}
	finals := map[int][]int{}
	var all []int
	for i := range txns {
		p := rng.IntN(processes)
		t := tiny{process: p + 10*used[p], typ: []history.Type{history.OK, history.OK, history.OK, history.OK, history.OK, history.OK, history.Info, history.Fail}[rng.IntN(8)]}
		if t.typ == history.Info && rng.IntN(2) == 0 {
			used[p]++ // mostly a process ends with that, but not in all histories
		}
		for range 1 + rng.IntN(3) {
			a := access{write: rng.IntN(2) == 0, key: rng.IntN(keys)}
			if a.write {
				value++
				a.value = value
				all = append(all, value)
			}
			t.steps = append(t.steps, a)
		}
		for k := range keys {
			if v := last(t.steps, k); v != 0 {
				finals[k] = append(finals[k], v)
			}
		}
		txns[i] = t
	}
	for _, t := range txns {
		for at := range t.steps {
			a := &t.steps[at]
			mine := last(t.steps[:at], a.key)
			switch dice := rng.IntN(40); {
			case a.write:
			case dice == 0:
				a.value = 99
			case dice == 1 && len(all) > 0:
				a.value = all[rng.IntN(len(all))]
			case mine != 0:
				a.value = mine
			case dice > 6 && len(finals[a.key]) > 0:
				a.value = finals[a.key][rng.IntN(len(finals[a.key]))]
			}
		}
	}
	return txns
}

func TestRandomAgainstBruteForce(t *testing.T) {
	t.Parallel()
	n := 100_000
	if testing.Short() {
		n = 10_000
	}
	if os.Getenv("ORDEAL_LONG") != "" {
		n = 3_000_000
	}
	rng := rand.New(rand.NewPCG(3, 4))
	invalid := 0
	for i := range n {
		invalid += agree(t, random(rng, 3+i%3), i%3)
	}
	if invalid < n/4 || invalid > 3*n {
		t.Errorf("%d of %d verdicts are invalid: the test shows little", invalid, 3*n)
	}
}

// All histories of three transactions in which each takes at most two steps on two
// keys; but for long runs, only a part of the shapes.
func TestAllTiny(t *testing.T) {
	t.Parallel()
	shapes := [][]access{}
	for a := range 4 {
		shapes = append(shapes, []access{{a&1 == 1, a >> 1, 0}})
		for b := range 4 {
			shapes = append(shapes, []access{{a&1 == 1, a >> 1, 0}, {b&1 == 1, b >> 1, 0}})
		}
	}
	stride := 4
	if testing.Short() {
		stride = 23
	}
	if os.Getenv("ORDEAL_LONG") != "" {
		stride = 1
	}
	count := 0
	for a := 0; a < len(shapes); a++ {
		for b := 0; b < len(shapes); b++ {
			for c := b; c < len(shapes); c++ {
				if count++; count%stride != 0 {
					continue
				}
				for _, processes := range [][3]int{{0, 0, 1}, {0, 1, 2}} {
					everyRead(t, [][]access{shapes[a], shapes[b], shapes[c]}, processes)
				}
			}
		}
	}
}

// everyRead fills in every final value, or nil, for every external read.
func everyRead(t *testing.T, shape [][]access, processes [3]int) {
	txns := make([]tiny, len(shape))
	value := 0
	var reads []*access
	for i, steps := range shape {
		txns[i] = tiny{process: processes[i], typ: history.OK, steps: append([]access{}, steps...)}
		for at := range txns[i].steps {
			a := &txns[i].steps[at]
			if a.write {
				value++
				a.value = value
			} else {
				reads = append(reads, a)
			}
		}
	}
	if len(reads) == 0 {
		return
	}
	var fill func(n int)
	fill = func(n int) {
		if n == len(reads) {
			agree(t, txns, value%3)
			return
		}
		reads[n].value = 0
		fill(n + 1)
		for _, other := range txns {
			if v := last(other.steps, reads[n].key); v != 0 {
				reads[n].value = v
				fill(n + 1)
			}
		}
		reads[n].value = 0
	}
	fill(0)
}
