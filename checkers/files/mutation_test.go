package files

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules/rulestest"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// log is a history of calls one after the other, which mutations change.
type log struct{ rulestest.Steps }

func (l *log) call(f, key string, in, out history.Value) int {
	op := history.Op{Process: history.Process(len(l.H.Ops) % 4), F: f, Value: in}
	if key != "" {
		op.Key = history.String(key)
	}
	return l.Call(op, out)
}

func (l *log) fail(call int) { l.End(call, history.Fail) }

func str(s string) history.Value { return history.String(s) }

func dir(kvs ...any) history.Value {
	var list []history.Value
	for i := 0; i < len(kvs); i += 2 {
		list = append(list, str(kvs[i].(string)), history.Int(int64(kvs[i+1].(int))))
	}
	return history.Map(list...)
}

// mutate breaks a rule in a history that is right. The base has calls before and
// after those that matter, chosen at random.
type mutation struct {
	rule string
	base func(l *log, rng *rand.Rand) []int // returns the calls that matter
	hurt func(l *log, calls []int)
}

func twoWrites(l *log, rng *rand.Rand) []int {
	return []int{l.call("read", "f", history.Nil, history.Nil), l.call("write", "f", history.Int(1), history.Int(1)), l.call("write", "f", history.Int(2), history.Int(2)),
		l.call("read", "f", history.Nil, history.Int(2)), l.call("read", "f", history.Nil, history.Int(2))}
}

// names has a file that is created, renamed and deleted, and another one.
func names(l *log, rng *rand.Rand) []int {
	return []int{
		l.call("create", "", str("x"), str("x")), l.call("list", "", history.Nil, dir("x", 1)),
		l.call("rename", "", history.List(str("x"), str("y")), history.Nil), l.call("list", "", history.Nil, dir("y", 1)),
		l.call("create", "", str("z"), str("z")), l.call("list", "", history.Nil, dir("y", 1, "z", 2)),
		l.call("delete", "", str("y"), history.Nil), l.call("list", "", history.Nil, dir("z", 2)),
	}
}

func growing(l *log, rng *rand.Rand) []int {
	return []int{
		l.call("append", "f", history.Int(1), history.Nil), l.call("append", "f", history.Int(2), history.Nil), l.call("sync", "f", history.Nil, history.Int(2)),
		l.call("append", "f", history.Int(3), history.Nil), l.call("read", "f", history.Nil, history.Ints(1, 2, 3)), l.call("read", "f", history.Nil, history.Ints(1, 2, 3)),
	}
}

// changing has a file that is cut and moved, and another of its name.
func changing(l *log, rng *rand.Rand) []int {
	return []int{
		l.call("append", "f", history.Int(1), history.Nil), l.call("append", "f", history.Int(2), history.Nil), l.call("append", "f", history.Int(3), history.Nil),
		l.call("read", "f", history.Nil, history.Ints(1, 2, 3)), l.call("sync", "f", history.Nil, history.Nil),
		l.call("cut", "f", history.Int(2), history.Nil), l.call("append", "f", history.Int(4), history.Nil), l.call("sync", "f", history.Nil, history.Int(3)),
		l.call("read", "f", history.Nil, history.Ints(1, 2, 4)), l.call("move", "f", str("F"), history.Nil), l.call("append", "f", history.Int(5), history.Nil),
		l.call("read", "f", history.Nil, history.Ints(5)), l.call("read", "F", history.Nil, history.Ints(1, 2, 4)),
	}
}

var mutations = []mutation{
	{StaleRead, twoWrites, func(l *log, c []int) { l.Out(c[4], history.Int(1)) }},
	{EmptyRead, twoWrites, func(l *log, c []int) { l.Out(c[3], history.Nil) }},
	{DirtyRead, twoWrites, func(l *log, c []int) { l.fail(c[2]) }},
	{ThinAirRead, twoWrites, func(l *log, c []int) { l.Out(c[4], history.Int(77)) }},
	{FutureRead, twoWrites, func(l *log, c []int) { l.Out(c[0], history.Int(2)) }},
	{LostFile, names, func(l *log, c []int) { l.Out(c[7], dir()) }},
	{RenameNeither, names, func(l *log, c []int) { l.Out(c[3], dir()) }},
	{RenameBoth, names, func(l *log, c []int) { l.Out(c[3], dir("x", 1, "y", 1)) }},
	{StaleName, names, func(l *log, c []int) { l.Out(c[5], dir("x", 1, "z", 2)) }},
	{Resurrected, names, func(l *log, c []int) { l.Out(c[7], dir("y", 1, "z", 2)) }},
	{Reappeared, names, func(l *log, c []int) {
		l.H.Ops[c[6]].F, l.H.Ops[c[6]+1].F = "noop", "noop"
		l.H.Ops[c[2]].F, l.H.Ops[c[2]+1].F = "delete", "delete"
		l.H.Ops[c[2]].Value, l.H.Ops[c[2]+1].Type = str("x"), history.Info
		l.Out(c[3], dir())
		l.Out(c[5], dir("x", 1, "z", 2))
		l.Out(c[7], dir("x", 1, "z", 2))
	}},
	{ListFork, names, func(l *log, c []int) {
		l.Forget(c[2])
		l.Forget(c[6])
		l.fail(c[0])
		l.H.Ops[c[0]+1].Type = history.Info
		l.fail(c[4])
		l.H.Ops[c[4]+1].Type = history.Info
		l.Out(c[3], dir())
		l.Forget(c[1])
		l.Forget(c[3])
		// Two lists at the same time.
		last := l.H.Ops[c[7]+1]
		a, b := l.H.Ops[c[5]], l.H.Ops[c[7]]
		l.Out(c[5], dir("x", 1))
		done := l.H.Ops[c[5]+1]
		done.Process, b.Process, last.Process = 7, 8, 8
		a.Process = 7
		last.Value = dir("z", 2)
		for i, op := range []history.Op{a, b, done, last} {
			at := []int{c[5], c[5] + 1, c[7], c[7] + 1}[i]
			op.Index, op.Time = l.H.Ops[at].Index, l.H.Ops[at].Time
			defer func() { l.H.Ops[at] = op }()
		}
		l.Forget(c[6])
	}},
	{PhantomName, names, func(l *log, c []int) { l.fail(c[0]) }},
	{PrematureName, names, func(l *log, c []int) {
		l.Forget(c[0])
		l.call("create", "", str("x"), str("x"))
	}},
	{DoubleRemove, names, func(l *log, c []int) { l.call("delete", "", str("y"), history.Nil) }},
	{Overwritten, names, func(l *log, c []int) { l.call("create", "", str("z"), str("z")) }},
	{PhantomName, names, func(l *log, c []int) { l.Out(c[7], dir("q", 7, "z", 2)) }},
	{PhantomName, names, func(l *log, c []int) { l.fail(c[4]) }},
	{PhantomName, names, func(l *log, c []int) { l.Forget(c[0]) }},
	{PrematureName, names, func(l *log, c []int) { l.Out(c[3], dir("y", 1, "z", 2)) }},
	{InodeChanged, names, func(l *log, c []int) { l.Out(c[5], dir("y", 9, "z", 2)) }},
	{SharedInode, names, func(l *log, c []int) { l.Out(c[5], dir("y", 1, "z", 1)) }},
}

var appendMutations = []mutation{
	{LostRecord, growing, func(l *log, c []int) { l.Out(c[4], history.Ints(1)) }},
	{LostLength, growing, func(l *log, c []int) { l.Out(c[2], history.Int(4)) }},
	{LostLength, growing, func(l *log, c []int) { l.call("sync", "f", history.Nil, history.Int(1)) }},
	{ShortSync, growing, func(l *log, c []int) {
		l.Out(c[2], history.Nil)
		l.call("sync", "f", history.Nil, history.Int(1))
	}},
	{Diverged, growing, func(l *log, c []int) { l.Out(c[4], history.Ints(2, 1)) }},
	{Gap, growing, func(l *log, c []int) { l.Out(c[4], history.Ints(1, 3)); l.Out(c[5], history.Ints(1, 3)) }},
	{Reordered, growing, func(l *log, c []int) { l.Out(c[4], history.Ints(2, 1, 3)); l.Out(c[5], history.Ints(2, 1, 3)) }},
	{DuplicateRecord, growing, func(l *log, c []int) { l.Out(c[5], history.Ints(1, 2, 3, 3)) }},
	{PhantomRecord, growing, func(l *log, c []int) { l.Out(c[5], history.Ints(1, 2, 3, 9)) }},
	{PhantomRecord, growing, func(l *log, c []int) { l.fail(c[3]) }},
	{PrematureRecord, growing, func(l *log, c []int) {
		l.Forget(c[3])
		l.call("append", "f", history.Int(3), history.Nil)
	}},
	{RevivedRecord, changing, func(l *log, c []int) { l.Out(c[8], history.Ints(1, 2, 3)) }},
	{RevivedRecord, changing, func(l *log, c []int) { l.Out(c[11], history.Ints(4, 5)) }},
	{LostRecord, changing, func(l *log, c []int) { l.Out(c[8], history.Ints(1)) }},
	{LostRecord, changing, func(l *log, c []int) { l.Out(c[12], history.Ints(1, 2)) }},
	{LostLength, changing, func(l *log, c []int) { l.Out(c[12], history.Ints(1, 2)) }},
	{Diverged, changing, func(l *log, c []int) { l.Out(c[8], history.Ints(2, 1, 4)) }},
	{Diverged, changing, func(l *log, c []int) { l.Out(c[12], history.Ints(1, 4, 2)) }},
	{Gap, changing, func(l *log, c []int) {
		l.call("append", "f", history.Int(6), history.Nil)
		l.call("read", "f", history.Nil, history.Ints(6))
		l.Forget(c[11])
	}},
}

// around puts other files before and after what a mutation is about.
func (m mutation) around(rng *rand.Rand, filler func(l *log, n int)) (*log, []int) {
	l := &log{}
	for i := range rng.IntN(4) {
		filler(l, i)
	}
	calls := m.base(l, rng)
	for i := range rng.IntN(4) {
		filler(l, 10+i)
	}
	return l, calls
}

func TestMutations(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(6, 6))
	content := func(l *log, n int) {
		l.call("write", "g", history.Int(int64(n)), history.Int(int64(n)))
		l.call("read", "g", history.Nil, history.Int(int64(n)))
	}
	grow := func(l *log, n int) { l.call("append", "g", history.Int(int64(n)), history.Nil) }
	for _, m := range mutations {
		mutate(t, rng, m, New(Options{}), content, Anomalies())
	}
	for _, m := range appendMutations {
		mutate(t, rng, m, NewAppend(AppendOptions{}), grow, AppendAnomalies())
	}
	for _, rule := range append(Anomalies(), AppendAnomalies()...) {
		if !slices.ContainsFunc(append(slices.Clone(mutations), appendMutations...), func(m mutation) bool { return m.rule == rule }) {
			t.Errorf("no mutation for %s", rule)
		}
	}
}

func mutate(t *testing.T, rng *rand.Rand, m mutation, c checkers.Checker, filler func(l *log, n int), names []string) {
	t.Helper()
	for range 30 {
		l, calls := m.around(rng, filler)
		r := rulestest.Broken(t, c, &l.H, m.rule, names, func() { m.hurt(l, calls) })
		core(t, c, &l.H, r)
	}
}

// core sees that the operations of each anomaly are the fewest: without any of
// them, it is not there. Other operations may be needed to know what is what.
func core(t *testing.T, c checkers.Checker, h *history.History, r checkers.Result) {
	t.Helper()
	for _, a := range r.Anomalies {
		for _, index := range a.Ops {
			less := &rulestest.Steps{H: history.History{Ops: slices.Clone(h.Ops)}}
			less.Forget(index)
			again := c.Check(t.Context(), &less.H)
			if slices.ContainsFunc(again.Anomalies, func(b checkers.Anomaly) bool { return a.Name == b.Name && slices.Equal(a.Ops, b.Ops) }) {
				t.Fatalf("%+v is still there without %d\n%s", a, index, rulestest.Show(h))
			}
		}
	}
}
