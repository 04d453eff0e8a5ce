package linear

import (
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// named is a spec whose violations have names.
type named interface {
	// name is what the field calls it if x cannot have had its answer. A name that
	// says more than that is proven by trying orders; without k, which violations of
	// many operations have not, there is none.
	name(x *act, k *knot) string
}

// nameless is a violation that no name fits for certain.
const nameless = "nonlinearizable"

// name returns what the field calls a violation.
func (k *knot) name() string {
	name := ""
	if n, ok := k.object.(named); ok {
		name = n.name(&k.ops[k.last], k)
	}
	if name == "" || k.spent() {
		return nameless
	}
	return name
}

// untimely names a violation that there would not be if one of the operations that
// only look on had been free to do so at another time.
func (k *knot) untimely() string {
	for i := range k.ops {
		switch x := &k.ops[i]; {
		case x.isInfo() || !k.pure(x):
		case k.earlier(i):
			return "stale-read"
		case k.later(i):
			return "future-read"
		}
	}
	return ""
}

// stale reports whether there would be an order if the last answer had been given
// at another time.
func (k *knot) stale() bool { return k.earlier(k.last) }

func (r registerObject) name(x *act, k *knot) string {
	swap := x.a != int64(none) && x.b != int64(none)
	switch {
	case k == nil:
		return ""
	case x.a != int64(none) && !k.reachable(k.last):
		if r.refused(x, k) {
			return "dirty-read"
		}
		return "thin-air-read"
	case k.exceeded():
		return "double-cas"
	case swap && k.stale():
		return "lost-write"
	}
	return k.untimely()
}

// refused reports whether what was found is what an operation would have left that
// failed, and that had begun by then.
func (r registerObject) refused(x *act, k *knot) bool {
	found := r.values.Value(int32(x.a))
	return slices.ContainsFunc(k.calls, func(c history.Call) bool {
		if c.Type() != history.Fail || c.Invoke.Index > int(x.res) {
			return false
		}
		pair := argument(c).Elems()
		switch c.Invoke.F {
		case "write":
			return known(argument(c)).Equal(found)
		case "cas":
			return len(pair) == 2 && known(pair[1]).Equal(found)
		default:
			return c.Invoke.F == "delete" && found.IsNil()
		}
	})
}

// exceeded reports whether more operations replaced a value of a register than it
// had been there.
func (k *knot) exceeded() bool {
	balance, sure := map[int64]int{k.first: 1}, k.must()
	if a := k.argue(); a != nil {
		sure = a.sure
	}
	for i := range k.ops {
		finds, leaves := k.ops[i].a, k.ops[i].b
		if leaves == int64(none) || finds == leaves {
			continue
		}
		balance[leaves]++
		if finds != int64(none) && sure&(1<<i) != 0 {
			balance[finds]--
		}
	}
	for _, n := range balance {
		if n < 0 {
			return true
		}
	}
	return false
}

// name takes those of package txn where what was found contradicts itself at any
// time.
func (s *multiSpec) name(x *act, k *knot) string {
	if k == nil {
		return ""
	}
	for i := range k.ops {
		if name := s.origin(&k.ops[i], k); name != "" {
			return name
		}
	}
	if !k.possible(make([]uint64, len(k.ops)), 0) {
		return s.cycle(k)
	}
	found, left := make(map[int32]bool), false
	for _, m := range s.txn(x) {
		left = left || m.write && found[m.register]
		found[m.register] = found[m.register] || !m.write
	}
	switch stale := !k.pure(x) && k.stale(); {
	case stale && left:
		return "lost-write"
	case stale:
		return "stale-read"
	default:
		return k.untimely()
	}
}

// origin names a read of what nobody can have left by then.
func (s *multiSpec) origin(x *act, k *knot) string {
	touched, ok := s.touches([]act{*x}, k.first)
	if !ok {
		return "internal"
	}
	for _, c := range touched[0].found {
		if s.before(k.first, c.at) == c.value {
			continue
		}
		can := make(map[string]bool)
		for _, call := range k.calls {
			name := s.leaves(call, c, x.res)
			if name == "" && call.Invoke.Index == k.calls[x.call].Invoke.Index {
				name = "future-read"
			}
			can[name] = true
		}
		for _, name := range []string{"", "future-read", "G1b", "dirty-read", "thin-air-read"} {
			if can[name] && name != "" {
				return name
			} else if can[name] {
				break
			}
		}
	}
	return ""
}

// leaves names a read of what a call left, if that was read at a time, or nothing
// if there is nothing wrong with it.
func (s *multiSpec) leaves(call history.Call, c cell, at int32) string {
	var wrote []micro
	for _, m := range s.writes(call) {
		if int64(m.register) == c.at {
			wrote = append(wrote, m)
		}
	}
	switch i := slices.IndexFunc(wrote, func(m micro) bool { return int64(m.value) == c.value }); {
	case i < 0:
		return "thin-air-read"
	case call.Type() == history.Fail:
		return "dirty-read"
	case int64(wrote[len(wrote)-1].value) != c.value:
		return "G1b"
	case call.Invoke.Index > int(at):
		return "future-read"
	default:
		return ""
	}
}

// cycle names a circle of what transactions found and wrote.
func (s *multiSpec) cycle(k *knot) string {
	k.before = make([]uint64, len(k.ops))
	a := k.argue()
	if a == nil || a.stuck != nil {
		return ""
	}
	count := make(map[string]int)
	way := a.proof()
	for _, f := range way {
		count[f.kind]++
	}
	switch {
	case count[replaced] == 2 && len(way) == 2 && a.share(way[0].from, way[0].to):
		return "lost-update"
	case count[replaced] == 1:
		return "G-single-item"
	case count[replaced] > 1:
		return "G2-item"
	case count[readFrom] > 0:
		return "G1c"
	default:
		return "G0"
	}
}

// share reports whether two operations found the same, and both replaced it.
func (a *reasoning) share(x, y int) bool {
	return slices.ContainsFunc(a.touched[x].found, func(c cell) bool {
		return slices.Contains(a.touched[y].found, c) && a.ends(x, y, c) && a.ends(y, x, c)
	})
}

func (s *lockSpec) name(x *act, k *knot) string { return lockName(x, k) }

func (s *reentrantSpec) name(x *act, k *knot) string { return lockName(x, k) }

func lockName(x *act, k *knot) string {
	if k != nil && !k.without(k.last) {
		return "" // others would have no order either
	}
	if x.verb == lockAcquire {
		return "double-grant"
	}
	return "unheld-release"
}

func (s *counterSpec) name(_ *act, k *knot) string {
	if k != nil {
		if name := k.untimely(); name != "" {
			return name
		}
	}
	return "wrong-count"
}

// account names what can be known by counting elements.
func (s *queueSpec) account(x *act, k *knot) string {
	if x.verb != queueTake {
		return ""
	}
	there, took := 0, 0
	for _, v := range s.states.items[k.first] {
		if int64(v) == x.a {
			there++
		}
	}
	for i := range k.ops {
		switch y := &k.ops[i]; {
		case y.a != x.a:
		case y.verb == queuePut && y.inv < x.res:
			there++
		case y.verb == queueTake:
			took++
		}
	}
	switch {
	case there == 0:
		return "unexpected"
	case took > there:
		return "duplicate"
	default:
		return ""
	}
}

func (s *bagSpec) name(x *act, k *knot) string {
	switch {
	case k == nil:
		return ""
	case x.verb == queueEmpty:
		return "false-empty"
	default:
		return s.account(x, k)
	}
}

// name sees whether only the order is wrong: then a bag has none.
func (s *fifoSpec) name(x *act, k *knot) string {
	if k == nil {
		return ""
	}
	if name := s.account(x, k); name != "" {
		return name
	}
	bag, loose := *k.problem, *k
	bag.object = &bagSpec{queueSpec{model: s.model, values: s.values, states: newPool()}}
	bag.first = bag.object.(*bagSpec).states.id(slices.Sorted(slices.Values(s.states.items[k.first])))
	loose.problem = &bag
	switch found := loose.possible(k.before, 0); {
	case !found && x.verb == queueEmpty:
		return "false-empty"
	case !found:
		return ""
	case s.leftBehind(k):
		return "lost"
	default:
		return "reordered"
	}
}

// leftBehind reports whether nobody can have taken an element of a violation.
func (s *fifoSpec) leftBehind(k *knot) bool {
	if slices.ContainsFunc(k.calls, func(c history.Call) bool {
		return c.Invoke.F == "dequeue" && c.Type() != history.OK && c.Type() != history.Fail
	}) {
		return false
	}
	for i := range k.ops {
		v := s.values.Value(int32(k.ops[i].a))
		took := func(c history.Call) bool {
			return c.Invoke.F == "dequeue" && c.Type() == history.OK && c.Complete.Value.Equal(v)
		}
		if k.ops[i].verb == queuePut && !slices.ContainsFunc(k.calls, took) {
			return true
		}
	}
	return false
}

func (s *setSpec) name(x *act, k *knot) string {
	switch {
	case k == nil:
		return ""
	case s.appeared(x, k):
		return "unexpected"
	}
	if name := k.untimely(); name != "" || !k.pure(x) {
		return name
	}
	return "stale-read"
}

// appeared reports whether an operation saw an element that nobody can have added.
func (s *setSpec) appeared(x *act, k *knot) bool {
	var saw []history.Value
	switch c := k.calls[x.call]; x.verb {
	case setHas:
		saw = []history.Value{known(c.Invoke.Value)}
	case setRead:
		saw = c.Complete.Value.Elems() // also what was left out
	}
	return slices.ContainsFunc(saw, func(v history.Value) bool {
		return !slices.ContainsFunc(k.calls, func(c history.Call) bool {
			return c.Invoke.F == "add" && c.Type() != history.Fail && c.Invoke.Index < int(x.res) && known(argument(c)).Equal(v)
		})
	})
}

func (s *textSpec) name(x *act, k *knot) string {
	switch {
	case k == nil:
		return ""
	case x.verb == textCAS && k.stale():
		return "lost-write"
	}
	if (x.verb == textGet || x.verb == textCAS) && !k.reachable(k.last) {
		return "thin-air-read"
	}
	if name := s.grown(x, k); name != "" {
		return name
	}
	if name := k.untimely(); name != "" || x.verb != textGet || !k.reordered() {
		return name
	}
	return "reordered"
}

// grown names violations of texts that were only appended to, so that nothing is
// ever taken back.
func (s *textSpec) grown(x *act, k *knot) string {
	for i := range k.ops {
		y := &k.ops[i]
		switch {
		case y.verb == textPut || y.verb == textCAS:
			return ""
		case x.verb != textGet:
		case y.verb == textGet && !s.leads(y.a, x) && !s.leads(x.a, y):
			return "incompatible-order"
		}
	}
	for i := range k.ops {
		y := &k.ops[i]
		missing := x.verb == textGet && y.verb == textAppend && s.isText(x.a) && s.isText(y.b) && !strings.Contains(s.text(x.a), s.text(y.b))
		if missing && k.precedes(i, k.last) && !k.stale() {
			return "lost-write"
		}
	}
	return ""
}

func (s *logSpec) name(x *act, k *knot) string {
	if k == nil {
		return ""
	}
	for i := range k.ops {
		for j := range k.ops {
			y, z := &k.ops[i], &k.ops[j]
			if y.verb == logRead && z.verb == logRead && !s.states.begins(y.a, z.a) && !s.states.begins(z.a, y.a) {
				return "incompatible-order"
			}
		}
	}
	if x.verb == logRead {
		if name := s.account(x, k); name != "" {
			return name
		}
	}
	if name := k.untimely(); name != "" || x.verb != logRead {
		return name
	}
	return s.gap(x, k)
}

// account names what can be known by counting elements.
func (s *logSpec) account(x *act, k *knot) string {
	count := make(map[int32]int)
	for _, v := range s.states.items(k.first) {
		count[v]++
	}
	for i := range k.ops {
		if y := &k.ops[i]; y.verb == logAppend && y.inv < x.res {
			count[int32(y.a)]++
		}
	}
	there := make(map[int32]int)
	for _, v := range s.states.items(x.a) {
		if there[v]++; count[v] == 0 {
			return "unexpected"
		}
	}
	for v, n := range there {
		if n > count[v] {
			return "duplicate"
		}
	}
	return ""
}

// gap names what is wrong with a log of which no moment explains what was read: an
// element is missing in front of one that was appended later, or behind it. It looks
// at all that was read and appended, also what was left out.
func (s *logSpec) gap(x *act, k *knot) string {
	var appends []history.Call
	for _, c := range k.calls {
		if c.Invoke.F == "append" && c.Type() != history.Fail {
			appends = append(appends, c)
		}
	}
	saw := k.calls[x.call].Complete.Value.Elems()
	place := func(c history.Call) int {
		return slices.IndexFunc(saw, func(v history.Value) bool { return v.Equal(known(argument(c))) })
	}
	for _, y := range appends {
		for i, v := range saw {
			later := func(c history.Call) bool {
				return !known(argument(c)).Equal(v) || y.Type() == history.OK && y.Complete.Index < c.Invoke.Index
			}
			switch {
			case slices.ContainsFunc(appends, func(c history.Call) bool { return !later(c) }):
			case place(y) < 0:
				return "lost"
			case place(y) > i:
				return "reordered"
			}
		}
	}
	return ""
}
