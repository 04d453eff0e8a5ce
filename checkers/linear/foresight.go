package linear

// foresight is a spec of an object that grows, where what is yet to be found
// tells most of the ways on to be dead ends long before they end.
type foresight interface {
	// finds reports whether an operation finds a whole state.
	finds(x *act) bool
	// leads reports whether a state can still grow to what x found.
	leads(state int64, x *act) bool
	// saves reports whether y may bring about what x found from any state.
	saves(y, x *act) bool
}

// ahead is how many of the next operations that find something are looked at,
// besides those that are open.
const ahead = 4

// outlook is what a search knows of the operations that find something.
type outlook struct {
	foresight
	finders []int32           // in the order of their invocations
	next    []int32           // by event, how many of them were invoked before
	saviors map[int32][]int32 // by finder, operations that would save it
}

// lookOut prepares f to see dead ends, if its spec has foresight.
func (f *frontier) lookOut() {
	s, ok := f.object.(foresight)
	if !ok {
		return
	}
	o := &outlook{foresight: s, saviors: make(map[int32][]int32), next: make([]int32, len(f.events))}
	for e, m := range f.events {
		o.next[e] = int32(len(o.finders))
		if !m.response && s.finds(&f.ops[m.op]) {
			o.finders = append(o.finders, m.op)
		}
	}
	for _, x := range o.finders {
		for y := range f.ops {
			if s.saves(&f.ops[y], &f.ops[x]) && f.ops[y].inv < f.ops[x].res {
				o.saviors[x] = append(o.saviors[x], int32(y))
			}
		}
	}
	f.outlook = o
}

// doomed reports whether the search cannot get to the end from n: something that
// is yet to be found has become impossible.
func (f *frontier) doomed(n *node) bool {
	o := f.outlook
	if o == nil || int(n.event) == len(f.events) {
		return false
	}
	e := &f.events[n.event]
	for _, x := range f.open[e.from:e.to] {
		if n.mask&f.bit(x) == 0 && o.finds(&f.ops[x]) && f.lost(n, x) {
			return true
		}
	}
	at := int(o.next[n.event])
	for _, x := range o.finders[at:min(at+ahead, len(o.finders))] {
		if f.lost(n, x) {
			return true
		}
	}
	return false
}

// lost reports whether what x found can neither come from the state of n nor be
// brought about by an operation that has not taken effect.
func (f *frontier) lost(n *node, x int32) bool {
	if f.outlook.leads(n.state, &f.ops[x]) {
		return false
	}
	now := f.events[n.event].at
	for _, y := range f.outlook.saviors[x] {
		switch o := &f.ops[y]; {
		case o.isInfo() || o.inv > now:
			return false
		case o.res >= now && n.mask&f.bit(y) == 0:
			return false
		}
	}
	return true
}
