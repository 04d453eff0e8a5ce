package monotonic

import (
	"cmp"
	"math/big"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// row is a row of the table.
type row struct {
	val    int64
	sts    stamp
	groups [3]int32 // numbers of its labels, if it was read
}

// labels are the process that added a row, its node, and the table that the row is in.
type labels [3]history.Value

// stamp is a timestamp. Those of databases can be longer than 64 bits.
type stamp struct {
	n   int64
	big *big.Rat // if it is no integer of 64 bits
	set bool
}

// compare orders timestamps. Where one is missing they count as equal.
func (s stamp) compare(t stamp) int {
	switch {
	case !s.set || !t.set:
		return 0
	case s.big == nil && t.big == nil:
		return cmp.Compare(s.n, t.n)
	default:
		return s.rat().Cmp(t.rat())
	}
}

func (s stamp) rat() *big.Rat {
	if s.big != nil {
		return s.big
	}
	return new(big.Rat).SetInt64(s.n)
}

// longest is how many characters a timestamp may have: it takes time to read one
// of a million digits.
const longest = 64

// stampOf reads a timestamp: a number, or one that was kept as text, as 12N or 1.5M.
func stampOf(v history.Value) (stamp, bool) {
	if n, ok := v.Int(); ok || v.IsNil() {
		return stamp{n: n, set: ok}, true
	}
	if f, ok := v.Float(); ok {
		r := new(big.Rat).SetFloat64(f)
		return stamp{big: r, set: true}, r != nil
	}
	text := strings.TrimRight(v.Text(), "NM")
	if len(text) > longest || strings.ContainsAny(text, "eEpP") {
		return stamp{}, false
	}
	r, ok := new(big.Rat).SetString(text)
	return stamp{big: r, set: true}, ok
}

// rowOf reads a row: a map, a list, or a value alone.
func rowOf(op *history.Op, v history.Value) (row, labels, error) {
	if n, ok := v.Int(); ok {
		return row{val: n}, labels{}, nil
	}
	get := func(i int, name string) history.Value {
		if v.Kind() == history.KindMap {
			return v.Get(name)
		}
		if e := v.Elems(); i < len(e) {
			return e[i]
		}
		return history.Value{}
	}
	val, ok := get(0, "val").Int()
	sts, timed := stampOf(get(1, "sts"))
	if !ok || !timed {
		return row{}, labels{}, malformed(op, v)
	}
	of := labels{get(2, "proc"), get(4, "node"), get(3, "tb")} // lists have the table first
	if v.Kind() == history.KindMap && of[0].IsAbsent() {
		of[0] = v.Get("process")
	}
	return row{val: val, sts: sts}, of, nil
}
