package verify

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// finding is the evidence that an object breaks one of the promises of
// elements.go, deliveries.go, totals.go or order.go: the anomaly by its name, and
// the operations that show it, in the order of their invocations. An ok of these
// definitions takes no evidence: it is decided by looking at everything.
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
	shows(anomaly string, ops []*op) error
}

// decide confirms a claim about objects, each of which is looked at by itself.
func (c *claim) decide(look func(ops []*op) (subject, error)) error {
	if c.Verdict == invalid {
		return c.confirm(look)
	}
	if len(c.Evidence) > 0 {
		return fmt.Errorf("there is evidence, but %s and ok take none", c.Definition)
	}
	judged := 0
	for _, ops := range c.byKey() {
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
func (c *claim) confirm(look func(ops []*op) (subject, error)) error {
	var f finding
	if err := c.evidence(&f); err != nil {
		return err
	}
	if len(f.Ops) == 0 {
		return fmt.Errorf("no operation shows it")
	}
	var ops []*op
	for i, index := range f.Ops {
		o, err := c.op(index)
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
	var same []*op
	for i := range c.ops {
		if c.ops[i].Invoke.Key.Equal(ops[0].Invoke.Key) {
			same = append(same, &c.ops[i])
		}
	}
	o, err := look(same)
	if err != nil {
		return err
	}
	return o.shows(f.Anomaly, ops)
}

// byKey returns the operations of each object, in the order of their invocations.
func (c *claim) byKey() [][]*op {
	keys := make(numbers, 0, len(c.ops))
	for i := range c.ops {
		keys = append(keys, c.ops[i].Invoke.Key)
	}
	keys = keys.sorted()
	all := make([][]*op, len(keys))
	for i := range c.ops {
		k, _ := keys.of(c.ops[i].Invoke.Key)
		all[k] = append(all[k], &c.ops[i])
	}
	return all
}

// flags reads parameters that are true or false, which is what they are if they
// are not there. There must be no others than those named.
func (c *claim) flags(names ...string) (map[string]bool, error) {
	on := map[string]bool{}
	for name, value := range c.Parameters {
		if !slices.Contains(names, name) || value != "true" && value != "false" {
			return nil, fmt.Errorf("parameter %s=%s of %s means nothing", name, value, c.Definition)
		}
		on[name] = value == "true"
	}
	return on, nil
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

// listed returns the elements of a list, a set or nil, which has none.
func listed(o *op) ([]history.Value, error) {
	v := o.Complete.Value
	if k := v.Kind(); k != history.KindList && k != history.KindSet && !v.IsNil() {
		return nil, fmt.Errorf("index %d returned %v, which is no list", o.Complete.Index, v)
	}
	return v.Elems(), nil
}

// unknown says that a definition has no such anomaly.
func unknown(anomaly string, ops []*op) error {
	return fmt.Errorf("%d operations, of which the first is %s, cannot show %q here", len(ops), ops[0].Invoke.F, anomaly)
}
