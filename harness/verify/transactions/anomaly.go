package transactions

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// txnAnomaly is the evidence for invalid. An anomaly that is no cycle names these
// operations, with the step of each that shows it:
//
//	G1a                 who read it, and the failed transaction that wrote it
//	G1b                 who read it, and who wrote it and then wrote the key again
//	thin-air-read       who read it; the second step is the place in the list of what nobody wrote
//	duplicate-elements  who read an element twice
//	incompatible-order  two reads of a list of which neither begins with the other
//	internal            whose step contradicts those before it
//	future-read         who read what its own second step wrote later; or the same step twice, of a linked value that names itself
//	dirty-update        who failed, who wrote on top of it, and who read the list that shows that
//	lost-update         two that replaced the same state: by reads, or by what their linked values say
//	cyclic-versions     a cycle of edges "version": each says that the version at the first step
//	                    comes before that at the second one; from -1 is the initial version
type txnAnomaly struct {
	Anomaly string    `json:"anomaly"`
	Cycle   []txnEdge `json:"cycle"`
	Ops     []int     `json:"ops"`
	Steps   []int     `json:"steps"`
}

// txnEdge says that one transaction comes before another one: by ww, wr, rw,
// process, or rt.
type txnEdge struct {
	Kind  string `json:"kind"`
	From  int    `json:"from"`
	To    int    `json:"to"`
	Steps []int  `json:"steps"`
	Via   []int  `json:"via"`
}

// invalid confirms an anomaly that one of the levels forbids.
func (t *txns) invalid(want []level) error {
	var e txnAnomaly
	if err := t.ReadEvidence(&e); err != nil {
		return err
	}
	if !slices.ContainsFunc(want, func(l level) bool { return l.forbids(e.Anomaly) }) {
		return fmt.Errorf("%q is not forbidden", e.Anomaly)
	}
	p := &prover{txns: t, by: t.writers(), longest: t.longest()}
	p.did = t.effective(p.by)
	if e.Anomaly == "cyclic-versions" {
		return p.versionCycle(e.Cycle)
	}
	if flow, anti, _ := cycleOf(e.Anomaly); flow+anti > 0 {
		return p.cycle(e.Anomaly, e.Cycle)
	}
	return p.other(&e)
}

// prover confirms anomalies.
type prover struct {
	*txns
	by      map[version][]*txn
	did     map[*txn]bool
	longest [][]history.Value
}

// pick returns one of the steps of a transaction.
func (p *prover) pick(index, at int) (*txn, *step, error) {
	if _, err := p.Op(index); err != nil {
		return nil, nil, err
	}
	x := &p.list[p.Place[index]-1]
	if at < 0 || at >= len(x.steps) {
		return nil, nil, fmt.Errorf("index %d has no step %d", index, at)
	}
	if s := &x.steps[at]; s.write || x.Happened() {
		return x, s, nil
	}
	return nil, nil, fmt.Errorf("what index %d read is not known", index)
}

// cycle confirms that edges lead from one transaction to the next and back to
// the first, and that they make up what the name says.
func (p *prover) cycle(name string, edges []txnEdge) error {
	count, adjacent := make(map[string]int), false
	for i, e := range edges {
		next := edges[(i+1)%len(edges)]
		if e.To != next.From {
			return fmt.Errorf("an edge leads to index %d, the next one begins at index %d", e.To, next.From)
		}
		if err := p.edge(&e); err != nil {
			return fmt.Errorf("%s from index %d to index %d: %w", e.Kind, e.From, e.To, err)
		}
		count[e.Kind]++
		adjacent = adjacent || e.Kind == "rw" && next.Kind == "rw"
	}
	if is := nameOf(count, adjacent); len(edges) < 2 || is != name {
		return fmt.Errorf("these edges are %s, not %s", is, name)
	}
	return nil
}

// nameOf names a cycle after its edges.
func nameOf(count map[string]int, adjacent bool) string {
	name := "G0"
	switch {
	case count["rw"] == 1:
		name = "G-single-item"
	case adjacent:
		name = "G2-item"
	case count["rw"] > 1:
		name = "G-nonadjacent-item"
	case count["wr"] > 0:
		name = "G1c"
	}
	switch {
	case count["rt"] > 0:
		name += "-realtime"
	case count["process"] > 0:
		name += "-process"
	}
	return name
}

// edge confirms that one transaction comes before another.
func (p *prover) edge(e *txnEdge) error {
	if e.Kind == "rt" || e.Kind == "process" {
		return p.inTime(e)
	}
	if len(e.Steps) != 2 {
		return fmt.Errorf("want two steps")
	}
	x, a, err := p.pick(e.From, e.Steps[0])
	if err != nil {
		return err
	}
	y, b, err := p.pick(e.To, e.Steps[1])
	if err != nil {
		return err
	}
	switch {
	case x == y || !p.did[x] || !p.did[y]:
		return fmt.Errorf("want two transactions that took effect")
	case a.key != b.key:
		return fmt.Errorf("the keys differ")
	case e.Kind == "wr" && p.shows(b, a):
		return nil
	case e.Kind == "ww" && a.write && b.write, e.Kind == "rw" && !a.write && b.write && p.workload != lists:
		return p.precedes(a, b, e.Via)
	case e.Kind == "rw" && !a.write && b.write && !p.shows(a, b):
		return nil // elements stay: what the list does not have came later
	case e.Kind == "rw" && !a.write && b.write: // it has that too early, but its last element is the version that was read
		last := a.elems()[len(a.elems())-1]
		return p.precedes(&step{key: a.key, value: last, id: wordOf(last)}, b, nil)
	default:
		return fmt.Errorf("these steps do not show it")
	}
}

// inTime confirms that the first transaction was over before the second began.
func (p *prover) inTime(e *txnEdge) error {
	x, err := p.Op(e.From)
	if err != nil {
		return err
	}
	y, err := p.Op(e.To)
	switch {
	case err != nil:
		return err
	case !x.Happened() || !p.did[&p.list[p.Place[e.To]-1]]:
		return fmt.Errorf("want two transactions that took effect")
	case !x.Before(y) || e.Kind == "process" && x.Invoke.Process != y.Invoke.Process:
		return fmt.Errorf("the first was not over before the second began")
	default:
		return nil
	}
}

// precedes confirms that the version at one step comes before that at another.
func (p *prover) precedes(a, b *step, via []int) error {
	switch {
	case p.workload == lists:
		return p.inList(a, b)
	case a.id == b.id:
		return fmt.Errorf("it is the same version")
	case a.id == nothing, p.workload == linked && b.write && b.previous == a.part:
		return nil
	case len(via) == 1 && given(p.Claim, "wfr-keys"):
		via = []int{via[0], via[0]}
	case len(via) != 2:
		return fmt.Errorf("nothing shows the order of %v and %v", a.value, b.value)
	}
	x, err := p.Op(via[0])
	if err != nil {
		return err
	}
	y, err := p.Op(via[1])
	if err != nil {
		return err
	}
	m, n := p.list[p.Place[via[0]]-1].on(a.key), p.list[p.Place[via[1]]-1].on(a.key)
	switch {
	case m.first == nil || n.first == nil || y.Failed():
		return fmt.Errorf("the transactions that should show it did nothing to the key")
	case x == y && m.base != nil && m.last != nil && m.base.id == a.id && m.last.id == b.id:
		return nil
	case m.leaving() != a.id || n.entry() != b.id:
		return fmt.Errorf("the transactions that should show it did not meet %v and %v", a.value, b.value)
	case !x.Happened() || !x.Before(y):
		return fmt.Errorf("the first was not over before the second began")
	case given(p.Claim, "linearizable-keys") || given(p.Claim, "sequential-keys") && x.Invoke.Process == y.Invoke.Process:
		return nil
	default:
		return fmt.Errorf("nothing is assumed that shows the order of %v and %v", a.value, b.value)
	}
}

// inList confirms that one element of a list comes before another one in the
// longest read, or is in it while the other is not.
func (p *prover) inList(a, b *step) error {
	list := p.longest[a.key]
	i, j := slices.IndexFunc(list, a.value.Equal), slices.IndexFunc(list, b.value.Equal)
	if i < 0 || j >= 0 && j <= i {
		return fmt.Errorf("the longest read does not show %v before %v", a.value, b.value)
	}
	return nil
}

// versionCycle confirms that versions of a register come before themselves.
func (p *prover) versionCycle(edges []txnEdge) error {
	if len(edges) < 2 || p.workload == lists {
		return fmt.Errorf("want a circle of versions of a register")
	}
	ends := make([][2]*step, len(edges))
	for i, e := range edges {
		if len(e.Steps) != 2 || e.Kind != "version" {
			return fmt.Errorf("want two steps")
		}
		y, b, err := p.pick(e.To, e.Steps[1])
		if err != nil {
			return err
		}
		a := &step{key: b.key, id: nothing, part: nothing, value: history.Nil}
		if e.From >= 0 {
			if _, a, err = p.pick(e.From, e.Steps[0]); err != nil {
				return err
			}
		}
		if a.key != b.key || b.write && !p.did[y] && len(e.Via) == 0 {
			return fmt.Errorf("the keys differ, or index %d did not happen", e.To)
		}
		if err := p.precedes(a, b, e.Via); err != nil {
			return err
		}
		ends[i] = [2]*step{a, b}
	}
	for i, e := range ends {
		if next := ends[(i+1)%len(ends)][0]; e[1].key != next.key || e[1].id != next.id {
			return fmt.Errorf("%v is not where the next step of the circle begins", e[1].value)
		}
	}
	return nil
}
