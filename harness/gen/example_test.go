package gen_test

import (
	"fmt"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// A workload under faults, then healing, then a last read through each node.
func Example() {
	src := choice.New(42)
	load := gen.Func(src, "load", func(t gen.Turn) history.Op {
		if t.Chance(1, 2) {
			return history.Op{F: "read"}
		}
		return history.Op{F: "write", Value: history.Int(t.N)}
	})
	faults := gen.Cycle(0, gen.Sequence(
		gen.Sleep(10*time.Millisecond), gen.Ops(history.Op{F: "cut"}),
		gen.Sleep(20*time.Millisecond), gen.Ops(history.Op{F: "heal"}),
	))
	whole := gen.Phases(
		gen.TimeLimit(50*time.Millisecond, gen.ClientsAndNemesis(gen.Rate(src, "rate", 100, load), faults)),
		gen.OnNemesis(gen.Ops(history.Op{F: "heal"})),
		gen.Final(gen.OnClients(gen.EachNode(gen.Ops(history.Op{F: "read"})))),
	)

	ops, err := gen.Simulate(whole, gen.Sim{Clients: 2, Nodes: 2, Nemesis: true})
	for _, op := range ops {
		if op.Type == history.Invoke || op.Process == history.Nemesis {
			fmt.Println(time.Duration(op.Time).Round(time.Millisecond), op.Process, op.Node, op.F, op.Value, op.Final)
		}
	}
	fmt.Println(err)
	// Output:
	// 3ms 0 n1 read - false
	// 10ms nemesis  cut - false
	// 11ms nemesis  cut - false
	// 16ms 1 n2 read - false
	// 29ms 1 n2 write 2 false
	// 31ms nemesis  heal - false
	// 31ms 0 n1 write 3 false
	// 32ms nemesis  heal - false
	// 42ms nemesis  cut - false
	// 42ms 1 n2 write 4 false
	// 43ms nemesis  cut - false
	// 50ms nemesis  heal - false
	// 51ms nemesis  heal - false
	// 51ms 0 n1 read - true
	// 51ms 1 n2 read - true
	// <nil>
}
