package systems

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// batch confirms that the output of jobs has every record of the input exactly
// once and all or nothing of each epoch, or that it does not. Evidence is needed
// for invalid only; see roles.go.
func batch(c *claim.Claim) error {
	b := &jobs{all: map[string]*batchJob{}}
	judged := 0
	for i := range c.Ops {
		o := &c.Ops[i]
		j := b.of(o)
		switch {
		case o.Invoke.F == "input":
			id := idOf(o.Invoke.Value.Get("id"))
			j.inputs[id] = append(j.inputs[id], o)
			j.order = append(j.order, o)
		case o.Invoke.F == "output" && o.Happened():
			j.outputs = append(j.outputs, o)
			judged++
		case o.Invoke.F == "watermark" && o.Happened():
			j.marks = append(j.marks, o)
		}
	}
	return byRoles(c, b.rules(), func() error { return b.hold(judged) })
}

// jobs is the jobs of a history.
type jobs struct{ all map[string]*batchJob }

type batchJob struct {
	inputs                map[string][]*claim.Op // by record
	order, outputs, marks []*claim.Op            // in the order of invocation
}

func (b *jobs) of(o *claim.Op) *batchJob {
	key := idOf(o.Invoke.Key)
	if b.all[key] == nil {
		b.all[key] = &batchJob{inputs: map[string][]*claim.Op{}}
	}
	return b.all[key]
}

// rows returns the records of an output.
func rows(o *claim.Op) []history.Value {
	if o.Complete.Value.Kind() == history.KindMap {
		return o.Complete.Value.Get("records").Elems()
	}
	return o.Complete.Value.Elems()
}

// shownIn returns the rows of an output that hold.
func shownIn(o *claim.Op, holds func(row history.Value) bool) []history.Value {
	if o.Invoke.F != "output" || !o.Happened() {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(rows(o)), func(row history.Value) bool { return !holds(row) })
}

func idIs(id string) func(history.Value) bool {
	return func(row history.Value) bool { return idOf(row.Get("id")) == id }
}

func titleIs(title string) func(history.Value) bool {
	return func(row history.Value) bool { return plainID(idOf(row.Get("id"))) == title }
}

func droppedIn(o *claim.Op, id string) bool {
	return o.Invoke.F == "output" && o.Happened() && slices.ContainsFunc(o.Complete.Value.Get("late").Elems(), func(v history.Value) bool { return idOf(v) == id })
}

// expected is what the job has to make of an input.
func expected(o *claim.Op) history.Value {
	if v := o.Invoke.Value.Get("expect"); !v.IsAbsent() {
		return v
	}
	return o.Invoke.Value.Get("value")
}

func (b *jobs) rules() map[string]roleRule {
	same := func(ops []*claim.Op) bool {
		return !slices.ContainsFunc(ops, func(o *claim.Op) bool { return b.of(o) != b.of(ops[0]) })
	}
	out := func(o *claim.Op) bool { return o.Invoke.F == "output" && o.Happened() }
	in := func(o *claim.Op, item string) (string, bool) {
		id := idOf(o.Invoke.Value.Get("id"))
		return id, o.Invoke.F == "input" && plainID(id) == item
	}
	return map[string]roleRule{
		"missing": {2, func(o []*claim.Op, item string) bool { // the input, an output without it
			id, ok := in(o[0], item)
			return ok && same(o) && o[0].Happened() && out(o[1]) && o[1].Invoke.Final && o[0].Before(o[1]) && len(shownIn(o[1], idIs(id))) == 0 && !droppedIn(o[1], id)
		}},
		"duplicate": {1, func(o []*claim.Op, item string) bool { return len(shownIn(o[0], titleIs(item))) > 1 }}, // the output
		"phantom": {1, func(o []*claim.Op, item string) bool { // the output
			return slices.ContainsFunc(shownIn(o[0], titleIs(item)), func(row history.Value) bool {
				return !slices.ContainsFunc(b.of(o[0]).inputs[idOf(row.Get("id"))], func(i *claim.Op) bool { return !i.Failed() })
			})
		}},
		"premature": {2, func(o []*claim.Op, item string) bool { // the output, the first input
			id, ok := in(o[1], item)
			return ok && same(o) && b.of(o[1]).inputs[id][0] == o[1] && o[0].Before(o[1]) && len(shownIn(o[0], idIs(id))) > 0
		}},
		"wrong-value": {2, func(o []*claim.Op, item string) bool { // the input, the output
			id, ok := in(o[0], item)
			return ok && same(o) && slices.ContainsFunc(shownIn(o[1], idIs(id)), func(row history.Value) bool { return !row.Get("value").Equal(expected(o[0])) })
		}},
		"vanished": {2, func(o []*claim.Op, item string) bool { // an output with it, an output without it
			shown := shownIn(o[0], titleIs(item))
			return same(o) && len(shown) > 0 && out(o[1]) && o[0].Before(o[1]) && len(shownIn(o[1], idIs(idOf(shown[0].Get("id"))))) == 0
		}},
		"torn-epoch": {2, func(o []*claim.Op, item string) bool { // an output with one record of it, an output with another
			of := func(row history.Value) bool {
				return !row.Get("epoch").IsNil() && plainID(idOf(row.Get("epoch"))) == item
			}
			here := shownIn(o[0], of)
			return same(o) && len(here) > 0 && slices.ContainsFunc(shownIn(o[1], of), func(row history.Value) bool {
				return !slices.ContainsFunc(here, func(r history.Value) bool {
					return r.Get("id").Equal(row.Get("id")) && r.Get("epoch").Equal(row.Get("epoch"))
				}) && slices.ContainsFunc(here, func(r history.Value) bool { return r.Get("epoch").Equal(row.Get("epoch")) })
			})
		}},
		"two-attempts": {2, func(o []*claim.Op, item string) bool { // outputs
			of := func(row history.Value) bool {
				return !row.Get("task").IsNil() && !row.Get("attempt").IsNil() && plainID(idOf(row.Get("task"))) == item
			}
			here := shownIn(o[0], of)
			return same(o) && slices.ContainsFunc(shownIn(o[1], of), func(row history.Value) bool {
				return slices.ContainsFunc(here, func(r history.Value) bool {
					return r.Get("task").Equal(row.Get("task")) && !r.Get("attempt").Equal(row.Get("attempt"))
				})
			})
		}},
		"wrongly-late": {3, func(o []*claim.Op, item string) bool { // the input, the watermark, the output
			id, ok := in(o[0], item)
			time, timed := o[0].Invoke.Value.Get("time").Int()
			return ok && same(o) && timed && o[0].Happened() && isMark(o[1]) && o[0].Before(o[1]) && markOf(o[1]) <= time && droppedIn(o[2], id)
		}},
		"late-twice": {1, func(o []*claim.Op, item string) bool { // the output
			shown := shownIn(o[0], titleIs(item))
			return slices.ContainsFunc(shown, func(row history.Value) bool { return droppedIn(o[0], idOf(row.Get("id"))) })
		}},
		"watermark-regressed": {2, func(o []*claim.Op, _ string) bool { // two watermarks
			return same(o) && isMark(o[0]) && isMark(o[1]) && o[0].Before(o[1]) && markOf(o[0]) > markOf(o[1])
		}},
	}
}

func isMark(o *claim.Op) bool { return o.Invoke.F == "watermark" && o.Happened() }

func markOf(o *claim.Op) int64 {
	n, _ := o.Complete.Value.Int()
	return n
}

// hold confirms that no rule is broken.
func (b *jobs) hold(judged int) error {
	if judged == 0 {
		return fmt.Errorf("no output was read")
	}
	for _, j := range b.all {
		for _, check := range []func() error{j.exact, j.whole, j.lateness} {
			if err := check(); err != nil {
				return err
			}
		}
	}
	return nil
}

// exact confirms that each output has nothing twice and nothing from nowhere, all
// that was there before, and, in the final phase, all that was put in.
func (j *batchJob) exact() error {
	shown := make(map[string]int) // when the first output with a record ended
	for _, o := range j.outputs {
		for _, row := range rows(o) {
			id := idOf(row.Get("id"))
			inputs := j.inputs[id]
			if len(inputs) == 0 || o.Before(inputs[0]) || !slices.ContainsFunc(inputs, func(i *claim.Op) bool { return !i.Failed() }) ||
				!row.Get("value").Equal(expected(inputs[0])) {
				return fmt.Errorf("index %d has record %s, which was not put in so", o.Inv, plainID(id))
			}
			if at, ok := shown[id]; !ok || o.Res < at {
				shown[id] = o.Res
			}
		}
	}
	var order []string
	for id := range shown {
		order = append(order, id)
	}
	slices.SortFunc(order, func(a, b string) int { return cmp.Compare(shown[a], shown[b]) })
	for _, o := range j.outputs {
		has, late := make(map[string]bool), droppedAmong(o)
		for _, row := range rows(o) {
			id := idOf(row.Get("id"))
			if has[id] || late[id] {
				return fmt.Errorf("index %d has record %s twice, or as late too", o.Inv, plainID(id))
			}
			has[id] = true
		}
		for _, id := range order {
			if shown[id] > o.Inv {
				break
			}
			if !has[id] {
				return fmt.Errorf("index %d does not have record %s, which was there", o.Inv, plainID(id))
			}
		}
		if err := j.all(o, has, late); err != nil {
			return err
		}
	}
	return nil
}

// all confirms that an output of the final phase has all that was put in.
func (j *batchJob) all(o *claim.Op, has, late map[string]bool) error {
	if !o.Invoke.Final {
		return nil
	}
	for _, i := range j.order {
		if id := idOf(i.Invoke.Value.Get("id")); i.Happened() && i.Before(o) && !has[id] && !late[id] {
			return fmt.Errorf("index %d does not have record %s, which was put in", o.Inv, plainID(id))
		}
	}
	return nil
}

func droppedAmong(o *claim.Op) map[string]bool {
	late := make(map[string]bool)
	for _, v := range o.Complete.Value.Get("late").Elems() {
		late[idOf(v)] = true
	}
	return late
}

// whole confirms that outputs have all of an epoch or nothing, and that one
// attempt of each task made it into them.
func (j *batchJob) whole() error {
	members := make(map[string]map[string]bool) // records by epoch
	attempt := make(map[string]history.Value)   // by task
	epochs := func(o *claim.Op, into map[string]map[string]bool) {
		for _, row := range rows(o) {
			if e := idOf(row.Get("epoch")); e != "" {
				if into[e] == nil {
					into[e] = make(map[string]bool)
				}
				into[e][idOf(row.Get("id"))] = true
			}
		}
	}
	for _, o := range j.outputs {
		epochs(o, members)
		for _, row := range rows(o) {
			task, a := idOf(row.Get("task")), row.Get("attempt")
			if row.Get("task").IsNil() || a.IsNil() {
				continue
			}
			if old, ok := attempt[task]; ok && !old.Equal(a) {
				return fmt.Errorf("index %d has a second attempt of task %s", o.Inv, task)
			}
			attempt[task] = a
		}
	}
	for _, o := range j.outputs {
		here := make(map[string]map[string]bool)
		epochs(o, here)
		for e, ids := range here {
			if len(ids) < len(members[e]) {
				return fmt.Errorf("index %d has a part of an epoch", o.Inv)
			}
		}
	}
	return nil
}

// lateness confirms that watermarks grow, and that what was dropped as late was.
func (j *batchJob) lateness() error {
	ended := slices.SortedFunc(slices.Values(j.marks), func(a, b *claim.Op) int { return cmp.Compare(a.Res, b.Res) })
	var top *claim.Op
	for _, m := range j.marks {
		for ; len(ended) > 0 && ended[0].Before(m); ended = ended[1:] {
			if top == nil || markOf(ended[0]) > markOf(top) {
				top = ended[0]
			}
		}
		if top != nil && markOf(m) < markOf(top) {
			return fmt.Errorf("the watermark of index %d is lower than that of index %d", m.Inv, top.Inv)
		}
	}
	dropped := make(map[string]bool)
	for _, o := range j.outputs {
		for id := range droppedAmong(o) {
			dropped[id] = true
		}
	}
	lowest := make([]int64, len(j.marks)+1)
	lowest[len(j.marks)] = claim.Never
	for i, m := range slices.Backward(j.marks) {
		lowest[i] = min(markOf(m), lowest[i+1])
	}
	for _, i := range j.order {
		time, timed := i.Invoke.Value.Get("time").Int()
		if !timed || !i.Happened() || !dropped[idOf(i.Invoke.Value.Get("id"))] {
			continue
		}
		at, _ := slices.BinarySearchFunc(j.marks, i.Res, func(m *claim.Op, res int) int { return cmp.Compare(m.Inv, res) })
		if at < len(j.marks) && lowest[at] <= time {
			return fmt.Errorf("the record of index %d was dropped, but was not late", i.Inv)
		}
	}
	return nil
}
