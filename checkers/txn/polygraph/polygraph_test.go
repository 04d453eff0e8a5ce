package polygraph

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

var allLevels = []Level{Serializable, SessionSerializable, StrictSerializable, SnapshotIsolation, SessionSnapshotIsolation, StrongSnapshotIsolation}

// recorded writes a history as records of the clients.
func recorded(h *History) *history.History {
	type event struct {
		at  int
		txn int
		typ history.Type
	}
	var events []event
	for t, x := range h.Txns {
		events = append(events, event{x.Begin, t, history.Invoke})
		if x.End != Never {
			events = append(events, event{x.End, t, history.OK})
		}
	}
	slices.SortFunc(events, func(a, b event) int { return a.at - b.at })
	rec := new(history.History)
	open := make(map[int32]bool)
	add := func(t int, typ history.Type) {
		n := len(rec.Ops)
		rec.Ops = append(rec.Ops, history.Op{Index: n, Time: int64(n) * 1e6, Process: history.Process(h.Txns[t].Session), Type: typ, F: "txn", Value: steps(h, t)})
	}
	last := make(map[int32]int)
	for _, e := range events {
		s := h.Txns[e.txn].Session
		if e.typ == history.Invoke {
			if open[s] {
				add(last[s], history.Info)
			}
			last[s] = e.txn
		}
		open[s] = e.typ == history.Invoke
		add(e.txn, e.typ)
	}
	return rec
}

// steps writes what a transaction did: every value is the number of its writer,
// from 1 on.
func steps(h *History, t int) history.Value {
	var list []history.Value
	for _, r := range h.Txns[t].Reads {
		v := history.Nil
		if r.From != Initial {
			v = history.Int(int64(r.From) + 1)
		}
		list = append(list, history.List(history.String("r"), history.Int(int64(r.Key)), v))
	}
	for _, k := range h.Txns[t].Writes {
		list = append(list, history.List(history.String("w"), history.Int(int64(k)), history.Int(int64(t)+1)))
	}
	return history.List(list...)
}

// verified has the result confirmed by harness/verify.
func verified(t testing.TB, h *History, level Level, r Result) {
	t.Helper()
	rec := recorded(h)
	raw := claimed(t, h, rec, level, r)
	if _, err := verify.Claim(rec, raw); err != nil {
		t.Fatalf("%v %v: %v\n%s\n%s", level, r.Verdict, err, show(h), raw)
	}
}

func claimed(t testing.TB, h *History, rec *history.History, level Level, r Result) []byte {
	t.Helper()
	var index []int
	for _, op := range rec.Ops {
		if op.Type == history.Invoke {
			index = append(index, op.Index)
		}
	}
	if len(index) != len(h.Txns) {
		t.Fatal("the transactions are not in order")
	}
	c, err := r.Claim(level, func(t int32) int { return index[t] }, func(k int32) string { return strconv.Itoa(int(k)) })
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func show(h *History) string {
	var b strings.Builder
	for t, x := range h.Txns {
		fmt.Fprintf(&b, "%d: session %d, %d-%d %v\n", t, x.Session, x.Begin, x.End, steps(h, t))
	}
	return b.String()
}

// explains reports whether there is an order of beginnings and commits that
// explains the history: all of them are tried.
func explains(h *History, level Level) bool {
	b := &brute{h: h, level: level, begun: make([]bool, len(h.Txns)), over: make([]bool, len(h.Txns)), current: make([]int32, h.Keys), writing: make([]bool, h.Keys)}
	for k := range b.current {
		b.current[k] = Initial
	}
	return b.extend(0)
}

type brute struct {
	h           *History
	level       Level
	begun, over []bool
	current     []int32
	writing     []bool
}

func (b *brute) extend(n int) bool {
	if n == len(b.h.Txns) {
		return true
	}
	for t := range b.h.Txns {
		x := &b.h.Txns[t]
		if !b.begun[t] && b.may(t) {
			b.begun[t] = true
			if b.level.Snapshot() {
				b.lock(x, true)
				if b.extend(n) {
					return true
				}
				b.lock(x, false)
			} else if b.commit(t, n) {
				return true
			}
			b.begun[t] = false
		}
		if b.level.Snapshot() && b.begun[t] && !b.over[t] {
			b.lock(x, false)
			if b.commit(t, n) {
				return true
			}
			b.lock(x, true)
		}
	}
	return false
}

func (b *brute) lock(x *Txn, on bool) {
	for _, k := range x.Writes {
		b.writing[k] = on
	}
}

// may reports whether t may begin now.
func (b *brute) may(t int) bool {
	x := &b.h.Txns[t]
	for _, r := range x.Reads {
		if b.current[r.Key] != r.From {
			return false
		}
	}
	for _, k := range x.Writes {
		if b.writing[k] {
			return false
		}
	}
	for u := range b.h.Txns {
		y := &b.h.Txns[u]
		earlier := b.level.realtime() && y.End < x.Begin || b.level.sessions() && y.Session == x.Session && y.End < x.Begin
		if earlier && !b.over[u] {
			return false
		}
	}
	return true
}

func (b *brute) commit(t, n int) bool {
	x := &b.h.Txns[t]
	before := make([]int32, len(x.Writes))
	for i, k := range x.Writes {
		before[i], b.current[k] = b.current[k], int32(t)
	}
	b.over[t] = true
	if b.extend(n + 1) {
		return true
	}
	b.over[t] = false
	for i, k := range x.Writes {
		b.current[k] = before[i]
	}
	return false
}

// agree compares the solver with the definition.
func agree(t testing.TB, h *History, level Level) bool {
	t.Helper()
	r := Solve(t.Context(), h, level, Options{})
	want := checkers.Invalid
	if explains(h, level) {
		want = checkers.OK
	}
	if r.Verdict != want {
		t.Fatalf("%v: %v %s, want %v\n%s%+v", level, r.Verdict, r.Reason, want, show(h), r.Proof)
	}
	verified(t, h, level, r)
	return want == checkers.OK
}

// random returns a small history that often cannot be explained.
func random(rng *rand.Rand, txns, keys int) *History {
	h := &History{Keys: keys, Txns: make([]Txn, txns)}
	sessions := make([]int, 1+rng.IntN(txns))
	left := make([]int, txns) // when the session went on
	clock := 0
	var open []int
	for t := range h.Txns {
		x := &h.Txns[t]
		for { // begin in a free session, after ending some
			clock++
			s := rng.IntN(len(sessions))
			if sessions[s] == 0 && rng.IntN(2) == 0 {
				x.Session, x.Begin, x.End = int32(s), clock, Never
				sessions[s] = 1
				open = append(open, t)
				break
			}
			if len(open) > 0 {
				i := rng.IntN(len(open))
				o := &h.Txns[open[i]]
				sessions[o.Session] = 0
				if rng.IntN(10) > 0 {
					o.End = clock
				}
				left[open[i]] = clock
				open = slices.Delete(open, i, i+1)
			}
		}
		for k := range keys {
			if rng.IntN(5) < 2 {
				x.Writes = append(x.Writes, int32(k))
			}
		}
	}
	for t := range h.Txns {
		for k := range keys {
			if rng.IntN(5) < 2 {
				h.Txns[t].Reads = append(h.Txns[t].Reads, Read{int32(k), source(rng, h, t, int32(k))})
			}
		}
	}
	for t := range h.Txns { // nobody knows what those read that did not come back, and whether they happened unless they were read
		x := &h.Txns[t]
		read := slices.ContainsFunc(h.Txns, func(y Txn) bool {
			return y.End != Never && slices.ContainsFunc(y.Reads, func(r Read) bool { return r.From == int32(t) })
		})
		if x.End == Never && !read {
			clock++
			x.End = clock
			if left[t] > 0 {
				x.End = left[t]
			}
		} else if x.End == Never {
			x.Reads = nil
		}
	}
	return h
}

// source picks a writer of the key.
func source(rng *rand.Rand, h *History, t int, key int32) int32 {
	list := []int32{Initial}
	for w := range h.Txns {
		if w != t && slices.Contains(h.Txns[w].Writes, key) && h.Txns[w].Begin < h.Txns[t].End {
			list = append(list, int32(w))
		}
	}
	return list[rng.IntN(len(list))]
}

func TestRandomAgainstDefinition(t *testing.T) {
	t.Parallel()
	n := 100_000
	if testing.Short() {
		n = 3000
	}
	if os.Getenv("ORDEAL_LONG") != "" {
		n *= 20
	}
	rng := rand.New(rand.NewPCG(5, 1))
	var ok [6]int
	for i := range n {
		h := random(rng, 2+rng.IntN(5), 1+rng.IntN(3))
		level := allLevels[i%len(allLevels)]
		if agree(t, h, level) {
			ok[level]++
		}
	}
	t.Logf("%d histories; of each level these were ok: %v", n, ok)
}
