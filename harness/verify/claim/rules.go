package claim

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Violation is the evidence that a history breaks a rule that the package logs,
// streams or predicates states: its name, the key it is about, and the operations
// that show it, in the order of their invocations. It is confirmed if the rule is
// broken in the whole history, and also if these operations were all of it: so a
// reader needs to look at them alone.
type Violation struct {
	Anomaly string      `json:"anomaly"`
	Key     string      `json:"key"`
	Ops     []int       `json:"ops"`
	Edges   []CycleStep `json:"edges,omitempty"`
}

// CycleStep is an edge of a cycle.
type CycleStep struct {
	From int    `json:"from"`
	To   int    `json:"to"`
	Kind string `json:"kind"`
	Key  string `json:"key,omitempty"`
	Via  []int  `json:"via,omitempty"`
	Why  string `json:"why"`
}

// Ruled says which rule is broken for which key.
type Ruled struct{ Name, Key string }

// Ruling is what follows from looking at operations rule by rule.
type Ruling struct {
	Broken map[Ruled]bool // what was found
	Judged int            // operations that could have shown something
}

// NewRuling returns a ruling that nothing is broken, which is how to begin.
func NewRuling() *Ruling { return &Ruling{Broken: map[Ruled]bool{}} }

// Note says that a rule is broken for a key.
func (r *Ruling) Note(name, key string) { r.Broken[Ruled{name, key}] = true }

// Fine confirms that no rule is broken.
func (r *Ruling) Fine() error {
	for b := range r.Broken {
		return fmt.Errorf("the history is not ok: %s %s", b.Name, b.Key)
	}
	if r.Judged == 0 {
		return fmt.Errorf("there is nothing to judge, so nothing is ok")
	}
	return nil
}

// ByRules confirms a claim about a definition that is a list of rules, each of which
// is decided by looking at all operations. An ok of it takes no evidence.
func (c *Claim) ByRules(judge func(ops []*Op) (*Ruling, error)) error {
	if c.Verdict == Invalid {
		var v Violation
		if err := c.ReadEvidence(&v); err != nil {
			return err
		}
		return c.Broken(v, judge)
	}
	if len(c.Evidence) > 0 {
		return fmt.Errorf("there is evidence, but %s and ok take none", c.Definition)
	}
	r, err := judge(c.All())
	if err != nil {
		return err
	}
	return r.Fine()
}

// All returns all operations.
func (c *Claim) All() []*Op {
	ops := make([]*Op, len(c.Ops))
	for i := range c.Ops {
		ops[i] = &c.Ops[i]
	}
	return ops
}

// Broken confirms a violation.
func (c *Claim) Broken(v Violation, judge func(ops []*Op) (*Ruling, error)) error {
	core := []*Op{}
	for i, index := range v.Ops {
		o, err := c.Op(index)
		switch {
		case err != nil:
			return err
		case i > 0 && v.Ops[i-1] >= index:
			return fmt.Errorf("the operations %v are not in the order of their invocations, each once", v.Ops)
		}
		core = append(core, o)
	}
	for _, ops := range [][]*Op{c.All(), core} {
		r, err := judge(ops)
		if err != nil {
			return err
		}
		if !r.Broken[Ruled{v.Anomaly, v.Key}] {
			return fmt.Errorf("%d of the %d operations show no %s of %q", len(ops), len(c.Ops), v.Anomaly, v.Key)
		}
	}
	return nil
}

// Identity returns a text that two values share if they are equal, and only then.
func Identity(v history.Value) string {
	kind := strconv.Itoa(int(v.Kind()))
	switch v.Kind() {
	case history.KindList, history.KindTuple, history.KindSet, history.KindMap:
	case history.KindFloat:
		f, _ := v.Float()
		return kind + ":" + strconv.FormatFloat(f+0, 'g', -1, 64)
	default:
		return kind + ":" + strconv.Quote(v.String())
	}
	var parts []string
	elems := v.Elems()
	for i := range elems {
		switch {
		case v.Kind() != history.KindMap:
			parts = append(parts, Identity(elems[i]))
		case i%2 == 1:
			parts = append(parts, Identity(elems[i-1])+"="+Identity(elems[i]))
		}
	}
	if v.Kind() == history.KindSet || v.Kind() == history.KindMap {
		slices.Sort(parts)
	}
	return kind + fmt.Sprintf("%q", parts)
}

// TextOf is how anomalies name a key: without quotes.
func TextOf(v history.Value) string {
	switch v.Kind() {
	case history.Absent:
		return ""
	case history.KindString, history.KindKeyword:
		return v.Text()
	default:
		return v.String()
	}
}
