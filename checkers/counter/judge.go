package counter

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/timeline"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// judge goes through the events of a history.
type judge struct {
	Report
	opts     Options
	calls    []history.Call
	clock    checkers.Clock
	counters []*counter
	before   []state // by call, what was acknowledged when a read began
	final    int     // index at which the first final read began
}

// state is what was added and what was taken away, as a negative number.
type state struct {
	plus, minus int64
	count       int // of amounts
}

func (s *state) add(n int64) {
	s.plus += max(n, 0)
	s.minus += min(n, 0)
	s.count++
}

// counter is what had happened to a counter up to some moment. An amount that
// failed never counts.
type counter struct {
	name  string
	done  state // acknowledged
	begun state // invoked
	adds  []int // calls that added, in the order of invocation
	late  []int // of these, those that a final read may have or not

	// The values that the last final read could have, and the state they are for.
	doneThen, begunThen int
	acceptable          ranges
}

// event takes in that a call began or ended.
func (j *judge) event(k *counter, e timeline.Event) error {
	c := j.calls[e.Call]
	n, adds, err := amount(c.Invoke)
	switch {
	case err != nil || adds && c.Type() == history.Fail:
		return err
	case adds && !e.End:
		k.begun.add(n)
		k.adds = append(k.adds, e.Call)
		if c.Type() == history.Info || c.Complete.Index > j.final {
			k.late = append(k.late, e.Call)
		}
	case adds && c.Type() == history.OK:
		k.done.add(n)
	case c.Invoke.F != "read" || c.Type() != history.OK:
	case e.End:
		return j.read(k, e.Call)
	default:
		j.before[e.Call] = k.done
	}
	return nil
}

// read judges a read at its end.
func (j *judge) read(k *counter, call int) error {
	c := j.calls[call]
	v, ok := c.Complete.Value.Int()
	if !ok {
		return fmt.Errorf("index %d: a read of a counter has to return an integer, not %v; see what the client records", c.Complete.Index, c.Complete.Value)
	}
	j.ReadCount++
	done := j.before[call]
	final := j.opts.Eventual && c.Invoke.Final
	if j.opts.Eventual && !final {
		done = state{} // replicas may not have heard of it
	}
	b := Bounds{done.plus + k.begun.minus, v, done.minus + k.begun.plus}
	j.Reads = append(j.Reads, b)
	if final {
		j.FinalReads = append(j.FinalReads, v)
		k.accept(j, c, done)
		j.Acceptable = k.acceptable.list(done.plus + done.minus)
	}
	switch {
	case v < b[0]:
		j.found(k, c, b, Undercount, j.under(k, c, b, done), j.witnesses(k, c, done, v))
	case v > b[2]:
		j.found(k, c, b, Overcount, j.over(k, c, b, done), j.witnesses(k, c, done, v))
	case final && !k.acceptable.known():
		if j.Undecided++; j.Undecided == 1 {
			j.undecided = fmt.Sprintf("index %d: the final read is from %d to %d as it should, but %d amounts are open then, too many to try which of them it has",
				c.Complete.Index, b[0], b[2], len(k.open(j, c)))
		}
	case final && !k.acceptable.has(v-done.plus-done.minus):
		j.found(k, c, b, Impossible, j.impossible(k, c, done), k.open(j, c))
	}
	return nil
}

// found notes an error with its explanation and the calls that prove it.
func (j *judge) found(k *counter, c history.Call, b Bounds, name, what string, calls []int) {
	j.ErrorCount++
	j.Errors = append(j.Errors, b)
	if len(j.Anomalies) == checkers.MaxAnomalies {
		return
	}
	ops := []int{c.Invoke.Index}
	var edges []checkers.Edge
	for _, i := range calls {
		ops = append(ops, j.calls[i].Invoke.Index)
		if name != Impossible {
			edges = append(edges, j.precedes(k, j.calls[i], c))
		}
	}
	slices.Sort(ops)
	at := ""
	if c.Invoke.Node != "" {
		at = " through " + c.Invoke.Node
	}
	j.Anomalies = append(j.Anomalies, checkers.Anomaly{Name: name, Key: k.name, Ops: ops, Edges: edges,
		Explanation: fmt.Sprintf("process %v%s read %v at %s; %s", c.Invoke.Process, at, c.Complete.Value, j.clock.At(c.Invoke), what)})
}

// precedes says that an amount was acknowledged before a read began.
func (j *judge) precedes(k *counter, add, read history.Call) checkers.Edge {
	n, _, _ := amount(add.Invoke)
	return checkers.Edge{From: add.Invoke.Index, To: read.Invoke.Index, Kind: "rt", Key: k.name,
		Why: fmt.Sprintf("the addition of %d was acknowledged at %s, and the read began at %s", n, j.clock.At(add.Complete), j.clock.At(read.Invoke))}
}

func (j *judge) under(k *counter, c history.Call, b Bounds, done state) string {
	if k.begun.minus == 0 {
		return fmt.Sprintf("but %d had been added and acknowledged before that", b[0])
	}
	return fmt.Sprintf("but %d had been added and acknowledged before that, and no more than %d can have been taken away by %s, so it should have been %d at least",
		done.plus, -k.begun.minus, j.clock.At(c.Complete), b[0])
}

func (j *judge) over(k *counter, c history.Call, b Bounds, done state) string {
	if done.minus == 0 {
		return fmt.Sprintf("but no more than %d had been added, acknowledged or not, when it came back at %s", b[2], j.clock.At(c.Complete))
	}
	return fmt.Sprintf("but no more than %d had been added, acknowledged or not, when it came back at %s, and %d had been taken away and acknowledged before it began, so it should have been %d at most",
		k.begun.plus, j.clock.At(c.Complete), -done.minus, b[2])
}

func (j *judge) impossible(k *counter, c history.Call, done state) string {
	var amounts []int64
	for _, i := range k.open(j, c) {
		n, _, _ := amount(j.calls[i].Invoke)
		amounts = append(amounts, n)
	}
	v, _ := c.Complete.Value.Int()
	return fmt.Sprintf("what had been acknowledged adds up to %d, and no choice among the amounts whose outcome is unknown, %v, makes up the difference of %d",
		done.plus+done.minus, amounts, v-done.plus-done.minus)
}

// witnesses returns the fewest acknowledged calls that a read of v contradicts
// even if nothing else happened: the greatest amounts first, until they are more
// than v explains. There are none if v contradicts a counter that nobody used.
func (j *judge) witnesses(k *counter, c history.Call, done state, v int64) []int {
	sign := int64(1) // of the amounts that count against v
	if v > done.minus+k.begun.plus {
		sign = -1
	}
	if len(j.Anomalies) == checkers.MaxAnomalies || v*sign < 0 {
		return nil
	}
	type candidate struct {
		call int
		n    int64
	}
	var list []candidate
	for _, i := range k.adds {
		n, _, _ := amount(j.calls[i].Invoke)
		if n*sign > 0 && j.calls[i].Type() == history.OK && j.calls[i].Complete.Index < c.Invoke.Index {
			list = append(list, candidate{i, n * sign})
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(b.n, a.n) })
	var calls []int
	for sum, i := int64(0), 0; sum <= v*sign && i < len(list); i++ {
		sum += list[i].n
		calls = append(calls, list[i].call)
	}
	return calls
}

// open returns the calls whose amounts a final read may have or not.
func (k *counter) open(j *judge, c history.Call) []int {
	var calls []int
	for _, i := range k.late {
		if a := j.calls[i]; a.Type() != history.OK || a.Complete.Index > c.Invoke.Index {
			calls = append(calls, i)
		}
	}
	return calls
}

// accept works out which sums the open amounts can make, unless nothing changed
// since it last did.
func (k *counter) accept(j *judge, c history.Call, done state) {
	if k.acceptable.bits != nil && k.doneThen == done.count && k.begunThen == k.begun.count {
		return
	}
	k.doneThen, k.begunThen = done.count, k.begun.count
	var amounts []int64
	for _, i := range k.open(j, c) {
		n, _, _ := amount(j.calls[i].Invoke)
		amounts = append(amounts, n)
	}
	k.acceptable = sums(amounts)
}
