package txn

import (
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// spans are when the transactions of an enumerated history run, and by whom: one
// after the other, all at once, two and then one, one and then two.
var spans = map[int][][][3]int{
	2: {{{0, 1, 0}, {2, 3, 0}}, {{0, 2, 0}, {1, 3, 1}}},
	3: {{{0, 1, 0}, {2, 3, 0}, {4, 5, 1}}, {{0, 3, 0}, {1, 4, 1}, {2, 5, 2}}, {{0, 2, 0}, {1, 3, 1}, {4, 5, 0}}, {{0, 1, 0}, {2, 4, 0}, {3, 5, 1}}},
	4: {{{0, 4, 0}, {1, 5, 1}, {2, 6, 2}, {3, 7, 3}}, {{0, 2, 0}, {1, 3, 1}, {4, 6, 0}, {5, 7, 1}}},
}

// TestAllSmall judges all histories of two transactions with up to two steps on
// two keys, and of three and four transactions with one, whatever they read, each
// at one level after the other.
func TestAllSmall(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("this takes some seconds; TestBruteForce does the same at random")
	}
	for w, name := range workloadNames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var all []checkers.Checker
			for _, l := range tinyLevels {
				all = append(all, New(Options{Workload: Workload(w), Models: []string{l.model}}))
			}
			count, n := make(map[string]int), 0
			for _, size := range []struct{ txns, steps int }{{2, 2}, {3, 1}, {4, 1}} {
				for _, span := range spans[size.txns] {
					shapes(&tiny{w: Workload(w)}, span, size.steps, func(h *tiny) {
						n++
						bruteForce(t, all[n%len(all)], h, n, count)
					})
				}
			}
			t.Log(n, count)
		})
	}
}

// shapes adds transactions to a history in all ways, and then has all reads
// return all that they can.
func shapes(h *tiny, span [][3]int, steps int, do func(*tiny)) {
	at := len(h.txns)
	if at == len(span) {
		values(h, 0, 0, make([][]uint64, tinyKeys), do)
		return
	}
	x := tinyTxn{typ: history.OK, inv: span[at][0], res: span[at][1], process: span[at][2]}
	var grow func(x tinyTxn)
	grow = func(x tinyTxn) {
		if len(x.steps) > 0 {
			h.txns = append(h.txns, x)
			shapes(h, span, steps, do)
			h.txns = h.txns[:at]
		}
		if len(x.steps) == steps {
			return
		}
		for i := range 2 * tinyKeys {
			y := x
			y.steps = append(append([]tinyStep(nil), x.steps...), tinyStep{write: i%2 == 0, key: i / 2})
			grow(y)
		}
	}
	grow(x)
	if at == 0 {
		x.typ, x.res, x.process = history.Info, 1<<30, 9
		grow(x)
	}
}

// values gives the writes their values, and the reads, from step i of transaction
// n on, all that they can return: any version of the key, or any list of what is
// appended to it. What a linked value replaced is what was written before it.
func values(h *tiny, n, i int, written [][]uint64, do func(*tiny)) {
	if n == 0 && i == 0 {
		for x := range h.txns {
			for j := range h.txns[x].steps {
				if s := &h.txns[x].steps[j]; s.write {
					s.previous = uint64(len(written[s.key]))
					s.value = s.previous + 1
					written[s.key] = append(written[s.key], s.value)
				}
			}
		}
	}
	for ; n < len(h.txns); n, i = n+1, 0 {
		for ; i < len(h.txns[n].steps); i++ {
			s := &h.txns[n].steps[i]
			if s.write || h.txns[n].typ != history.OK {
				continue
			}
			for _, v := range returns(h.w, written[s.key]) {
				s.value = v
				values(h, n, i+1, written, do)
			}
			return
		}
	}
	do(h)
}

// returns are the values that a read can return.
func returns(w Workload, written []uint64) []uint64 {
	list := append([]uint64{0}, written...)
	if w != ListAppend {
		return list
	}
	for _, a := range written {
		for _, b := range written {
			if a != b {
				list = append(list, a<<4|b)
			}
		}
	}
	return list
}
