package batch

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
)

// alone judges the records of one output.
func (j *job) alone(o *output) {
	seen := make(map[int32]bool, len(o.rows))
	for _, r := range o.rows {
		rec := &j.records[r.id]
		name := j.title(r.id)
		if seen[r.id] {
			j.add(Duplicate, name, fmt.Sprintf("%s, and record %s was there twice", j.read(o.op), name), o.op)
		}
		seen[r.id] = true
		if rec.shown.Invoke == nil || o.res < rec.shown.res {
			rec.shown = o.op
		}
		switch {
		case rec.first.Invoke == nil:
			j.add(Phantom, name, fmt.Sprintf("%s, and record %s was there, which nobody put in", j.read(o.op), name), o.op)
			continue
		case !rec.possible:
			j.add(Phantom, name, fmt.Sprintf("%s, and record %s was there, but every input of it failed, as that of %s", j.read(o.op), name, j.who(rec.first)), o.op)
		case o.res < rec.first.inv:
			j.add(Premature, name, fmt.Sprintf("%s, and record %s was there by %s, but its input, by %s, had not begun", j.read(o.op), name, j.end(o.op), j.who(rec.first)), o.op, rec.first)
		}
		if !r.value.Equal(rec.expect) {
			j.add(WrongValue, name, fmt.Sprintf("%s put in record %s, of which the job has to make %v; %s, and it was there as %v", j.who(rec.first), name, rec.expect, j.read(o.op), r.value), rec.first, o.op)
		}
	}
	late := make(map[int32]bool, len(o.late))
	for _, id := range o.late {
		j.records[id].late = true
		if seen[id] && !late[id] {
			j.add(LateTwice, j.title(id), fmt.Sprintf("%s, and record %s was there, and also among those that were dropped as late", j.read(o.op), j.title(id)), o.op)
		}
		late[id] = true
	}
}

// complete finds records that the outputs of the final phase lack.
func (j *job) complete() {
	for i := range j.outputs {
		o := &j.outputs[i]
		if !o.Invoke.Final {
			continue
		}
		has := o.ids()
		for _, id := range o.late {
			has[id] = true
		}
		for id := range j.records {
			if r := &j.records[id]; r.acked.Invoke != nil && r.acked.res < o.inv && !has[int32(id)] && !j.report.book.Full(Missing) {
				j.ordered(Missing, j.title(int32(id)), fmt.Sprintf("%s put in record %s, which was ok by %s; after all was over, %s, and it was not there",
					j.who(r.acked), j.title(int32(id)), j.end(r.acked), j.read(o.op)), r.acked, o.op)
			}
		}
	}
}

func (o *output) ids() map[int32]bool {
	has := make(map[int32]bool, len(o.rows))
	for _, r := range o.rows {
		has[r.id] = true
	}
	return has
}

// stay finds records that were there and are not there later. It goes through
// the outputs in the order in which they began; a record that had been seen by
// then has to be there.
func (j *job) stay() {
	var order []int32
	for id := range j.records {
		if j.records[id].shown.Invoke != nil {
			order = append(order, int32(id))
		}
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(j.records[a].shown.res, j.records[b].shown.res) })
	for i := range j.outputs {
		o := &j.outputs[i]
		has := o.ids()
		for _, id := range order {
			s := j.records[id].shown
			if s.res > o.inv {
				break
			}
			if !has[id] && !j.report.book.Full(Vanished) {
				j.ordered(Vanished, j.title(id), fmt.Sprintf("%s, and had record %s by %s; after that, %s, and it was gone", j.read(s), j.title(id), j.end(s), j.read(o.op)), s, o.op)
			}
		}
	}
}

// whole finds outputs that have a part of an epoch.
func (j *job) whole() {
	type member struct {
		id int32
		by op
	}
	members := make([][]member, j.epochs.Len())
	in := make(map[[2]int32]bool)
	for i := range j.outputs {
		for _, r := range j.outputs[i].rows {
			if key := [2]int32{r.epoch, r.id}; r.epoch >= 0 && !in[key] {
				in[key] = true
				members[r.epoch] = append(members[r.epoch], member{r.id, j.outputs[i].op})
			}
		}
	}
	for i := range j.outputs {
		o := &j.outputs[i]
		here, seen := make(map[int32]int), make(map[[2]int32]bool)
		for _, r := range o.rows {
			if key := [2]int32{r.epoch, r.id}; r.epoch >= 0 && !seen[key] {
				seen[key] = true
				here[r.epoch]++
			}
		}
		for _, r := range o.rows {
			if r.epoch < 0 || here[r.epoch] == len(members[r.epoch]) {
				continue
			}
			here[r.epoch] = len(members[r.epoch]) // once for each epoch
			at := slices.IndexFunc(members[r.epoch], func(m member) bool { return !seen[[2]int32{r.epoch, m.id}] })
			m := members[r.epoch][at]
			name := checkers.KeyName(j.epochs.Value(r.epoch))
			j.add(TornEpoch, name, fmt.Sprintf("%s, and record %s of epoch %s was there, but not record %s, which is of that epoch too: %s, and it was there",
				j.read(o.op), j.title(r.id), name, j.title(m.id), j.read(m.by)), o.op, m.by)
		}
	}
}

// attempts finds tasks of which two attempts made it into the output.
func (j *job) attempts() {
	first := make([]row, j.tasks.Len())
	by := make([]op, j.tasks.Len())
	told := make([]bool, j.tasks.Len())
	for i := range j.outputs {
		o := &j.outputs[i]
		for _, r := range o.rows {
			switch {
			case r.task < 0:
			case by[r.task].Invoke == nil:
				first[r.task], by[r.task] = r, o.op
			case !told[r.task] && !first[r.task].attempt.Equal(r.attempt):
				told[r.task] = true
				name := checkers.KeyName(j.tasks.Value(r.task))
				j.add(TwoAttempts, name, fmt.Sprintf("%s, and record %s was there from attempt %v of task %s; %s, and record %s was there from attempt %v of that task",
					j.read(by[r.task]), j.title(first[r.task].id), first[r.task].attempt, name, j.read(o.op), j.title(r.id), r.attempt), by[r.task], o.op)
			}
		}
	}
}

// watermarks judges the watermarks, and what was dropped because of them.
func (j *job) watermarks() {
	ended := slices.SortedFunc(slices.Values(j.marks), func(a, b op) int { return cmp.Compare(a.res, b.res) })
	var top *op
	for _, m := range j.marks {
		for ; len(ended) > 0 && ended[0].res < m.inv; ended = ended[1:] {
			if top == nil || mark(ended[0]) > mark(*top) {
				top = &ended[0]
			}
		}
		if top != nil && mark(m) < mark(*top) {
			j.ordered(WatermarkRegressed, "", fmt.Sprintf("%s asked for the watermark and got %d by %s; after that, %s asked and got %d",
				j.who(*top), mark(*top), j.end(*top), j.who(m), mark(m)), *top, m)
		}
	}
	lowest := make([]op, len(j.marks)) // of the watermarks from here on
	for i, m := range slices.Backward(j.marks) {
		lowest[i] = m
		if i+1 < len(lowest) && mark(lowest[i+1]) < mark(m) {
			lowest[i] = lowest[i+1]
		}
	}
	told := make(map[int32]bool)
	for i := range j.outputs {
		for _, id := range j.outputs[i].late {
			if !told[id] {
				told[id] = true
				j.late(id, j.outputs[i].op, lowest)
			}
		}
	}
}

func mark(o op) int64 {
	n, _ := o.Complete.Value.Int()
	return n
}

// late judges a record that was dropped as late. It was not, if the watermark had
// not come to its time even after it was put in.
func (j *job) late(id int32, by op, lowest []op) {
	r := &j.records[id]
	if r.acked.Invoke == nil || !r.timed {
		return
	}
	at, _ := slices.BinarySearchFunc(j.marks, r.acked.res, func(m op, res int) int { return cmp.Compare(m.inv, res) })
	if at == len(lowest) || mark(lowest[at]) > r.time {
		return
	}
	m := lowest[at]
	j.add(WronglyLate, j.title(id), fmt.Sprintf("%s put in record %s with time %d, which was ok by %s; after that, %s asked for the watermark, which was %d, not beyond it; %s, and the record was among those that were dropped as late",
		j.who(r.acked), j.title(id), r.time, j.end(r.acked), j.who(m), mark(m), j.read(by)), r.acked, m, by)
}

// who says who did something and when: "process 1 through n2 at 3 ms".
func (j *job) who(o op) string {
	at := ""
	if o.Invoke.Node != "" {
		at = " through " + o.Invoke.Node
	}
	return fmt.Sprintf("process %v%s at %s", o.Invoke.Process, at, j.clock.At(o.Invoke))
}

func (j *job) read(o op) string { return j.who(o) + " read the output" }

func (j *job) end(o op) string { return j.clock.At(o.Complete) }

func (j *job) add(rule, item, why string, ops ...op) {
	f := rules.Finding{Rule: rule, Item: item, Key: j.key, Why: why}
	for _, o := range ops {
		f.Ops = append(f.Ops, o.inv)
	}
	j.report.book.Add(f)
}

// ordered notes something that is wrong because a ended before b began.
func (j *job) ordered(rule, item, why string, a, b op) {
	j.report.book.Add(rules.Finding{Rule: rule, Item: item, Key: j.key, Why: why, Ops: []int{a.inv, b.inv},
		Edges: []checkers.Edge{{From: a.inv, To: b.inv, Kind: "rt", Key: j.key, Why: fmt.Sprintf("the %s of %s ended at %s, before the %s of %s began",
			a.Invoke.F, j.who(a), j.end(a), b.Invoke.F, j.who(b))}}})
}
