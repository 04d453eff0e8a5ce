// Package hostile feeds checkers with histories that make no sense: values of all
// kinds where others are expected, calls that never end, completions of nothing.
package hostile

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Feed lets a checker judge histories of operations with the given names, with
// values that are often those that the operations may have, or close to them. It
// must come to a verdict on each, and to the same one when it is asked again.
func Feed(t *testing.T, c checkers.Checker, names []string, values []history.Value) {
	t.Helper()
	rng := &dice{9}
	invalid := 0
	for range 3000 {
		h := random(rng, names, values)
		r := c.Check(t.Context(), h)
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := json.Marshal(c.Check(t.Context(), h)); string(again) != string(text) {
			t.Fatalf("two results for one history:\n%s\n%s\n%v", text, again, h.Ops)
		}
		if (r.Verdict == checkers.Invalid) != (len(r.Anomalies) > 0) || (r.Verdict == checkers.Unknown) != (r.Reason != "") {
			t.Fatalf("%v, reason %q, %d anomalies\n%v", r.Verdict, r.Reason, len(r.Anomalies), h.Ops)
		}
		for _, a := range r.Anomalies {
			invalid++
			proves(t, h, a)
		}
	}
	if invalid < 100 {
		t.Errorf("only %d anomalies in all: the test shows little", invalid)
	}
}

// dice are a small generator of numbers, the same in every run.
type dice struct{ state uint64 }

// roll returns a number below n. It is xorshift64*, after Vigna (2016).
func (d *dice) roll(n int) int {
	d.state ^= d.state >> 12
	d.state ^= d.state << 25
	d.state ^= d.state >> 27
	return int(d.state * 2685821657736338717 >> 33 % uint64(n))
}

// proves sees that an anomaly has a name, words, and invocations in order.
func proves(t *testing.T, h *history.History, a checkers.Anomaly) {
	t.Helper()
	ok := a.Name != "" && a.Explanation != "" && len(a.Ops) > 0
	for i, op := range a.Ops {
		ok = ok && op < len(h.Ops) && h.Ops[op].Type == history.Invoke && (i == 0 || a.Ops[i-1] < op)
	}
	if !ok {
		t.Fatalf("%+v\n%v", a, h.Ops)
	}
}

func random(rng *dice, names []string, values []history.Value) *history.History {
	h := new(history.History)
	open := map[history.Process]history.Op{}
	for range rng.roll(16) {
		p := history.Process(rng.roll(4))
		op, busy := open[p]
		if rng.roll(40) == 0 {
			busy = !busy // a history that pairs wrongly
		}
		if !busy {
			op = history.Op{Process: p, F: names[rng.roll(len(names))], Value: value(rng, values, 2), Final: rng.roll(3) == 0}
			if rng.roll(8) == 0 {
				op.Key = history.Int(int64(rng.roll(2)))
			}
			open[p] = op
		} else {
			delete(open, p)
			op.Type = []history.Type{history.OK, history.OK, history.OK, history.Fail, history.Info}[rng.roll(5)]
			if rng.roll(2) == 0 {
				op.Value = value(rng, values, 2)
			}
		}
		op.Index, op.Time = len(h.Ops), int64(len(h.Ops))*1000
		h.Ops = append(h.Ops, op)
	}
	return h
}

// value returns one of the given values, or one that is wrong somewhere.
func value(rng *dice, values []history.Value, depth int) history.Value {
	if rng.roll(4) > 0 {
		return values[rng.roll(len(values))]
	}
	odd := []history.Value{
		{}, history.Nil, history.Bool(true), history.Int(math.MaxInt64), history.Int(math.MinInt64), history.Int(0),
		history.Float(math.NaN()), history.Float(math.Inf(1)), history.String(""), history.String("1"), history.Keyword("r"),
		history.Tagged("12345678901234567890N"), history.List(), history.Set(), history.Map(), history.Tuple(history.Int(1), history.Nil),
	}
	if depth == 0 || rng.roll(2) == 0 {
		return odd[rng.roll(len(odd))]
	}
	some := func() history.Value { return value(rng, values, depth-1) }
	switch rng.roll(3) {
	case 0:
		return history.List(some(), some())
	case 1:
		return history.Map(some(), some())
	default:
		return history.List(history.List(history.Keyword("send"), some(), some()), history.List(history.Keyword("poll"), history.Map(some(), history.List(history.List(some(), some())))))
	}
}
