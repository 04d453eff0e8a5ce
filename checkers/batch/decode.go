package batch

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// plain sees that a value can be the name of something.
func plain(v history.Value, what string) error {
	if k := v.Kind(); k != history.KindInt && k != history.KindString && k != history.KindKeyword {
		return fmt.Errorf("%s has to be a text or an integer, not %v", what, v)
	}
	return nil
}

func (j *job) record(v history.Value) (int32, error) {
	if err := plain(v, "the id of a record"); err != nil {
		return 0, err
	}
	id := j.ids.ID(v)
	if int(id) == len(j.records) {
		j.records = append(j.records, record{})
	}
	return id, nil
}

func (j *job) title(id int32) string { return checkers.KeyName(j.ids.Value(id)) }

func (j *job) call(o op) error {
	ok := o.Type() == history.OK
	switch {
	case o.Invoke.F == "input":
		return j.input(o)
	case o.Invoke.F == "output" && ok:
		return j.output(o)
	case o.Invoke.F == "watermark" && ok:
		if _, number := o.Complete.Value.Int(); !number {
			return fmt.Errorf("a watermark has to be an integer, not %v", o.Complete.Value)
		}
		j.marks = append(j.marks, o)
	}
	return nil
}

func (j *job) input(o op) error {
	v := o.Invoke.Value
	id, err := j.record(v.Get("id"))
	if err != nil {
		return err
	}
	expect := v.Get("expect")
	if expect.IsAbsent() {
		expect = v.Get("value")
	}
	r := &j.records[id]
	if r.first.Invoke == nil {
		r.first, r.expect = o, expect
		r.time, r.timed = v.Get("time").Int()
	} else if !r.first.Invoke.Value.Equal(v) {
		return fmt.Errorf("record %s was put in with another value at index %d: ids have to be unique", j.title(id), r.first.inv)
	}
	r.possible = r.possible || o.Type() != history.Fail
	if o.Type() == history.OK && (r.acked.Invoke == nil || o.res < r.acked.res) {
		r.acked = o
	}
	return nil
}

func (j *job) output(o op) error {
	v := o.Complete.Value
	list := v
	if v.Kind() == history.KindMap {
		list = v.Get("records")
	}
	if list.Kind() != history.KindList && !list.IsNil() {
		return fmt.Errorf("an output has to be a list of records, or a map with one, not %v", v)
	}
	out := output{op: o}
	for _, e := range list.Elems() {
		id, err := j.record(e.Get("id"))
		if err != nil {
			return err
		}
		r := row{id, -1, -1, e.Get("value"), e.Get("attempt")}
		if epoch := e.Get("epoch"); !epoch.IsNil() {
			if err := plain(epoch, "an epoch"); err != nil {
				return err
			}
			r.epoch = j.epochs.ID(epoch)
		}
		if task := e.Get("task"); !task.IsNil() && !r.attempt.IsNil() {
			if err := plain(task, "a task"); err != nil {
				return err
			}
			r.task = j.tasks.ID(task)
		}
		out.rows = append(out.rows, r)
	}
	for _, e := range v.Get("late").Elems() {
		id, err := j.record(e)
		if err != nil {
			return err
		}
		out.late = append(out.late, id)
	}
	j.outputs = append(j.outputs, out)
	j.report.Outputs++
	if o.Invoke.Final {
		j.report.Final++
	}
	return nil
}
