package txn

import (
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// raw is a transaction as the tests see it: straight from the records.
type raw struct {
	index, invoked, completed int
	typ                       history.Type
	process                   history.Process
	steps                     [][]history.Value
}

func raws(h *history.History) map[int]raw {
	calls, err := h.Calls()
	if err != nil {
		panic(err)
	}
	all := make(map[int]raw)
	for _, c := range calls {
		r := raw{index: c.Invoke.Index, invoked: c.Invoke.Index, completed: 1 << 40, typ: c.Type(), process: c.Invoke.Process}
		if r.typ == history.OK {
			r.completed = c.Complete.Index
		}
		for _, st := range c.Value().Elems() {
			r.steps = append(r.steps, st.Elems())
		}
		all[r.index] = r
	}
	return all
}

func (r raw) writes(key, value string) bool {
	return slices.ContainsFunc(r.steps, func(st []history.Value) bool {
		return st[0].Text() != "r" && st[1].String() == key && st[2].String() == value
	})
}

// reads reports whether the transaction was ok and read key such that holds.
func (r raw) reads(key string, holds func(v history.Value) bool) bool {
	return r.typ == history.OK && slices.ContainsFunc(r.steps, func(st []history.Value) bool {
		return st[0].Text() == "r" && st[1].String() == key && holds(st[2])
	})
}

// at says that a read returned the state that value made.
func at(value string) func(v history.Value) bool {
	return func(v history.Value) bool {
		if v.Kind() == history.KindList {
			n := len(v.Elems())
			return n == 0 && value == "nil" || n > 0 && v.Elems()[n-1].String() == value
		}
		return v.String() == value
	}
}

// proves checks a cycle from the records alone: each edge is what it says it is,
// the edges close a circle, and they make up what its name says.
func proves(t *testing.T, all map[int]raw, a Anomaly) {
	t.Helper()
	count := make(map[string]int)
	adjacent := false
	for i, e := range a.Cycle {
		next := a.Cycle[(i+1)%len(a.Cycle)]
		from, to := all[e.From], all[e.To]
		if next.From != e.To || !strings.Contains(a.Explanation, e.Why) {
			t.Errorf("%+v does not lead to %+v", e, next)
		}
		count[e.Kind]++
		adjacent = adjacent || e.Kind == "rw" && next.Kind == "rw"
		good := false
		switch e.Kind {
		case "realtime":
			good = from.completed < to.invoked
		case "process":
			good = from.process == to.process && from.completed < to.invoked
		case "wr":
			good = from.writes(e.Key, e.Value) && to.reads(e.Key, at(e.Value))
		case "ww":
			good = from.writes(e.Key, e.Value) && to.writes(e.Key, e.Next) && (registers(all) || follows(all, e))
		case "rw":
			good = from.reads(e.Key, at(e.Value)) && to.writes(e.Key, e.Next) && (registers(all) || follows(all, e))
		}
		if !good {
			t.Errorf("not proved: %+v", e)
		}
	}
	if want := named(count, adjacent); len(a.Cycle) > 0 && a.Name != want {
		t.Errorf("%s is a %s", a.Name, want)
	}
}

// registers reports whether the history is not one of lists.
func registers(all map[int]raw) bool {
	for _, r := range all {
		if slices.ContainsFunc(r.steps, func(st []history.Value) bool { return st[0].Text() == "w" }) {
			return true
		}
	}
	return false
}

// follows checks that one version came right after the other, or after all that
// were read, in a list that is as long as any that was read. Registers have no
// order that the records alone show.
func follows(all map[int]raw, e Edge) bool {
	var longest [][]history.Value
	for _, r := range all {
		r.reads(e.Key, func(v history.Value) bool {
			switch list := v.Elems(); {
			case len(list) == 0 || len(longest) > 0 && len(list) < len(longest[0]):
			case len(longest) > 0 && len(list) > len(longest[0]):
				longest = [][]history.Value{list}
			default:
				longest = append(longest, list)
			}
			return false
		})
	}
	if len(longest) == 0 {
		return e.Value == "nil"
	}
	return slices.ContainsFunc(longest, func(list []history.Value) bool { return after(list, e) })
}

// after checks the order of two versions in one list, in which only the first of
// each element counts.
func after(list []history.Value, e Edge) bool {
	var once []history.Value
	for _, v := range list {
		if !slices.ContainsFunc(once, v.Equal) {
			once = append(once, v)
		}
	}
	list = once
	place := func(s string) int {
		return slices.IndexFunc(list, func(v history.Value) bool { return v.String() == s })
	}
	value, next := place(e.Value), place(e.Next)
	switch {
	case value < 0 && e.Value != "nil":
		return false
	case next < 0:
		return value == len(list)-1
	default:
		return next == value+1
	}
}

func named(count map[string]int, adjacent bool) string {
	name := "G0"
	switch {
	case count["rw"] == 1:
		name = "G-single-item"
	case adjacent:
		name = "G2-item"
	case count["rw"] > 1:
		name = "G-nonadjacent-item"
	case count["wr"] > 0:
		name = "G1c"
	}
	switch {
	case count["realtime"] > 0:
		return name + "-realtime"
	case count["process"] > 0:
		return name + "-process"
	}
	return name
}

// core returns the history of the given transactions alone.
func core(h *history.History, ops []int) *history.History {
	calls, _ := h.Calls()
	var keep []history.Op
	for _, op := range h.Ops {
		i := slices.IndexFunc(calls, func(c history.Call) bool {
			return c.Invoke.Index == op.Index || c.Complete != nil && c.Complete.Index == op.Index
		})
		if slices.Contains(ops, calls[i].Invoke.Index) {
			keep = append(keep, op)
		}
	}
	return &history.History{Ops: keep}
}
