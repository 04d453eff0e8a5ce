package pow

import (
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/actor/actortest"
	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// What a node takes for final and justified is in its chain. If ever it is not,
// an observation shows where it is, or nobody could say what is wrong.
func TestViewsShowWhatIsFinal(t *testing.T) {
	t.Parallel()
	c := cell{actortest.NewAlone(4)}
	c.Now = second
	n := c.boot()
	branch := func(miner string, length int) *block {
		tip := n.tree.genesis
		for range length {
			b := &coin.Block{Header: coin.Header{Parent: tip.name, Height: tip.Height + 1, Work: leastWork, Miner: miner}}
			tip = n.tree.add(b, b.Hash(), tip)
		}
		return tip
	}
	n.tip = branch("n1", 9)
	lost := branch("n2", 8)
	tell := func(since coin.Hash) []coin.Hash {
		var names []coin.Hash
		for _, b := range n.view(&coin.Request{Since: since.Brief()}).Blocks {
			names = append(names, b.Name)
		}
		return names
	}
	if got := tell(n.tip.parent.name); !slices.Equal(got, []coin.Hash{n.tip.name}) {
		t.Errorf("who knows all but the tip is told %d blocks", len(got))
	}
	n.gadget.final, n.gadget.top = lost.at(4), lost
	got := tell(n.tip.name)
	for _, b := range path(n.tree.genesis, lost) {
		if !slices.Contains(got, b.name) {
			t.Errorf("block %v of height %d is not told", b.name, b.Height)
		}
	}
}
