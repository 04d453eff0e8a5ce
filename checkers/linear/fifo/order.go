package fifo

import (
	"context"
	"slices"
)

// sortBy sorts elements by a time.
func (q *queue) sortBy(values []int32, time func(*Element) int64) {
	type timed struct {
		at    int64
		value int32
	}
	list := make([]timed, len(values))
	for i, v := range values {
		list[i] = timed{time(&q.Of[v]), v}
	}
	slices.SortFunc(list, func(a, b timed) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return int(a.value - b.value)
	})
	for i, t := range list {
		values[i] = t.value
	}
}

// line finds the order in which the elements go through the queue, or two that
// must be before each other. Elements that nobody took come last.
func (q *queue) line(ctx context.Context) *Violation {
	var left []int32
	for v := range q.Of {
		if q.Of[v].Put != None {
			left = append(left, int32(v))
		}
	}
	sides := [2]side{
		newSide(q, left, func(el *Element) (int64, int64) { return el.PutFrom, el.PutTo }),
		newSide(q, left, func(el *Element) (int64, int64) { return el.TakeFrom, el.TakeTo }),
	}
	var ready heap
	free := make([]uint8, len(q.Of)) // on how many sides an element may be next
	gone := make([]bool, len(q.Of))
	for range left {
		if len(q.order)&0xffff == 0 && context.Cause(ctx) != nil {
			return nil
		}
		for i := range sides {
			sides[i].advance(gone, func(v int32) {
				if free[v]++; free[v] == 2 {
					ready.push(ended{q.Of[v].PutTo, v})
				}
			})
		}
		if len(ready) == 0 {
			a, b := sides[0].first(), sides[1].first()
			return q.withCore(&Violation{Fault: Passed, Pairs: [][2]int32{{q.Of[a].Put, q.Of[b].Put}}})
		}
		// The one that was there first: what was there before a moment at which the
		// queue was empty precedes what came after it.
		v := ready.pop()
		gone[v] = true
		q.order = append(q.order, v)
	}
	return nil
}

// side is what enqueues say about the order, or what dequeues do: an element can
// be next if its operation began before any of those that are left ended.
type side struct {
	begins, ends []ended // the elements that are left, by beginning and by end
}

// ended is an element and a time.
type ended struct {
	at    int64
	value int32
}

func newSide(q *queue, values []int32, times func(*Element) (from, to int64)) side {
	s := side{begins: make([]ended, len(values)), ends: make([]ended, len(values))}
	for i, v := range values {
		from, to := times(&q.Of[v])
		s.begins[i], s.ends[i] = ended{from, v}, ended{to, v}
	}
	byTime := func(a, b ended) int {
		if a.at != b.at {
			if a.at < b.at {
				return -1
			}
			return 1
		}
		return int(a.value - b.value)
	}
	slices.SortFunc(s.begins, byTime)
	slices.SortFunc(s.ends, byTime)
	return s
}

// advance calls free for the elements that can be next from now on.
func (s *side) advance(gone []bool, free func(int32)) {
	for len(s.ends) > 0 && gone[s.ends[0].value] {
		s.ends = s.ends[1:]
	}
	for len(s.begins) > 0 && s.begins[0].at <= s.ends[0].at {
		free(s.begins[0].value)
		s.begins = s.begins[1:]
	}
}

// first returns the element whose operation ended first.
func (s *side) first() int32 { return s.ends[0].value }

// heap gives out the element with the earliest time.
type heap []ended

func (h *heap) push(e ended) {
	*h = append(*h, e)
	l := *h
	for i := len(l) - 1; i > 0 && l[i].at < l[(i-1)/2].at; i = (i - 1) / 2 {
		l[i], l[(i-1)/2] = l[(i-1)/2], l[i]
	}
}

func (h *heap) pop() int32 {
	l := *h
	top, n := l[0].value, len(l)-1
	l[0] = l[n]
	*h, l = l[:n], l[:n]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < n; c++ {
			if l[c].at < l[least].at {
				least = c
			}
		}
		if least == i {
			return top
		}
		l[i], l[least] = l[least], l[i]
		i = least
	}
}

// schedule puts the operations in order. Enqueues and dequeues go through the
// elements in their order, each dequeue behind its enqueue, and dequeues that
// found nothing come when everything was taken that was there before their
// moment. What can be next is what began before anything that is left ended.
func (q *queue) schedule() []int32 {
	s := newScheduler(q)
	for s.step() {
	}
	return s.out
}

// scheduler has the operations that are left: enqueues from put on, dequeues
// from take on, dequeues that found nothing from empty on.
type scheduler struct {
	*queue
	put, take, empty              int
	puts, takes, empties          []int32 // operations in their orders
	before                        []int   // for each of empties, how many elements are before it
	putsEnd, takesEnd, emptiesEnd []int64 // when the first of those that are left ends
	out                           []int32
}

func newScheduler(q *queue) *scheduler {
	s := &scheduler{queue: q, out: make([]int32, 0, len(q.ops))}
	ends := make([]int64, len(q.order)) // of the enqueues
	for i, v := range q.order {
		s.puts = append(s.puts, q.Of[v].Put)
		ends[i] = q.Of[v].PutTo
		if t := q.Of[v].Take; t != None {
			s.takes = append(s.takes, t)
		}
	}
	places := make([]int, len(q.Empties))
	for i := range places {
		places[i] = i
	}
	slices.SortStableFunc(places, func(a, b int) int { return int(q.At[a] - q.At[b]) })
	n := 0
	for _, i := range places {
		for n < len(ends) && ends[n] <= int64(q.At[i]) {
			n++
		}
		s.empties, s.before = append(s.empties, q.Empties[i]), append(s.before, n)
	}
	s.putsEnd, s.takesEnd, s.emptiesEnd = s.firstEnds(s.puts), s.firstEnds(s.takes), s.firstEnds(s.empties)
	return s
}

// firstEnds returns, for each place in a list of operations, when the first of
// those from there on ends.
func (s *scheduler) firstEnds(list []int32) []int64 {
	ends := make([]int64, len(list)+1)
	ends[len(list)] = Never
	for i := len(list) - 1; i >= 0; i-- {
		ends[i] = min(ends[i+1], int64(s.ops[list[i]].Res))
	}
	return ends
}

// step puts one more operation to the order, if one is left.
func (s *scheduler) step() bool {
	end := min(s.putsEnd[s.put], s.takesEnd[s.take], s.emptiesEnd[s.empty])
	can := func(list []int32, i int) bool { return i < len(list) && int64(s.ops[list[i]].Inv) < end }
	limit := len(s.puts) // enqueues that may be there before the next dequeue that found nothing
	if s.empty < len(s.empties) {
		limit = s.before[s.empty]
	}
	switch {
	case s.put == limit && s.take == limit && can(s.empties, s.empty):
		s.out = append(s.out, s.empties[s.empty])
		s.empty++
	case s.take < s.put && can(s.takes, s.take):
		s.out = append(s.out, s.takes[s.take])
		s.take++
	case s.put < limit && can(s.puts, s.put):
		s.out = append(s.out, s.puts[s.put])
		s.put++
	case end == Never:
		return false
	default:
		panic("fifo: there is an order of the elements, but none of the operations")
	}
	return true
}
