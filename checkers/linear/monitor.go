package linear

import (
	"context"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/linear/bag"
	"github.com/ordeal-dev/ordeal/checkers/linear/fifo"
	"github.com/ordeal-dev/ordeal/checkers/linear/sets"
)

// monitored is a spec of objects for which there is an algorithm of their own,
// as long as it can tell elements apart.
type monitored interface {
	// monitor decides a problem of which nothing was dropped. It returns an
	// order, or what is wrong; or an error if it takes a search.
	monitor(ctx context.Context, p *problem) ([]int32, *fault, error)
}

// fault is a violation that a monitor found.
type fault struct {
	name   string
	ops    []int32 // all that show it
	why    string
	edges  []checkers.Edge
	refute any // the evidence for certificates
}

// Excess is the evidence that a dequeue took what nobody had put there, or what
// others had taken.
type Excess struct {
	Proof string `json:"proof"` // "excess"
	Op    int    `json:"op"`
}

// Passed is the evidence that elements were left behind in a FIFO queue: pairs of
// enqueues, of which the first was behind the second when it was taken.
type Passed struct {
	Proof string   `json:"proof"` // "passed"
	Pairs [][2]int `json:"pairs"`
}

// Covered is the evidence that a queue was called empty that never was: the
// enqueues of elements that were there one after the other.
type Covered struct {
	Proof string `json:"proof"` // "covered"
	Op    int    `json:"op"`
	By    []int  `json:"by"`
}

// Impossible is the evidence that a set never was what an operation saw.
type Impossible struct {
	Proof string `json:"proof"` // "set"
	Op    int    `json:"op"`
}

// monitor has the key judged by the algorithm of its model. It reports false if
// there is none, or if that needs a search.
func (k *KeyReport) monitor(p *problem, b *budget) bool {
	m, ok := p.object.(monitored)
	if !ok {
		return false
	}
	_, f, err := m.monitor(b.ctx, p)
	switch {
	case context.Cause(b.ctx) != nil:
		k.Verdict, k.Reason = checkers.Unknown, "stopped before it was judged: "+context.Cause(b.ctx).Error()
		return true
	case err != nil:
		return false
	}
	k.Engine = Monitor.String()
	k.prove = func() (any, error) {
		order, _, err := m.monitor(context.Background(), p)
		return Order{Order: weave(p.calls, p.steps(order))}, err
	}
	if f == nil {
		return true
	}
	k.Verdict = checkers.Invalid
	k.prove = func() (any, error) { return f.refute, nil }
	a := checkers.Anomaly{Name: f.name, Explanation: f.why, Edges: f.edges}
	for _, i := range f.ops {
		a.Ops = append(a.Ops, p.index(i))
	}
	slices.Sort(a.Ops)
	a.Ops = slices.Compact(a.Ops)
	k.Anomalies = []checkers.Anomaly{a}
	return true
}

func (s *fifoSpec) monitor(ctx context.Context, p *problem) ([]int32, *fault, error) {
	r, err := fifo.Check(ctx, p.queueOps())
	return r.Order, s.fault(p, r.Violation), err
}

func (s *bagSpec) monitor(ctx context.Context, p *problem) ([]int32, *fault, error) {
	r, err := bag.Check(ctx, p.queueOps())
	return r.Order, s.fault(p, r.Violation), err
}

// queueOps writes operations as the monitors of queues take them.
func (p *problem) queueOps() []fifo.Op {
	kinds := [...]fifo.Kind{queuePut: fifo.Enqueue, queueTake: fifo.Dequeue, queueEmpty: fifo.Empty, queueGuess: fifo.Guess}
	ops := make([]fifo.Op, len(p.ops))
	for i, x := range p.ops {
		ops[i] = fifo.Op{Kind: kinds[x.verb], Value: int32(x.a), Inv: x.inv, Res: x.res}
	}
	return ops
}

// fault explains what a monitor of queues found.
func (s *queueSpec) fault(p *problem, v *fifo.Violation) *fault {
	if v == nil {
		return nil
	}
	f := &fault{ops: v.Core}
	switch clock := p.clock(); v.Fault {
	case fifo.Excess:
		s.excess(p, v, f)
	case fifo.Covered:
		f.name = "false-empty"
		f.why = p.did(clock, &p.ops[v.Op]) + " found the queue empty, but at no moment it was: "
		by := make([]int, len(v.By))
		for i, put := range v.By {
			by[i] = p.index(put)
			f.why += fmt.Sprintf("%v was put there by %s; ", s.values.Value(int32(p.ops[put].a)), clock.At(p.calls[p.ops[put].call].Complete))
		}
		f.why += "each of them was taken, if at all, when the next one was there"
		f.refute = Covered{"covered", p.index(v.Op), by}
	default:
		s.passed(p, v, f)
	}
	return f
}

// excess explains a dequeue of what was not there.
func (s *queueSpec) excess(p *problem, v *fifo.Violation, f *fault) {
	f.refute = Excess{"excess", p.index(v.Op)}
	f.name = "unexpected"
	f.why = p.did(p.clock(), &p.ops[v.Op]) + " took an element that nobody had put there by then"
	if len(v.Core) > 1 && slices.ContainsFunc(v.Core, func(i int32) bool { return i != v.Op && p.ops[i].verb == queueTake }) {
		f.name = "duplicate"
		f.why = p.did(p.clock(), &p.ops[v.Op]) + " took an element that had been taken as often as anybody had put it there by then"
	}
}

// passed explains elements that were left behind.
func (s *queueSpec) passed(p *problem, v *fifo.Violation, f *fault) {
	clock := p.clock()
	f.name = "lost"
	refute := Passed{Proof: "passed"}
	for _, pair := range v.Pairs {
		a, b := &p.ops[pair[0]], &p.ops[pair[1]]
		refute.Pairs = append(refute.Pairs, [2]int{p.index(pair[0]), p.index(pair[1])})
		f.edges = append(f.edges, checkers.Edge{
			From: p.index(pair[0]), To: p.index(pair[1]), Kind: "rt",
			Why: fmt.Sprintf("%s ended before %s began", p.did(clock, a), p.did(clock, b)),
		})
		if f.why != "" {
			f.why += "; and "
		}
		f.why += fmt.Sprintf("%s was over before %s began, so %v was in front of %v", p.did(clock, a), p.did(clock, b),
			s.values.Value(int32(a.a)), s.values.Value(int32(b.a)))
		for i := range v.Core {
			if x := &p.ops[v.Core[i]]; x.verb == queueTake && (x.a == a.a || x.a == b.a) {
				f.why += "; " + p.did(clock, x)
				if x.a == a.a {
					f.name = "reordered"
				}
			}
		}
	}
	if f.name == "lost" {
		f.why += ": nobody is known to have taken what was in front, and too few dequeues got no answer to have taken it"
	} else {
		f.why += ": what was in front was taken too late"
	}
	f.refute = refute
}

// monitor judges sets from which nothing is removed.
func (s *setSpec) monitor(ctx context.Context, p *problem) ([]int32, *fault, error) {
	kinds := [...]sets.Kind{setAdd: sets.Add, setRemove: sets.Remove, setHas: sets.Has, setLacks: sets.Lacks, setRead: sets.Read}
	var ops []sets.Op
	var places []int32
	for i, x := range p.ops {
		if x.verb == anything || x.isInfo() && p.pure(&x) {
			continue
		}
		o := sets.Op{Kind: kinds[x.verb], Value: int32(x.a), Inv: x.inv, Res: x.res}
		if x.verb == setRead {
			o.Saw = s.states.items[x.a]
		}
		ops, places = append(ops, o), append(places, int32(i))
	}
	r, err := sets.Check(ctx, ops)
	if err != nil {
		return nil, nil, err
	}
	if r.Violation == nil {
		for i, place := range r.Order {
			r.Order[i] = places[place]
		}
		return r.Order, nil, nil
	}
	return nil, s.fault(p, r.Violation, places), nil
}

// fault explains what the monitor of sets found.
func (s *setSpec) fault(p *problem, v *sets.Violation, places []int32) *fault {
	op := places[v.Op]
	f := &fault{name: "stale-read", refute: Impossible{"set", p.index(op)}}
	f.why = p.did(p.clock(), &p.ops[op]) + " cannot be explained by what was added before it ended and what others saw: "
	if v.Element >= 0 {
		f.why = fmt.Sprintf("%s, about %v", f.why, s.values.Value(v.Element))
	}
	added := false
	for i, place := range v.Core {
		x := &p.ops[places[place]]
		f.ops = append(f.ops, places[place])
		added = added || x.verb == setAdd
		if i > 0 {
			f.why += "; "
		}
		f.why += p.did(p.clock(), x)
	}
	if v.Element >= 0 && !added && p.saw(s, op, v.Element) {
		f.name = "unexpected"
	}
	return f
}

// saw reports whether an operation saw an element.
func (p *problem) saw(s *setSpec, op, element int32) bool {
	x := &p.ops[op]
	return x.verb == setHas || x.verb == setRead && slices.Contains(s.states.items[x.a], element)
}
