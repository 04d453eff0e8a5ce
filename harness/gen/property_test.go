package gen_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// script draws a generator as text in the language of TestSchedules.
func script(t *rapid.T, depth int) string {
	word := rapid.SampledFrom([]string{"a", "b", "(ops a b c)", "(sleep 3ms)", "(nothing)"})
	if depth == 0 {
		return word.Draw(t, "leaf")
	}
	sub := func() string { return script(t, depth-1) }
	many := func() string { return sub() + " " + sub() + " " + sub() }
	n := rapid.IntRange(1, 5).Draw(t, "n")
	form := rapid.SampledFrom([]func() string{
		func() string { return word.Draw(t, "word") },
		func() string {
			return list(t, "sequence", "phases", "any", "mix", "flip-flop", "shortest") + many() + ")"
		},
		func() string {
			return list(t, "synchronize", "until-ok", "on-clients", "each-thread", "each-node", "final", "on-odd") + sub() + ")"
		},
		func() string {
			return fmt.Sprintf("%s%dms %s)", list(t, "time-limit", "at", "delay", "stagger"), 4*n, sub())
		},
		func() string {
			return fmt.Sprintf("%s%d %s)", list(t, "limit", "repeat", "cycle", "process-limit", "concurrency-limit"), n, sub())
		},
		func() string { return fmt.Sprintf("(rate %d %s)", 100*n, sub()) },
		func() string { return fmt.Sprintf("(concurrent-keys %d 4 (limit 3 %s))", n, sub()) },
		func() string { return fmt.Sprintf("(key-pool %d 4 (limit 3 %s))", n, sub()) },
		func() string { return fmt.Sprintf("(reserve 1 %s %s)", sub(), sub()) },
		func() string { return fmt.Sprintf("(any (on-clients %s) (nemeses %s))", sub(), many()) },
	})
	return form.Draw(t, "form")()
}

func list(t *rapid.T, names ...string) string {
	return "(" + rapid.SampledFrom(names).Draw(t, "name") + " "
}

func simulation(t *rapid.T) gen.Sim {
	ends := []history.Type{history.OK, history.OK, history.Fail, history.Info}
	steps := rapid.IntRange(1, 9).Draw(t, "latency")
	return gen.Sim{
		Clients: rapid.IntRange(1, 6).Draw(t, "clients"),
		Nodes:   rapid.IntRange(1, 3).Draw(t, "nodes"),
		Nemesis: true,
		MaxOps:  120,
		MaxTime: time.Second,
		Latency: func(op history.Op) (time.Duration, history.Type) {
			i := (int(op.Process) + 1) * 7
			return time.Duration(1+i%steps) * time.Millisecond, ends[i&3]
		},
	}
}

// Whatever the generator, its history is one that the checkers can read.
func TestHistoriesAreSound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text, sim := script(t, 3), simulation(t)
		ops, _ := gen.Simulate(parse(text), sim)
		h := history.History{Ops: ops}
		if _, err := h.Calls(); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var last int64
		retired := map[history.Process]bool{}
		for i, op := range ops {
			if op.Index != i || op.Time < last {
				t.Fatalf("%s: record %d has index %d and time %d after %d", text, i, op.Index, op.Time, last)
			}
			if op.Type == history.Invoke && retired[op.Process] {
				t.Fatalf("%s: process %v is used again after an info", text, op.Process)
			}
			last = op.Time
			retired[op.Process] = op.Type == history.Info && op.Process != history.Nemesis
		}
	})
}

// twice asks and updates a generator twice and compares: a generator that
// remembers having been asked is not pure.
type twice struct {
	t     *rapid.T
	inner gen.Gen
}

func (g *twice) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	g.inner.Next(ctx)
	r, in := g.inner.Next(ctx)
	again, _ := g.inner.Next(ctx)
	if r.Kind != again.Kind || r.Wake != again.Wake || !sameOp(r.Op, again.Op) {
		g.t.Fatalf("two answers to one question: %+v and %+v", r, again)
	}
	return r, &twice{g.t, in}
}

func (g *twice) Update(ctx *gen.Context, ev *history.Op) gen.Gen {
	g.inner.Update(ctx, ev)
	return &twice{g.t, g.inner.Update(ctx, ev)}
}

// impatient asks again a few times before the generator wants to be asked.
type impatient struct{ inner gen.Gen }

func (g *impatient) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	r, in := g.inner.Next(ctx)
	if r.Kind == gen.Pending && r.Wake != gen.Never {
		r.Wake = ctx.Time + (r.Wake-ctx.Time+2)/3
	}
	return r, &impatient{in}
}

func (g *impatient) Update(ctx *gen.Context, ev *history.Op) gen.Gen {
	return &impatient{g.inner.Update(ctx, ev)}
}

func sameOp(a, b history.Op) bool {
	return a.Key.Equal(b.Key) && a.Value.Equal(b.Value) && withoutValues(a) == withoutValues(b)
}

func withoutValues(op history.Op) history.Op {
	op.Key, op.Value = history.Value{}, history.Value{}
	return op
}

// endsBetween finds a paced generator around one that ends at a time of its own.
var endsBetween = regexp.MustCompile(`\((rate|delay|stagger) .*\((time-limit|sleep|at) `)

// Asking a generator more often than needed, or forgetting its answer, changes
// nothing: so a schedule does not depend on when the world happened to wake the
// scheduler up.
func TestGeneratorsArePure(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text, sim := script(t, 3), simulation(t)
		if endsBetween.MatchString(text) {
			t.Skip("Rate and its like notice such an end when they are next asked")
		}
		want, err := gen.Simulate(parse(text), sim)
		for _, g := range []gen.Gen{parse(text), &twice{t, parse(text)}, &impatient{parse(text)}} {
			got, gotErr := gen.Simulate(g, sim)
			if !slices.EqualFunc(want, got, sameOp) || fmt.Sprint(err) != fmt.Sprint(gotErr) {
				t.Fatalf("%s, asked by %T:\n%s", text, g, cmp.Diff(lines(want, err), lines(got, gotErr)))
			}
		}
	})
}

func lines(ops []history.Op, err error) []string {
	return append(strings.Split(render(ops, true), "\n"), fmt.Sprint(err))
}

// Every thread, and so every node, gets the same share of the work, whatever
// the number of clients and however the threads are divided (Jepsen's issue
// 611: its first node got twice as much as the others).
func TestThreadsGetEqualShares(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"(delay 10ms r)",
		"(delay 10ms (flip-flop (on-clients r) (on-odd r) (each-thread r)))",
		"(delay 10ms (reserve 3 r r))",
		"(delay 10ms (key-pool 3 100000 (limit 5 r)))",
		"(delay 10ms (concurrent-keys 2 100000 (limit 5 r)))",
		"(rate 3000 r)", // most are busy most of the time
	} {
		for _, clients := range []int{6, 10, 70} {
			ops, err := gen.Simulate(parse("(limit 2100 "+text+")"), gen.Sim{
				Clients: clients, Nodes: 1,
				Latency: func(op history.Op) (time.Duration, history.Type) {
					return time.Millisecond * time.Duration(1+op.Index%3), history.OK
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			count := make([]int, clients)
			for _, op := range ops {
				if op.Type == history.Invoke {
					count[op.Process]++
				}
			}
			if strings.Contains(text, "on-odd") {
				continue // odd threads do more; that it ends is enough
			}
			if lo, hi := slices.Min(count), slices.Max(count); hi > lo+lo/4+2 {
				t.Errorf("%s on %d clients: from %d to %d operations a thread: %v", text, clients, lo, hi, count)
			}
		}
	}
}

// A repeating pattern of operations does not always meet the same threads.
func TestPatternsMeetAllThreads(t *testing.T) {
	t.Parallel()
	ops, err := gen.Simulate(parse("(limit 400 (delay 10ms (flip-flop a b)))"), gen.Sim{Clients: 10, Nodes: 2})
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, op := range ops {
		if op.Type == history.Invoke {
			count[op.F+" on "+op.Node]++
		}
	}
	for _, what := range []string{"a on n1", "a on n2", "b on n1", "b on n2"} {
		if count[what] < 60 {
			t.Errorf("%s: %d of 400; all: %v", what, count[what], count)
		}
	}
}

// What was due and never started is counted, across phases.
func TestMissedOperationsAreCounted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		// One client, 35 ms an operation: of 100 that are due in a second 29 are started.
		"(time-limit 1s (rate 100 r))":                                           71,
		"(sequence (time-limit 1s (rate 100 r)) (sleep 1s) (once a))":            71,
		"(any (on-clients (time-limit 1s (rate 100 r))) (on-nemesis (ops a)))":   71,
		"(phases (time-limit 1s (delay 10ms r)) (time-limit 1s (delay 10ms r)))": 142,
		"(time-limit 1s (rate 20 r))":                                            0,
		"(time-limit 1s r)":                                                      0,
	} {
		end := &lastResult{inner: parse(text)}
		ops, err := gen.Simulate(end, gen.Sim{Clients: 1, Nodes: 1, Nemesis: true, Latency: func(history.Op) (time.Duration, history.Type) {
			return 35 * time.Millisecond, history.OK
		}})
		if err != nil {
			t.Fatal(err)
		}
		if *end.queue != want {
			t.Errorf("%s: %d records, missed %d, want %d", text, len(ops), *end.queue, want)
		}
	}
}

// lastResult notes the backlog that a generator ends with.
type lastResult struct {
	inner gen.Gen
	queue *int
}

func (g *lastResult) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	r, in := g.inner.Next(ctx)
	if r.Kind == gen.Done {
		g.queue = &r.Queue
	}
	g.inner = in
	return r, g
}

func (g *lastResult) Update(ctx *gen.Context, ev *history.Op) gen.Gen {
	g.inner = g.inner.Update(ctx, ev)
	return g
}
