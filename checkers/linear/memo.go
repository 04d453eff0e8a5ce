package linear

import (
	"math/bits"
	"slices"
)

// memo is the places that a search has been to: a hash table with open
// addressing. Places that differ only in how many operations without an answer
// were used share an entry, with a list of those numbers.
type memo struct {
	entries []entry // a power of two
	count   int
	more    []usedBy
}

type entry struct {
	mask  uint64
	state int64
	event int32 // plus one; 0 is a free entry
	used  int32
	more  int32 // index into memo.more plus one, or 0
}

// usedBy is one more number of operations in the list of an entry.
type usedBy struct{ used, more int32 }

// add notes a place, and reports whether neither it nor a better one was there:
// one that used fewer operations without an answer.
func (m *memo) add(n *node, u *usage) bool {
	if 2*m.count >= len(m.entries) {
		m.grow()
	}
	e := m.find(n.mask, n.state, n.event+1)
	if e.event == 0 {
		m.count++
		*e = entry{mask: n.mask, state: n.state, event: n.event + 1, used: n.used}
		return true
	}
	if u.within(e.used, n.used) {
		return false
	}
	for at := e.more; at != 0; at = m.more[at-1].more {
		if u.within(m.more[at-1].used, n.used) {
			return false
		}
	}
	m.more = append(m.more, usedBy{n.used, e.more})
	e.more = int32(len(m.more))
	return true
}

// find returns the entry of a place, or the free one where it belongs.
func (m *memo) find(mask uint64, state int64, event int32) *entry {
	last := uint64(len(m.entries) - 1)
	for i := hash(mask, uint64(state), uint64(event)); ; i++ {
		e := &m.entries[i&last]
		if e.event == 0 || e.event == event && e.mask == mask && e.state == state {
			return e
		}
	}
}

// hash mixes numbers well enough for a table.
func hash(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, b^0xbf58476d1ce4e5b9)
	hi, lo = bits.Mul64(hi^lo^c, 0x94d049bb133111eb)
	return hi ^ lo
}

func (m *memo) grow() {
	old := m.entries
	m.entries = make([]entry, max(64, 2*len(old)))
	for i := range old {
		if e := &old[i]; e.event != 0 {
			*m.find(e.mask, e.state, e.event) = *e
		}
	}
}

// usage numbers what was used: of which class how many. 0 is nothing.
type usage struct {
	ids  map[string]int32
	sets [][]amount
	next map[amount]int32 // by set and class
	key  []byte
}

// amount is a class and how many of it were used.
type amount struct{ class, n int32 }

func newUsage() *usage { return &usage{sets: make([][]amount, 1)} }

// count returns how many of a class a set has.
func (u *usage) count(set, class int32) int {
	for _, a := range u.sets[set] {
		if a.class == class {
			return int(a.n)
		}
	}
	return 0
}

// more returns the set that has one more of a class.
func (u *usage) more(set, class int32) int32 {
	if u.ids == nil {
		u.ids, u.next = make(map[string]int32), make(map[amount]int32)
	}
	if next, ok := u.next[amount{set, class}]; ok {
		return next
	}
	list := slices.Clone(u.sets[set])
	at, ok := slices.BinarySearchFunc(list, class, func(a amount, c int32) int { return int(a.class - c) })
	if ok {
		list[at].n++
	} else {
		list = slices.Insert(list, at, amount{class, 1})
	}
	id := u.id(list)
	u.next[amount{set, class}] = id
	return id
}

func (u *usage) id(list []amount) int32 {
	u.key = u.key[:0]
	for _, a := range list {
		u.key = append(u.key, byte(a.class), byte(a.class>>8), byte(a.class>>16), byte(a.class>>24),
			byte(a.n), byte(a.n>>8), byte(a.n>>16), byte(a.n>>24))
	}
	id, ok := u.ids[string(u.key)]
	if !ok {
		id = int32(len(u.sets))
		u.sets = append(u.sets, list)
		u.ids[string(u.key)] = id
	}
	return id
}

// within reports whether b has at least as many of each class as a.
func (u *usage) within(a, b int32) bool {
	if a == b || a == 0 {
		return true
	}
	for _, need := range u.sets[a] {
		if u.count(b, need.class) < int(need.n) {
			return false
		}
	}
	return true
}
