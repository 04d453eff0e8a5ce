package sim

import "math"

// kind says what an event is. The values are part of the digest.
type kind uint8

const (
	kMessage kind = iota + 1 // a message reaches a node
	kRequest                 // a client's request reaches a node
	kReply                   // an answer reaches a client
	kRefused                 // news reaches a client that nothing listens
	kReset                   // news reaches a client that its connection broke
	kWake                    // a node's timer
	kDisk                    // a disk operation completes
	kTurn                    // a worker's timer
	kAsk                     // a question of the harness reaches a node
	kAnswer                  // its answer comes back
	kProbe                   // a probe reaches the end of a link

	// What follows is never scheduled, but stands in the trace.
	kBoot
	kDied
	kKill
	kPowerOff
	kPause
	kResume
	kCut
	kSetClock
	kShape
	kCommand
)

var kindNames = [...]string{
	kMessage: "message", kRequest: "request", kReply: "reply", kRefused: "refused", kReset: "reset",
	kWake: "wake", kDisk: "disk", kTurn: "turn", kAsk: "ask", kAnswer: "answer", kProbe: "probe",
	kBoot: "boot", kDied: "died", kKill: "kill", kPowerOff: "power-off", kPause: "pause", kResume: "resume",
	kCut: "cut", kSetClock: "set-clock", kShape: "shape", kCommand: "command",
}

// event is what is going to happen. Messages travel by reference.
type event struct {
	body []byte
	id   uint64 // number of the call, question, start of the process or setting of the timer
	from int32  // a node or, where the kind says so, a worker
	to   int32
	kind kind
	held bool // it waited at a paused node before
}

// never is a time that does not come.
const never = math.MaxInt64

// entry is an event on the heap. It has no pointers, so that the garbage
// collector never looks at the heap and moving one costs two words. The key is
// the order of scheduling, which decides between events of the same time,
// above the slot of the event in the slab.
type entry struct {
	at  int64
	key uint64
}

func (a entry) before(b entry) bool {
	return a.at < b.at || a.at == b.at && a.key < b.key
}

const (
	slotBits = 24
	slotMask = 1<<slotBits - 1
)

// queue holds the events to come: a 4-ary heap, which is flatter than a binary
// one and needs fewer cache lines, over a slab of events.
type queue struct {
	heap []entry
	slab []event
	free []uint32
	seq  uint64
}

// push schedules e at the given time, after all that are there already.
func (q *queue) push(at int64, e event) {
	slot := q.slot()
	q.slab[slot] = e
	q.seq++
	q.up(entry{at, q.seq<<slotBits | uint64(slot)})
}

func (q *queue) slot() uint32 {
	if n := len(q.free); n > 0 {
		slot := q.free[n-1]
		q.free = q.free[:n-1]
		return slot
	}
	if len(q.slab) > slotMask {
		panic("sim: more than 16 million events are under way: something sends without end")
	}
	q.slab = append(q.slab, event{})
	return uint32(len(q.slab) - 1)
}

// up moves a hole from the end of the heap to where e belongs.
func (q *queue) up(e entry) {
	q.heap = append(q.heap, e)
	h, i := q.heap, len(q.heap)-1
	for i > 0 {
		parent := (i - 1) / 4
		if h[parent].before(e) {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = e
}

// next returns the time of the first event, or never.
func (q *queue) next() int64 {
	if len(q.heap) == 0 {
		return never
	}
	return q.heap[0].at
}

// pop takes the first event. There must be one.
func (q *queue) pop() (int64, event) {
	top, last := q.heap[0], len(q.heap)-1
	e := q.heap[last]
	q.heap = q.heap[:last]
	if last > 0 {
		q.down(e)
	}
	slot := uint32(top.key & slotMask)
	ev := q.slab[slot]
	q.slab[slot].body = nil
	q.free = append(q.free, slot)
	return top.at, ev
}

// down moves a hole from the top of the heap to where e belongs.
func (q *queue) down(e entry) {
	h, i := q.heap, 0
	for {
		first := 4*i + 1
		if first >= len(h) {
			break
		}
		least := first
		for j := first + 1; j < min(first+4, len(h)); j++ {
			if h[j].before(h[least]) {
				least = j
			}
		}
		if e.before(h[least]) {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = e
}

// timer is a timer that can be set again and again at no cost: at most one
// event on the heap stands for it, and one that comes too early is put back.
type timer struct {
	due   int64  // when it is to fire
	armed int64  // when the event on the heap comes
	gen   uint64 // which event that is; others are stale
}

func newTimer() timer { return timer{due: never, armed: never} }

// set makes t fire at the time due, as an event of kind k for to.
func (c *Cluster) set(t *timer, due int64, k kind, to int32) {
	t.due = due
	if due >= t.armed {
		return
	}
	t.armed = due
	t.gen++
	c.queue.push(due, event{kind: k, to: to, id: t.gen})
}

// fired reports whether e makes t fire now.
func (c *Cluster) fired(t *timer, e *event) bool {
	if e.id != t.gen {
		return false
	}
	t.armed = never
	if t.due > c.now {
		c.set(t, t.due, e.kind, e.to)
		return false
	}
	t.due = never
	return true
}
