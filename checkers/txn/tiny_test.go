package txn

import (
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// TestMain lets garbage grow, for the tests make very many small histories; but not
// where time and memory are measured.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() == "" {
		debug.SetGCPercent(400)
	}
	os.Exit(m.Run())
}

// tiny is a history that is small enough to try everything: keys and values are
// below 16, so that a list fits into a word, four bits for each element.
type tiny struct {
	w    Workload
	txns []tinyTxn
}

type tinyTxn struct {
	typ      history.Type
	process  int
	inv, res int
	steps    []tinyStep
}

// tinyStep reads or writes a key: a value, or a list.
type tinyStep struct {
	write    bool
	key      int
	value    uint64
	previous uint64
}

const tinyKeys = 2

// tinyState is what the keys hold.
type tinyState [tinyKeys]uint64

// randomTiny makes up a history: what a store would do that is not always right.
func randomTiny(rng *rand.Rand, w Workload, txns int, info, wrong float64) *tiny {
	h := &tiny{w: w}
	at := 0
	var open []int
	busy := map[int]bool{}
	var state tinyState
	var count [tinyKeys]uint64
	for len(h.txns) < txns || len(open) > 0 {
		at++
		if len(h.txns) < txns && len(open) < 3 && (len(open) == 0 || rng.IntN(2) == 0) {
			p := rng.IntN(3)
			for busy[p] {
				p = (p + 1) % 3
			}
			busy[p] = true
			x := tinyTxn{process: p, inv: at, res: 1 << 30}
			for range 1 + rng.IntN(3) {
				x.steps = append(x.steps, tinyStep{write: rng.IntN(2) == 0, key: rng.IntN(tinyKeys)})
			}
			open = append(open, len(h.txns))
			h.txns = append(h.txns, x)
			continue
		}
		i := rng.IntN(len(open))
		x := &h.txns[open[i]]
		open = append(open[:i], open[i+1:]...)
		x.typ, x.res = history.OK, at
		if rng.Float64() < info {
			x.typ = []history.Type{history.Info, history.Fail}[rng.IntN(2)]
		}
		took := x.typ == history.OK || x.typ == history.Info && rng.IntN(2) == 0 || rng.Float64() < wrong
		state = x.act(h.w, rng, state, &count, took, wrong)
		if x.typ == history.Info {
			x.res = 1 << 30
			x.process += 100 * at // nobody goes on with it
			for j := range h.txns {
				if &h.txns[j] == x {
					busy[x.process%100] = false
				}
			}
			continue
		}
		busy[x.process] = false
	}
	return h
}

// act lets a transaction happen, or not.
func (x *tinyTxn) act(w Workload, rng *rand.Rand, state tinyState, count *[tinyKeys]uint64, took bool, wrong float64) tinyState {
	next := state
	for i := range x.steps {
		s := &x.steps[i]
		if s.write {
			count[s.key]++
			s.value = count[s.key]
			s.previous = next[s.key]
			if w == LinkedRegister && rng.Float64() < wrong/2 {
				s.previous = uint64(rng.IntN(int(s.value)))
			}
			next[s.key] = s.value
			if w == ListAppend {
				next[s.key] = s.previous<<4 | s.value
			}
			continue
		}
		s.value = next[s.key]
		if rng.Float64() < wrong {
			s.value = tinyStray(w, rng, next[s.key], count[s.key])
		}
	}
	if !took {
		return state
	}
	return next
}

// tinyStray is a read that is wrong, or was right before.
func tinyStray(w Workload, rng *rand.Rand, now, count uint64) uint64 {
	switch {
	case w != ListAppend:
		return uint64(rng.IntN(int(count) + 2))
	case rng.IntN(2) == 0 && now > 0:
		return now >> (4 * (1 + rng.IntN(2)))
	case rng.IntN(3) == 0:
		return now<<4 | uint64(1+rng.IntN(int(count)+1))
	default:
		return now & 0xf
	}
}

// history writes it down.
func (h *tiny) history() *history.History {
	var ops []history.Op
	at := make(map[int]history.Op)
	last := 0
	values := h.links()
	for _, x := range h.txns {
		var asked, got []history.Value
		for _, s := range x.steps {
			key := history.Int(int64(s.key))
			if s.write {
				asked = append(asked, history.List(names[map[bool]string{true: "append", false: "w"}[h.w == ListAppend]], key, h.value(values, s.key, s.value, true)))
				got = append(got, asked[len(asked)-1])
				continue
			}
			asked = append(asked, history.List(names["r"], key, history.Nil))
			got = append(got, history.List(names["r"], key, h.value(values, s.key, s.value, false)))
		}
		op := history.Op{Process: history.Process(x.process), F: "txn", Value: history.List(asked...)}
		at[x.inv] = op
		last = max(last, x.inv)
		if x.typ != history.Info {
			op.Type, op.Value = x.typ, history.List(got...)
			at[x.res] = op
			last = max(last, x.res)
		}
	}
	for i := range last + 1 {
		if op, ok := at[i]; ok {
			op.Index, op.Time = len(ops), int64(len(ops))*1e6
			ops = append(ops, op)
		}
	}
	return &history.History{Ops: ops}
}

// links returns what each linked value says that it replaced.
func (h *tiny) links() map[[2]uint64]uint64 {
	links := make(map[[2]uint64]uint64)
	for _, x := range h.txns {
		for _, s := range x.steps {
			if s.write {
				links[[2]uint64{uint64(s.key), s.value}] = s.previous
			}
		}
	}
	return links
}

func (h *tiny) value(links map[[2]uint64]uint64, key int, v uint64, write bool) history.Value {
	switch {
	case h.w == ListAppend && !write:
		var list []history.Value
		for ; v > 0; v >>= 4 {
			list = append([]history.Value{history.Int(int64(v & 0xf))}, list...)
		}
		return history.List(list...)
	case v == 0:
		return history.Nil
	case h.w == LinkedRegister:
		p := history.Nil
		if q := links[[2]uint64{uint64(key), v}]; q > 0 {
			p = history.Int(int64(q))
		}
		return linkedValue(int64(v), p)
	default:
		return history.Int(int64(v))
	}
}

// run carries a transaction out on a state, and reports whether it found what it
// read.
func (h *tiny) run(x *tinyTxn, state tinyState) (tinyState, bool) {
	for _, s := range x.steps {
		switch {
		case s.write && h.w == LinkedRegister && s.previous != state[s.key]:
			return state, false
		case s.write && h.w == ListAppend:
			state[s.key] = state[s.key]<<4 | s.value
		case s.write:
			state[s.key] = s.value
		case x.typ == history.OK && s.value != state[s.key]:
			return state, false
		}
	}
	return state, true
}

// blocks reports whether another transaction that has not begun has to come
// before x.
func (h *tiny) blocks(begun uint, x *tinyTxn, order string) bool {
	for i := range h.txns {
		y := &h.txns[i]
		if begun&(1<<i) == 0 && y.typ == history.OK && y.res < x.inv && (order == "realtime" || order == "process" && y.process == x.process) {
			return true
		}
	}
	return false
}

// serial reports whether an order of the transactions explains what they read.
func (h *tiny) serial(order string) bool {
	var must uint
	for i, x := range h.txns {
		if x.typ == history.OK {
			must |= 1 << i
		}
	}
	var try func(done uint, state tinyState) bool
	try = func(done uint, state tinyState) bool {
		if done&must == must {
			return true
		}
		for i := range h.txns {
			x := &h.txns[i]
			if done&(1<<i) != 0 || x.typ == history.Fail || h.blocks(done, x, order) {
				continue
			}
			if next, ok := h.run(x, state); ok && try(done|1<<i, next) {
				return true
			}
		}
		return false
	}
	return try(0, tinyState{})
}

// snapshot reports whether beginnings and commits can be put into an order such
// that each transaction reads what was there when it began, and no two that write
// the same key overlap.
func (h *tiny) snapshot(order string) bool {
	var must uint
	for i, x := range h.txns {
		if x.typ == history.OK {
			must |= 1 << i
		}
	}
	base := make([]tinyState, len(h.txns))
	since := make([][tinyKeys]int, len(h.txns))
	var try func(begun, done uint, state tinyState, changed [tinyKeys]int, n int) bool
	try = func(begun, done uint, state tinyState, changed [tinyKeys]int, n int) bool {
		if done&must == must {
			return true
		}
		for i := range h.txns {
			x := &h.txns[i]
			switch {
			case x.typ == history.Fail || done&(1<<i) != 0:
			case begun&(1<<i) == 0:
				if h.blocks(done, x, order) {
					continue
				}
				oldBase, oldSince := base[i], since[i]
				base[i], since[i] = state, changed
				if _, ok := h.run(x, state); ok && try(begun|1<<i, done, state, changed, n+1) {
					return true
				}
				base[i], since[i] = oldBase, oldSince
			default:
				after, _ := h.run(x, base[i])
				next, now, clash := state, changed, false
				for _, s := range x.steps {
					if s.write {
						clash = clash || changed[s.key] != since[i][s.key]
						next[s.key], now[s.key] = after[s.key], n
					}
				}
				if !clash && try(begun, done|1<<i, next, now, n+1) {
					return true
				}
			}
		}
		return false
	}
	return try(0, 0, tinyState{}, [tinyKeys]int{}, 1)
}

// certified returns the verdict of a result whose certificate is confirmed, and
// whether it has one.
func certified(t testing.TB, h *history.History, r checkers.Result) bool {
	t.Helper()
	claim, err := r.Claim()
	if err != nil {
		if r.Verdict == checkers.Invalid && !strings.Contains(err.Error(), "elements that nobody read") {
			t.Fatalf("%v: %v\n%s", r.Anomalies, err, show(h))
		}
		return false
	}
	raw, err := json.Marshal(claim)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.Claim(h, raw); err != nil {
		t.Fatalf("%v\n%s\n%v\n%s", err, raw, r.Anomalies, show(h))
	}
	return true
}

// TestBruteForce compares verdicts with the definitions: there is a serial order,
// or a schedule of snapshots, or there is none. Every certificate has to be
// confirmed.
func TestBruteForce(t *testing.T) {
	t.Parallel()
	n := 34_000 // of each workload
	switch {
	case testing.Short():
		n = 1_000
	case os.Getenv("ORDEAL_LONG") != "":
		n = 300_000
	}
	for _, w := range []Workload{ListAppend, RWRegister, LinkedRegister} {
		t.Run(w.String(), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(11, uint64(w)))
			count := make(map[string]int)
			var all []checkers.Checker
			for _, l := range tinyLevels {
				all = append(all, New(Options{Workload: w, Models: []string{l.model}}))
			}
			for i := range n {
				x := randomTiny(rng, w, 2+rng.IntN(3), []float64{0, 0.2}[i%2], []float64{0, 0.05, 0.2}[i%3])
				bruteForce(t, all[i%len(all)], x, i, count)
			}
			t.Log(count)
		})
	}
}

// tinyLevels are the levels that are tried, with the order that they keep. The
// first ones have a definition that can be tried out.
var tinyLevels = []struct{ model, order string }{
	{"serializable", ""}, {"strong-session-serializable", "process"}, {"strong-serializable", "realtime"},
	{"snapshot-isolation", ""}, {"strong-session-snapshot-isolation", "process"}, {"strong-snapshot-isolation", "realtime"},
	{"read-committed", "-"}, {"repeatable-read", "-"}, {"read-uncommitted", "-"}, {"strong-read-committed", "-"}, {"consistent-view", "-"},
	{"cursor-stability", "-"}, {"strong-session-read-uncommitted", "-"},
}

// bruteForce judges one history at one level.
func bruteForce(t *testing.T, c checkers.Checker, x *tiny, i int, count map[string]int) {
	i %= len(tinyLevels)
	level := tinyLevels[i]
	h := x.history()
	r := c.Check(t.Context(), h)
	if r.Verdict == checkers.Unknown {
		if r.Reason != nothing {
			t.Fatalf("%s\n%s", r.Reason, show(h))
		}
		return
	}
	has := certified(t, h, r)
	what := level.model + " " + r.Verdict.String()
	count[what]++
	if !has {
		count[what+" without certificate"]++
	}
	if level.order == "-" {
		return
	}
	possible := x.serial
	if i > 2 {
		possible = x.snapshot
	}
	want := possible(level.order)
	switch {
	case want == (r.Verdict == checkers.OK):
	default:
		t.Fatalf("%s: %v, want ok %v: %v\n%s", level.model, r.Verdict, want, r.Anomalies, show(h))
	}
}
