package verify

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// violation is the evidence that a history breaks a rule that log.go, staleness.go,
// watch.go, stream.go or adya.go states: its name, the key it is about, and the
// operations that show it, in the order of their invocations. It is confirmed if the
// rule is broken in the whole history, and also if these operations were all of it:
// so a reader needs to look at them alone.
type violation struct {
	Anomaly string      `json:"anomaly"`
	Key     string      `json:"key"`
	Ops     []int       `json:"ops"`
	Edges   []cycleStep `json:"edges,omitempty"`
}

// cycleStep is an edge of a cycle.
type cycleStep struct {
	From int    `json:"from"`
	To   int    `json:"to"`
	Kind string `json:"kind"`
	Key  string `json:"key,omitempty"`
	Via  []int  `json:"via,omitempty"`
	Why  string `json:"why"`
}

// ruled says which rule is broken for which key.
type ruled struct{ name, key string }

// ruling is what follows from looking at operations rule by rule.
type ruling struct {
	broken map[ruled]bool
	judged int // operations that could have shown something
}

func newRuling() *ruling { return &ruling{broken: map[ruled]bool{}} }

func (r *ruling) note(name, key string) { r.broken[ruled{name, key}] = true }

// fine confirms that no rule is broken.
func (r *ruling) fine() error {
	for b := range r.broken {
		return fmt.Errorf("the history is not ok: %s %s", b.name, b.key)
	}
	if r.judged == 0 {
		return fmt.Errorf("there is nothing to judge, so nothing is ok")
	}
	return nil
}

// byRules confirms a claim about a definition that is a list of rules, each of which
// is decided by looking at all operations. An ok of it takes no evidence.
func (c *claim) byRules(judge func(ops []*op) (*ruling, error)) error {
	if c.Verdict == invalid {
		var v violation
		if err := c.evidence(&v); err != nil {
			return err
		}
		return c.broken(v, judge)
	}
	if len(c.Evidence) > 0 {
		return fmt.Errorf("there is evidence, but %s and ok take none", c.Definition)
	}
	r, err := judge(c.all())
	if err != nil {
		return err
	}
	return r.fine()
}

// all returns all operations.
func (c *claim) all() []*op {
	ops := make([]*op, len(c.ops))
	for i := range c.ops {
		ops[i] = &c.ops[i]
	}
	return ops
}

// broken confirms a violation.
func (c *claim) broken(v violation, judge func(ops []*op) (*ruling, error)) error {
	core := []*op{}
	for i, index := range v.Ops {
		o, err := c.op(index)
		switch {
		case err != nil:
			return err
		case i > 0 && v.Ops[i-1] >= index:
			return fmt.Errorf("the operations %v are not in the order of their invocations, each once", v.Ops)
		}
		core = append(core, o)
	}
	for _, ops := range [][]*op{c.all(), core} {
		r, err := judge(ops)
		if err != nil {
			return err
		}
		if !r.broken[ruled{v.Anomaly, v.Key}] {
			return fmt.Errorf("%d of the %d operations show no %s of %q", len(ops), len(c.ops), v.Anomaly, v.Key)
		}
	}
	return nil
}

// identity returns a text that two values share if they are equal, and only then.
func identity(v history.Value) string {
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
			parts = append(parts, identity(elems[i]))
		case i%2 == 1:
			parts = append(parts, identity(elems[i-1])+"="+identity(elems[i]))
		}
	}
	if v.Kind() == history.KindSet || v.Kind() == history.KindMap {
		slices.Sort(parts)
	}
	return kind + fmt.Sprintf("%q", parts)
}

// textOf is how anomalies name a key: without quotes.
func textOf(v history.Value) string {
	switch v.Kind() {
	case history.Absent:
		return ""
	case history.KindString, history.KindKeyword:
		return v.Text()
	default:
		return v.String()
	}
}
