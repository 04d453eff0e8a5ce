package gen

import (
	"math/bits"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// NemesisThread is the thread of the nemesis.
const NemesisThread = -1

// Context is what a generator can see of the run: the time, and which of the
// threads that it may use are free. It is valid only during the call it was
// given to, and generators only read it.
type Context struct {
	// Time is now, in nanoseconds since the start of the run.
	Time int64

	roster  *Roster
	clients *set   // the client threads that this generator may use
	nemesis bool   // it may use the nemesis
	cursor  cursor // where to look for a free thread first
}

// Threads returns how many client threads the generator may use.
func (c *Context) Threads() int { return c.clients.n }

// Clients returns how many client threads the whole run has.
func (c *Context) Clients() int { return len(c.roster.processes) }

// Nodes returns how many nodes the cluster has.
func (c *Context) Nodes() int { return c.roster.nodes }

// Free returns how many of the client threads that it may use are free.
func (c *Context) Free() int { return c.clients.count(c.roster.free) }

// NemesisFree reports whether the generator may use the nemesis and the
// nemesis has nothing to do.
func (c *Context) NemesisFree() bool { return c.nemesis && c.roster.nemesisFree }

// AnyFree reports whether any thread that the generator may use is free.
func (c *Context) AnyFree() bool {
	return c.NemesisFree() || c.clients.first(c.roster.free, 0) >= 0
}

// AllFree reports whether all threads that the generator may use are free.
func (c *Context) AllFree() bool {
	return (!c.nemesis || c.roster.nemesisFree) && c.Free() == c.clients.n
}

// IsFree reports whether the generator may use a client thread and it is free.
func (c *Context) IsFree(thread int) bool {
	return c.clients.has(thread) && has(c.roster.free, thread)
}

// Thread returns the thread on which a process works or worked.
func (c *Context) Thread(p history.Process) int { return c.roster.Thread(p) }

// Process returns the process that works on a thread now.
func (c *Context) Process(thread int) history.Process { return c.roster.Process(thread) }

// Node returns the node that a client thread belongs to, from 0.
func (c *Context) Node(thread int) int { return thread % c.roster.nodes }

// Pick returns the process of a free thread. Threads take turns, so that all
// get the same share whatever the load is, and in an order that changes from
// round to round, so that a repeating pattern of operations does not always
// meet the same nodes. The nemesis is picked only where there are no clients.
func (c *Context) Pick() (history.Process, bool) {
	if c.clients.n == 0 {
		return history.Nemesis, c.NemesisFree()
	}
	thread := c.cursor.find(c.clients, c.roster.free)
	if thread < 0 {
		return 0, false
	}
	return c.roster.processes[thread], true
}

// includes reports whether the thread of p is one that this generator may use.
func (c *Context) includes(p history.Process) bool {
	if p == history.Nemesis {
		return c.nemesis
	}
	return c.clients.has(c.roster.Thread(p))
}

// view restricts the context to some of its threads.
func (c *Context) view(clients *set, nemesis bool, at cursor) *Context {
	v := c.roster.spare()
	*v = Context{Time: c.Time, roster: c.roster, clients: clients, nemesis: nemesis && c.nemesis, cursor: at}
	return v
}

// at returns the context as it would be at another time.
func (c *Context) at(time int64) *Context {
	v := c.roster.spare()
	*v = *c
	v.Time = time
	return v
}

// Roster keeps the book of threads for whoever runs a generator: which are
// free, and which process works on each. It is not safe for concurrent use.
type Roster struct {
	all         *set
	free        []uint64
	processes   []history.Process
	nodes       int
	nemesis     bool
	nemesisFree bool
	cursor      cursor
	ctx         Context

	// Views of ctx die with it. They are taken from here, because there are
	// some for every operation.
	views [32]Context
	used  int
}

// NewRoster returns a roster on which all threads are free: clients of them
// for clients, and one for the nemesis if there is one.
func NewRoster(clients, nodes int, nemesis bool) *Roster {
	r := &Roster{
		all:         newSet(clients, func(int) bool { return true }),
		processes:   make([]history.Process, clients),
		nodes:       max(nodes, 1),
		nemesis:     nemesis,
		nemesisFree: nemesis,
	}
	r.free = append(r.free, r.all.bits...)
	for t := range r.processes {
		r.processes[t] = history.Process(t)
	}
	return r
}

// Context returns the context of the given time. It is valid until the next
// call of any method of r.
func (r *Roster) Context(now int64) *Context {
	r.used = 0
	r.ctx = Context{Time: now, roster: r, clients: r.all, nemesis: r.nemesis, cursor: r.cursor}
	return &r.ctx
}

// spare returns room for a view.
func (r *Roster) spare() *Context {
	if r.used == len(r.views) {
		return new(Context)
	}
	r.used++
	return &r.views[r.used-1]
}

// Begin marks the thread of p as busy.
func (r *Roster) Begin(p history.Process) {
	if p == history.Nemesis {
		r.nemesisFree = false
		return
	}
	t := r.Thread(p)
	r.free[t/64] &^= 1 << (t % 64)
	r.cursor = r.cursor.after(t, r.all)
}

// End marks the thread of p as free. If p is to be retired, the thread goes on
// as the process p + number of clients. The nemesis is never retired.
func (r *Roster) End(p history.Process, retire bool) {
	if p == history.Nemesis {
		r.nemesisFree = r.nemesis
		return
	}
	t := r.Thread(p)
	r.free[t/64] |= 1 << (t % 64)
	if retire {
		r.processes[t] = p + history.Process(len(r.processes))
	}
}

// IsFree reports whether p works on a thread now, and that thread is free.
func (r *Roster) IsFree(p history.Process) bool {
	if p == history.Nemesis {
		return r.nemesisFree
	}
	t := r.Thread(p)
	return t >= 0 && r.processes[t] == p && has(r.free, t)
}

// Thread returns the thread on which a process works or worked.
func (r *Roster) Thread(p history.Process) int {
	if p < 0 || len(r.processes) == 0 {
		return NemesisThread
	}
	return int(p) % len(r.processes)
}

// Process returns the process that works on a thread now.
func (r *Roster) Process(thread int) history.Process {
	if thread == NemesisThread {
		return history.Nemesis
	}
	return r.processes[thread]
}

// set is an immutable set of client threads.
type set struct {
	bits []uint64
	n    int
}

func newSet(clients int, in func(thread int) bool) *set {
	s := &set{bits: make([]uint64, (clients+63)/64)}
	for t := range clients {
		if in(t) {
			s.bits[t/64] |= 1 << (t % 64)
			s.n++
		}
	}
	return s
}

func has(words []uint64, t int) bool {
	return t >= 0 && t/64 < len(words) && words[t/64]&(1<<(t%64)) != 0
}

func (s *set) has(t int) bool { return has(s.bits, t) }

// count returns how many threads of s are among the given ones.
func (s *set) count(among []uint64) int {
	n := 0
	for i, w := range s.bits {
		n += bits.OnesCount64(w & among[i])
	}
	return n
}

// first returns the first thread of s from from on that is among the given
// ones, or -1.
func (s *set) first(among []uint64, from int) int {
	for i := from / 64; i < len(s.bits); i++ {
		w := s.bits[i] & among[i]
		if i == from/64 {
			w &= ^uint64(0) << (from % 64)
		}
		if w != 0 {
			return i*64 + bits.TrailingZeros64(w)
		}
	}
	return -1
}

// nth returns the thread of s that has n threads of s before it.
func (s *set) nth(n int) int {
	for i, w := range s.bits {
		if c := bits.OnesCount64(w); n >= c {
			n -= c
			continue
		}
		for range n {
			w &= w - 1
		}
		return i*64 + bits.TrailingZeros64(w)
	}
	return -1
}

// cursor goes round a set of threads. In each round it passes all of them
// once, beginning at another place. One cursor for each set, because a cursor
// that sets share is thrown back to the low threads of a set by every use of
// another one: the skew of Jepsen's issue 611.
type cursor struct {
	next  int    // where to look next
	left  int    // how many more in this round
	round uint32 // how many rounds are over
}

// find returns the thread of the set whose turn it is, of those that are free,
// or -1.
func (c cursor) find(in *set, free []uint64) int {
	if t := in.first(free, c.next); t >= 0 {
		return t
	}
	return in.first(free, 0)
}

// after returns the cursor after it was used for thread, one of the set.
func (c cursor) after(thread int, of *set) cursor {
	if c.left == 0 {
		c.left = of.n
	}
	c.next, c.left = thread+1, c.left-1
	if c.left == 0 {
		c.round++
		c.next = of.nth(scatter(c.round) % of.n)
	}
	return c
}

// scatter spreads consecutive numbers (Knuth's multiplicative hash).
func scatter(n uint32) int { return int(n * 2654435769 >> 8) }
