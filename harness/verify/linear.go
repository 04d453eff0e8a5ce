package verify

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// A claim about linearizability has the parameters
//
//	model    the object, one of those in models.go
//	nil      any: a read that returned nil says nothing, as in Knossos
//	initial, permits, limit, owner   as the models say that have them
//
// Each key is an object of its own, and a history is linearizable if the
// operations on each key are (Herlihy and Wing).
//
// The evidence for ok is an order of the operations on each key:
//
//	{"orders": [{"order": [3, 0, 7, …], "took": [[7, 3], …]}, …]}
//
// in which each operation that is ok is there once, and each info one at most
// once. took says of the info dequeues of an unordered queue which element they
// took, by its enqueue; those of which it says nothing took none.
//
// The evidence for invalid is one of these proofs:
//
//	{"proof": "unwritten", "op": 5}           a value was read that nobody can have written (linearcycle.go)
//	{"proof": "cycle", "edges": […]}          values of a register would have to come before themselves (linearcycle.go)
//	{"proof": "excess", "op": 5}              more was taken from a queue than was put there (linearqueue.go)
//	{"proof": "passed", "pairs": [[3, 7]…]}   elements were left behind by later ones (linearqueue.go)
//	{"proof": "covered", "op": 5, "by": […]}  a queue was called empty that never was (linearqueue.go)
//	{"proof": "set", "op": 5}                 a set that never was (linearset.go)
//	{"proof": "search", "rule": "prefix", "until": 90}         there is no order (linearsearch.go)
//	{"proof": "search", "rule": "closed", "ops": [3, 7, …]}    there is no order (linearsearch.go)

// linearizable confirms that each operation can be given a moment between its
// invocation and its completion so that one object, used at those moments by
// one process after the other, would have answered the same; or that there is no
// such way.
func linearizable(c *claim) error {
	l := &linear{claim: c, options: c.Parameters}
	if err := l.check(); err != nil {
		return err
	}
	if _, err := l.machine(); err != nil {
		return err
	}
	for i := range c.ops {
		if o := &c.ops[i]; !o.failed() && !slices.Contains(verbs[l.Parameters["model"]], o.Invoke.F) {
			return fmt.Errorf("index %d: %w", o.inv, unknownF(o))
		}
	}
	if c.Verdict == valid {
		return l.ordered()
	}
	return l.refuted()
}

// linear is a claim about linearizability.
type linear struct {
	*claim
	options
}

// machine returns the object as it is before it is used.
func (l *linear) machine() (machine, error) {
	create, ok := models[l.Parameters["model"]]
	if !ok {
		return nil, fmt.Errorf("nobody here knows the model %q", l.Parameters["model"])
	}
	return create(l.options)
}

// proof is the evidence for invalid: the name of a proof and what it takes.
type proof struct {
	Proof string      `json:"proof"`
	Op    int         `json:"op"`
	Edges []orderEdge `json:"edges"`
	Pairs [][2]int    `json:"pairs"`
	By    []int       `json:"by"`
	Rule  string      `json:"rule"`
	Until *int        `json:"until"`
	Ops   []int       `json:"ops"`
	Blind []int       `json:"blind"`
}

// refuted confirms a proof that there is no order.
func (l *linear) refuted() error {
	var p proof
	if err := l.evidence(&p); err != nil {
		return err
	}
	switch p.Proof {
	case "unwritten":
		return l.unwritten(p.Op)
	case "cycle":
		return l.cyclic(p.Edges)
	case "excess":
		return l.excess(p.Op)
	case "passed":
		return l.passed(p.Pairs)
	case "covered":
		return l.covered(p.Op, p.By)
	case "set":
		return l.impossibleSet(p.Op)
	case "search":
		return l.searched(p)
	default:
		return fmt.Errorf("nobody here knows the proof %q", p.Proof)
	}
}

// on returns the operations on a key, without those that failed.
func (l *linear) on(key history.Value) []*op {
	var ops []*op
	for i := range l.ops {
		if o := &l.ops[i]; !o.failed() && o.Invoke.Key.Equal(key) {
			ops = append(ops, o)
		}
	}
	return ops
}

// keyOrder is an order of the operations on one key.
type keyOrder struct {
	Order []int    `json:"order"`
	Took  [][2]int `json:"took"`
}

// ordered confirms an order for each key.
func (l *linear) ordered() error {
	var evidence struct {
		Orders []keyOrder `json:"orders"`
	}
	if err := l.evidence(&evidence); err != nil {
		return err
	}
	placed := make([]bool, len(l.ops))
	keys := make(map[string]bool)
	for _, k := range evidence.Orders {
		if len(k.Order) == 0 {
			continue
		}
		first, err := l.op(k.Order[0])
		if err != nil {
			return err
		}
		key := first.Invoke.Key
		if keys[keyName(key)] {
			return fmt.Errorf("the key %v has two orders", key)
		}
		keys[keyName(key)] = true
		if err := l.walk(k, key, placed); err != nil {
			return err
		}
	}
	for i := range l.ops {
		if l.ops[i].happened() && !placed[i] {
			return fmt.Errorf("the operation at index %d is in no order", l.ops[i].inv)
		}
	}
	return nil
}

// keyName is a text that two keys share only if they are the same.
func keyName(key history.Value) string {
	if key.IsAbsent() {
		return ""
	}
	return name(key)
}

// walk has an object do the operations on a key in their order, and marks them.
// What is later in the order must not have ended before something earlier began,
// which is to say: before the last of the beginnings so far.
func (l *linear) walk(k keyOrder, key history.Value, placed []bool) error {
	used, err := l.machine()
	if err != nil {
		return err
	}
	took, err := l.took(k)
	if err != nil {
		return err
	}
	last := -1
	for _, index := range k.Order {
		o, err := l.op(index)
		if err != nil {
			return err
		}
		last = max(last, o.inv)
		switch at := l.place[index] - 1; {
		case o.failed():
			return fmt.Errorf("index %d: the operation failed, so it cannot be in the order", index)
		case placed[at]:
			return fmt.Errorf("index %d: the operation is in the order twice", index)
		case !o.Invoke.Key.Equal(key):
			return fmt.Errorf("index %d: the operation is on the key %v, not %v", index, o.Invoke.Key, key)
		case o.res < last:
			return fmt.Errorf("index %d: the operation ended before the one at index %d began, which is before it in the order", index, last)
		default:
			placed[at] = true
		}
		a := l.answer(o)
		if v, ok := took[index]; ok {
			a = answer{true, v}
		}
		if _, err := used.apply(o, a); err != nil {
			return fmt.Errorf("index %d: the operation cannot have had its result there: %w", index, err)
		}
	}
	return nil
}

// took returns the answers of operations that got none, by their index.
func (l *linear) took(k keyOrder) (map[int]history.Value, error) {
	took := make(map[int]history.Value)
	for _, pair := range k.Took {
		d, err := l.op(pair[0])
		if err != nil {
			return nil, err
		}
		e, err := l.op(pair[1])
		if err != nil {
			return nil, err
		}
		if d.happened() {
			return nil, fmt.Errorf("index %d: the operation has an answer of its own", d.inv)
		}
		took[d.inv] = argument(e)
	}
	return took, nil
}
