package txn

import "slices"

// relation maps numbers to lists of numbers, in two arrays.
type relation struct {
	off []int32
	to  []int32
	tag []uint8
}

// of returns the list of n.
func (r *relation) of(n int32) []int32 { return r.to[r.off[n]:r.off[n+1]] }

// tags returns the tags of the list of n.
func (r *relation) tags(n int32) []uint8 { return r.tag[r.off[n]:r.off[n+1]] }

// pairs is a relation that is being collected.
type pairs struct {
	from, to []int32
	tag      []uint8
}

func (p *pairs) add(from, to int32, tag uint8) {
	p.from = append(p.from, from)
	p.to = append(p.to, to)
	p.tag = append(p.tag, tag)
}

// with returns all of p and q.
func (p *pairs) with(q pairs) pairs {
	return pairs{slices.Concat(p.from, q.from), slices.Concat(p.to, q.to), slices.Concat(p.tag, q.tag)}
}

// relation sorts the pairs by their first number, of which there are n, and
// keeps their order otherwise.
func (p *pairs) relation(n int) relation {
	r := relation{off: make([]int32, n+1), to: make([]int32, len(p.to)), tag: make([]uint8, len(p.to))}
	for _, f := range p.from {
		r.off[f+1]++
	}
	for i := range n {
		r.off[i+1] += r.off[i]
	}
	next := make([]int32, n)
	copy(next, r.off)
	for i, f := range p.from {
		at := next[f]
		next[f]++
		r.to[at], r.tag[at] = p.to[i], p.tag[i]
	}
	return r
}
