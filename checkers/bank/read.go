package bank

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// judge goes through the reads of a history.
type judge struct {
	Report
	opts  Options
	clock checkers.Clock

	ids     intern.Table // of accounts as they are recorded
	same    []int32      // by this number, that of the account by name
	byName  map[string]int32
	names   []string // by number
	exists  []bool   // by number
	seen    []int    // by number, the last read that had it, from 1
	balance []int64  // by number, in that read
	firsts  map[string]first
}

// first is the first read of a bank.
type first struct {
	call  history.Call
	total int64
}

func newJudge(calls []history.Call, opts Options) *judge {
	return &judge{Report: Report{Errors: map[string]*Errors{}}, opts: opts, clock: checkers.ClockOf(calls), byName: map[string]int32{}, firsts: map[string]first{}}
}

// account numbers an account, by name: JSON only knows names that are strings, so 1
// and "1" are one account.
func (j *judge) account(v history.Value) int32 {
	id := j.ids.ID(v)
	if int(id) < len(j.same) {
		return j.same[id]
	}
	name := checkers.KeyName(v)
	n, ok := j.byName[name]
	if !ok {
		n = int32(len(j.names))
		j.byName[name] = n
		j.names = append(j.names, name)
		j.exists = append(j.exists, len(j.opts.Accounts) == 0 || slices.Contains(j.opts.Accounts, name))
		j.seen, j.balance = append(j.seen, 0), append(j.balance, 0)
	}
	j.same = append(j.same, n)
	return n
}

// snapshot is what is said about the balances of one read.
type snapshot struct {
	history.Call
	key   string // of the bank
	ids   []int32
	total int64
	debt  int64
	debts []string // accounts below zero
	odd   []string // accounts that do not exist
	nils  []string // accounts without a balance
}

// read judges one read. As in Jepsen, it has one error at most: the gravest.
func (j *judge) read(c history.Call) error {
	j.Reads++
	s, err := j.take(c)
	if err != nil {
		return err
	}
	switch missing := j.missing(s); {
	case len(s.odd) > 0:
		j.found(s, Error{Type: UnexpectedKey, Keys: s.odd, Unexpected: s.odd, badness: float64(len(s.odd))}, fmt.Sprintf("got %s, which no account is called", list(s.odd)))
	case len(s.nils) > 0:
		j.found(s, Error{Type: NilBalance, Keys: s.nils, Nils: nothing(s.nils), badness: float64(len(s.nils))}, fmt.Sprintf("got no balance for %s", list(s.nils)))
	case j.wrong(s):
	case len(s.debts) > 0 && !j.opts.NegativeBalances:
		j.found(s, Error{Type: NegativeValue, Keys: s.debts, Negative: j.balances(s.debts), Debt: s.debt, badness: float64(s.debt)},
			fmt.Sprintf("got %s, but no transfer may overdraw an account", j.show(s, s.debts)))
	case len(missing) > 0:
		j.found(s, Error{Type: MissingKey, Keys: missing, badness: float64(len(missing))},
			fmt.Sprintf("got %d accounts; %s was not among them", len(s.ids), list(missing)))
	}
	return nil
}

// nothing gives each account no balance.
func nothing(names []string) map[string]*int {
	m := map[string]*int{}
	for _, name := range names {
		m[name] = nil
	}
	return m
}

// balances returns those of some accounts in the read at hand.
func (j *judge) balances(names []string) []int64 {
	var list []int64
	for _, name := range names {
		list = append(list, j.balance[j.byName[name]])
	}
	return list
}

// take sums up a read.
func (j *judge) take(c history.Call) (*snapshot, error) {
	s := &snapshot{Call: c, key: checkers.KeyName(c.Invoke.Key)}
	v := c.Complete.Value
	if v.Kind() != history.KindMap && !v.IsNil() {
		return nil, malformed(c, "the value", v)
	}
	for i := 0; i+1 < len(v.Elems()); i += 2 {
		id := j.account(v.Elems()[i])
		if j.seen[id] == j.Reads {
			return nil, malformed(c, "account "+j.names[id]+" there twice; the value", v)
		}
		j.seen[id] = j.Reads
		s.ids = append(s.ids, id)
		if err := j.add(s, id, v.Elems()[i+1]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// add takes in the balance of one account.
func (j *judge) add(s *snapshot, id int32, v history.Value) error {
	n, ok := v.Int()
	j.balance[id] = n
	if !j.exists[id] {
		s.odd = append(s.odd, j.names[id])
	}
	switch {
	case v.IsNil():
		s.nils = append(s.nils, j.names[id])
		return nil
	case !ok:
		return malformed(s.Call, "the balance of "+j.names[id], v)
	case n > 0 && s.total > math.MaxInt64-n || n < 0 && s.total < math.MinInt64-n:
		return malformed(s.Call, "the sum of the balances, with that of "+j.names[id]+", more than 64 bits hold; it", v)
	case n < 0:
		s.debts = append(s.debts, j.names[id])
		s.debt -= n
	}
	s.total += n
	return nil
}

// missing returns the accounts that a read lacks.
func (j *judge) missing(s *snapshot) []string {
	if len(s.ids) >= len(j.opts.Accounts) {
		return nil // every one is there, or an odd one is
	}
	var missing []string
	for _, name := range j.opts.Accounts {
		if !slices.ContainsFunc(s.ids, func(id int32) bool { return j.names[id] == name }) {
			missing = append(missing, name)
		}
	}
	return missing
}

// wrong reports whether the total of a read is not what it has to be.
func (j *judge) wrong(s *snapshot) bool {
	want, ops, reason := j.expected(s)
	if s.total == want {
		return false
	}
	e := Error{Type: WrongTotal, badness: math.Abs((float64(s.total) - float64(want)) / max(1, math.Abs(float64(want))))}
	j.found(s, e, fmt.Sprintf("got balances that add up to %d, %s", s.total, reason), ops...)
	return true
}

// expected returns what the balances of a read have to add up to, with the read
// that says so if that is not an option.
func (j *judge) expected(s *snapshot) (total int64, ops []int, reason string) {
	if j.opts.TotalAmount != nil {
		return *j.opts.TotalAmount, nil, fmt.Sprintf("not %d; transfers do not change the sum, so it saw part of one", *j.opts.TotalAmount)
	}
	f, ok := j.firsts[s.key]
	if !ok {
		j.firsts[s.key] = first{s.Call, s.total}
		return s.total, nil, ""
	}
	return f.total, []int{f.call.Invoke.Index}, fmt.Sprintf("but %s and got %d; transfers do not change the sum, so one of the two saw part of a transfer", j.describe(f.call), f.total)
}

// found notes an error with its explanation.
func (j *judge) found(s *snapshot, e Error, what string, ops ...int) {
	e.Index, e.Total = s.Complete.Index, s.total
	ops = append(ops, s.Invoke.Index)
	slices.Sort(ops)
	j.note(e, checkers.Anomaly{Name: e.Type, Key: s.key, Ops: ops, Explanation: j.describe(s.Call) + " and " + what})
}

func (j *judge) describe(c history.Call) string {
	at := ""
	if c.Invoke.Node != "" {
		at = " through " + c.Invoke.Node
	}
	return fmt.Sprintf("process %v read%s at %s", c.Invoke.Process, at, j.clock.At(c.Invoke))
}

// show writes the balances of some accounts of a read.
func (j *judge) show(s *snapshot, names []string) string {
	var parts []string
	for _, id := range s.ids {
		if slices.Contains(names, j.names[id]) {
			parts = append(parts, fmt.Sprintf("%d in %s", j.balance[id], j.names[id]))
		}
	}
	return list(parts)
}

// list writes a few words, and how many more there are.
func list(words []string) string {
	const most = 5
	if len(words) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(words[:most], ", "), len(words)-most)
	}
	return strings.Join(words, ", ")
}
