package causality

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
)

// random returns a graph whose nodes read from any others, so that it may have
// cycles, with what happened before what.
func random(rng *rand.Rand) (*Graph, [][]bool) {
	n, keys := 1+rng.IntN(9), 1+rng.IntN(3)
	g := &Graph{Keys: keys, ReadAt: []int32{0}, WriteAt: []int32{0}}
	last := []int32{None, None, None}
	wrote := make([][]int32, keys)
	for v := range int32(n) {
		for k := range int32(keys) {
			if rng.IntN(2) == 0 {
				g.Writes = append(g.Writes, k)
				wrote[k] = append(wrote[k], v)
			}
		}
		g.WriteAt = append(g.WriteAt, int32(len(g.Writes)))
		s := rng.IntN(3)
		g.Prev = append(g.Prev, last[s])
		switch rng.IntN(6) {
		case 0: // it is a leaf: the session goes on without it
		case 1:
			last[s] = None // the session ends
		default:
			last[s] = v
		}
	}
	for v := range int32(n) {
		for range rng.IntN(3) {
			k := rng.IntN(keys)
			from := int32(None)
			if w := wrote[k]; len(w) > 0 && rng.IntN(4) > 0 {
				from = w[rng.IntN(len(w))]
			}
			if from != v && (from < v || rng.IntN(10) == 0) {
				g.Reads = append(g.Reads, Read{int32(k), from})
			}
		}
		g.ReadAt = append(g.ReadAt, int32(len(g.Reads)))
	}
	return g, closure(g)
}

func closure(g *Graph) [][]bool {
	n := g.Len()
	before := make([][]bool, n)
	for v := range n {
		before[v] = make([]bool, n)
	}
	for v := range int32(n) {
		for _, p := range g.Before(v, nil) {
			before[p][v] = true
		}
	}
	for m := range n {
		for a := range n {
			for b := range n {
				before[a][b] = before[a][b] || before[a][m] && before[m][b]
			}
		}
	}
	return before
}

// What a sweep shows are the last of the writes that happened before a read: each
// other one happened before one of these, or is the one that was read.
func TestSweep(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		g, before := random(rng)
		order := Order(g.Len(), g.Before)
		cyclic := false
		for v := range before {
			cyclic = cyclic || before[v][v]
		}
		if cyclic != (len(order) < g.Len()) {
			t.Fatalf("%+v: order %v", g, order)
		}
		if cyclic {
			continue
		}
		for _, keep := range []bool{false, true} {
			shown := make(map[int32][]int32)
			_, err := g.Sweep(context.Background(), order, keep, func(l Later) {
				from := g.Reads[l.Read].From
				if !before[l.Write][l.Reader] || from != None && l.Before != before[l.Write][from] || from == None && l.Before ||
					l.After != (keep && from != None && before[from][l.Write]) {
					t.Fatalf("%+v: %+v", g, l)
				}
				shown[l.Read] = append(shown[l.Read], l.Write)
			})
			if err != nil {
				t.Fatal(err)
			}
			covered(t, g, before, shown)
		}
	}
}

func covered(t *testing.T, g *Graph, before [][]bool, shown map[int32][]int32) {
	t.Helper()
	for v := range int32(g.Len()) {
		for at := g.ReadAt[v]; at < g.ReadAt[v+1]; at++ {
			r := g.Reads[at]
			for w := range int32(g.Len()) {
				if !before[w][v] || w == r.From || !slices.Contains(g.WritesOf(w), r.Key) {
					continue
				}
				ok := r.From != None && before[w][r.From]
				for _, s := range shown[at] {
					ok = ok || s == w || before[w][s]
				}
				if !ok {
					t.Fatalf("%+v: read %d: %d is missing from %v", g, at, w, shown[at])
				}
			}
		}
	}
}

// Sessions that follow each other share a chain.
func TestChains(t *testing.T) {
	t.Parallel()
	g := &Graph{Keys: 1, ReadAt: []int32{0}, WriteAt: []int32{0}}
	for v := range int32(1000) {
		g.Prev = append(g.Prev, None)
		if v > 0 {
			g.Reads = append(g.Reads, Read{0, v - 1})
		}
		g.Writes = append(g.Writes, 0)
		g.ReadAt, g.WriteAt = append(g.ReadAt, int32(len(g.Reads))), append(g.WriteAt, int32(len(g.Writes)))
	}
	chains, err := g.Sweep(context.Background(), Order(g.Len(), g.Before), false, func(Later) {})
	if chains != 1 || err != nil {
		t.Errorf("%d chains, %v", chains, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := g.Sweep(ctx, Order(g.Len(), g.Before), false, func(Later) {}); err == nil {
		t.Error("it did not stop")
	}
}
