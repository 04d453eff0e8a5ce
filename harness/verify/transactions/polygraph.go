package transactions

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// isolatedRegisters confirms a claim about registers whose versions have no known order; see the package comment.
func isolatedRegisters(c *claim.Claim) error {
	name := c.Parameters["level"]
	l, ok := isolation[name]
	if !ok || len(c.Parameters) != 1 {
		return fmt.Errorf("want the level as the only parameter, not %v", c.Parameters)
	}
	c.Parameters = map[string]string{"workload": registers, "consistency-models": name}
	if c.Verdict == claim.Valid {
		return transactions(c)
	}
	t, err := readTxns(c)
	if err != nil {
		return err
	}
	r := &refutation{txns: t, isolationLevel: l}
	if err := r.ReadEvidence(&r.proof); err != nil {
		return err
	}
	if err := r.survey(); err != nil {
		return err
	}
	return r.confirm()
}

// isolationLevel is what edges a level has.
type isolationLevel struct{ process, realtime, snapshot bool }

var isolation = map[string]isolationLevel{
	"serializable":                      {},
	"strong-session-serializable":       {process: true},
	"strong-serializable":               {process: true, realtime: true},
	"snapshot-isolation":                {snapshot: true},
	"strong-session-snapshot-isolation": {process: true, snapshot: true},
	"strong-snapshot-isolation":         {process: true, realtime: true, snapshot: true},
}

// refutation is the evidence, with what the transactions show.
type refutation struct {
	*txns
	isolationLevel
	proof struct {
		Cycles [][]refEdge `json:"cycles"`
		Steps  []refStep   `json:"steps"`
	}
	names  map[string]int // keys by what they are called
	left   map[made]word  // what a transaction left of a key
	base   map[made]word  // what it read of it before it wrote
	writer map[version]int
	sure   map[int]bool // transactions that happened
	chains map[made]link
}

type refEdge struct {
	From    int     `json:"from"`
	To      int     `json:"to"`
	Kind    string  `json:"kind"`
	Key     string  `json:"key"`
	Version *int    `json:"version"`
	If      *[2]int `json:"if"`
}

type refStep struct {
	Clause [][2]int `json:"clause"`
	From   []int    `json:"from"`
}

// made is a transaction, by the index of its invocation, with a key: the version
// of the key that it left. The initial version has no transaction.
type made struct{ txn, key int }

const atFirst = -1

// link is the place of a version: in which chain, by the transaction that made
// its first version, and how far behind that.
type link struct{ root, depth int }

// survey finds out who made and who read which version.
func (r *refutation) survey() error {
	r.names, r.sure = make(map[string]int), make(map[int]bool)
	r.left, r.base, r.writer = make(map[made]word), make(map[made]word), make(map[version]int)
	for i := range r.list {
		x := &r.list[i]
		for _, p := range x.Value().Elems() {
			r.names[p.Elems()[1].String()] = r.keys[wordOf(p.Elems()[1])]
		}
		r.sure[x.Inv] = x.Happened()
		if x.Failed() {
			continue
		}
		for _, m := range x.mets() {
			at := made{x.Inv, m.key}
			if m.base != nil {
				r.base[at] = m.base.id
			}
			if m.last != nil {
				r.left[at] = m.last.id
			}
		}
		for _, s := range x.steps {
			v := version{s.key, s.id}
			if w, twice := r.writer[v]; twice && s.write {
				return fmt.Errorf("index %d and index %d both write %v, so nobody can say who was read", w, x.Inv, s.value)
			}
			if s.write {
				r.writer[v] = x.Inv
			}
		}
	}
	for at, id := range r.base {
		if w, ok := r.source(made{at.txn, at.key}); ok && id != nothing {
			r.sure[w] = true
		}
	}
	r.chain()
	return nil
}

// source returns whose version of the key a transaction read:  atFirst for the
// initial one.
func (r *refutation) source(reader made) (int, bool) {
	id, ok := r.base[reader]
	if !ok || id == nothing {
		return atFirst, ok
	}
	w, ok := r.writer[version{reader.key, id}]
	return w, ok && w != reader.txn && r.left[made{w, reader.key}] == id
}

// chain gives every version its place. Versions that were made of each other in a
// circle, or of one that nobody left, have none.
func (r *refutation) chain() {
	r.chains = make(map[made]link)
	seen := make(map[made]bool, len(r.left))
	for at := range r.left {
		var path []made
		var l link
		var ok bool
		for {
			if l, ok = r.chains[at]; ok || seen[at] {
				break
			}
			seen[at] = true
			from, read := r.source(at)
			if _, reads := r.base[at]; reads && !read {
				break
			}
			path = append(path, at)
			if !read || from == atFirst {
				l, ok = link{at.txn, -1}, true
				if read {
					l.root = atFirst
				}
				break
			}
			at.txn = from
		}
		for i := len(path) - 1; i >= 0 && ok; i-- {
			l.depth++
			r.chains[path[i]] = l
		}
	}
}

// confirm goes through the proof.
func (r *refutation) confirm() error {
	var clauses []map[[2]int]bool
	for i, cycle := range r.proof.Cycles {
		clause, err := r.cycle(cycle)
		if err != nil {
			return fmt.Errorf("cycle %d: %w", i, err)
		}
		clauses = append(clauses, clause)
	}
	for i, s := range r.proof.Steps {
		clause := make(map[[2]int]bool)
		for _, p := range s.Clause {
			clause[p] = true
		}
		if err := follows(clauses, clause, s.From); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
		clauses = append(clauses, clause)
	}
	if len(clauses) == 0 || len(clauses[len(clauses)-1]) > 0 {
		return fmt.Errorf("the last clause is not empty, so the proof leaves a choice")
	}
	return nil
}

// follows confirms that a clause follows from others.
func follows(clauses []map[[2]int]bool, clause map[[2]int]bool, from []int) error {
	not := make(map[[2]int]bool) // pairs that do not hold
	for p := range clause {
		not[p] = true
	}
	for i, f := range from {
		if f < 0 || f >= len(clauses) {
			return fmt.Errorf("there is no clause %d before it", f)
		}
		var open [][2]int
		for p := range clauses[f] {
			if !not[p] {
				open = append(open, p)
			}
		}
		switch {
		case len(open) == 0:
			return nil
		case len(open) > 1 || i == len(from)-1:
			return fmt.Errorf("clause %d leaves %d pairs", f, len(open))
		}
		not[[2]int{open[0][1], open[0][0]}] = true
	}
	return fmt.Errorf("it follows from nothing")
}

// cycle confirms a cycle and returns its clause.
func (r *refutation) cycle(cycle []refEdge) (map[[2]int]bool, error) {
	clause := make(map[[2]int]bool)
	for i := range cycle {
		e, next := &cycle[i], &cycle[(i+1)%len(cycle)]
		if err := r.edge(e); err != nil {
			return nil, fmt.Errorf("from %d to %d: %w", e.From, e.To, err)
		}
		if e.To != next.From || r.snapshot && e.Kind == "rw" && next.Kind == "rw" {
			return nil, fmt.Errorf("the edge from %d does not follow that to %d", next.From, e.To)
		}
		if e.If != nil {
			clause[[2]int{e.If[1], e.If[0]}] = true
		}
	}
	if len(cycle) == 0 {
		return nil, fmt.Errorf("it has no edges")
	}
	return clause, nil
}

func (r *refutation) edge(e *refEdge) error {
	from, err := r.Op(e.From)
	if err != nil {
		return err
	}
	to, err := r.Op(e.To)
	if err != nil {
		return err
	}
	if from == to || !r.sure[e.From] || !r.sure[e.To] {
		return fmt.Errorf("want two transactions that certainly happened")
	}
	if e.Kind == "process" || e.Kind == "rt" {
		ordered := r.realtime || e.Kind == "process" && r.process && from.Invoke.Process == to.Invoke.Process
		if e.If != nil || !ordered || !from.Before(to) {
			return fmt.Errorf("the level does not say that it comes before")
		}
		return nil
	}
	key, ok := r.names[e.Key]
	if !ok {
		return fmt.Errorf("there is no key %s", e.Key)
	}
	reader, writer := made{e.From, key}, made{e.To, key}
	switch {
	case e.Kind == "wr" && e.If == nil:
		if w, ok := r.source(made{e.To, key}); !ok || w != e.From {
			return fmt.Errorf("it did not read what the other wrote to %s", e.Key)
		}
		return nil
	case e.Kind == "ww":
		if _, ok := r.left[reader]; !ok {
			return fmt.Errorf("it did not write %s", e.Key)
		}
		return r.later(reader, writer, e.If)
	case e.Kind == "rw":
		of := atFirst
		if e.Version != nil {
			of = *e.Version
		}
		if w, ok := r.source(reader); !ok || w != of {
			return fmt.Errorf("it did not read that version of %s", e.Key)
		}
		return r.later(made{of, key}, writer, e.If)
	}
	return fmt.Errorf("there is no edge %s like this", e.Kind)
}

// later confirms that version b of a key comes after version a, if what is assumed
// is true.
func (r *refutation) later(a, b made, assumed *[2]int) error {
	_, wrote := r.left[a]
	_, wrote2 := r.left[b]
	if !wrote && a.txn != atFirst || !wrote2 {
		return fmt.Errorf("a version is missing")
	}
	if w, ok := r.source(b); ok && w == a.txn || assumed != nil && *assumed == [2]int{a.txn, b.txn} {
		return nil
	}
	before, ok := r.chains[a]
	if a.txn == atFirst {
		before, ok = link{atFirst, -1}, true
	}
	after, ok2 := r.chains[b]
	switch {
	case !ok || !ok2:
		return fmt.Errorf("a version is in no chain")
	case before.root == after.root && before.depth < after.depth, before.root == atFirst && after.root != atFirst:
		return nil
	case assumed == nil:
		return fmt.Errorf("nothing says that its version comes later")
	}
	first, ok := r.chains[made{assumed[0], a.key}]
	second, ok2 := r.chains[made{assumed[1], a.key}]
	if !ok || !ok2 || !r.sure[assumed[0]] || !r.sure[assumed[1]] {
		return fmt.Errorf("what is assumed of %d and %d is not about two versions of the key", assumed[0], assumed[1])
	}
	same := first.root == second.root
	switch {
	case same && first.depth > second.depth, !same && second.root == atFirst:
		return nil // what is assumed cannot be, so it may be said to lead to anything
	case !same && first.root == before.root && second.root == after.root:
		return nil
	}
	return fmt.Errorf("what is assumed of %d and %d does not say which version comes later", assumed[0], assumed[1])
}
