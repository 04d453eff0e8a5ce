// Package choice is where all randomness of a run comes from.
//
// A run has one seed. Whoever needs a random number asks the [Source] for a
// stream under a label and the stable identity of what it decides about:
//
//	latency := src.Stream("latency", from, to) // one stream for each link
//	key := src.Stream("key", client)           // one stream for each client
//
// Streams are independent: they are derived from the seed by hashing, never
// split from one shared generator, so a new draw in one place does not change
// what any other place sees. That is what makes a plan that was made smaller
// still fail in the same way. Everything is integer arithmetic, so the same
// seed gives the same numbers on every machine.
//
// The numbers are those of SplitMix64, one generator for each stream, whose
// state is a hash of seed, label and identity. They are for making choices, not
// for keeping secrets. A golden table in the tests holds them still: another
// algorithm would make every plan that anybody has kept a different run.
package choice

import "math/bits"

// Source derives streams from the seed of a run. The zero Source is the source
// of seed 0. It is a value and safe for concurrent use.
type Source struct{ seed uint64 }

// New returns the source of the given seed.
func New(seed uint64) Source { return Source{seed} }

// Seed returns the seed that s was made from.
func (s Source) Seed() uint64 { return s.seed }

// Stream returns the stream of the given label and identity. The same
// arguments give the same stream, from its beginning.
func (s Source) Stream(label string, ids ...uint64) *Stream {
	return &Stream{key: s.key(label, ids)} // small enough to be inlined: most streams then stay on the stack
}

func (s Source) key(label string, ids []uint64) uint64 {
	key := mix(s.seed + golden)
	for i := range len(label) {
		key = mix(key ^ uint64(label[i])*golden)
	}
	key = mix(key ^ uint64(len(label)))
	for _, id := range ids {
		key = mix(key*golden ^ id)
	}
	return key
}

// Stream is a sequence of random numbers. It is not safe for concurrent use.
type Stream struct {
	key uint64
	n   uint64
}

const golden = 0x9e3779b97f4a7c15

// mix is the output function of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Uint64 returns the next number of the stream.
func (s *Stream) Uint64() uint64 {
	s.n++
	return mix(s.key + s.n*golden)
}

// Int64N returns a number from 0 to n-1. It panics if n is not positive.
func (s *Stream) Int64N(n int64) int64 {
	if n <= 0 {
		panic("choice: Int64N of a number that is not positive")
	}
	hi, _ := bits.Mul64(s.Uint64(), uint64(n)) // Lemire's method; the bias is below 2^-64*n
	return int64(hi)
}

// IntN returns a number from 0 to n-1. It panics if n is not positive.
func (s *Stream) IntN(n int) int { return int(s.Int64N(int64(n))) }

// Between returns a number from lo to hi, both included. It panics if hi is less
// than lo, or so much more that there are 2^63 numbers to choose from.
func (s *Stream) Between(lo, hi int64) int64 { return lo + s.Int64N(hi-lo+1) }

// Chance reports true num times out of den: never if num is 0, always if it is
// den. It panics if den is not positive.
func (s *Stream) Chance(num, den int64) bool { return s.Int64N(den) < num }

// Perm returns the numbers 0 to n-1 in random order.
func (s *Stream) Perm(n int) []int {
	p := make([]int, n)
	for i := range p {
		p[i] = i
	}
	s.Shuffle(n, func(i, j int) { p[i], p[j] = p[j], p[i] })
	return p
}

// Shuffle puts n things into random order by swapping.
func (s *Stream) Shuffle(n int, swap func(i, j int)) {
	for i := n - 1; i > 0; i-- {
		swap(i, s.IntN(i+1))
	}
}

// Weighted is a name, and how often it is drawn beside others.
type Weighted struct {
	Name   string
	Weight int64
}

// Weigh returns one of the given names, each as often as its weight says. It
// panics if the weights do not add up to more than 0.
func Weigh(s *Stream, from []Weighted) string {
	total := int64(0)
	for _, w := range from {
		total += w.Weight
	}
	at := s.Int64N(total)
	for _, w := range from {
		if at -= w.Weight; at < 0 {
			return w.Name
		}
	}
	panic("choice: a weight is below 0")
}

// Pick returns one of the given things. It panics if there are none.
func Pick[T any](s *Stream, from []T) T { return from[s.IntN(len(from))] }
