package workloads

import (
	"slices"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func logParams(t *testing.T, given map[string]string) Params {
	t.Helper()
	w := Log()
	o, err := w.Fill(given)
	if err != nil {
		t.Fatal(err)
	}
	return Params{Options: o, Fs: w.Fs, Choices: choice.New(1)}
}

// Every client keeps to its role, members join before they do anything else, and no
// message is sent twice.
func TestLogOperations(t *testing.T) {
	t.Parallel()
	ops, err := gen.Simulate(gen.Limit(3000, newMessages(logParams(t, nil))), gen.Sim{Clients: 6, Nodes: 3, MaxOps: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	kinds, sent, joined := map[string]int{}, map[int64]bool{}, map[history.Process]bool{}
	spread := map[int]int{} // sends, by how many partitions they go to
	for _, op := range ops {
		if op.Type != history.Invoke {
			continue
		}
		kinds[op.F]++
		role := int(op.Process) % len(roles)
		if !slices.ContainsFunc(roles[role], func(w choice.Weighted) bool { return w.Name == op.F }) {
			t.Fatalf("process %v does %s", op.Process, op.F)
		}
		if joined[op.Process] = joined[op.Process] || op.F == "subscribe"; role == groupRole && !joined[op.Process] {
			t.Fatalf("process %v does %s before it is in the group", op.Process, op.F)
		}
		to := map[string]bool{}
		for _, m := range op.Value.Elems() {
			if parts := m.Elems(); len(parts) == 3 {
				to[parts[1].Text()] = true
				n, _ := parts[2].Int()
				if sent[n] {
					t.Fatalf("%d is sent twice", n)
				}
				sent[n] = true
			}
		}
		if op.F == "send" {
			spread[len(to)]++
		}
	}
	for n := 1; n <= 3; n++ {
		if spread[n] < 50 {
			t.Errorf("%d sends to %d partitions", spread[n], n)
		}
	}
	for _, f := range Log().Fs {
		if kinds[f] < 20 {
			t.Errorf("%d operations %s of 3000", kinds[f], f)
		}
	}
}

// In the end every client polls until nothing comes back from any partition.
func TestLogIsPolledToItsEnd(t *testing.T) {
	t.Parallel()
	p := logParams(t, map[string]string{"topics": "1", "partitions": "1"})
	end := history.List(history.List(history.String("poll"), history.Map(history.String("t1-0"), history.List())))
	some := history.List(history.List(history.String("poll"), history.Map(history.String("t1-0"), history.List(history.Ints(0, 1)))))
	begun := history.List(history.List(history.String("from"), history.Map(history.String("t1-0"), history.Int(0))), some.Elems()[0])
	var g gen.Gen = &untilEnd{keys: int(p.Options.Int("topics") * p.Options.Int("partitions"))}
	g = g.Update(nil, &history.Op{Type: history.OK, F: "poll", Value: begun})
	g = g.Update(nil, &history.Op{Type: history.OK, F: "poll", Value: some})
	g = g.Update(nil, &history.Op{Type: history.Fail, F: "poll", Value: end})
	if g.(*untilEnd).done {
		t.Fatal("there was something, and then nothing was known")
	}
	if g = g.Update(nil, &history.Op{Type: history.OK, F: "poll", Value: end}); !g.(*untilEnd).done {
		t.Fatal("that is the end")
	}
	ops, err := gen.Simulate(pollAll(p), gen.Sim{Clients: 2, Nodes: 2, MaxTime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if polls := len(ops) / 2; polls != 2*(2+maxPolls) {
		t.Errorf("%d operations of two clients that never see the end", polls)
	}
}
