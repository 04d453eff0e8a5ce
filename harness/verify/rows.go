package verify

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Tables whose rows have values and timestamps that rise together.
//
// In monotonic, a read lists rows in the order of their timestamps, each value
// once, and each value is above that of the row before; with per-client, of the
// last row before that the same process added. A value is not there if every add
// of it failed. If an add of it was ok before the read was invoked it is there, if
// the read is the last to come back, or final. With realtime, an add that was ok and
// that was invoked after another one was ok has the greater value.
//
//	value-reorder     the read, and adds of values that it has
//	order-by-error    the read
//	duplicate         the read
//	revived, lost     the add and the read
//	realtime-reorder  the two adds

// table is all that was added and read.
type table struct {
	adds                []addition     // of values that are known
	possible            map[int64]bool // whether some add of a value did not fail
	reads               []listing
	last                *op // the last read to come back
	clients             numbers
	perClient, realtime bool
}

// listing is a read.
type listing struct {
	*op
	rows []entry
}

// entry is a row.
type entry struct {
	val    int64
	stamp  *big.Rat // nil if there is none
	client history.Value
}

func monotonic(c *claim) error {
	on, err := c.flags("per-client", "realtime")
	if err != nil {
		return err
	}
	return c.decide(func(ops []*op) (subject, error) { return newTable(ops, on["per-client"], on["realtime"]) })
}

func newTable(ops []*op, perClient, realtime bool) (*table, error) {
	t := &table{possible: map[int64]bool{}, perClient: perClient, realtime: realtime}
	for _, o := range ops {
		switch {
		case o.Invoke.F == "read" && o.happened():
			l := listing{op: o}
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
			if t.last == nil || o.res > t.last.res {
				t.last = o
			}
		case o.Invoke.F == "add":
			v := o.Value()
			if !o.happened() && o.Complete != nil && !o.Complete.Value.IsNil() {
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
			t.possible[e.val] = t.possible[e.val] || !o.failed()
		}
	}
	t.clients = t.clients.sorted()
	return t, nil
}

// entryOf reads a row: a map, a list, or an integer alone.
func entryOf(o *op, v history.Value) (entry, error) {
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
		if l.op != t.last && !l.Invoke.Final {
			continue
		}
		for _, a := range t.adds {
			if a.happened() && a.before(l.op) && !there[a.n] {
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
		if a.happened() {
			byBegin, byEnd = append(byBegin, a), append(byEnd, a)
		}
	}
	slices.SortFunc(byEnd, func(a, b addition) int { return cmp.Compare(a.res, b.res) })
	next, some, greatest := 0, false, int64(0)
	for _, b := range byBegin {
		for ; next < len(byEnd) && byEnd[next].before(b.op); next++ {
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

func (t *table) shows(anomaly string, ops []*op) error {
	var reads []listing
	var adds []addition
	for _, o := range ops {
		if at, ok := slices.BinarySearchFunc(t.reads, o, func(l listing, o *op) int { return l.inv - o.inv }); ok {
			reads = append(reads, t.reads[at])
		} else if at, ok := slices.BinarySearchFunc(t.adds, o, func(a addition, o *op) int { return a.inv - o.inv }); ok {
			adds = append(adds, t.adds[at])
		}
	}
	shown := false
	switch {
	case len(reads)+len(adds) < len(ops):
	case anomaly == "realtime-reorder" && len(adds) == 2 && len(reads) == 0:
		a, b := adds[0], adds[1]
		shown = t.realtime && a.happened() && b.happened() && a.before(b.op) && b.n <= a.n
	case len(reads) != 1:
	case len(adds) == 1 && anomaly == "lost":
		a, r := adds[0], reads[0]
		shown = a.happened() && a.before(r.op) && !r.values()[a.n] && (r.op == t.last || r.Invoke.Final)
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
