package nemesis

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// fake is a cluster of plain values. It notes what is done to it, and can be
// told to fail or to do nothing.
type fake struct {
	now     time.Duration
	procs   []world.Process
	clocks  []world.ClockReading
	offsets []time.Duration
	cut     []world.Link
	broken  []world.Link // dead although nobody cut them
	dropped map[world.Link]uint64
	shaped  []world.Link // links whose packets fare as shape says
	shape   world.Packets
	met     map[world.Link]uint64
	disks   []world.Canaries
	conduct []actor.Conduct
	leader  int // -1 for none
	facts   []string
	noting  int // the node that notes each of them

	calls  []string
	inert  bool             // orders are taken and not carried out
	fail   map[string]error // by call, like "Kill 1"
	fails  int              // how often they still fail; -1 for ever
	onCall func(call string)
}

func newFake(nodes int) *fake {
	f := &fake{leader: -1, dropped: map[world.Link]uint64{}, met: map[world.Link]uint64{}, fails: -1, fail: map[string]error{}}
	for n := range nodes {
		f.procs = append(f.procs, world.Process{State: "running", PID: 100 + n, Starts: 1})
		f.clocks = append(f.clocks, world.ClockReading{Reads: 10})
		f.offsets = append(f.offsets, time.Duration(n)*time.Millisecond) // clocks are never quite right
		f.disks = append(f.disks, world.Canaries{Synced: true})
		f.conduct = append(f.conduct, actor.Conduct{Doing: actor.Honest})
	}
	return f
}

func (f *fake) call(format string, args ...any) error {
	call := fmt.Sprintf(format, args...)
	f.calls = append(f.calls, call)
	if f.onCall != nil {
		f.onCall(call)
	}
	err := f.fail[call]
	if err != nil && f.fails > 0 {
		if f.fails--; f.fails == 0 {
			f.fail = nil
		}
	}
	return err
}

// order is a call that changes something.
func (f *fake) order(do func(), format string, args ...any) error {
	if err := f.call(format, args...); err != nil {
		return err
	}
	if !f.inert {
		do()
	}
	return nil
}

func (f *fake) Nodes() int            { return len(f.procs) }
func (f *fake) Now() time.Duration    { return f.now }
func (f *fake) Sleep(d time.Duration) { f.now += d }

func (f *fake) Cut(links []world.Link) error {
	return f.order(func() { f.cut = slices.Clone(links) }, "Cut %d", len(links))
}

func (f *fake) Probe(links []world.Link) ([]bool, error) {
	alive := make([]bool, len(links))
	for i, l := range links {
		alive[i] = !slices.Contains(f.cut, l) && !slices.Contains(f.broken, l)
	}
	return alive, f.call("Probe")
}

func (f *fake) Dropped() (map[world.Link]uint64, error) {
	return maps.Clone(f.dropped), f.call("Dropped")
}

func (f *fake) Shape(links []world.Link, p world.Packets) error {
	return f.order(func() { f.shaped, f.shape = slices.Clone(links), p }, "Shape %d", len(links))
}

// Measure says exactly what was asked for: no chance is at work here.
func (f *fake) Measure(links []world.Link, t world.Train) ([]world.Passage, error) {
	passages := make([]world.Passage, len(links))
	for i, l := range links {
		p := world.Passage{Sent: t.Packets, Arrived: t.Packets, Delay: time.Millisecond}
		if slices.Contains(f.cut, l) || slices.Contains(f.broken, l) {
			p.Arrived, p.Delay = 0, 0
		} else if slices.Contains(f.shaped, l) {
			part := func(ppm int64) int { return int(int64(t.Packets) * ppm / 1_000_000) }
			p.Arrived -= part(f.shape.Loss)
			p.Twice, p.Overtaken = part(f.shape.Dup), part(f.shape.Reorder)
			p.Delay += f.shape.Delay + f.shape.Jitter/2
		}
		passages[i] = p
	}
	return passages, f.call("Measure")
}

func (f *fake) Shaped() (map[world.Link]uint64, error) { return maps.Clone(f.met), f.call("Shaped") }

func (f *fake) state(node int, s string) func() { return func() { f.procs[node].State = s } }

func (f *fake) Kill(n int) error { return f.order(f.state(n, "dead"), "Kill %d", n) }

func (f *fake) PowerOff(nodes []int, sag world.Sag) error {
	f.now += sag.For
	return f.order(func() {
		for _, n := range nodes {
			f.procs[n].State = "dead"
		}
	}, "PowerOff %s", strings.Trim(fmt.Sprint(nodes), "[]"))
}

func (f *fake) Pause(n int) error  { return f.order(f.state(n, "stopped"), "Pause %d", n) }
func (f *fake) Resume(n int) error { return f.order(f.state(n, "running"), "Resume %d", n) }

// deck is the randomness of targets that are dealt.
func deck(round int) *choice.Stream { return choice.New(1).Stream("deck", uint64(round)) }

func (f *fake) Noted() ([]string, error) { return f.facts, nil }

// Await is told at once.
func (f *fake) Await(facts []string, _ time.Duration) (int, error) {
	return f.noting, f.call("Await %s", strings.Join(facts, ", "))
}

func (f *fake) Start(n int) error {
	return f.order(func() {
		f.procs[n].State = "running"
		f.procs[n].Starts++
		f.clocks[n].Reads = 0
	}, "Start %d", n)
}

func (f *fake) Process(n int) (world.Process, error) {
	if n < 0 || n >= len(f.procs) {
		return world.Process{}, errors.New("no such node")
	}
	return f.procs[n], f.call("Process %d", n)
}

func (f *fake) SetClock(n int, offset time.Duration, rate int64) error {
	return f.order(func() { f.offsets[n] = offset + time.Duration(n)*time.Millisecond }, "SetClock %d %v %d", n, offset, rate)
}

func (f *fake) Clock(n int) (world.ClockReading, error) {
	if f.procs[n].State != "running" {
		return world.ClockReading{}, errors.New("nobody answers")
	}
	f.clocks[n].True = int64(time.Hour + f.now)
	f.clocks[n].Wall = f.clocks[n].True + int64(f.offsets[n])
	return f.clocks[n], f.call("Clock %d", n)
}

func (f *fake) Status(n int) (actor.Status, error) {
	if f.procs[n].State != "running" {
		return actor.Status{}, errors.New("nobody answers")
	}
	s := actor.Status{Ready: true, Role: "follower", Term: 3}
	if n == f.leader {
		s.Role = "leader"
	}
	return s, f.call("Status %d", n)
}

func (f *fake) Command(n int, order string) (actor.Conduct, error) {
	if order != "" && !f.inert {
		f.conduct[n] = actor.Conduct{Doing: order}
	}
	return f.conduct[n], f.call("Command %d %s", n, order)
}

func (f *fake) Disk(n int) (world.Canaries, error) { return f.disks[n], f.call("Disk %d", n) }

// did returns the calls that changed something, or tried to.
func (f *fake) did() []string {
	looks := []string{"Process", "Status", "Clock", "Probe", "Dropped", "Measure", "Shaped"}
	var orders []string
	for _, c := range f.calls {
		if what, _, _ := strings.Cut(c, " "); !slices.Contains(looks, what) {
			orders = append(orders, c)
		}
	}
	return orders
}

// drill is a runner with what it recorded.
type drill struct {
	*Runner
	fake    *fake
	records []history.Op
}

// newDrill returns a runner of one fault on five nodes.
func newDrill(f Fault, params map[string]string) *drill {
	use, err := NewUse(f, params, 5)
	if err != nil {
		panic(err)
	}
	return drillOf(newFake(5), use)
}

func drillOf(f *fake, uses ...Use) *drill {
	return &drill{Runner: NewRunner(uses, choice.New(7)), fake: f}
}

func (d *drill) step(s Step) history.Value {
	op := d.Invoke(d.fake, s.Op(), func(op history.Op) { d.records = append(d.records, op) })
	d.records = append(d.records, op)
	return op.Value
}

func (d *drill) inject(id int64, kind string) history.Value {
	return d.step(Step{ID: id, Kind: kind})
}

func (d *drill) heal(id int64, kind string) history.Value {
	return d.step(Step{ID: id, Kind: kind, Heal: true})
}

func (d *drill) last() history.Op { return d.records[len(d.records)-1] }

// twoLeaders is a cluster in which node 1 still thinks that it leads.
type twoLeaders struct{ *fake }

func (f *twoLeaders) Status(n int) (actor.Status, error) {
	switch n {
	case 1:
		return actor.Status{Role: "leader", Term: 3}, nil
	case 3:
		return actor.Status{Role: "leader", Term: 4}, nil
	default:
		return actor.Status{Role: "follower", Term: 4}, nil
	}
}
