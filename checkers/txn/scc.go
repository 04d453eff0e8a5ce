package txn

// components returns the strongly connected component of each node, going along
// edges of the kinds in mask, and how many there are. An edge between two of
// them leads to the lower number (Tarjan, 1972).
func (r *relation) components(mask uint8) (of []int32, count int32) {
	return r.componentsUntil(mask, func() bool { return false })
}

// componentsUntil does the same, but gives up when stop says so: then what it
// returns means nothing.
func (r *relation) componentsUntil(mask uint8, stop func() bool) (of []int32, count int32) {
	n := len(r.off) - 1
	d := &dfs{r: r, mask: mask, stop: stop, low: make([]int32, n), at: make([]int32, n), comp: make([]int32, n)}
	for v := range n {
		d.comp[v] = none
	}
	for v := range n {
		if d.low[v] == 0 && !d.stopped {
			d.visit(int32(v))
		}
	}
	return d.comp, d.count
}

// dfs is a depth-first search. It keeps its own stack: histories are deep.
type dfs struct {
	r     *relation
	mask  uint8
	low   []int32 // the earliest node that can be reached, by time of discovery; 0 if not visited
	at    []int32 // the next edge to follow
	comp  []int32
	path  []int32 // from the root to here
	open  []int32 // nodes without a component yet
	clock int32
	count int32

	stop    func() bool // asked now and then
	stopped bool
}

func (d *dfs) push(v int32) {
	d.clock++
	d.stopped = d.clock%pace == 0 && d.stop()
	d.low[v] = d.clock
	d.at[v] = d.r.off[v]
	d.path = append(d.path, v)
	d.open = append(d.open, v)
}

func (d *dfs) visit(root int32) {
	d.push(root)
	for len(d.path) > 0 && !d.stopped {
		v := d.path[len(d.path)-1]
		if w := d.next(v); w != none {
			d.push(w)
			continue
		}
		d.path = d.path[:len(d.path)-1]
		d.leave(v)
	}
}

// next follows the edges of v up to one that leads to a new node.
func (d *dfs) next(v int32) int32 {
	for ; d.at[v] < d.r.off[v+1]; d.at[v]++ {
		w := d.r.to[d.at[v]]
		if d.r.tag[d.at[v]]&d.mask != 0 && d.low[w] == 0 {
			return w
		}
	}
	return none
}

// leave settles the lowest reachable node of v, and closes its component if
// that is v itself.
func (d *dfs) leave(v int32) {
	low := d.low[v]
	for i := d.r.off[v]; i < d.r.off[v+1]; i++ {
		if w := d.r.to[i]; d.r.tag[i]&d.mask != 0 && d.comp[w] == none {
			low = min(low, d.low[w])
		}
	}
	if low < d.low[v] {
		d.low[v] = low
		return
	}
	for {
		w := d.open[len(d.open)-1]
		d.open = d.open[:len(d.open)-1]
		d.comp[w] = d.count
		if w == v {
			break
		}
	}
	d.count++
}
