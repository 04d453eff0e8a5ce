package polygraph

import "math"

// planner makes the first order: one that keeps what is known, in which
// transactions come as they ended, except that who would overwrite a version
// waits until all who read it had their turn. Where nobody could go on, or
// somebody has waited too long, the one that ended first goes anyway, and the
// solver has to look at it.
type planner struct {
	*network
	patience int     // how long somebody may wait for the turn of others that began after he had ended
	order    []int32 // nodes
	left     []int32 // by node, how many edges lead to it from nodes that are not in the order
	when     []int   // by node, what is taken first
	ready    heap
	parked   heap
	waiting  [][]int32 // by key, nodes that wait for it
	state    []int8    // by node: todo, waits, done
	current  []int32   // by key, the version; none for the initial one
	unread   []int32   // by version, how many of its readers are not in the order
	unreadI  []int32   // by key, the same for its initial version
	writing  []int32   // by key, who has begun and will commit a version, plus one
}

const (
	todo = iota
	waits
	done
)

// plan returns the first order, or fewer nodes if what is known has a cycle. If it
// does not explain everything when transactions come as they ended, it lets those
// that nobody saw come early, and where nothing keeps real time, comes with more and
// less patience, and takes the order with the fewest clashes.
func (n *network) plan() []int32 {
	best := n.planWith(0, false)
	if len(best) < n.nodes() || len(n.clashes(best)) == 0 {
		return best
	}
	best = n.planWith(0, true)
	if n.timed {
		return best
	}
	least := len(n.clashes(best))
	for _, patience := range []int{100, 10_000, math.MaxInt / 2} {
		order := n.planWith(patience, true)
		if c := len(n.clashes(order)); c < least {
			best, least = order, c
		}
	}
	return best
}

func (n *network) planWith(patience int, early bool) []int32 {
	p := &planner{network: n, patience: patience, when: n.times(early)}
	p.left = make([]int32, n.nodes())
	for _, to := range n.out.to {
		p.left[to]++
	}
	p.state = make([]int8, n.nodes())
	p.waiting, p.current, p.unreadI, p.writing = make([][]int32, n.Keys), make([]int32, n.Keys), make([]int32, n.Keys), make([]int32, n.Keys)
	p.unread = make([]int32, len(n.vers))
	for k := range p.current {
		p.current[k] = none
	}
	for t := range n.Txns {
		for i, r := range n.Txns[t].Reads {
			*p.pending(r.Key, n.reads[t][i])++
		}
	}
	p.ready.when, p.parked.when = p.when, p.when
	for v := range p.left {
		if p.left[v] == 0 {
			p.ready.push(int32(v))
		}
	}
	p.run()
	return p.order
}

// times returns when nodes should come: by the time they ended, and before those
// who read from them should. What nobody read was overwritten, most likely at
// once, so it may come early.
func (n *network) times(early bool) []int {
	when := make([]int, n.nodes())
	read := make([]bool, len(n.Txns))
	for t := range n.Txns {
		when[t] = n.Txns[t].End
		for _, r := range n.Txns[t].Reads {
			if r.From != Initial {
				read[r.From] = true
			}
		}
	}
	for t := range n.Txns {
		if x := &n.Txns[t]; early && !read[t] && len(x.Writes) > 0 {
			when[t] = x.Begin
		}
	}
	for range 3 {
		for t := len(n.Txns) - 1; t >= 0; t-- {
			for _, r := range n.Txns[t].Reads {
				if r.From != Initial {
					when[r.From] = min(when[r.From], when[t])
				}
			}
		}
	}
	if n.level.Snapshot() {
		copy(when[len(n.Txns):], when[:len(n.Txns)])
	}
	for i := n.own(); i < len(when); i++ {
		when[i] = -1 // helpers do not keep anybody waiting
	}
	return when
}

func (p *planner) pending(key, v int32) *int32 {
	if v == none {
		return &p.unreadI[key]
	}
	return &p.unread[v]
}

func (p *planner) run() {
	for {
		v, ok := p.ready.pop()
		if ok {
			if k := p.blocked(v); k != none {
				p.state[v] = waits
				p.waiting[k] = append(p.waiting[k], v)
				p.parked.push(v)
				continue
			}
		}
		if w := p.waited(); w != none && (!ok || p.late(w, v)) {
			if ok {
				p.ready.push(v)
			}
			p.parked.pop()
			v = w
		} else if !ok {
			return
		}
		p.take(v)
	}
}

// waited returns the node that waits and ended first, or none.
func (p *planner) waited() int32 {
	for len(p.parked.nodes) > 0 {
		if v := p.parked.nodes[0]; p.state[v] == waits {
			return v
		}
		p.parked.pop()
	}
	return none
}

// late reports whether w has waited so long that v should not go before it.
func (p *planner) late(w, v int32) bool {
	t := p.txn(v)
	return t != none && p.when[w]+p.patience < p.Txns[t].Begin
}

// blocked returns a key for which the node should wait, or none.
func (p *planner) blocked(v int32) int32 {
	t := p.txn(v)
	if t == none {
		return none
	}
	for _, k := range p.Txns[t].Writes {
		if v == p.commit(t) {
			left := *p.pending(k, p.current[k])
			if v == p.begin(t) && p.readsNow(t, k) {
				left--
			}
			if left > 0 {
				return k
			}
		} else if p.writing[k] > 0 {
			return k
		}
	}
	return none
}

// readsNow reports whether t reads the current version of the key.
func (p *planner) readsNow(t, key int32) bool {
	for i, r := range p.Txns[t].Reads {
		if r.Key == key {
			return p.reads[t][i] == p.current[key]
		}
	}
	return false
}

// take appends a node to the order.
func (p *planner) take(v int32) {
	p.state[v] = done
	p.order = append(p.order, v)
	if t := p.txn(v); t != none {
		p.effect(v, t)
	}
	for _, to := range p.out.to[p.out.off[v]:p.out.off[v+1]] {
		if p.left[to]--; p.left[to] == 0 {
			p.ready.push(to)
		}
	}
}

func (p *planner) effect(v, t int32) {
	if v == p.begin(t) {
		for i, r := range p.Txns[t].Reads {
			left := p.pending(r.Key, p.reads[t][i])
			if *left--; *left <= 1 {
				p.wake(r.Key)
			}
		}
	}
	for i, k := range p.Txns[t].Writes {
		if v == p.begin(t) {
			p.writing[k] = t + 1
		}
		if v == p.commit(t) {
			p.current[k], p.writing[k] = p.first[t]+int32(i), 0
			p.wake(k)
		}
	}
}

// wake has those try again who wait for the key.
func (p *planner) wake(key int32) {
	for _, v := range p.waiting[key] {
		if p.state[v] == waits {
			p.state[v] = todo
			p.ready.push(v)
		}
	}
	p.waiting[key] = p.waiting[key][:0]
}

// heap gives nodes back by when they should come.
type heap struct {
	when  []int
	nodes []int32
}

func (h *heap) less(a, b int32) bool {
	if h.when[a] != h.when[b] {
		return h.when[a] < h.when[b]
	}
	return a < b
}

func (h *heap) push(v int32) {
	h.nodes = append(h.nodes, v)
	for i := len(h.nodes) - 1; i > 0; {
		up := (i - 1) / 2
		if !h.less(h.nodes[i], h.nodes[up]) {
			return
		}
		h.nodes[i], h.nodes[up] = h.nodes[up], h.nodes[i]
		i = up
	}
}

func (h *heap) pop() (int32, bool) {
	if len(h.nodes) == 0 {
		return none, false
	}
	top, last := h.nodes[0], len(h.nodes)-1
	h.nodes[0] = h.nodes[last]
	h.nodes = h.nodes[:last]
	for i := 0; ; {
		least := i
		for _, down := range [2]int{2*i + 1, 2*i + 2} {
			if down < last && h.less(h.nodes[down], h.nodes[least]) {
				least = down
			}
		}
		if least == i {
			return top, true
		}
		h.nodes[i], h.nodes[least] = h.nodes[least], h.nodes[i]
		i = least
	}
}
