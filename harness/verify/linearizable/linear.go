package linearizable

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// linearizable confirms that each operation can be given a moment between its
// invocation and its completion so that one object, used at those moments by
// one process after the other, would have answered the same; or that there is no
// such way.
func linearizable(c *claim.Claim) error {
	l := &linear{Claim: c, options: c.Parameters}
	if err := l.check(); err != nil {
		return err
	}
	if _, err := l.machine(); err != nil {
		return err
	}
	for i := range c.Ops {
		if o := &c.Ops[i]; !o.Failed() && !slices.Contains(verbs[l.Parameters["model"]], o.Invoke.F) {
			return fmt.Errorf("index %d: %w", o.Inv, unknownF(o))
		}
	}
	if c.Verdict == claim.Valid {
		return l.ordered()
	}
	return l.refuted()
}

// linear is a claim about linearizability.
type linear struct {
	*claim.Claim
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
	Time  *[][2]int   `json:"time"`
}

// refuted confirms a proof that there is no order.
func (l *linear) refuted() error {
	var p proof
	if err := l.ReadEvidence(&p); err != nil {
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
func (l *linear) on(key history.Value) []*claim.Op {
	var ops []*claim.Op
	for i := range l.Ops {
		if o := &l.Ops[i]; !o.Failed() && o.Invoke.Key.Equal(key) {
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
	if err := l.ReadEvidence(&evidence); err != nil {
		return err
	}
	placed := make([]bool, len(l.Ops))
	keys := make(map[string]bool)
	for _, k := range evidence.Orders {
		if len(k.Order) == 0 {
			continue
		}
		first, err := l.Op(k.Order[0])
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
	for i := range l.Ops {
		if l.Ops[i].Happened() && !placed[i] {
			return fmt.Errorf("the operation at index %d is in no order", l.Ops[i].Inv)
		}
	}
	return nil
}

// keyName is a text that two keys share only if they are the same.
func keyName(key history.Value) string {
	if key.IsAbsent() {
		return ""
	}
	return claim.Name(key)
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
		o, err := l.Op(index)
		if err != nil {
			return err
		}
		last = max(last, o.Inv)
		switch at := l.Place[index] - 1; {
		case o.Failed():
			return fmt.Errorf("index %d: the operation failed, so it cannot be in the order", index)
		case placed[at]:
			return fmt.Errorf("index %d: the operation is in the order twice", index)
		case !o.Invoke.Key.Equal(key):
			return fmt.Errorf("index %d: the operation is on the key %v, not %v", index, o.Invoke.Key, key)
		case o.Res < last:
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
		d, err := l.Op(pair[0])
		if err != nil {
			return nil, err
		}
		e, err := l.Op(pair[1])
		if err != nil {
			return nil, err
		}
		if d.Happened() {
			return nil, fmt.Errorf("index %d: the operation has an answer of its own", d.Inv)
		}
		took[d.Inv] = argument(e)
	}
	return took, nil
}
