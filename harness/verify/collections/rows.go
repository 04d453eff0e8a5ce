package collections

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// table is all that was added and read.
type table struct {
	adds                []addition     // of values that are known
	possible            map[int64]bool // whether some add of a value did not fail
	reads               []listing
	last                *claim.Op // the last read to come back
	clients             numbers
	perClient, realtime bool
}

// listing is a read.
type listing struct {
	*claim.Op
	rows []entry
}

// entry is a row.
type entry struct {
	val    int64
	stamp  *big.Rat // nil if there is none
	client history.Value
}

func monotonic(c *claim.Claim) error {
	on, err := c.Flags("per-client", "realtime")
	if err != nil {
		return err
	}
	return decide(c, func(ops []*claim.Op) (subject, error) { return newTable(ops, on["per-client"], on["realtime"]) })
}

func newTable(ops []*claim.Op, perClient, realtime bool) (*table, error) {
	t := &table{possible: map[int64]bool{}, perClient: perClient, realtime: realtime}
	for _, o := range ops {
		switch {
		case o.Invoke.F == "read" && o.Happened():
			l := listing{Op: o}
			if o.Complete.Value.Kind() != history.KindList {
				return nil, fmt.Errorf("index %d returned no list of rows", o.Complete.Index)
			}
			for _, v := range o.Complete.Value.Elems() {
				e, err := entryOf(o, v)
				if err != nil {
					return nil, err
				}
				l.rows = append(l.rows, e)
				t.clients = append(t.clients, e.client)
			}
			t.reads = append(t.reads, l)
			if t.last == nil || o.Res > t.last.Res {
				t.last = o
			}
		case o.Invoke.F == "add":
			v := o.Value()
			if !o.Happened() && o.Complete != nil && !o.Complete.Value.IsNil() {
				v = o.Complete.Value
			}
			if v.IsNil() {
				continue
			}
			e, err := entryOf(o, v)
			if err != nil {
				return nil, err
			}
			t.adds = append(t.adds, addition{o, e.val})
			t.possible[e.val] = t.possible[e.val] || !o.Failed()
		}
	}
	t.clients = t.clients.sorted()
	return t, nil
}

// entryOf reads a row: a map, a list, or an integer alone.
func entryOf(o *claim.Op, v history.Value) (entry, error) {
	val, stamp, client := v, history.Value{}, history.Value{}
	switch e := v.Elems(); {
	case v.Kind() == history.KindMap:
		val, stamp, client = v.Get("val"), v.Get("sts"), v.Get("proc")
		if client.IsAbsent() {
			client = v.Get("process")
		}
	case len(e) > 0:
		val = e[0]
		if len(e) > 1 {
			stamp = e[1]
		}
		if len(e) > 2 {
			client = e[2]
		}
	}
	n, ok := val.Int()
	r, timed := moment(stamp)
	if !ok || !timed {
		return entry{}, fmt.Errorf("index %d: %v is no row", o.Invoke.Index, v)
	}
	return entry{n, r, client}, nil
}

// moment reads a timestamp: a number, or a text of at most 64 characters, as 12N.
func moment(v history.Value) (*big.Rat, bool) {
	if n, ok := v.Int(); ok || v.IsNil() {
		if !ok {
			return nil, true
		}
		return new(big.Rat).SetInt64(n), true
	}
	if f, ok := v.Float(); ok {
		r := new(big.Rat).SetFloat64(f)
		return r, r != nil
	}
	text := strings.TrimRight(v.Text(), "NM")
	if len(text) > 64 || strings.ContainsAny(text, "eEpP") {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

func (t *table) holds() (int, error) {
	for _, l := range t.reads {
		for _, anomaly := range []string{"value-reorder", "order-by-error", "duplicate"} {
			if t.broken(anomaly, l) {
				return 0, fmt.Errorf("index %d: %s", l.Complete.Index, anomaly)
			}
		}
		there := l.values()
		for v := range there {
			if possible, tried := t.possible[v]; tried && !possible {
				return 0, fmt.Errorf("index %d has %d, whose adds all failed", l.Complete.Index, v)
			}
		}
		if l.Op != t.last && !l.Invoke.Final {
			continue
		}
		for _, a := range t.adds {
			if a.Happened() && a.Before(l.Op) && !there[a.n] {
				return 0, fmt.Errorf("index %d lacks %d", l.Complete.Index, a.n)
			}
		}
	}
	if t.realtime && t.reordered() {
		return 0, fmt.Errorf("an add that followed another did not get a greater value")
	}
	return len(t.reads), nil
}

// values returns the values of a read.
func (l *listing) values() map[int64]bool {
	there := make(map[int64]bool, len(l.rows))
	for _, e := range l.rows {
		there[e.val] = true
	}
	return there
}

// broken reports whether a read shows an anomaly by itself.
func (t *table) broken(anomaly string, l listing) bool {
	before := map[int]int64{} // by client
	for i, e := range l.rows {
		client := 0
		if t.perClient {
			client, _ = t.clients.of(e.client)
		}
		greater, ok := before[client]
		before[client] = e.val
		switch {
		case anomaly == "value-reorder" && ok && greater > e.val:
			return true
		case anomaly == "order-by-error" && i > 0 && l.rows[i-1].stamp != nil && e.stamp != nil && l.rows[i-1].stamp.Cmp(e.stamp) > 0:
			return true
		}
	}
	return anomaly == "duplicate" && len(l.values()) < len(l.rows)
}

// reordered reports whether an add did not get a greater value than one that was ok
// before it was invoked.
func (t *table) reordered() bool {
	var byEnd, byBegin []addition
	for _, a := range t.adds {
		if a.Happened() {
			byBegin, byEnd = append(byBegin, a), append(byEnd, a)
		}
	}
	slices.SortFunc(byEnd, func(a, b addition) int { return cmp.Compare(a.Res, b.Res) })
	next, some, greatest := 0, false, int64(0)
	for _, b := range byBegin {
		for ; next < len(byEnd) && byEnd[next].Before(b.Op); next++ {
			if a := byEnd[next]; !some || a.n > greatest {
				some, greatest = true, a.n
			}
		}
		if some && b.n <= greatest {
			return true
		}
	}
	return false
}

func (t *table) shows(anomaly string, ops []*claim.Op) error {
	var reads []listing
	var adds []addition
	for _, o := range ops {
		if at, ok := slices.BinarySearchFunc(t.reads, o, func(l listing, o *claim.Op) int { return l.Inv - o.Inv }); ok {
			reads = append(reads, t.reads[at])
		} else if at, ok := slices.BinarySearchFunc(t.adds, o, func(a addition, o *claim.Op) int { return a.Inv - o.Inv }); ok {
			adds = append(adds, t.adds[at])
		}
	}
	shown := false
	switch {
	case len(reads)+len(adds) < len(ops):
	case anomaly == "realtime-reorder" && len(adds) == 2 && len(reads) == 0:
		a, b := adds[0], adds[1]
		shown = t.realtime && a.Happened() && b.Happened() && a.Before(b.Op) && b.n <= a.n
	case len(reads) != 1:
	case len(adds) == 1 && anomaly == "lost":
		a, r := adds[0], reads[0]
		shown = a.Happened() && a.Before(r.Op) && !r.values()[a.n] && (r.Op == t.last || r.Invoke.Final)
	case len(adds) == 1 && anomaly == "revived":
		shown = reads[0].values()[adds[0].n] && !t.possible[adds[0].n]
	case anomaly == "value-reorder":
		there := reads[0].values()
		shown = t.broken(anomaly, reads[0]) && !slices.ContainsFunc(adds, func(a addition) bool { return !there[a.n] })
	case len(adds) == 0:
		shown = t.broken(anomaly, reads[0])
	}
	if !shown {
		return unknown(anomaly, ops)
	}
	return nil
}
