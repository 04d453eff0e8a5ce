package collections

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// finding is the evidence that an object breaks one of its promises: the anomaly by
// its name, and the operations that show it, in the order of their invocations.
type finding struct {
	Anomaly string `json:"anomaly"`
	Ops     []int  `json:"ops"`
}

// subject is what happened under one key, as a definition looks at it.
type subject interface {
	// holds decides whether the object is as the definition wants it, and says how
	// many operations there were that could have shown that it is not.
	holds() (judged int, err error)
	// shows confirms that operations of the object show an anomaly.
	shows(anomaly string, ops []*claim.Op) error
}

// decide confirms a claim about objects, each of which is looked at by itself.
func decide(c *claim.Claim, look func(ops []*claim.Op) (subject, error)) error {
	if c.Verdict == claim.Invalid {
		return confirm(c, look)
	}
	if len(c.Evidence) > 0 {
		return fmt.Errorf("there is evidence, but %s and ok take none", c.Definition)
	}
	judged := 0
	for _, ops := range byKey(c) {
		o, err := look(ops)
		if err != nil {
			return err
		}
		n, err := o.holds()
		if err != nil {
			return err
		}
		judged += n
	}
	if judged == 0 {
		return fmt.Errorf("there is nothing to judge, so nothing is ok")
	}
	return nil
}

// confirm sees that the evidence shows what it says.
func confirm(c *claim.Claim, look func(ops []*claim.Op) (subject, error)) error {
	var f finding
	if err := c.ReadEvidence(&f); err != nil {
		return err
	}
	if len(f.Ops) == 0 {
		return fmt.Errorf("no operation shows it")
	}
	var ops []*claim.Op
	for i, index := range f.Ops {
		o, err := c.Op(index)
		switch {
		case err != nil:
			return err
		case i > 0 && f.Ops[i-1] >= index:
			return fmt.Errorf("the operations %v are not in the order of their invocations, each once", f.Ops)
		case i > 0 && !o.Invoke.Key.Equal(ops[0].Invoke.Key):
			return fmt.Errorf("index %d is about another key than index %d", index, f.Ops[0])
		}
		ops = append(ops, o)
	}
	var same []*claim.Op
	for i := range c.Ops {
		if c.Ops[i].Invoke.Key.Equal(ops[0].Invoke.Key) {
			same = append(same, &c.Ops[i])
		}
	}
	o, err := look(same)
	if err != nil {
		return err
	}
	return o.shows(f.Anomaly, ops)
}

// byKey returns the operations of each object, in the order of their invocations.
func byKey(c *claim.Claim) [][]*claim.Op {
	keys := make(numbers, 0, len(c.Ops))
	for i := range c.Ops {
		keys = append(keys, c.Ops[i].Invoke.Key)
	}
	keys = keys.sorted()
	all := make([][]*claim.Op, len(keys))
	for i := range c.Ops {
		k, _ := keys.of(c.Ops[i].Invoke.Key)
		all[k] = append(all[k], &c.Ops[i])
	}
	return all
}

// numbers gives to equal values the same number: their place in sorted order.
type numbers []history.Value

func (n numbers) sorted() numbers {
	slices.SortFunc(n, history.Value.Compare)
	return slices.CompactFunc(n, history.Value.Equal)
}

// of returns the number of a value, if it has one.
func (n numbers) of(v history.Value) (int, bool) {
	return slices.BinarySearchFunc(n, v, history.Value.Compare)
}

// unknown says that a definition has no such anomaly.
func unknown(anomaly string, ops []*claim.Op) error {
	return fmt.Errorf("%d operations, of which the first is %s, cannot show %q here", len(ops), ops[0].Invoke.F, anomaly)
}
