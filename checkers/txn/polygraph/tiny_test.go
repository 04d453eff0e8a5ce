package polygraph

import (
	"os"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
)

// tiny makes all histories of some transactions: what each does with each key, and
// whom each read saw. Transactions may be swapped, and so may keys, so only one
// order of them is made.
type tiny struct {
	h     *History
	what  []int // by transaction, two bits for each key: 1 it reads, 2 it writes
	keys  int
	reads []*Read
	each  func(h *History)
	timed bool // transactions may not be swapped
}

// all makes them, with the given numbers of transactions and keys.
func all(txns, keys int, timed bool, each func(h *History)) {
	y := &tiny{what: make([]int, txns), keys: keys, each: each, timed: timed}
	y.choose(0, 1)
}

func (y *tiny) choose(t, least int) {
	if t == len(y.what) {
		if y.mirrored() {
			return
		}
		y.build()
		y.see(0)
		return
	}
	for w := least; w < 1<<(2*y.keys); w++ {
		y.what[t] = w
		if y.timed {
			y.choose(t+1, 1)
		} else {
			y.choose(t+1, w)
		}
	}
}

// mirrored reports whether the same is made with the two keys swapped.
func (y *tiny) mirrored() bool {
	if y.keys != 2 || y.timed {
		return false
	}
	other := make([]int, len(y.what))
	for t, w := range y.what {
		other[t] = w>>2 | w&3<<2
	}
	slices.Sort(other)
	return slices.Compare(other, y.what) < 0
}

func (y *tiny) build() {
	y.h = &History{Keys: y.keys, Txns: make([]Txn, len(y.what))}
	y.reads = y.reads[:0]
	for t, w := range y.what {
		x := &y.h.Txns[t]
		x.Session, x.Begin, x.End = int32(t), t, len(y.what)+t // all at the same time
		for k := range y.keys {
			if w>>(2*k)&2 > 0 {
				x.Writes = append(x.Writes, int32(k))
			}
			if w>>(2*k)&1 > 0 {
				x.Reads = append(x.Reads, Read{int32(k), Initial})
			}
		}
	}
	for t := range y.h.Txns {
		for i := range y.h.Txns[t].Reads {
			y.reads = append(y.reads, &y.h.Txns[t].Reads[i])
		}
	}
}

// see tries all whom a read may have seen.
func (y *tiny) see(i int) {
	if i == len(y.reads) {
		y.each(y.h)
		return
	}
	r := y.reads[i]
	reader := y.reader(i)
	for t := Initial; t < len(y.what); t++ {
		if t == Initial || t != reader && y.what[t]>>(2*r.Key)&2 > 0 {
			r.From = int32(t)
			y.see(i + 1)
		}
	}
}

func (y *tiny) reader(i int) int {
	for t := range y.h.Txns {
		if i -= len(y.h.Txns[t].Reads); i < 0 {
			return t
		}
	}
	panic("no such read")
}

// TestAllTiny compares the solver with the definition on all histories of up to
// four transactions and two keys (with snapshots up to three, unless ORDEAL_LONG
// is set). The certificate of each 64th one is confirmed: the random ones are all
// confirmed.
func TestAllTiny(t *testing.T) {
	t.Parallel()
	for _, level := range []Level{Serializable, SnapshotIsolation} {
		count, ok, most := 0, 0, 4
		if testing.Short() || level.Snapshot() && os.Getenv("ORDEAL_LONG") == "" {
			most = 3
		}
		for n := 1; n <= most; n++ {
			all(n, 2, false, func(h *History) {
				count++
				r := Solve(t.Context(), h, level, Options{Raw: true})
				if want := explains(h, level); want != (r.Verdict == checkers.OK) || r.Verdict == checkers.Unknown {
					t.Fatalf("%v: %v, want %v\n%s", level, r.Verdict, want, show(h))
				}
				if r.Verdict == checkers.OK {
					ok++
				}
				if count%64 == 0 {
					verified(t, h, level, r)
				}
			})
		}
		t.Logf("%v: %d histories, %d of them ok", level, count, ok)
	}
}

// TestAllTinyInTime compares them on all histories of three transactions and one
// key, or two, with all ways in which they may overlap, at all levels.
func TestAllTinyInTime(t *testing.T) {
	t.Parallel()
	keys := 1
	if os.Getenv("ORDEAL_LONG") != "" {
		keys = 2
	}
	count := 0
	for _, times := range overlaps() {
		for sessions := range 2 {
			all(3, keys, true, func(h *History) {
				for i := range h.Txns {
					x := &h.Txns[i]
					x.Begin, x.End = times[i][0], times[i][1]
					if i > 0 && sessions > 0 && x.Begin > h.Txns[i-1].End {
						x.Session = h.Txns[i-1].Session
					}
				}
				count++
				for _, level := range allLevels {
					if sessions == 0 && (level == SessionSerializable || level == SessionSnapshotIsolation) {
						continue
					}
					agree(t, h, level)
				}
			})
		}
	}
	t.Logf("%d histories", count)
}

// overlaps returns the ways in which three transactions may overlap, of which the
// first one begins first, and so on.
func overlaps() [][3][2]int {
	var list [][3][2]int
	var next func(at, begun int, times [3][2]int)
	next = func(at, begun int, times [3][2]int) {
		if at == 7 {
			list = append(list, times)
			return
		}
		if begun < 3 {
			with := times
			with[begun][0] = at
			next(at+1, begun+1, with)
		}
		for i := range begun {
			if times[i][1] == 0 {
				with := times
				with[i][1] = at
				next(at+1, begun, with)
			}
		}
	}
	next(1, 0, [3][2]int{})
	return list
}
