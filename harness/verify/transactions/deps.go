package transactions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// version is a value of a key: as a whole, or as the links of others name it.
type version struct {
	key int
	id  word
}

// whole, named and base say how to look up the version of a step, as a whole and
// as links name it, and that which its link names.
func (s *step) whole() version { return version{s.key, s.id} }
func (s *step) named() version { return version{s.key, s.part.linked()} }
func (s *step) base() version  { return version{s.key, s.previous.linked()} }

// writers returns who wrote, or tried to write, each version: those that did not
// fail first.
func (t *txns) writers() map[version][]*txn {
	by := make(map[version][]*txn)
	for _, failed := range []bool{false, true} {
		for i := range t.list {
			x := &t.list[i]
			for _, s := range x.steps {
				if s.write && x.Failed() == failed {
					by[s.whole()] = append(by[s.whole()], x)
					if t.workload == linked {
						by[s.named()] = append(by[s.named()], x)
					}
				}
			}
		}
	}
	return by
}

// shown returns the versions that a step of a transaction that was ok shows: the
// elements of a list, the value of a register, what a linked value replaced.
func (t *txns) shown(s *step) []version {
	switch {
	case t.workload == lists && !s.write:
		list := make([]version, len(s.elems()))
		for i, e := range s.elems() {
			list[i] = version{key: s.key, id: wordOf(e)}
		}
		return list
	case !s.write && s.id != nothing:
		return []version{s.whole()}
	case t.workload == linked && s.write && s.previous != nothing:
		return []version{s.base()}
	default:
		return nil
	}
}

// effective returns the transactions that took effect: those that were ok, and
// those of unknown outcome of which these show something, or those in turn.
func (t *txns) effective(by map[version][]*txn) map[*txn]bool {
	did := make(map[*txn]bool)
	var todo []*txn
	for i := range t.list {
		if t.list[i].Happened() {
			did[&t.list[i]] = true
			todo = append(todo, &t.list[i])
		}
	}
	for ; len(todo) > 0; todo = todo[1:] {
		for i := range todo[0].steps {
			s := &todo[0].steps[i]
			if !s.write && !todo[0].Happened() {
				continue
			}
			for _, v := range t.shown(s) {
				if w := by[v]; len(w) > 0 && !w[0].Failed() && !did[w[0]] {
					did[w[0]] = true
					todo = append(todo, w[0])
				}
			}
		}
	}
	return did
}

// longest returns the longest read of each list, the first one of those.
func (t *txns) longest() [][]history.Value {
	list := make([][]history.Value, len(t.keys))
	for i := range t.list {
		for at := range t.list[i].steps {
			s := &t.list[i].steps[at]
			if t.workload == lists && t.list[i].Happened() && !s.write && len(s.elems()) > len(list[s.key]) {
				list[s.key] = s.elems()
			}
		}
	}
	return list
}

// dependencies confirms that transactions in the order of the replay depend on
// earlier ones only, by ww and, where a level asks for it, by wr, and that
// nothing else is wrong.
func (r *replay) dependencies(want []level) error {
	by := r.writers()
	for x := range r.effective(by) {
		if !r.over[r.Place[x.Inv]-1] {
			return fmt.Errorf("index %d is missing, whose writes were read", x.Inv)
		}
	}
	for v, w := range by {
		if len(w) > 1 && !w[1].Failed() {
			return fmt.Errorf("index %d and index %d write the same value to a key, so nobody can say who was read", w[0].Inv, w[1].Inv)
		}
		if w[0].Failed() {
			delete(by, v)
		}
	}
	if err := r.versionsInOrder(by); err != nil {
		return err
	}
	d := &deps{replay: r, by: by, longest: r.longest(), updates: make(map[version]*txn), lasts: make(map[*txn]map[int]*step)}
	for _, l := range want {
		d.reads = d.reads || l.flow[byData] >= g1c
		d.lost = d.lost || strings.Contains(l.others, lostUp)
	}
	for i := range r.list {
		if err := d.check(&r.list[i]); err != nil {
			return fmt.Errorf("index %d: %w", r.list[i].Inv, err)
		}
	}
	return nil
}

// at returns the place of a transaction in the order.
func (r *replay) at(x *txn) int { return r.begun[r.Place[x.Inv]-1] }

// versionsInOrder confirms that those of a list, or of a linked register, were
// written in their order. Those of other registers may have any.
func (r *replay) versionsInOrder(by map[version][]*txn) error {
	for key, list := range r.longest() {
		top := 0
		place := make(map[word]bool, len(list))
		for _, e := range list {
			id := wordOf(e)
			if w := by[version{key: key, id: id}]; len(w) > 0 && !place[id] {
				if r.at(w[0]) < top {
					return fmt.Errorf("index %d wrote %v after a later version", w[0].Inv, e)
				}
				top = r.at(w[0])
			}
			place[id] = true
		}
		for _, s := range r.objects[key].versions {
			if w := by[s.whole()]; r.workload == lists && !place[s.id] && len(w) > 0 && r.at(w[0]) < top {
				return fmt.Errorf("index %d wrote %v, which nobody read, before a version that was read", w[0].Inv, s.value)
			}
		}
	}
	for i := range r.list {
		for _, s := range r.list[i].steps {
			w := by[s.base()]
			if r.workload == linked && s.write && r.over[i] && len(w) > 0 && r.at(w[0]) > r.begun[i] {
				return fmt.Errorf("index %d wrote %v before the version that it replaced", r.list[i].Inv, s.value)
			}
		}
	}
	return nil
}

// deps looks at what transactions read.
type deps struct {
	*replay
	by          map[version][]*txn
	longest     [][]history.Value
	updates     map[version]*txn
	lasts       map[*txn]map[int]*step
	reads, lost bool
}

func (d *deps) check(x *txn) error {
	if d.over[d.Place[x.Inv]-1] && d.lost {
		if err := d.updatesAlone(x); err != nil {
			return err
		}
	}
	for at := range x.steps {
		s := &x.steps[at]
		if !s.write && !x.Happened() || s.write && (d.workload != linked || !d.over[d.Place[x.Inv]-1]) {
			continue
		}
		if err := d.readsList(s); err != nil {
			return err
		}
		if !d.reads {
			continue
		}
		if err := d.sources(x, at); err != nil {
			return err
		}
	}
	return nil
}

// readsList confirms that a list that was read is the beginning of the longest
// one, or at least has nothing twice if the level does not forbid wr.
func (d *deps) readsList(s *step) error {
	switch list := s.elems(); {
	case d.workload != lists || s.write || d.begins(s.key, list):
		return nil
	case d.reads:
		return fmt.Errorf("it read %v, which is not the beginning of the longest read", s.value)
	case again(list):
		return fmt.Errorf("it read %v, which has an element twice", s.value)
	default:
		return nil
	}
}

// begins reports whether a list is the beginning of the longest read, and the
// longest read has nothing twice.
func (d *deps) begins(key int, list []history.Value) bool {
	most := d.longest[key]
	if len(list) == 0 {
		return true
	}
	if len(list) == len(most) && &list[0] == &most[0] {
		return !again(list)
	}
	return len(list) <= len(most) && slices.EqualFunc(list, most[:len(list)], history.Value.Equal)
}

// again reports whether a list has an element twice.
func again(list []history.Value) bool {
	seen := make(map[word]bool, len(list))
	for _, e := range list {
		seen[wordOf(e)] = true
	}
	return len(seen) < len(list)
}

// sources confirms that what a step shows was written by transactions that come
// before, as what they left.
func (d *deps) sources(x *txn, at int) error {
	s := &x.steps[at]
	all := d.shown(s)
	for i, v := range all {
		w := d.by[v]
		switch {
		case len(w) == 0:
			return fmt.Errorf("%v shows what nobody wrote who did not fail", s.value)
		case w[0] == x:
			if !slices.ContainsFunc(x.steps[:at], func(o step) bool { return o.write && (o.whole() == v || o.named() == v) }) {
				return fmt.Errorf("%v shows what the transaction wrote later", s.value)
			}
		case i < len(all)-1:
		case d.at(w[0]) > d.at(x):
			return fmt.Errorf("%v shows what index %d wrote, which comes later", s.value, w[0].Inv)
		case d.left(w[0], s.key).whole() != v && d.left(w[0], s.key).named() != v:
			return fmt.Errorf("%v shows what index %d wrote and replaced", s.value, w[0].Inv)
		}
	}
	return nil
}

// left returns the version of a key that a transaction wrote last.
func (d *deps) left(x *txn, key int) *step {
	if d.lasts[x] == nil {
		d.lasts[x] = make(map[int]*step, len(x.steps))
		for i := range x.steps {
			if s := &x.steps[i]; s.write {
				d.lasts[x][s.key] = s
			}
		}
	}
	return d.lasts[x][key]
}

// updatesAlone confirms that no other transaction read the same state of a key
// and wrote it, or says that it replaced the same version.
func (d *deps) updatesAlone(x *txn) error {
	read := make(map[int]*step)
	for i := range x.steps {
		s := &x.steps[i]
		switch {
		case !s.write && x.Happened() && read[s.key] == nil:
			read[s.key] = s
		case s.write && read[s.key] != nil && d.workload != linked:
			if err := d.alone(x, read[s.key].state(d.workload)); err != nil {
				return err
			}
		}
	}
	for _, s := range x.steps {
		if d.workload != linked || !s.write {
			continue
		}
		if err := d.alone(x, s.base()); err != nil {
			return err
		}
	}
	return nil
}

// state identifies what a read found.
func (s *step) state(workload string) version {
	if workload == lists && s.value.IsNil() {
		return version{key: s.key, id: wordOf(history.List())}
	}
	return s.whole()
}

func (d *deps) alone(x *txn, state version) error {
	if other := d.updates[state]; other != nil && other != x {
		return fmt.Errorf("it replaced the same state of a key as index %d", other.Inv)
	}
	d.updates[state] = x
	return nil
}
