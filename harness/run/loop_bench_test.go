package run

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// instant is a world in which every operation comes back at once. It keeps up
// to hold of them, so that as many are open at the same time.
type instant struct {
	world.Cluster
	hold    int
	now     int64
	workers []func(history.Op) history.Op
	ring    []world.Event
	head, n int
}

func (c *instant) Now() int64 { return c.now }

func (c *instant) AddClient(_ int, do func(client.Env, history.Op) history.Op) world.Worker {
	c.workers = append(c.workers, func(op history.Op) history.Op { return do(nil, op) })
	return world.Worker(len(c.workers) - 1)
}

func (c *instant) Start(w world.Worker, op history.Op) {
	c.now += 100
	c.ring[(c.head+c.n)%len(c.ring)] = world.Event{Time: c.now, Worker: w, Op: c.workers[w](op)}
	c.n++
}

func (c *instant) Next(until int64) (world.Event, bool) {
	if c.n == 0 || (c.n < c.hold && until <= c.now) {
		return world.Event{}, false
	}
	ev := c.ring[c.head]
	c.head, c.n = (c.head+1)%len(c.ring), c.n-1
	return ev, true
}

// nowhere is a recorder that writes nothing.
type nowhere struct{ bytes int }

func (w *nowhere) Record(op *history.Op) error { w.bytes += len(op.F); return nil }

type noop struct{}

func (noop) Invoke(_ client.Env, op history.Op) history.Op { op.Type = history.OK; return op }

// BenchmarkLoop1000Clients measures what an operation costs the runner, from
// the generator to the second record, with clients that do nothing. The goal
// is under 2 µs. Open is how many operations are under way at a time; the
// generators are a bare one, and the stack that a real run has.
func BenchmarkLoop1000Clients(b *testing.B) {
	for _, open := range []int{1, 1000} {
		b.Run(fmt.Sprintf("bare/open=%d", open), func(b *testing.B) {
			benchmarkLoop(b, open, gen.Limit(b.N, reads()))
		})
		b.Run(fmt.Sprintf("mixed/open=%d", open), func(b *testing.B) {
			src := choice.New(1)
			benchmarkLoop(b, open, gen.Limit(b.N, gen.Phases(gen.Any(
				gen.OnClients(gen.TimeLimit(time.Hour, gen.Rate(src, "rate", 1e9, gen.Mix(src, "mix", reads(), reads())))),
				gen.OnClients(nil),
			))))
		})
	}
}

func benchmarkLoop(b *testing.B, open int, g gen.Gen) {
	cfg := LoopConfig{
		Cluster: &instant{hold: open, ring: make([]world.Event, 1000)}, Gen: g, Recorder: &nowhere{},
		Clients: 1000, Nodes: 5,
		NewClient: func(history.Process, int) client.Client { return noop{} },
	}
	b.ReportAllocs()
	before := processor(b)
	stats, err := Loop(context.Background(), cfg)
	if err != nil || stats.OK != int64(b.N) {
		b.Fatal(err, stats)
	}
	b.ReportMetric(float64(processor(b)-before)/float64(b.N), "cpu-ns/op")
}

// processor returns how much time on processors this process has had. Unlike
// the time on the wall it does not count what others do to a busy machine.
func processor(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
