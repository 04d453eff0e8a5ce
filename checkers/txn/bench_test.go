package txn

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// mix says what random histories are made of.
type mix struct {
	workload Workload
	txns     int
	clients  int
	steps    int     // most steps of a transaction
	keys     int     // in use at a time
	writes   int     // to a key before it is given up for a new one
	info     float64 // share of transactions whose outcome nobody knows
	fail     float64
}

// made is what the database of a random history holds.
type made struct {
	mix
	rng   *rand.Rand
	state map[int64][]history.Value // what was written to a key, in order
	count map[int64]int64
	pool  []int64
	next  int64
	ops   []history.Op
}

// random returns a history of a database that is strictly serializable: each
// transaction takes effect at one moment between its two records.
func random(rng *rand.Rand, m mix) *history.History {
	g := &made{mix: m, rng: rng, state: make(map[int64][]history.Value), count: make(map[int64]int64)}
	for range m.keys {
		g.pool = append(g.pool, g.next)
		g.next++
	}
	g.ops = make([]history.Op, 0, 2*m.txns)
	type open struct {
		process history.Process
		steps   []history.Value
		at      int // where it was invoked
	}
	var busy []open
	free := make([]history.Process, 0, m.clients)
	for i := range m.clients {
		free = append(free, history.Process(i))
	}
	top := history.Process(m.clients)
	for begun := 0; begun < m.txns || len(busy) > 0; {
		if begun < m.txns && len(free) > 0 && (len(busy) == 0 || rng.IntN(2) == 0) {
			at := rng.IntN(len(free))
			p := free[at]
			free = append(free[:at], free[at+1:]...)
			steps := g.plan()
			g.record(p, history.Invoke, steps)
			busy = append(busy, open{p, steps, len(g.ops) - 1})
			begun++
			continue
		}
		at := rng.IntN(len(busy))
		o := busy[at]
		busy = append(busy[:at], busy[at+1:]...)
		typ := history.OK
		switch x := rng.Float64(); {
		case x < m.fail:
			typ = history.Fail
		case x < m.fail+m.info:
			typ = history.Info
		}
		result := o.steps
		if typ == history.OK || typ == history.Info && rng.IntN(2) == 0 {
			result = g.apply(o.steps)
		}
		if m.workload == LinkedRegister {
			g.ops[o.at].Value = history.List(result...)
		} else if typ != history.OK {
			result = o.steps
		}
		g.record(o.process, typ, result)
		if typ == history.Info {
			o.process, top = top, top+1
		}
		free = append(free, o.process)
	}
	return &history.History{Ops: g.ops}
}

func (g *made) record(p history.Process, typ history.Type, steps []history.Value) {
	n := len(g.ops)
	g.ops = append(g.ops, history.Op{Index: n, Time: int64(n) * 1e6, Process: p, Type: typ, F: "txn", Value: history.List(steps...)})
}

var names = map[string]history.Value{"r": history.Keyword("r"), "w": history.Keyword("w"), "append": history.Keyword("append")}

// plan makes up a transaction.
func (g *made) plan() []history.Value {
	steps := make([]history.Value, 1+g.rng.IntN(g.steps))
	for i := range steps {
		at := g.rng.IntN(len(g.pool))
		k := g.pool[at]
		if g.rng.IntN(2) == 0 {
			steps[i] = history.List(names["r"], history.Int(k), history.Nil)
			continue
		}
		g.count[k]++
		f := names["w"]
		if g.workload == ListAppend {
			f = names["append"]
		}
		steps[i] = history.List(f, history.Int(k), history.Int(g.count[k]))
		if g.workload == LinkedRegister {
			steps[i] = history.List(f, history.Int(k), linkedValue(g.count[k], history.Nil))
		}
		if g.count[k] == int64(g.writes) {
			g.pool[at] = g.next
			g.next++
		}
	}
	return steps
}

// apply carries a transaction out.
func (g *made) apply(steps []history.Value) []history.Value {
	done := make([]history.Value, len(steps))
	for i, st := range steps {
		k, _ := st.Elems()[1].Int()
		done[i] = st
		if st.Elems()[0].Text() != "r" {
			if now := g.state[k]; g.workload == LinkedRegister && len(now) > 0 {
				v, _ := st.Elems()[2].Get("value").Int()
				done[i] = history.List(names["w"], st.Elems()[1], linkedValue(v, now[len(now)-1].Get("value")))
			}
			g.state[k] = append(g.state[k], done[i].Elems()[2])
			continue
		}
		now := g.state[k]
		value := history.Nil
		switch {
		case g.workload == ListAppend:
			value = history.List(slices.Clone(now)...) // as a reader of files makes it
		case len(now) > 0:
			value = now[len(now)-1]
		}
		done[i] = history.List(names["r"], st.Elems()[1], value)
	}
	return done
}

func BenchmarkListAppend(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			bench(b, mix{workload: ListAppend, txns: n, clients: 20, steps: 4, keys: 10, writes: 32}, Options{})
		})
	}
}

func BenchmarkRWRegister(b *testing.B) {
	bench(b, mix{workload: RWRegister, txns: 100_000, clients: 20, steps: 4, keys: 10, writes: 32},
		Options{Workload: RWRegister, LinearizableKeys: true})
}

func BenchmarkLinkedRegister(b *testing.B) {
	bench(b, mix{workload: LinkedRegister, txns: 1_000_000, clients: 20, steps: 4, keys: 10, writes: 32}, Options{Workload: LinkedRegister})
}

// bench reports, besides the time, the processor time of the whole process, which
// other load on the machine changes less, and the most memory that was in use
// beyond the history.
func bench(b *testing.B, m mix, opts Options) {
	h := random(rand.New(rand.NewPCG(1, 2)), m)
	runtime.GC()
	before, peak := heapInUse(), uint64(0)
	b.ReportAllocs()
	b.ResetTimer()
	start := processorTime()
	for range b.N {
		stop := watch(&peak)
		r := Check(b.Context(), h, opts)
		stop()
		if r.Verdict != checkers.OK {
			b.Fatalf("%v %s %v %v", r.Verdict, r.Reason, r.Count, r.Anomalies[0])
		}
	}
	b.ReportMetric((processorTime()-start)/float64(b.N), "cpu-s/op")
	b.ReportMetric(float64(before)/1e6, "MB-history")
	b.ReportMetric(float64(max(peak, before)-before)/1e6, "MB-peak")
}

// watch notes the most memory in use until the function that it returns is called.
func watch(peak *uint64) (stop func()) {
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for {
			*peak = max(*peak, heapInUse())
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() {
		close(done)
		<-over
	}
}

// heapInUse returns how many bytes of memory hold objects, dead ones included.
func heapInUse() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// processorTime returns the seconds that this process has used.
func processorTime() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()) / 1e9
}

// BenchmarkBroken judges a history in which some reads return another state of
// the list, or one that never was: most transactions then depend on each other.
func BenchmarkBroken(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	h := random(rng, mix{workload: ListAppend, txns: 100_000, clients: 20, steps: 4, keys: 10, writes: 32})
	distort(rng, h, 0.02)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if r := Check(b.Context(), h, Options{}); r.Verdict != checkers.Invalid {
			b.Fatalf("%v %s", r.Verdict, r.Reason)
		}
	}
}
