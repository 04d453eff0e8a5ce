package gen_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// TestSchedules runs the scripts of testdata: each shows a generator, written
// as nested lists, and the schedule that it gives.
//
//	simulate clients=2 nodes=2 latency=10ms [nemesis] [all] [max=N]
//	         [slow=(f,25ms)] [info=(f…)] [fail=(f…)] [failing=N]
//	(limit 3 r)
//
// A bare word is an endless generator of operations of that name, which carry
// their number. The output has one line for each invocation, or, with all, for
// each record. Failing=N makes the first N operations fail.
func TestSchedules(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			sim, show := simOf(t, d)
			ops, err := gen.Simulate(parse(d.Input), sim)
			out := render(ops, show)
			if err != nil {
				out += err.Error() + "\n"
			}
			if out == "" {
				out = "nothing\n"
			}
			return out
		})
	})
}

func simOf(t *testing.T, d *datadriven.TestData) (sim gen.Sim, all bool) {
	t.Helper()
	latency, slow := time.Millisecond, map[string]time.Duration{}
	ends := map[string]history.Type{}
	sim, failing := gen.Sim{Clients: 1, Nodes: 1}, 0
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "clients":
			arg.Scan(t, 0, &sim.Clients)
		case "nodes":
			arg.Scan(t, 0, &sim.Nodes)
		case "max":
			arg.Scan(t, 0, &sim.MaxOps)
		case "failing":
			arg.Scan(t, 0, &failing)
		case "nemesis":
			sim.Nemesis = true
		case "all":
			all = true
		case "latency":
			latency = duration(arg.Vals[0])
		case "slow":
			slow[arg.Vals[0]] = duration(arg.Vals[1])
		case "info", "fail":
			end, _ := history.ParseType(arg.Key)
			for _, f := range arg.Vals {
				ends[f] = end
			}
		default:
			t.Fatalf("unknown argument %s", arg.Key)
		}
	}
	sim.Latency = func(op history.Op) (time.Duration, history.Type) {
		wait, end := latency, history.OK
		if d, ok := slow[op.F]; ok {
			wait = d
		}
		if e, ok := ends[op.F]; ok {
			end = e
		}
		if failing > 0 {
			failing--
			end = history.Fail
		}
		return wait, end
	}
	return sim, all
}

func render(ops []history.Op, all bool) string {
	var b strings.Builder
	for _, op := range ops {
		if !all && op.Type != history.Invoke {
			continue
		}
		fmt.Fprintf(&b, "%9v  ", time.Duration(op.Time))
		if op.Process == history.Nemesis {
			fmt.Fprintf(&b, "%-6s", "nem")
		} else {
			fmt.Fprintf(&b, "p%-2v %s", op.Process, op.Node)
		}
		if all {
			fmt.Fprintf(&b, "  %-6v", op.Type)
		}
		fmt.Fprintf(&b, "  %s", op.F)
		if !op.Key.IsAbsent() {
			fmt.Fprintf(&b, " k%v", op.Key)
		}
		if !op.Value.IsAbsent() {
			fmt.Fprintf(&b, " %v", op.Value)
		}
		if op.Final {
			b.WriteString(" final")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// node is a word or a list of a script.
type node struct {
	word string
	list []node
}

func parse(text string) gen.Gen {
	tokens := strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text))
	n, rest := read(tokens)
	if len(rest) > 0 {
		panic("more than one generator: " + strings.Join(rest, " "))
	}
	return build(n)
}

func read(tokens []string) (node, []string) {
	if tokens[0] != "(" {
		return node{word: tokens[0]}, tokens[1:]
	}
	var n node
	for tokens = tokens[1:]; tokens[0] != ")"; {
		var child node
		child, tokens = read(tokens)
		n.list = append(n.list, child)
	}
	return n, tokens[1:]
}

var src = choice.New(1)

// endless is a generator of operations that carry their number.
func endless(f string) gen.Gen {
	return gen.Func(src, f, func(t gen.Turn) history.Op {
		return history.Op{F: f, Value: history.Int(t.N)}
	})
}

func build(n node) gen.Gen {
	if n.list == nil {
		return endless(n.word)
	}
	args := n.list[1:]
	switch name := n.list[0].word; name {
	case "nothing":
		return gen.Nothing()
	case "nil":
		return nil
	case "ops":
		return gen.Ops(opsOf(args)...)
	case "sequential-keys":
		return gen.SequentialKeys(keys(args[0].int(), args[1]))
	case "concurrent-keys":
		return gen.ConcurrentKeys(args[0].int(), keys(args[1].int(), args[2]))
	case "key-pool":
		return gen.KeyPool(src, "pool", args[0].int(), keys(args[1].int(), args[2]))
	case "weighted":
		return gen.Weighted(src, "weighted", weights(args)...)
	case "reserve":
		return reserve(args)
	case "rounds":
		return gen.Rounds(args[0].int(), func(round int64) gen.Gen {
			return gen.Ops(history.Op{F: args[1].word, Value: history.Int(round)})
		})
	case "keep-even":
		return gen.Filter(func(op history.Op) bool { n, _ := op.Value.Int(); return n%2 == 0 }, build(args[0]))
	case "stop-on-fail":
		return gen.OnUpdate(stopOnFail, build(args[0]))
	default:
		if f, ok := lists[name]; ok {
			return f(buildAll(args)...)
		}
		if f, ok := wrappers[name]; ok {
			return f(build(args[0]))
		}
		if f, ok := timed[name]; ok {
			return f(duration(args[0].word), buildAll(args[1:])...)
		}
		if f, ok := counted[name]; ok {
			return f(args[0].int(), build(args[1]))
		}
		panic("unknown generator " + name)
	}
}

var lists = map[string]func(...gen.Gen) gen.Gen{
	"sequence":  gen.Sequence,
	"phases":    gen.Phases,
	"any":       gen.Any,
	"shortest":  gen.Shortest,
	"flip-flop": gen.FlipFlop,
	"nemeses":   gen.Nemeses,
	"mix":       func(g ...gen.Gen) gen.Gen { return gen.Mix(src, "mix", g...) },
	"then":      func(g ...gen.Gen) gen.Gen { return gen.Then(g[0], g[1]) },
	"clients-and-nemesis": func(g ...gen.Gen) gen.Gen {
		return gen.ClientsAndNemesis(g[0], g[1])
	},
}

var wrappers = map[string]func(gen.Gen) gen.Gen{
	"once":        gen.Once,
	"synchronize": gen.Synchronize,
	"until-ok":    gen.UntilOk,
	"on-clients":  gen.OnClients,
	"on-nemesis":  gen.OnNemesis,
	"each-thread": gen.EachThread,
	"each-node":   gen.EachNode,
	"final":       gen.Final,
	"on-low":      func(g gen.Gen) gen.Gen { return gen.OnThreads(func(t int) bool { return t < 3 }, g) },
	"on-high":     func(g gen.Gen) gen.Gen { return gen.OnThreads(func(t int) bool { return t >= 3 }, g) },
	"on-odd":      func(g gen.Gen) gen.Gen { return gen.OnThreads(func(t int) bool { return t%2 == 1 }, g) },
}

var timed = map[string]func(time.Duration, ...gen.Gen) gen.Gen{
	"sleep":      func(d time.Duration, _ ...gen.Gen) gen.Gen { return gen.Sleep(d) },
	"at":         func(d time.Duration, g ...gen.Gen) gen.Gen { return gen.At(int64(d), g[0]) },
	"delay":      func(d time.Duration, g ...gen.Gen) gen.Gen { return gen.Delay(d, g[0]) },
	"stagger":    func(d time.Duration, g ...gen.Gen) gen.Gen { return gen.Stagger(src, "stagger", d, g[0]) },
	"time-limit": func(d time.Duration, g ...gen.Gen) gen.Gen { return gen.TimeLimit(d, g[0]) },
}

var counted = map[string]func(int, gen.Gen) gen.Gen{
	"limit":             gen.Limit,
	"repeat":            gen.Repeat,
	"cycle":             gen.Cycle,
	"process-limit":     gen.ProcessLimit,
	"concurrency-limit": gen.ConcurrencyLimit,
	"rate":              func(n int, g gen.Gen) gen.Gen { return gen.Rate(src, "rate", int64(n), g) },
	"with-key":          func(k int, g gen.Gen) gen.Gen { return gen.WithKey(history.Int(int64(k)), g) },
}

func buildAll(nodes []node) []gen.Gen {
	gens := make([]gen.Gen, len(nodes))
	for i, n := range nodes {
		gens[i] = build(n)
	}
	return gens
}

func opsOf(nodes []node) []history.Op {
	ops := make([]history.Op, len(nodes))
	for i, n := range nodes {
		ops[i] = history.Op{F: n.word}
	}
	return ops
}

func keys(n int, g node) gen.Keys {
	return func(k int64) (history.Value, gen.Gen, bool) {
		return history.Int(k), build(g), k < int64(n)
	}
}

func weights(nodes []node) []gen.Weight {
	var ws []gen.Weight
	for ; len(nodes) > 0; nodes = nodes[2:] {
		ws = append(ws, gen.Weight{Of: nodes[0].int(), Gen: build(nodes[1])})
	}
	return ws
}

func reserve(nodes []node) gen.Gen {
	var shares []gen.Share
	for ; len(nodes) > 1; nodes = nodes[2:] {
		shares = append(shares, gen.Share{Threads: nodes[0].int(), Gen: build(nodes[1])})
	}
	return gen.Reserve(build(nodes[0]), shares...)
}

func stopOnFail(g gen.Gen, ctx *gen.Context, ev *history.Op) gen.Gen {
	if ev.Type == history.Fail {
		return gen.Nothing()
	}
	return g.Update(ctx, ev)
}

func (n node) int() int {
	i, err := strconv.Atoi(n.word)
	if err != nil {
		panic(err)
	}
	return i
}

func duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return d
}
