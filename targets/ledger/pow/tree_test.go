package pow

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// grown returns a tree of some shape: every block builds on one of those before.
func grown(rt *rapid.T) *tree {
	t := newTree(&coin.Block{Header: coin.Header{Work: baseWork}})
	for i := range rapid.IntRange(0, 60).Draw(rt, "blocks") {
		back := rapid.IntRange(1, min(len(t.order), 4)).Draw(rt, "back")
		parent := t.order[len(t.order)-back]
		b := &coin.Block{Header: coin.Header{Parent: parent.name, Height: parent.Height + 1, Work: 16, Nonce: uint64(i)}}
		t.add(b, b.Hash(), parent)
	}
	return t
}

// slow walks a chain down block by block.
func (b *block) slow(height uint64) *block {
	for b != nil && b.Height > height {
		b = b.parent
	}
	return b
}

func TestChainsAreWalkedRight(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tree := grown(rt)
		a, b := rapid.SampledFrom(tree.order).Draw(rt, "a"), rapid.SampledFrom(tree.order).Draw(rt, "b")
		for h := range a.Height + 1 {
			if got, want := a.at(h), a.slow(h); got != want {
				rt.Fatalf("the block at %d is %v, not %v", h, got.name, want.name)
			}
		}
		if a.at(a.Height+1) != nil {
			rt.Fatal("there is a block above the tip")
		}
		m := meet(a, b)
		if !m.on(a) || !m.on(b) || m != a && m != b && a.at(m.Height+1) == b.at(m.Height+1) {
			rt.Fatalf("%v and %v meet in %v", a.name, b.name, m.name)
		}
		p := path(m, a)
		if len(p) != int(a.Height-m.Height) || len(p) > 0 && (p[0].parent != m || p[len(p)-1] != a) {
			rt.Fatalf("the path from %v to %v has %d blocks", m.name, a.name, len(p))
		}
		l := locator(a)
		if l[0] != a.name || l[len(l)-1] != tree.genesis.name || len(l) > 20 {
			rt.Fatalf("locator of %d names", len(l))
		}
	})
}

// Work goes up when blocks come fast, down when they are late, and stays in bounds.
func TestWorkFollowsThePace(t *testing.T) {
	t.Parallel()
	const interval = 500 * ms
	b := &coin.Header{Height: 5, Time: 100 * second, Work: 100}
	for _, c := range []struct {
		gap  int64
		want uint64
	}{{ms, 125}, {interval, 100}, {3 * interval, 50}} {
		if got := nextWork(b, b.Time+c.gap, interval); got != c.want {
			t.Errorf("after %d ns the work is %d, not %d", c.gap, got, c.want)
		}
	}
	for range 100 {
		b.Work = nextWork(b, b.Time+3*interval, interval)
	}
	if b.Work != leastWork {
		t.Errorf("work went down to %d", b.Work)
	}
}

// A clock that jumps moves the time of the chain by a little only.
func TestTimesOfTheChain(t *testing.T) {
	t.Parallel()
	b := &coin.Header{Height: 5, Time: 100 * second}
	for wall, want := range map[int64]int64{
		0: b.Time + minStep, b.Time + second: b.Time + second, b.Time + 3600*second: b.Time + 2*second,
	} {
		if got := timely(b, wall, 500*ms); got != want {
			t.Errorf("at %d the chain has %d, not %d", wall, got, want)
		}
	}
}

// The logarithm is that of the textbooks, within what a line differs from a curve.
func TestLogarithm(t *testing.T) {
	t.Parallel()
	for u, want := range map[uint64]uint64{1 << 63: 45426, 1 << 62: 2 * 45426, ^uint64(0): 0, 3 << 62: 18854} {
		if got := logarithm(u); max(got, want)-min(got, want) > 4000 {
			t.Errorf("of %x it is %d, not about %d", u, got, want)
		}
	}
}
