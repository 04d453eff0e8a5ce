package ap

// alarm is something that waits for a time.
type alarm interface {
	// ring is called when the time has come.
	ring(n *node)
	// over says that nobody waits any more.
	over() bool
}

// timer is an alarm and its time.
type timer struct {
	at   int64
	tick uint64 // when it was set: of timers for the same time the first goes first
	do   alarm
}

func (t timer) before(u timer) bool {
	return t.at < u.at || t.at == u.at && t.tick < u.tick
}

// timers is a heap with the first timer on top.
type timers struct {
	heap  []timer
	ticks uint64
}

func (ts *timers) set(at int64, do alarm) {
	ts.ticks++
	ts.heap = append(ts.heap, timer{at, ts.ticks, do})
	for i := len(ts.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !ts.heap[i].before(ts.heap[up]) {
			break
		}
		ts.heap[i], ts.heap[up] = ts.heap[up], ts.heap[i]
		i = up
	}
}

// first returns the time of the first timer that somebody waits for.
func (ts *timers) first() (at int64, ok bool) {
	for len(ts.heap) > 0 {
		if !ts.heap[0].do.over() {
			return ts.heap[0].at, true
		}
		ts.pop()
	}
	return 0, false
}

func (ts *timers) pop() timer {
	h := ts.heap
	top, end := h[0], len(h)-1
	h[0], h[end] = h[end], timer{}
	ts.heap = h[:end]
	for i := 0; ; {
		down := 2*i + 1
		if down >= end {
			return top
		}
		if right := down + 1; right < end && h[right].before(h[down]) {
			down = right
		}
		if !h[down].before(h[i]) {
			return top
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
}
