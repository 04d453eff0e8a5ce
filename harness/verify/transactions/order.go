package transactions

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// txnOrder is the evidence for ok: one of these.
type txnOrder struct {
	Serial   []int `json:"serial"`
	Snapshot []int `json:"snapshot"`
	Order    []int `json:"order"`
}

// valid confirms that there is an order of the transactions as each level asks for.
func (t *txns) valid(want []level) error {
	var e txnOrder
	if err := t.ReadEvidence(&e); err != nil {
		return err
	}
	r := &replay{txns: t, objects: make([]object, len(t.keys)), begun: make([]int, len(t.list)), over: make([]bool, len(t.list)),
		base: make([][]int, len(t.list)), latest: make(map[history.Process]int)}
	for _, l := range want {
		r.keeps = max(r.keeps, l.keeps)
		if e.Snapshot != nil && !l.snapshot || e.Order != nil && !l.order {
			return fmt.Errorf("evidence of this kind does not show that the level is kept")
		}
	}
	switch {
	case e.Serial != nil && e.Snapshot == nil && e.Order == nil:
		return r.run(twice(e.Serial), (*replay).commit)
	case e.Snapshot != nil && e.Serial == nil && e.Order == nil:
		return r.run(e.Snapshot, (*replay).commit)
	case e.Order != nil && e.Serial == nil && e.Snapshot == nil:
		if err := r.run(twice(e.Order), (*replay).install); err != nil {
			return err
		}
		return r.dependencies(want)
	default:
		return fmt.Errorf("want one order: serial, snapshot, or order")
	}
}

// twice lets each transaction commit as soon as it has begun.
func twice(order []int) []int {
	all := make([]int, 0, 2*len(order))
	for _, i := range order {
		all = append(all, i, i)
	}
	return all
}

// replay lets transactions happen in the order of the evidence.
type replay struct {
	*txns
	objects []object
	keeps   int8
	begun   []int   // by transaction: the event with which it began, from 1 on
	over    []bool  // by transaction: it has committed
	base    [][]int // by transaction: how many versions the keys of its steps had then
	now     int     // the event
	latest  map[history.Process]int
}

// object is what a key holds: the elements of a list, the versions of a register.
type object struct {
	versions []*step
	changed  int // the event of the last commit that wrote it
}

// run replays all events.
func (r *replay) run(events []int, commit func(r *replay, i int) error) error {
	for at, index := range events {
		if _, err := r.Op(index); err != nil {
			return err
		}
		i := r.Place[index] - 1
		r.now = at + 1
		switch {
		case r.list[i].Failed():
			return fmt.Errorf("index %d failed", index)
		case r.over[i]:
			return fmt.Errorf("index %d is there too often", index)
		case r.begun[i] == 0:
			r.begin(i)
			continue
		}
		r.over[i] = true
		if err := r.inTime(&r.list[i]); err != nil {
			return err
		}
		if err := commit(r, i); err != nil {
			return fmt.Errorf("index %d: %w", index, err)
		}
	}
	for i := range r.list {
		if r.list[i].Happened() && !r.over[i] {
			return fmt.Errorf("index %d is missing", r.list[i].Inv)
		}
	}
	return r.assumed()
}

func (r *replay) begin(i int) {
	x := &r.list[i]
	r.begun[i] = r.now
	r.base[i] = make([]int, len(x.steps))
	for at, s := range x.steps {
		r.base[i][at] = len(r.objects[s.key].versions)
	}
	r.latest[x.group(r.keeps)] = max(r.latest[x.group(r.keeps)], x.Inv)
}

// group returns whose order has to be kept: that of its process, or of all.
func (x *txn) group(keeps int8) history.Process {
	if keeps == byProcess {
		return x.Invoke.Process
	}
	return 0
}

// inTime reports an error if a transaction commits after the beginning of one
// that began when it was over: the latest beginning tells.
func (r *replay) inTime(x *txn) error {
	if r.keeps != byData && x.Res < r.latest[x.group(r.keeps)] {
		return fmt.Errorf("index %d was over before index %d began, but it comes later", x.Inv, r.latest[x.group(r.keeps)])
	}
	return nil
}

// commit checks what a transaction read, and installs what it wrote.
func (r *replay) commit(i int) error {
	x := &r.list[i]
	own := make(map[int][]*step, len(x.steps))
	empty := make(map[int]*step)
	for at := range x.steps {
		s := &x.steps[at]
		before := r.objects[s.key].versions[:r.base[i][at]]
		if s.write {
			if r.workload == linked && s.previous != last(before, own[s.key]).part {
				return fmt.Errorf("it wrote %v, which was not the next version", s.value)
			}
			own[s.key] = append(own[s.key], s)
			continue
		}
		if !x.Happened() {
			continue
		}
		if !r.finds(before, own[s.key], s) {
			return fmt.Errorf("it read %v, which was not what was there", s.value)
		}
		if other := empty[s.key]; r.workload == lists && len(s.elems()) == 0 && other != nil && other.value.Kind() != s.value.Kind() {
			return fmt.Errorf("it read %v and %v", other.value, s.value)
		}
		if len(s.elems()) == 0 {
			empty[s.key] = s
		}
	}
	for key := range own {
		if r.objects[key].changed > r.begun[i] {
			return fmt.Errorf("another transaction wrote the same key after it had begun")
		}
	}
	return r.install(i)
}

// install makes what a transaction wrote the last versions.
func (r *replay) install(i int) error {
	for at := range r.list[i].steps {
		if s := &r.list[i].steps[at]; s.write {
			o := &r.objects[s.key]
			o.versions, o.changed = append(o.versions, s), r.now
		}
	}
	r.base[i] = nil
	return nil
}

// finds reports whether a read returned what was there before, and what its
// transaction wrote itself.
func (r *replay) finds(before, own []*step, s *step) bool {
	if r.workload != lists {
		return s.id == last(before, own).id
	}
	list := s.elems()
	if len(list) != len(before)+len(own) {
		return false
	}
	for i, e := range list {
		if i < len(before) && !e.Equal(before[i].value) || i >= len(before) && !e.Equal(own[i-len(before)].value) {
			return false
		}
	}
	return true
}

// last returns the last version.
func last(before, own []*step) *step {
	switch {
	case len(own) > 0:
		return own[len(own)-1]
	case len(before) > 0:
		return before[len(before)-1]
	default:
		return &step{id: nothing, part: nothing}
	}
}

// assumed confirms that the versions of registers were installed in an order that
// the parameters allow: that in which their transactions began, for of those that
// write the same key each begins when the one before it has committed.
func (r *replay) assumed() error {
	if r.workload == lists || !given(r.Claim, "linearizable-keys") && !given(r.Claim, "sequential-keys") && !given(r.Claim, "wfr-keys") {
		return nil
	}
	rank := make([]map[word]int, len(r.keys))
	for k := range rank {
		rank[k] = make(map[word]int)
	}
	for i := range r.list {
		for _, m := range r.list[i].mets() {
			if m.last != nil && r.over[i] {
				rank[m.key][m.last.id] = r.begun[i]
			}
		}
	}
	ends := make([]int, 0, len(r.list))
	for i := range r.list {
		if r.list[i].Happened() {
			ends = append(ends, i)
		}
	}
	slices.SortFunc(ends, func(a, b int) int { return cmp.Compare(r.list[a].Res, r.list[b].Res) })
	type group struct {
		process history.Process
		key     int
	}
	left := make(map[group]int) // the latest version that was left
	for i := range r.list {
		x := &r.list[i]
		for ; len(ends) > 0 && r.list[ends[0]].Before(x.Op); ends = ends[1:] {
			y := &r.list[ends[0]]
			for _, m := range y.mets() {
				for _, g := range []group{{history.NoProcess - 1, m.key}, {y.Invoke.Process, m.key}} {
					left[g] = max(left[g], rank[m.key][m.leaving()])
				}
			}
		}
		if !r.over[i] {
			continue
		}
		for _, m := range x.mets() {
			met, written := rank[m.key][m.entry()]
			if !written && m.entry() != nothing {
				continue // not as what a transaction left: another anomaly, if that is forbidden
			}
			if given(r.Claim, "linearizable-keys") && met < left[group{history.NoProcess - 1, m.key}] ||
				given(r.Claim, "sequential-keys") && met < left[group{x.Invoke.Process, m.key}] ||
				given(r.Claim, "wfr-keys") && met > rank[m.key][m.leaving()] {
				return fmt.Errorf("index %d: it met a version that was gone, by what the parameters assume", x.Inv)
			}
		}
	}
	return nil
}
