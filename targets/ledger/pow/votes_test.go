package pow

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// voter is an honest validator with its own view of who voted for what.
type voter struct {
	*gadget
	name string
	last coin.Vote
}

// Whatever a third of the validators does, however votes are lost, and on whichever
// chains the others are: no two blocks that are not on one chain become final,
// for nobody and for no two who compare.
func TestFinalBlocksAreOnOneChain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tree := grown(rt)
		n := rapid.IntRange(1, 7).Draw(rt, "nodes")
		liars := (n - 1) / 3
		var voters []*voter
		for i := range n {
			voters = append(voters, &voter{gadget: newGadget(tree.genesis, n, nil), name: fmt.Sprint(i)})
		}
		for range rapid.IntRange(0, 80).Draw(rt, "votes") {
			who := rapid.IntRange(0, n-1).Draw(rt, "who")
			v := voters[who].any(rt, tree)
			if who >= liars && !voters[who].may(v, tree) {
				continue
			}
			voters[who].last = v
			for _, to := range voters {
				if to == voters[who] || rapid.IntRange(0, 3).Draw(rt, "arrives") > 0 {
					to.count(v, tree.blocks[v.Source], tree.blocks[v.Target])
				}
			}
		}
		for _, a := range voters[liars:] {
			for _, b := range voters[liars:] {
				if !a.final.on(b.final) && !b.final.on(a.final) {
					rt.Fatalf("%s takes %v for final, and %s takes %v", a.name, a.final.name, b.name, b.final.name)
				}
			}
			if !a.final.on(a.top) {
				rt.Fatalf("%s is bound to a chain without its final block", a.name)
			}
		}
	})
}

// any returns some vote from one checkpoint to another.
func (v *voter) any(rt *rapid.T, tree *tree) coin.Vote {
	target := rapid.SampledFrom(tree.order).Draw(rt, "target").mark
	source := target
	for h := rapid.IntRange(0, int(target.Height)/Epoch).Draw(rt, "source"); int(source.Height) > h*Epoch; {
		source = source.parent.mark
	}
	if rapid.Bool().Draw(rt, "usual") && v.top.on(target) {
		source = v.top
	}
	return coin.Vote{Validator: v.name, Source: source.name, Target: target.name, SourceHeight: source.Height, TargetHeight: target.Height}
}

// may reports whether a vote is one that voteNow would cast on some chain.
func (v *voter) may(w coin.Vote, tree *tree) bool {
	source, target := tree.blocks[w.Source], tree.blocks[w.Target]
	return source == v.top && source.on(target) && target.Height > source.Height &&
		target.Height > v.last.TargetHeight && source.Height >= v.last.SourceHeight
}

// A vote that comes twice counts once.
func TestVotersAreCounted(t *testing.T) {
	t.Parallel()
	tree := newTree(&coin.Block{Header: coin.Header{Work: baseWork}})
	for range Epoch {
		tip := tree.order[len(tree.order)-1]
		b := &coin.Block{Header: coin.Header{Parent: tip.name, Height: tip.Height + 1, Work: 16}}
		tree.add(b, b.Hash(), tip)
	}
	tip := tree.order[Epoch]
	g := newGadget(tree.genesis, 4, nil)
	for i := range 3 {
		v := coin.Vote{Validator: fmt.Sprint(i), Source: tree.genesis.name, Target: tip.name, TargetHeight: Epoch}
		g.count(v, tree.genesis, tip)
		if changed := g.count(v, tree.genesis, tip); changed || g.justified[tip] != (i == 2) {
			t.Fatalf("after %d voters, each twice: %v", i+1, g.justified[tip])
		}
	}
	if g.top != tip || g.final != tree.genesis {
		t.Errorf("bound to %v, final %v", g.top.name, g.final.name)
	}
}

// Whoever has counted the same votes has the same sum, whatever their order, and
// whoever has others, another one; votes below the height make no difference.
func TestSum(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tree := grown(rt)
		a, b := newGadget(tree.genesis, 4, nil), newGadget(tree.genesis, 4, nil)
		who := voter{gadget: a, name: "n1"}
		var votes []coin.Vote
		for range rapid.IntRange(1, 10).Draw(rt, "votes") {
			votes = append(votes, who.any(rt, tree))
		}
		count := func(g *gadget, v coin.Vote) { g.count(v, tree.blocks[v.Source], tree.blocks[v.Target]) }
		for _, v := range votes {
			count(a, v)
		}
		for _, v := range rapid.Permutation(votes).Draw(rt, "order") {
			if height := rapid.Uint64Range(0, 8).Draw(rt, "height"); len(a.above(height)) != len(b.above(height)) && a.sum(height) == b.sum(height) {
				rt.Fatalf("above %d one has counted %d votes and the other %d, and both have the sum %d", height, len(a.above(height)), len(b.above(height)), a.sum(height))
			}
			count(b, v)
		}
		if a.sum(0) != b.sum(0) || len(a.above(0)) > 0 == (a.sum(0) == 0) {
			rt.Fatalf("sums %d and %d of %d votes", a.sum(0), b.sum(0), len(a.above(0)))
		}
	})
}
