package digraph

import (
	"math/rand/v2"
	"testing"
)

// TestAgainstClosure compares components and shortest cycles with the distances
// between all nodes of small graphs.
func TestAgainstClosure(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		n := 1 + rng.IntN(8)
		g := New(n)
		const far = 1 << 20
		var dist [8][8]int
		for i := range dist {
			for k := range dist[i] {
				dist[i][k] = far
			}
		}
		for range rng.IntN(14) {
			a, b := rng.IntN(n), rng.IntN(n)
			g.Add(a, b)
			dist[a][b] = 1
		}
		for k := range n {
			for i := range n {
				for j := range n {
					dist[i][j] = min(dist[i][j], dist[i][k]+dist[k][j])
				}
			}
		}
		in := map[int32]int{}
		for c, component := range g.Components() {
			shortest := far
			for _, v := range component {
				in[v] = c + 1
				shortest = min(shortest, dist[v][v])
				for _, w := range component {
					if dist[v][w] >= far {
						t.Fatalf("no way from %d to %d", v, w)
					}
				}
			}
			cycle := g.Cycle(component, func(int32) bool { return true })
			if len(cycle) != shortest {
				t.Fatalf("cycle %v, want one of length %d", cycle, shortest)
			}
			for i, v := range cycle {
				if dist[v][cycle[(i+1)%len(cycle)]] != 1 {
					t.Fatalf("cycle %v has no edge from %d", cycle, v)
				}
			}
		}
		for i := range n {
			for j := range n {
				if path := g.Path(int32(i), int32(j), func(int32) bool { return true }); len(path) != dist[i][j]+1 && (path != nil || dist[i][j] < far) {
					t.Fatalf("path %v from %d to %d, want one of length %d", path, i, j, dist[i][j])
				}
				together := dist[i][j] < far && dist[j][i] < far
				if together != (in[int32(i)] > 0 && in[int32(i)] == in[int32(j)]) {
					t.Fatalf("%d and %d: in one component is %v", i, j, together)
				}
			}
		}
	}
}

func TestDeep(t *testing.T) {
	t.Parallel()
	const n = 1 << 18
	g := New(n)
	for i := range n {
		g.Add(i, (i+1)%n)
	}
	components := g.Components()
	if len(components) != 1 || len(components[0]) != n || g.Len() != n {
		t.Fatalf("%d components", len(components))
	}
}
