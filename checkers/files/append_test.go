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
	for _, key := range []string{"f", "g"} {
		all, appends, syncs, reads := of("append", key, false), of("append", key, true), of("sync", key, true), of("read", key, true)
		shown, gone := reads, never
		for _, d := range of("remove", key, false) {
			gone = min(gone, d.inv)
		}
		late := func(o op) bool { return o.res > gone }
		syncs, reads = slices.DeleteFunc(syncs, late), slices.DeleteFunc(slices.Clone(reads), late)
		for _, s := range syncs {
			n, told := s.Complete.Value.Int()
			for _, early := range syncs {
				if m, ok := early.Complete.Value.Int(); ok && told && early.res < s.inv && n < m {
					broken[LostLength] = true
				}
			}
			for _, a := range appends {
				known := durable && a.res < s.inv || slices.ContainsFunc(syncs, func(by op) bool { return a.res < by.inv && by.res < s.inv })
				if told && known && slices.ContainsFunc(reads, func(r op) bool {
					return int64(slices.IndexFunc(r.Complete.Value.Elems(), a.Invoke.Value.Equal)) >= n
				}) {
					broken[ShortSync] = true
				}
			}
		}
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
		for _, r := range reads {
			list := r.Complete.Value.Elems()
			at := func(a op) int { return slices.IndexFunc(list, a.Invoke.Value.Equal) }
			for _, s := range reads {
				other := s.Complete.Value.Elems()
				n := min(len(list), len(other))
				if !slices.EqualFunc(list[:n], other[:n], history.Value.Equal) {
					broken[Diverged] = true
				}
			}
			for _, s := range syncs {
				if n, ok := s.Complete.Value.Int(); ok && s.res < r.inv && int64(len(list)) < n {
					broken[LostLength] = true
				}
			}
			for _, a := range appends {
				if durable && a.res < r.inv && at(a) < 0 {
					broken[LostRecord] = true
				}
				for _, s := range syncs {
					if a.res < s.inv && s.res < r.inv && at(a) < 0 {
						broken[LostRecord] = true
					}
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
	return broken
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
