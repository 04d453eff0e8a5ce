package sim

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/choice"
)

// The queue gives events back by time, and those of one time in the order in
// which they came, whatever is pushed and popped between.
func TestQueueOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type item struct {
			at int64
			id uint64
		}
		var q queue
		var model []item
		for id := range uint64(rapid.IntRange(1, 200).Draw(t, "steps")) {
			if len(model) > 0 && rapid.Bool().Draw(t, "pop") {
				at, e := q.pop()
				if got := (item{at, e.id}); got != model[0] {
					t.Fatalf("popped %v, want %v", got, model[0])
				}
				model = model[1:]
				continue
			}
			at := rapid.Int64Range(0, 20).Draw(t, "at")
			q.push(at, event{id: id})
			model = append(model, item{at, id})
			slices.SortStableFunc(model, func(a, b item) int { return cmp.Compare(a.at, b.at) })
			if q.next() != model[0].at {
				t.Fatalf("the next event is at %d, want %d", q.next(), model[0].at)
			}
		}
		if len(q.slab) > 200 || len(q.slab) != len(q.free)+len(model) {
			t.Fatalf("%d slots for %d events, %d of them free", len(q.slab), len(model), len(q.free))
		}
	})
}

// Latencies stay within their bounds and have the mean that they should.
func TestLatency(t *testing.T) {
	t.Parallel()
	l := Latency{Base: 400 * time.Microsecond, Half: 300 * time.Microsecond}
	s := choice.New(1).Stream("latency")
	const draws = 100_000
	sum, above := int64(0), 0
	for range draws {
		d := l.draw(s)
		if d < int64(l.Base) || d > int64(l.Base+13*l.Half) {
			t.Fatalf("latency of %v", time.Duration(d))
		}
		if d > int64(l.Base+l.Half) {
			above++
		}
		sum += d
	}
	mean, want := time.Duration(sum/draws), l.Base+l.Half*3/2
	if mean < want*98/100 || mean > want*102/100 {
		t.Errorf("mean latency %v, want about %v", mean, want)
	}
	if above < draws*48/100 || above > draws*52/100 {
		t.Errorf("%d of %d latencies have a tail above Half, want about half of them", above, draws)
	}
}

// The clock of a node that drifts does not overflow within a year.
func TestClockDrift(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * 3600 * second
	var k clock
	k.set(100*second, 5*second, -second/2) // it runs at half its speed
	if got := k.wall(100*second) - epoch; got != 105*second {
		t.Errorf("after the jump the clock shows %d, want 105 s", got)
	}
	if got := k.wall(100*second+year) - epoch; got != 105*second+year/2 {
		t.Errorf("after a year at half speed the clock shows %d", got)
	}
}

// A log keeps its beginning and its end, and says what it lost.
func TestNodeLogIsBounded(t *testing.T) {
	t.Parallel()
	var l nodeLog
	const extra = 5
	for i := range int64(2*keepLines + extra) {
		l.add(i, "line")
	}
	lines := l.appendTo(nil, 3)
	if len(lines) != 2*keepLines+1 {
		t.Fatalf("%d lines were kept, want %d and the notice", len(lines), 2*keepLines)
	}
	if got := lines[keepLines].Text; got != "(5 lines were left out here)" {
		t.Errorf("notice %q", got)
	}
	if first, last := lines[keepLines+1].Time, lines[2*keepLines].Time; first != keepLines+extra || last != 2*keepLines+extra-1 {
		t.Errorf("the end of the log goes from line %d to %d", first, last)
	}
	if tail := l.tail(2); len(tail) != 2 {
		t.Errorf("tail of %d lines", len(tail))
	}
}

// However often a timer is set, it rings once, when it was last set to; and
// what is left of the earlier settings leaves nothing behind on the heap.
func TestTimerRingsOnce(t *testing.T) {
	t.Parallel()
	c := &Cluster{}
	timer := newTimer()
	for _, due := range []int64{10, 5, 20} {
		c.set(&timer, due, kWake, 0)
	}
	var rang []int64
	popped := 0
	for ; c.queue.next() < never; popped++ {
		at, e := c.queue.pop()
		if c.now = at; c.fired(&timer, &e) {
			rang = append(rang, at)
		}
	}
	if !slices.Equal(rang, []int64{20}) || popped != 3 {
		t.Errorf("rang at %v, with %d events", rang, popped)
	}
}
