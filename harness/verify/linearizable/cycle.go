package linearizable

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// cell is a value of a register; at tells the registers of a multi-register
// apart.
type cell struct{ at, value string }

// blank is what a register holds before it was written.
func (l *linear) blank() string { return claim.Name(l.text(l.initial())) }

// cells returns what an operation must have found if it happened, and what it
// wrote.
func (l *linear) cells(o *claim.Op) (found, wrote []cell, err error) {
	value := func(v history.Value) []cell { return []cell{{value: claim.Name(v)}} }
	a := l.answer(o)
	switch model, f := l.Parameters["model"], o.Invoke.F; {
	case model == "multi-register":
		return l.steps(o, a.known)
	case model != "register" && model != "cas-register" && model != "kv":
		return nil, nil, fmt.Errorf("a %s has no values that are read and written", model)
	case f == "read" || f == "get":
		if !a.known {
			return nil, nil, nil
		}
		return value(l.text(a.value)), nil, nil
	case f == "write" || f == "put":
		return nil, value(l.text(argument(o))), nil
	case f == "delete":
		return nil, value(history.Nil), nil
	case f == "cas" && len(argument(o).Elems()) == 2:
		pair := argument(o).Elems()
		return value(l.text(pair[0])), value(l.text(pair[1])), nil
	default:
		return nil, nil, fmt.Errorf("index %d: %q depends on more than one value", o.Inv, f)
	}
}

// text makes the empty text nil where the model does.
func (l *linear) text(v history.Value) history.Value {
	if l.Parameters["model"] == "kv" && v.Kind() == history.KindString && v.Text() == "" {
		return history.Nil
	}
	return v
}

// steps returns the cells of a transaction.
func (l *linear) steps(o *claim.Op, answered bool) (found, wrote []cell, err error) {
	for _, step := range transaction(o) {
		e := step.Elems()
		if len(e) != 3 {
			return nil, nil, fmt.Errorf("index %d: a step of a transaction must be [f key value]", o.Inv)
		}
		c := cell{claim.Name(e[1]), claim.Name(e[2])}
		switch f := e[0].Text(); {
		case f == "write" || f == "w":
			wrote = append(wrote, c)
		case answered && !(l.lenient() && e[2].IsNil()):
			found = append(found, c)
		}
	}
	return found, wrote, nil
}

// unwritten confirms that an operation found a value that nobody can have
// written by then: each operation that wrote it failed, or began after that.
func (l *linear) unwritten(index int) error {
	r, err := l.Op(index)
	if err != nil {
		return err
	}
	if !r.Happened() {
		c, err := l.clusters(r.Invoke.Key)
		if err != nil || !c.sure[l.Place[index]-1] {
			return fmt.Errorf("index %d: the operation need not have happened", index)
		}
	}
	found, _, err := l.cells(r)
	if err != nil {
		return err
	}
	written := make(map[cell]bool)
	for _, o := range l.on(r.Invoke.Key) {
		_, wrote, err := l.cells(o)
		if err != nil {
			return err
		}
		for _, c := range wrote {
			written[c] = written[c] || o.Inv < r.Res
		}
	}
	for _, c := range found {
		if c.value != l.blank() && !written[c] {
			return nil
		}
	}
	return fmt.Errorf("index %d: what the operation found may have been written before it ended", index)
}

// orderEdge is a step of a proof by cycle: an edge between two operations.
type orderEdge struct {
	From int    `json:"from"`
	To   int    `json:"to"`
	Kind string `json:"kind"` // rt, cas or init
}

// cyclic confirms that edges between operations on one register contradict each
// other.
//
// A write and the operations that read what it wrote form a cluster, if nobody
// else can have written that. Nothing but reads of the same value can come
// between the operations of a cluster, so whole clusters come before each other.
// The initial value has a cluster too, without a write, which comes first.
// A compare-and-set comes right behind the cluster of the value that it
// replaced, and begins a cluster. So it links two clusters to a block, and
// whole blocks come before each other as well. The edges:
//
//	rt    from was completed before to was invoked: the block of from is first
//	init  from found the initial value: its block is first
//	cas   to is a compare-and-set, and from on the cluster that it replaced
//
// They contradict each other if two compare-and-sets replaced the same cluster,
// if they form a circle, if within a block an operation of an earlier cluster
// began after one of a later cluster had ended, or if blocks come before each
// other in a circle.
func (l *linear) cyclic(edges []orderEdge) error {
	if len(edges) == 0 {
		return fmt.Errorf("there are no edges")
	}
	first, err := l.Op(edges[0].From)
	if err != nil {
		return err
	}
	r, err := l.clusters(first.Invoke.Key)
	if err != nil {
		return err
	}
	contradiction, err := r.chain(edges)
	if err != nil || contradiction {
		return err
	}
	before := make(map[int][]int) // blocks by the block that is before them
	for _, e := range edges {
		if e.Kind == "cas" {
			continue
		}
		a, b, err := r.ends(e)
		if err != nil {
			return err
		}
		switch {
		case r.block(a) != r.block(b):
			before[r.block(a)] = append(before[r.block(a)], r.block(b))
		case e.Kind == "rt" && r.position[a] > r.position[b]:
			return nil
		}
	}
	if !circular(before) {
		return fmt.Errorf("the edges do not contradict each other")
	}
	return nil
}

// initially is the cluster of the initial value. The other clusters have the
// places of their writes.
const initially = -1

// clusters is what the operations on a key found and wrote. Operations are named
// by their places, and so are clusters: by those of their writes.
type clusters struct {
	*linear
	found    []string          // what an operation found, if anything
	wrote    []string          // what it wrote, if anything
	sure     []bool            // whether it certainly happened
	writers  map[string]writer // of each value
	next     map[int]int       // the cluster that replaced a cluster
	root     map[int]int       // the first cluster of the block of a cluster
	position map[int]int       // how many clusters of its block are before it
}

// writer is how many operations may have written a value, and the last of them.
type writer struct{ count, at int }

// clusters reads the operations on a key.
func (l *linear) clusters(key history.Value) (*clusters, error) {
	if l.Parameters["model"] == "multi-register" {
		return nil, fmt.Errorf("a multi-register has no clusters")
	}
	n := len(l.Ops)
	r := &clusters{
		linear: l, found: make([]string, n), wrote: make([]string, n), sure: make([]bool, n),
		writers: make(map[string]writer), next: make(map[int]int), root: make(map[int]int), position: make(map[int]int),
	}
	var seen []string // by operations that certainly happened
	for _, o := range l.on(key) {
		at := l.Place[o.Inv] - 1
		found, wrote, err := l.cells(o)
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			r.found[at] = c.value
		}
		for _, c := range wrote {
			r.wrote[at] = c.value
			r.writers[c.value] = writer{r.writers[c.value].count + 1, at}
		}
		if o.Happened() {
			r.sure[at] = true
			seen = append(seen, r.found[at])
		}
	}
	for len(seen) > 0 {
		v := seen[len(seen)-1]
		seen = seen[:len(seen)-1]
		if w := r.writers[v]; v != l.blank() && w.count == 1 && !r.sure[w.at] {
			r.sure[w.at] = true
			seen = append(seen, r.found[w.at])
		}
	}
	return r, nil
}

// of returns the cluster of a value: it must be clear who wrote it.
func (r *clusters) of(value string) (int, error) {
	switch w := r.writers[value]; {
	case value == "":
		return 0, fmt.Errorf("it is not known what the operation found")
	case w.count == 0 && value == r.blank():
		return initially, nil
	case w.count == 1 && value != r.blank():
		return w.at, nil
	default:
		return 0, fmt.Errorf("%d operations may have written the value %s", w.count, value)
	}
}

// cluster returns the place of an operation, and its cluster.
func (r *clusters) cluster(index int) (at, cluster int, err error) {
	if _, err := r.Op(index); err != nil {
		return 0, 0, err
	}
	at = r.Place[index] - 1
	if !r.sure[at] {
		return 0, 0, fmt.Errorf("index %d: the operation need not have happened, or is on another key", index)
	}
	if r.wrote[at] != "" {
		return at, at, nil
	}
	cluster, err = r.of(r.found[at])
	return at, cluster, err
}

// chain reads the compare-and-sets into blocks. It reports true if that
// cannot be done because two replaced the same cluster, or they form a circle.
func (r *clusters) chain(edges []orderEdge) (contradiction bool, err error) {
	linked := make(map[int]bool)
	for _, e := range edges {
		if e.Kind != "cas" {
			continue
		}
		at, b, err := r.cluster(e.To)
		if err != nil {
			return false, err
		}
		found := r.found[at]
		if found == "" || r.wrote[at] == "" {
			return false, fmt.Errorf("index %d: the operation is no compare-and-set", e.To)
		}
		a, err := r.of(found)
		if err != nil {
			return false, err
		}
		if from, on, err := r.cluster(e.From); err != nil || on != a && r.found[from] != found {
			return false, fmt.Errorf("index %d: the operation is not on the value that the one at index %d replaced", e.From, e.To)
		}
		if old, ok := r.next[a]; ok && old != b {
			return true, nil
		}
		r.next[a], linked[b] = b, true
	}
	for a := range r.next {
		if linked[a] {
			continue
		}
		for b, n, ok := a, 0, true; ok; n++ {
			r.root[b], r.position[b] = a, n
			b, ok = r.next[b]
		}
	}
	for a := range r.next {
		if _, ok := r.root[a]; !ok {
			return true, nil
		}
	}
	return false, nil
}

// block returns the first cluster of the block of a cluster.
func (r *clusters) block(cluster int) int {
	if root, ok := r.root[cluster]; ok {
		return root
	}
	return cluster
}

// ends returns the clusters that an edge of order connects.
func (r *clusters) ends(e orderEdge) (a, b int, err error) {
	from, a, err := r.cluster(e.From)
	if err != nil {
		return 0, 0, err
	}
	to, b, err := r.cluster(e.To)
	if err != nil {
		return 0, 0, err
	}
	switch {
	case e.Kind == "rt" && r.Ops[from].Before(&r.Ops[to]):
		return a, b, nil
	case e.Kind == "rt":
		return 0, 0, fmt.Errorf("the operation at index %d did not end before that at index %d began", e.From, e.To)
	case e.Kind != "init":
		return 0, 0, fmt.Errorf("an edge is of the kind %q", e.Kind)
	case r.found[from] != r.blank() || r.writers[r.blank()].count > 0:
		return 0, 0, fmt.Errorf("index %d: the operation did not find the initial value", e.From)
	}
	return initially, b, nil
}

// circular reports whether a graph has a cycle. It takes away what has nothing
// before it until nothing is left, or only that.
func circular(before map[int][]int) bool {
	count := make(map[int]int)
	for a, list := range before {
		count[a] += 0
		for _, b := range list {
			count[b]++
		}
	}
	var free []int
	for a, n := range count {
		if n == 0 {
			free = append(free, a)
		}
	}
	left := len(count)
	for ; len(free) > 0; left-- {
		a := free[len(free)-1]
		free = free[:len(free)-1]
		for _, b := range before[a] {
			if count[b]--; count[b] == 0 {
				free = append(free, b)
			}
		}
	}
	return left > 0
}
