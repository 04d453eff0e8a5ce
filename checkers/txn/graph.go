package txn

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// The kinds of dependencies, as bits.
const (
	ww  = 1 << iota // it wrote the next version
	wr              // it read the version that was written
	rw              // it wrote the version after the one that was read
	pr              // the same process did it later
	rt              // it began after the other had finished
	via             // the second half of an rw that goes through a hub
)

// kindNames are the names of dependencies in results.
var kindNames = map[uint8]string{ww: "ww", wr: "wr", rw: "rw", pr: "process", rt: "realtime"}

// edgeKinds are the names of dependencies as steps of a proof.
var edgeKinds = map[uint8]string{ww: "ww", wr: "wr", rw: "rw", pr: "process", rt: "rt"}

// graph is the dependency graph. Its first nodes are transactions. Others stand
// for moments between them, which keeps the real-time order linear in size, and
// for many anti-dependencies at once.
type graph struct {
	relation
	txns int // nodes below this are transactions
}

func (g *graph) size() int { return len(g.off) - 1 }

// builder collects the edges of a graph.
type builder struct {
	pairs
	s     *study
	nodes int32
}

// build returns the dependency graph of the study.
func (s *study) build(process, realtime bool) *graph {
	b := &builder{s: s, nodes: int32(len(s.txns))}
	room := 3*len(s.txns) + 2*len(s.steps)
	b.from, b.to, b.tag = make([]int32, 0, room), make([]int32, 0, room), make([]uint8, 0, room)
	for v := range s.vers {
		if s.stopped(v) {
			break
		}
		b.data(int32(v))
	}
	if process {
		b.process()
	}
	if realtime && !s.bare && !s.late {
		b.realtime()
	}
	return &graph{b.relation(int(b.nodes)), len(s.txns)}
}

// node adds a node that is not a transaction.
func (b *builder) node() int32 {
	b.nodes++
	return b.nodes - 1
}

// writer returns the transaction that installed a version, or none.
func (s *study) writer(v int32) int32 {
	ver := &s.vers[v]
	if ver.middle && s.opts.Workload == RWRegister {
		return none
	}
	return ver.writer
}

// direct is how many anti-dependencies from the readers of one version are
// drawn one by one.
const direct = 64

// data adds the dependencies on one version.
func (b *builder) data(v int32) {
	w, readers, next := b.s.writer(v), b.s.reads.of(v), b.s.succ.of(v)
	if w != none {
		for _, r := range readers {
			b.edge(w, r, wr)
		}
	}
	hub := len(readers) > 1 && len(next) > 1 && len(readers)*len(next) > direct
	for _, n := range next {
		x := b.s.writer(n)
		if x == none {
			continue
		}
		if w != none {
			b.edge(w, x, ww)
		}
		for i := 0; i < len(readers) && !hub; i++ {
			b.edge(readers[i], x, rw)
		}
	}
	if hub {
		b.hub(readers, next)
	}
}

func (b *builder) edge(from, to int32, kind uint8) {
	if from != to {
		b.add(from, to, kind)
	}
}

// hub links every reader with every writer of a next version except itself, with
// as many edges as there are readers and writers: one chain of nodes leads to
// the writers from any one on, another to those up to any one.
func (b *builder) hub(readers, next []int32) {
	var writers []int32
	for _, n := range next {
		if w := b.s.writer(n); w != none {
			writers = append(writers, w)
		}
	}
	slices.Sort(writers)
	writers = slices.Compact(writers)
	up, down := b.chain(writers), make([]int32, len(writers))
	for i, w := range writers {
		down[i] = b.node()
		b.add(down[i], w, via)
		if i > 0 {
			b.add(down[i], down[i-1], via)
		}
	}
	for _, r := range readers {
		i, self := slices.BinarySearch(writers, r)
		if !self {
			i = -1
		}
		if i > 0 {
			b.add(r, down[i-1], rw)
		}
		if i+1 < len(writers) {
			b.add(r, up[i+1], rw)
		}
	}
}

// chain adds nodes of which each leads to a writer and to the next node.
func (b *builder) chain(writers []int32) []int32 {
	up := make([]int32, len(writers))
	for i := len(writers) - 1; i >= 0; i-- {
		up[i] = b.node()
		b.add(up[i], writers[i], via)
		if i+1 < len(writers) {
			b.add(up[i], up[i+1], via)
		}
	}
	return up
}

// process links the transactions of each process.
func (b *builder) process() {
	last := make(map[history.Process]int32)
	for t := range b.s.txns {
		if !b.s.live(int32(t)) {
			continue
		}
		p := b.s.calls[b.s.txns[t].call].Invoke.Process
		if before, ok := last[p]; ok {
			b.add(before, int32(t), pr)
		}
		if b.s.txns[t].typ == history.OK {
			last[p] = int32(t)
		}
	}
}

// realtime links each transaction with those that began after it had finished,
// through moments: one for each run of completions without an invocation
// between. Who finished leads to the next moment, and the last moment leads to
// who begins.
func (b *builder) realtime() {
	ends := b.s.ends()
	now, next := int32(none), int32(none)
	for t := range b.s.txns {
		if !b.s.live(int32(t)) {
			continue
		}
		begin := b.s.index(int32(t))
		for ; len(ends) > 0 && ends[0].index < begin; ends = ends[1:] {
			if next == none {
				next = b.node()
			}
			b.add(ends[0].txn, next, rt)
		}
		if next != none {
			if now != none {
				b.add(now, next, rt)
			}
			now, next = next, none
		}
		if now != none {
			b.add(now, int32(t), rt)
		}
	}
}

// end is when a transaction was known to be over.
type end struct {
	index int
	txn   int32
}

// ends returns the completions of the transactions that were ok, in order.
func (s *study) ends() []end {
	ends := make([]end, 0, s.ok)
	for t := range s.txns {
		if s.txns[t].typ == history.OK {
			ends = append(ends, end{s.calls[s.txns[t].call].Complete.Index, int32(t)})
		}
	}
	slices.SortFunc(ends, func(a, b end) int { return a.index - b.index })
	return ends
}
