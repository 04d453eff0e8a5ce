package eventlog

import (
	"container/heap"
	"math"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// never is the index of what does not happen.
const never = math.MaxInt

// removals finds out from when on the messages of each log may be gone.
func (j *judge) removals(opts Options) {
	if opts.Retention <= 0 && !opts.Compaction {
		return
	}
	for _, p := range j.keys {
		p.due = slices.Repeat([]int{never}, len(p.log))
		if opts.Retention > 0 {
			p.retain(opts.Retention)
		}
		if opts.Compaction {
			p.compact()
		}
	}
}

// retain is for a log that keeps its newest messages: one may be gone once so many had
// been sent that may be after it. Those of which nobody knows the place may be.
func (p *partition) retain(most int) {
	after := earliest{most: most}
	for v := range p.about {
		if a := &p.about[v]; a.slots == 0 && a.maybe {
			after.add(a.born)
		}
	}
	for place := len(p.log) - 1; place >= 0; place-- {
		p.due[place] = after.enough()
		p.ending(place, func(_ int32, a *about) {
			a.gone = p.due[place] < never
			if a.maybe {
				after.add(a.born)
			}
		})
	}
	for v := range p.about {
		if a := &p.about[v]; a.slots == 0 {
			a.gone = after.all > most
		}
	}
}

// compact is for a log of which only the last message of each record key has to stay:
// one may be gone once another one had been sent that may be after it. A tombstone,
// whose value is nil, may be gone at any time.
func (p *partition) compact() {
	heirs, known := map[string]int{}, map[string]bool{}
	inherit := func(v int32, a *about) {
		k := recordKey(p.values.Value(v))
		if at, ok := heirs[k]; a.maybe && (!ok || a.born < at) {
			heirs[k] = a.born
		}
	}
	for v := range p.about {
		if a := &p.about[v]; a.slots == 0 {
			inherit(int32(v), a)
		}
	}
	for place := len(p.log) - 1; place >= 0; place-- {
		due := -1
		for _, h := range p.slots[p.log[place]].held {
			due = max(due, p.superseded(h.value, heirs))
		}
		p.due[place] = min(p.due[place], due)
		p.ending(place, func(v int32, a *about) {
			value := p.values.Value(v)
			a.gone = a.gone || isRecord(value) && known[recordKey(value)]
		})
		p.ending(place, func(v int32, a *about) {
			known[recordKey(p.values.Value(v))] = true
			inherit(v, a)
		})
	}
	for v := range p.about {
		a, value := &p.about[v], p.values.Value(int32(v))
		a.gone = a.gone || isRecord(value) && value.Get("value").IsNil()
	}
}

// superseded returns from when on compaction may remove a value.
func (p *partition) superseded(v int32, heirs map[string]int) int {
	value := p.values.Value(v)
	if !isRecord(value) {
		return never
	}
	if value.Get("value").IsNil() {
		return -1
	}
	if at, ok := heirs[recordKey(value)]; ok {
		return at
	}
	return never
}

// ending calls f for the values whose last place it is.
func (p *partition) ending(place int, f func(v int32, a *about)) {
	for _, h := range p.slots[p.log[place]].held {
		if a := &p.about[h.value]; int(a.last) == place {
			f(h.value, a)
		}
	}
}

// isRecord reports whether a message has a record key.
func isRecord(v history.Value) bool { return v.Kind() == history.KindMap }

// recordKey returns the record key of a message as text.
func recordKey(v history.Value) string {
	k := v.Get("key")
	return string(k.AppendEDN([]byte{byte(k.Kind())}))
}

// earliest holds the earliest of many indices, as a heap whose top is the latest.
type earliest struct {
	kept []int
	most int // how many are kept
	all  int // how many there were
}

// add takes an index in.
func (e *earliest) add(index int) {
	e.all++
	heap.Push(e, index)
	if len(e.kept) > e.most {
		heap.Pop(e)
	}
}

// enough returns from when on there were as many as are kept.
func (e *earliest) enough() int {
	if len(e.kept) < e.most {
		return never
	}
	return e.kept[0]
}

// Len implements heap.Interface, and so do the methods after it.
func (e *earliest) Len() int { return len(e.kept) }

// Less has the latest on top.
func (e *earliest) Less(i, j int) bool { return e.kept[i] > e.kept[j] }

// Swap swaps two.
func (e *earliest) Swap(i, j int) { e.kept[i], e.kept[j] = e.kept[j], e.kept[i] }

// Push appends one.
func (e *earliest) Push(x any) { e.kept = append(e.kept, x.(int)) }

// Pop takes the last one off.
func (e *earliest) Pop() any {
	x := e.kept[len(e.kept)-1]
	e.kept = e.kept[:len(e.kept)-1]
	return x
}
