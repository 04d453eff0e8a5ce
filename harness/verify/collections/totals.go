package collections

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// accounts is a bank.
type accounts struct {
	reads []*claim.Op
	names []string
	exist map[string]bool // by these names; nil if any may
	total *int64
	debts bool
}

func bank(c *claim.Claim) error {
	want := accounts{debts: c.Parameters["negative-balances"] == "true"}
	for name, value := range c.Parameters {
		var err error
		switch name {
		case "accounts":
			err = json.Unmarshal([]byte(value), &want.names)
		case "total-amount":
			want.total = new(int64)
			*want.total, err = strconv.ParseInt(value, 10, 64)
		case "negative-balances":
			_, err = strconv.ParseBool(value)
		default:
			err = fmt.Errorf("nobody knows it")
		}
		if err != nil {
			return fmt.Errorf("parameter %s=%s of %s: %w", name, value, c.Definition, err)
		}
	}
	for _, name := range want.names {
		if want.exist == nil {
			want.exist = map[string]bool{}
		}
		want.exist[name] = true
	}
	return decide(c, func(ops []*claim.Op) (subject, error) {
		a := want
		for _, o := range ops {
			if o.Invoke.F == "read" && o.Happened() {
				a.reads = append(a.reads, o)
			}
		}
		return &a, nil
	})
}

// balances is what a read has.
type balances struct {
	total                    int64
	odd, empty, debt, lacked bool
}

func (a *accounts) read(o *claim.Op) (balances, error) {
	v, b, there := o.Complete.Value, balances{}, map[string]bool{}
	if v.Kind() != history.KindMap && !v.IsNil() {
		return b, fmt.Errorf("index %d returned %v, which is no map of accounts to balances", o.Complete.Index, v)
	}
	for e := v.Elems(); len(e) > 0; e = e[2:] {
		name := e[0].String()
		if k := e[0].Kind(); k == history.KindString || k == history.KindKeyword {
			name = e[0].Text()
		}
		n, isNumber := e[1].Int()
		switch {
		case there[name]:
			return b, fmt.Errorf("index %d has account %s twice", o.Complete.Index, name)
		case !isNumber && !e[1].IsNil():
			return b, fmt.Errorf("index %d returned %v as a balance", o.Complete.Index, e[1])
		case n > 0 && b.total > math.MaxInt64-n || n < 0 && b.total < math.MinInt64-n:
			return b, fmt.Errorf("the balances of index %d are too large to be added up", o.Complete.Index)
		}
		there[name] = true
		b.total += n
		b.odd = b.odd || a.exist != nil && !a.exist[name]
		b.empty = b.empty || e[1].IsNil()
		b.debt = b.debt || n < 0
	}
	for _, name := range a.names {
		b.lacked = b.lacked || !there[name]
	}
	return b, nil
}

func (a *accounts) holds() (int, error) {
	total := a.total
	for _, o := range a.reads {
		b, err := a.read(o)
		if err != nil {
			return 0, err
		}
		if total == nil {
			total = &b.total
		}
		if b.odd || b.empty || b.lacked || b.debt && !a.debts || b.total != *total {
			return 0, fmt.Errorf("index %d returned %v", o.Complete.Index, o.Complete.Value)
		}
	}
	return len(a.reads), nil
}

func (a *accounts) shows(anomaly string, ops []*claim.Op) error {
	var all []balances
	for _, o := range ops {
		if o.Invoke.F != "read" || !o.Happened() {
			return unknown(anomaly, ops)
		}
		b, err := a.read(o)
		if err != nil {
			return err
		}
		all = append(all, b)
	}
	shown := false
	switch b := all[0]; {
	case len(ops) == 2:
		shown = anomaly == "wrong-total" && a.total == nil && b.total != all[1].total
	case len(ops) > 2:
	case anomaly == "wrong-total":
		shown = a.total != nil && b.total != *a.total
	case anomaly == "unexpected-key":
		shown = b.odd
	case anomaly == "nil-balance":
		shown = b.empty
	case anomaly == "negative-value":
		shown = b.debt && !a.debts
	case anomaly == "missing-key":
		shown = b.lacked
	}
	if !shown {
		return fmt.Errorf("%d reads, of which the first has %v, do not show %q", len(ops), ops[0].Complete.Value, anomaly)
	}
	return nil
}

// tally is a counter.
type tally struct {
	eventual    bool
	reads       []*claim.Op
	added       []addition // that did not fail, in the order of their invocations
	begun, done sum
}

// addition is an amount that was added or, if it is negative, taken away.
type addition struct {
	*claim.Op
	n int64
}

// sum says how much was added, and how much taken away, up to which time.
type sum struct {
	at          []int
	plus, minus []int64
}

func (s *sum) add(at int, n int64) {
	if len(s.at) == 0 {
		s.at, s.plus, s.minus = []int{-1}, []int64{0}, []int64{0}
	}
	last := len(s.at) - 1
	s.at, s.plus, s.minus = append(s.at, at), append(s.plus, s.plus[last]+max(n, 0)), append(s.minus, s.minus[last]+min(n, 0))
}

// before returns what was added and taken away before a time, and by how many.
func (s *sum) before(at int) (plus, minus int64, count int) {
	i, _ := slices.BinarySearch(s.at, at)
	if i == 0 {
		return 0, 0, 0
	}
	return s.plus[i-1], s.minus[i-1], i - 1
}

func strictCounter(c *claim.Claim) error   { return counts(c, false) }
func eventualCounter(c *claim.Claim) error { return counts(c, true) }

func counts(c *claim.Claim, eventual bool) error {
	if _, err := c.Flags(); err != nil {
		return err
	}
	return decide(c, func(ops []*claim.Op) (subject, error) { return newTally(ops, eventual) })
}

func newTally(ops []*claim.Op, eventual bool) (*tally, error) {
	t := &tally{eventual: eventual}
	var done []addition
	for _, o := range ops {
		n, isNumber := int64(1), true
		switch {
		case o.Invoke.F == "read" && o.Happened():
			if _, isNumber = o.Complete.Value.Int(); isNumber {
				t.reads = append(t.reads, o)
			}
		case o.Invoke.F == "add", (o.Invoke.F == "increment" || o.Invoke.F == "decrement") && !o.Invoke.Value.IsNil():
			n, isNumber = o.Invoke.Value.Int()
			fallthrough
		case o.Invoke.F == "increment" || o.Invoke.F == "decrement":
			if o.Invoke.F == "decrement" {
				n = -n
			}
			if !o.Failed() {
				t.added = append(t.added, addition{o, n})
				t.begun.add(o.Inv, n)
			}
			if o.Happened() {
				done = append(done, addition{o, n})
			}
		}
		const most = 1 << 40 // so that millions of them fit into 64 bits
		if !isNumber || n > most || n < -most {
			return nil, fmt.Errorf("index %d is no number that can be judged", o.Invoke.Index)
		}
	}
	slices.SortFunc(done, func(a, b addition) int { return a.Res - b.Res })
	for _, a := range done {
		t.done.add(a.Res, a.n)
	}
	return t, nil
}

// bounds are the least and the greatest that a read can have.
func (t *tally) bounds(o *claim.Op) (least, most int64) {
	plus, minus, _ := t.begun.before(o.Res)
	if t.eventual && !o.Invoke.Final {
		return minus, plus
	}
	donePlus, doneMinus, _ := t.done.before(o.Inv)
	return donePlus + minus, doneMinus + plus
}

func (t *tally) holds() (int, error) {
	judged := 0
	for _, o := range t.reads {
		v, _ := o.Complete.Value.Int()
		if least, most := t.bounds(o); v < least || v > most {
			return 0, fmt.Errorf("index %d read %d, which is not from %d to %d", o.Complete.Index, v, least, most)
		}
		if !t.eventual || o.Invoke.Final {
			judged++
		}
	}
	if t.eventual {
		return judged, t.whole()
	}
	return judged, nil
}

// whole confirms that every final read has each amount as a whole. Final reads
// between which nothing was added or acknowledged have the same to choose from.
func (t *tally) whole() error {
	var possible *big.Int
	done, begun := -1, -1
	for _, o := range t.reads {
		if !o.Invoke.Final {
			continue
		}
		_, _, d := t.done.before(o.Inv)
		_, _, b := t.begun.before(o.Res)
		if d != done || b != begun {
			var err error
			if possible, err = t.choices(o); err != nil {
				return err
			}
			done, begun = d, b
		}
		if !t.possible(o, possible) {
			return fmt.Errorf("index %d read %v, to which no choice of the open amounts leads", o.Complete.Index, o.Complete.Value)
		}
	}
	return nil
}

// choices returns the sums that the amounts can make that a final read may have or
// not, one bit each, counted from the least one.
func (t *tally) choices(o *claim.Op) (*big.Int, error) {
	const limit = 1 << 33 // bits to be moved
	least, most := t.bounds(o)
	var open []int64
	for _, a := range t.added {
		if a.Inv < o.Res && (!a.Happened() || a.Res > o.Inv) {
			open = append(open, a.n)
		}
	}
	if (most-least)/limit > 0 || (most-least+1)*int64(len(open)) > limit {
		return nil, fmt.Errorf("index %d may have %d amounts of up to %d in all: too many to try them", o.Complete.Index, len(open), most-least)
	}
	// To take nothing of what is negative, one has to add it up again.
	sums := big.NewInt(1)
	for _, n := range open {
		sums.Or(sums, new(big.Int).Lsh(sums, uint(max(n, -n))))
	}
	return sums, nil
}

// possible reports whether a final read has what it must and one of the choices.
func (t *tally) possible(o *claim.Op, choices *big.Int) bool {
	v, _ := o.Complete.Value.Int()
	least, most := t.bounds(o)
	return v >= least && v <= most && choices.Bit(int(v-least)) == 1
}

func (t *tally) shows(anomaly string, ops []*claim.Op) error {
	if len(ops) != 1 || !slices.Contains(t.reads, ops[0]) {
		return unknown(anomaly, ops)
	}
	read := ops[0]
	v, _ := read.Complete.Value.Int()
	least, most := t.bounds(read)
	switch {
	case anomaly == "undercount" && v < least, anomaly == "overcount" && v > most:
		return nil
	case anomaly == "impossible" && t.eventual && read.Invoke.Final && v >= least && v <= most:
		choices, err := t.choices(read)
		if err != nil || !t.possible(read, choices) {
			return err
		}
	}
	return fmt.Errorf("index %d read %d, which is from %d to %d as it should: that does not show %q", read.Complete.Index, v, least, most, anomaly)
}
