package files

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules/rulestest"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// ofEra is that an operation shows what a file was in an era, up to so many records.
type ofEra struct{ era, limit int }

// grownFile is what was done to a file, in pairs of which the definition of eras speaks.
type grownFile struct {
	key, moved string
	changes    []op
}

// era returns the number of changes before an operation, or -1 if it overlaps with one.
func (f grownFile) era(o op) int {
	before := 0
	for _, c := range f.changes {
		switch {
		case c.res < o.inv:
			before++
		case c.inv < o.res:
			return -1
		}
	}
	return before
}

// alone reports whether a change overlaps with no other one.
func (f grownFile) alone(c op) bool {
	return !slices.ContainsFunc(f.changes, func(d op) bool { return d.inv != c.inv && d.inv < c.res && c.inv < d.res })
}

// eras returns the eras of which a read or a sync shows something.
func (f grownFile) eras(o op) (all []ofEra) {
	if o.Invoke.Key.Text() == f.moved {
		if n := len(f.changes); n > 0 {
			moves := slices.DeleteFunc(slices.Clone(f.changes), func(c op) bool { return c.Invoke.F != "move" })
			if len(moves) == 1 && moves[0].res < o.inv && f.alone(moves[0]) {
				all = append(all, ofEra{f.era(op{inv: moves[0].inv, res: moves[0].inv}), never})
			}
		}
		return all
	}
	n := f.era(o)
	if n < 0 {
		return nil
	}
	all = []ofEra{{n, never}}
	if o.Invoke.F == "read" && n > 0 {
		before := slices.DeleteFunc(slices.Clone(f.changes), func(c op) bool { return c.res > o.inv })
		last := slices.MaxFunc(before, func(a, b op) int { return a.res - b.res })
		if last.Invoke.F == "cut" && f.alone(last) {
			all = append(all, ofEra{n - 1, keeps(last)})
		}
	}
	return all
}

func keeps(c op) int {
	n, _ := c.Invoke.Value.Int()
	return int(n)
}

// appendByDefinition looks at all pairs and triples of calls. It returns the
// rules that are broken.
func appendByDefinition(h *history.History, durable bool) map[string]bool {
	calls, _ := h.Calls()
	broken := map[string]bool{}
	var ops []op
	for _, c := range calls {
		ops = append(ops, opOf(c))
	}
	of := func(f, key string, ok bool) []op {
		return slices.DeleteFunc(slices.Clone(ops), func(o op) bool { return o.Invoke.F != f || o.Invoke.Key.Text() != key || ok && !o.ok() })
	}
	for _, f := range []grownFile{{key: "f", moved: "F"}, {key: "g", moved: "G"}} {
		all := of("append", f.key, false)
		shown := slices.Concat(of("read", f.key, true), of("read", f.moved, true))
		f.changes = slices.DeleteFunc(slices.Clone(ops), func(o op) bool {
			return o.Invoke.Key.Text() != f.key || o.failed() || !slices.Contains([]string{"remove", "cut", "move"}, o.Invoke.F)
		})
		for _, r := range shown {
			list := r.Complete.Value.Elems()
			for i, v := range list {
				if slices.ContainsFunc(list[:i], v.Equal) {
					broken[DuplicateRecord] = true
				}
				w := slices.IndexFunc(all, func(a op) bool { return a.Invoke.Value.Equal(v) })
				if w < 0 || all[w].failed() {
					broken[PhantomRecord] = true
				} else if r.res < all[w].inv {
					broken[PrematureRecord] = true
				}
			}
		}
		for era := range len(f.changes) + 1 {
			f.judge(era, all, of("sync", f.key, true), shown, durable, broken)
		}
		for _, c := range f.changes {
			f.revived(c, all, of("read", f.key, true), broken)
		}
	}
	return broken
}

// judge looks for rules that are broken in an era.
func (f grownFile) judge(era int, all, syncs, shown []op, durable bool, broken map[string]bool) {
	limits := map[int]int{}
	in := func(ops []op) []op {
		return slices.DeleteFunc(slices.Clone(ops), func(o op) bool {
			of := f.eras(o)
			i := slices.IndexFunc(of, func(e ofEra) bool { return e.era == era })
			if i >= 0 {
				limits[o.inv] = of[i].limit
			}
			return i < 0
		})
	}
	syncs, reads := in(syncs), in(shown)
	records := func(r op) []history.Value {
		list := r.Complete.Value.Elems()
		return list[:min(len(list), limits[r.inv])]
	}
	appends := slices.DeleteFunc(slices.Clone(all), func(a op) bool {
		removed := func(c op) bool { return c.Invoke.F == "remove" && c.inv < a.inv }
		return !a.ok() || f.era(a) != era || slices.ContainsFunc(f.changes, removed)
	})
	for _, s := range syncs {
		n, told := s.Complete.Value.Int()
		for _, early := range syncs {
			if m, ok := early.Complete.Value.Int(); ok && told && early.res < s.inv && n < m {
				broken[LostLength] = true
			}
		}
		for _, a := range appends {
			known := durable && a.res < s.inv || slices.ContainsFunc(syncs, func(by op) bool { return a.res < by.inv && by.res < s.inv })
			if told && known && slices.ContainsFunc(reads, func(r op) bool { return int64(slices.IndexFunc(records(r), a.Invoke.Value.Equal)) >= n }) {
				broken[ShortSync] = true
			}
		}
	}
	synced := map[int]int{} // by append, when the first sync after it ended
	for _, a := range appends {
		synced[a.inv] = never
		for _, s := range syncs {
			if a.res < s.inv {
				synced[a.inv] = min(synced[a.inv], s.res)
			}
		}
	}
	for _, r := range reads {
		list := records(r)
		at := func(a op) int { return slices.IndexFunc(list, a.Invoke.Value.Equal) }
		whole := len(list) < limits[r.inv] || limits[r.inv] == never
		for _, s := range reads {
			other := records(s)
			n := min(len(list), len(other))
			if !slices.EqualFunc(list[:n], other[:n], history.Value.Equal) {
				broken[Diverged] = true
			}
		}
		for _, s := range syncs {
			if n, ok := s.Complete.Value.Int(); ok && s.res < r.inv && int64(len(list)) < min(n, int64(limits[r.inv])) {
				broken[LostLength] = true
			}
		}
		for _, a := range appends {
			if (durable && a.res < r.inv || synced[a.inv] < r.inv) && at(a) < 0 && whole {
				broken[LostRecord] = true
			}
			for _, b := range all {
				switch {
				case a.res > b.inv || at(b) < 0:
				case at(a) < 0:
					broken[Gap] = true
				case at(a) > at(b):
					broken[Reordered] = true
				}
			}
		}
	}
}

// revived looks for records that are read after a change took them away.
func (f grownFile) revived(c op, all, reads []op, broken map[string]bool) {
	keep := keeps(c)
	before := f.era(op{inv: c.inv, res: c.inv})
	if !c.ok() || !f.alone(c) || before < 0 {
		return
	}
	for _, r := range reads {
		for _, v := range r.Complete.Value.Elems() {
			appended := slices.ContainsFunc(all, func(a op) bool {
				return a.ok() && keep == 0 && f.era(a) == before && a.res < c.inv && a.Invoke.Value.Equal(v)
			})
			read := slices.ContainsFunc(reads, func(s op) bool {
				return f.era(s) == before && s.res < c.inv && slices.IndexFunc(s.Complete.Value.Elems(), v.Equal) >= keep
			})
			if c.res < r.inv && (appended || read) {
				broken[RevivedRecord] = true
			}
		}
	}
}

// TestAppendAgainstDefinition compares the rules that are broken. Where reads are
// not beginnings of the longest, which is said, others of their faults may go
// unsaid, and so may a gap in one that the longest fills in another order.
func TestAppendAgainstDefinition(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 2))
	sums := map[string]int{}
	for i := range rulestest.Rounds() {
		h := newSim(rng, []int{0, 30, 8}[i%3]).streams(4 + rng.IntN(18))
		if len(h.Ops) == 0 {
			continue
		}
		opts := AppendOptions{Durable: i%2 == 0}
		r := verdicts(t, h, NewAppend(opts), AppendAnomalies(), i%500 == 0)
		report, err := CheckAppend(t.Context(), h, opts)
		if err != nil {
			t.Fatal(err)
		}
		want := appendByDefinition(h, opts.Durable)
		hidden := report.Broken[Diverged]+report.Broken[DuplicateRecord]+report.Broken[PhantomRecord] > 0
		rulestest.Same(t, h, report.Broken, want, AppendAnomalies(), sums, func(rule string) bool { return !hidden && (rule != Gap || report.Broken[Reordered] == 0) })
		if r.Verdict == checkers.OK && len(want) > 0 || i%3 == 0 && r.Verdict == checkers.Invalid {
			t.Fatalf("%v %+v, want %v\n%s", r.Verdict, r.Anomalies, want, rulestest.Show(h))
		}
	}
	rulestest.Enough(t, sums, AppendAnomalies())
}

func TestAppendHostile(t *testing.T) {
	t.Parallel()
	for _, opts := range []AppendOptions{{}, {Durable: true}} {
		hostile.Feed(t, NewAppend(opts), []string{"append", "read", "cut", "move"}, []history.Value{history.Int(1), history.Ints(1), history.Ints(2, 1), history.String("f"), history.Nil})
		hostile.Feed(t, NewAppend(opts), []string{"append", "read", "read", "sync"}, []history.Value{history.Int(1), history.Ints(1), history.Ints(2, 1), history.Ints(1, 2), history.Nil})
	}
}

func FuzzFiles(f *testing.F) {
	rulestest.Fuzz(f, func(t *testing.T, rng *rand.Rand) {
		noise := 1 + rng.IntN(30)
		for _, h := range []*history.History{newSim(rng, noise).contents(20), newSim(rng, noise).namespace(20), newSim(rng, noise).streams(20)} {
			for _, c := range []checkers.Checker{New(Options{}), NewAppend(AppendOptions{Durable: rng.IntN(2) == 0})} {
				rulestest.Confirm(t, h, c.Check(t.Context(), h))
			}
		}
	})
}
